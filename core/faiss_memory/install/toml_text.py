"""Editing TOML by splicing: tree-sitter says where things stand, all other bytes stay.

A table's header is absolute, so ours can stand at the end of any file. Where a client or a formatter has written it
otherwise (with dotted keys, or within braces) it is found there too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import tomli_w
import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from faiss_memory.contracts.config_files import TomlTable
from faiss_memory.errors import CannotMerge
from faiss_memory.install.data import (
    ABSENT,
    Presence,
    alike,
    canonical,
    check,
    has,
    member,
    presence,
    with_member,
    with_part,
    without_member,
)

_PARSER = Parser(Language(tree_sitter_toml.language()))
_TABLES = ("table", "table_array_element")
_KEYS = ("bare_key", "quoted_key", "dotted_key")


class Written(NamedTuple):
    """A table, or a key with its value, as it stands in a file."""

    keys: tuple[str, ...]
    node: Node

    @property
    def value(self) -> Node:
        """The value of a key."""
        return next(node for node in reversed(self.node.children) if node.is_named and node.type != "comment")


def state(text: str, part: TomlTable) -> Presence:
    """Return whether a table is there; one with comments inside counts as another than ours."""
    found = presence(read(text), part)
    if found != "same":
        return found
    raw = text.encode()
    root = _root(text)
    spans = [_span(raw, one) for one in _standing(root, part.keys)]
    comments = any(start <= at < end for at in _comments(root) for start, end in spans)
    return "other" if comments else "same"


def put(text: str, part: TomlTable) -> str:
    """Add a table with its sub-tables, or put it in place of the one there. Raises CannotMerge."""
    data = read(text)
    wanted = with_part(data, part)
    there = member(data, part.keys)
    if there is not ABSENT and alike(there, part.value):
        return text
    if there is ABSENT:
        edited = _added(text, part)
    else:
        raw, found = text.encode(), _standing(_root(text), part.keys)
        if not found:
            raise CannotMerge(f"`{'.'.join(part.keys)}` is not written as a table of its own")
        if all(one.node.type in _TABLES for one in found):
            edited = _replaced(raw, found, snippet(part).replace("\n", _newline(text)).encode())
        else:
            edited = _added(_without(raw, found), part)
    _check(edited, wanted)
    return edited


def take_out(text: str, part: TomlTable, original: str) -> str:
    """Remove a table with its sub-tables, the blank line before it, and what would be empty around it.

    What the original has stays. Raises CannotMerge.
    """
    data = read(text)
    if member(data, part.keys) is ABSENT:
        return text
    first = read(original)
    left = _without(text.encode(), _standing(_root(text), part.keys))
    # A header makes the tables above it, and they go with it, unless they are written out and were there before.
    wanted, above = without_member(data, part.keys), part.keys[:-1]
    while above and member(wanted, above) == {}:
        if not has(first, above):
            left = _without_empty(left, above)
        if member(read(left), above) is not ABSENT:
            break
        wanted, above = without_member(wanted, above), above[:-1]
    _check(left, wanted)
    return left


def is_blank(text: str) -> bool:
    """Return whether a file holds nothing any more."""
    return not text.strip()


def snippet(part: TomlTable) -> str:
    """Write a table as a file of its own."""
    return written(with_member({}, part.keys, part.value))


def written(data: dict[str, Any]) -> str:
    """Write data as a file of its own."""
    return tomli_w.dumps(data)


def read(text: str) -> dict[str, Any]:
    """Read a text as data. Raises CannotMerge."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CannotMerge(f"it is not valid TOML: {error}") from None


# Where things stand.


@lru_cache(maxsize=4)
def _root(text: str) -> Node:
    return _PARSER.parse(text.encode()).root_node


def _standing(root: Node, keys: Sequence[str]) -> list[Written]:
    """Find all that makes up a place: tables, keys, and what stands within braces."""
    found = []
    for one in _lines(root):
        if one.keys[: len(keys)] == tuple(keys):
            found.append(one)
        elif one.node.type == "pair" and one.keys == tuple(keys[: len(one.keys)]):
            found += _within(one, keys)
    outermost, end = list[Written](), -1
    for one in sorted(found, key=lambda one: (one.node.start_byte, -one.node.end_byte)):
        if one.node.end_byte > end:  # else it stands within the one before
            outermost.append(one)
            end = one.node.end_byte
    return outermost


def _lines(root: Node) -> Iterator[Written]:
    """Yield the tables and the keys in them, by their whole path."""
    for node in root.children:
        if node.type == "pair":
            yield Written(_keys(node), node)
        elif node.type in _TABLES:
            table = Written(_keys(node), node)
            yield table
            for inner in node.children:
                if inner.type == "pair":
                    yield Written((*table.keys, *_keys(inner)), inner)


def _within(one: Written, keys: Sequence[str]) -> list[Written]:
    """Look a place up in a value that stands within braces."""
    if one.value.type != "inline_table":
        return []
    inner = [Written((*one.keys, *_keys(node)), node) for node in one.value.children if node.type == "pair"]
    found = [other for other in inner if other.keys[: len(keys)] == tuple(keys)]
    for other in inner:
        if len(other.keys) < len(keys) and other.keys == tuple(keys[: len(other.keys)]):
            found += _within(other, keys)
    return found


def _keys(node: Node) -> tuple[str, ...]:
    """Read the key of a table's header, or of a pair."""
    named = next(child for child in node.children if child.type in _KEYS)
    found: list[str] = []
    data: Any = tomllib.loads(f"{(named.text or b'').decode()} = 0")
    while isinstance(data, dict):
        (key,) = data
        found.append(key)
        data = data[key]
    return tuple(found)


def _comments(node: Node) -> Iterator[int]:
    if node.type == "comment":
        yield node.start_byte
    for child in node.children:
        yield from _comments(child)


def _span(raw: bytes, one: Written) -> tuple[int, int]:
    """Return what goes with a table or a key: whole lines, but within braces."""
    node = one.node
    parent = node.parent
    if node.type == "pair" and parent is not None and parent.type == "inline_table":
        pairs = [child for child in parent.children if child.type == "pair"]
        at = [pair.start_byte for pair in pairs].index(node.start_byte)
        if at + 1 < len(pairs):
            return node.start_byte, pairs[at + 1].start_byte
        return (pairs[at - 1].end_byte if at else node.start_byte), node.end_byte
    start = raw.rfind(b"\n", 0, node.start_byte) + 1
    if node.type == "pair":
        end = raw.find(b"\n", node.end_byte)
        return start, len(raw) if end < 0 else end + 1
    return start, _last_line(raw, start, node)


def _last_line(raw: bytes, start: int, node: Node) -> int:
    """Leave what stands before the next header, blank lines and comments, to that header."""
    said = [child for child in node.children if child.type != "comment"]
    end = raw.find(b"\n", said[-1].end_byte)
    return len(raw) if end < 0 else end + 1


# Writing.


def _check(text: str, wanted: Any) -> None:
    check(lambda: read(text), wanted, canonical)


def _newline(text: str) -> str:
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"


def _added(text: str, part: TomlTable) -> str:
    """Add a table that is not there: at the end, or within the braces that it belongs into."""
    containers = [
        one
        for depth in range(1, len(part.keys))
        for one in _standing(_root(text), part.keys[:depth])
        if one.node.type == "pair"
        and one.keys == part.keys[: len(one.keys)]
        and one.value.type == "inline_table"
    ]
    if not containers:
        newline = _newline(text)
        ended = text if not text or text.endswith("\n") else text + newline
        return ended + (newline if text.strip() else "") + snippet(part).replace("\n", newline)
    raw, container = text.encode(), containers[-1]
    value = with_member({}, part.keys[len(container.keys) + 1 :], part.value)
    fresh = f"{_key(part.keys[len(container.keys)])} = {_inline(value)}".encode()
    pairs = [child for child in container.value.children if child.type == "pair"]
    if pairs:
        at = pairs[-1].end_byte
        return (raw[:at] + b", " + fresh + raw[at:]).decode()
    start, end = container.value.start_byte, container.value.end_byte
    return (raw[:start] + b"{ " + fresh + b" }" + raw[end:]).decode()


def _inline(value: Any) -> str:
    """Write a value in one line."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_inline(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_inline(one) for one in value)}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _inline(key)


def _replaced(raw: bytes, found: Sequence[Written], fresh: bytes) -> str:
    """Put a table in place of the first of those that make it up."""
    start, end = _span(raw, found[0])
    spans = _with_blank_lines(raw, [_span(raw, one) for one in found[1:]])
    if end == len(raw) and not raw.endswith(b"\n"):
        fresh = fresh.rstrip(b"\r\n")
    return _cut(raw, [*spans, (start, end)], {start: fresh}).decode()


def _without(raw: bytes, found: Iterable[Written]) -> str:
    spans = []
    for one in found:
        span = _span(raw, one)
        spans += _with_blank_lines(raw, [span]) if one.node.type in _TABLES else [span]
    return _cut(raw, spans).decode()


def _without_empty(text: str, keys: Sequence[str]) -> str:
    """Remove an empty table that is written out, unless a comment stands in it."""
    raw, root = text.encode(), _root(text)
    found = [one for one in _standing(root, keys) if one.keys == tuple(keys)]
    spans = [(one.node.start_byte, one.node.end_byte) for one in found]
    if any(start <= at < end for at in _comments(root) for start, end in spans):
        return text
    return _without(raw, found)


def _cut(raw: bytes, spans: Iterable[tuple[int, int]], fresh: dict[int, bytes] | None = None) -> bytes:
    kept, at = [], 0
    for start, end in sorted(spans):
        kept += [raw[at:start], (fresh or {}).get(start, b"")]
        at = max(at, end)
    return b"".join([*kept, raw[at:]])


def _with_blank_lines(raw: bytes, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Let each of some spans begin with the blank line before it."""
    found = []
    for start, end in spans:
        before = raw.rfind(b"\n", 0, max(0, start - 1)) + 1
        is_blank = before and raw[start - 1 : start] == b"\n" and not raw[before:start].strip()
        found.append((before if is_blank else start, end))
    return found
