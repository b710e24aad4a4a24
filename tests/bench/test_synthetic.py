"""The made-up store of the measurements is one that the store itself could have written."""

from __future__ import annotations

import pytest

from bench.store import OneSize, opened
from faiss_memory.store.fsck import verify


@pytest.mark.long
def test_a_made_store_opens_answers_and_passes_verify(tmp_path):
    made = OneSize(tmp_path / "data", 700)
    made.prepare()
    with opened(made.data) as store:
        assert [one.memories for one in store.projects()] == [700]
        (memory,) = store.get([700])
        assert memory.tags == ("topic0",)
        assert not memory.cues
    with verify.owned(made.data):
        assert verify.verify(made.data).findings == []
