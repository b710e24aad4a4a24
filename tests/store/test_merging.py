"""What has become of memories elsewhere is kept as all else: in the log, in backups, archives and older folders."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from faiss_memory.contracts.merging import FORGOTTEN_BEFORE, LONG_AGO, Arrival, arrival_of
from faiss_memory.memory import Change, Draft
from faiss_memory.store.backup.migration import label_of
from faiss_memory.uids import new_uid
from tests.older import EXPECTED, VERSION, unpacked
from tests.store.oracle import EVERYTHING, EmbeddedHome, add

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def state(store):
    """All by which states are told apart."""
    memories = {
        one.uid: (one.text, one.revision, one.changed, one.supersedes_uid, one.supersedes, one.superseded_by,
                  one.valid_until)
        for one in store.select(EVERYTHING, limit=1000)
    }  # fmt: skip
    return memories, store.tombstones()


def arriving(text, revision=1, **fields):
    uid = fields.pop("uid", None) or new_uid()
    draft = Draft(text=text, timestamp=EPOCH, valid_until=fields.pop("valid_until", None))
    return Arrival(uid=uid, draft=draft, revision=revision, changed=EPOCH, **fields)


@pytest.fixture
def filled(home):
    """A store with states of every kind, some of them of elsewhere."""
    store = home.open()
    first, second, third = add(store, "one", "two", "three")
    store.change(first, Change(tags=("x",), valid_until=EPOCH), None)
    add(store, Draft(text="instead of two", supersedes=second))
    store.forget([third])
    old, new = arriving("old"), arriving("new", valid_until=EPOCH)
    lost = arriving("lost", supersedes=new_uid())
    gone, purged = new_uid(), new_uid()
    store.merge([replace(new, supersedes=old.uid), lost])
    store.merge(
        [old, Arrival(uid=gone, revision=4, changed=EPOCH, project="shop"), Arrival(uid=purged, purged=True)]
    )
    store.merge([replace(arrival_of(store.get([first])[0]), revision=7, changed=EPOCH)])
    return store


def test_states_are_in_the_log(home, filled):
    before = state(filled)
    home.close()
    for path in home.folder.glob("*.db*"):
        path.unlink()
    assert state(home.open()) == before


def test_states_are_in_backups_and_archives(home, filled, tmp_path):
    before = state(filled)
    made = filled.backup("here")
    with closing(filled.archive(None, None).pieces) as archive:
        content = b"".join(archive)
    number = filled.select(EVERYTHING)[0].id
    filled.change(number, Change(text="later"), None)
    filled.forget([number])
    assert filled.restore(made.name).left_out == ()
    assert state(filled) == before
    other = EmbeddedHome(tmp_path / "other")
    store = other.open()
    assert store.restore_archive(io.BytesIO(content)).left_out == ()
    assert state(store) == before
    other.close()


def test_what_is_purged_leaves_no_project_behind(home, filled):
    (grave,) = [one for one in filled.tombstones() if one.project == "shop"]
    number = filled.known([grave.uid])[grave.uid].memory_id
    filled.purge([number])
    assert filled.known([grave.uid])[grave.uid].state == "purged"
    home.close()
    holding = [
        path.name for path in home.folder.rglob("*") if path.is_file() and b'"shop"' in path.read_bytes()
    ]
    assert holding == []


def test_nothing_is_written_where_nothing_counts(home, filled):
    backups = len(filled.backups())
    arrivals = [arrival_of(one) for one in filled.select(EVERYTHING)]
    arrivals += [
        Arrival(
            uid=one.uid, revision=one.revision, changed=one.changed, purged=one.purged, project=one.project
        )
        for one in filled.tombstones()
    ]
    before = state(filled)
    assert {one.outcome for one in filled.merge(arrivals)} == {"known"}
    assert state(filled) == before
    assert len(filled.backups()) == backups


def test_memories_of_an_older_folder_begin_to_be_counted(tmp_path):
    home = EmbeddedHome(unpacked(tmp_path))
    store = home.open()
    found = {one.id: one for one in store.select(EVERYTHING, limit=1000)}
    assert {one.revision for one in found.values()} == {1}
    for old, new in EXPECTED["superseded"].items():
        assert found[new].supersedes_uid == found[int(old)].uid
    graves = store.tombstones()
    assert {one.revision for one in graves if not one.purged} <= {FORGOTTEN_BEFORE}
    assert sum(one.purged for one in graves) == len(EXPECTED["purged"])
    before, (made,) = (
        state(store),
        [one for one in store.backups() if one.label == label_of(VERSION)],
    )
    assert store.restore(made.name).left_out == ()
    assert state(store) == before
    store.forget([1])
    (forgotten,) = store.forgotten(1, [1])
    assert store.bring_back(forgotten, None).revision == 3
    # Another machine that has the same folder comes to the same from it.
    other = EmbeddedHome(unpacked(tmp_path / "other"))
    arrivals = [arrival_of(one) for one in store.select(EVERYTHING, limit=1000)]
    assert {one.outcome for one in other.open().merge(arrivals)} == {"known", "changed"}
    graves = [
        Arrival(uid=one.uid, revision=one.revision, changed=one.changed, purged=one.purged) for one in graves
    ]
    assert {one.outcome for one in other.store.merge(graves)} <= {"known"}
    assert all(one.changed >= LONG_AGO for one in graves)
    for one in (home, other):
        one.close()
