"""What is exported comes back by import as it was, in each format."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from faiss_memory.memory import Memory
from faiss_memory.service.export_formats import FORMATS, Exported
from faiss_memory.uids import new_uid
from faiss_memory_plugins.importers.plugin import register_importers

IMPORTERS = {one.name: one for one in register_importers()}
READ_BY = {"jsonl": "faiss-memory", "json": "faiss-memory", "csv": "csv", "markdown": "markdown"}
NAMES = (
    "uid",
    "text",
    "project",
    "source",
    "tags",
    "cues",
    "metadata",
    "timestamp",
    "valid_until",
    "by",
    "actor",
)
"""What each format holds; only a bundle tells of revisions, origins and of what was forgotten or purged."""

# Line breaks are those of the text itself: a table's and a file's are read as they stand.
LETTERS = st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t")
TEXTS = st.text(LETTERS, min_size=1, max_size=60).filter(str.strip)
WORDS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))
METADATA = st.dictionaries(
    WORDS, TEXTS | st.integers(-9, 9) | st.booleans() | st.lists(TEXTS, max_size=2), max_size=3
)
MEMORIES = st.builds(
    Memory, id=st.just(1), uid=st.builds(new_uid), text=TEXTS, project=st.sampled_from(["default", "a.b"]),
    source=TEXTS | st.just(""), tags=st.lists(WORDS, max_size=3, unique=True).map(tuple),
    cues=st.lists(TEXTS, max_size=2, unique=True).map(tuple), metadata=METADATA, timestamp=TIMES,
    valid_until=TIMES | st.none(), by=st.sampled_from(["cli", "mcp:a", None]), actor=st.sampled_from(["ann", None]),
)  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
@given(memory=MEMORIES)
def test_what_is_exported_comes_back_as_it_was(form, memory):
    how = FORMATS[form]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"out.{how.ending}")
        path.write_bytes(b"".join(how.write([Exported(memory)], [])))
        (record,) = IMPORTERS[READ_BY[form]].read(path)
    assert {name: getattr(record, name) for name in NAMES} == {name: getattr(memory, name) for name in NAMES}
