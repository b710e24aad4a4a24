"""What a build leaves out: secrets, what the settings skip, and what git ignores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from faiss_memory import InvalidGlob, InvalidRequest, PathGlob, Settings, open_file
from faiss_memory_plugins.ingest.settings import IngestSettings

LONGEST_FILE = 128 * 1024
"""Bytes of a .gitignore."""
MOST_PATTERNS = 5000
"""Of all .gitignore files that count in a folder: each of its files is held against them."""
MOST_STEPS = 200_000
"""Of the patterns that count in a folder, for each path: a pattern of many names is followed along all of a path's."""


class TooMany(Exception):
    """More in .gitignore files than can be heeded; the message is the reason why a folder is left out."""


class Pattern(NamedTuple):
    """A line of a .gitignore."""

    written: str
    glob: PathGlob
    keeps: bool
    """Whether it takes back what earlier lines leave out."""
    folders_only: bool


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns as in a .gitignore, for paths below the folder `base`; `name` says where they stand."""

    base: str
    name: str
    last_first: tuple[Pattern, ...]
    steps_a_name: int = field(init=False)
    """Of the patterns that are followed along a whole path, for each of its names."""

    def __post_init__(self) -> None:
        steps = (pattern.glob.steps for pattern in self.last_first)
        object.__setattr__(self, "steps_a_name", sum(count for count in steps if count > 1))

    @classmethod
    def of_setting(cls, lines: Sequence[str], name: str) -> Patterns:
        """Read a setting. Raises InvalidRequest when a pattern cannot be understood."""
        try:
            return cls("", name, _read(lines))
        except InvalidGlob as error:
            raise InvalidRequest(
                f"setting {name}: {error}; write patterns as in a .gitignore", name
            ) from None

    @classmethod
    def of_file(cls, path: str, base: str) -> Patterns | None:
        """Read a .gitignore, if there is one; like git, pass over lines that mean nothing. Raises TooMany."""
        try:
            # Like git, which does not follow one that is a link: what it leads to would be told, pattern by pattern.
            with open_file(Path(path)) as file:
                raw = file.read(LONGEST_FILE + 1)
        except (OSError, ValueError):
            return None
        name = os.path.basename(path)
        if len(raw) > LONGEST_FILE:
            raise TooMany(
                f"its {name} is larger than {LONGEST_FILE // 1024} kB; shorten it, or set "
                "plugins.ingest.git_ignored to true"
            )
        lines = raw.decode(errors="replace").removeprefix("\ufeff").split("\n")
        found = _read((line.removesuffix("\r") for line in lines), strictly=False)
        if len(found) > MOST_PATTERNS:
            raise TooMany(
                f"its {name} holds more than {MOST_PATTERNS:,} patterns; shorten it, or set "
                "plugins.ingest.git_ignored to true"
            )
        return cls(base, name, found)

    def verdict(self, names: Sequence[str], *, is_folder: bool) -> tuple[bool | None, str]:
        """Return whether a path below the base is left out, kept on purpose or not spoken of, and by which pattern.

        What becomes of the folders that it lies in does not count.
        """
        for pattern in self.last_first:
            if (is_folder or not pattern.folders_only) and pattern.glob.fits(names):
                return not pattern.keeps, pattern.written
        return None, ""

    def leave_out(self, names: Sequence[str]) -> bool:
        """Return whether a file, or a folder that it lies in, is left out."""
        return any(
            self.verdict(names[:depth], is_folder=depth < len(names))[0] for depth in range(1, len(names) + 1)
        )


def _read(lines: Iterator[str] | Sequence[str], *, strictly: bool = True) -> tuple[Pattern, ...]:
    found = []
    for line in lines:
        try:
            pattern = _pattern(line)
        except InvalidGlob as error:
            if strictly:
                raise InvalidGlob(f"`{line}`: {error}") from None
            continue
        found += [] if pattern is None else [pattern]
    return tuple(reversed(found))


@lru_cache(1024)  # most folders have the same few dozen lines
def _pattern(line: str) -> Pattern | None:
    """Read a line as gitignore(5) has it; None for one that says nothing. Raises InvalidGlob."""
    written = line.rstrip(" ")
    if len(written) < len(line) and _ends_in_escape(written):
        written += " "
    keeps = written.startswith("!")
    glob = written[keeps:]
    folders_only = glob.endswith("/")
    names = glob.removesuffix("/").split("/")
    if not glob.strip("/") or (glob.startswith("#") and not keeps):
        return None
    anchored = len(names) > 1
    names = names[names[0] == "" :]
    # `**` means any depth only between slashes; behind the last one, it means at least one name.
    names = [name if name == "**" and anchored else _single(name) for name in names]
    names += ["*"] if names[-1] == "**" else []
    return Pattern(
        written, PathGlob(names if anchored else ["**", *names], escapes=True), keeps, folders_only
    )


def _single(name: str) -> str:
    return "*" if name == "**" else name


def _ends_in_escape(written: str) -> bool:
    return (len(written) - len(written.rstrip("\\"))) % 2 == 1


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for one folder: those of the settings, and the .gitignore files in it and above, outermost first."""

    secrets: Patterns
    skip: Patterns
    git: tuple[Patterns, ...] | None = ()
    """None when what git ignores is read too."""

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """Read the rules of the settings. Raises InvalidRequest when a pattern cannot be understood."""
        ingest = settings.of(IngestSettings)
        return cls(
            Patterns.of_setting(ingest.secrets, "plugins.ingest.secrets"),
            Patterns.of_setting(ingest.skip, "plugins.ingest.skip"),
            None if ingest.git_ignored else (),
        )

    def around(self, folder: str) -> Rules:
        """Return the rules for a folder that is read from the top: also those of the repository that it lies in.

        Whoever names a folder that git ignores wants it read, so then the rules from outside do not count.
        Raises TooMany.
        """
        if self.git is None:
            return self
        outer = replace(self, git=())
        ignored = False
        for place, own in _of_repository(folder):
            ignored = ignored or outer._is_ignored(place)
            outer = replace(outer, git=(*(outer.git or ()), *own))
        return (self if ignored else outer).inside(folder)

    def _is_ignored(self, folder: str) -> bool:
        return bool(self._git_verdict(folder, is_folder=True)[0])

    def inside(self, folder: str) -> Rules:
        """Return the rules for a folder in this one. Raises TooMany."""
        if self.git is None:
            return self
        own = Patterns.of_file(os.path.join(folder, ".gitignore"), folder)
        git = self.git if own is None else (*self.git, own)
        _check_bounded(git, folder)
        return self if own is None else replace(self, git=git)

    def is_secret(self, below_root: Sequence[str]) -> bool:
        """Return whether a file's path, by its names, tells of a secret."""
        return self.secrets.leave_out(below_root)

    def reason_against(self, path: str, below: Sequence[str], *, is_folder: bool) -> str:
        """Return why a path is left out, given its names below the source's root; empty if it is not.

        The folders that it lies in are not left out.
        """
        for patterns, words in ((self.secrets, "it may hold a secret"), (self.skip, "left out")):
            include, pattern = patterns.verdict(below, is_folder=is_folder)
            if include:
                return f"{words}: `{pattern}` (setting {patterns.name})"
        ignored, pattern = self._git_verdict(path, is_folder=is_folder)
        return f"ignored by git: {pattern}" if ignored else ""

    def _git_verdict(self, path: str, *, is_folder: bool) -> tuple[bool | None, str]:
        for patterns in reversed(self.git or ()):
            include, pattern = patterns.verdict(_below(patterns.base, path), is_folder=is_folder)
            if include is not None:
                return include, f"`{pattern}` in {patterns.name}"
        return None, ""


def _check_bounded(git: Sequence[Patterns], folder: str) -> None:
    """Raise TooMany where holding each file of a folder against all patterns would take too long."""
    patterns = sum(len(one.last_first) for one in git)
    if patterns > MOST_PATTERNS:
        raise TooMany(
            f"the .gitignore files in it and above hold more than {MOST_PATTERNS:,} patterns; shorten them, or set "
            "plugins.ingest.git_ignored to true"
        )
    if sum(one.steps_a_name * (len(_below(one.base, folder)) + 1) for one in git) > MOST_STEPS:
        raise TooMany(
            "it lies so deep that the patterns of many names in the .gitignore files in it and above would take too "
            "long; shorten them, or set plugins.ingest.git_ignored to true"
        )


def _of_repository(folder: str) -> Iterator[tuple[str, Sequence[Patterns]]]:
    """Yield the folders that lead to one in its git repository, the top first, with the rules from outside it."""
    above = [folder]
    while not os.path.exists(os.path.join(above[-1], ".git")):
        parent = os.path.dirname(above[-1])
        if parent == above[-1]:
            return
        above.append(parent)
    for place in reversed(above):
        found = []
        if place == above[-1]:
            found.append(Patterns.of_file(os.path.join(place, ".git", "info", "exclude"), place))
        if place != folder:
            found.append(Patterns.of_file(os.path.join(place, ".gitignore"), place))
        yield place, [patterns for patterns in found if patterns is not None]


def _below(base: str, path: str) -> list[str]:
    return path[len(base.rstrip(os.sep)) + 1 :].split(os.sep)
