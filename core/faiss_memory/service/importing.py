"""Taking memories over from elsewhere: of what was met before the later state counts, there or here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import UNSET

from faiss_memory.contracts.merging import LONG_AGO, WRITTEN, Arrival, Merged
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.engine.whole_memories import merge
from faiss_memory.errors import Conflict, InvalidRequest
from faiss_memory.memory import DEFAULT_PROJECT, Draft, Origin
from faiss_memory.plugin_host import PluginHost
from faiss_memory.rights import PERSON, Rights, everything_seen
from faiss_memory.schema import NewMemory
from faiss_memory.schema.importing import (
    ImportAnswer,
    ImportedMemory,
    ImportRequest,
    ImportResult,
    Lacking,
    Outcome,
)
from faiss_memory.schema.limits import check_time
from faiss_memory.service.before_writing import BeforeWriting, Masked, wish_of
from faiss_memory.service.drafts import draft_of
from faiss_memory.service.export_formats import hash_of
from faiss_memory.service.forgetting import Forgetting
from faiss_memory.service.met_before import MetBefore, Refusal
from faiss_memory.settings import Limits
from faiss_memory.team.team import Note
from faiss_memory.uids import is_uid

BY = "import"
LOST = "what it replaces is not in its project here"
GONE = ("forgotten", "purged")
_REASONS: dict[Outcome, str] = {
    "kept": "it was changed here since, and stays so",
    "conflict": "it says something else here, and stays so",
    "forgotten": "it was forgotten here",
    "purged": "it was purged here",
    "superseded": "what replaces it is not here",
}


class Importing:
    """Knows each memory by its uid; raises what the service raises, NotSupported where the store cannot merge."""

    def __init__(
        self,
        limits: Limits,
        engine: MemoryEngine,
        plugins: PluginHost,
        before: BeforeWriting,
        tell: Callable[[str, Sequence[int]], None],
        forgetting: Forgetting,
        note: Note,
    ) -> None:
        self._limits = limits
        self._engine = engine
        self._plugins = plugins
        self._before = before
        self._tell = tell
        self._forgetting = forgetting
        self._note = note

    def take_over(self, request: ImportRequest, rights: Rights = PERSON) -> ImportAnswer:
        """Merge memories with what is here, in one transaction; what was purged there is purged here after it.

        What would be written, forgotten or purged and may not be is left out, and the answer says which right it lacks.
        """
        memories = request.memories
        if len(memories) > self._limits.batch:
            raise InvalidRequest(
                f"`memories` holds {len(memories)}; the most is {self._limits.batch} (setting limits.batch)",
                "memories",
            )
        for place, one in enumerate(memories):
            _check(one, _prefix(place))
        met = MetBefore(self._engine.store, rights, _named(memories))
        refused = _refused(memories, met)
        arrivals, masked = self._arrivals(request, met, rights, refused)
        try:
            with everything_seen():
                waiting = self._chosen(memories, arrivals, refused, met, rights)
                _check_expected(memories, waiting, refused)
                wanted = {
                    place: arrivals[place] for place in arrivals if place not in waiting | refused.keys()
                }
                told = merge(self._engine, list(wanted.values()), dry_run=request.dry_run)
        except Conflict as error:
            raise Conflict(met.in_their_words(str(error)), error.field) from None
        done = dict(zip(wanted, told, strict=True))
        if not request.dry_run:
            self._follow(memories, arrivals, done, met, rights)
        return _answer(request, done, refused, _counted(masked, done), _lost(memories, wanted, met))

    def _chosen(
        self,
        memories: Sequence[ImportedMemory],
        arrivals: Mapping[int, Arrival],
        refused: dict[int, Refusal],
        met: MetBefore,
        rights: Rights,
    ) -> set[int]:
        """Add to `refused`, by their places, those whose outcome is not within the rights.

        Returns the places of those whose successor lacks, be it because that is refused.
        """
        while True:
            waiting = _without_successor(memories, refused, met)
            if rights.writes_everywhere:
                return waiting
            wanted = {
                place: replace(arrival, expected=None)
                for place, arrival in arrivals.items()
                if place not in waiting | refused.keys()
            }
            told = zip(wanted, merge(self._engine, list(wanted.values()), dry_run=True), strict=True)
            found = {place: met.refusal(memories[place], one.outcome) for place, one in told}
            more = {place: refusal for place, refusal in found.items() if refusal is not None}
            if not more:
                return waiting
            refused |= more  # what hung on those is looked at again

    def _follow(
        self,
        memories: Sequence[ImportedMemory],
        arrivals: Mapping[int, Arrival],
        done: Mapping[int, Merged],
        met: MetBefore,
        rights: Rights,
    ) -> None:
        """Purge what was purged there, note what was done, and tell the plugins of it."""
        ids: dict[str, list[int]] = {}
        projects: dict[str, set[str]] = {}
        for place, merged in done.items():
            one = memories[place]
            number = met.number(one) if merged.outcome == "forget" else merged.memory_id
            ids.setdefault(merged.outcome, []).extend(() if number is None else (number,))
            projects.setdefault(merged.outcome, set()).update(met.touched(one, arrivals[place]))
        for action, outcomes in (
            ("imported", ("new", "changed", "back")), ("forgotten", ("forget",)), ("tombstones noted", ("noted",)),
        ):  # fmt: skip
            named = sorted({name for outcome in outcomes for name in projects.get(outcome, ())})
            self._note(rights, action, named, [key for outcome in outcomes for key in ids.get(outcome, ())])
        self._tell("memories_added", [*ids.get("new", ()), *ids.get("back", ())])
        self._tell("memories_changed", ids.get("changed", ()))
        if gone := ids.get("forget"):
            self._plugins.notify("memories_removed", ids=gone)
        if purged := ids.get("purge"):
            self._forgetting.purge_by_id(sorted(set(purged)), rights)

    def _arrivals(
        self, request: ImportRequest, met: MetBefore, rights: Rights, refused: Collection[int]
    ) -> tuple[dict[int, Arrival], dict[int, Masked]]:
        """Return the memories that are not refused as they may be written, by their places.

        And how many secrets were masked in each.
        """
        wanted = {place: one for place, one in enumerate(request.memories) if place not in refused}
        prefixes = {place: _prefix(place) for place, one in wanted.items() if one.state not in GONE}
        drafts = [self._draft(wanted[place], prefix, met, rights) for place, prefix in prefixes.items()]
        found = self._before.add(drafts, wish_of(request.secrets, rights), list(prefixes.values()))
        masked = dict(zip(prefixes, found, strict=True))
        said = dict(zip(prefixes, drafts, strict=True))
        arrivals = {
            place: _arrival(one, said.get(place), met.place_of(one), met) for place, one in wanted.items()
        }
        return arrivals, masked

    def _draft(self, one: ImportedMemory, prefix: str, met: MetBefore, rights: Rights) -> Draft:
        timestamp = one.timestamp if one.revision is None else one.timestamp or one.changed_at or LONG_AGO
        memory = NewMemory(
            text=one.text or "",
            source=one.source,
            metadata=one.metadata,
            project=one.project,
            tags=one.tags,
            cues=one.cues,
            timestamp=timestamp,
            valid_until=one.valid_until,
        )
        return replace(
            draft_of(memory, prefix, rights, self._limits),
            uid=met.uid(one.uid),
            by=one.by or (BY if one.revision is None else None),
            actor=met.actor_of(one),
            origin=_origin(one) if rights.is_person else None,  # (a file of the machine's is none of others')
        )


def _answer(
    request: ImportRequest,
    done: Mapping[int, Merged],
    refused: Mapping[int, Refusal],
    masked: Masked,
    lost: Collection[str],
) -> ImportAnswer:
    results = []
    for place, one in enumerate(request.memories):
        if place in refused:
            results.append(
                ImportResult(uid=one.uid, outcome="refused", id=None, reason=refused[place].reason)
            )
            continue
        merged = done.get(place)
        outcome: Outcome = "superseded" if merged is None else merged.outcome
        is_there = merged is not None and outcome not in ("purge", "forget")
        number = merged.memory_id if merged is not None and (is_there or request.dry_run) else None
        reason = LOST if outcome == "new" and one.uid in lost else _REASONS.get(outcome, "")
        results.append(ImportResult(uid=one.uid, outcome=outcome, id=number, reason=reason))
    lacking = Counter((one.project, one.can) for one in refused.values())
    return ImportAnswer(
        success=True,
        results=results,
        counts=dict(Counter(one.outcome for one in results)),
        dry_run=request.dry_run,
        refused=[
            Lacking(project=project, can=can, memories=count)
            for (project, can), count in sorted(lacking.items())
        ]
        or UNSET,
        masked=sorted(masked) or UNSET,
        masked_counts=dict(masked) or UNSET,
    )


def _counted(masked: Mapping[int, Masked], done: Mapping[int, Merged]) -> Masked:
    """Return how many secrets were masked in those that are written."""
    written = [masked[place] for place, one in done.items() if place in masked and one.outcome in WRITTEN]
    return sum(written, Counter())


def _prefix(place: int) -> str:
    return f"memories[{place}]."


def _named(memories: Sequence[ImportedMemory]) -> set[str]:
    return {
        uid for one in memories for uid in (one.uid, one.supersedes, one.superseded_by) if uid is not None
    }


def _lost(memories: Sequence[ImportedMemory], arrivals: Mapping[int, Arrival], met: MetBefore) -> set[str]:
    """Return those of other programs whose older one is not in their project, and does not arrive with them."""
    arriving = {
        memories[place].uid: (memories[place].project or DEFAULT_PROJECT)
        if arrival.draft is None
        else arrival.draft.project
        for place, arrival in arrivals.items()
    }
    return {
        one.uid
        for one in (memories[place] for place in arrivals)
        if one.supersedes is not None
        and one.revision is None
        and (arriving.get(one.supersedes) or met.project_of(one.supersedes)) != arriving[one.uid]
    }


def _refused(memories: Sequence[ImportedMemory], met: MetBefore) -> dict[int, Refusal]:
    """Return which may not be written to the project that they arrive with, by their places."""
    found = {place: met.refusal(one) for place, one in enumerate(memories)}
    return {place: refusal for place, refusal in found.items() if refusal is not None}


def _without_successor(
    memories: Sequence[ImportedMemory], refused: Collection[int], met: MetBefore
) -> set[int]:
    """Return the places of those that something replaces which is neither here nor arrives with them.

    In a bundle of some of the memories it may lack; alone they would count again.
    """
    here = {one.uid for place, one in enumerate(memories) if place not in refused} | met.known.keys()
    waiting: set[str] = set()
    while more := {
        one.uid
        for one in memories
        if one.superseded_by is not None
        and one.superseded_by not in here
        and one.uid not in met.known.keys() | waiting
    }:
        waiting |= more
        here -= more  # what they replace waits with them
    return {place for place, one in enumerate(memories) if one.uid in waiting}


def _check(one: ImportedMemory, prefix: str) -> None:
    for name in ("uid", "supersedes", "superseded_by"):
        uid = getattr(one, name)
        if uid is not None and not is_uid(uid):
            raise InvalidRequest(
                f"`{prefix}{name}` is no UUID of version 7 in small letters", f"{prefix}{name}"
            )
    check_time(one.changed_at, f"{prefix}changed_at")
    if one.state in GONE and one.text is not None:
        raise InvalidRequest(f"`{prefix}text`: what is {one.state} has none; leave it out", f"{prefix}text")
    if one.state not in GONE and one.text is None:
        raise InvalidRequest(f"`{prefix}text` is missing, and its state is `{one.state}`", f"{prefix}text")
    if one.state == "forgotten" and one.revision is None:
        raise InvalidRequest(
            f"`{prefix}revision` is missing: nobody can tell which is later", f"{prefix}revision"
        )
    if one.hash is not None and one.text is not None and one.hash != hash_of(one.text):
        raise InvalidRequest(
            f"`{prefix}hash` is not that of the text: it was changed since; leave `hash` out to take it as it is",
            f"{prefix}hash",
        )


def _arrival(one: ImportedMemory, draft: Draft | None, project: str, met: MetBefore) -> Arrival:
    changed = check_time(one.changed_at, "changed_at") or (draft.timestamp if draft else None) or LONG_AGO
    expected = one.expected
    return Arrival(
        uid=met.uid(one.uid),
        draft=draft,
        revision=one.revision,
        changed=changed,
        supersedes=None if draft is None or one.supersedes is None else met.uid(one.supersedes),
        purged=one.state == "purged",
        project=project,
        expected=None if expected == "superseded" or expected == "refused" else expected,
    )


def _check_expected(
    memories: Sequence[ImportedMemory], waiting: Collection[int], refused: Collection[int]
) -> None:
    """Refuse what the store does not judge, where it is not as expected. Raises Conflict."""
    for place, one in enumerate(memories):
        is_refused = place in refused
        what = ""
        if one.expected is not None and (one.expected == "refused") != is_refused:
            what = "what you may do was changed"
        elif (
            one.expected is not None
            and not is_refused
            and (one.expected == "superseded") != (place in waiting)
        ):
            what = "what replaces it came or went"
        if what:
            raise Conflict(
                f"memory {one.uid} is not any more as the preview had it: {what}; nothing was stored: look at a new "
                "preview"
            )


def _origin(one: ImportedMemory) -> Origin | None:
    """Return which file a memory was built from, if that is here: a build then knows it again."""
    if one.origin is None or "\0" in one.origin.file:
        return None
    file = Path(one.origin.file)
    is_here = file.is_absolute() and file.is_file()
    return Origin(str(file), one.origin.place, one.origin.text, one.origin.details) if is_here else None
