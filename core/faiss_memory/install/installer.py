"""Installing, uninstalling and looking after an assistant's files, for the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from faiss_memory.contracts.config_files import InstallContext, OwnFile, Scope, Snippet
from faiss_memory.errors import CannotMerge, InstallError
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
from faiss_memory.install.disk import tracked
from faiss_memory.install.formats import Part
from faiss_memory.install.inspect import holds, starts
from faiss_memory.install.moves import followed, locate
from faiss_memory.install.places import (
    Namer,
    by_path,
    check_folder,
    context_of,
    folder_for,
    name_project,
    own_name,
    project_in,
)
from faiss_memory.install.plan import Plan, Refusal
from faiss_memory.install.record import Installed, Owner, RecordFile
from faiss_memory.install.status import conflicts, report
from faiss_memory.project_name import find_repository
from faiss_memory.settings import Settings


class Installer:
    """Works on one place: a project's folder, or the user's own files."""

    def __init__(
        self,
        settings: Settings,
        assistants: Assistants,
        scope: Scope,
        folder: Path | None = None,
        records: RecordFile | None = None,
        named: Namer = own_name,
    ) -> None:
        self._settings = settings
        self._assistants = assistants
        self._records = records or RecordFile()
        self._named = named
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
        self, assistants: Sequence[str], name: str | None = None, force: bool = False, link: bool = False
    ) -> Plan:
        """Work out what would change. Raises InstallError before anything is done."""
        check_folder(self.folder)
        plan = Plan(self._recorded())
        project = name_project(plan.later, self.scope, self.folder, name, self._named)
        context = self.context(project)
        packaged = self._assistants.packaged(context)
        for assistant in assistants:
            if assistant in packaged and not plan.later.of(self.owner(assistant)):
                raise InstallError(
                    f"{assistant} has us already, as its plugin: {packaged[assistant]}. With both, memories would come "
                    "twice: remove the plugin first, or leave it at that"
                )
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
        self._warn(plan, assistants)
        return plan

    def plan_uninstall(self, assistants: Iterable[str], force: bool = False) -> Plan:
        """Work out what would change."""
        plan = Plan(self._recorded())
        for assistant in assistants:
            owner = self.owner(assistant)
            recorded = plan.later.of(owner)
            context = self.context(self._project(plan.later))
            files = (
                {}
                if recorded
                else self._not_committed(plan, assistant, by_path(self._assistants.files(assistant, context)))
            )
            if plan.uninstall(owner, files, force):
                drop_links(plan.later, owner)
        self._forget_project(plan)
        return plan

    def carry_out(self, plan: Plan) -> list[str]:
        """Write everything; gives what could not be written."""
        return carry_out(plan, self._records)

    def content(self, assistant: str, name: str | None = None) -> dict[str, list[Part]]:
        """Return an assistant's files, by declared path, without looking at what is there."""
        project = name or self._project(self._recorded())
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
        project = name or self._project(self._recorded())
        declared = self._assistants.declared(assistant, self.context(project))
        return [part for part in declared if isinstance(part, Snippet)]

    def steps(self, assistant: str, plan: Plan | None = None) -> Sequence[str]:
        """Return what the person still has to do after a plan was carried out, if one was."""
        steps = self._assistants.steps(assistant, self.context(self._project(self._recorded())))
        pasting = f"`faiss-memory install {assistant} --print` shows what there is to paste besides."
        has_changed = plan is not None and bool(plan.changed_of(self.owner(assistant)))
        reload = self._assistants.reload(assistant) if has_changed else ""
        return [*steps, *([reload] if reload else []), *([pasting] if self.snippets(assistant) else [])]

    def detected(self) -> list[str]:
        """List the assistants that are found on this machine. Raises InstallError if there is none."""
        found = [*self.found()]
        if not found:
            known = ", ".join(sorted(self._assistants.adapters))
            raise InstallError(f"no assistant was found on this machine; name one: {known}")
        return found

    def found(self) -> dict[str, str]:
        """Return the assistants that are found on this machine, by name, with what people call them."""
        names = self._assistants.detected(self.context(self._project(self._recorded())))
        return {name: self._assistants.title(name) for name in names}

    def known(self) -> list[str]:
        """List the assistants that there are."""
        return sorted(self._assistants.adapters)

    def installed(self) -> list[str]:
        """List the assistants that something is recorded of in this place."""
        owners = self._recorded().owners()
        return [owner.assistant for owner in owners if owner == self.owner(owner.assistant)]

    def elsewhere(self, assistant: str) -> list[Owner]:
        """List the other places an assistant is installed in."""
        owners = self._recorded().owners()
        return [owner for owner in owners if owner.assistant == assistant and owner != self.owner(assistant)]

    def troubles(self, assistant: str) -> list[str]:
        """Try the commands that an assistant's files start, as a desktop app would."""
        files = self.content(assistant)
        used = [command for command in self._commands if _starts(files, command)]
        return [trouble for command in used if (trouble := trouble_with(command))]

    def _project(self, installed: Installed) -> str:
        return project_in(installed, self.folder, self._named)

    def _recorded(self) -> Installed:
        return followed(self._records.load())

    @property
    def _commands(self) -> tuple[str, str]:
        return command_for(HOOK_COMMAND, self.scope), command_for(COMMAND, self.scope)

    @property
    def _secrets(self) -> list[str]:
        return list(self._settings.own_tokens)

    def _not_committed(
        self, plan: Plan, assistant: str, files: dict[str, list[Part]]
    ) -> dict[str, list[Part]]:
        """Leave out what others have committed: without a record, one person's uninstall does not take it away."""
        repository = find_repository(Path(self.folder)) if self.scope == "personal" else None
        if repository is None:
            return files
        places = {}
        for path in files:
            with suppress(CannotMerge):  # the plan tells it
                places[path] = locate(path, self.folder)
        theirs = tracked(repository, places.values())
        plan.remarks += [
            f"{path} is tracked by git, and stays: `faiss-memory uninstall {assistant} --shared` takes out ours"
            for path in sorted(theirs)
        ]
        return {path: parts for path, parts in files.items() if places.get(path) not in theirs}

    def _warn(self, plan: Plan, assistants: Sequence[str]) -> None:
        """Say what the person should know before anything is written."""
        repository = find_repository(Path(self.folder)) if self.scope == "personal" else None
        others = report(plan.later, self._assistants, self._settings, self.folder) if self.folder else ()
        owners = {*plan.later.owners(), *(one.owner for one in others)}
        here = [owner for owner in owners if owner.folder in ("", self.folder) or not self.folder]
        for assistant in assistants:
            plan.warnings += conflicts([owner for owner in here if owner.assistant == assistant])
            changed = plan.changed_of(self.owner(assistant))
            for path in sorted(tracked(repository, changed)) if repository is not None else ():
                plan.warnings.append(self._about_tracked(assistant, path, changed[path]))

    def _about_tracked(self, assistant: str, path: str, parts: Sequence[Part]) -> str:
        elsewhere = {
            "user": "--user writes your own files, for all projects",
            "shared": "--shared what all can use",
        }
        adapter = self._assistants.adapters.get(assistant)
        offered = [words for scope, words in elsewhere.items() if adapter is None or scope in adapter.scopes]
        names_a_place = any(command in str(part) for part in parts for command in self._commands)
        return (
            f"{path} is tracked by git: what is for you alone"
            f"{', with paths of this machine,' if names_a_place else ''} would be among your changes there. "
            f"Instead, {' and '.join(offered)}"
        )

    def _forget_project(self, plan: Plan) -> None:
        if not any(owner.folder == self.folder for owner in plan.later.owners()):
            plan.later.projects.pop(self.folder, None)

    def _linked(self, plan: Plan, owner: Owner, files: dict[str, list[Part]]) -> list[str]:
        names = [name for name in (COMMAND, HOOK_COMMAND) if _starts(files, command_for(name, self.scope))]
        return [trouble for name in names if (trouble := plan_link(plan.later, name, owner))]


def _starts(files: dict[str, list[Part]], command: str) -> bool:
    return any(starts(part, command) for parts in files.values() for part in parts)
