"""Fixtures of the tests of stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faiss_memory.store import EmbeddedStore
from tests.store.oracle import HOMES, EmbeddedHome


@pytest.fixture(params=HOMES, ids=lambda kind: kind.__name__)
def home(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[EmbeddedHome]:
    """A place for a store, of each kind there is. A store that mends itself must have had a reason to."""
    made: EmbeddedHome = request.param(tmp_path / "data")
    yield made
    made.close()
    mended = [record.getMessage() for record in caplog.get_records("call") if record.levelname == "ERROR"]
    assert not [message for message in mended if "could not follow" in message]


@pytest.fixture
def store(home: EmbeddedHome) -> EmbeddedStore:
    """An open, empty store."""
    return home.open()
