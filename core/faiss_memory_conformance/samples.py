"""Files as people have them, into which an adapter's entries are put: `corpus/`, in several styles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from faiss_memory.contracts.config_files import OwnFile

STYLES: dict[str, Callable[[str], bytes] | None] = {
    "nothing": None,
    "plain": str.encode,
    "windows": lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
    "unfinished": lambda text: text.rstrip("\n").encode(),
}
"""How a file is written: not at all, as usual, with a byte order mark and CRLF, without a line break at its end."""

_CORPUS = Path(__file__).with_name("corpus")
_OTHER_SUFFIXES = {".yml": ".yaml", ".mdc": ".md"}


def sample(path: str, parts: Sequence[Any], style: str) -> bytes | None:
    """Choose the file that a person has at a declared path; None where they have none.

    A reader that takes comments gets some.
    """
    write = STYLES[style]
    if write is None or any(isinstance(part, OwnFile) for part in parts):
        return None
    suffix = Path(path).suffix
    suffix = _OTHER_SUFFIXES.get(suffix, suffix)
    if suffix == ".json" and all(getattr(part, "comments", False) for part in parts):
        suffix = ".jsonc"
    files = sorted(_CORPUS.glob(f"*{suffix}"))
    if not files:
        return None
    chosen = files[[*STYLES].index(style) % len(files)]
    return write(chosen.read_text(encoding="utf-8"))


def place_of(path: str, home: Path, folder: Path) -> Path:
    """Return where a declared path is."""
    return home / path[2:] if path.startswith("~/") else folder / path
