"""One way to ask every kind of file: is a part of ours there, put it in, take it out, show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, Protocol, TypeVar

from faiss_memory.contracts.config_files import (
    JsonDefault,
    JsonItems,
    JsonMember,
    MarkdownBlock,
    OwnFile,
    Snippet,
    TomlTable,
    Written,
    YamlDefault,
    YamlItem,
    YamlMember,
)
from faiss_memory.errors import CannotMerge
from faiss_memory.install import json_text, marked_text, toml_text, yaml_text
from faiss_memory.install.data import ABSENT, Keyed, Presence, member, with_part
from faiss_memory.install.marked_text import IgnoredPaths
from faiss_memory.install.words import is_older_form, says_the_same

P = ParamSpec("P")
Answer = TypeVar("Answer")

Part = Written | IgnoredPaths
"""What is written into a file for an assistant."""


class _Syntax(Protocol):
    """What the module of each syntax has; each takes the kinds of parts that are written in it."""

    def state(self, text: str, part: Any, /) -> Presence: ...
    def put(self, text: str, part: Any, /) -> str: ...
    def take_out(self, text: str, part: Any, original: str, /) -> str: ...
    def is_blank(self, text: str, /) -> bool: ...
    def snippet(self, part: Any, /) -> str: ...


_SYNTAX: dict[type[Any], _Syntax] = {
    MarkdownBlock: marked_text,
    IgnoredPaths: marked_text,
    JsonMember: json_text,
    JsonItems: json_text,
    JsonDefault: json_text,
    TomlTable: toml_text,
    YamlItem: yaml_text,
    YamlMember: yaml_text,
    YamlDefault: yaml_text,
}

KINDS: dict[type[Any], str] = {
    OwnFile: "own file",
    MarkdownBlock: "marked block",
    JsonMember: "JSON member",
    JsonItems: "JSON items",
    JsonDefault: "JSON default",
    TomlTable: "TOML table",
    YamlItem: "YAML item",
    YamlMember: "YAML member",
    YamlDefault: "YAML default",
    IgnoredPaths: "ignored paths",
}
"""Each kind of part in words."""

_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: bytes, or None where there is no file."""

    raw: bytes | None

    def text(self) -> tuple[str, str]:
        """Return the byte order mark, if there is one, and the text. Raises CannotMerge."""
        try:
            text = (self.raw or b"").decode("utf-8")
        except UnicodeDecodeError:
            raise CannotMerge("it is not UTF-8") from None
        return (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)


def state(content: Content, part: Part) -> Presence:
    """Return whether a part is in a file. Raises CannotMerge for a file that cannot be read as what it should be."""
    if isinstance(part, OwnFile):
        if content.raw is None:
            return "absent"
        if part.refreshed or content.raw == part.text.encode():
            return "same"
        try:
            return "same" if says_the_same(part, content.text()[1]) else "other"
        except CannotMerge:
            return "other"
    if content.raw is None:
        return "absent"
    return _asked(_SYNTAX[type(part)].state, content.text()[1], part)


def put(content: Content, part: Part) -> Content:
    """Add a part to a file, or put it in place of another form of it. Raises CannotMerge."""
    if isinstance(part, OwnFile):
        return content if state(content, part) == "same" else Content(part.text.encode())
    mark, text = content.text()
    return Content((mark + _asked(_SYNTAX[type(part)].put, text, part)).encode())


def take_out(content: Content, part: Part, original: Content) -> Content:
    """Remove a part. What the original holds stays, and the file goes if nothing is left and there was none.

    Raises CannotMerge.
    """
    if content.raw is None:
        return content
    if isinstance(part, OwnFile):
        return original
    mark, text = content.text()
    written = _asked(_SYNTAX[type(part)].take_out, text, part, original.text()[1])
    if written == text:
        return content
    if original.raw is None and _SYNTAX[type(part)].is_blank(written):
        return Content(None)
    return Content((mark + written).encode())


def give_back(content: Content, part: Part, original: Content) -> Content:
    """Remove a part as declared, and let what the original has in its place be there again. Raises CannotMerge."""
    if isinstance(part, OwnFile) or original.raw is None:
        return take_out(content, part, original)
    if isinstance(part, MarkdownBlock):
        mark, text = content.text()
        again = marked_text.given_back(text, original.text()[1])
        return take_out(content, part, original) if again is None else Content((mark + again).encode())
    if not shares_place(part):
        before = _standing(original.text()[1], part)
        return take_out(content, part, original) if before is None else put(content, before)
    if state(original, part) != "same":
        content = take_out(content, part, original)
    if isinstance(part, JsonItems | YamlItem):
        for item in marked_items(original, part):
            content = put(content, item)
    return content


def marked_items(content: Content, part: Part) -> list[Part]:
    """List what bears our mark in the list that a part is for, as parts: those there, and older forms of them."""
    if content.raw is None or not isinstance(part, JsonItems | YamlItem | IgnoredPaths):
        return []
    if isinstance(part, IgnoredPaths):
        return [replace(part, patterns=(line,)) for line in marked_text.patterns(content.text()[1])]
    text = content.text()[1]
    if isinstance(part, JsonItems):
        return [replace(part, items=(item,)) for item in _asked(json_text.marked, text, part)]
    return [replace(part, item=item) for item in _asked(yaml_text.marked, text, part)]


def snippet(part: Part | Snippet) -> str:
    """Write a part in its file's own syntax, to be pasted."""
    return part.text if isinstance(part, OwnFile | Snippet) else _SYNTAX[type(part)].snippet(part)


def to_paste(content: Content, parts: Sequence[Part]) -> str:
    """Write parts so that, pasted, they give a valid file: where a place they share is there, with what it holds."""
    try:
        keyed = [part for part in parts if not isinstance(part, OwnFile | MarkdownBlock | IgnoredPaths)]
        if content.raw is None or len(keyed) != len(parts):
            return whole_file(parts)
        data = _data(content.text()[1], keyed[0])
        for part in keyed:
            data = with_part(data, part)
    except CannotMerge:
        return whole_file(parts)
    tops = {part.keys[0]: data[part.keys[0]] for part in keyed}
    if isinstance(keyed[0], TomlTable):
        return toml_text.written(tops)
    is_json = isinstance(keyed[0], JsonMember | JsonItems | JsonDefault)
    return json_text.written(tops) if is_json else yaml_text.written(tops)


def whole_file(parts: Sequence[Part]) -> str:
    """Write a file that holds these parts and nothing else."""
    content = Content(None)
    for part in parts:
        content = put(content, part)
    return (content.raw or b"").decode()


def _standing(text: str, part: Part) -> Part | None:
    """Return what stands in a part's place, whatever it is, as a part; None where nothing does."""
    if not isinstance(part, JsonMember | JsonDefault | TomlTable | YamlMember | YamlDefault):
        return None
    found = member(_data(text, part), part.keys)
    return None if found is ABSENT else replace(part, value=found)


def _data(text: str, part: Keyed) -> Any:
    """Read a text as what a part's file is. Raises CannotMerge."""
    if isinstance(part, JsonMember | JsonItems | JsonDefault):
        return json_text.read(text, comments=part.comments)
    return toml_text.read(text) if isinstance(part, TomlTable) else yaml_text.read(text)


def _asked(call: Callable[P, Answer], *given: P.args, **named: P.kwargs) -> Answer:
    """Call a function of a syntax. Raises CannotMerge, also for a text that is nested too deeply."""
    try:
        return call(*given, **named)
    except RecursionError:
        raise CannotMerge("it is nested too deeply") from None


def is_ours(content: Content, part: OwnFile) -> bool:
    """Return whether a file that is wholly ours may be taken for one, where no record is left of it."""
    return is_older_form(part, (content.raw or b"").decode("utf-8", "replace"))


def place(part: Part) -> tuple[str, ...]:
    """Name what a part takes up in its file: of two parts in the same place, the later one is there."""
    if isinstance(part, OwnFile | MarkdownBlock | IgnoredPaths):
        return (type(part).__name__,)
    return (type(part).__name__, *part.keys)


def shares_place(part: Part) -> bool:
    """Return whether several assistants' parts can stand in the same place, beside each other."""
    return isinstance(part, JsonItems | YamlItem | IgnoredPaths)


def singly(part: Part) -> list[Part]:
    """Take a part apart, item by item: some of them may be there without the others."""
    if isinstance(part, JsonItems):
        return [replace(part, items=(item,)) for item in part.items]
    if isinstance(part, IgnoredPaths):
        return [replace(part, patterns=(pattern,)) for pattern in part.patterns]
    return [part]


def is_within(part: Part, others: Sequence[Part]) -> bool:
    """Return whether others bring the same into the same place."""
    if isinstance(part, IgnoredPaths):
        there = {line for other in others if isinstance(other, IgnoredPaths) for line in other.patterns}
        return set(part.patterns) <= there
    if isinstance(part, JsonItems):
        lists = [other.items for other in others if isinstance(other, JsonItems) and other.keys == part.keys]
        return all(any(item in items for items in lists) for item in part.items)
    return part in others
