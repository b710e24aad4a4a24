"""Machines that exchange bundles come to the same, in any order and however often."""

from __future__ import annotations

import random

import pytest

from tests.bundles import Place, agree


@pytest.fixture
def places(make_service, client_of, tmp_path):
    def make(count, seed=0):
        return [
            Place(client_of(make_service(data_dir=str(tmp_path / f"{number}"))), seed * 10 + number)
            for number in range(count)
        ]

    return make


def exchange(places, chance, times):
    """Bring bundles from one to another, old ones again among them, until each has heard of each."""
    bundles = [(number, place.bundle()) for number, place in enumerate(places)]
    for _ in range(times):
        number, lines = chance.choice(bundles)
        to = chance.choice([place for at, place in enumerate(places) if at != number])
        lines = list(lines)
        chance.shuffle(lines)
        to.take(lines)
        bundles.append((places.index(to), to.bundle()))
    for _ in range(2):
        for one in places:
            for other in places:
                if one is not other:
                    other.take(one.bundle())


@pytest.mark.parametrize(("count", "seed"), [(2, 1), (2, 2), (3, 3), (3, 4)])
def test_whoever_exchanges_bundles_comes_to_the_same(places, count, seed):
    found, chance = places(count, seed), random.Random(seed)
    found[0].add(12)
    for other in found[1:]:
        other.take(found[0].bundle())
    for _ in range(2):
        for place in found:
            place.act(15)
        exchange(found, chance, 4)
        before = agree(found)
    for one in found:
        for other in found:
            assert set(one.take(other.bundle())) == {"known"}
    assert agree(found) == before


@pytest.mark.long
def test_ten_thousand_memories_and_two_hundred_changes_on_each(places):
    found, chance = places(2, 7), random.Random(7)
    found[0].add(10_000)
    found[1].take(found[0].bundle())
    for place in found:
        place.act(200)
    exchange(found, chance, 2)
    before = agree(found)
    assert len(before) >= 10_000
    for one, other in (found, found[::-1]):
        assert set(one.take(other.bundle())) == {"known"}
    assert agree(found) == before
