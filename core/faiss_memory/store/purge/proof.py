"""The proof of a purge: every file of the data folder is searched, byte by byte, for parts of the texts.

A text is looked for in the forms in which a file could hold it: as UTF-8, as UTF-16, and escaped as in JSON. Each is
cut into parts, so that a rest is found as well. A part that another memory says too is found rightly, and left out.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faiss_memory.contracts.store import Proof
from faiss_memory.safe_files import open_own
from faiss_memory.store.backup.log import read_records
from faiss_memory.store.records.operations import PutMemory

PART = 24
"""Bytes of a part: a rest of a text is found for certain if it is twice as long."""
LEAST = 8
"""Bytes of the shortest text that is searched for: fewer are anywhere by chance."""
FEWEST_VALUES = 4
"""Different bytes in a part; a ruler of dashes proves nothing."""
BLOCK = 1 << 24
_HASH_BITS = 20

NOT_COVERED = (
    "archives and backups that were copied to another place",
    "snapshots and free space of the disk and its file system",
)
"""What no search of the data folder can speak for."""


def search(data: Path, texts: Collection[str], purged: Collection[int]) -> Proof:
    """Search every file of a data folder for the texts of what was purged. Raises OSError."""
    wanted = [text for text in texts if len(text.encode("utf-8", "surrogatepass")) >= LEAST]
    seeker = _Seeker(parts_of(wanted))
    files = size = 0
    found: list[str] = []
    shared: set[int] = set()
    seen: dict[tuple[int, int], bool] = {}
    for path in sorted(_files(data)):
        with suppress(FileNotFoundError), open_own(path) as file:
            status = os.fstat(file.fileno())
            files += 1
            key = (status.st_dev, status.st_ino)
            if key not in seen:
                size += status.st_size
                met = {part for block in _blocks(file.read) for part in seeker.met(block)}
                others = _said_by_others(data, path, met, purged) if met else {}
                shared.update(memory_id for ids in others.values() for memory_id in ids)
                seen[key] = bool(met - others.keys())
            if seen[key]:
                found.append(str(path.relative_to(data)))
    return Proof(files, size, len(wanted), found, sorted(shared), [*NOT_COVERED])


def parts_of(texts: Iterable[str]) -> set[bytes]:
    """Return what is looked for of texts: in none of their forms a part of them may be left."""
    return {part for text in texts for form in forms(text) for part in _cut(form) if len(part) >= LEAST}


def forms(text: str) -> Iterator[bytes]:
    """Yield a text as the bytes that a file could hold of it."""
    given = {text, json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1]}
    yield from (form.encode("utf-8", "surrogatepass") for form in sorted(given))
    yield text.encode("utf-16-le", "surrogatepass")


def _cut(form: bytes) -> Iterator[bytes]:
    for start in range(0, max(1, len(form) - PART + 1), PART):
        if len(set(part := form[start : start + PART])) >= FEWEST_VALUES:
            yield part
    if len(form) > PART and len(set(form[-PART:])) >= FEWEST_VALUES:
        yield form[-PART:]


class _Seeker:
    """Looks for any number of parts at once, at the same pace: a table tells where one may begin."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts: dict[int, list[bytes]] = defaultdict(list)
        for part in parts:
            self._parts[int.from_bytes(part[:LEAST], "little")].append(part)
        self._keys = np.array(sorted(self._parts), np.uint64)
        self._table = np.zeros(1 << _HASH_BITS, np.bool_)
        self._table[_hashed((self._keys & np.uint64(0xFFFFFFFF)).astype(np.uint32))] = True

    def met(self, block: bytes) -> Iterator[bytes]:
        """Yield the parts that lie in a block."""
        for shift in range(4):
            words = np.frombuffer(block, "<u4", (len(block) - shift) // 4, shift)
            at = np.flatnonzero(self._table[_hashed(words[:-1])])
            keys = words[at].astype(np.uint64) | words[at + 1].astype(np.uint64) << np.uint64(32)
            for place in at[np.isin(keys, self._keys)].tolist():
                start = shift + 4 * place
                for part in self._parts[int.from_bytes(block[start : start + LEAST], "little")]:
                    if block.startswith(part, start):
                        yield part


def _hashed(words: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    mixed: npt.NDArray[np.uint32] = (words * np.uint32(2654435761)) >> np.uint32(32 - _HASH_BITS)
    return mixed


def _blocks(read: Any) -> Iterator[bytes]:
    """Read a file in blocks that overlap by a part. Each is as long as a whole word at the end needs."""
    rest = b""
    while block := read(BLOCK):
        whole = rest + block
        yield whole + bytes(LEAST)
        rest = whole[-PART:]


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                yield path


# What is found rightly.


def _said_by_others(
    data: Path, path: Path, parts: set[bytes], purged: Collection[int]
) -> dict[bytes, set[int]]:
    """Name the memories in a file that stay and say the same, by part."""
    said: dict[bytes, set[int]] = defaultdict(set)
    for memory_id, words in _rows(data, path):
        if memory_id not in purged:
            whole = list(forms(words))
            for part in parts:
                if any(part in form for form in whole):
                    said[part].add(memory_id)
    return said


def _rows(data: Path, path: Path) -> Iterator[tuple[int, str]]:
    """Yield the memories that a file holds, with all they say."""
    if path.suffix == ".jsonl":
        for _, record in read_records(path):
            for operation in record.operations:
                if isinstance(operation, PutMemory):
                    yield operation.id, "\n".join(map(str, (*operation.columns, operation.cues)))
        return
    # The running service has memory.db for itself; search.db says the same.
    name = path.name.removesuffix("-wal")
    database = data / "search.db" if path.parent == data and name == "memory.db" else path.with_name(name)
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as found:
        found.text_factory = lambda raw: raw.decode("utf-8", "replace")
        for memory_id, *columns in found.execute(
            "SELECT id, text, source, tags, metadata, cues FROM memories"
        ):
            yield memory_id, "\n".join(columns)
