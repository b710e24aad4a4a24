"""Files and folders that nobody but this user can read or change, whatever the umask says and whatever was there."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

from faiss_memory.errors import ConfigError

log = logging.getLogger("faiss_memory")

_OTHERS = 0o077


def keep_files_private() -> None:
    """Let every file and folder that this process and its children make be this user's alone."""
    os.umask(_OTHERS)


def make_private(folder: Path) -> None:
    """Make a folder that nobody else can enter, or make it one if it is there.

    Raises ConfigError where it belongs to another user or is meant for everybody, and OSError where it cannot be made.
    What a file system does not let us change, such as one without rights, is logged.
    """
    before = os.umask(_OTHERS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    finally:
        os.umask(before)
    found = folder.stat()
    if os.name != "posix":
        return
    if found.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
        raise ConfigError(
            f"{folder} belongs to another user (number {found.st_uid}), who could read and change what is in it. Give "
            "it to yourself (chown), or choose another folder"
        )
    if found.st_mode & stat.S_ISVTX:
        raise ConfigError(
            f"{folder} is a folder for everybody's files; choose one for this alone, such as one in it"
        )
    if found.st_uid != os.geteuid():
        log.warning(
            "%s belongs to another user (number %d), who can change what is in it", folder, found.st_uid
        )
    close_to_others(folder, found)


def make_tree_private(folder: Path) -> None:
    """Make a folder private, and everything in it; links are not followed. Raises as `make_private` does."""
    make_private(folder)
    if os.name != "posix":
        return
    waiting = [str(folder)]
    while waiting:
        with suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # removed meanwhile
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode):
                        waiting.append(entry.path)
                    if not stat.S_ISLNK(found.st_mode):
                        close_to_others(Path(entry.path), found)


def close_to_others(path: Path, found: os.stat_result) -> None:
    """Take away the rights of others on a file or folder, or log that they have them."""
    if not found.st_mode & _OTHERS:
        return
    try:
        os.chmod(path, stat.S_IMODE(found.st_mode) & ~_OTHERS)
        if not path.stat().st_mode & _OTHERS:  # (as chmod does, through a link)
            log.info("%s could be reached by other users of this machine; now it cannot", path)
            return
    except OSError as error:
        why = error.strerror or str(error)
    else:
        why = "its file system keeps no rights"
    log.warning("%s can be reached by other users of this machine, and that cannot be changed: %s", path, why)


def write_private(path: Path, text: str) -> None:
    """Write a small file as a whole, readable by this user alone. Raises OSError."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
