"""A query of rare and common words finds the same whether or not the common ones are looked for everywhere."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from faiss_memory.store.index import inverted_index
from faiss_memory.store.index.inverted_index import KeywordIndex
from faiss_memory.store.index.postings import POSTING

TERMS = 30


def filled(seed, count=1_500):
    """An index in which term n is in about one of n² / 3 memories; some are parts of a sequence."""
    chosen, index = random.Random(seed), KeywordIndex()
    for memory_id in range(1, count + 1):
        held = {n: chosen.choice([1, 1, 2, 5]) for n in range(1, TERMS) if chosen.random() < 3 / n**2}
        rows = [(0, sum(held.values()) + chosen.randrange(30)), *held.items()]
        index.add(memory_id, np.array(rows, POSTING), chosen.choice([0, 0, 7, 8, 9]) if seed % 2 else 0)
    index.remove(chosen.sample(range(1, count), 100))
    return index


INDEXES = [filled(0), filled(1)]


@given(
    st.sampled_from(INDEXES),
    st.dictionaries(st.integers(1, TERMS), st.integers(1, 2), min_size=1, max_size=8),
    st.sampled_from([1, 10, 60]),
    st.sampled_from([None, 3]),
    st.lists(st.integers(1, 1_500), max_size=5),
)
@settings(max_examples=60)
def test_what_is_found_is_the_same(index, query, limit, every, near):
    allowed = None if every is None else np.arange(1, 1_500, every)
    asked = dict(unknown=1, also=np.array(near, np.int64), most_holders=12)
    found = []
    for common in (10**9, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inverted_index, "COMMON", common)
            patch.setattr(inverted_index, "SPARED", 1)
            found.append(index.search(query, allowed, np.zeros(0, np.int64), limit, **asked))
    whole, spared = found
    assert [key for key, _ in spared.ranking] == [key for key, _ in whole.ranking]
    assert [score for _, score in spared.ranking] == pytest.approx(
        [score for _, score in whole.ranking], abs=1e-4
    )
    assert [place.terms for place in spared.places] == [place.terms for place in whole.places]
    assert spared.coverage == pytest.approx(whole.coverage, abs=1e-5)
    assert spared.holders == whole.holders


def test_common_words_are_spared(monkeypatch):
    monkeypatch.setattr(inverted_index, "COMMON", 500)
    spared = []
    weights_of = inverted_index.Sequences.weights_of
    monkeypatch.setattr(
        inverted_index.Sequences,
        "weights_of",
        lambda *asked: (spared.append(len(asked[1])), weights_of(*asked))[1],
    )
    INDEXES[0].search({1: 1, 12: 1, 13: 1, 14: 1}, None, np.zeros(0, np.int64), 5)
    assert spared
    assert max(spared) < 200
