"""Installing, uninstalling and looking after an assistant's files, for the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from faiss_memory.address import service_address, settled_address
from faiss_memory.contracts.config_files import InstallContext, OwnFile, Scope, Snippet
from faiss_memory.errors import InstallError
from faiss_memory.install.applying import carry_out, finish
from faiss_memory.install.assistants import Assistants
from faiss_memory.install.commands import (
    COMMAND,
    HOOK_COMMAND,
    command_for,
    drop_links,
    plan_link,
    trouble_with,
)
from faiss_memory.install.formats import Part
from faiss_memory.install.inspect import holds, starts
from faiss_memory.install.places import check_folder, folder_for, name_project, project_in, stands_alone
from faiss_memory.install.plan import Plan, Refusal, locate
from faiss_memory.install.record import Owner, RecordFile
from faiss_memory.settings import Settings

System = Literal["linux", "darwin", "windows"]


class Installer:
    """Works on one place: a project's folder, or the user's own files."""

    def __init__(
        self,
        settings: Settings,
        assistants: Assistants,
        scope: Scope,
        folder: Path | None = None,
        records: RecordFile | None = None,
    ) -> None:
        self._settings = settings
        self._assistants = assistants
        self._records = records or RecordFile()
        self.scope = scope
        # A project that was deleted or moved can still be uninstalled.
        known = {owner.folder for owner in self._records.load().owners()} if folder is not None else ()
        self.folder = folder_for(scope, folder, known)

    def owner(self, assistant: str) -> Owner:
        """Name an assistant in this place."""
        return Owner(assistant, self.scope, self.folder)

    def context(self, project: str) -> InstallContext:
        """Return what generated files may speak of."""
        return context_of(self._settings, self.scope, self.folder, project)

    @contextmanager
    def at_work(self) -> Iterator[list[str]]:
        """Keep others away, and finish first what was cut short; gives what could not be finished."""
        with self._records.locked():
            yield finish(self._records)

    def plan_install(
        self, assistants: Iterable[str], name: str | None = None, force: bool = False, link: bool = False
    ) -> Plan:
        """Work out what would change. Raises InstallError before anything is done."""
        check_folder(self.folder)
        plan = Plan(self._records.load())
        project = name_project(plan.later, self.scope, self.folder, name)
        context = self.context(project)
        for assistant in assistants:
            files = by_path(self._assistants.files(assistant, context))
            owner = self.owner(assistant)
            refused = [
                Refusal(owner, path, "it would hold the service's token, which belongs into no such file")
                for path, parts in files.items()
                if any(holds(part, secret) for part in parts for secret in self._secrets)
            ]
            plan.refusals += refused
            if not refused and plan.install(owner, files, force):
                plan.remarks += self._linked(plan, owner, files) if link else ()
        self._forget_project(plan)
        return plan

    def plan_uninstall(self, assistants: Iterable[str], force: bool = False) -> Plan:
        """Work out what would change."""
        plan = Plan(self._records.load())
        for assistant in assistants:
            owner = self.owner(assistant)
            recorded = plan.later.of(owner)
            context = self.context(project_in(plan.later, self.folder))
            files = {} if recorded else by_path(self._assistants.files(assistant, context))
            if plan.uninstall(owner, files, force):
                drop_links(plan.later, owner)
        self._forget_project(plan)
        return plan

    def carry_out(self, plan: Plan) -> list[str]:
        """Write everything; gives what could not be written."""
        return carry_out(plan, self._records)

    def content(self, assistant: str, name: str | None = None) -> dict[str, list[Part]]:
        """Return an assistant's files, by declared path, without looking at what is there."""
        project = name or project_in(self._records.load(), self.folder)
        return by_path(self._assistants.files(assistant, self.context(project)))

    def to_be_filled(self, plan: Plan, assistant: str) -> Iterator[tuple[Path, str]]:
        """Yield the files that a plan has made anew and the service can fill, each with the address of its text."""
        made = {edit.path for edit in plan.edits if edit.before.raw is None and edit.after.raw is not None}
        for path, parts in self.content(assistant).items():
            for part in parts:
                if (
                    isinstance(part, OwnFile)
                    and part.filled_from
                    and (file := locate(path, self.folder)) in made
                ):
                    yield Path(file), part.filled_from

    def snippets(self, assistant: str, name: str | None = None) -> list[Snippet]:
        """Return what an assistant's adapter has for the person to paste."""
        project = name or project_in(self._records.load(), self.folder)
        declared = self._assistants.declared(assistant, self.context(project))
        return [part for part in declared if isinstance(part, Snippet)]

    def steps(self, assistant: str) -> Sequence[str]:
        """Return what the person still has to do."""
        steps = self._assistants.steps(assistant, self.context(project_in(self._records.load(), self.folder)))
        pasting = f"`faiss-memory install {assistant} --print` shows what there is to paste besides."
        return [*steps, *([pasting] if self.snippets(assistant) else [])]

    def detected(self) -> list[str]:
        """List the assistants that are found on this machine. Raises InstallError if there is none."""
        found = self._assistants.detected(self.scope, self.folder)
        if not found:
            known = ", ".join(sorted(self._assistants.adapters))
            raise InstallError(f"no assistant was found on this machine; name one: {known}")
        return found

    def installed(self) -> list[str]:
        """List the assistants that something is recorded of in this place."""
        owners = self._records.load().owners()
        return [owner.assistant for owner in owners if owner == self.owner(owner.assistant)]

    def elsewhere(self, assistant: str) -> list[Owner]:
        """List the other places an assistant is installed in."""
        owners = self._records.load().owners()
        return [owner for owner in owners if owner.assistant == assistant and owner != self.owner(assistant)]

    def troubles(self, assistant: str) -> list[str]:
        """Try the commands that an assistant's files start, as a desktop app would."""
        files = self.content(assistant)
        used = [command for command in self._commands if _starts(files, command)]
        return [trouble for command in used if (trouble := trouble_with(command))]

    @property
    def _commands(self) -> tuple[str, str]:
        return command_for(HOOK_COMMAND, self.scope), command_for(COMMAND, self.scope)

    @property
    def _secrets(self) -> list[str]:
        return [secret for secret in (self._settings.token, self._settings.public_token) if secret]

    def _forget_project(self, plan: Plan) -> None:
        if not any(owner.folder == self.folder for owner in plan.later.owners()):
            plan.later.projects.pop(self.folder, None)

    def _linked(self, plan: Plan, owner: Owner, files: dict[str, list[Part]]) -> list[str]:
        names = [name for name in (COMMAND, HOOK_COMMAND) if _starts(files, command_for(name, self.scope))]
        return [trouble for name in names if (trouble := plan_link(plan.later, name, owner))]


def context_of(settings: Settings, scope: Scope, folder: str, project: str) -> InstallContext:
    """Return what generated files may speak of. Others' services are where the settings say, one's own where it is."""
    url = settled_address(settings) if scope == "shared" else service_address(settings).url
    return InstallContext(
        url=url,
        project=project,
        scope=scope,
        folder=folder,
        stands_alone=stands_alone(folder),
        command=command_for(COMMAND, scope),
        hook_command=command_for(HOOK_COMMAND, scope),
        has_token=bool(settings.token),
        public_url=settings.public_url,
        system=system(),
    )


def system() -> System:
    """Name the operating system."""
    named: dict[str, System] = {"darwin": "darwin", "win32": "windows"}
    return named.get(sys.platform, "linux")


def by_path(parts: Iterable[Part]) -> dict[str, list[Part]]:
    """Group parts by the path they are declared with."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.path, []).append(part)
    return found


def _starts(files: dict[str, list[Part]], command: str) -> bool:
    return any(starts(part, command) for parts in files.values() for part in parts)
