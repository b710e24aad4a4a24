"""Reading and writing whole files: in place at once, with their mode, and the folders that lead to them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from faiss_memory.errors import CannotMerge
from faiss_memory.install.formats import Content


def read_file(path: Path) -> Content:
    """Read a file. Raises CannotMerge for what is not one, or cannot be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CannotMerge("it is not a file")
        return Content(path.read_bytes())
    except FileNotFoundError:
        return Content(None)
    except OSError as error:
        raise CannotMerge(f"it cannot be read: {error.strerror}") from None


def check_writable(path: Path) -> None:
    """Raise CannotMerge for a file that is read-only, or a folder that nothing can be written into.

    The mode counts for the administrator too: a file that was made read-only is meant to stay as it is.
    """
    if path.exists():
        if not _is_writable(path):
            raise CannotMerge("it is read-only")
        if not _is_writable(path.parent):
            raise CannotMerge(f"its folder {path.parent} is read-only")
        return
    above = next(folder for folder in path.parents if folder.exists())
    if not (above.is_dir() and _is_writable(above)):
        raise CannotMerge(f"nothing can be written into {above}")


def _is_writable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o222) and os.access(path, os.W_OK)


def write_file(path: Path, raw: bytes, *, private: bool = False) -> None:
    """Put a file in place at once, synced: a reader sees the old one or the new one, whole. Its mode is kept.

    A kill may leave the half-written copy; it has a fixed name, and the next write replaces it.
    """
    fresh = fresh_name(path)
    fresh.unlink(missing_ok=True)
    before = path.stat() if path.exists() else None
    mode = 0o600 if private or before is not None else 0o666
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    with open(descriptor, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    if before is not None and not private:
        with suppress(OSError, AttributeError):  # only the administrator may, and Windows has no such owners
            os.chown(fresh, before.st_uid, before.st_gid)
        os.chmod(fresh, stat.S_IMODE(before.st_mode))
    os.replace(fresh, path)
    _sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there."""
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)


def fresh_name(path: Path) -> Path:
    """Name the copy that is written first."""
    return path.with_name(f".{path.name}.faiss-memory-new")


def missing_folders(path: Path) -> list[str]:
    """List the folders that have to be made for a file, the outermost first."""
    return [str(folder) for folder in reversed(path.parents) if not folder.exists()]


def make_folders(path: Path) -> None:
    """Make the folders that lead to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)


def remove_empty_folders(path: Path, made: Sequence[str]) -> None:
    """Remove the folders above a file, as far as they were made for it and are empty."""
    for folder in path.parents:
        if str(folder) not in made:
            return
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return  # somebody else's file is in it


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows syncs no folders
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
