"""The command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import EXIT_FAILED
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import complete_assistant, opened, service_options
from faiss_memory.errors import MemoryServiceError

if TYPE_CHECKING:
    from faiss_memory.cli.doctor.findings import Findings
    from faiss_memory.cli.session import Session
    from faiss_memory.contracts.config_files import InstallContext
    from faiss_memory.install import Assistants, InstalledAssistant


@click.command(cls=ExampleCommand, examples=["faiss-memory doctor", "faiss-memory doctor --json"])
@click.argument("assistant", nargs=-1, shell_complete=complete_assistant)
@service_options
def doctor(assistant: Sequence[str], wants_json: bool, timeout: float | None, **options: Any) -> int:
    """Examine the service, and each installed assistant's way to it.

    For each assistant a memory is stored, recalled the way the assistant would (its hooks in a bare environment, three
    times, the addresses as its files name them) and forgotten again. What fails comes with what to do. The exit code is
    0 if all is well and 1 if something failed. Piped, each finding is a line: about, check, state, milliseconds, words,
    advice.
    """
    from faiss_memory.cli.doctor.findings import SECONDS, Findings
    from faiss_memory.cli.doctor.showing import show
    from faiss_memory.cli.output import open_output
    from faiss_memory.cli.writing import as_json

    try:
        groups = examined(opened(wants_json=wants_json, timeout=timeout or SECONDS, **options), assistant)
    except MemoryServiceError as error:
        groups = [Findings("set-up")]
        groups[0].failed(
            "settings", str(error), "Put that right, and ask again: nothing else can be seen before"
        )
    found = [finding for group in groups for finding in group.found]
    well = not any(finding.state == "failed" for finding in found)
    if wants_json:
        click.echo(as_json({"ok": well, "findings": [asdict(finding) for finding in found]}))
    else:
        show(open_output(), groups)
    return 0 if well else EXIT_FAILED


def _packages(
    assistants: Assistants, context: InstallContext, found: Sequence[InstalledAssistant]
) -> list[Findings]:
    """Return what is told of assistants that have us as a package of their own plugin system."""
    from faiss_memory.cli.doctor.findings import Findings

    groups = []
    for name, where in assistants.packaged(context).items():
        group = Findings(f"{assistants.title(name)}, as a plugin")
        if any(one.owner.assistant == name for one in found):
            group.note(
                "plugin",
                f"is there as well as the files: {where}",
                "Memories come twice: keep one of the two",
            )
        else:
            group.ok("plugin", where)
        groups.append(group)
    return groups


def _twice(found: Sequence[InstalledAssistant]) -> list[Findings]:
    """Return what is told of assistants that are installed more than once for one folder."""
    from faiss_memory.cli.doctor.findings import Findings
    from faiss_memory.install import conflicts

    twice = Findings("assistants")
    for said in conflicts([one.owner for one in found]):
        what, _, advice = said.partition(". ")
        twice.note("scopes", what, advice)
    return [twice] if twice.found else []


def examined(session: Session, names: Sequence[str]) -> list[Findings]:
    """Return what is found about the service and assistants. Raises MemoryServiceError for unreadable settings."""
    from faiss_memory.address import service_address
    from faiss_memory.cli.doctor.assistants import Patient, chosen
    from faiss_memory.cli.doctor.public_way import check_public
    from faiss_memory.cli.doctor.service_checks import check_service
    from faiss_memory.install import (
        Assistants,
        RecordFile,
        context_of,
        folder_here,
        followed,
        report,
    )
    from faiss_memory.plugin_host import PluginHost
    from faiss_memory.project_name import DEFAULT
    from faiss_memory.settings import environment_with, load

    settings = load().settings
    assistants, installed = Assistants(PluginHost(settings.plugins.disabled)), followed(RecordFile().load())
    found = [one for one in report(installed, assistants, settings, folder_here()) if not one.is_left_over]
    wanted = chosen(found, names)
    # What an assistant has is what it is started with, not what stands in the settings.
    token = environment_with({}).get("FAISS_MEMORY_TOKEN", "")
    service, stats = check_service(session.client, settings)
    usable = session.client if stats is not None else None
    groups = [service]
    for one in wanted:
        context = context_of(settings, one.owner.scope, one.owner.folder, one.project)
        patient = Patient(
            one, assistants.adapters.get(one.owner.assistant), context, service_address(settings)
        )
        groups.append(patient.examine(usable, stats, token))
    groups += _twice(found)
    groups += _packages(assistants, context_of(settings, "user", folder_here(), DEFAULT), found)
    if settings.public_url:
        groups.append(check_public(settings, session.client.address.url if usable else None))
    return groups
