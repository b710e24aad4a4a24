"""Taking over: what an importer reads is told to the service, first to see what would come of it, then to be done."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from faiss_memory.cli.failures import Refused

if TYPE_CHECKING:
    from datetime import datetime

    from faiss_memory.cli.session import Session
    from faiss_memory.contracts.importing import Importer, LeftOut, Record
    from faiss_memory.contracts.merging import Tombstone
    from faiss_memory.globs import Glob

AT_ONCE = 100
"""Memories that are sent at once."""
MOST_NAMED = 20
"""So many of those that are left out are named."""
LEFT_OUT = ""
"""The outcome of what cannot be stored as it is."""
LONGEST_NAME = 120
"""Characters of a key that are shown."""
REFUSED_FOR_WHAT_IT_SAYS = (400, 413, 422)
_WORDS = {
    "new": "new",
    "changed": "changed there",
    "back": "to come back",
    "forget": "to be forgotten",
    "purge": "to be purged",
    "noted": "gone there and never met here",
    "known": "known",
    "kept": "changed here",
    "conflict": "in conflict",
    "forgotten": "forgotten here",
    "purged": "purged here",
    "superseded": "replaced by what is not there",
    "refused": "refused",
    "left out": "left out",
}
"""What is said of outcomes, those first by which something is done."""
Numbered: TypeAlias = tuple[int, dict[str, Any]]
"""A memory as it is sent, and its place in what is read."""


@dataclass
class Report:
    """What became of what was read, or would."""

    outcomes: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many lack which right in which project."""
    masked: Counter[str] = field(default_factory=Counter)
    """How many secrets of each kind are masked in what is written."""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """What is not taken over as it is, and why."""


class TakingOver:
    """Reads a store as often as it takes, and tells the service of each memory."""

    def __init__(
        self,
        session: Session,
        importer: Importer,
        path: Path,
        project: str | None,
        only: Glob | None,
        *,
        keep_secrets: bool,
        here: str | None = None,
    ) -> None:
        """`only` chooses by the source; `here` is the project of what has none, instead of this folder's."""
        self._session, self._importer, self.path = session, importer, path
        self._project, self._only, self._here = project, only, here
        self._keep = {"secrets": "keep"} if keep_secrets else {}
        self._digest = hashlib.sha256()
        self._left: list[LeftOut] = []
        self._names: dict[str, str] = {}
        """What a memory is called where it comes from, by its uid."""
        self._plan: dict[int, str] = {}
        """What the preview has said of each memory that is not simply new, by its place in what is read."""
        self._met: set[int] = set()
        """The hashes of the uids that the preview has met."""

    def fingerprint(self) -> str:
        """Return what stands for all that is there now."""
        for _ in self._memories():
            pass
        return self._digest.hexdigest()[:16]

    def preview(self) -> tuple[str, str, Report]:
        """Return what would become of everything, and what stands for what is there and for that plan."""
        self._plan, self._met = {}, set()
        repeated = set()
        for number, memory in self._memories():
            key = hash(memory["uid"])
            if key in self._met:
                repeated.add(number)
            self._met.add(key)
        report, plan = Report(), hashlib.sha256()
        for batch in self._batches():
            for (number, memory), outcome in zip(batch, self._send(batch, report, dry_run=True), strict=True):
                plan.update(f"{memory['uid']} {outcome}\n".encode())
                if outcome in ("refused", "superseded", LEFT_OUT):
                    self._met.discard(hash(memory["uid"]))  # it replaces nothing here
                if number in repeated:
                    outcome = ""  # what it comes to hangs on what was stored of it just before
                if outcome != "new":
                    self._plan[number] = outcome
        return self._digest.hexdigest()[:16], plan.hexdigest()[:8], self._with_left(report)

    def apply(self) -> Report:
        """Have the service do what the preview has said, and nothing else."""
        report = Report()
        for batch in self._batches():
            for number, memory in batch:
                memory["expected"] = self._plan.get(number, "new") or None
            self._send(batch, report, dry_run=False)
        return self._with_left(report)

    def _with_left(self, report: Report) -> Report:
        report.left_out += [(one.key, one.reason) for one in self._left]
        report.outcomes["left out"] += len(self._left)
        return report

    def _batches(self) -> Iterator[list[Numbered]]:
        """Yield what is there, some at a time, in the order of `_after`, and what was purged at the end: that takes
        long, and is done once for many.
        """
        waiting: list[Numbered] = []
        gone: list[Numbered] = []
        batch: list[Numbered] = []
        for number, memory in self._memories():
            first = _after(memory)
            if memory.get("state") == "purged":
                gone.append((number, memory))
            elif first is None or hash(first) not in self._met:
                batch.append((number, memory))
            else:
                waiting.append((number, memory))
            if len(batch) == AT_ONCE:
                yield batch
                batch = []
        yield batch
        yield from _in_turn(waiting)
        for start in range(0, len(gone), AT_ONCE):
            yield gone[start : start + AT_ONCE]

    def _memories(self) -> Iterator[Numbered]:
        from faiss_memory.contracts.importing import LeftOut, Record

        self._digest, self._left, self._names = hashlib.sha256(), [], {}
        for number, one in enumerate(self._importer.read(self.path)):
            self._digest.update(repr(one).encode("utf-8", "surrogatepass"))
            if isinstance(one, LeftOut):
                self._left.append(one)
            elif isinstance(one, Record):
                if self._only is None or self._only.fits(one.source):
                    yield number, self._message(one)
            elif self._only is None:
                yield number, _gone(one)

    def _message(self, record: Record) -> dict[str, Any]:
        from faiss_memory.secrets.cutting import cut_before_secret
        from faiss_memory.uids import named_uid

        kind, older, is_ours = record.kind or self._importer.name, record.supersedes, record.uid is not None
        uid = record.uid or named_uid(f"{kind}\n{record.key}")
        is_long = len(record.key) > LONGEST_NAME
        self._names[uid] = f"{cut_before_secret(record.key, LONGEST_NAME)}…" if is_long else record.key
        message = {
            "uid": uid,
            "text": record.text,
            "project": self._project or record.project or self._here or self._session.here,
            "source": record.source,
            "tags": list(record.tags),
            "cues": list(record.cues),
            "metadata": dict(record.metadata) | ({} if is_ours else {"imported_from": kind}),
            "timestamp": _time(record.timestamp),
            "supersedes": older if older is None or is_ours else named_uid(f"{kind}\n{older}"),
            "revision": record.revision,
            "changed_at": _time(record.changed),
            "superseded_by": record.superseded_by,
            "valid_until": _time(record.valid_until),
            "by": record.by,
            "actor": record.actor,
            "origin": None if record.origin is None else asdict(record.origin),
        }
        return {name: value for name, value in message.items() if value is not None}

    def _send(self, batch: Sequence[Numbered], report: Report, *, dry_run: bool) -> list[str]:
        """Send some memories; returns what became of each."""
        if not batch:
            return []
        # What replaces a memory is looked for here only where it is not on its way.
        memories = [
            {
                name: value
                for name, value in memory.items()
                if name != "superseded_by" or hash(value) not in self._met
            }
            for _, memory in batch
        ]
        request = {"memories": memories, "dry_run": dry_run, **self._keep}
        try:
            answer = self._session.call("POST", "/import", request, endless=True)
        except Refused as refused:
            if refused.status not in REFUSED_FOR_WHAT_IT_SAYS:
                raise
            return self._send_less(batch, report, str(refused), dry_run=dry_run)
        report.outcomes.update(answer["counts"])
        report.masked.update(answer.get("masked_counts", {}))
        for one in answer.get("refused", ()):
            report.refused[one["project"], one["can"]] += one["memories"]
        report.left_out += [
            (self._names.get(one["uid"], one["uid"]), one["reason"])
            for one in answer["results"]
            if one["reason"] and not (dry_run and one["outcome"] == "new")  # (what it replaces is on its way)
        ]
        return [one["outcome"] for one in answer["results"]]

    def _send_less(
        self, batch: Sequence[Numbered], report: Report, reason: str, *, dry_run: bool
    ) -> list[str]:
        """Send the halves of what was refused together, down to the memory that cannot be stored."""
        if len(batch) == 1:
            uid: str = batch[0][1]["uid"]
            report.left_out.append((self._names.get(uid, uid), reason.replace("memories[0].", "")))
            report.outcomes["left out"] += 1
            return [LEFT_OUT]
        half = len(batch) // 2
        parts = (batch[:half], batch[half:])
        return [outcome for part in parts for outcome in self._send(part, report, dry_run=dry_run)]

    def in_words(self, report: Report) -> str:
        """Return what became of how many."""
        counts = ", ".join(
            f"{report.outcomes[outcome]:,} {said}"
            for outcome, said in _WORDS.items()
            if report.outcomes[outcome]
        )
        kinds = ", ".join(f"{kind} ({count:,})" for kind, count in sorted(report.masked.items()))
        secrets = f"; masked: {kinds}" if kinds else ""
        return f"{self._importer.title}: {counts or 'nothing in it'}{secrets}"

    def tell(self, report: Report, fingerprint: str, *, dry_run: bool) -> None:
        """Print the report."""
        told = {
            "success": True,
            "from": self._importer.name,
            "counts": dict(report.outcomes),
            "masked": sorted(report.masked),
            "masked_counts": dict(report.masked),
            "refused": [
                {"project": project, "can": can, "memories": count}
                for (project, can), count in sorted(report.refused.items())
            ],
            "left_out": [{"key": key, "reason": reason} for key, reason in report.left_out],
            "fingerprint": fingerprint,
            "dry_run": dry_run,
        }
        if self._session.prints_json(told):
            return
        out = self._session.out
        out.say(self.in_words(report), "yellow" if dry_run else "green")
        for (project, can), count in sorted(report.refused.items()):
            out.remark(f"{count:,} refused: you need the right `{can}` in {_named(project)}")
        for key, reason in report.left_out[:MOST_NAMED]:
            out.remark(f"{key}: {reason}")
        if len(report.left_out) > MOST_NAMED:
            out.remark(f"… and {len(report.left_out) - MOST_NAMED:,} more; --json names them all")
        if dry_run:
            out.remark(f"Nothing was stored. To take over just this: --fingerprint {fingerprint}")


def _named(project: str) -> str:
    return "every project" if project == "*" else f"project `{project}`"


def _in_turn(memories: Sequence[Numbered]) -> Iterator[list[Numbered]]:
    """Yield memories in the order of `_after`, some at a time: what one follows is sent before it, or with it."""
    uids = {memory["uid"] for _, memory in memories}
    ordered: list[Numbered] = []
    following: dict[str, list[Numbered]] = {}
    for one in memories:
        first = _after(one[1])
        (following.setdefault(first, []) if first in uids and first is not None else ordered).append(one)
    for _, memory in ordered:  # which grows meanwhile
        ordered += following.pop(memory["uid"], ())
    ordered += chain.from_iterable(following.values())  # those of a circle
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def _after(memory: Mapping[str, Any]) -> str | None:
    """Return the uid of the memory that this one is to follow, if there is one.

    What was replaced follows what replaces it, so that it does not count again for a moment. Another program does not
    tell which that is: there it is the other way round.
    """
    found: str | None = memory.get("superseded_by" if "revision" in memory else "supersedes")
    return found


def _gone(one: Tombstone) -> dict[str, Any]:
    if one.purged:
        return {"uid": one.uid, "state": "purged"}
    named = {"project": one.project} if one.project else {}
    return {
        **{"uid": one.uid, "state": "forgotten", **named},
        **{"revision": one.revision, "changed_at": one.changed.isoformat()},
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
