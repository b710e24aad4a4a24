"""The checks for stores that merge what memories have become elsewhere; those that cannot are passed over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from faiss_memory.contracts.merging import Arrival, Merging, Outcome, Tombstone
from faiss_memory.errors import Conflict
from faiss_memory.memory import FOREVER, Change, Draft, Memory, Origin
from faiss_memory.uids import new_uid
from faiss_memory_conformance.store_home import ANYWHERE, Home, embed
from faiss_memory_conformance.store_oracle import EPOCH

LATER = EPOCH + timedelta(days=1)


def merging(home: Home) -> Merging:
    """Return the store as one that merges."""
    if not isinstance(home.store, Merging):
        pytest.skip("this store does not merge memories")
    return home.store


def arriving(text: str, revision: int | None = 1, uid: str = "", **fields: Any) -> Arrival:
    """Return a memory as it is elsewhere."""
    draft = Draft(text=text, timestamp=EPOCH, by="cli")
    said = {name: fields.pop(name) for name in ("project", "tags", "cues", "origin") if name in fields}
    return Arrival(
        uid=uid or new_uid(),
        draft=replace(draft, **said),
        revision=revision,
        changed=EPOCH,
        **fields,
    )


def gone(uid: str, revision: int = 1, *, purged: bool = False) -> Arrival:
    """Return what is left elsewhere of a memory."""
    return Arrival(uid=uid, revision=revision, changed=EPOCH, purged=purged, project="default")


def outcomes(home: Home, *arrivals: Arrival, dry_run: bool = False) -> list[Outcome]:
    """Merge, with the embeddings of everything."""
    parts = [None if one.draft is None else embed(one.draft.text, one.draft.cues) for one in arrivals]
    return [one.outcome for one in merging(home).merge(arrivals, parts, dry_run=dry_run)]


def there(home: Home) -> dict[str, Memory]:
    """Return the memories that are there, by uid."""
    return {one.uid: one for one in home.store.get(home.store.matching_ids(ANYWHERE))}


def test_each_change_of_a_memory_is_counted(home: Home) -> None:
    merging(home)
    old, memory_id = home.add("the old ledger", Draft(text="the ledger", tags=("red",)))

    def revision() -> int:
        return home.store.get([memory_id])[0].revision

    changes = (
        (Change(tags=("blue",)), 2), (Change(tags=("blue",)), 2), (Change(supersedes=old), 3),
        (Change(supersedes=0), 4), (Change(valid_until=LATER), 5), (Change(valid_until=FOREVER), 6),
        (Change(origin=Origin("/a", "#1", "x", "y")), 6),
    )  # fmt: skip
    assert revision() == 1
    for change, expected in changes:
        home.store.change(memory_id, change, None)
        assert revision() == expected, change
    home.store.change(memory_id, Change(text="the new ledger"), embed("the new ledger"))
    assert revision() == 7
    (memory,) = home.store.get([memory_id])
    home.store.forget([memory_id])
    for _ in range(2):
        (grave,) = merging(home).tombstones()
        assert (grave.uid, grave.revision, grave.project, grave.purged) == (memory.uid, 8, "default", False)
        assert memory.changed is not None
        assert grave.changed >= memory.changed
        home.reopen()


def test_of_two_states_the_later_one_counts(home: Home) -> None:
    merging(home)
    first = arriving("the ledger", tags=("red",), cues=("money",), project="alpha")
    assert outcomes(home, first, dry_run=True) == ["new"]
    assert there(home) == {}
    assert outcomes(home, first) == ["new"]
    for _ in range(2):
        memory = there(home)[first.uid]
        assert (memory.text, memory.tags, memory.cues, memory.project) == (
            "the ledger",
            ("red",),
            ("money",),
            "alpha",
        )
        assert (memory.revision, memory.changed, memory.timestamp, memory.by) == (1, EPOCH, EPOCH, "cli")
        assert home.nearest("the ledger") == home.nearest("money") == [memory.id]
        assert outcomes(home, first) == ["known"]
        home.reopen()
    changed = arriving("cookies expire", 3, first.uid)
    assert outcomes(home, changed, first) == ["changed", "kept"]
    memory = there(home)[first.uid]
    assert (memory.text, memory.revision, memory.project, memory.tags) == ("cookies expire", 3, "default", ())
    assert home.nearest("cookies expire") == [memory.id]
    assert home.by_words("ledger") == []
    assert outcomes(home, gone(first.uid, 2), gone(first.uid, 3), changed) == ["kept", "forget", "forgotten"]
    assert there(home) == {}
    assert outcomes(home, gone(first.uid, 3), arriving("it is back", 4, first.uid)) == ["known", "back"]
    back = there(home)[first.uid]
    assert (back.id, back.text, back.revision) == (memory.id, "it is back", 4)
    assert outcomes(home, gone(first.uid, 3), changed) == ["kept", "kept"]
    assert there(home)[first.uid].text == "it is back"


def test_what_was_forgotten_elsewhere_was_where_it_was_at_last(home: Home) -> None:
    moved, unmoved = arriving("the ledger", project="alpha"), arriving("the cache", project="alpha")
    outcomes(home, moved, unmoved)
    assert outcomes(home, replace(gone(moved.uid, 3), project="beta")) == ["forget"]
    assert outcomes(home, replace(gone(unmoved.uid, 2), project="")) == ["forget"]
    for _ in range(2):
        graves = {one.uid: one.project for one in merging(home).tombstones()}
        assert graves == {moved.uid: "beta", unmoved.uid: "alpha"}
        home.reopen()


def test_at_equal_revisions_everybody_decides_the_same(home: Home) -> None:
    merging(home)
    texts = ("one", "two", "three")
    uids = [new_uid() for _ in range(3)]
    for uid, order in zip(uids, ((0, 1, 2), (2, 1, 0), (1, 2, 0)), strict=True):
        for place in order:
            outcomes(home, arriving(texts[place], 2, uid))
    assert len({memory.text for memory in there(home).values()}) == 1
    late = replace(arriving("later", 2, uids[0]), changed=LATER)
    assert outcomes(home, late, gone(uids[0], 2)) == ["changed", "forget"]


def test_what_nobody_has_counted_is_stored_once_and_changes_nothing(home: Home) -> None:
    merging(home)
    first = arriving("the ledger", None)
    assert outcomes(home, first, first) == ["new", "known"]
    assert outcomes(home, arriving("another", None, first.uid)) == ["conflict"]
    (memory,) = there(home).values()
    assert (memory.text, memory.revision) == ("the ledger", 1)
    home.store.forget([memory.id])
    assert outcomes(home, first) == ["forgotten"]


def test_what_was_purged_never_comes_back(home: Home) -> None:
    merging(home)
    first, never = arriving("the ledger"), new_uid()
    outcomes(home, first)
    memory = there(home)[first.uid]
    (done,) = merging(home).merge([gone(first.uid, purged=True)])
    assert (done.outcome, done.memory_id) == ("purge", memory.id)
    home.store.purge([memory.id])
    assert outcomes(home, gone(never, purged=True)) == ["noted"]
    for _ in range(2):
        for uid in (first.uid, never):
            assert outcomes(home, arriving("anew", 9, uid), arriving("anew", None, uid)) == [
                "purged",
                "purged",
            ]
            assert outcomes(home, gone(uid, 9), gone(uid, purged=True)) == ["purged", "known"]
        assert there(home) == {}
        assert merging(home).tombstones() == [
            Tombstone(uid=uid, purged=True) for uid in sorted((first.uid, never))
        ]
        assert merging(home).tombstones(("default",)) == [], "nobody knows any more where it was"
        home.reopen()
    assert home.store.known([never])[never].state == "purged"


def test_what_was_forgotten_elsewhere_is_not_taken_over_later(home: Home) -> None:
    merging(home)
    uids = sorted(new_uid() for _ in range(5))
    assert outcomes(home, *(gone(uid, 2) for uid in uids)) == ["noted"] * 5
    home.reopen()
    assert outcomes(home, arriving("the ledger", 1, uids[0])) == ["forgotten"]
    listed, after = [], ""
    while page := merging(home).tombstones(("default",), after, 2):
        listed += [one.uid for one in page]
        after = page[-1].uid
    assert listed == uids
    assert merging(home).tombstones(("alpha",)) == []
    given = home.add("one more")
    assert outcomes(home, arriving("the ledger", 3, uids[0])) == ["back"]
    assert there(home)[uids[0]].id not in given
    (done,) = merging(home).merge([gone(uids[1], purged=True)])
    assert done.outcome == "purge"
    home.store.purge([done.memory_id or 0])
    assert outcomes(home, gone(uids[1], purged=True), arriving("x", 9, uids[1])) == ["known", "purged"]


def test_what_replaces_what_is_followed_whichever_comes_first(home: Home) -> None:
    merging(home)
    old, new = arriving("the old ledger"), arriving("the new ledger")
    new = replace(new, supersedes=old.uid)
    outcomes(home, new)
    assert there(home)[new.uid].supersedes is None
    home.reopen()
    outcomes(home, old)
    for _ in range(2):
        found = there(home)
        assert found[new.uid].supersedes == found[old.uid].id
        assert found[old.uid].superseded_by == found[new.uid].id
        assert (found[new.uid].revision, found[new.uid].supersedes_uid) == (1, old.uid)
        home.reopen()
    outcomes(home, replace(old, revision=2, draft=replace(old.draft or Draft(text=""), project="alpha")))
    assert there(home)[new.uid].supersedes is None, "it is in another project"
    outcomes(home, replace(old, revision=3))
    assert there(home)[old.uid].superseded_by == there(home)[new.uid].id
    outcomes(home, replace(new, revision=2, supersedes=None))
    assert there(home)[old.uid].superseded_by is None


def test_memories_that_replace_each_other_in_a_circle_have_an_end(home: Home) -> None:
    merging(home)
    uids = sorted(new_uid() for _ in range(3))
    arrivals = [
        replace(arriving(f"number {place}", 1, uid), supersedes=uids[place - 1])
        for place, uid in enumerate(uids)
    ]
    for order in ((0, 1, 2), (2, 0, 1)):
        for place in order:
            outcomes(home, replace(arrivals[place], revision=1 + order[0]))
        found = there(home)
        assert [found[uid].supersedes for uid in uids] == [None, found[uids[0]].id, found[uids[1]].id]
        assert len(home.store.history(found[uids[2]].id)) == 3
    outcomes(home, replace(arrivals[1], revision=9, supersedes=None))
    found = there(home)
    assert [found[uid].supersedes for uid in uids] == [found[uids[2]].id, None, found[uids[1]].id]


def test_what_was_not_expected_keeps_everything_away(home: Home) -> None:
    merging(home)
    first, other = arriving("the ledger"), arriving("the cache")
    outcomes(home, replace(first, expected="new"))
    home.store.change(there(home)[first.uid].id, Change(tags=("mine",)), None)
    with pytest.raises(Conflict, match=first.uid):
        outcomes(home, replace(other, expected="new"), replace(first, expected="changed"))
    assert there(home).keys() == {first.uid}
    assert outcomes(home, replace(other, expected="new"), replace(first, expected="kept")) == ["new", "kept"]
    assert outcomes(home, replace(other, expected="new")) == ["known"], "nothing is to be done any more"


def test_an_origin_arrives_unless_a_build_has_made_the_same_here(home: Home) -> None:
    merging(home)
    origin = Origin("/notes/a.md", "#1", "x", "y")
    first, second = (arriving(text, origin=origin) for text in ("the ledger", "the cache"))
    outcomes(home, first, second)
    assert home.store.origins("default") == {there(home)[first.uid].id: origin}
