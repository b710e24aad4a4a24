"""The command that says what is installed for assistants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.lazy import ExampleCommand

if TYPE_CHECKING:
    from faiss_memory.cli.output import Output
    from faiss_memory.install import Assistants, InstalledAssistant
    from faiss_memory.settings import Settings


PATIENCE = 2.0
"""Seconds to wait for the service, which need not run."""


@click.command(cls=ExampleCommand, examples=["faiss-memory status", "faiss-memory status --json"])
@click.option("--json", "wants_json", is_flag=True, help="For scripts.")
def status(wants_json: bool) -> None:
    """Show what is installed for assistants, and what is still to be done.

    A file is `installed`, `edited` by you since, `outdated` if a newer version would write something else, `missing`,
    `unreadable`, `kept` by an uninstall because you had edited it, or `yours` where one of your own has our name. What
    others have committed in the project you are in is shown as well. Piped, each is a line: assistant, for whom,
    project, state, file.
    """
    from faiss_memory.cli.output import open_output
    from faiss_memory.cli.writing import as_json
    from faiss_memory.install import (
        RecordFile,
        conflicts,
        folder_here,
        followed,
        report,
    )

    settings, assistants = load_assistants()
    installed = followed(RecordFile().load())
    found = report(installed, assistants, settings, folder_here())
    twice = conflicts([one.owner for one in found if not one.is_left_over])
    if wants_json:
        listed = [*_listed(found)]
        answer = {"installed": listed, "count": len(listed), "unfinished": bool(installed.pending),
                  "conflicts": twice}  # fmt: skip
        click.echo(as_json(answer))
        return
    out = open_output()
    _show(found, out)
    if installed.pending:
        out.remark("An install was cut short; the next `install` or `uninstall` finishes it.")
    for one in found:
        for step in one.steps:
            out.remark(f"{one.owner.assistant}: {step}")
    for remark in twice:
        out.remark(remark)
    _tell_of_packages(settings, assistants, found, out)
    _tell_of_the_name(settings, out)


def _tell_of_packages(
    settings: Settings, assistants: Assistants, found: Sequence[InstalledAssistant], out: Output
) -> None:
    """Say which assistants have us as a package of their own plugin system, or that nothing is installed at all."""
    from faiss_memory.install import context_of, folder_here
    from faiss_memory.memory import DEFAULT_PROJECT

    packaged = assistants.packaged(context_of(settings, "user", folder_here(), DEFAULT_PROJECT))
    for name, where in packaged.items():
        both = any(one.owner.assistant == name and not one.is_left_over for one in found)
        more = " Memories come twice: keep one of the two" if both else ""
        out.remark(f"{name}: has us as its plugin, {where}.{more}")
    if not found and not packaged:
        out.remark("Nothing is installed: `faiss-memory install ASSISTANT` does that.")


def _tell_of_the_name(settings: Settings, out: Output) -> None:
    """Say why the project of this folder is not called as it would be called alone, if the service knows."""
    from pathlib import Path

    from faiss_memory.cli.client import Client
    from faiss_memory.cli.here import project_here
    from faiss_memory.cli.session import find_service

    here = project_here(Client(find_service(None, settings), PATIENCE), Path.cwd())
    if here.owned_by:
        out.remark(
            f"This folder's project is `{here.project}`: the name without an ending is {here.owned_by}'s."
        )


def load_assistants() -> tuple[Settings, Assistants]:
    """Load the settings and the adapters."""
    from faiss_memory.install import Assistants
    from faiss_memory.plugin_host import PluginHost
    from faiss_memory.settings import load

    settings = load().settings
    return settings, Assistants(PluginHost(settings.plugins.disabled))


def _listed(found: Sequence[InstalledAssistant]) -> Iterator[dict[str, Any]]:
    for one in found:
        yield {
            "assistant": one.owner.assistant,
            "scope": one.owner.scope,
            "folder": one.owner.folder or None,
            "project": one.project,
            "files": [{"path": file.path, "state": file.state} for file in one.files],
            "steps": list(one.steps),
        }


def _show(found: Sequence[InstalledAssistant], out: Output) -> None:
    from faiss_memory.cli.records import Cell, Column

    columns = (Column("assistant", style="cyan"), Column("for", spare=1), Column("project"), Column("state"),
               Column("file", style="dim", wide=True))  # fmt: skip
    rows = [
        (
            one.owner.assistant,
            one.owner.scope,
            one.project,
            Cell(file.state, file.state, style="green" if file.state == "installed" else "yellow"),
            file.path,
        )
        for one in found
        for file in one.files
    ]
    out.table(columns, rows)
