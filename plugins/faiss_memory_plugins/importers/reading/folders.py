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
    for place, folders, names in os.walk(folder):
        above = Path(place).relative_to(folder).as_posix()
        inner = "" if above == "." else f"{above}/"
        folders[:] = sorted(
            name for name in folders if name[:1] != "." or (hidden is not None and hidden(f"{inner}{name}"))
        )
        yield from (Path(place, name) for name in sorted(names) if wanted(f"{inner}{name}"))


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
