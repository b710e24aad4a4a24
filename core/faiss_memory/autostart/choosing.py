"""Which way is taken on which system; decided here and nowhere else."""

from __future__ import annotations

import sys

from faiss_memory.autostart.base import Autostart
from faiss_memory.autostart.launchd import Launchd
from faiss_memory.autostart.systemd import Systemd
from faiss_memory.errors import AutostartError


def choose(platform: str = sys.platform) -> Autostart:
    """Return the way of an operating system. Raises AutostartError for one that nothing is known about."""
    if platform == "darwin":
        return Launchd()
    if platform != "linux":
        raise AutostartError(
            f"nothing is known about starting programs at login on {platform}; run `faiss-memory serve` under a "
            "supervisor of your own"
        )
    return Systemd()
