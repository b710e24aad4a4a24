"""Whether a service runs, by what it has left in the runtime folder; and waiting until one has begun, or given up."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import msgspec

from faiss_memory.autostart.promise import Autostart, State
from faiss_memory.settings import runtime_folder

_PAUSE = 0.1


class Found(msgspec.Struct, frozen=True):
    """What a running service says about itself in `service.json`."""

    url: str
    pid: int
    started: str
    """ISO 8601."""


def find_service() -> Found | None:
    """Read what the last service left; None if there is nothing, or its process has ended."""
    try:
        found = msgspec.json.decode((runtime_folder() / "service.json").read_bytes(), type=Found)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    return found if _runs(found) else None


def is_alive(pid: int) -> bool:
    """Say whether a process is there."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # it is another user's
    return True


def wait_until_settled(
    autostart: Autostart, seconds: float, pause: Callable[[float], object] = time.sleep
) -> tuple[State, Found | None]:
    """Wait until the service answers or has failed, and give both views; after so many seconds, as it is then."""
    for _ in range(max(1, round(seconds / _PAUSE))):
        state, found = autostart.state(), find_service()
        ours = found is not None and state.running and state.pid in (None, found.pid)
        if ours or state.failed:
            return state, found if ours else None
        pause(_PAUSE)
    return autostart.state(), None


def _runs(found: Found) -> bool:
    # On Windows a signal of number 0 is no question: it would interrupt the process.
    return _answers(found.url) if sys.platform == "win32" else found.pid > 0 and is_alive(found.pid)


def _answers(url: str) -> bool:
    try:
        build_opener(ProxyHandler({})).open(f"{url}/health", timeout=2).close()
    except HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True
