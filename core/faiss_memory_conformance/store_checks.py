"""The checks for stores. Each is a promise that the users of a memory rely on, whoever keeps it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from faiss_memory.background import Problems
from faiss_memory.contracts.comparing import cosines, similarities, with_metric
from faiss_memory.contracts.store import Legs, Retry, Search, Store
from faiss_memory.errors import Conflict, MemoryNotFound, MemoryServiceError
from faiss_memory.memory import DOT, EUCLIDEAN, Change, Draft, Filter, Origin, Standing
from faiss_memory.plugin_host import PluginHost
from faiss_memory.settings import load
from faiss_memory.store import EmbeddedStore
from faiss_memory.uids import is_uid, new_uid
from faiss_memory_conformance.merging_checks import *  # noqa: F403  (a part of the checks, in a file of its own)
from faiss_memory_conformance.store_home import ANYWHERE, DIMENSION, MODEL, Home, embed
from faiss_memory_conformance.store_oracle import EPOCH, WORDS, Oracle

RECALL = 0.98
"""Of the truly nearest, how many must be among those that are found."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each check for each store that was named."""
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", metafunc.config.getoption("faiss_memory_store"))


@pytest.fixture
def home(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Home]:
    """A new place for a store of the kind that is checked."""
    made = Home(maker(name, request.config.getoption("faiss_memory_store_place") or str(tmp_path / "data")))
    yield made
    made.close()


def maker(name: str, place: str) -> Callable[[], Store]:
    """Return what makes a store of a plugin, or the embedded one, at a place."""
    settings = load(None, {"store" if "://" in place else "data_dir": place}, {}).settings
    if name == "embedded":
        return lambda: EmbeddedStore(settings.data_folder, lambda _: None)
    host = PluginHost()
    assert name in host.names, f"no plugin `{name}` is installed; there are {', '.join(host.names)}"

    def make() -> Store:
        given = {"settings": settings, "on_failure": lambda _: None, "problems": Problems()}
        store = host.open_part("open_store", Store, only=name, **given)  # type: ignore[type-abstract]
        assert store is not None, f"plugin `{name}` gives no store for this place"
        return store

    return make


# What is written is there.


def test_what_was_added_is_found_at_once_in_every_way(home: Home) -> None:
    for number in range(20):
        own = "abcdefghijklmnopqrst"[number] * 5
        text = f"the {WORDS[number % 16]} {own}"
        (memory_id,) = home.add(text)
        assert home.store.get([memory_id])[0].text == text
        assert home.nearest(text)[0] == memory_id
        assert home.by_words(own) == [memory_id]
        assert memory_id in home.store.matching_ids(ANYWHERE)
        assert home.store.select(ANYWHERE, limit=50, order="newest")[0].id == memory_id
        assert home.store.projects()[0].memories == number + 1


def test_a_memory_is_read_as_it_was_written(home: Home) -> None:
    draft = Draft(
        text="naïve ✓ \N{GRINNING FACE}\n\ttext", project="alpha", source="docs/a.md", tags=("red", "blue"),
        metadata={"k": [1, None, {"x": True}]}, timestamp=EPOCH + timedelta(microseconds=7),
    )  # fmt: skip
    (memory_id,) = home.add(draft)
    for _ in range(2):
        (memory,) = home.store.get([memory_id])
        assert (memory.text, memory.project, memory.source) == (draft.text, "alpha", "docs/a.md")
        assert (set(memory.tags), dict(memory.metadata)) == ({"red", "blue"}, draft.metadata)
        assert (memory.timestamp, memory.supersedes, memory.superseded_by) == (draft.timestamp, None, None)
        home.reopen()


def test_texts_without_an_embedding_are_found_by_words_and_embedded_later(home: Home) -> None:
    ids = [home.store.add([Draft(text=f"plain words{n}")], [None])[0].id or 0 for n in range(3)]
    assert home.by_words("plain") == ids
    assert home.store.count_unembedded() == {"default": 3}
    assert [memory.id for memory in home.store.unembedded(2)] == ids[:2]
    assert [memory.id for memory in home.store.unembedded(9, after=ids[0])] == ids[1:]
    home.store.embed({ids[0]: ("plain words0", embed("plain words0")), ids[1]: ("another", embed("another"))})
    assert home.nearest("plain words0") == ids[:1], "a text that has changed since is passed over"
    assert home.store.count_unembedded() == {"default": 2}


def test_everything_is_there_after_a_restart(home: Home) -> None:
    oracle = Oracle(home)
    oracle.grow(40, seed=1)
    kept = oracle.ids(ANYWHERE)
    home.reopen()
    oracle.check("after a restart")
    last = home.store.model_in_use()
    assert last is not None
    assert (last.identity, last.dimension) == (MODEL, DIMENSION)
    (memory_id,) = home.add("one more")
    assert memory_id > max(kept)


def test_no_id_is_given_twice(home: Home) -> None:
    given = home.add("one", "two", "three")
    home.store.forget(given[1:])
    given += home.add("four")
    home.store.forget(given)
    home.reopen()
    given += home.add("five", "six")
    home.store.purge(given)
    given += home.add("seven")
    assert given == sorted(set(given))


def test_what_was_over_by_a_time_is_found_alone(home: Home) -> None:
    ends = EPOCH + timedelta(days=1)
    over, _, _ = home.add(
        Draft(text="the office is in Bonn", valid_until=ends),
        Draft(text="the office is in Ulm", valid_until=ends + timedelta(days=1)),
        "the office is in Kiel",
    )
    for by, ids in ((ends, [over]), (ends - timedelta(seconds=1), [])):
        where = replace(ANYWHERE, expired_by=by)
        assert home.store.matching_ids(where) == ids
        assert home.store.count(where) == len(ids)
        assert home.store.facets(where).current == len(ids)
        assert home.by_words("office", where, 10) == ids


# Cues.


CUES = ("adding a migration", "an upload fails")


def test_cues_are_kept(home: Home) -> None:
    (memory_id,) = home.add(Draft(text="the ledger lives in postgres", cues=CUES))
    (bare,) = home.add("the cache lives in redis")
    for _ in range(2):
        assert [memory.cues for memory in home.store.get([memory_id, bare])] == [CUES, ()]
        assert home.store.matching_ids(replace(ANYWHERE, without_cues=True)) == [bare]
        home.reopen()
    assert home.store.change(memory_id, Change(tags=("x",)), None).cues == CUES
    assert home.store.change(memory_id, Change(cues=()), None).cues == ()
    assert home.store.matching_ids(replace(ANYWHERE, without_cues=True)) == [memory_id, bare]


def test_a_memory_is_found_by_its_cues(home: Home) -> None:
    text = "the ledger lives in postgres"
    (memory_id,) = home.add(Draft(text=text, cues=CUES))
    home.add(*(f"the cache number{number}" for number in range(5)))
    for _ in range(2):
        best = home.legs("an upload fails").legs.nearest[0]
        assert (best.memory_id, best.cue, best.passages) == (memory_id, 1, 1)
        assert best.similarity > 0.999
        assert best.passage == (0, len(text))
        assert home.legs(text).legs.nearest[0].cue is None
        assert home.by_words("migration") == [memory_id]
        assert len(home.nearest("an upload fails", depth=6)) == 6, "one memory is one result"
        home.reopen()


def test_changed_cues_are_found_when_they_are_embedded(home: Home) -> None:
    text = "the ledger lives in postgres"
    (memory_id,) = home.add(Draft(text=text, cues=CUES))
    home.store.change(memory_id, Change(cues=("a deploy hangs",)), None)
    assert [memory.id for memory in home.store.unembedded(9)] == [memory_id]
    home.store.embed({memory_id: (text, embed(text, CUES))})
    assert home.nearest(text) == [], "an embedding of other cues is passed over"
    home.store.embed({memory_id: (text, embed(text, ("a deploy hangs",)))})
    home.store.change(memory_id, Change(text="cookies expire"), embed("cookies expire"))
    assert home.nearest("cookies expire") == [], "one without the cues that there are, too"
    home.store.change(memory_id, Change(text=text), embed(text, ("a deploy hangs",)))
    for _ in range(2):
        (best,) = home.legs("a deploy hangs").legs.nearest
        assert (best.cue, round(best.similarity, 3)) == (0, 1.0)
        assert home.by_words("upload") == []
        assert home.by_words("deploy") == [memory_id]
        home.reopen()


def test_cues_are_no_part_of_what_is_news(home: Home) -> None:
    cue = "an upload fails"
    (known,) = home.add(Draft(text="the ledger lives in postgres", cues=(cue,)))
    assert all(one.similarity < 0.9 for one in home.store.closest(embed(cue), Filter())[0])
    drafts = [
        Draft(text=cue, if_novel=0.9),
        Draft(text="redis holds it", cues=("the ledger lives in postgres",), if_novel=0.9),
        Draft(text="the ledger lives in postgres", cues=("something else",), if_novel=0.9),
    ]
    added = home.store.add(drafts, [embed(draft.text, draft.cues) for draft in drafts])
    assert [one.id is not None for one in added] == [True, True, False]
    assert added[2].twin is not None
    assert added[2].twin[0] == known


def test_a_memory_has_one_identity_for_good(home: Home) -> None:
    ids = home.add(*(f"the ledger number{number}" for number in range(9)))
    given = {memory.id: memory.uid for memory in home.store.get(ids)}
    assert [uid for uid in given.values() if not is_uid(uid)] == []
    assert len(set(given.values())) == len(ids)
    home.store.change(ids[0], Change(text="the cache"), embed("the cache"))
    home.store.forget(ids[1:2])
    for _ in range(2):
        (memory_id,) = home.add("one more")
        there = {memory.id: memory.uid for memory in home.store.select(ANYWHERE, limit=50)}
        assert there.pop(memory_id) not in given.values()
        assert {key: uid for key, uid in there.items() if key in given} == {
            key: uid for key, uid in given.items() if key != ids[1]
        }
        assert [one.uid for one in home.store.history(ids[0])] == [given[ids[0]]]
        home.reopen()


# Changes.


def test_a_change_is_found_by_its_new_text_and_no_more_by_its_old(home: Home) -> None:
    memory_id, other = home.add("the ledger lives in postgres", "redis holds the cache")
    changed = home.store.change(memory_id, Change(text="cookies expire"), embed("cookies expire"))
    assert changed == home.store.get([memory_id])[0]
    for _ in range(2):
        assert home.by_words("ledger") == []
        assert home.by_words("cookies") == [memory_id]
        assert home.nearest("cookies expire")[0] == memory_id
        assert home.nearest("the ledger lives in postgres", depth=2)[0] != memory_id or other
        (match,) = [one for one in home.legs("cookies expire").legs.nearest if one.memory_id == memory_id]
        assert match.similarity > 0.999
        home.reopen()


def test_a_change_leaves_alone_what_it_does_not_name(home: Home) -> None:
    (memory_id,) = home.add(Draft(text="the ledger", tags=("red",), source="a.md", metadata={"x": 1}))
    changed = home.store.change(memory_id, Change(tags=("blue",)), None)
    assert (changed.text, changed.tags, changed.source) == ("the ledger", ("blue",), "a.md")
    assert dict(changed.metadata) == {"x": 1}
    assert home.nearest("the ledger") == home.by_words("ledger") == [memory_id]


def test_what_moves_to_another_project_is_found_there_and_nowhere_else(home: Home) -> None:
    old, other = home.add("the ledger", "the cache")
    (new,) = home.add(Draft(text="the ledger, anew", supersedes=old, cues=("money",)))
    home.store.rewrite([], [], {key: Change(project="beta") for key in (old, new)}, [])
    here, there = Filter(), Filter(projects=("beta",))
    for _ in range(2):
        assert home.nearest("the ledger, anew", there) == home.by_words("ledger", there) == [new]
        assert home.nearest("the ledger, anew", here) == [other]
        assert home.by_words("ledger", here) == []
        assert [one.id for one in home.store.history(new)] == [new, old]
        assert home.store.get([new])[0].project == "beta"
        counts = {one.name: one.memories for one in home.store.projects()}
        assert counts == {"beta": 2, "default": 1}
        home.reopen()
    home.store.rewrite([], [], {key: Change(project="default") for key in (old, new)}, [])
    assert sorted(home.nearest("the ledger, anew", here)) == sorted([other, new])
    assert home.nearest("the ledger", there) == []


def test_memories_are_counted_by_what_they_are(home: Home) -> None:
    old, *_ = home.add(
        Draft(text="the ledger", tags=("red", "blue"), source="a.md", by="cli"),
        Draft(text="the cache", tags=("red",), source="a.md", by="rest", project="beta"),
    )
    home.add(Draft(text="the ledger, anew", supersedes=old, by="cli"))
    everywhere = Filter(projects=None)
    found = home.store.facets(everywhere)
    assert dict(found.projects) == {"default": 1, "beta": 1}
    assert dict(found.tags) == {"red": 1}
    assert dict(found.sources) == {"": 1, "a.md": 1}
    assert dict(found.by) == {"cli": 1, "rest": 1}
    assert (found.current, found.superseded) == (2, 1)
    every = home.store.facets(replace(everywhere, include_superseded=True), contains="LEDGER")
    assert (dict(every.tags), dict(every.by)) == ({"red": 1, "blue": 1}, {"cli": 2})
    assert dict(home.store.facets(Filter(projects=("nobody",))).tags) == {}


def test_what_is_forgotten_is_in_no_answer(home: Home) -> None:
    ids = home.add("the ledger", "the cache", "the queue")
    assert home.store.forget([ids[0], 10**6]) == [ids[0]]
    assert home.store.forget([ids[0]]) == []
    for _ in range(2):
        _is_gone(home, ids[0], "the ledger")
        assert home.nearest("the ledger")
        assert home.store.projects()[0].memories == 2
        home.reopen()


def test_what_is_purged_is_in_no_answer_and_told(home: Home) -> None:
    ids = home.add("the ledger", "the cache", "the queue")
    home.store.forget(ids[1:2])
    tried = home.store.purge(ids[:2], dry_run=True)
    assert (sorted(tried.ids), len(home.store.get(ids))) == (ids[:2], 2), "a dry run says what it would be"
    done = home.store.purge([*ids[:2], 10**6])
    assert (sorted(done.ids), done.missing) == (ids[:2], [10**6])
    for _ in range(2):
        _is_gone(home, ids[0], "the ledger")
        _is_gone(home, ids[1], "the cache")
        home.reopen()
    told: list[tuple[list[int], set[str]]] = []
    done = home.store.purge(
        ids[2:], prove=True, let_go=lambda gone, texts: told.append((list(gone), set(texts)))
    )
    assert told == [(ids[2:], {"the queue"})], "whoever keeps something of it is told to let go of it"
    assert done.proof is None or done.proof.found == []


def _is_gone(home: Home, memory_id: int, text: str) -> None:
    store = home.store
    assert store.get([memory_id]) == []
    assert memory_id not in {*home.nearest(text), *home.by_words(text), *home.read(text)}
    assert memory_id not in store.matching_ids(ANYWHERE)
    assert store.allowed([memory_id], ANYWHERE) == set()
    assert memory_id not in {memory.id for memory in store.select(ANYWHERE, limit=100)}
    asked = Search(where=ANYWHERE, depth=1, vector=embed(text).vectors[0], model=MODEL, named=[memory_id])
    found = store.search(asked, lambda _: ()).legs
    assert memory_id not in found.matches
    assert memory_id not in found.named


def test_what_is_superseded_is_left_out_until_it_is_current_again(home: Home) -> None:
    (old,) = home.add("the ledger is in redis")
    (new,) = home.add(Draft(text="the ledger is in postgres", supersedes=old))
    current = Filter()
    for _ in range(2):
        assert home.nearest("the ledger is in redis", current) == [new]
        assert home.by_words("ledger", current) == [new]
        assert home.store.allowed([old, new], current) == {new}
        assert sorted(home.nearest("the ledger", replace(current, include_superseded=True))) == [old, new]
        assert [memory.id for memory in home.store.history(new)] == [new, old]
        assert home.store.get([old])[0].superseded_by == new
        home.reopen()
    home.store.forget([new])
    assert home.nearest("the ledger", current) == [old]


def test_projects_are_apart(home: Home) -> None:
    (here,) = home.add(Draft(text="the same words", project="alpha", tags=("red",)))
    (there,) = home.add(Draft(text="the same words", project="beta", tags=("blue",)))
    only = Filter(projects=("alpha",))
    assert home.nearest("the same words", only) == home.by_words("same", only) == [here]
    assert sorted(home.nearest("the same words", Filter(projects=None))) == [here, there]
    assert home.store.tags(only) == {"red": 1}
    assert {one.name: one.memories for one in home.store.projects()} == {"alpha": 1, "beta": 1}
    with pytest.raises(MemoryNotFound):
        home.store.add([Draft(text="x", project="beta", supersedes=here)], [embed("x")])
    assert home.store.drop_project("alpha") == 1
    _is_gone(home, here, "the same words")
    assert home.nearest("the same words") == [there]


# Filters and orders.


def test_a_filtered_search_brings_exactly_as_many_as_there_are(home: Home) -> None:
    oracle = Oracle(home)
    oracle.grow(60, seed=2)
    oracle.check("filtered", searches=25)


def test_lists_are_ordered_paged_and_searched(home: Home) -> None:
    drafts = [Draft(text=f"Word{n % 3} {n}", timestamp=EPOCH + timedelta(hours=n // 2)) for n in range(9)]
    ids = home.add(*drafts)
    page = home.store.select(ANYWHERE, limit=4)
    assert [memory.id for memory in page] == ids[:4:-1]
    after = (page[-1].timestamp, page[-1].id)
    assert [memory.id for memory in home.store.select(ANYWHERE, limit=9, after=after)] == ids[4::-1]
    assert [memory.id for memory in home.store.select(ANYWHERE, order="oldest", limit=2)] == ids[:2]
    assert [memory.id for memory in home.store.select(ANYWHERE, contains="word1")] == ids[7::-3]


# Promises to callers.


def test_a_retried_call_has_the_first_answer(home: Home) -> None:
    draft, retry = Draft(text="once"), Retry("key", b"digest")
    first = home.store.add([draft], [embed("once")], retry)
    for _ in range(2):
        again = home.store.add([draft], [embed("once")], retry)
        assert ([one.id for one in again], again[0].repeated) == ([one.id for one in first], True)
        home.reopen()
    with pytest.raises(Conflict):
        home.store.add([draft], [embed("once")], Retry("key", b"another"))
    assert len(home.store.matching_ids(ANYWHERE)) == 1


def test_what_says_nothing_new_is_left_out_if_asked(home: Home) -> None:
    (first,) = home.add("the ledger lives in postgres")
    text = "the ledger lives in postgres"
    (twin,) = home.store.add([Draft(text=text, if_novel=0.95)], [embed(text)])
    assert twin.id is None
    assert twin.twin is not None
    assert (twin.twin[0], round(twin.twin[1], 3)) == (first, 1.0)
    ((closest,),) = home.store.closest(embed(text), Filter())
    assert (closest.memory.id, round(closest.similarity, 3)) == (first, 1.0)
    assert text[closest.passage.start : closest.passage.end] == text
    assert home.store.closest(embed(text), Filter(projects=("nobody",))) == [[]]


def test_a_uid_that_was_met_is_known_for_good(home: Home) -> None:
    uids = [new_uid() for _ in range(4)]
    there, forgotten, purged = home.add(
        *(Draft(text=text, uid=uid, project="alpha") for text, uid in zip("abc", uids, strict=False))
    )
    home.store.forget([forgotten])
    home.store.purge([purged])
    assert home.store.known(uids) == {
        uids[0]: Standing("there", there, "alpha"),
        uids[1]: Standing("forgotten", forgotten, "alpha"),
        uids[2]: Standing("purged", purged),
    }
    assert [one.uid for one in home.store.get([there])] == uids[:1]
    for uid in uids[:3]:
        with pytest.raises(Conflict):
            home.add(Draft(text="again", uid=uid))
    with pytest.raises(Conflict):
        home.add(Draft(text="first", uid=uids[3]), Draft(text="second", uid=uids[3]))
    assert uids[3] not in home.store.known(uids), "all of a call or nothing"
    assert home.store.known([]) == home.store.known(["no uid at all"]) == {}


def test_memories_are_paired_with_older_ones_like_them(home: Home) -> None:
    texts = ["the ledger is kept in postgres", "tomatoes need sun", "the ledger is kept in postgres now"]
    first, _, third = home.add(*texts, texts[0])[:3]
    fourth = third + 1
    pairs = home.store.older_alike("default", [first, third, fourth], 0.8, 5)
    assert {one: [other for other, _ in found] for one, found in pairs.items()} == {
        third: [first],
        fourth: [first, third],
    }
    assert round(pairs[fourth][0][1], 3) == 1.0
    assert [len(found) for found in home.store.older_alike("default", [fourth], 0.8, 1).values()] == [1]
    home.store.change(fourth, Change(supersedes=first), None)
    assert home.store.get([first])[0].superseded_by == fourth
    assert home.store.older_alike("default", [first, third], 0.8, 5) == {}
    home.store.change(fourth, Change(supersedes=0), None)
    assert home.store.get([first])[0].superseded_by is None
    assert home.store.older_alike("default", [third], 0.8, 5)
    home.store.change(first, Change(supersedes=fourth), None)
    with pytest.raises(Conflict):
        home.store.change(fourth, Change(supersedes=first), None)
    with pytest.raises(MemoryNotFound):
        home.store.change(fourth, Change(supersedes=10**6), None)
    assert home.store.get([fourth])[0].supersedes is None
    assert home.store.older_alike("nobody", [third], 0.8, 5) == {}
    assert home.store.older_alike("default", [], 0.8, 5) == {}


def test_memories_are_paired_by_their_nearest_passages_and_not_by_cues(home: Home) -> None:
    first, second = home.add("tomatoes need sun", Draft(text="the ledger", cues=("tomatoes need sun",)))
    (other,) = home.add(Draft(text="tomatoes need sun", project="beta"))
    (bare,) = [one.id for one in home.store.add([Draft(text="tomatoes need sun")], [None])]
    ids = [first, second, other, bare or 0]
    assert home.store.older_alike("default", ids, 0.8, 5) == {}
    last, *_ = home.add("tomatoes need sun")
    assert [key for key, _ in home.store.older_alike("default", [last], 0.8, 5)[last]] == [first]


def test_what_is_nearly_the_same_and_says_another_thing_is_stored(home: Home) -> None:
    (first,) = home.add("the ledger listens on port 8080 and on no other port")
    text = "the ledger listens on port 8081 and on no other port"
    added = [home.store.add([Draft(text=text, if_novel=0.5)], [embed(text)])[0] for _ in range(2)]
    assert added[0].id is not None
    assert added[0].twin is not None
    assert added[0].twin[0] == first
    assert added[1].id is None
    assert added[1].twin is not None
    assert added[1].twin[0] == added[0].id


def test_nonsense_is_refused_and_nothing_of_it_is_kept(home: Home) -> None:
    (memory_id,) = home.add("the ledger")
    nonsense: Sequence[Callable[[], Any]] = [
        lambda: home.store.add(
            [Draft(text="a"), Draft(text="b", supersedes=10**6)], [embed("a"), embed("b")]
        ),
        lambda: home.store.change(10**6, Change(tags=("x",)), None),
        lambda: home.store.drop_project("nobody"),
        lambda: home.store.history(10**6),
    ]
    for call in nonsense:
        with pytest.raises(MemoryNotFound):
            call()
    assert home.store.matching_ids(ANYWHERE) == [memory_id]
    assert home.store.get([10**6, -1]) == []
    assert home.store.forget([10**6]) == []


def test_a_file_is_rewritten_as_one(home: Home) -> None:
    origin = Origin("/notes/a.md", "#1", "digest", "details")
    (kept, gone) = home.add(
        Draft(text="kept", origin=origin), Draft(text="gone", origin=replace(origin, place="#2"))
    )
    draft = Draft(text="fresh", origin=replace(origin, place="#3"))
    done = home.store.rewrite(
        [draft], [embed("fresh")], {kept: Change(tags=("x",)), 10**6: Change()}, [gone, 10**6]
    )
    assert (len(done.added), done.changed, done.removed) == (1, [kept], [gone])
    for _ in range(2):
        assert {key: one.place for key, one in home.store.origins("default").items()} == {
            kept: "#1",
            done.added[0]: "#3",
        }
        assert {key: one.place for key, one in home.store.origins_of([kept, gone, 10**6]).items()} == {
            kept: "#1"
        }
        assert home.store.get([kept])[0].tags == ("x",)
        home.reopen()
    with pytest.raises(MemoryNotFound):
        home.store.rewrite([Draft(text="x", supersedes=10**6)], [embed("x")], {}, [kept])
    assert [memory.id for memory in home.store.get([kept])] == [kept], "all of it or nothing"


def test_what_was_written_can_be_followed(home: Home) -> None:
    one, two = home.add("one", "two")
    feed = home.store.changes()
    assert (sorted(feed.stored), feed.removed, feed.more) == ([one, two], [], False)
    assert home.store.changes(feed.position).stored == []
    assert home.store.changes(home.store.position()).stored == []
    home.store.forget([one])
    home.store.change(two, Change(tags=("x",)), None)
    (three,) = home.add("three")
    seen: list[int] = []
    removed: list[int] = []
    position, more = feed.position, True
    while more:
        told = home.store.changes(position, limit=1)
        seen, removed = [*seen, *told.stored], [*removed, *told.removed]
        position, more = told.position, told.more
    assert (seen, removed) == ([two, three], [one])
    home.reopen()
    told = home.store.changes(position)
    assert (told.stored, told.removed, told.anew) == ([], [], False), "a position leads on after a restart"
    home.store.purge([two])
    told = home.store.changes(position)
    assert (told.stored, told.removed, told.anew) == ([], [two], False)
    assert home.store.changes("of another store:7").anew


def test_a_model_answers_when_it_is_put_in_use(home: Home) -> None:
    (memory_id,) = home.add("the ledger")
    home.store.prepare_model("other@1", "other", DIMENSION)
    assert home.store.count_unembedded("other@1") == {"default": 1}
    other = replace(embed("the ledger"), vectors=-embed("the ledger").vectors, model="other@1")
    home.store.embed({memory_id: ("the ledger", other)})
    home.store.use_model("other@1", "other", DIMENSION)
    asked = Search(where=ANYWHERE, depth=5, vector=other.vectors[0], model="other@1")
    (match,) = home.store.search(asked, lambda _: ()).legs.nearest
    assert match.similarity > 0.999, "vectors of two models were compared"
    in_use = home.store.model_in_use()
    assert in_use is not None
    assert in_use.identity == "other@1"
    assert home.store.count_unembedded(MODEL) == {}
    home.store.keep_models(["other@1"])
    assert home.store.count_unembedded(MODEL) == {"default": 1}
    assert home.store.count_unembedded("other@1") == {}


def test_vectors_can_be_taken_elsewhere(home: Home) -> None:
    long = " ".join(f"ledger{number}" for number in range(30))
    one, two, bare = home.add(
        "the ledger", Draft(text=long, cues=("when it rains",)), Draft(text="the cache")
    )
    home.store.change(bare, Change(cues=("anew",)), None)
    wanted = {one: embed("the ledger"), two: embed(long, ("when it rains",))}
    for _ in range(2):
        found = home.store.embeddings([two, bare, one, 10**6])
        assert found.keys() == wanted.keys()
        for memory_id, embedding in wanted.items():
            there = found[memory_id]
            assert (there.passages, there.cues, there.model) == (embedding.passages, embedding.cues, MODEL)
            assert np.allclose(there.vectors, embedding.vectors, atol=1e-6)
        home.reopen()


def test_sizes_and_states_are_told(home: Home) -> None:
    home.add(Draft(text="one", timestamp=EPOCH), "two")
    stats = home.store.stats()
    assert stats.created_at <= stats.last_updated
    assert all(size >= 0 for size in stats.index_size_bytes.values())
    assert home.store.busy() is None
    assert home.store.rebuilding() == []


# Searches.


def test_the_nearest_are_found(home: Home) -> None:
    chance, texts = random.Random(3), []
    for _ in range(300):
        texts.append(" ".join(chance.choices(WORDS, k=chance.randint(2, 9))))
    ids = home.add(*texts)
    found = wanted = 0
    vectors = np.stack([embed(text).vectors[0] for text in texts])
    for query in texts[::15]:
        scores = vectors @ embed(query).vectors[0]
        least = np.sort(scores)[-10]
        near = home.nearest(query, depth=10)
        assert len(near) == len(set(near)) == 10
        found += sum(bool(scores[ids.index(memory_id)] >= least - 1e-5) for memory_id in near)
        wanted += 10
    assert found >= RECALL * wanted


def test_the_nearest_are_those_of_the_models_metric(home: Home) -> None:
    chance = random.Random(5)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(2, 9))) for _ in range(60)]
    lengths = [chance.uniform(0.5, 6) for _ in texts]
    ids = home.add(*texts)
    asked = 2 * embed("ledger token deploy").vectors[0]
    every = np.stack([embed(text).vectors[0] * length for text, length in zip(texts, lengths, strict=True)])
    firsts = set()
    for metric in (DOT, EUCLIDEAN):
        model = with_metric("long@1", metric)
        home.store.prepare_model(model, "long", DIMENSION)
        parts = {
            key: (text, replace(embed(text), vectors=vector[np.newaxis], model=model))
            for key, text, vector in zip(ids, texts, every, strict=True)
        }
        home.store.embed(parts)
        home.store.use_model(model, "long", DIMENSION)
        search = Search(where=ANYWHERE, depth=10, vector=asked, model=model)
        legs = home.store.search(search, lambda _: ()).legs
        expected = sorted(zip(similarities(metric, every, asked).tolist(), ids, strict=True), reverse=True)[
            :10
        ]
        found = [(match.similarity, match.memory_id) for match in legs.nearest]
        assert np.allclose([one for one, _ in found], [one for one, _ in expected], rtol=1e-4), metric
        angles = cosines(metric, every, asked[np.newaxis])[:, 0]
        for match in legs.nearest:
            assert abs(match.cosine - angles[ids.index(match.memory_id)]) < 1e-3
        assert legs.scope.unit > 0
        firsts.add(tuple(key for _, key in found))
        (near,) = home.store.closest(parts[ids[3]][1], ANYWHERE, depth=2)
        assert abs(near[0].similarity - 1) < 1e-3, "whether a text is known goes by the angle"
        assert texts[ids.index(near[0].memory.id)] == texts[3]
        twins = home.add(Draft(text="the same twice"), Draft(text="the same twice"))
        same = embed("the same twice")
        home.store.embed(
            {
                key: ("the same twice", replace(same, vectors=same.vectors * length, model=model))
                for key, length in zip(twins, (1, 5), strict=True)
            }
        )
        ((other, angle),) = home.store.older_alike("default", [twins[1]], 0.99, 5)[twins[1]]
        assert (other, round(angle, 3)) == (twins[0], 1), "and so do pairs"
        home.store.forget(twins)
    assert len(firsts) == 2


def test_a_search_reads_the_state_that_it_searched(home: Home) -> None:
    ids = home.add(*(f"the ledger number{number}" for number in range(9)))

    def choose(legs: Legs) -> Sequence[int]:
        chosen = [match.memory_id for match in legs.nearest[:5]]
        forgetting = Thread(target=home.store.forget, args=(chosen[:2],), daemon=True)
        forgetting.start()
        forgetting.join(0.2)  # a store may let it wait until the search is done
        later.append(forgetting)
        return chosen

    later: list[Thread] = []
    found = home.legs("the ledger", choose=choose)
    assert len(found.memories) == 5
    later[0].join()
    assert set(home.nearest("the ledger")) < set(ids)


def test_readers_see_what_is_committed_and_no_more(home: Home) -> None:
    home.add(*(f"steady ledger{number}" for number in range(9)))
    done, wrong = Event(), []

    def write() -> None:
        with suppress(MemoryServiceError):
            for number in range(30):
                pair = home.add(f"fleeting one{number}", f"fleeting two{number}")
                home.store.forget(pair)
        done.set()

    def read() -> None:
        while not done.is_set():
            found = home.legs(
                "steady ledger", depth=5, choose=lambda legs: [m.memory_id for m in legs.nearest]
            )
            if len(found.memories) != 5 or len(home.by_words("fleeting")) not in (0, 2):
                wrong.append(found)

    threads = [Thread(target=write), *(Thread(target=read) for _ in range(3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert home.by_words("fleeting") == []
