"""An archive, a backup, a data folder of somebody else: what no request could have stored is refused, by its name."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest

from faiss_memory.store.operations import (
    count_content,
    keep_content,
)
from faiss_memory.store.rows import checksum
from faiss_memory.uids import new_uid
from tests.running import RunningService
from tests.test_archives import fetch, members, packed, send, texts

COLUMNS = ("project", "text", "source", "tags", "metadata", "timestamp", "supersedes")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with RunningService(tmp_path_factory.mktemp("strangers") / "data", fake=True) as running:
        running.call("POST", "/memory/add", {"text": "ours", "tags": ["one"]})
        yield running


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """An archive of another machine, whose memories all lie in its base."""
    with RunningService(tmp_path_factory.mktemp("theirs") / "data", fake=True) as running:
        first = running.call("POST", "/memory/add", {"text": "theirs 1", "project": "other"})[1]["id"]
        running.call("POST", "/memory/add", {"text": "theirs 2", "project": "other", "supersedes": first})
        retry = {"text": "theirs 3", "metadata": {"a": 1}, "idempotency_key": "key"}
        running.call("POST", "/memory/add", retry)
        gone = running.call("POST", "/memory/add", {"text": "theirs 4"})[1]["id"]
        running.call("DELETE", f"/memory/{gone}")
        assert running.stop() == 0
        shutil.rmtree(running.data / "backups")  # the log begins anew, with a full copy
        running.start()
        yield fetch(running, "/archive")[2]


def spoilt(archive, folder, spoil):
    """The same archive after something was done to its base, counted and described as if it had always been so."""
    (first, manifest), (second, base), *others = members(archive)
    path = Path(folder) / "base.db"
    path.write_bytes(base)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA legacy_alter_table=ON")
        spoil(connection)
        count, digest = count_content(connection)
        keep_content(connection, count, digest)
    described = {
        **json.loads(manifest),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "memories": count,
    }
    return remade(first, described, (second, path.read_bytes()), others)


def remade(first, described, base, others):
    content = json.dumps(described).encode()
    first.size, base[0].size = len(content), len(base[1])
    return packed([(first, content), base, *others])


def said_wrongly(connection, memory, **values):
    """Write other values into a memory, and the checksum that goes with them."""
    assignments = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE memories SET {assignments} WHERE id = ?", (*values.values(), memory))
    number = values.get("id", memory)
    row = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM memories WHERE id = ?", (number,)).fetchone()
    named = connection.execute("SELECT id, uid, written_by FROM memories WHERE id = ?", (number,)).fetchone()
    connection.execute(
        "UPDATE memories SET crc = ?, uid_crc = ? WHERE id = ?", (checksum(*row), checksum(*named), number)
    )


def memory_with(**values):
    return lambda connection: said_wrongly(connection, 2, **values)


def project_of(name):
    def spoil(connection):
        connection.execute("INSERT INTO projects VALUES (?, 0, 0)", (name,))
        said_wrongly(connection, 2, project=name)

    return spoil


def vector_of(vector, dimension=None):
    def spoil(connection):
        blob = struct.pack(f"<{len(vector)}f", *vector)
        if dimension is not None:
            connection.execute("UPDATE models SET dimension = ?", (dimension,))
        for number, memory, model, start, end in connection.execute(
            "SELECT id, memory, model, start, end FROM passages"
        ).fetchall():
            key = (memory, model, start, end, checksum(blob))
            connection.execute(
                "UPDATE passages SET vector = ?, crc = ?, key_crc = ? WHERE id = ?",
                (blob, key[-1], checksum(repr(key)), number),
            )

    return spoil


def twice(connection):
    """A table like ours in everything but that ids may be there twice."""
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'memories'").fetchone()
    connection.execute("ALTER TABLE memories RENAME TO before")
    connection.execute(sql.replace("INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER"))
    connection.execute("INSERT INTO memories SELECT * FROM before")
    connection.execute("INSERT INTO memories SELECT * FROM before WHERE id = 2")
    connection.execute("DROP TABLE before")
    connection.execute("CREATE INDEX memories_by_seq ON memories (seq)")
    connection.execute("CREATE INDEX memories_by_project ON memories (project)")


def run(sql, *values):
    return lambda connection: connection.execute(sql, values)


UNIT = [1.0] + [0.0] * 63
SPOILT = {
    "a project that leads out of the folder": (
        project_of("../../evil"),
        "project '../../evil': `name` must be a name",
    ),
    "an absolute project": (project_of("/tmp/evil"), "must be a name"),
    "a project in capitals": (project_of("Other"), "must be a name"),
    "a project of a name too long": (project_of("a" * 65), "must be a name"),
    "a project that no memory is in": (run("INSERT INTO projects VALUES ('..', 0, 0)"), "project '..'"),
    "a project of no time": (run("UPDATE projects SET created = 'x'"), "project"),
    "a project that is not there": (
        run("UPDATE projects SET name = 'elsewhere' WHERE name = 'other'"),
        "no project",
    ),
    "metadata that are a list": (memory_with(metadata="[1]"), "memory 2"),
    "metadata that are no JSON": (memory_with(metadata="{"), "memory 2"),
    "metadata with NaN": (memory_with(metadata='{"a": NaN}'), "memory 2"),
    "metadata nested deeply": (memory_with(metadata='{"a":' * 40 + "1" + "}" * 40), "levels deep"),
    "metadata too large": (memory_with(metadata=json.dumps({"a": "b" * 20_000})), "limits.metadata_bytes"),
    "tags that are a text": (memory_with(tags='"one"'), "memory 2"),
    "a tag that is a number": (memory_with(tags="[1]"), "memory 2"),
    "an empty tag": (memory_with(tags='[" "]'), "memory 2"),
    "a tag too long": (memory_with(tags=json.dumps(["a" * 129])), "memory 2"),
    "too many tags": (memory_with(tags=json.dumps([str(n) for n in range(33)])), "limits.tags"),
    "a text too large": (memory_with(text="a" * 70_000), "limits.text_bytes"),
    "an empty text": (memory_with(text=" \n"), "memory 2"),
    "a text that is a number": (memory_with(text=b"\xff\xfe"), "memory 2"),
    "a source too long": (memory_with(source="a" * 5000), "memory 2"),
    "a time before all times": (memory_with(timestamp=-(2**62)), "memory 2"),
    "a time after all times": (memory_with(timestamp=2**62), "memory 2"),
    "a time in words": (memory_with(timestamp="today"), "memory 2"),
    "a memory that supersedes itself": (memory_with(supersedes=2), "`supersedes`"),
    "a memory that supersedes a later one": (memory_with(supersedes=3), "`supersedes`"),
    "a memory that supersedes one of another project": (
        lambda c: said_wrongly(c, 3, supersedes=1),
        "another project",
    ),
    "a negative id": (lambda c: said_wrongly(c, 2, id=-2), "memory -2"),
    "an id of zero": (lambda c: said_wrongly(c, 2, id=0), "memory 0"),
    "an id too high": (lambda c: said_wrongly(c, 3, id=2**62), ""),
    "an id twice": (twice, ""),
    "a uid twice": (
        lambda c: said_wrongly(c, 2, uid=c.execute("SELECT uid FROM memories").fetchone()[0]),
        "twice",
    ),
    "a uid of another kind": (memory_with(uid="../../evil"), "`uid`"),
    "no uid": (memory_with(uid=""), "`uid`"),
    "a way too long": (memory_with(written_by="a" * 300), "memory 2"),
    "a checksum of another text": (run("UPDATE memories SET text = 'x' WHERE id = 2"), "checksum"),
    "a checksum of another uid": (run("UPDATE memories SET uid = ? WHERE id = 2", new_uid()), "checksum"),
    "a memory of a change to come": (run("UPDATE memories SET seq = 10000 WHERE id = 2"), "change 10000"),
    "a memory that was removed": (
        run("INSERT INTO removed VALUES (2, 1, ?)", new_uid()),
        "counts as removed",
    ),
    "a removed memory of a change to come": (run("UPDATE removed SET seq = 10000"), "has not reached"),
    "a removed memory of a negative id": (run("UPDATE removed SET memory = -1"), "removed memory -1"),
    "a counter that stays behind": (run("UPDATE sqlite_sequence SET seq = 1"), "behind"),
    "a counter that has no room": (run("UPDATE sqlite_sequence SET seq = ?", 2**63 - 1), "counter"),
    "a counter in words": (run("UPDATE sqlite_sequence SET seq = 'many'"), "counter"),
    "a number of changes that has no room": (
        run("UPDATE state SET value = ? WHERE key = 'seq'", 2**63 - 1),
        "",
    ),
    "a negative number of changes": (run("UPDATE state SET value = -1 WHERE key = 'seq'"), ""),
    "a store that leads out of the folder": (
        run("UPDATE state SET value = '../../e' WHERE key = 'uuid'"),
        "`uuid`",
    ),
    "a line of its own kind": (run("UPDATE state SET value = 'x' WHERE key = 'line'"), "`line`"),
    "a beginning before all times": (
        run("UPDATE state SET value = ? WHERE key = 'created'", 2**62),
        "`created`",
    ),
    "a vector of another dimension": (vector_of(UNIT[:3]), "dimension"),
    "a model of another dimension": (vector_of([1.0, 0, 0], 3), "in use here has 64"),
    "a vector with NaN": (vector_of([float("nan")] * 64), "unit length"),
    "a vector with infinity": (vector_of([float("inf")] * 64), "unit length"),
    "a vector that is no unit": (vector_of([1.0] * 64), "unit length"),
    "a vector with another checksum": (run("UPDATE passages SET vector = zeroblob(256)"), "checksum"),
    "a passage outside its text": (run("UPDATE passages SET end = 1000"), "outside its text"),
    "a passage before its text": (run("UPDATE passages SET start = -1"), "passage"),
    "a passage of no memory": (run("UPDATE passages SET memory = 99"), "no memory"),
    "a passage of no model": (run("UPDATE passages SET model = 99"), "passage"),
    "an answer that is none": (run("UPDATE retries SET answer = '[{}]'"), "retry 'key'"),
    "an answer of a time to come": (run("UPDATE retries SET made = ?", 2**50), "time to come"),
    "an origin of no memory": (run("INSERT INTO origins VALUES (99, 'a', 'b', 'c', 'd', 0)"), "origin"),
    "a purged memory without a uid": (run("INSERT INTO purged VALUES ('x', 'y', 1)"), "purged"),
    "a use that never was": (
        run("INSERT INTO uses VALUES ('x', '', 'other', 0, 'shown', 0, 1, 1)"),
        "use 'x'",
    ),
    "a use of no memory": (
        run("INSERT INTO uses VALUES ('2026-01-01', '', 'other', 9, 'e', 0, 1, 1)"),
        "ledger",
    ),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_no_request_could_have_stored_is_refused_by_name(service, archive, tmp_path, what):
    spoil, said = SPOILT[what]
    before = texts(service), kept_files(service)
    status, answer = send(service, spoilt(archive, tmp_path, spoil))
    assert (status, "Nothing was changed" in answer["description"]) == (400, True), answer
    assert said in answer["description"]
    assert (texts(service), kept_files(service)) == before


def kept_files(service):
    """Every file around, but those of the indexes, which the service saves a moment later."""
    paths = [path for path in service.data.parent.rglob("*") if path.is_file() and ".new" not in path.name]
    return {str(path) for path in paths if not path.name.startswith(("index", "metadata.json"))}
