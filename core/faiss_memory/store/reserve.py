"""Ballast: a file that is given up when the disk is full, so that forgetting, which gives room back, still works."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

log = logging.getLogger("faiss_memory.store")

BYTES = 4 * 1024 * 1024
REPEATS = 4
ROOM = 4
"""It is made only where so many times its size is free: it must not be what fills the disk."""


class Reserve:
    """`reserve.bin` in a data folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "reserve.bin"

    def keep(self) -> None:
        """Make it, if it is not there whole and there is room for it. What goes wrong is only logged."""
        try:
            if self._is_whole() or shutil.disk_usage(self._path.parent).free < ROOM * BYTES:
                return
            self._path.unlink(missing_ok=True)  # whatever it is that lies there
            with self._path.open("xb") as file:
                # Written, and not only claimed: a file of nothing but holes keeps no room, and so little does one
                # that compresses. Random bytes are slow to make, and no file system looks for repeats so far apart.
                file.write(os.urandom(BYTES // REPEATS) * REPEATS)
        except OSError as error:
            with suppress(OSError):
                self._path.unlink()
            log.warning("no room is kept for a full disk: %s", error)

    def _is_whole(self) -> bool:
        """Return whether it keeps all its room: a kill may have come while it was written."""
        return self._path.exists() and self._path.lstat().st_size == BYTES

    def give_up(self) -> bool:
        """Remove it; says whether there was one."""
        try:
            self._path.unlink()
        except OSError:
            return False  # mostly because there is none
        log.warning("the disk is full: the room that was kept for it is used to forget memories")
        return True
