"""An archive, a backup, a data folder of somebody else: what no request could have stored is refused, by its name."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import struct
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from faiss_memory.errors import StoreCorrupt
from faiss_memory.store.records.operations import (
    count_content,
    keep_content,
)
from faiss_memory.store.records.rows import checksum, checksum_of, identity_checksum
from faiss_memory.uids import new_uid
from tests.running import RunningService
from tests.store.asking import matching, nearest
from tests.store.oracle import EVERYTHING, EmbeddedHome, add, embed_query, settled
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
    (cues,) = connection.execute("SELECT cues FROM memories WHERE id = ?", (number,)).fetchone()
    named = connection.execute(
        "SELECT id, uid, written_by, actor FROM memories WHERE id = ?", (number,)
    ).fetchone()
    connection.execute(
        "UPDATE memories SET crc = ?, uid_crc = ? WHERE id = ?",
        (checksum_of(row, cues), identity_checksum(*named), number),
    )


def memory_with(**values):
    return lambda connection: said_wrongly(connection, 2, **values)


def cue_vector(connection):
    """A vector for the first cue of a memory that has none."""
    for number, memory, model, crc in connection.execute(
        "SELECT id, memory, model, crc FROM passages"
    ).fetchall():
        connection.execute(
            "UPDATE passages SET start = -1, end = -1, key_crc = ? WHERE id = ?",
            (checksum(repr((memory, model, -1, -1, crc))), number),
        )


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
    "cues that are a text": (memory_with(cues='"one"'), "memory 2"),
    "a cue that is a number": (memory_with(cues="[1]"), "memory 2"),
    "an empty cue": (memory_with(cues='["one", " "]'), "`cues[1]`"),
    "a cue that shows nothing": (memory_with(cues='["\u200b"]'), "`cues[0]`"),
    "a cue too long": (memory_with(cues=json.dumps(["a" * 201])), "`cues[0]`"),
    "too many cues": (memory_with(cues=json.dumps([str(n) for n in range(9)])), "limits.cues"),
    "a checksum of other cues": (run("UPDATE memories SET cues = '[\"x\"]' WHERE id = 2"), "checksum"),
    "a vector of a cue that is not there": (cue_vector, "is no cue"),
    "a text too large": (memory_with(text="a" * 70_000), "limits.text_bytes"),
    "an empty text": (memory_with(text=" \n"), "memory 2"),
    "a text that is a number": (memory_with(text=b"\xff\xfe"), "memory 2"),
    "a source too long": (memory_with(source="a" * 5000), "memory 2"),
    "a time before all times": (memory_with(timestamp=-(2**62)), "memory 2"),
    "a time after all times": (memory_with(timestamp=2**62), "memory 2"),
    "a time in words": (memory_with(timestamp="today"), "memory 2"),
    "a memory that supersedes itself": (memory_with(supersedes=2), "memory 2 supersedes itself"),
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
    "a vector with NaN": (vector_of([float("nan")] * 64), "a length"),
    "a vector with infinity": (vector_of([float("inf")] * 64), "a length"),
    "a vector that is no unit": (vector_of([1.0] * 64), "a length"),
    "a vector with another checksum": (run("UPDATE passages SET vector = zeroblob(256)"), "checksum"),
    "a passage outside its text": (run("UPDATE passages SET end = 1000"), "outside its text"),
    "a passage before its text": (run("UPDATE passages SET start = -1"), "passage"),
    "a passage of no memory": (run("UPDATE passages SET memory = 99"), "no memory"),
    "a passage of no model": (run("UPDATE passages SET model = 99"), "passage"),
    "an answer that is none": (run("UPDATE retries SET answer = '[{}]'"), "retry 'key'"),
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


# The log and the manifest.


def manifest_with(**values):
    return lambda described, log: (described | values, log)


def log_with(**values):
    """A log of one record that goes on from the base."""

    def spoil(described, _):
        record = {
            "seq": described["seq"] + 1, "after": described["seq"], "time": 1_800_000_000_000_000,
            "memories": described["memories"], "digest": 0, "operations": [], **values,
        }  # fmt: skip
        body = json.dumps(record).encode()
        return described | {"seq": record["seq"]}, b"%08x %s\n" % (zlib.crc32(body), body)

    return spoil


LOGGED = {
    "a manifest of more memories": (manifest_with(memories=17), "its manifest says 17"),
    "a manifest of a change before": (manifest_with(seq=-1), ""),
    "a manifest of a time that never was": (manifest_with(created_at="yesterday"), ""),
    "a change to a number that has no room": (log_with(seq=2**70), ""),
    "a project that leads out of the folder": (log_with(operations=[["project", "../../evil", 0, 0]]), ""),
    "a project that is dropped under its memories": (log_with(operations=[["drop", "other"]]), ""),
    "an operation that is none": (log_with(operations=[["exec", "rm"]]), ""),
    "a purge that leaves no ids to give": (log_with(operations=[["purge", [], 9, 2**63 - 1, 2**63 - 1]]), ""),
    "a memory of no project": (
        log_with(operations=[["memory", 50, ["no", "a", "", "[]", "{}", 0, None], 1, 9]]),
        "",
    ),
    "passages of no memory": (log_with(operations=[["passages", 50, 1, [[90, 0, 1, "AAAA"]]]]), ""),
    "a digest of something else": (log_with(digest=5), "does not come to"),
}


@pytest.mark.parametrize("what", LOGGED)
def test_a_log_and_a_manifest_are_taken_on_trust_no_more_than_a_base(service, archive, what):
    spoil, said = LOGGED[what]
    before = texts(service), kept_files(service)
    (first, manifest), base, (segment, log), *_ = members(archive)
    described, log = spoil(json.loads(manifest), log)
    described["segments"] = [{"name": segment.name.partition("/")[2], "bytes": len(log)}]
    segment.size = len(log)
    status, answer = send(service, remade(first, described, base, [(segment, log)]))
    assert (status, "Nothing was changed" in answer["description"]) == (400, True), answer
    assert said in answer["description"]
    assert (texts(service), kept_files(service)) == before


def test_the_same_archive_as_it_was_made_restores(service, archive, tmp_path):
    earlier = service.call("POST", "/backup")[1]["backup"]
    status, answer = send(service, spoilt(archive, tmp_path, lambda connection: None))
    assert (status, answer["memories"], answer["left_out"]) == (200, 3, [])
    assert service.call("POST", "/restore", {"backup": earlier})[1]["left_out"] == []
    assert texts(service) == ["ours"]


def test_nothing_but_rows_comes_with_an_archive(service, archive, tmp_path):
    """Tables, settings and rules of a stranger's database stay behind."""

    def spoil(connection):
        connection.execute("CREATE TABLE ballast (content)")
        connection.execute("CREATE TABLE rules (id CHECK (id < 5))")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'supersedes INTEGER', 'supersedes INTEGER CHECK (id < 4)')"
            " WHERE name = 'memories'"
        )

    earlier = service.call("POST", "/backup")[1]["backup"]
    assert send(service, spoilt(archive, tmp_path, spoil))[0] == 200
    for number in range(5):
        assert service.call("POST", "/memory/add", {"text": f"written afterwards {number}"})[0] == 201
    assert service.call("POST", "/restore", {"backup": earlier})[0] == 200


SLOW = "printf('%.*c', 10000000, 'x')"
CALCULATING = {
    "a column": f"ALTER TABLE memories ADD COLUMN more AS ({SLOW})",
    "a column of another table": f"CREATE TABLE more (a, b AS ({SLOW}))",
    "a default": f"CREATE TABLE more (a, b DEFAULT ({SLOW}))",
    "an index": f"CREATE INDEX more ON memories (text || {SLOW})",
    "an index of some rows": f"CREATE INDEX more ON memories (text) WHERE length({SLOW}) = id",
    "a table that a module makes": "CREATE VIRTUAL TABLE more USING fts5(a)",
    "a view": "CREATE VIEW more AS SELECT 1",
}


@pytest.mark.parametrize("what", CALCULATING)
def test_an_archive_whose_tables_calculate_is_refused_before_they_do(service, archive, tmp_path, what):
    before = texts(service)
    status, answer = send(service, spoilt(archive, tmp_path, run(CALCULATING[what])))
    assert (status, "it holds the " in answer["description"]) == (400, True), answer
    assert texts(service) == before


# A backup and a data folder.


def laid(archive, folder):
    """Unpack an archive into a data folder, as a person does who restores it by copying."""
    folder.mkdir(exist_ok=True)
    for info, content in members(archive):
        (folder / info.name.partition("/")[2]).write_bytes(content)


@pytest.mark.parametrize("what", ["a project that leads out of the folder", "a vector of another dimension"])
def test_files_of_a_backup_are_looked_at_before_a_start_takes_them(archive, tmp_path, what):
    home = EmbeddedHome(tmp_path / "data")
    add(home.open(), "ours")
    home.close()
    laid(spoilt(archive, tmp_path, SPOILT[what][0]), home.folder)
    with_it = {path.name for path in tmp_path.rglob("*")}
    assert [memory.text for memory in home.open().select(EVERYTHING)] == ["ours"]
    assert list(home.folder.glob("base.db.broken-*"))
    assert not {"evil", "evil.faiss"} & with_it
    home.close()


@pytest.mark.long
def test_a_backup_that_holds_what_no_request_could_have_stored_is_refused_as_such(service, archive, tmp_path):
    name = "manual_20260101_000000"
    status = service.call("POST", "/restore", {"backup": name})[0]
    assert status == 404
    backup = service.data / "backups" / name
    laid(spoilt(archive, tmp_path, SPOILT["metadata that are a list"][0]), backup)
    manifest = json.loads((backup / "manifest.json").read_bytes())
    (backup / "manifest.json").write_text(json.dumps(manifest | {"name": name}))
    assert service.stop() == 0
    service.start()
    before = texts(service)
    status, answer = service.call("POST", "/restore", {"backup": name})
    assert (status, "memory 2" in answer["description"]) == (409, True), answer
    assert texts(service) == before


NO_START = {"a counter that stays behind"}
"""What a start cannot mend: it says so, and leaves the folder as it is."""


@pytest.mark.parametrize(
    "what",
    [
        "a project that leads out of the folder", "metadata that are a list", "a time after all times",
        "a time before all times", "tags that are a text", "a vector with NaN", "a vector of another dimension",
        "a model of another dimension", "a memory of a change to come", "a counter that stays behind",
    ],
)  # fmt: skip
def test_a_data_folder_of_somebody_else_is_no_danger_to_a_start(archive, tmp_path, what):
    """What is not right is left out or made anew; the rest answers, and can be added to."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "memory.db").write_bytes(dict(base_of(spoilt(archive, tmp_path, SPOILT[what][0])))["base.db"])
    home = EmbeddedHome(data)
    if what in NO_START:
        with pytest.raises(StoreCorrupt, match="Put the files of a backup"):
            home.open()
        home.close()
        return
    store = home.open()
    assert 2 <= len(store.select(EVERYTHING)) <= 3
    settled(store)
    (fresh,) = add(store, "written afterwards")
    assert [found[0] for found in matching(store, "afterwards", EVERYTHING, 5)] == [fresh]
    assert all(
        np.isfinite(match.similarity) for match in nearest(store, embed_query("theirs"), EVERYTHING, 9)
    )
    home.close()
    assert not [path.name for path in tmp_path.rglob("*") if "evil" in path.name]


def base_of(archive):
    return [(info.name.partition("/")[2], content) for info, content in members(archive)]


# What was purged elsewhere.


def test_what_another_machine_has_purged_is_not_taken_from_our_backups(tmp_path):
    """Two machines go on from the same archive, and give the same ids to memories of their own."""
    first, second = EmbeddedHome(tmp_path / "first"), EmbeddedHome(tmp_path / "second")
    ours = first.open()
    (shared,) = add(ours, "shared by both")
    theirs = second.open()
    theirs.restore_archive(io.BytesIO(archived(ours)))
    (mine,) = add(ours, "of the first")
    (another,) = add(theirs, "of the second, of the same id")
    assert mine == another
    before = ours.backup(None).name
    theirs.purge([shared, another])
    assert ours.restore_archive(io.BytesIO(archived(theirs))).left_out == ()
    assert ours.select(EVERYTHING) == []
    done = ours.restore(before)
    assert (done.memories, done.left_out) == (2, ())
    assert {memory.text for memory in ours.select(EVERYTHING)} == {"shared by both", "of the first"}
    first.close()
    second.close()


def test_what_was_purged_here_stays_purged_whatever_is_restored(tmp_path):
    first, second = EmbeddedHome(tmp_path / "first"), EmbeddedHome(tmp_path / "second")
    ours = first.open()
    (gone,) = add(ours, "purged in the end")
    add(ours, "kept")
    older = archived(ours)
    uid = ours.get([gone])[0].uid
    ours.purge([gone])
    done = ours.restore_archive(io.BytesIO(older))
    assert done.left_out == ((gone, uid, "purged"),)
    assert [memory.text for memory in ours.select(EVERYTHING)] == ["kept"]
    # It moves to another machine, and the older archive comes after it.
    theirs = second.open()
    theirs.restore_archive(io.BytesIO(archived(ours)))
    assert theirs.restore_archive(io.BytesIO(older)).left_out == ((gone, uid, "purged"),)
    first.close()
    second.close()


@pytest.mark.long
def test_a_purge_takes_nothing_that_has_the_same_id_elsewhere(tmp_path):
    """The older backups of a folder hold memories of ids that an archive's memories have now."""
    first, second = EmbeddedHome(tmp_path / "first"), EmbeddedHome(tmp_path / "second")
    ours, theirs = first.open(), second.open()
    (mine,) = add(ours, "of the first, xyzzy")
    theirs.restore_archive(io.BytesIO(archived(ours)))
    before = ours.backup(None).name
    theirs.forget([mine])
    (another,) = add(theirs, "of the second, plugh")
    (later,) = add(ours, "later of the first, xyzzy")
    assert later == another
    kept = ours.backup(None).name
    ours.restore_archive(io.BytesIO(archived(theirs)))
    assert ours.purge([another]).ids == [another]
    assert ours.restore(kept).memories == 2
    assert {memory.text for memory in ours.select(EVERYTHING)} == {
        "of the first, xyzzy",
        "later of the first, xyzzy",
    }
    assert ours.restore(before).memories == 1
    assert not [path for path in first.folder.rglob("*") if path.is_file() and b"plugh" in path.read_bytes()]
    first.close()
    second.close()


def archived(store):
    with closing(store.archive(None, None).pieces) as pieces:
        return b"".join(pieces)


@pytest.mark.long
def test_what_a_restore_leaves_out_is_named_by_the_service(tmp_path):
    with RunningService(tmp_path / "data", fake=True) as running:
        gone = running.call("POST", "/memory/add", {"text": "purged"})[1]["id"]
        running.call("POST", "/memory/add", {"text": "kept"})
        older, uid = fetch(running, "/archive")[2], running.call("GET", f"/memory/{gone}")[1]["uid"]
        running.call("POST", "/memory/purge", {"ids": [gone]})
        status, answer = send(running, older)
        assert (status, answer["left_out"]) == (200, [{"id": gone, "uid": uid, "reason": "purged"}])
        assert "Left out: 1 purged" in answer["message"]
