"""What a restore brings is looked at before it takes the place of the records, as a request is before it is stored.

A backup of this folder needs only the tables and counters without which the store cannot work. One from elsewhere is a
stranger's: it has to keep all the rules of a request, and its rows are copied into tables of our own.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from faiss_memory.contracts.backups import LeftOut
from faiss_memory.errors import InvalidRequest, StoreCorrupt
from faiss_memory.memory import Memory
from faiss_memory.schema import NewMemory
from faiss_memory.schema.decoding import convert, in_words
from faiss_memory.schema.limits import check_cues, check_metadata, check_tags, check_text
from faiss_memory.settings import Limits
from faiss_memory.store.records.incoming_rows import (
    AnswerRow,
    Count,
    ForgottenRow,
    MemoryRow,
    ModelRow,
    Moment,
    OriginRow,
    PassageRow,
    ProjectRow,
    PurgedRow,
    RemovedRow,
    RetryRow,
    UseRow,
)
from faiss_memory.store.records.reader import are_sound, is_sound_key
from faiss_memory.store.records.rows import MEMORY_COLUMNS, checksum, from_row, texts_of
from faiss_memory.store.records.schema import LONGEST_VALUE, SCHEMA, SCHEMA_VERSION, TABLES
from faiss_memory.uids import is_uid

VECTORS_AT_ONCE = 1000


class Rules(NamedTuple):
    """What a restore is held to.

    `limits` are those of a request, for what comes from elsewhere, None for what does not; an archive does, even if it
    says that it does not. `models` are those in use here: their identities, with the dimensions.
    """

    limits: Limits | None = Limits()
    models: Mapping[str, int] = {}
    is_archive: bool = False


class Inadmissible(StoreCorrupt):
    """A value that no request could have brought; says which."""


def admit(path: Path, rules: Rules) -> list[LeftOut]:
    """Look through a database that is to be put in place; returns the memories that no answer will show, being damaged.

    With `rules.limits` nothing may be damaged either, and the file is written anew, in tables of our own. Raises
    Inadmissible, which names what is wrong, and sqlite3.Error.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
            damaged = _look_through(connection, rules)
        if rules.limits is not None:
            _copy_into_our_tables(path)
    except (UnicodeDecodeError, OverflowError, sqlite3.IntegrityError, sqlite3.DataError) as error:
        raise Inadmissible(f"a value of it cannot be read ({error})") from None
    return damaged


def _look_through(connection: sqlite3.Connection, rules: Rules) -> list[LeftOut]:
    seq = check_state(connection)
    _check_rows(connection, "project", "SELECT name, created, updated FROM projects", ProjectRow)
    models = _check_models(connection, rules)
    damaged = _check_memories(connection, rules.limits, seq)
    removed = _check_rows(connection, "removed memory", "SELECT memory, seq, uid FROM removed", RemovedRow)
    if any(row.seq > seq or not is_uid(row.uid) for row in removed):
        raise Inadmissible(
            "it counts memories as removed by changes that it has not reached, or without a uid"
        )
    _check_beside(connection)
    if rules.limits is not None:
        _check_passages(connection, models)
        _check_references(connection)
    return damaged


def check_state(connection: sqlite3.Connection) -> int:
    """Check what a database says of itself, and how far it has counted; returns its seq. Raises Inadmissible."""
    state = dict(connection.execute("SELECT key, value FROM state"))
    for key, kind in {"seq": Count, "memories": Count, "digest": int, "created": Moment}.items():
        _converted(state.get(key), kind, f"its `{key}`")
    if not is_uuid(state.get("uuid")) or not is_uid(state.get("line")):
        raise Inadmissible("its `uuid` or `line` is none")
    _converted(state.get("model"), str | None, "its `model`")
    counted = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    for table in ("memories", "passages"):
        highest = connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0] or 0
        if not highest <= _converted(counted.get(table, 0), Count, f"its counter of {table}"):
            raise Inadmissible(f"its counter of {table} is behind them")
    seq: int = state["seq"]
    return seq


def is_uuid(value: object) -> bool:
    """Return whether a value is a UUID as the store writes it: names of files begin with it."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _check_rows(connection: sqlite3.Connection, what: str, sql: str, kind: Any) -> list[Any]:
    return [_converted(row, kind, f"{what} {row[0]!r}") for row in connection.execute(sql)]


def _check_models(connection: sqlite3.Connection, rules: Rules) -> dict[int, ModelRow]:
    """Check the models; returns their dimensions by number."""
    models = _check_rows(connection, "model", "SELECT id, identity, name, dimension FROM models", ModelRow)
    for model in models:
        ours = rules.models.get(model.identity, model.dimension)
        if ours != model.dimension:
            raise Inadmissible(
                f"its model {model.identity} has {model.dimension} dimensions, and the one in use here has {ours}"
            )
    return {model.id: model for model in models}


def _check_memories(connection: sqlite3.Connection, limits: Limits | None, seq: int) -> list[LeftOut]:
    damaged = []
    for row in connection.execute(f"SELECT {MEMORY_COLUMNS}, seq FROM memories ORDER BY id"):
        try:
            memory = from_row(row[:-1])
        except StoreCorrupt:
            if limits is not None:
                raise
            damaged.append(LeftOut(int(row[0]), str(row[9]), "damaged"))
            continue
        _check_memory(_converted(row, MemoryRow, f"memory {row[0]!r}"), seq)
        if limits is not None:
            _check_as_request(memory, limits)
    twice = connection.execute("SELECT uid FROM memories GROUP BY uid HAVING count(*) > 1").fetchone()
    if twice is not None:
        raise Inadmissible(f"the uid {twice[0]} is there twice")
    return damaged


def _check_memory(row: MemoryRow, seq: int) -> None:
    for name, uid in (("uid", row.uid), ("older", row.older)):
        if uid is not None and not is_uid(uid):
            raise Inadmissible(f"memory {row.id}: `{name}` is no UUID of version 7")
    if row.seq > seq:
        raise Inadmissible(f"memory {row.id} was written by change {row.seq}, and the last is {seq}")


def _check_as_request(memory: Memory, limits: Limits) -> None:
    given = {name: getattr(memory, name) for name in ("text", "source", "project", "metadata")}
    try:
        convert(given | {"tags": list(memory.tags), "cues": list(memory.cues)}, NewMemory)
        check_text(memory.text, limits.text_bytes, "text", "text_bytes")
        check_metadata(memory.metadata, limits.metadata_bytes, "metadata")
        check_tags(memory.tags, limits.tags, "tags")
        check_cues(memory.cues, limits.cues, "cues")
    except InvalidRequest as error:
        raise Inadmissible(f"memory {memory.id}: {error}") from None


def _check_beside(connection: sqlite3.Connection) -> None:
    """Check what lies beside the memories."""
    for retry in _check_rows(connection, "retry", "SELECT key, digest, answer, made FROM retries", RetryRow):
        try:
            msgspec.json.decode(retry.answer, type=list[AnswerRow])
        except msgspec.DecodeError as error:
            raise Inadmissible(f"the answer to retry {retry.key!r} is none: {error}") from None
    columns = "memory, file, place, text, details"
    for origin in _check_rows(connection, "origin", f"SELECT {columns}, crc FROM origins", OriginRow):
        values = (origin.memory, origin.file, origin.place, origin.text, origin.details)
        if checksum(*values) != origin.crc:
            raise Inadmissible(f"the checksum of the origin of memory {origin.memory} does not match")
    purged = _check_rows(connection, "purged memory", "SELECT line, uid, memory FROM purged", PurgedRow)
    if not all(is_uid(entry.line) and is_uid(entry.uid) for entry in purged):
        raise Inadmissible("its list of what was purged names no uids")
    for what, table, kind in (("use", "uses", UseRow), ("forgotten memory", "forgotten", ForgottenRow)):
        _check_rows(connection, what, f"SELECT {', '.join(TABLES[table])} FROM {table}", kind)


def _check_passages(connection: sqlite3.Connection, models: Mapping[int, ModelRow]) -> None:
    vectors: list[bytes] = []
    last = ""
    sql = "SELECT id, memory, start, end, crc, key_crc, model, vector FROM passages ORDER BY model, memory"
    memory, cues, length = 0, 0, 0
    for row in connection.execute(sql):
        passage = _converted(row, PassageRow, f"passage {row[0]!r}")
        what = f"passage {passage.id} of memory {passage.memory}"
        if passage.memory != memory:  # (once for all of its passages: there may be very many)
            memory, (cues, length) = passage.memory, _room(connection, passage.memory)
        is_cue = -cues <= passage.start == passage.end < 0
        if not is_cue and not 0 <= passage.start <= passage.end <= length:
            raise Inadmissible(f"{what} lies outside its text and is no cue")
        if checksum(passage.vector) != passage.crc or not is_sound_key(row, passage.model):
            raise Inadmissible(f"{what}: its checksum does not match its content")
        model = models.get(passage.model)
        if model is None or len(passage.vector) != 4 * model.dimension:
            raise Inadmissible(f"{what}: its vector has not the dimension of its model")
        if vectors and (len(vectors) == VECTORS_AT_ONCE or last != model.identity):
            _check_vectors(vectors, last)
            vectors = []
        vectors.append(passage.vector)
        last = model.identity
    _check_vectors(vectors, last)


def _room(connection: sqlite3.Connection, memory: int) -> tuple[int, int]:
    """Return how many cues a memory has, and how long its text is. Raises Inadmissible."""
    row = connection.execute("SELECT cues, text FROM memories WHERE id = ?", (memory,)).fetchone()
    if row is None:
        raise Inadmissible(f"it holds passages of memory {memory}, and no memory {memory}")
    return len(texts_of(row[0])), len(row[1])


def _check_vectors(vectors: list[bytes], model: str) -> None:
    if not vectors:
        return
    array = np.frombuffer(b"".join(vectors), "<f4").reshape(len(vectors), -1)
    if not are_sound(array, model).all():
        raise Inadmissible(f"it holds a vector of a length that those of its model {model} do not have")


_REFERENCES = {
    "memory {} is in no project that is there": (
        "SELECT id FROM memories WHERE project NOT IN (SELECT name FROM projects)"
    ),
    "memory {} supersedes one of another project": (
        "SELECT n.id FROM memories n JOIN memories o ON o.id = n.supersedes WHERE o.project != n.project"
    ),
    "memory {} is there, and counts as removed": (
        "SELECT memory FROM removed WHERE memory IN (SELECT id FROM memories)"
    ),
    "passage {} is of no memory that is there": (
        "SELECT id FROM passages WHERE memory NOT IN (SELECT id FROM memories)"
    ),
    "the origin of memory {} is of none that is there": (
        "SELECT memory FROM origins WHERE memory NOT IN (SELECT id FROM memories)"
    ),
    "the ledger names memory {}, which is not there": (
        "SELECT memory FROM uses WHERE memory != 0 AND memory NOT IN (SELECT id FROM memories)"
    ),
    "its counter of memories is behind memory {}, which was removed": (
        "SELECT memory FROM removed WHERE memory >"
        " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'memories'), 0)"
    ),
}


def _check_references(connection: sqlite3.Connection) -> None:
    for what, sql in _REFERENCES.items():
        row = connection.execute(f"{sql} LIMIT 1").fetchone()
        if row is not None:
            raise Inadmissible(what.format(row[0]))
    _check_lines(connection)


def _check_lines(connection: sqlite3.Connection) -> None:
    """Check that no memory supersedes itself, also by others between: whoever reads its history would never end."""
    older = dict(connection.execute("SELECT id, supersedes FROM memories WHERE supersedes IS NOT NULL"))
    ending: set[int] = set()
    for first in older:
        line: dict[int, None] = {}
        at: int | None = first
        while at is not None and at not in ending:
            if at in line:
                raise Inadmissible(f"memory {at} supersedes itself")
            line[at] = None
            at = older.get(at)
        ending.update(line)


def _converted(value: Any, kind: Any, what: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$[")
        number = place.partition("]")[0]
        field = f"`{kind.__struct_fields__[int(number)]}` " if number.isdecimal() else ""
        raise Inadmissible(f"{what}: {field}{in_words(said)}") from None


def _copy_into_our_tables(path: Path) -> None:
    """Write the rows into tables of our own: whatever else a stranger's file holds stays behind."""
    ours = path.with_name(f"{path.name}.ours")
    ours.unlink(missing_ok=True)
    with closing(sqlite3.connect(ours, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.executescript(f"{SCHEMA} PRAGMA user_version={SCHEMA_VERSION};")
        connection.execute("ATTACH ? AS theirs", (str(path),))
        connection.execute("BEGIN")
        for table, columns in TABLES.items():
            names = ", ".join(columns)
            connection.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM theirs.{table}")
        connection.execute("DELETE FROM main.sqlite_sequence")
        connection.execute(
            "INSERT INTO main.sqlite_sequence (name, seq) SELECT name, max(seq) FROM theirs.sqlite_sequence"
            " WHERE name IN ('memories', 'passages') GROUP BY name"
        )
        connection.execute("COMMIT")
    ours.replace(path)
