"""A service in the background where nothing starts services at login: a process of its own, until it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from faiss_memory.address import LeftAddress, is_ours
from faiss_memory.autostart.running import find_service
from faiss_memory.errors import AutostartError
from faiss_memory.safe_files import located, open_to_append

_PAUSE = 0.1


def start_detached(words: Sequence[str], log: Path, seconds: float) -> LeftAddress:
    """Start a service that outlives this process, and wait until it can be found.

    Its log is written to `log`. Raises AutostartError if it ends, or is not there after so many seconds.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = open_to_append(located(log))
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor, start_new_session=True
        )
    finally:
        os.close(descriptor)
    for _ in range(max(1, round(seconds / _PAUSE))):
        found = find_service()
        if found is not None and found.pid == process.pid:
            return found
        if process.poll() is not None:
            raise AutostartError(f"the service has ended (code {process.returncode}); its log is {log}")
        time.sleep(_PAUSE)
    process.terminate()  # nobody would know of it any more
    process.wait()
    raise AutostartError(f"the service does not answer after {seconds:g} s; its log is {log}")


def stop_detached(pid: int, seconds: float) -> bool:
    """Stop a service that was started so. Returns False if it is not there any more, or does not end in time."""
    found = find_service()
    if found is None or found.pid != pid:
        return False
    os.kill(pid, signal.SIGTERM)
    for _ in range(max(1, round(seconds / _PAUSE))):
        if not is_ours(pid):
            return True
        time.sleep(_PAUSE)
    return False
