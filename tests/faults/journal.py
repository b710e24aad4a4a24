"""What was asked of a store and what it acknowledged, kept by the side that is not killed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Journal:
    """Every line is written before the call (`asked`) or after its answer (`done`); each is one append."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._path = path
        self._lock = Lock()
        self.done_count = 0

    def asked(self, worker: int, operation: str, ids: Iterable[int] = (), texts: Iterable[str] = ()) -> None:
        self._write(["asked", worker, operation, list(ids), [digest(text) for text in texts]])

    def done(self, worker: int, ids: Iterable[int]) -> None:
        self._write(["done", worker, list(ids)])
        with self._lock:
            self.done_count += 1

    def _write(self, line: object) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def lines(self) -> list[list[object]]:
        return [json.loads(line) for line in self._path.read_bytes().splitlines()]

    def close(self) -> None:
        os.close(self._file)


class Acknowledged:
    """What must be there: for each id the digests it may have, None meaning that it may be gone."""

    def __init__(self) -> None:
        self.states: dict[int, set[str | None]] = {}
        self.counts = {"add": 0, "change": 0, "forget": 0}
        self._read = 0

    def check(self, journal: Journal, read: Callable[[int], str | None], listed: Iterable[int]) -> None:
        """Follow the journal since the last check, then compare with what the store says after its restart."""
        pending = self._follow(journal.lines())
        for memory_id, allowed in self.states.items():
            text = read(memory_id)
            state = None if text is None else digest(text)
            assert state in allowed, f"memory {memory_id} is {text!r}"
            self.states[memory_id] = {state}
        present = {memory_id for memory_id, (state,) in self.states.items() if state is not None}
        extra = set(listed) - present
        assert not present - set(listed), "the list lacks acknowledged memories"
        found = {digest(read(memory_id) or ""): memory_id for memory_id in extra}
        for batch in pending:
            here = [one for one in batch if one in found]
            assert here in ([], batch), "half a batch was stored"
            self.states |= {found.pop(one): {one} for one in here}
        assert not found, "memories are there that nobody asked for"

    def _follow(self, lines: list[list[object]]) -> list[list[str]]:
        """Give the batches whose adding was asked for and not answered."""
        waiting: dict[int, tuple[str, list[int], list[str]]] = {}
        lines, self._read = lines[self._read :], len(lines)
        for what, worker, *rest in lines:
            if what == "asked":
                operation, ids, digests = waiting[worker] = rest
                for memory_id in ids:
                    self.states[memory_id] = {*self.states[memory_id], *(digests or [None])}
                continue
            operation, _, digests = waiting.pop(worker)
            self.counts[operation] += 1
            for number, memory_id in enumerate(rest[0]):
                assert operation != "add" or memory_id not in self.states, "an id was given twice"
                self.states[memory_id] = {digests[number] if digests else None}
        return [digests for operation, _, digests in waiting.values() if operation == "add"]
