"""JSON that a stranger may have written: read whole, or refused with the reason."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

import msgspec

MOST_BYTES = 1 << 20
DEEPEST = 32
"""Lists and objects inside each other."""


def decode_strictly(content: bytes, kind: Any, most_bytes: int = MOST_BYTES) -> Any:
    """Read a value of a type that msgspec understands.

    Raises ValueError for more than `most_bytes`, what is nested too deeply or is no JSON, a name given twice, numbers
    that are none, halves of characters, and what is not of the type; the message says where.
    """
    if len(content) > most_bytes:
        raise ValueError(f"it has {len(content):,} bytes, and may have {most_bytes:,}")
    try:
        found = json.loads(
            content.decode(), object_pairs_hook=_object, parse_constant=_refuse, parse_float=_float
        )
        _check(found, 0)
        return msgspec.convert(found, kind)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 ({error.reason} at byte {error.start})") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


_TOO_DEEP = f"it is nested more than {DEEPEST} deep"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it gives `{name[:100]}` twice")
        found[name] = value
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which is no number")


def _float(written: str) -> float:
    if math.isinf(number := float(written)):
        raise ValueError("it holds a number that is too large")
    return number


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("it holds half a character") from None
    elif isinstance(value, list):
        for part in value:
            _check(part, depth + 1)
    elif isinstance(value, dict):
        for name, part in value.items():
            _check(name, depth)
            _check(part, depth + 1)
