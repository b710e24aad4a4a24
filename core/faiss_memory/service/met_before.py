"""What is known here of memories that arrive from elsewhere, as far as who brings them may see and change it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from faiss_memory.contracts.merging import WRITTEN, Arrival, Outcome
from faiss_memory.contracts.store import Store
from faiss_memory.errors import NotAllowed
from faiss_memory.memory import Standing
from faiss_memory.rights import EVERY_PROJECT, Rights, everything_seen
from faiss_memory.schema.importing import ImportedMemory
from faiss_memory.uids import named_uid


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
        """Return by which uid it is known here what has this one elsewhere."""
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
        """Return who has written a memory first. Only the owner's word is taken for it that it was another."""
        if self._rights.is_person:
            return one.actor
        return self._actors.get(self._uids[one.uid], self._rights.actor or None)

    def place_of(self, one: ImportedMemory, prefix: str) -> str:
        """Return in which project it was that was forgotten; empty if nobody says. Raises NotAllowed."""
        if one.project is None and (self._rights.writes is None or one.uid in self.known):
            return ""
        return self._rights.to_write(one.project, f"{prefix}project")

    def check(self, one: ImportedMemory, outcome: Outcome, prefix: str) -> None:
        """Refuse what may not be done to a memory that is here. Raises NotAllowed."""
        if outcome not in WRITTEN:
            return
        standing = self.known.get(one.uid)
        project = standing.project if standing is not None else ""
        if one.state == "purged" and not project and self._rights.admins is not None:
            raise NotAllowed(
                f"`{prefix}state`: only who looks after every project may purge what is in none here; leave it out (a "
                "bundle of named projects, `export --project`, has nothing of what was purged)",
                f"{prefix}state",
            )
        if one.state == "purged" and project:
            self._rights.to_arrange(project, f"{prefix}state")
        elif project:
            self._rights.to_write(project, f"{prefix}uid")

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
