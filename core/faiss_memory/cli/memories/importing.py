"""The command that takes over memories from a file or a folder."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import EXIT_NO, CommandFailed
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import asks_service, project_option

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session
    from faiss_memory.contracts.importing import Importer, LeftOut

AT_ONCE = 100
"""Memories that are sent at once."""
MOST_NAMED = 20
"""So many of those that are left out are named."""


@dataclass
class Report:
    """What became of what was read, or would."""

    outcomes: Counter[str] = field(default_factory=Counter)
    masked: set[str] = field(default_factory=set)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """What is not taken over as it is, and why."""


@click.command(
    name="import",
    cls=ExampleCommand,
    examples=["faiss-memory import notes --dry-run", "faiss-memory import notes --from markdown --yes"],
)
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--from", "kind", metavar="NAME", help="What has written it [found out by itself].")
@project_option("Take all of it into this project [each its own, else this folder's].")
@click.option("--dry-run", is_flag=True, help="Only say what would be taken over.")
@click.option("--fingerprint", metavar="TEXT", help="Only if it is still what a dry run has seen.")
@click.option("--keep-secrets", is_flag=True, help="Store what looks like a secret as it is.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@asks_service
def import_memories(
    session: Session,
    path: Path,
    kind: str | None,
    project: str | None,
    dry_run: bool,
    fingerprint: str | None,
    keep_secrets: bool,
    yes: bool,
) -> None:
    """Take over memories from a file or a folder.

    What has written it, this or another program, is found out, and you are told how much of it is new before anything
    is stored. Times and tags are kept, secrets are masked. Each memory is known again: doing it twice brings nothing
    twice, also after it was cut short, and what was forgotten here stays forgotten.
    """
    if not (dry_run or yes or (sys.stdin.isatty() and sys.stderr.isatty())):
        raise click.UsageError(
            "Nobody can be asked here: give --yes to import, or --dry-run to see what it would be."
        )
    with read_errors(path):
        taking = Taking(session, importer_for(path, kind), path, project, keep_secrets=keep_secrets)
        seen, preview = taking.run(dry_run=True)
        if fingerprint is not None and fingerprint != seen:
            raise CommandFailed(f"{path} is not what the fingerprint stands for; look again with --dry-run.")
        if dry_run or not preview.outcomes["new"]:
            taking.tell(preview, seen, dry_run=dry_run)
        elif yes or _agreed(taking.in_words(preview)):
            if taking.fingerprint() != seen:
                raise CommandFailed(f"{path} has changed meanwhile, and nothing was stored; do it again.")
            _, done = taking.run(dry_run=False)
            taking.tell(done, seen, dry_run=False)


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Raise CommandFailed for what goes wrong where a path is read."""
    from faiss_memory.errors import InvalidRequest

    try:
        yield
    except InvalidRequest as error:
        raise CommandFailed(str(error)) from None
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read ({error.strerror or error}).") from None


def _agreed(preview: str) -> bool:
    if not click.confirm(f"{preview}. Take over what is new?", err=True):
        click.echo("Nothing was imported", err=True)
        click.get_current_context().exit(EXIT_NO)
    return True


def importer_for(path: Path, kind: str | None) -> Importer:
    """Choose what can read a place: by its name, or the first that fits."""
    from faiss_memory.plugin_host import PluginHost
    from faiss_memory.settings import load_settings

    host = PluginHost(load_settings().plugins.disabled)
    importers = [one for some in host.hook.register_importers() for one in some or ()]
    fitting: list[Importer] = [one for one in importers if (one.name == kind if kind else one.fits(path))]
    if not fitting:
        said = f"There is no importer `{kind}`" if kind else f"Nothing here knows what {path} is"
        names = ", ".join(sorted(one.name for one in importers))
        raise CommandFailed(f"{said}; --from takes one of: {names}.")
    return fitting[0]


class Taking:
    """Reads a store as often as it takes, and tells the service of each memory."""

    def __init__(
        self,
        session: Session,
        importer: Importer,
        path: Path,
        project: str | None,
        *,
        keep_secrets: bool,
        here: str | None = None,
    ) -> None:
        """`here` is the project of what has none, instead of this folder's."""
        self._session, self._importer, self._path = session, importer, path
        self._project = project
        self._here = here
        self._keep = {"secrets": "keep"} if keep_secrets else {}
        self._digest = hashlib.sha256()
        self._left: list[LeftOut] = []

    def fingerprint(self) -> str:
        """Return what stands for all that is there now."""
        for _ in self._memories():
            pass
        return self._digest.hexdigest()[:16]

    def run(self, *, dry_run: bool) -> tuple[str, Report]:
        """Have the service take over what is there, what replaces another after that one; returns what became of it."""
        report = Report()
        waiting: list[dict[str, Any]] = []
        batch: list[dict[str, Any]] = []
        for memory in self._memories():
            (batch if memory["supersedes"] is None else waiting).append(memory)
            if len(batch) == AT_ONCE:
                self._send(batch, report, dry_run=dry_run)
                batch = []
        self._send(batch, report, dry_run=dry_run)
        for some in _in_turn(waiting):
            self._send(some, report, dry_run=dry_run)
        report.left_out += [(one.key, one.reason) for one in self._left]
        report.outcomes["left out"] = len(self._left)
        return self._digest.hexdigest()[:16], report

    def _memories(self) -> Iterator[dict[str, Any]]:
        from faiss_memory.contracts.importing import LeftOut
        from faiss_memory.uids import named_uid

        self._digest, self._left = hashlib.sha256(), []
        kind, here = self._importer.name, self._here or self._session.here
        for record in self._importer.read(self._path):
            self._digest.update(repr(record).encode("utf-8", "surrogatepass"))
            if isinstance(record, LeftOut):
                self._left.append(record)
                continue
            older, is_ours = record.supersedes, record.uid is not None
            yield {
                "uid": record.uid or named_uid(f"{kind}\n{record.key}"),
                "text": record.text,
                "project": self._project or record.project or here,
                "source": record.source,
                "tags": list(record.tags),
                "cues": list(record.cues),
                "metadata": dict(record.metadata) | ({} if is_ours else {"imported_from": kind}),
                "timestamp": None if record.timestamp is None else record.timestamp.isoformat(),
                "supersedes": older if older is None or is_ours else named_uid(f"{kind}\n{older}"),
            }

    def _send(self, batch: Sequence[dict[str, Any]], report: Report, *, dry_run: bool) -> None:
        if not batch:
            return
        request = {"memories": list(batch), "dry_run": dry_run, **self._keep}
        answer = self._session.call("POST", "/import", request, endless=True)
        report.outcomes.update(answer["counts"])
        report.masked.update(answer.get("masked", ()))
        if not dry_run:
            report.left_out += [(one["uid"], one["reason"]) for one in answer["results"] if one["reason"]]

    def in_words(self, report: Report) -> str:
        """Return what became of how many."""
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in report.outcomes.items() if count)
        secrets = f"; masked: {', '.join(sorted(report.masked))}" if report.masked else ""
        return f"{self._importer.title}: {counts or 'nothing in it'}{secrets}"

    def tell(self, report: Report, fingerprint: str, *, dry_run: bool) -> None:
        """Print the report."""
        told = {
            "success": True,
            "from": self._importer.name,
            "counts": dict(report.outcomes),
            "masked": sorted(report.masked),
            "left_out": [{"key": key, "reason": reason} for key, reason in report.left_out],
            "fingerprint": fingerprint,
            "dry_run": dry_run,
        }
        if self._session.prints_json(told):
            return
        out = self._session.out
        out.say(self.in_words(report), "yellow" if dry_run else "green")
        for key, reason in report.left_out[:MOST_NAMED]:
            out.remark(f"{key}: {reason}")
        if len(report.left_out) > MOST_NAMED:
            out.remark(f"… and {len(report.left_out) - MOST_NAMED:,} more; --json names them all")
        if dry_run:
            out.remark(f"Nothing was stored. To take over just this: --fingerprint {fingerprint}")


def _in_turn(memories: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield memories that replace others, some at a time, each after those that it replaces."""
    waiting = list(memories)
    while waiting:
        uids = {one["uid"] for one in waiting}
        ready = [one for one in waiting if one["supersedes"] not in uids] or waiting  # else it is a circle
        for start in range(0, len(ready), AT_ONCE):
            yield ready[start : start + AT_ONCE]
        sent = {one["uid"] for one in ready}
        waiting = [one for one in waiting if one["uid"] not in sent]
