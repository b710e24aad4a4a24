"""What the doctor looks at for an assistant: its files, what keeps it from using them, and its way to the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from faiss_memory.adapter.adapter import Adapter
from faiss_memory.adapter.connecting import HOOK_SECONDS
from faiss_memory.address import ServiceAddress
from faiss_memory.cli.client import Client
from faiss_memory.cli.doctor.endpoints import try_mcp
from faiss_memory.cli.doctor.entries import Entry, entries, parts_of
from faiss_memory.cli.doctor.findings import Findings, measured
from faiss_memory.cli.doctor.trial import (
    NotRecalled,
    TestMemory,
    ask,
    event_about,
    expanded,
    trial,
    try_context,
    try_hook,
)
from faiss_memory.cli.failures import CommandFailed
from faiss_memory.cli.here import PATIENCE, project_here
from faiss_memory.contracts.config_files import InstallContext
from faiss_memory.install import InstalledAssistant

TRIES = 3
"""Of a hook: it gives up after a quarter of a second, which a busy machine may need once, and should not need often."""
_WAIT = f"{1000 * HOOK_SECONDS:.0f} ms"
_SLOW = f"What comes later than {_WAIT} is not shown: look what keeps this machine, or the service, busy"
_BROKEN = {
    "edited": "was edited since it was installed",
    "outdated": "is not as it would be written now, with this version, address and token",
    "missing": "is missing, or our part of it is",
    "unreadable": "cannot be read as what it should be: the assistant may leave it out too",
}


class Patient:
    """One installed assistant, and all that is needed to examine it."""

    def __init__(
        self,
        one: InstalledAssistant,
        adapter: Adapter | None,
        context: InstallContext,
        found: ServiceAddress,
    ) -> None:
        self.one = one
        self._found = found
        self.adapter = adapter
        self.context = context
        self.entries = entries(one.parts)
        place = one.owner.folder or "for all projects"
        self.findings = Findings(f"{one.title}, {place}")
        self._install = f"faiss-memory install {one.owner.assistant}{one.owner.options}"

    def examine(self, client: Client | None, stats: Mapping[str, Any] | None, token: str) -> Findings:
        """Look at everything; without a client nothing is tried."""
        folder = self.one.owner.folder
        if folder and not Path(folder).is_dir():
            how = self._install.replace("install", "uninstall", 1)
            self.findings.failed(
                "folder",
                f"{folder} is not there",
                f"{how}; if it has moved, install it again where it is now",
            )
            return self.findings
        self._check_files()
        self._check_project()
        if self.adapter is None:
            self.findings.note(
                "adapter",
                "is disabled, or its package is gone: its hooks are not tried",
                "See the setting plugins.disabled",
            )
        for obstacle in self.adapter.obstacles(self.context) if self.adapter else ():
            self.findings.failed("leave", obstacle, "Only you can do that, in the assistant")
        if client is None:
            self.findings.skipped("recall", "not tried, because the service cannot be used")
            return self.findings
        try:
            with trial(client, self.one.project) as memory:
                self._try_all(client, memory, token)
        except CommandFailed as error:
            self.findings.failed("store", error.message, "See what the service checks above say")
        self._tell_last_fired(stats or {})
        return self.findings

    def _check_files(self) -> None:
        wrong = [file for file in self.one.files if file.state not in ("installed", "kept", "yours")]
        for file in self.one.files:
            if file.state == "yours":
                self.findings.note("files", f"{file.path} is your own; ours by that name was left out")
        for file in wrong:
            if not self.one.is_recorded:
                self.findings.note("files", f"{file.path} {_BROKEN[file.state]}", self._install)
                continue
            force = " --force" if file.state == "edited" else ""
            self.findings.failed("files", f"{file.path} {_BROKEN[file.state]}", f"{self._install}{force}")
        if not wrong:
            self.findings.ok("files", f"all {len(self.one.files)} are as installed")

    def _check_project(self) -> None:
        folder, name = self.one.owner.folder, self.one.project
        if not folder:
            return
        here = project_here(Client(self._found, PATIENCE), Path(folder), is_root=True).project
        if name != here:
            self.findings.note(
                "project",
                f"its files name `{name}`, and the command line calls this folder `{here}`",
                f"If that is not meant: {self._install} --name {here}",
            )

    def _try_all(self, client: Client, memory: TestMemory, token: str) -> None:
        self.findings.ok("store", f"a memory was stored in project {memory.project}")
        adapter, folder = self.adapter, self.one.owner.folder
        for entry in self.entries:
            if entry.kind == "hook" and adapter is not None and adapter.hook is not None:
                if entry.event not in (adapter.hook.compacted, adapter.hook.stop):  # they bring no memories
                    event = event_about(adapter.hook, entry.event, memory.text)
                    self._try(
                        f"hook {entry.event}", partial(try_hook, entry, memory, folder, event, token), TRIES
                    )
            elif entry.kind == "context":
                self._try("context", partial(try_context, entry, memory, token))
            elif entry.kind == "mcp":
                self._try("mcp", partial(try_mcp, entry, memory, folder, token))
        self._tell_addresses(token)
        if adapter is not None and adapter.probe is not None:
            path = adapter.probe(self.context, memory.text)
            url = client.address.url.rstrip("/") + path
            self._try("what it reads", partial(_read, url, memory, token))

    def _tell_addresses(self, token: str) -> None:
        """Say where each way leads: to wherever the service is found, or to an address that stands in a file."""
        ways: dict[str, dict[str, None]] = {}
        for entry in self.entries:
            said = f"{self._found.url}, found by {self._found.origin}"
            if named := entry.named_address:
                parts = parts_of(expanded(named, token))
                where = named if parts is None else f"{parts.scheme}://{parts.netloc}"
                said = f"{where}, named in {entry.file}, does not follow the service"
            ways.setdefault(said, {})[entry.kind] = None
        for said, kinds in ways.items():
            self.findings.ok("address", f"{', '.join(kinds)}: {said}")

    def _try(self, check: str, attempt: Callable[[], None], tries: int = 1) -> None:
        took: list[float] = []
        missed: NotRecalled | None = None
        for _ in range(tries):
            try:
                with measured() as watch:
                    attempt()
                took.append(watch.milliseconds)
            except NotRecalled as error:
                missed = error
                if not error.passing:
                    break
        if missed is None:
            self.findings.ok(check, "brought what was stored", median(took))
        elif took:
            self.findings.note(check, f"answered {len(took)} of {tries} tries; else {missed}", _SLOW)
        else:
            advice = missed.advice.replace("faiss-memory install", self._install) or self._install
            self.findings.failed(check, str(missed), _SLOW if missed.passing else advice)

    def _tell_last_fired(self, stats: Mapping[str, Any]) -> None:
        if self.adapter is None or self.adapter.hook is None:
            return
        by_project = stats.get("plugins", {}).get("recall", {}).get(self.one.owner.assistant, {})
        project = by_project.get(self.one.project, {}) if self.one.owner.folder else _latest(by_project)
        if not project:
            self.findings.note(
                "last fired",
                "no hook of its own has fired yet",
                "Start the assistant there, and ask it something",
            )
        for event, counts in project.items():
            self.findings.ok("last fired", f"{event} at {counts['last_fired']}")


def _latest(by_project: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the counts of each hook event from the project in which it fired last."""
    found: dict[str, Any] = {}
    for events in by_project.values():
        for event, counts in events.items():
            if event not in found or counts["last_fired"] > found[event]["last_fired"]:
                found[event] = counts
    return found


def _read(url: str, memory: TestMemory, token: str) -> None:
    headers = (("Authorization", f"Bearer {token}"),) if token else ()
    status, said = ask(Entry("context", "", url=url, headers=headers), "GET", url, None, token)
    if status != 200 or memory.text not in said:
        raise NotRecalled(f"{url} answers {status}, without what was stored a moment ago")


def chosen(found: Sequence[InstalledAssistant], names: Sequence[str]) -> list[InstalledAssistant]:
    """Choose the assistants asked for, or all. Raises CommandFailed for one that is not installed."""
    for name in names:
        if not any(one.owner.assistant == name for one in found):
            raise CommandFailed(f"{name} is not installed; `faiss-memory install {name}` does it")
    return [one for one in found if not names or one.owner.assistant in names]
