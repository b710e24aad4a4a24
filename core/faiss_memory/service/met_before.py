"""What is known here of memories that arrive from elsewhere, as far as who brings them may see and change it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Literal, NamedTuple

from faiss_memory.contracts.merging import WRITTEN, Arrival, Outcome
from faiss_memory.contracts.store import Store
from faiss_memory.errors import MemoryNotFound, NotAllowed
from faiss_memory.memory import Standing
from faiss_memory.rights import EVERY_PROJECT, Rights, everything_seen
from faiss_memory.schema.importing import ImportedMemory
from faiss_memory.uids import named_uid


class Refusal(NamedTuple):
    """Why a memory is not taken over from who brings it."""

    project: str
    can: Literal["write", "admin"]
    """The right that is lacking there."""
    reason: str


class MetBefore:
    """Knows the uids that a request names.

    Nobody is told of a memory that may not be seen: what arrives with its uid is stored once more, under a uid of its
    own, by which it is known again. (Where it was that was purged, nobody knows: it does not come back for anybody.)
    """

    def __init__(self, store: Store, rights: Rights, uids: Collection[str]) -> None:
        self._rights = rights
        self._uids = {uid: uid for uid in uids}
        with everything_seen():
            found = store.known(uids)
            while hidden := [uid for uid, own in self._uids.items() if self._is_hidden(found.get(own))]:
                self._uids |= {uid: named_uid(f"{rights.actor}\n{self._uids[uid]}") for uid in hidden}
                found = {**found, **store.known([self._uids[uid] for uid in hidden])}
        self.known: Mapping[str, Standing] = {
            uid: found[own] for uid, own in self._uids.items() if own in found
        }
        """What is known of those uids that may be seen, by what the request calls them."""
        self._actors: dict[str, str | None] = {}
        if not rights.is_person:
            ids = [one.memory_id for one in self.known.values() if one.state == "there"]
            self._actors = {one.uid: one.actor for one in store.get(ids)}

    def _is_hidden(self, standing: Standing | None) -> bool:
        return standing is not None and standing.project != "" and not self._rights.may_read(standing.project)

    def uid(self, uid: str) -> str:
        """Return the uid that a memory has here, for the uid that the request gives it."""
        return self._uids[uid]

    def project_of(self, uid: str) -> str | None:
        """Return the project of a memory that is here."""
        standing = self.known.get(uid)
        return standing.project if standing is not None and standing.state == "there" else None

    def number(self, one: ImportedMemory) -> int | None:
        """Return the id that a memory has or had here."""
        standing = self.known.get(one.uid)
        return None if standing is None else standing.memory_id

    def actor_of(self, one: ImportedMemory) -> str | None:
        """Return who first wrote a memory. Only the owner may say that it was somebody else than who brings it."""
        if self._rights.is_person:
            return one.actor
        return self._actors.get(self._uids[one.uid], self._rights.actor or None)

    def place_of(self, one: ImportedMemory) -> str:
        """Return the project that a memory arrives with; empty for one that is gone and whose project nobody names."""
        is_gone = one.state in ("forgotten", "purged")
        says_nothing = one.project is None and (self._rights.writes is None or one.uid in self.known)
        if one.state == "purged" or (is_gone and says_nothing):
            return ""
        return one.project or self._rights.usual_write

    def refusal(self, one: ImportedMemory, outcome: Outcome | None = None) -> Refusal | None:
        """Return why a memory may not be written to the project that it arrives with; None if it may be.

        With the `outcome` that it would have: why that may not be done to what is here.
        """
        if outcome is None:
            place = self.place_of(one)
            return _refusal(self._rights.to_write, place, "write") if place else None
        if outcome not in WRITTEN:
            return None
        standing = self.known.get(one.uid)
        project = standing.project if standing is not None else ""
        if one.state != "purged":
            return _refusal(self._rights.to_write, project, "write") if project else None
        if project:
            return _refusal(self._rights.to_arrange, project, "admin")
        return None if self._rights.admins is None else _OF_NONE

    def touched(self, one: ImportedMemory, arrival: Arrival) -> set[str]:
        """Return the projects that a memory is in or was in, for the log."""
        standing = self.known.get(one.uid)
        names = {arrival.project if arrival.draft is None else arrival.draft.project}
        names |= {standing.project} if standing is not None else set()
        return {name for name in names if name} or {EVERY_PROJECT}

    def in_their_words(self, text: str) -> str:
        """Return a text in which memories are called by the uids that the request has."""
        for uid, own in self._uids.items():
            text = text.replace(own, uid)
        return text


_OF_NONE = Refusal(
    EVERY_PROJECT,
    "admin",
    "only who looks after every project may purge what is in none here; leave it out (a bundle of named projects, "
    "`export --project`, has nothing of what was purged)",
)


def _refusal(check: Callable[[str], str], project: str, can: Literal["write", "admin"]) -> Refusal | None:
    try:
        check(project)
    except (NotAllowed, MemoryNotFound) as error:
        return Refusal(project, can, str(error))
    return None
