"""Characters that no text may hold: the halves of a letter, which are replaced, and NUL, which is refused."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from faiss_memory.errors import InvalidRequest

T = TypeVar("T")
_HALF = re.compile("[\ud800-\udfff]")


def in_whole_letters(text: str) -> str:
    """Return a text with U+FFFD for each half of a surrogate pair; two that belong together become one letter."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _HALF.search(text) else text


def whole(value: T) -> T:
    """Return a JSON value with whole letters in all its texts."""
    repaired: Any = value
    if isinstance(value, str):
        repaired = in_whole_letters(value)
    elif isinstance(value, dict):
        repaired = {whole(key): whole(inner) for key, inner in value.items()}
    elif isinstance(value, list | tuple):
        repaired = type(value)(whole(inner) for inner in value)
    return repaired  # type: ignore[no-any-return]


def check_no_nul(value: Any, field: str) -> None:
    """Refuse a JSON value with a NUL in one of its texts: most programs take a text to end there."""
    pending = [(field, value)]
    while pending:
        place, value = pending.pop()
        if isinstance(value, str) and "\0" in value:
            raise InvalidRequest(f"`{place}` holds a NUL character (U+0000); leave it out", place)
        if isinstance(value, dict):
            pending += [(place, key) for key in value]
            pending += [(f"{place}.{key}", inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            pending += [(f"{place}[{number}]", inner) for number, inner in enumerate(value)]
