"""Folders of text files: which are there, and what became of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from faiss_memory import LeftOut, Record, located
from faiss_memory_plugins.importers.reading.texts import text_in


def is_markdown(name: str) -> bool:
    """Return whether a file is Markdown by its name, and in no folder that is hidden."""
    *folders, last = name.split("/")
    return last.lower().endswith((".md", ".markdown")) and not any(part.startswith(".") for part in folders)


def files_in(
    folder: Path, wanted: Callable[[str], bool] = is_markdown, hidden: Callable[[str], bool] | None = None
) -> Iterator[Path]:
    """Yield the files of a folder, by their names, whose path in it, with `/`, is wanted.

    No link is followed. A folder whose name begins with a dot is entered only if its path is `hidden`.
    """
    waiting = [""]  # (os.walk would call itself for each folder inside another)
    while waiting:
        inner = waiting.pop()
        names, folders = _held(os.path.join(folder, inner))
        yield from (Path(folder, f"{inner}{name}") for name in names if wanted(f"{inner}{name}"))
        waiting += [
            f"{inner}{name}/"
            for name in reversed(folders)
            if name[:1] != "." or (hidden is not None and hidden(f"{inner}{name}"))
        ]


def _held(place: str) -> tuple[list[str], list[str]]:
    """Return the names of the files in a folder, and those of the folders without links; none if it is unreadable."""
    try:
        with os.scandir(place) as found:
            entries = sorted(found, key=lambda one: one.name)
    except OSError:
        return [], []
    folders = [one.name for one in entries if one.is_dir(follow_symlinks=False)]
    return [one.name for one in entries if not os.path.isdir(one.path)], folders


def read_each(
    files: Iterator[Path], folder: Path, records: Callable[[str, str, Path], Iterator[Record | LeftOut]]
) -> Iterator[Record | LeftOut]:
    """Yield what is made of each file, by its path in the folder and its text."""
    for file in files:
        name = file.relative_to(folder).as_posix()
        try:
            text = text_in(file, folder)
        except OSError as error:
            yield LeftOut(name, str(error.strerror or error))
            continue
        except ValueError as error:
            yield LeftOut(name, str(error))
            continue
        yield from records(name, text, file)


def written(file: Path) -> datetime | None:
    """Return when a file was last written."""
    try:
        return datetime.fromtimestamp(int(located(file).stat().st_mtime), UTC)
    except (OSError, ValueError, OverflowError):
        return None
