"""How memories and vectors are written and read."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from faiss_memory import Memory, Origin, Vectors
from faiss_memory_plugins.postgres.database import Row, Transaction
from faiss_memory_plugins.postgres.filters import fields_of

COLUMNS = (
    "m.id, m.text, j.name, m.source, m.tags, m.cues, m.metadata, m.learnt, m.supersedes, m.superseded_by, m.uid,"
    " m.written_by, m.valid_until, m.revision, m.changed, m.older, m.actor"
)
TABLES = "$.memory m join $.project j on j.id = m.project"


def to_memory(row: Row) -> Memory:
    """Read COLUMNS."""
    return Memory(
        id=row[0], text=row[1], project=row[2], source=row[3], tags=tuple(row[4]), cues=tuple(row[5]),
        metadata=json.loads(row[6]), timestamp=row[7].astimezone(UTC), supersedes=row[8], superseded_by=row[9],
        uid=str(row[10]), by=row[11], valid_until=_utc(row[12]), revision=row[13], changed=_utc(row[14]),
        supersedes_uid=None if row[15] is None else str(row[15]), actor=row[16],
    )  # fmt: skip


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC)


def to_values(memory: Memory) -> dict[str, Any]:
    """Return what is written of a memory but for its project, by column."""
    folded = memory.text.casefold()
    return {
        "id": memory.id,
        "uid": memory.uid,
        "text": memory.text,
        "folded": None if folded == memory.text else folded,
        "source": memory.source,
        "tags": list(memory.tags),
        "cues": list(memory.cues),
        "metadata": json.dumps(dict(memory.metadata)),
        "fields": fields_of(memory.metadata),
        "learnt": memory.timestamp,
        "supersedes": memory.supersedes,
        "written_by": memory.by,
        "actor": memory.actor,
        "valid_until": memory.valid_until,
        "revision": memory.revision,
        "changed": memory.changed,
        "older": memory.supersedes_uid,
    }


def read(run: Transaction, ids: Collection[int]) -> list[Memory]:
    """Read memories in the order asked for; those that are not there are left out."""
    wanted = [memory_id for memory_id in ids if 0 < memory_id < 2**63]
    if not wanted:
        return []
    rows = run.run(f"select {COLUMNS} from {TABLES} where m.id = any(%(ids)s)", {"ids": wanted})
    found = {row[0]: to_memory(row) for row in rows}
    return [found[memory_id] for memory_id in wanted if memory_id in found]


def to_origin(row: Sequence[Any]) -> Origin:
    """Read file, place, text and details."""
    return Origin(*row)


def to_numbers(numbers: Iterable[float]) -> str:
    """Write many numbers, such as for `::bigint[]`: the driver takes longer to write a list."""
    return f"{{{','.join(map(repr, numbers))}}}"


def to_vector(vector: Vectors) -> str:
    """Write a vector: nine digits bring a float32 back as it was."""
    return "[" + ",".join([f"{number:.9g}" for number in vector.tolist()]) + "]"


def from_vector(written: str) -> Vectors:
    """Read a vector."""
    return np.fromstring(written[1:-1], np.float32, sep=",")
