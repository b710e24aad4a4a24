"""Identities of memories: UUIDs of version 7, the same wherever a memory is copied to."""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid

_LAST_ID = 2**62 - 1
CANONICAL = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
"""The one way in which a uid is written, as a regular expression."""
_CANONICAL = re.compile(CANONICAL)
"""(Many times as fast as making a UUID of it: a restore asks for each memory.)"""


def new_uid() -> str:
    """Return a fresh UUIDv7 in its canonical form: the time in 4096ths of a millisecond, then 62 random bits.

    So those of one machine sort as they were made (RFC 9562, 6.2, method 3).
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    return _version_7(milliseconds, rest * 4096 // 1_000_000, int.from_bytes(os.urandom(8), "big"))


def derived_uid(created: int, memory_id: int) -> str:
    """Return the UUIDv7 of a memory that is older than uids are.

    It is made of when the first database was created (microseconds since 1970), which every copy inherits, and of the
    id, which is given once in all of them. So it is the same wherever it is asked for. Id 0 stands for the database.
    """
    milliseconds, rest = divmod(created, 1000)
    return _version_7(milliseconds, rest, memory_id)


def named_uid(name: str) -> str:
    """Return the UUIDv7 of what has a name elsewhere, such as in another program's store: always the same."""
    digest = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest(), "big")
    return _version_7(0, digest >> 62 & 0xFFF, digest & _LAST_ID)


def is_uid(value: object) -> bool:
    """Return whether a value is a UUIDv7 in its canonical form."""
    return isinstance(value, str) and _CANONICAL.fullmatch(value) is not None


def _version_7(milliseconds: int, middle: int, low: int) -> str:
    fields = (milliseconds & 0xFFFFFFFFFFFF) << 80 | 7 << 76 | middle << 64 | 2 << 62 | low & _LAST_ID
    return str(uuid.UUID(int=fields))
