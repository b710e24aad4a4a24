"""All memories go to another store and back by `faiss-memory migrate`, also where it is killed on its way."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest

from faiss_memory import Change, Draft, Filter, Origin, StoreError, Use
from faiss_memory.migrating.comparing import compare
from faiss_memory.migrating.copying import copy
from faiss_memory.store import EmbeddedStore
from faiss_memory_conformance.store_home import DIMENSION, MODEL, embed
from faiss_memory_plugins.postgres.settings import PostgresSettings
from faiss_memory_plugins.postgres.store import PostgresStore
from tests.cli.conftest import alone as alone
from tests.cli.terminals import SCRIPT

EVERYTHING = Filter(projects=None, include_superseded=True)
WORDS = [*"ledger cache queue tomato postgres redis sun rain port deploy token branch river stone".split()]  # noqa: SIM905
MANY = 500


def opened(folder):
    store = EmbeddedStore(folder, lambda _: None)
    store.open()
    return store


def fill(store, number):
    """Store memories of every kind: some replaced by newer and older ones, forgotten, not embedded, built, counted."""
    chance, begin = random.Random(5), datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    store.use_model(MODEL, MODEL, DIMENSION)
    drafts = [
        Draft(
            text=" ".join(chance.choices(WORDS, k=chance.randint(2, 30))) + f" mark{n}",
            project=("alpha", "beta", "default")[n % 3],
            source=("", "notes/a.md#1", "docs/ä b.md")[n % 3],
            tags=(("red", "Größe"), ())[n % 2],
            cues=((), ("when it rains",))[n % 5 == 0],
            metadata=({}, {"n": n, "of": [1, None, {"x": 1.5}]})[n % 2],
            timestamp=begin - timedelta(hours=chance.randint(0, 999)),
            by=(None, "cli", "mcp:cursor")[n % 3],
            origin=Origin("/notes/a.md", f"#{n}", "digest", "details") if n % 4 == 0 else None,
        )
        for n in range(number)
    ]
    parts = [None if n % 50 == 7 else embed(one.text, one.cues) for n, one in enumerate(drafts)]
    ids = [one.id for one in store.add(drafts, parts)]
    store.change(ids[0], Change(supersedes=ids[30]), None)  # the older one replaces the newer one
    for older in ids[3:9]:
        (memory,) = store.get([older])
        newer = Draft(text=f"instead of {older}", project=memory.project, supersedes=older)
        ids.append(store.add([newer], [embed(newer.text)])[0].id)
    lost = store.add([Draft(text="soon gone")], [None])[0].id
    store.add([Draft(text="replaces what is gone", supersedes=lost)], [embed("replaces what is gone")])
    store.forget([lost, *ids[40:50]])
    store.purge(ids[48:52])
    store.change(ids[1], Change(valid_until=begin, tags=("kept",)), None)
    store.note_uses([Use(assistant="cli", project="alpha", event="found", memory=ids[60], count=3, tokens=9)])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A data folder, filled and closed: nobody writes to it."""
    folder = tmp_path_factory.mktemp("migrated") / "data"
    store = opened(folder)
    fill(store, MANY)
    store.close()
    return folder


def records(store):
    """All that a store says, by uid."""
    uids = {one.id: one.uid for one in store.get(store.matching_ids(EVERYTHING))}
    uses = [(use.event, uids.get(use.memory), use.count, use.tokens) for use in store.uses()]
    found = {
        one.uid: (one.text, one.project, one.source, one.tags, one.cues, one.metadata, one.timestamp, one.by,
                  uids.get(one.supersedes), uids.get(one.superseded_by), one.revision, one.changed, one.valid_until,
                  one.supersedes_uid)
        for one in store.get(store.matching_ids(EVERYTHING))
    }  # fmt: skip
    return found, uses, store.tombstones()


def migrated(alone, source, to, *more):
    ended = alone("migrate", "--data-dir", str(source), "--to", str(to), "--searches", "40", "--json", *more)
    assert ended.code == 0, ended.out + ended.err
    return json.loads(ended.out)


@pytest.mark.postgres
def test_memories_go_there_and_back_and_a_killed_migration_goes_on(alone, server, source, tmp_path):
    address = server.database()
    words = [SCRIPT, "migrate", "--data-dir", str(source), "--to", address]
    begun = subprocess.Popen(
        words, cwd=tmp_path, env=alone.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    there = PostgresStore(address, PostgresSettings(connections=2))
    there.open()
    try:
        while not there.matching_ids(EVERYTHING):
            assert begun.poll() is None, begun.communicate()
            time.sleep(0.02)
        begun.kill()
        begun.communicate()
        stored = len(there.matching_ids(EVERYTHING))
        assert 0 < stored < MANY, "it was to be killed in the middle"
        answer = migrated(alone, source, address)
        here = opened(source)
        wanted = records(here)
        here.close()
        assert answer["there_before"] >= stored
        assert (answer["same"], answer["differing"], answer["replacing_lost"]) == (True, [], 1)
        assert (answer["digests"][0], answer["found_alike"] >= 0.98) == (answer["digests"][1], True)
        assert records(there) == wanted
        again = migrated(alone, source, address)
        assert (again["stored"], again["digests"]) == (0, answer["digests"])
        assert records(there) == wanted, "nothing counts twice"
    finally:
        there.close()
    back = migrated(alone, tmp_path / "unused", tmp_path / "back", "--set", f"store={address}")
    assert (back["same"], back["digests"]) == (True, answer["digests"])
    returned = opened(tmp_path / "back")
    assert records(returned) == wanted
    returned.close()


def test_nothing_is_written_to_a_store_that_holds_something_else(alone, server, source, tmp_path):
    address = server.database()
    there = PostgresStore(address, PostgresSettings(connections=2))
    there.open()
    (other,) = there.add([Draft(text="somebody's own")], [None])
    said = alone("migrate", "--data-dir", str(source), "--to", address).failure(1)
    assert f"holds memories that are not here (1, such as {other.id})" in said
    assert len(there.matching_ids(EVERYTHING)) == 1
    there.close()
    small = tmp_path / "small"
    store = opened(small)
    store.add([Draft(text="one"), Draft(text="two")], [None, None])
    store.close()
    migrated(alone, small, tmp_path / "copy")
    store = opened(tmp_path / "copy")
    store.change(1, Change(text="used since"), None)
    store.close()
    said = alone("migrate", "--data-dir", str(small), "--to", str(tmp_path / "copy")).failure(1)
    assert "say something else than here (1, such as 1)" in said


@pytest.mark.parametrize("to", ["same", "file", "full", "unknown", "nothing here"])
def test_what_cannot_be_is_refused(alone, tmp_path, to):
    data, places = tmp_path / "data", {name: tmp_path / name for name in ("file", "full", "new")}
    if to != "nothing here":
        opened(data).close()
    places["file"].write_text("x")
    places["full"].mkdir()
    (places["full"] / "thesis.txt").write_text("x")
    wanted, told = {
        "same": (data, "that is the folder that the memories are in already"),
        "file": (places["file"], "is a file"),
        "full": (places["full"], "is not empty, and no data folder"),
        "unknown": ("mysql://u:hunter2@h/d", "no plugin opens a store at `mysql://"),
        "nothing here": (places["new"], "there are no memories in"),
    }[to]
    ended = alone("migrate", "--data-dir", str(data), "--to", str(wanted))
    assert ended.code != 0
    assert told in ended.err
    assert "hunter2" not in ended.err
    assert [path.name for path in places["full"].iterdir()] == ["thesis.txt"]


def test_what_is_written_meanwhile_comes_along(make_store, tmp_path):
    """A database is served on while it is copied."""
    source, target = make_store(), opened(tmp_path / "there")
    source.open()
    source.use_model(MODEL, MODEL, DIMENSION)
    texts = [f"the ledger {word}" for word in WORDS]
    ids = [one.id for one in source.add([Draft(text=one) for one in texts], [embed(one) for one in texts])]
    written = []

    def step(what, part):
        if what == "noting what replaces what" and not written:
            written.append(source.add([Draft(text="new")], [embed("new")])[0].id)
            source.change(ids[0], Change(text="changed", tags=("x",)), embed("changed"))
            source.change(ids[1], Change(cues=("when it rains",)), None)
            source.change(ids[3], Change(supersedes=ids[4]), None)
            source.forget([ids[2]])

    copy(source, target, step)
    found = compare(source, target, lambda what, part: None)
    target.close()
    assert found.is_same, found
    assert found.there.projects == {"default": len(texts)}


def test_a_memory_that_cannot_be_stored_there_is_named(make_store, tmp_path):
    source, target = opened(tmp_path / "here"), make_store()
    target.open()
    source.add([Draft(text="one"), Draft(text="with a\0 in it"), Draft(text="three")], [None] * 3)
    with pytest.raises(StoreError, match=r"memory 2 cannot be stored there: .*correct or forget"):
        copy(source, target, lambda what, part: None)
    assert [one.text for one in target.get(target.matching_ids(EVERYTHING))] == ["one"]
    source.change(2, Change(text="without"), None)
    copy(source, target, lambda what, part: None)
    assert compare(source, target, lambda what, part: None).is_same
    source.close()


def test_a_folder_that_is_served_is_left_alone(alone, source, tmp_path):
    copied = tmp_path / "served"
    shutil.copytree(source, copied)
    store = opened(copied)
    try:
        said = alone("migrate", "--data-dir", str(copied), "--to", str(tmp_path / "x")).failure(3)
    finally:
        store.close()
    assert "Stop that service" in said
