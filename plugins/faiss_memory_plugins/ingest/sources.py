"""What a source means: a file, a folder or a glob, inside the roots that may be read."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from faiss_memory import SHARED_FOLDER, InvalidRequest, NotAllowed, PathGlob

_MAGIC = re.compile(r"[*?[]")


@dataclass(frozen=True, slots=True)
class Roots:
    """The folders that may be read, each with links resolved."""

    folders: tuple[str, ...]

    @classmethod
    def of(cls, given: Sequence[str]) -> Roots:
        """Resolve the folders of the setting `plugins.ingest.roots`."""
        return cls(tuple(os.path.realpath(os.path.expanduser(folder)) for folder in given))

    def hold(self, path: str) -> bool:
        """Return whether a path, once its links and `..` are resolved, lies inside."""
        return self.around(os.path.realpath(path)) is not None

    def around(self, real: str) -> str | None:
        """Return the root that a resolved path lies in."""
        return next((root for root in self.folders if is_below(real, root)), None)


@dataclass(frozen=True)
class Source:
    """A place to read: everything below `root`, or what of it `pattern` takes. `root` is resolved."""

    given: str
    root: str
    pattern: tuple[str, ...] = ()
    """The components of the glob, which `*` does not leave and `**` does; a folder that it takes is taken whole."""

    def leads(self, below: Sequence[str]) -> bool:
        """Return whether something inside this folder, by its components below the root, may be taken."""
        return self._glob.leads_on(below)

    def takes(self, below: Sequence[str]) -> bool:
        """Return whether this file, by its components below the root, is taken."""
        return self._glob.takes(below)

    @cached_property
    def _glob(self) -> PathGlob:
        return PathGlob(self.pattern)

    def covers(self, file: str) -> bool:
        """Return whether a file, there or gone, is one of this source's."""
        if file == self.root:
            return not self.pattern
        return is_below(file, self.root) and self.takes(components(file, self.root))

    def overlaps(self, other: Source) -> bool:
        """Return whether two sources may take the same file."""
        return is_below(self.root, other.root) or is_below(other.root, self.root)

    def names(self, file: str) -> bool:
        """Return whether a file is asked for by more than the folder it lies in: by its name, or by its suffix."""
        if not self.pattern:
            return file == self.root
        wanted = os.path.splitext(self.pattern[-1])[1]
        return bool(wanted) and not _MAGIC.search(wanted) and file.endswith(wanted)


def parse(given: str, roots: Roots, field: str) -> Source:
    """Read a source. Raises InvalidRequest when it cannot mean anything, NotAllowed outside the roots."""
    path = os.path.expanduser(given)
    check_form(given, path, field)
    literal, pattern = (path, ()) if os.path.lexists(path) else _split(path)
    if ".." in pattern:
        raise InvalidRequest(f"`{field}`: `..` after a glob is not understood in {given}", field)
    real = os.path.realpath(literal)
    if os.path.basename(literal) == SHARED_FOLDER and os.path.islink(literal):
        raise InvalidRequest(
            f"`{field}`: {given} is a link, to {real}; what is shared lies in the repository", field
        )
    if roots.around(real) is None:
        allowed = ", ".join(roots.folders)
        raise NotAllowed(
            f"`{field}`: {given} leads outside the folders that may be read: {allowed} (setting plugins.ingest.roots)",
            field,
        )
    if not os.path.exists(real):
        raise InvalidRequest(f"`{field}`: {_missing(given, real, roots)}", field)
    if pattern and not os.path.isdir(real):
        raise InvalidRequest(f"`{field}`: {real} is not a folder, so {given} matches nothing", field)
    return Source(given, real, pattern)


def check_form(given: str, path: str, field: str) -> None:
    """Check that a path can be one, and is absolute once `~` is resolved. Raises InvalidRequest."""
    try:
        os.fsencode(given)
        given.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"`{field}` is not a name that a file can have", field) from None
    if "\0" in given:
        raise InvalidRequest(f"`{field}` holds a null character, which no file name can", field)
    if not os.path.isabs(path):
        raise InvalidRequest(
            f"`{field}`: give {given} as an absolute path, or beginning with ~; the service cannot know "
            "which folder it is relative to",
            field,
        )


def _split(path: str) -> tuple[str, tuple[str, ...]]:
    """Cut a glob into the folder that it begins with and its components below."""
    parts = Path(path).parts
    first = next((place for place, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
    return os.path.join(*parts[:first]), tuple(parts[first:])


def _missing(given: str, real: str, roots: Roots) -> str:
    root = roots.around(real) or ""
    if not os.path.isdir(root):
        return (
            f"the folder {root} is not there, so {given} cannot be read. Is it mounted? "
            "(setting plugins.ingest.roots)"
        )
    there, missing = real, ""
    while not os.path.exists(there):
        there, missing = os.path.split(there)
    try:
        near = difflib.get_close_matches(missing, os.listdir(there), n=1)
    except OSError:
        near = []
    hint = f"; did you mean {os.path.join(there, near[0])}" if near else ""
    return f"there is no {missing} in {there}, so {given} matches no file{hint}. Nothing was changed."


def is_below(path: str, folder: str) -> bool:
    """Return whether a path is a folder, or lies in it; both resolved."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def components(path: str, folder: str) -> tuple[str, ...]:
    """Return a path's components below a folder that it lies in."""
    return tuple(part for part in path[len(folder) :].split(os.sep) if part)
