"""What a person has told assistants: CLAUDE.md, AGENTS.md, GEMINI.md, rules of Cursor, Copilot, Windsurf and Cline."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from faiss_memory import Importer, LeftOut, Record, find_repository, located, project_of
from faiss_memory_plugins.importers.reading.folders import files_in, is_markdown, read_each
from faiss_memory_plugins.importers.reading.front import apart
from faiss_memory_plugins.importers.reading.sections import sections_of

_NAME = "rules"
_FILES = re.compile(
    r"(?:.*/)?(?:CLAUDE(?:\.local)?\.md|AGENTS?(?:\.override)?\.md|GEMINI\.md|QWEN\.md|CONVENTIONS\.md"
    r"|\.cursorrules|\.windsurfrules|\.clinerules|\.goosehints|\.rules"
    r"|\.cursor/rules/.+\.(?:mdc|md)|\.windsurf/rules/.+\.md|\.clinerules/.+\.(?:md|txt)|\.roo/rules[^/]*/.+"
    r"|\.continue/rules/.+\.md|\.claude/rules/.+\.md|\.claude/CLAUDE\.md|\.junie/guidelines\.md"
    r"|\.github/copilot-instructions\.md|\.github/instructions/.+\.instructions\.md|\.gemini/GEMINI\.md)"
)
_FOLDERS = re.compile(
    r"(?:.*/)?\.(?:cursor|windsurf|clinerules|roo|continue|claude|junie|github|gemini)(?:/.*)?"
)


class Rules(Importer):
    """Each section becomes a memory, with the headings that it is under."""

    name = _NAME
    title = "rules for assistants (CLAUDE.md, AGENTS.md, Cursor's and others')"
    places = ("~/.claude/CLAUDE.md", "~/.codex/AGENTS.md", "~/.gemini/GEMINI.md")

    def fits(self, path: Path) -> bool:
        """Return whether it is such a file, or a folder that holds some and no other Markdown."""
        if path.is_file():
            return is_rule(_with_folders(path))
        found = [
            file.relative_to(path).as_posix()
            for file in files_in(path, lambda name: is_rule(name) or is_markdown(name), in_rule_folder)
        ]
        return bool(found) and all(map(is_rule, found))

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the files, by their names."""
        if path.is_file():
            yield from read_each(iter([path]), path.parent, rules_of)
        else:
            yield from read_each(files_in(path, is_rule, in_rule_folder), path, rules_of)


def is_rule(name: str) -> bool:
    """Return whether a file is one of rules, by its path in a folder."""
    return _FILES.fullmatch(name) is not None


def in_rule_folder(name: str) -> bool:
    """Return whether files of rules may lie in a folder whose name begins with a dot."""
    return _FOLDERS.fullmatch(name) is not None


def rules_of(given: str, whole: str, file: Path) -> Iterator[Record | LeftOut]:
    """Yield a memory for each section of a file, of the project that the file lies in."""
    project, name = _place(file, given)
    front, text = apart(whole)
    empty = True
    for section, said in sections_of(text):
        empty = False
        yield Record(
            key=json.dumps([project, name, section, said]),
            text=said,
            project=project,
            source=f"{name}#{section}" if section else name,
            tags=("rules",),
            metadata={key: value for key, value in front.items() if value not in (None, "")},
            kind=_NAME,
        )
    if empty:
        yield LeftOut(name, "it says nothing of its own")


def _place(file: Path, given: str) -> tuple[str | None, str]:
    """Return the project of a file, and its path in the repository; else none, and the path that was given."""
    repository = find_repository(file.parent)
    project = project_of(file.parent)
    if repository is None or project == "default":
        return None, given
    return project, located(file.parent).joinpath(file.name).relative_to(repository.top).as_posix()


def _with_folders(path: Path) -> str:
    return "/".join(path.absolute().parts[-4:])
