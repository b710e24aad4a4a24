"""Which way is taken on which system; decided here and nowhere else."""

from __future__ import annotations

import shutil
import sys

from faiss_memory.autostart.base import Autostart
from faiss_memory.autostart.launchd import Launchd
from faiss_memory.autostart.systemd import Systemd
from faiss_memory.autostart.task_scheduler import TaskScheduler
from faiss_memory.errors import AutostartError
from faiss_memory.settings import environment_with


def choose(platform: str = sys.platform) -> Autostart:
    """Choose by operating system; inside WSL without a systemd of its own, Windows starts the service.

    Raises AutostartError for a system nothing is known about.
    """
    if platform == "darwin":
        return Launchd()
    if platform == "win32":
        return TaskScheduler(distribution="")
    if platform != "linux":
        raise AutostartError(
            f"nothing is known about starting programs at login on {platform}; run `faiss-memory serve` under a "
            "supervisor of your own"
        )
    distribution = environment_with({}).get("WSL_DISTRO_NAME")
    if distribution and shutil.which("schtasks.exe") and not _works(Systemd()):
        return TaskScheduler(distribution)
    return Systemd()


def _works(way: Autostart) -> bool:
    try:
        way.check()
    except AutostartError:
        return False
    return True
