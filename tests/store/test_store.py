"""What every store promises, whatever it is made of."""

from __future__ import annotations

import random
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any

import numpy as np
import pytest

from faiss_memory.analyzer import analyze, analyze_query
from faiss_memory.contracts.store import Retry, Search
from faiss_memory.contracts.weighing import words_of
from faiss_memory.errors import Conflict, DiskFull, InvalidRequest, MemoryNotFound
from faiss_memory.memory import Change, Draft, Filter
from faiss_memory.store.index import inverted_index, vector_index, vector_segment
from tests.sampling import seeds
from tests.store.asking import ANYWHERE, matching, nearest, similarities
from tests.store.oracle import (
    EPOCH,
    EVERYTHING,
    WORDS,
    Oracle,
    add,
    assert_nearest,
    assert_ranked,
    assert_same,
    embed,
    embed_query,
    some_draft,
    some_filter,
    some_text,
    until,
)


def fill(store, oracle, number, seed=1, most=12, **given):
    """Store random drafts, a batch at a time."""
    chance = random.Random(seed)
    drafts = [some_draft(chance, most, **given) for _ in range(number)]
    for start in range(0, number, 100):
        part = drafts[start : start + 100]
        oracle.add(add(store, *part), part)
    return drafts


def in_one_group(store, *calls):
    """Let the store meet several calls at once: it is held up by one that waits, while they queue in this order."""
    reached, go_on = Event(), Event()

    class Slow:
        """A draft that takes its time."""

        if_novel = None

        def __getattr__(self, name):
            reached.set()
            assert go_on.wait(30)
            return getattr(Draft(text="held up", project="aside", timestamp=EPOCH), name)

    queue, condition = store._opened.committer._queue, store._opened.committer._condition

    def queued():
        return sum(not call.reads for call in list(queue))

    with ThreadPoolExecutor(len(calls) + 1) as pool:
        slow = pool.submit(store.add, [Slow()], [None])
        assert reached.wait(30)
        futures: list[Future[Any]] = []
        for call in calls:
            futures.append(pool.submit(call))
            until(lambda: queued() == len(futures), "the call is queued")
        with condition:  # what the store reads for itself would part the group
            reads = [call for call in queue if call.reads]
            writes = [call for call in queue if not call.reads]
            queue.clear()
            queue.extend([*reads, *writes])
        go_on.set()
        slow.result()
    store.drop_project("aside")
    return futures


# Writing and reading.


def test_what_was_stored_is_read_back_whole(store):
    chance, oracle = random.Random(0), Oracle()
    odd = [
        "\x00 nul",
        "日本語のメモ",
        "🙂",
        "a" * 60_000,
        "line\nbreak\r\n",
        "'; DROP TABLE memories; --",
        "ﬁ é é",
    ]
    drafts = [some_draft(chance, text=text) for text in odd]
    oracle.add(add(store, *drafts), drafts)
    assert_same(store, oracle)


def test_every_thread_reads_its_own_writes_at_once(store):
    oracles = [Oracle() for _ in range(8)]

    def work(number):
        chance, oracle, project = random.Random(number), oracles[number], f"p{number}"
        where = Filter(projects=(project,), include_superseded=True)
        for _ in range(25):
            draft = some_draft(chance, project=project)
            oracle.add(add(store, draft), [draft])
            mine = sorted(oracle.memories)
            memory_id = chance.choice(mine)
            if chance.random() < 0.3:
                store.forget([memory_id])
                oracle.forget([memory_id])
            elif chance.random() < 0.5:
                change = Change(text=some_text(chance))
                store.change(memory_id, change, embed(change.text))
                oracle.change(memory_id, change)
            assert store.matching_ids(where) == oracle.ids(where)
            assert_nearest(store, oracle, some_text(chance), where, 5)
            query = some_text(chance)
            assert_ranked(matching(store, query, where, 5), oracle.matching(query, where), 5)
        return oracle

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, range(8)))
    everything = Oracle()
    for oracle in done:
        assert not everything.given & oracle.given, "two callers were given one id"
        everything.given |= oracle.given
        everything.memories |= oracle.memories
        everything.embeddings |= oracle.embeddings
    assert_same(store, everything)


def test_a_batch_is_stored_whole_or_not_at_all(store):
    oracle = Oracle()
    fill(store, oracle, 5)
    good = Draft(text="good", timestamp=EPOCH)
    with pytest.raises(MemoryNotFound):
        add(store, good, good, replace(good, supersedes=99))
    assert_same(store, oracle)


def test_a_refused_call_disturbs_no_other_call_of_its_group(store):
    oracle = Oracle()
    good = [Draft(text=f"good {n}", timestamp=EPOCH) for n in range(3)]
    bad = Draft(text="bad", supersedes=999)
    odd = Draft(text="\ud800 half a character")
    outcomes = in_one_group(
        store,
        lambda: add(store, good[0]),
        lambda: add(store, bad),
        lambda: add(store, good[1]),
        lambda: store.add([odd], [None]),
        lambda: store.drop_project("nowhere"),
        lambda: add(store, good[2]),
    )
    assert isinstance(outcomes[1].exception(), MemoryNotFound)
    assert isinstance(outcomes[3].exception(), UnicodeEncodeError)
    assert isinstance(outcomes[4].exception(), MemoryNotFound)
    for number, place in enumerate((0, 2, 5)):
        oracle.add(outcomes[place].result(), [good[number]])
    oracle.given |= {1}
    assert_same(store, oracle)


def test_an_id_is_never_given_twice(home):
    store, given = home.open(), []
    for _ in range(3):
        given += add(store, "one", "two")
        store.forget(given[-1:])
        given += add(store, "three")
        store.forget(given)
        store = home.reopen()
    store.add([Draft(text="p", project="p")], [None])
    store.drop_project("p")
    store = home.reopen()
    given += [*add(store, "last")]
    assert len(given) == len(set(given)) == 10
    assert given == sorted(given)


def test_a_retry_is_given_the_first_answer_even_after_a_restart(home):
    store, retry = home.open(), Retry("key", b"digest")
    first = store.add([Draft(text="once")], [embed("once")], retry)
    again = [replace(one, repeated=True) for one in first]
    assert store.add([Draft(text="once")], [embed("once")], retry) == again
    store = home.reopen()
    assert store.add([Draft(text="once")], [embed("once")], retry) == again
    with pytest.raises(Conflict):
        store.add([Draft(text="twice")], [embed("twice")], Retry("key", b"other"))
    assert store.matching_ids(EVERYTHING) == [first[0].id]


def test_retries_that_meet_in_one_group_store_once(store):
    retry = Retry("key", b"digest")
    outcomes = in_one_group(
        store, *[lambda: store.add([Draft(text="once")], [embed("once")], retry) for _ in range(5)]
    )
    assert len({outcome.result()[0].id for outcome in outcomes}) == 1
    assert len(store.matching_ids(EVERYTHING)) == 1


def test_changing_what_does_not_exist_is_refused(store):
    gone = add(store, "gone")[0]
    store.forget([gone])
    with pytest.raises(MemoryNotFound):
        store.change(gone, Change(text="back"), embed("back"))
    with pytest.raises(MemoryNotFound):
        store.history(gone)
    assert store.forget([gone, 77]) == []
    with pytest.raises(MemoryNotFound):
        store.drop_project("nowhere")


def test_a_change_of_tags_keeps_the_vectors(store):
    oracle = Oracle()
    drafts = fill(store, oracle, 20, most=120)
    for memory_id in sorted(oracle.memories)[::2]:
        change = Change(tags=("new",), metadata={"x": 1}, timestamp=EPOCH)
        store.change(memory_id, change, None)  # no embedding: there would be none to search by
        oracle.change(memory_id, change)
    assert_same(store, oracle)
    assert len(nearest(store, embed_query(drafts[0].text), EVERYTHING, 100)) == 20


# Calls that meet in one group.


def test_a_memory_changed_twice_in_one_group_is_found_by_its_last_text_alone(store):
    oracle, draft = Oracle(), Draft(text="first ledger", timestamp=EPOCH)
    oracle.add(add(store, draft), [draft])
    changes = [Change(text="second postgres"), Change(text="third redis"), Change(tags=("red",))]
    in_one_group(
        store,
        lambda: store.change(1, changes[0], embed(changes[0].text)),
        lambda: store.change(1, changes[1], embed(changes[1].text)),
        lambda: store.change(1, changes[2], None),
    )
    for change in changes:
        oracle.change(1, change)
    assert_same(store, oracle)
    assert matching(store, "first second", EVERYTHING, 5) == []
    assert len(matching(store, "third", EVERYTHING, 5)) == 1


def test_a_memory_changed_and_forgotten_in_one_group_is_in_no_answer(store):
    oracle, drafts = Oracle(), [Draft(text=f"ledger {n}", timestamp=EPOCH) for n in range(3)]
    oracle.add(add(store, *drafts), drafts)
    in_one_group(
        store,
        lambda: store.change(2, Change(text="token"), embed("token")),
        lambda: store.forget([2]),
    )
    oracle.forget([2])
    assert_same(store, oracle)
    assert store.closest(embed("token"), EVERYTHING)[0][0].memory.id != 2
    assert matching(store, "token", EVERYTHING, 5) == []


def test_a_memory_added_and_dropped_with_its_project_in_one_group_is_in_no_answer(store):
    oracle, first = Oracle(), Draft(text="ledger", project="alpha", timestamp=EPOCH)
    oracle.add(add(store, first), [first])
    outcomes = in_one_group(
        store,
        lambda: add(store, replace(first, text="queue")),
        lambda: store.drop_project("alpha"),
    )
    assert outcomes[1].result() == 2
    oracle.given |= set(outcomes[0].result())
    oracle.forget([1])
    assert_same(store, oracle)


def test_a_memory_added_after_its_project_was_dropped_in_one_group_is_found(store):
    oracle, draft = Oracle(), Draft(text="ledger", project="alpha", timestamp=EPOCH)
    oracle.add(add(store, draft), [draft])
    fresh = replace(draft, text="queue")
    outcomes = in_one_group(store, lambda: store.drop_project("alpha"), lambda: add(store, fresh))
    oracle.forget([1])
    oracle.add(outcomes[1].result(), [fresh])
    assert_same(store, oracle)
    assert len(matching(store, "queue", EVERYTHING, 5)) == 1


def test_vectors_that_come_late_do_not_outlive_a_change_of_the_same_group(store):
    store.add([Draft(text="old ledger", timestamp=EPOCH)], [None])
    in_one_group(
        store,
        lambda: store.embed({1: ("old ledger", embed("old ledger"))}),
        lambda: store.change(1, Change(text="new queue"), embed("new queue")),
    )
    match = nearest(store, embed_query("new queue"), EVERYTHING, 5)
    assert [(one.memory_id, one.passages) for one in match] == [(1, 1)]
    assert match[0].similarity == pytest.approx(1)


@pytest.mark.parametrize("seed", seeds(4))
def test_racing_writers_leave_what_the_records_say(home, seed):
    store = home.open()
    add(store, *[Draft(text=f"start {n}", timestamp=EPOCH) for n in range(10)])

    def work(number):
        chance = random.Random(seed * 100 + number)
        for _ in range(30):
            memory_id = chance.randint(1, 30)
            try:
                kind = chance.random()
                if kind < 0.3:
                    add(store, some_draft(chance))
                elif kind < 0.7:
                    text = some_text(chance)
                    store.change(memory_id, Change(text=text), embed(text))
                elif kind < 0.9:
                    store.forget([memory_id])
                elif kind < 0.95:
                    store.drop_project(chance.choice(["alpha", "beta"]))
                else:
                    store.change(memory_id, Change(tags=("late",)), None)
            except MemoryNotFound:
                pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    oracle = Oracle()
    for memory in store.get(store.matching_ids(EVERYTHING)):
        oracle.memories[memory.id] = replace(memory, superseded_by=None)
        oracle.embeddings[memory.id] = embed(memory.text, cues=memory.cues)
    assert_same(store, oracle)
    assert_same(home.reopen(), oracle)


# Finding by meaning.


@pytest.mark.parametrize("seed", seeds(6))
def test_any_filter_finds_exactly_what_matches(store, seed):
    oracle, chance = Oracle(), random.Random(seed)
    fill(store, oracle, 150, seed=seed)
    for _ in range(40):
        old = chance.choice(sorted(oracle.memories))
        draft = some_draft(chance, project=oracle.memories[old].project, supersedes=old)
        oracle.add(add(store, draft), [draft])
    for _ in range(120):
        where, query, limit = some_filter(chance), some_text(chance), chance.choice([1, 5, 20, 500])
        assert store.matching_ids(where) == oracle.ids(where)
        assert [memory.id for memory in store.select(where, limit=500, order="oldest")] == sorted(
            oracle.ids(where), key=lambda key: (oracle.memories[key].timestamp, key)
        )
        assert_nearest(store, oracle, query, where, limit)
        assert_ranked(matching(store, query, where, limit), oracle.matching(query, where), limit)


def test_one_memory_of_many_passages_leaves_room_for_the_others(store):
    oracle, chance = Oracle(), random.Random(3)
    long = Draft(text="ledger " * 6000, timestamp=EPOCH)
    others = [Draft(text=f"{some_text(chance)} ledger", timestamp=EPOCH) for _ in range(30)]
    oracle.add(add(store, long, *others), [long, *others])
    assert len(oracle.embeddings[1].passages) > 150
    for limit in (1, 5, 31):
        assert_nearest(store, oracle, "ledger", Filter(), limit)


@pytest.mark.parametrize("part", [40, pytest.param(100_000, marks=pytest.mark.long)])
def test_nearest_is_exact_through_parts_and_tombstones_and_compaction(home, monkeypatch, part):
    monkeypatch.setattr(vector_index, "PART", part)
    monkeypatch.setattr(vector_segment, "COMPACT_ABOVE", 10)
    store, oracle, chance = home.open(), Oracle(), random.Random(5)
    fill(store, oracle, 200, most=90)
    for _ in range(12):
        gone = chance.sample(sorted(oracle.memories), 15)
        store.forget(gone)
        oracle.forget(gone)
        for memory_id in chance.sample(sorted(oracle.memories), 3):
            change = Change(text=some_text(chance, 90))
            store.change(memory_id, change, embed(change.text))
            oracle.change(memory_id, change)
        assert_same(store, oracle, searches=4)
    assert len(oracle.memories) == 20
    assert_same(home.reopen(), oracle)


def test_a_similarity_is_a_cosine_and_never_leaves_its_range(store):
    vector = np.full(64, 1 / 8, np.float32) * np.float32(
        1.000_001
    )  # rounding may leave a unit vector too long
    for sign in (1, -1):
        store.add([Draft(text="x")], [replace(embed("x"), vectors=sign * vector.reshape(1, -1))])
    assert [match.similarity for match in nearest(store, vector, Filter(), 2)] == [1.0, -1.0]
    assert {key: match.similarity for key, match in similarities(store, vector, [1, 2]).items()} == {
        1: 1.0,
        2: -1.0,
    }


def test_chosen_memories_are_compared_by_their_best_passage(store):
    oracle = Oracle()
    fill(store, oracle, 40, most=120)
    vector, expected = (
        embed_query("ledger postgres"),
        oracle.nearest(embed_query("ledger postgres"), EVERYTHING),
    )
    found = similarities(store, vector, [*sorted(expected)[::2], 999])
    assert {key: match.similarity for key, match in found.items()} == pytest.approx(
        {key: expected[key] for key in sorted(expected)[::2]}, abs=1e-5
    )


def test_a_memory_without_a_vector_is_found_by_words_until_it_gets_one(store):
    store.add([Draft(text="ledger"), Draft(text="queue")], [None, embed("queue")])
    assert [match.memory_id for match in nearest(store, embed_query("ledger"), Filter(), 5)] == [2]
    assert [key for key, _ in matching(store, "ledger", Filter(), 5)] == [1]
    assert [memory.id for memory in store.unembedded(10)] == [1]
    store.embed({1: ("ledger", embed("ledger")), 2: ("queue", embed("no")), 3: ("gone", embed("gone"))})
    store.embed({1: ("another text", embed("another text"))})
    assert [match.memory_id for match in nearest(store, embed_query("ledger"), Filter(), 5)] == [1, 2]
    assert store.unembedded(10) == []


def test_only_what_is_novel_is_stored(store):
    first = add(store, "ledger postgres token")[0]
    twin = Draft(text="ledger postgres token", if_novel=0.9)
    fresh = Draft(text="kernel socket mutex", if_novel=0.9)
    answers = store.add([twin, fresh, fresh], [embed(draft.text) for draft in (twin, fresh, fresh)])
    assert answers[0].id is None
    assert answers[0].twin == (first, pytest.approx(1))
    assert answers[2].twin == (answers[1].id, pytest.approx(1))
    store.forget([first, answers[1].id])
    assert store.add([twin], [embed(twin.text)])[0].id is not None


# Finding by words.


def test_words_rank_as_bm25_says_through_removals_edits_and_merges(home, monkeypatch):
    monkeypatch.setattr(inverted_index, "TAIL", 50)
    monkeypatch.setattr(inverted_index, "SEGMENT", 300)
    store, oracle, chance = home.open(), Oracle(), random.Random(8)
    for round_ in range(10):
        fill(store, oracle, 60, seed=round_)
        gone = chance.sample(sorted(oracle.memories), 50 if round_ % 2 else 20)
        store.forget(gone)
        oracle.forget(gone)
        for memory_id in chance.sample(sorted(oracle.memories), 8):
            change = chance.choice(
                [Change(text=some_text(chance)), Change(source="kernel.md"), Change(tags=())]
            )
            store.change(memory_id, change, embed(change.text or "x") if change.text else None)
            oracle.change(memory_id, change)
        for _ in range(5):
            query, where = some_text(chance, 4), chance.choice([EVERYTHING, some_filter(chance)])
            assert_ranked(matching(store, query, where, 7), oracle.matching(query, where), 7)
    assert_same(home.reopen(), oracle)


@pytest.mark.parametrize("seed", seeds(3))
def test_of_what_is_chosen_the_store_says_which_words_of_the_query_it_holds(store, seed):
    chance = random.Random(seed)
    ids = add(store, *[some_draft(chance, project=f"p{n % 2}") for n in range(60)])
    store.forget(ids[::7])
    for memory_id in ids[1::7]:
        text = some_text(chance)
        store.change(memory_id, Change(text=text), embed(text))
    for _ in range(20):
        query = some_text(chance)
        asked = Search(where=ANYWHERE, depth=10, text=query, vector=embed_query(query))
        found = store.search(asked, lambda legs: [key for key, _ in legs.words] + [*legs.matches])
        wanted = set(analyze_query(query))
        assert found.memories
        for memory in found.memories:
            assert set(found.held[memory.id]) == wanted & set(analyze(*words_of(memory)).counts)


def test_a_memory_is_found_by_a_word_of_its_source(store):
    oracle = Oracle()
    drafts = [Draft(text=word, source=f"docs/{word}-handbook.md", timestamp=EPOCH) for word in WORDS[:5]]
    oracle.add(add(store, *drafts), drafts)
    assert_same(store, oracle)
    assert len(matching(store, "handbook", Filter(), 10)) == 5
    store.change(1, Change(source="elsewhere"), None)
    assert len(matching(store, "handbook", Filter(), 10)) == 4


# What supersedes what.


def test_what_is_superseded_comes_back_when_its_successor_is_forgotten(store):
    oracle = Oracle()

    def put(text, supersedes=None):
        draft = Draft(text=text, timestamp=EPOCH, supersedes=supersedes)
        oracle.add(add(store, draft), [draft])

    put("ledger one")
    put("ledger two", 1)
    put("ledger three", 1)
    put("ledger four", 3)
    assert store.matching_ids(Filter()) == [2, 4]
    assert [memory.id for memory in store.history(4)] == [4, 3, 1]
    assert_same(store, oracle)
    store.change(2, Change(tags=("red",)), None)  # the older of two successors: the newer one still counts
    oracle.change(2, Change(tags=("red",)))
    assert_same(store, oracle)
    for gone in (4, 3, 2):
        store.forget([gone])
        oracle.forget([gone])
        assert_same(store, oracle)
    assert store.matching_ids(Filter()) == [1]


def test_a_memory_supersedes_only_within_its_project(store):
    add(store, "ledger")
    with pytest.raises(MemoryNotFound):
        add(store, Draft(text="other", project="alpha", supersedes=1))
    assert store.projects()[0].memories == 1
    assert len(store.projects()) == 1


# Filters at their limits.


def test_a_long_filter_is_answered_or_refused_and_breaks_nothing(home):
    store = home.open()
    many = {f"k{n}": n for n in range(2000)}
    add(store, Draft(text="ledger", metadata=many, tags=("red",), source="a" * 4000))
    catalogue = home.store._indexes._catalogue
    assert store.matching_ids(Filter(metadata=many)) == [1]
    assert store.matching_ids(Filter(metadata=many | {"k0": 1})) == []
    assert store.matching_ids(Filter(tags=("red", "red"), tags_mode="all")) == [1]
    assert store.matching_ids(Filter(source="a" * 4000)) == [1]
    with pytest.raises(InvalidRequest):
        store.matching_ids(Filter(source="a" * 60_000))
    assert home.store._indexes._catalogue is catalogue


def test_a_list_goes_on_where_the_page_before_ended(store):
    oracle = Oracle()
    fill(store, oracle, 60, project="default")
    for order in ("oldest", "newest"):
        seen, after = [], None
        while page := store.select(Filter(), order=order, limit=7, after=after, contains="E"):
            seen += page
            after = (page[-1].timestamp, page[-1].id)
        expected = [oracle.get(key) for key in oracle.memories if "e" in oracle.memories[key].text]
        expected.sort(key=lambda memory: (memory.timestamp, memory.id), reverse=order == "newest")
        assert seen == expected


def test_times_are_kept_to_the_microsecond(store):
    time = EPOCH + timedelta(microseconds=123_457)
    add(store, Draft(text="ledger", timestamp=time))
    step = timedelta(microseconds=1)
    assert store.get([1])[0].timestamp == time
    assert store.matching_ids(Filter(after=time, before=time + step)) == [1]
    assert store.matching_ids(Filter(after=time + step)) == store.matching_ids(Filter(before=time)) == []


# A disk without room.


class Room:
    """How much the embedded store's database may still grow."""

    def __init__(self, store):
        self.store = store

    def leave(self, pages):
        def limit(truth):
            run = truth.connection.execute
            size = run("PRAGMA page_count").fetchone()[0]
            free = run("PRAGMA freelist_count").fetchone()[0]
            run(f"PRAGMA max_page_count={size + max(0, pages - free)}")

        self.store._opened.committer.read(limit)


def test_a_full_disk_refuses_what_has_no_room_and_keeps_everything_else(home):
    store, oracle = home.open(), Oracle()
    fill(store, oracle, 30, most=60)
    room = Room(store)
    room.leave(4)
    with pytest.raises(DiskFull):
        add(store, Draft(text="x" * 60_000))
    assert_same(store, oracle)
    gone = sorted(oracle.memories)[:20]
    assert store.forget(gone) == gone
    oracle.forget(gone)
    assert_same(store, oracle)
    draft = Draft(text="ledger again", timestamp=EPOCH)
    oracle.add(add(store, draft), [draft])
    assert_same(store, oracle)
    room.leave(10_000)
    large = Draft(text="y" * 60_000, timestamp=EPOCH)
    oracle.add(add(store, large), [large])
    assert home.failures == []
    assert_same(home.reopen(), oracle)


def test_a_full_disk_refuses_only_the_calls_of_a_group_that_have_no_room(home):
    store, oracle = home.open(), Oracle()
    fill(store, oracle, 30)
    Room(store).leave(4)
    gone, small = sorted(oracle.memories)[:5], Draft(text="small", timestamp=EPOCH)
    outcomes = in_one_group(
        store,
        lambda: add(store, Draft(text="x" * 60_000)),
        lambda: store.forget(gone),
        lambda: add(store, Draft(text="nobody", supersedes=9999)),
        lambda: add(store, small),
        lambda: add(store, Draft(text="y" * 60_000)),
    )
    assert [type(outcome.exception()) for outcome in outcomes] == [
        DiskFull, type(None), MemoryNotFound, type(None), DiskFull,
    ]  # fmt: skip
    oracle.forget(gone)
    oracle.given |= {31}
    oracle.add(outcomes[3].result(), [small])
    assert_same(store, oracle)
    assert_same(home.reopen(), oracle)


def test_writers_on_a_filling_disk_are_acknowledged_exactly_what_is_kept(home):
    store = home.open()
    Room(store).leave(60)

    def work(number):
        kept = {}
        for n in range(30):
            text = f"{number} {n} " + "z" * 3000
            try:
                kept[add(store, text)[0]] = text
            except DiskFull:
                if kept:
                    with suppress(
                        DiskFull
                    ):  # to forget takes a page at times, and the reserve gives this limit none
                        store.forget([victim := min(kept)])
                        del kept[victim]
        return kept

    with ThreadPoolExecutor(8) as pool:
        kept = {key: text for part in pool.map(work, range(8)) for key, text in part.items()}
    for reopen in (lambda: store, home.reopen):
        opened = reopen()
        memories = opened.get(opened.matching_ids(EVERYTHING))
        assert {memory.id: memory.text for memory in memories} == kept


def test_no_reader_sees_what_a_full_disk_took_back(home):
    store = home.open()
    add(store, "ledger")
    Room(store).leave(8)
    stop, seen = Event(), set()

    def watch():
        while not stop.is_set():
            seen.update(store.matching_ids(EVERYTHING))
            seen.update(key for key, _ in matching(store, "queue", EVERYTHING, 5))
            seen.update(match.memory_id for match in nearest(store, embed_query("queue"), EVERYTHING, 5))

    with ThreadPoolExecutor(2) as pool:
        watching = pool.submit(watch)
        for _ in range(30):
            with pytest.raises(DiskFull):
                add(store, Draft(text="queue"), Draft(text="queue " * 10_000))
        stop.set()
        watching.result()
    assert seen == {1}


def test_a_disk_without_room_for_the_index_does_not_stop_the_reading(home, caplog):
    store, oracle = home.open(), Oracle()
    fill(store, oracle, 10)
    catalogue = home.store._indexes._catalogue
    size = catalogue._writer.execute("PRAGMA page_count").fetchone()[0]
    catalogue._writer.execute(f"PRAGMA max_page_count={size}")
    draft = Draft(text="ledger " + " ".join(f"word{n}" for n in range(3000)), timestamp=EPOCH)
    oracle.add(add(store, draft), [draft])
    assert "could not follow" in caplog.text
    caplog.clear()
    assert_same(store, oracle)
    assert home.failures == []


def test_an_index_that_cannot_be_written_anywhere_stops_the_writing(home, monkeypatch, caplog):
    store = home.open()
    add(store, "ledger")

    def broken(*_):
        raise sqlite3.OperationalError("no room anywhere")

    monkeypatch.setattr(home.store._indexes, "publish", broken)
    monkeypatch.setattr(home.store._derived._catalogue_file, "renew", broken)
    for _ in range(2):
        with pytest.raises(Exception, match="started again"):
            add(store, "queue")
    caplog.clear()
    assert len(home.failures) == 1
