"""One process owns a data folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from faiss_memory.errors import StoreLocked
from faiss_memory.safe_files import NotAFile, descriptor_of_own
from faiss_memory.store.filesystem import try_lock


class FolderLock:
    """Held from construction to `release`; the kernel drops it with the process, so it is never stale.

    Raises StoreLocked when another process has it, or what should be locked is no file.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._descriptor = descriptor_of_own(folder / ".lock", os.O_RDWR | os.O_CREAT)
        except NotAFile as error:
            raise StoreLocked(f"{error.filename} cannot be locked: {error.strerror}. Remove it") from None
        if not try_lock(self._descriptor):
            owner = os.read(self._descriptor, 200).decode("utf-8", "replace").strip() or "another process"
            os.close(self._descriptor)
            raise StoreLocked(
                f"{folder} is in use by {owner}. Stop that service, or give this one another data folder "
                "(DATA_DIR or --data-dir)."
            )
        # Only the lock counts; its owner's name is a courtesy that a full disk may refuse.
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"process {os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process have the folder."""
        os.close(self._descriptor)
