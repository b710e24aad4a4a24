"""What a build leaves out: secrets, what the settings skip, and what git ignores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pathspec import GitIgnoreSpec

from faiss_memory import InvalidRequest, Settings, open_file

_LONGEST = 1024 * 1024
"""Bytes of a .gitignore that are read."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns as in a .gitignore, for paths below the folder `base`; `name` says where they stand."""

    base: str
    name: str
    spec: GitIgnoreSpec

    @classmethod
    def of_setting(cls, lines: Sequence[str], name: str) -> Patterns:
        """Read a setting. Raises InvalidRequest when a pattern cannot be understood."""
        try:
            return cls("", name, GitIgnoreSpec.from_lines(lines))
        except ValueError as error:
            raise InvalidRequest(
                f"setting {name}: {error}; write patterns as in a .gitignore", name
            ) from None

    @classmethod
    def of_file(cls, path: str, base: str) -> Patterns | None:
        """Read a .gitignore, if there is one; like git, pass over lines that mean nothing."""
        try:
            # Like git, which does not follow one that is a link: what it leads to would be told, pattern by pattern.
            with open_file(Path(path)) as file:
                lines = file.read(_LONGEST).decode(errors="replace").splitlines()
        except (OSError, ValueError):
            return None
        return cls(base, os.path.basename(path), GitIgnoreSpec.from_lines(filter(_is_sound, lines)))

    def verdict(self, below: str) -> tuple[bool | None, str]:
        """Say whether a path below the base is left out, kept on purpose, or not spoken of, and by which pattern.

        A folder's path ends with a slash.
        """
        found = self.spec.check_file(below)
        pattern = "" if found.index is None else str(list(self.spec.patterns)[found.index].pattern)
        return found.include, pattern


def _is_sound(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for one folder: those of the settings, and the .gitignore files in it and above, outermost first."""

    secrets: Patterns
    skip: Patterns
    git: tuple[Patterns, ...] | None = ()
    """None when what git ignores is read too."""

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """Give the rules of the settings. Raises InvalidRequest when a pattern cannot be understood."""
        ingest = settings.ingest
        return cls(
            Patterns.of_setting(ingest.secrets, "ingest.secrets"),
            Patterns.of_setting(ingest.skip, "ingest.skip"),
            None if ingest.git_ignored else (),
        )

    def around(self, folder: str) -> Rules:
        """Give the rules for a folder that is read from the top: also those of the repository that it lies in.

        Whoever names a folder that git ignores wants it read, so then the rules from outside do not count.
        """
        if self.git is None:
            return self
        outer = replace(self, git=tuple(_of_repository(folder)))
        ignored = any(
            patterns.verdict(_below(patterns.base, folder) + "/")[0] for patterns in outer.git or ()
        )
        return (self if ignored else outer).inside(folder)

    def inside(self, folder: str) -> Rules:
        """Give the rules for a folder in this one."""
        if self.git is None:
            return self
        own = Patterns.of_file(os.path.join(folder, ".gitignore"), folder)
        return self if own is None else replace(self, git=(*self.git, own))

    def is_secret(self, below_root: Sequence[str]) -> bool:
        """Say whether a file's path, by its components, tells of a secret."""
        return self.secrets.spec.match_file("/".join(below_root))

    def reason_against(self, path: str, below: Sequence[str], *, is_folder: bool) -> str:
        """Say why a path is left out, given its components below the source's root; empty if it is not."""
        slash = "/" if is_folder else ""
        written = "/".join(below) + slash
        for patterns, words in ((self.secrets, "it may hold a secret"), (self.skip, "left out")):
            include, pattern = patterns.verdict(written)
            if include:
                return f"{words}: `{pattern}` (setting {patterns.name})"
        for patterns in reversed(self.git or ()):
            include, pattern = patterns.verdict(_below(patterns.base, path) + slash)
            if include is not None:
                return f"ignored by git: `{pattern}` in {patterns.name}" if include else ""
        return ""


def _of_repository(folder: str) -> Iterator[Patterns]:
    """Read the rules above a folder in its git repository, if it lies in one; those of the folder itself not."""
    above = [folder]
    while not os.path.exists(os.path.join(above[-1], ".git")):
        parent = os.path.dirname(above[-1])
        if parent == above[-1]:
            return
        above.append(parent)
    top = above[-1]
    if (own := Patterns.of_file(os.path.join(top, ".git", "info", "exclude"), top)) is not None:
        yield own
    for place in reversed(above[1:]):
        if (found := Patterns.of_file(os.path.join(place, ".gitignore"), place)) is not None:
            yield found


def _below(base: str, path: str) -> str:
    return path[len(base.rstrip(os.sep)) + 1 :]
