"""Editing TOML by splicing whole tables: a table's header is absolute, so ours can stand at the end of any file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

import tomli_w

from faiss_memory.contracts.config_files import TomlTable
from faiss_memory.errors import CannotMerge
from faiss_memory.install.data import (
    ABSENT,
    Presence,
    check,
    member,
    presence,
    with_member,
    with_part,
    without_member,
)

_TOKEN = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'{3}.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|\#[^\n]*|[\[\]{}]|\n''',
    re.DOTALL,
)
"""What tells where a line of a valid file begins a table: texts, comments, brackets and line breaks."""


def state(text: str, part: TomlTable) -> Presence:
    """Return whether a table is there; one with comments inside counts as another than ours."""
    found = presence(read(text), part)
    if found == "same" and any("#" in text[start:end] for start, end in _spans(text, part.keys)):
        return "same" if "#" in snippet(part) else "other"
    return found


def put(text: str, part: TomlTable) -> str:
    """Add a table with its sub-tables, or put it in place of the one there. Raises CannotMerge."""
    data = read(text)
    wanted = with_part(data, part)
    newline = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    fresh = snippet(part).replace("\n", newline)
    there = member(data, part.keys)
    if there is not ABSENT and repr(there) == repr(part.value):
        return text
    if there is ABSENT:
        apart = newline if text.strip() else ""
        ended = text if not text or text.endswith("\n") else text + newline
        written = ended + apart + fresh
    else:
        spans = _with_blank_lines(text, _spans(text, part.keys))
        if not spans:
            raise CannotMerge(f"`{'.'.join(part.keys)}` is not written as a table of its own")
        start, end = next(_spans(text, part.keys))
        if end == len(text) and not text.endswith("\n"):
            fresh = fresh.removesuffix(newline)
        written = text[:start] + fresh + _without(text[end:], [(a - end, b - end) for a, b in spans[1:]])
    _check(written, wanted)
    return written


def take_out(text: str, part: TomlTable, original: str) -> str:
    """Remove a table with its sub-tables, and the blank line before it. Raises CannotMerge."""
    data = read(text)
    if member(data, part.keys) is ABSENT:
        return text
    written = _without(text, _with_blank_lines(text, _spans(text, part.keys)))
    wanted = without_member(data, part.keys)
    # A header makes the tables above it, and they go with it, unless they are written out.
    now, above = read(written), part.keys[:-1]
    while above and member(now, above) is ABSENT and member(wanted, above) == {}:
        wanted, above = without_member(wanted, above), above[:-1]
    _check(written, wanted)
    return written


def is_blank(text: str) -> bool:
    """Return whether a file holds nothing any more."""
    return not text.strip()


def snippet(part: TomlTable) -> str:
    """Write a table as a file of its own."""
    return tomli_w.dumps(with_member({}, part.keys, part.value))


def read(text: str) -> dict[str, Any]:
    """Read a text as data. Raises CannotMerge."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CannotMerge(f"it is not valid TOML: {error}") from None


def _check(text: str, wanted: Any) -> None:
    check(lambda: read(text), wanted, _ordered)


def _ordered(value: Any) -> Any:
    """Make values comparable: the order of tables means nothing, and nan is not itself."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(inner) for inner in value] if isinstance(value, list) else repr(value)


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    kept, at = [], 0
    for start, end in sorted(spans):
        kept.append(text[at:start])
        at = end
    return "".join([*kept, text[at:]])


def _with_blank_lines(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Let each of some spans begin with the blank line before it."""
    found = []
    for start, end in spans:
        before = text.rfind("\n", 0, max(0, start - 1)) + 1
        is_blank = before and text[start - 1] == "\n" and not text[before:start].strip()
        found.append((before if is_blank else start, end))
    return found


def _spans(text: str, keys: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Find the tables below a place: from each header to the last line before the next one that says something."""
    starts = list(_headers(text))
    for start, following in zip_longest(starts, starts[1:], fillvalue=len(text)):
        header = _header(text, start)
        if header is not None and header[: len(keys)] == list(keys):
            yield start, _last_line(text, start, following)


def _headers(text: str) -> Iterator[int]:
    """Yield where the lines begin that are headers of tables: in a `[` that opens no list, and lies in none."""
    line, depth, in_header = 0, 0, False
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark == "\n":
            line, in_header = token.end(), False
        elif mark == "[" and not depth and not in_header and not text[line : token.start()].strip():
            in_header = True
            yield line
        elif mark in ("[", "{", "]", "}") and not in_header:
            depth += 1 if mark in ("[", "{") else -1


def _header(text: str, at: int) -> list[str] | None:
    """Read a line as a table's header; None if it is none, whatever stands around it."""
    line = text[at:].partition("\n")[0].rstrip("\r")
    try:
        data: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    keys = []
    while data:
        data = data[0] if isinstance(data, list) else data
        if not data:
            break
        (key,) = data
        keys.append(key)
        data = data[key]
    return keys


def _last_line(text: str, start: int, end: int) -> int:
    """Leave what stands before the next header, blank lines and comments, to that header."""
    lines = text[start:end].splitlines(keepends=True)
    while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    return start + len("".join(lines))
