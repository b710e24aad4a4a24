"""A data folder and an archive that were made before memories had uids, and what was in them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED: dict[str, Any] = json.loads((FIXTURES / "expected.json").read_bytes())
SECRET = b"secret-heron-7731"
"""Was in a memory that was purged."""
VERSION = 2
"""Of the tables of its memory.db."""


def unpacked(folder: Path) -> Path:
    """Unpack the data folder, with its hard links; gives where it lies."""
    with tarfile.open(FIXTURES / "data-1.tar.gz") as tar:
        tar.extractall(folder, filter="data")
    return folder / "data"


def archive() -> bytes:
    """Give the archive that the same service made at the end."""
    return (FIXTURES / "archive-1.tar").read_bytes()


def expected_texts() -> dict[int, str]:
    """Give the texts of all its memories, the superseded one included."""
    texts = {int(key): memory["text"] for key, memory in EXPECTED["memories"].items()}
    return texts | {int(old): EXPECTED["added"][old] for old in EXPECTED["superseded"]}
