"""Editing JSON, with or without comments, by splicing: all other bytes stay."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tree_sitter import Node

from faiss_memory.contracts.config_files import JsonDefault, JsonItems, JsonMember
from faiss_memory.errors import CannotMerge
from faiss_memory.install.data import (
    ABSENT,
    Presence,
    alike,
    among,
    check,
    emptied,
    items_of,
    list_of,
    marked_items,
    member,
    presence,
    with_member,
    with_part,
    without_member,
)
from faiss_memory.install.json_document import (
    Document,
    data_of,
    elements_of,
    filled,
    find,
    has_comment,
    newline_of,
    pair_at,
    parse,
    value_of,
)

JsonPart = JsonMember | JsonItems | JsonDefault


@dataclass(frozen=True, slots=True)
class Splice:
    """Bytes to put in place of others."""

    start: int
    end: int
    fresh: bytes = b""


def state(text: str, part: JsonPart) -> Presence:
    """Return whether a part is there; one with comments inside counts as another than ours."""
    document = parse(filled(text, part.comments), part.comments)
    found = presence(data_of(document.root), part)
    if found == "same" and isinstance(part, JsonMember):
        node = find(document.root, part.keys)
        return "other" if has_comment(node) else "same"
    return found


def read(text: str, *, comments: bool) -> Any:
    """Read a text as data. Raises CannotMerge."""
    try:
        return data_of(parse(filled(text, comments), comments).root)
    except RecursionError:
        raise CannotMerge("it is nested too deeply") from None


def put(text: str, part: JsonPart) -> str:
    """Add a part, or put it in place of what stands there. Raises CannotMerge."""
    before = filled(text, part.comments)
    document = parse(before, part.comments)
    data = data_of(document.root)
    wanted = with_part(data, part)
    there = member(data, part.keys)
    if text.strip() and (repr(wanted) == repr(data) or alike(there, member(wanted, part.keys))):
        return text
    if isinstance(part, JsonItems) and isinstance(there, list):
        missing = [item for item in items_of(part) if not among(item, list_of(there, part))]
        written = before
        for item in missing:
            document = parse(written, part.comments)
            array = find(document.root, part.keys)
            written = _spliced(document, _insertion(document, array, None, item))
    elif there is not ABSENT and not isinstance(part, JsonItems):
        written = _spliced(document, [_replacement(document, part.keys, part.value)])
    else:
        written = _spliced(document, _new_member(document, data, part))
    _check(written, part.comments, wanted)
    return (
        written if text == before or written.endswith("\n") else written + newline_of(text.encode()).decode()
    )


def take_out(text: str, part: JsonPart, original: str) -> str:
    """Remove a part, and what would be left empty around it.

    A default goes only with the rest of the file. Raises CannotMerge.
    """
    if text != filled(text, part.comments):
        return text
    document = parse(text, part.comments)
    data = data_of(document.root)
    found = member(data, part.keys)
    first = read(original, comments=part.comments)
    if found is ABSENT or (isinstance(part, JsonDefault) and not _is_last(data, part, first, document)):
        return text
    if isinstance(part, JsonItems):
        ours = [item for item in list_of(found, part) if among(item, part.items)]
        rest = [item for item in list_of(found, part) if not among(item, part.items)]
        if not ours:
            return text
        if rest or member_or_none(first, part.keys) is not None:
            return _without_items(text, part, ours, with_member(data, part.keys, rest))
    for place in reversed(emptied(data, part.keys, first)):
        if len(place) == len(part.keys) or not has_comment(find(document.root, place)):
            break
    written = _spliced(document, _removal(document, pair_at(document.root, place)))
    _check(written, part.comments, without_member(data, place))
    return (
        _unfilled(written, part.comments)
        if original.strip() and original != filled(original, part.comments)
        else written
    )


def marked(text: str, part: JsonItems) -> list[Any]:
    """List the items with our mark, in the list that a part is for."""
    return marked_items(read(text, comments=part.comments), part)


def is_blank(text: str) -> bool:
    """Return whether a file holds nothing any more."""
    return not text.strip() or re.fullmatch(r"\s*\{\s*\}\s*", text) is not None


def snippet(part: JsonPart) -> str:
    """Write a part as a file of its own."""
    value = list(part.items) if isinstance(part, JsonItems) else part.value
    return written(with_member({}, part.keys, value))


def written(data: Any) -> str:
    """Write data as a file of its own."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def member_or_none(data: Any, keys: Sequence[str]) -> Any:
    """Look a place up in what may be of another shape."""
    try:
        found = member(data, keys)
    except CannotMerge:
        return None
    return None if found is ABSENT else found


def _unfilled(text: str, comments: bool) -> str:
    """Return a text without an empty object; comments beside it stay."""
    document = parse(text, comments)
    if elements_of(document.root) or has_comment(document.root):
        return text
    raw, (start, end) = document.raw, (document.root.start_byte, document.root.end_byte)
    after = raw[end:].removeprefix(b"\r").removeprefix(b"\n") if _own_line(raw, start) else raw[end:]
    return (raw[:start] + after).decode()


def _is_last(data: Any, part: JsonDefault, first: Any, document: Document) -> bool:
    alone = alike(data, with_member({}, part.keys, part.value))
    return alone and member_or_none(first, part.keys) is None and not has_comment(document.root)


def _without_items(text: str, part: JsonItems, ours: Sequence[Any], wanted: Any) -> str:
    for item in ours:
        document = parse(text, part.comments)
        array = find(document.root, part.keys)
        node = next(node for node in elements_of(array) if alike(data_of(node), item))
        text = _spliced(document, _removal(document, node))
    _check(text, part.comments, wanted)
    return text


# Writing.


def _spliced(document: Document, splices: Sequence[Splice]) -> str:
    raw = document.raw
    for splice in sorted(splices, key=lambda splice: splice.start, reverse=True):
        raw = raw[: splice.start] + splice.fresh + raw[splice.end :]
    return raw.decode()


def _check(text: str, comments: bool, wanted: Any) -> None:
    check(lambda: data_of(parse(text, comments).root), wanted)


def _new_member(document: Document, data: Any, part: JsonPart) -> list[Splice]:
    value = list(part.items) if isinstance(part, JsonItems) else part.value
    depth = len(part.keys) - 1
    while member(data, part.keys[:depth]) is ABSENT:
        depth -= 1
    inner = with_member({}, part.keys[depth + 1 :], value)
    if member(data, part.keys[: depth + 1]) is None:
        return [_replacement(document, part.keys[: depth + 1], inner)]
    if member(data, part.keys[:depth]) is None:
        return [_replacement(document, part.keys[:depth], {part.keys[depth]: inner})]
    return _insertion(document, find(document.root, part.keys[:depth]), part.keys[depth], inner)


def _replacement(document: Document, keys: Sequence[str], value: Any) -> Splice:
    pair = pair_at(document.root, keys)
    node = value_of(pair)
    indent = _indent(document.raw, pair.start_byte) if _own_line(document.raw, pair.start_byte) else None
    return Splice(node.start_byte, node.end_byte, _written(document.raw, None, value, indent))


def _insertion(document: Document, container: Node, key: str | None, value: Any) -> list[Splice]:
    """Add an element at the end of an object or array, laid out as the others are."""
    raw, elements = document.raw, elements_of(container)
    last = container.end_byte - 1
    filled = len(raw[:last].rstrip())
    newline = newline_of(raw)
    base = _indent(raw, container.start_byte)
    if not elements:
        bare = filled == container.start_byte + 1
        if bare and b"\n" not in raw.strip() and raw.strip() != b"{}":
            return [Splice(filled, last, _written(raw, key, value, None))]
        indent = base + _unit(raw)
        end = newline + base if bare or b"\n" not in raw[filled:last] else raw[filled:last]
        return [Splice(filled, last, newline + indent + _written(raw, key, value, indent) + end)]
    trailing = any(elements[-1].end_byte <= comma < last for comma in document.commas)
    if b"\n" not in raw[container.start_byte : elements[0].start_byte]:
        return [Splice(elements[-1].end_byte, elements[-1].end_byte, b", " + _written(raw, key, value, None))]
    indent = _indent(raw, elements[0].start_byte)
    fresh = newline + indent + _written(raw, key, value, indent) + (b"," if trailing else b"")
    comma = [] if trailing else [Splice(elements[-1].end_byte, elements[-1].end_byte, b",")]
    if filled == elements[-1].end_byte and comma:
        return [Splice(filled, filled, b"," + fresh)]
    return [*comma, Splice(filled, filled, fresh)]


def _removal(document: Document, element: Node) -> list[Splice]:
    """Take an element out with one of its commas, and with its line if nothing else stands on it."""
    raw, container = document.raw, element.parent
    assert container is not None
    elements = elements_of(container)
    start, end = element.start_byte, element.end_byte
    if len(elements) == 1 and not _has_comment_beside(container):
        return [Splice(container.start_byte + 1, container.end_byte - 1)]
    splices = []
    at = elements.index(element)
    after = elements[at + 1].start_byte if at + 1 < len(elements) else container.end_byte - 1
    commas = [
        *(node.start_byte for node in container.children if node.type == ","),
        *(comma for comma in document.commas),
    ]
    following = [comma for comma in commas if end <= comma < after]
    if following:
        if raw[end : following[0]].strip():
            splices.append(Splice(following[0], following[0] + 1))  # a comment stands before the comma
        else:
            end = following[0] + 1
    elif at:
        before = next(comma for comma in commas if elements[at - 1].end_byte <= comma < start)
        splices.append(Splice(before, before + 1))
    line_end = raw.find(b"\n", end)
    alone = _own_line(raw, start) and line_end >= 0 and not raw[end:line_end].strip()
    if alone:
        line = raw.rfind(b"\n", 0, start) + 1
        return [*splices, Splice(line, line_end + 1)]
    if not _own_line(raw, start):
        while raw[end : end + 1] in (b" ", b"\t") and following:
            end += 1
        while raw[start - 1 : start] in (b" ", b"\t") and not following:
            start -= 1
    return [*splices, Splice(start, end)]


def _has_comment_beside(container: Node) -> bool:
    return any(node.type == "comment" for node in container.children)


def _written(raw: bytes, key: str | None, value: Any, indent: bytes | None) -> bytes:
    """Write an element: over several lines with an indent, else in one."""
    before = "" if key is None else f"{json.dumps(key, ensure_ascii=False)}: "
    if indent is None:
        return (before + json.dumps(value, ensure_ascii=False)).encode()
    lines = (before + json.dumps(value, ensure_ascii=False, indent=_unit(raw).decode())).encode().split(b"\n")
    return (newline_of(raw) + indent).join(lines)


def _unit(raw: bytes) -> bytes:
    found = re.search(rb"^([ \t]+)[^\s/*]", raw, re.MULTILINE)
    return found[1] if found else b"  "


def _indent(raw: bytes, at: int) -> bytes:
    line = raw[raw.rfind(b"\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(b" \t"))]


def _own_line(raw: bytes, at: int) -> bool:
    return not raw[raw.rfind(b"\n", 0, at) + 1 : at].strip()
