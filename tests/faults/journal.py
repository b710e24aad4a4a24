"""What was asked of a store and what it acknowledged, kept by the side that is not killed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from threading import Lock


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


MARK = re.compile(rb"only\d+x\d+x\d+end")
"""A word that is of one text alone, so that any file can be searched for it."""


def some_mark(worker: int) -> str:
    return f"only{os.getpid()}x{worker}x{time.monotonic_ns()}end"


def marks_in(folder: Path) -> set[str]:
    """Give the marks that lie anywhere in the files of a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {mark.decode() for path in files for mark in MARK.findall(path.read_bytes())}


class Journal:
    """Each line is one append: `asked` before the call, `done` or `refused` after its answer.

    Without either, as after a kill or an unclear error, the call may have been done wholly or not at all.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.path = path
        self._lock = Lock()
        self.done_count = 0

    def asked(self, worker: int, operation: str, ids: Iterable[int] = (), texts: Iterable[str] = ()) -> None:
        self._write(["asked", worker, operation, list(ids), [digest(text) for text in texts]])

    def done(self, worker: int, ids: Iterable[int]) -> None:
        self._write(["done", worker, list(ids)])
        with self._lock:
            self.done_count += 1

    def refused(self, worker: int) -> None:
        """The answer said that nothing of it was kept."""
        self._write(["refused", worker])

    def seen(self, memories: Iterable[tuple[int, str]]) -> None:
        """A reader saw these texts under these ids, whoever wrote them."""
        self._write(["seen", [[memory_id, digest(text)] for memory_id, text in memories]])

    def found(self, memories: Iterable[tuple[int, str]]) -> None:
        """A store that was started again holds these and no others."""
        self._write(["found", [[memory_id, digest(text)] for memory_id, text in memories]])

    def purged(self, texts: Iterable[str]) -> None:
        """A purge was acknowledged after which no file may hold these texts, of which their marks are noted."""
        self._write(["purged", [mark.decode() for text in texts for mark in MARK.findall(text.encode())]])

    def _write(self, line: object) -> None:
        os.write(self._file, b"\n" + json.dumps(line).encode() + b"\n")

    def lines(self, start: int = 0) -> tuple[list[list[object]], int]:
        """Give the whole lines from a position on, and the position after them."""
        with self.path.open("rb") as file:
            file.seek(start)
            content = file.read()
        end = content.rfind(b"\n") + 1
        return [line for line in map(_whole, content[:end].splitlines()) if line], start + end

    def close(self) -> None:
        os.close(self._file)


def _whole(line: bytes) -> list[object]:
    """Read a line. One that a kill has torn, at the end of a page, says of a call that it was not made or answered."""
    try:
        return list(json.loads(line))
    except ValueError:
        return []


class Acknowledged:
    """What must be there: for each id the digests it may have, oldest first; None means that it is gone."""

    def __init__(self) -> None:
        self.states: dict[int, list[str | None]] = {}
        self.counts = {"add": 0, "change": 0, "forget": 0}
        self.purged: set[str] = set()
        """Marks that no file may hold any more."""
        self._ever: dict[int, set[str | None]] = {}
        self._unknown: dict[int, str] = {}
        """Seen by a reader before its adding was acknowledged."""
        self._waiting: dict[int, tuple[str, list[int], list[str]]] = {}
        self._batches: list[list[str]] = []
        self._read = 0

    @classmethod
    def so_far(cls, journal: Journal, content: Mapping[int, str]) -> None:
        """Check what a store holds against its whole journal, and keep nothing of it."""
        cls().check(journal, content)

    @property
    def present(self) -> dict[int, str | None]:
        """After a check: what is there."""
        return {memory_id: state for memory_id, (state,) in self.states.items() if state is not None}

    def check_log(self, journal: Journal, content: Mapping[int, str]) -> None:
        """Check what the log alone leads to: all that was answered, and perhaps more than the records have."""
        deepcopy(self).check(journal, content)

    def check_backup(self, journal: Journal, content: Mapping[int, str]) -> None:
        """Check the content of the latest backup: all that was answered is in it, though readers may know more.

        A life in which nothing was answered has not made one that holds what the life before had left unanswered.
        """
        same = deepcopy(self)
        lines, _ = journal.lines(same._read)
        if not any(what == "done" for what, *_ in lines):
            return
        for what, *rest in lines:
            if what != "seen":
                getattr(same, f"_{what}")(*rest)
        same._found([(memory_id, digest(text)) for memory_id, text in content.items()])

    def check(self, journal: Journal, content: Mapping[int, str]) -> None:
        """Follow the journal since the last check, then compare with what the store holds: all of it."""
        lines, self._read = journal.lines(self._read)
        for what, *rest in lines:
            getattr(self, f"_{what}")(*rest)
        self._found([(memory_id, digest(text)) for memory_id, text in content.items()])

    def _found(self, memories: Iterable[tuple[int, str]]) -> None:
        for worker in list(self._waiting):
            self._give_up(worker)
        found = dict(memories)
        for memory_id, allowed in self.states.items():
            state = found.get(memory_id)
            wrong = "another text" if state else "gone"
            assert state in allowed, f"memory {memory_id} is {wrong}, it may be one of {allowed}"
            self.states[memory_id] = [state]
        for memory_id, state in self._unknown.items():
            assert found.get(memory_id) == state, f"a reader saw memory {memory_id}, which was taken back"
        unasked = found.keys() - self.states.keys()
        extra = {found[memory_id]: memory_id for memory_id in unasked}
        assert len(extra) == len(unasked), "one text was stored under two ids"
        for batch in self._batches:
            here = [one for one in batch if one in extra]
            assert here in ([], batch), "half a batch was stored"
            fresh = {extra.pop(one): one for one in here}
            self.states |= {memory_id: [one] for memory_id, one in fresh.items()}
            self._ever |= {memory_id: {one} for memory_id, one in fresh.items()}
        assert not extra, f"memories {sorted(extra.values())} are there, and nobody asked for them"
        self._unknown, self._batches = {}, []

    def _asked(self, worker: int, operation: str, ids: list[int], digests: list[str]) -> None:
        self._give_up(worker)
        self._waiting[worker] = operation, ids, digests
        for memory_id in ids:
            self.states[memory_id] = [*self.states[memory_id], *(digests or [None])]
            self._ever[memory_id].update(digests)

    def _give_up(self, worker: int) -> None:
        """No answer came, or an unclear one."""
        operation, _, digests = self._waiting.pop(worker, ("", [], []))
        if operation == "add":
            self._batches.append(digests)

    def _done(self, worker: int, ids: list[int]) -> None:
        operation, _, digests = self._waiting.pop(worker)
        self.counts[operation] = self.counts.get(operation, 0) + 1
        for number, memory_id in enumerate(ids):
            state = digests[number] if digests else None
            if operation == "add":
                assert memory_id not in self.states, f"id {memory_id} was given twice"
                assert self._unknown.pop(memory_id, state) == state, (
                    f"a reader saw another text as {memory_id}"
                )
                self._ever[memory_id] = {state}
            self.states[memory_id] = [state]

    def _refused(self, worker: int) -> None:
        operation, ids, _ = self._waiting.pop(worker)
        if operation != "add":
            for memory_id in ids:
                self.states[memory_id].pop()

    def _purged(self, marks: list[str]) -> None:
        self.purged.update(marks)

    def _seen(self, memories: list[tuple[int, str]]) -> None:
        for memory_id, state in memories:
            self._saw(memory_id, state)

    def _saw(self, memory_id: int, state: str) -> None:
        if memory_id not in self.states:
            self._unknown[memory_id] = state
            return
        assert state in self._ever[memory_id], f"a reader saw a wrong text as {memory_id}"
        states = self.states[memory_id]
        if state in states:  # what a reader saw is not taken back; what was asked for later may follow
            del states[: len(states) - 1 - states[::-1].index(state)]
