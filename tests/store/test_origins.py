"""Which file a memory was built from is kept with it, and rewriting is all or nothing."""

import sqlite3
import threading
from contextlib import closing

import pytest

from faiss_memory.memory import Change, Draft, Filter, Origin
from tests.store.asking import nearest
from tests.store.oracle import EVERYTHING, add, embed


def draft(text, file="/notes/a.md", **more):
    return Draft(text=text, origin=Origin(file, "#Heading", f"digest of {text}", "details"), **more)


def rewrite(store, *drafts, changes=None, gone=()):
    return store.rewrite(drafts, [embed(each.text) for each in drafts], changes or {}, gone)


def test_an_origin_is_read_back_by_project_and_after_a_restart(home):
    store = home.open()
    first = add(store, draft("ledger"), "by hand", draft("token", project="alpha"))
    assert store.origins("default") == {
        first[0]: Origin("/notes/a.md", "#Heading", "digest of ledger", "details")
    }
    store = home.reopen()
    assert list(store.origins("default")) == [first[0]]
    assert list(store.origins("alpha")) == [first[2]]
    assert store.origins("nobody") == {}


def test_an_origin_goes_with_its_memory(store):
    ids = add(store, draft("ledger"), draft("token"))
    store.forget([ids[0]])
    assert list(store.origins("default")) == [ids[1]]
    store.drop_project("default")
    assert store.origins("default") == {}


def test_a_change_keeps_the_origin_unless_it_brings_another(store):
    (memory_id,) = add(store, draft("ledger"))
    store.change(memory_id, Change(tags=("red",)), None)
    assert store.origins("default")[memory_id].file == "/notes/a.md"
    moved = Origin("/notes/b.md", "#Other", "digest", "details")
    rewrite(store, changes={memory_id: Change(source="/notes/b.md#Other", origin=moved)})
    assert store.origins("default") == {memory_id: moved}
    assert store.get([memory_id])[0].source == "/notes/b.md#Other"


def test_a_rewriting_adds_changes_and_forgets_at_once(store):
    ids = add(store, draft("ledger"), draft("token"), draft("cache"))
    seen = []
    done = threading.Event()

    def watch():
        while not done.is_set():
            seen.append(frozenset(memory.text for memory in store.select(EVERYTHING)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = rewrite(store, draft("queue"), changes={ids[1]: Change(source="new")}, gone=[ids[0]])
    done.set()
    watcher.join()
    assert (result.changed, result.removed, len(result.added)) == ([ids[1]], [ids[0]], 1)
    assert set(seen) <= {frozenset({"ledger", "token", "cache"}), frozenset({"queue", "token", "cache"})}
    assert [
        match.memory_id for match in nearest(store, embed("queue").vectors[0], Filter(), 1)
    ] == result.added


def test_what_was_forgotten_meanwhile_is_passed_over(store):
    (memory_id,) = add(store, draft("ledger"))
    store.forget([memory_id])
    result = rewrite(store, changes={memory_id: Change(source="new")}, gone=[memory_id, 77])
    assert (result.added, result.changed, result.removed) == ([], [], [])


def test_a_rewriting_that_fails_leaves_nothing_behind(store):
    (memory_id,) = add(store, draft("ledger"))
    before = store.select(EVERYTHING), store.origins("default")
    with pytest.raises(Exception, match="supersedes"):
        rewrite(store, draft("queue"), draft("other", supersedes=99), gone=[memory_id])
    assert (store.select(EVERYTHING), store.origins("default")) == before


def test_a_damaged_origin_makes_a_memory_one_that_was_added_by_hand(home, caplog):
    store = home.open()
    ids = add(store, draft("ledger"), draft("token"))
    home.close()
    with closing(sqlite3.connect(home.folder / "memory.db", isolation_level=None)) as connection:
        connection.execute("UPDATE origins SET file = '/notes/c.md' WHERE memory = ?", (ids[0],))
    store = home.open()
    assert list(store.origins("default")) == [ids[1]]
    assert f"memory {ids[0]} no longer says" in caplog.text
    assert len(store.select(EVERYTHING)) == 2


def test_a_database_of_the_first_schema_is_upgraded_in_place(home):
    store = home.open()
    (memory_id,) = add(store, "ledger")
    home.close()
    path = home.folder / "memory.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE origins")
        connection.execute("PRAGMA user_version = 1")
    store = home.open()
    assert store.get([memory_id])[0].text == "ledger"
    add(store, draft("token"))
    assert len(store.origins("default")) == 1
    assert len(home.reopen().origins("default")) == 1


def test_a_damaged_memory_is_no_ones_so_that_a_build_makes_it_anew(home, caplog):
    store = home.open()
    ids = add(store, draft("ledger"), draft("token"))
    home.close()
    with closing(sqlite3.connect(home.folder / "memory.db", isolation_level=None)) as connection:
        connection.execute("UPDATE memories SET text = 'ledgers' WHERE id = ?", (ids[0],))
    (home.folder / "search.db").unlink()
    store = home.open()
    assert [memory.id for memory in store.select(EVERYTHING)] == [ids[1]]
    assert list(store.origins("default")) == [ids[1]]
    assert not home.failures
