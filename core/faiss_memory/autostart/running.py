"""Whether a service runs, by what it has left in the runtime folder; and waiting until one has begun, or given up."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from faiss_memory.address import LeftAddress, is_ours, left_address
from faiss_memory.autostart.base import Autostart, State

_PAUSE = 0.1


def find_service() -> LeftAddress | None:
    """Read what the last service left; None if there is nothing, or its process has ended."""
    found = left_address()
    return found if found is not None and _runs(found) else None


def wait_until_settled(
    autostart: Autostart, seconds: float, pause: Callable[[float], object] = time.sleep
) -> tuple[State, LeftAddress | None]:
    """Wait until the service answers or has failed, and give both views; after so many seconds, as it is then."""
    for _ in range(max(1, round(seconds / _PAUSE))):
        state, found = autostart.state(), find_service()
        ours = found is not None and state.running and state.pid in (None, found.pid)
        if ours or state.failed:
            return state, found if ours else None
        pause(_PAUSE)
    return autostart.state(), None


def _runs(found: LeftAddress) -> bool:
    # On Windows a signal of number 0 is no question: it would interrupt the process.
    return _answers(found.url) if sys.platform == "win32" else is_ours(found.pid)


def _answers(url: str) -> bool:
    try:
        build_opener(ProxyHandler({})).open(f"{url}/health", timeout=2).close()
    except HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True
