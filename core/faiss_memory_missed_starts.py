"""Sessions whose start nobody has answered: the hook program marks each by an empty file of the user's own.

The first prompt that is answered then says so, and brings what the start would have brought. Imports nothing of ours,
as the hook program.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

try:
    from _blake2 import blake2b
except ImportError:  # another Python
    from hashlib import blake2b

KEPT_SECONDS = 7 * 24 * 3600
"""After so long a session is over."""


def mark_of(event: bytes, folder: str, starts: tuple[str, ...]) -> str:
    """Return the file in a folder that marks an event's session as missed; empty where it is not marked.

    An event by which a session begins, one of `starts`, leaves the mark; who answers it takes it away.
    """
    # (No session, nonsense, or no folder of this user's.)
    with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
        given = json.loads(event)
        session = given.get("conversation_id") or given.get("session_id")
        if isinstance(session, str) and session:
            name = blake2b(session.encode("utf-8", "replace"), digest_size=16).hexdigest()
            mark = os.path.join(folder, name)
            if given.get("hook_event_name") in starts:
                _leave(mark)
            return mark if os.path.exists(mark) else ""
    return ""


def _leave(mark: str) -> None:
    """Make a mark, and take away those of sessions that are over."""
    folder = os.path.dirname(mark)
    if not os.path.isdir(os.path.expanduser("~")):
        return
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for other in os.scandir(folder):
        with contextlib.suppress(OSError):  # another hook was quicker
            if other.stat(follow_symlinks=False).st_mtime < time.time() - KEPT_SECONDS:
                os.unlink(other.path)
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
