"""The digest of a catalogue that was written out: by it the next start knows that the file is as it was left."""

from __future__ import annotations

import hashlib
from pathlib import Path

from faiss_memory.safe_files import open_own, read_own


def digest_path(path: Path) -> Path:
    """Name the file that holds the digest of a catalogue that was written out."""
    return path.with_name(path.name + ".sha256")


def digest_of(path: Path) -> str:
    """Return the sha256 of a file. Raises OSError."""
    with open_own(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matches_digest(path: Path) -> bool:
    """Return whether a catalogue is byte for byte the one whose digest was kept, and no log is beside it."""
    log = Path(f"{path}-wal")
    try:
        return read_own(digest_path(path)) == digest_of(path).encode() and not (
            log.exists() and log.stat().st_size  # whatever it holds would be read as part of the file
        )
    except OSError:
        return False
