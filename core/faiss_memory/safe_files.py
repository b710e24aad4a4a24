"""Files at places that others chose: a cloned repository, another program, a setting.

A place is found once, links followed, and has to lie below a folder where one is given. From then on no link is
followed: each folder on the way is opened by its own descriptor, so that nobody can put a link there in between. What
is opened is a regular file, and nothing is waited for: a pipe, a socket or a device is refused. Where the system has no
such descriptors (Windows), the way is looked at once more instead.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

_BY_DESCRIPTOR = os.name == "posix"
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_PATH", 0)
_FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_NO_FILE, _ODD = "it is not a file but a {}", "link, a pipe, a socket or a device"

MOST_BYTES = 16 * 1024 * 1024
"""Files of settings are far smaller; what is larger is none."""


class NotAFile(OSError):
    """A place holds something else than a regular file, or leads out of its folder; `strerror` says what."""

    def __init__(self, reason: str, path: str | Path) -> None:
        super().__init__(errno.EINVAL, reason, str(path))


def located(path: str | Path, within: str | Path | None = None) -> Path:
    """Return where a path leads, links followed. Raise NotAFile if that is not below the folder `within`."""
    found = os.path.realpath(path)
    if within is not None and not is_below(found, os.path.realpath(within)):
        raise NotAFile(f"it leads out of {within}, to {found}", path)
    return Path(found)


def is_below(path: str, folder: str) -> bool:
    """Return whether a path lies in a folder; both are located."""
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def open_file(place: Path) -> BinaryIO:
    """Open a located file to be read. Raise NotAFile for anything else, OSError as `open` does."""
    with _in_its_folder(place) as (name, folder):
        _check_regular(os.stat(name, dir_fd=folder, follow_symlinks=False), place)
        descriptor = os.open(name, os.O_RDONLY | _FILE, dir_fd=folder)
    try:
        _check_regular(os.fstat(descriptor), place)
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_file(place: Path, most: int = MOST_BYTES) -> bytes:
    """Return what a located file holds. Raise NotAFile for anything else and for more than `most` bytes, or OSError."""
    with open_file(place) as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise NotAFile(f"it is larger than {most:,} bytes", place)
    return raw


def open_own(path: Path) -> BufferedReader:
    """Open a file in a folder of ours to be read, wherever that folder lies. Raise as `open_file` does.

    Nobody else writes there; but a folder may have come from elsewhere, with anything in it.
    """
    return os.fdopen(descriptor_of_own(path, os.O_RDONLY), "rb")


def read_own(path: Path) -> bytes:
    """Return what a file in a folder of ours holds. Raise as `open_file` does."""
    with open_own(path) as file:
        return file.read()


def descriptor_of_own(path: Path, flags: int) -> int:
    """Open a file in a folder of ours; one that is made is its owner's alone. Raise as `open_file` does."""
    try:
        descriptor = os.open(path, flags | _FILE, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, and a socket or a pipe that nobody reads
            raise NotAFile(_NO_FILE.format(_ODD), path) from None
        raise
    try:
        _check_regular(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_to_append(place: Path) -> int:
    """Return the descriptor of a located file that is written at its end; one that is made is its owner's alone.

    A device such as /dev/null may be meant too. Raise NotAFile for anything else, OSError as `open` does.
    """
    with _in_its_folder(place) as (name, folder):
        with suppress(FileNotFoundError):
            _check_takes_lines(os.stat(name, dir_fd=folder, follow_symlinks=False), place)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _FILE
        descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        _check_takes_lines(os.fstat(descriptor), place)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_takes_lines(found: os.stat_result, place: Path) -> None:
    if not stat.S_ISCHR(found.st_mode):
        _check_regular(found, place)


def is_file(path: Path, within: Path | None = None) -> bool:
    """Return whether a path leads to a regular file, below the folder `within` if that is given."""
    try:
        return stat.S_ISREG(os.stat(located(path, within), follow_symlinks=False).st_mode)
    except (OSError, ValueError):
        return False


def write_file(place: Path, raw: bytes, *, private: bool = False) -> None:
    """Put a located file in place at once, synced: a reader sees the old one or the new one, whole. Its mode is kept.

    Folders that are missing are made. A kill may leave the half-written copy; it has a fixed name, and the next write
    replaces it. Raise NotAFile for what is there and is no regular file, OSError as `open` does.
    """
    with _in_its_folder(place, make=True) as (name, folder):
        before = _there(name, folder, place)
        fresh = str(fresh_name(Path(name)))
        with suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=folder)
        mode = 0o600 if private or before is not None else 0o666
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE
        with open(os.open(fresh, flags, mode, dir_fd=folder), "wb") as file:
            file.write(raw)
            file.flush()
            if before is not None and not private:
                _give_rights(file.fileno(), fresh, before)
            os.fsync(file.fileno())
        os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        _sync(folder)


def remove_file(place: Path) -> None:
    """Remove a located file, if it is there."""
    with suppress(FileNotFoundError), _in_its_folder(place) as (name, folder):
        os.unlink(name, dir_fd=folder)
        _sync(folder)


def remove_empty_folders(place: Path, made: Sequence[str]) -> None:
    """Remove the folders above a located file, as far as they were made for it and are empty."""
    for above in place.parents:
        if str(above) not in made:
            return
        try:
            with _in_its_folder(above) as (name, folder):
                os.rmdir(name, dir_fd=folder)
        except FileNotFoundError:
            continue
        except OSError:
            return  # somebody else's file is in it


@contextmanager
def entries_of(place: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Open a located folder to be listed; the entries can be asked for their kind while it is open."""
    if not _BY_DESCRIPTOR:
        _check_way(place)
        with os.scandir(place) as found:
            yield found
        return
    with _in_its_folder(place / "entry") as (_, above):
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(".", flags, dir_fd=above)
    try:
        with os.scandir(descriptor) as found:
            yield found
    finally:
        os.close(descriptor)


def fresh_name(path: Path) -> Path:
    """Return the name of the copy that is written first."""
    return path.with_name(f".{path.name}.faiss-memory-new")


@contextmanager
def _in_its_folder(place: Path, *, make: bool = False) -> Iterator[tuple[str, int | None]]:
    """Return a file's name and its folder's descriptor; on Windows its path and None."""
    if not _BY_DESCRIPTOR:
        _check_way(place.parent)
        if make:
            place.parent.mkdir(parents=True, exist_ok=True)
        yield str(place), None
        return
    folder = os.open(place.anchor, _FOLDER)
    try:
        for part in place.parent.parts[1:]:
            inner = _entered(part, folder, make, place)
            os.close(folder)
            folder = inner
        yield place.name, folder
    finally:
        os.close(folder)


def _entered(part: str, folder: int, make: bool, place: Path) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode):
            raise NotAFile(f"{part}, on the way to it, is a link", place) from None
        raise
    with suppress(FileExistsError):
        os.mkdir(part, dir_fd=folder)
    return os.open(part, _FOLDER, dir_fd=folder)


def _check_way(folder: Path) -> None:
    if os.path.normcase(os.path.realpath(folder)) != os.path.normcase(folder):
        raise NotAFile("a folder on the way to it has become a link", folder)


def _there(name: str, folder: int | None, place: Path) -> os.stat_result | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    _check_regular(found, place)
    return found


def _check_regular(found: os.stat_result, place: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotAFile(_NO_FILE.format("folder" if stat.S_ISDIR(found.st_mode) else _ODD), place)


def _give_rights(descriptor: int, path: str, before: os.stat_result) -> None:
    if not _BY_DESCRIPTOR:
        os.chmod(path, stat.S_IMODE(before.st_mode))
        return
    with suppress(OSError):  # only the administrator may
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _sync(folder: int | None) -> None:
    if folder is None:
        return  # Windows syncs no folders
    descriptor = os.open(".", os.O_RDONLY, dir_fd=folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
