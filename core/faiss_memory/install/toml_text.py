"""Editing TOML by splicing whole tables: a table's header is absolute, so ours can stand at the end of any file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
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

_HEADER = re.compile(r"^[ \t]*\[.*$", re.MULTILINE)


def state(text: str, part: TomlTable) -> Presence:
    """Say whether a table is there; one with comments inside counts as another than ours."""
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
    """Say whether a file holds nothing any more."""
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


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + text[end:]
    return text


def _with_blank_lines(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Let each of some spans begin with the blank line before it."""
    found = []
    for start, end in spans:
        blank = re.search(r"(?<=\n)[ \t]*\r?\n\Z", text[:start])
        found.append((blank.start() if blank else start, end))
    return found


def _spans(text: str, keys: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Find the tables below a place: from each header to the last line before the next one that says something."""
    starts = [match.start() for match in _HEADER.finditer(text)]
    for number, start in enumerate(starts):
        if not _leads_to(text, start, keys):
            continue
        following = (at for at in starts[number + 1 :] if _header(text, at) and _is_outside(text, at))
        yield start, _last_line(text, start, next(following, len(text)))


def _leads_to(text: str, at: int, keys: Sequence[str]) -> bool:
    header = _header(text, at)
    return header is not None and header[: len(keys)] == list(keys) and _is_outside(text, at)


def _is_outside(text: str, at: int) -> bool:
    """Say whether no text or list that spans several lines is open at a place."""
    try:
        tomllib.loads(text[:at])
    except tomllib.TOMLDecodeError:
        return False
    return True


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
