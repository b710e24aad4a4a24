"""Others' files as install needs them: whole, or a reason that can be told; and the folders that lead to them."""

from __future__ import annotations

import os
from pathlib import Path

from faiss_memory import safe_files
from faiss_memory.errors import CannotMerge
from faiss_memory.install.formats import Content


def read_content(path: Path) -> Content:
    """Return what a located file holds. Raise CannotMerge for what is not one, or cannot be read."""
    try:
        return Content(safe_files.read_file(path))
    except FileNotFoundError:
        return Content(None)
    except safe_files.NotAFile as error:
        raise CannotMerge(str(error.strerror)) from None
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


def missing_folders(path: Path) -> list[str]:
    """Return the folders that have to be made for a file, the outermost first."""
    return [str(folder) for folder in reversed(path.parents) if not folder.exists()]


def _is_writable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o222) and os.access(path, os.W_OK)
