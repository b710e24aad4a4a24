"""A person says that a memory still holds, whatever has become of its files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from faiss_memory.contracts.anchors import ANCHORS, anchor_of, anchors_of
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.errors import Conflict
from faiss_memory.memory import FOREVER, Change, Memory
from faiss_memory.rights import PERSON
from faiss_memory.schema import MemoryAnswer, tending
from faiss_memory.schema.limits import check_time
from faiss_memory.service import messages
from faiss_memory.service.tending.arranging import Rewrite
from faiss_memory.service.tending.freshness import Freshness
from faiss_memory.team.team import Note


class Confirming:
    """Takes files as they are now and ends as a person says; raises what the service raises."""

    def __init__(self, engine: MemoryEngine, rewrite: Rewrite, note: Note, freshness: Freshness) -> None:
        self._engine = engine
        self._rewrite = rewrite
        self._note = note
        self._freshness = freshness

    def confirm(self, memory_id: int, request: tending.ConfirmRequest) -> MemoryAnswer:
        """Let a memory hold until its files change again, or the time that is given.

        Raises MemoryNotFound, and Conflict for one that was built of a file that says something else or is gone: that
        one follows its file.
        """
        memory = PERSON.changeable(memory_id, self._engine.store.get([memory_id]))
        self._check_built(memory)
        valid_until = check_time(request.valid_until, "valid_until")
        if valid_until is None and memory.valid_until is not None and memory.valid_until <= datetime.now(UTC):
            valid_until = FOREVER
        metadata = self._with_files_now(memory)
        if valid_until is not None or metadata is not None:
            self._rewrite({memory_id: Change(metadata=metadata, valid_until=valid_until)})
            self._note(PERSON, "confirmed", [memory.project], [memory_id])
        (now,) = self._engine.store.get([memory_id])
        return self._freshness.told(messages.memory(now))

    def _check_built(self, memory: Memory) -> None:
        origin = self._engine.store.origins_of([memory.id]).get(memory.id)
        state = None if origin is None else self._freshness.state(memory.id, origin)
        if origin is not None and state in ("changed", "gone"):
            how = "is gone" if state == "gone" else "says something else now"
            raise Conflict(
                f"memory {memory.id} was built of {origin.file}, which {how}, and follows it: build that again, "
                "correct the memory, or forget it",
                "id",
            )

    def _with_files_now(self, memory: Memory) -> Mapping[str, object] | None:
        """Return metadata whose files are to be read anew, without those that are gone; None if all are as before."""
        states = {one: self._freshness.state(memory.id, one) for one in anchors_of(memory.metadata)}
        if not any(state in ("changed", "gone") for state in states.values()):
            return None
        # A bare path is given the digest of its file by whoever reads files.
        kept = []
        for given in memory.metadata[ANCHORS]:
            anchor = anchor_of(given)
            state = None if anchor is None else states.get(anchor)
            if anchor is not None and state == "changed":
                kept.append(anchor.file)
            elif state != "gone":
                kept.append(given)
        rest = {name: value for name, value in memory.metadata.items() if name != ANCHORS}
        return {**rest, ANCHORS: kept} if kept else rest
