"""Properties in YAML or TOML, read so that a line that is not understood costs that line alone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from faiss_memory import YAML_ERRORS

_KEY = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s:#\-\[\]{},&*!|>%@`"'?](?:[^:]|:(?!\s|$))*):(?=\s|$)""")
"""How a line of YAML begins that gives a property."""
_TOML_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[\w.-]+)[ \t]*=""")
_TOML_LINE = re.compile(r"at line (\d+)")
_LONGEST_NUMBER = 100
_MOST_BRACKETS = 50
_MOST_DOTS = 64
_TOO_MANY_DOTS = f"it has more than {_MOST_DOTS} dots"
_MOST_REPAIRS = 8
"""Of TOML, which is read again without each line that is not understood."""
_MOST_LEVELS = 4
"""Of YAML, below which a line is not told from those around it."""


class Property(NamedTuple):
    """The lines that give a property, from number `first` on, counted from 0; no name for a comment and the like."""

    name: str
    first: int
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Properties:
    """What was understood, the lines of each property in their order, and why other lines were not."""

    values: dict[str, Any]
    entries: Sequence[Property]
    faults: dict[int, str] = field(default_factory=dict)
    """Reasons by line, counted from 0."""


class NotUnderstood(ValueError):
    """Too little of it is understood; the message is the reason."""


class NoProperties(NotUnderstood):
    """It is understood, and is something else: a paragraph, or a list."""


class _Loader(yaml.SafeLoader):
    """Refuses aliases, with which a few lines can say more than any memory holds, and keys that are given twice.

    What is longer than any number stays text: digits with colons between are read in time that grows with their square.
    """

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        if self.flow_level >= _MOST_BRACKETS:
            raise yaml.YAMLError(f"more than {_MOST_BRACKETS} brackets are open")
        super().fetch_flow_collection_start(TokenClass)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                raise yaml.YAMLError(f"`{key.value}` is given twice")
            seen.add((key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    if len(node.value) > _LONGEST_NUMBER:
        return node.value
    return (loader.construct_yaml_int if node.tag.endswith(":int") else loader.construct_yaml_float)(node)


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)


def is_property(line: str) -> bool:
    """Return whether a line of YAML gives a property, or begins to."""
    return _KEY.match(line) is not None


def read_yaml(text: str) -> Properties:
    """Read YAML. Raises NotUnderstood."""
    lines = text.split("\n")
    entries = tuple(_entries(lines, _yaml_name))
    try:
        values = _load(text)
    except NotUnderstood as error:
        return _mended(lines, entries, error)
    if not isinstance(values, dict):
        raise NoProperties("it gives no properties")
    return Properties(_named(values), entries)


def read_toml(text: str) -> Properties:
    """Read TOML. Raises NotUnderstood."""
    lines = text.split("\n")
    table = next((number for number, line in enumerate(lines) if line.startswith("[")), len(lines))
    entries = [*_entries(lines[:table], _toml_name), Property("", table, lines[table:])]
    # Of the dots in a name, tomllib takes the square of their number.
    faults = {number: _TOO_MANY_DOTS for number, line in enumerate(lines) if line.count(".") > _MOST_DOTS}
    repairs = 0
    while 2 * len(faults) <= _told(lines):
        left = ["" if number in faults else line for number, line in enumerate(lines)]
        try:
            return Properties(tomllib.loads("\n".join(left)), entries, faults)
        except (ValueError, RecursionError) as error:
            reason = _one_line(error)
            at = _line_of(reason, left)
            if at is None or repairs == _MOST_REPAIRS:
                raise NotUnderstood(reason) from None
            faults[at] = reason
            repairs += 1
    raise NotUnderstood(next(iter(faults.values())))


def _line_of(reason: str, lines: Sequence[str]) -> int | None:
    """Return the line that tomllib complains of; the last one if its end is where it noticed."""
    found = _TOML_LINE.search(reason)
    at = int(found[1]) - 1 if found else len(lines) - 1
    told = [number for number, line in enumerate(lines[: at + 1]) if line.strip()]
    return told[-1] if told else None


def _told(lines: Sequence[str]) -> int:
    return sum(1 for line in lines if line.strip())


def _one_line(error: BaseException) -> str:
    return " ".join(str(getattr(error, "problem", None) or error).split())


def _named(values: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in values.items()}


def _entries(lines: Sequence[str], name_of: Callable[[str], str | None]) -> Iterator[Property]:
    """Divide lines into properties: each begins where a name stands; a line without one goes with those above it."""
    first, name = 0, ""
    for number, line in enumerate(lines):
        found = name_of(line)
        if found is None:
            continue
        if number > first:
            yield Property(name, first, lines[first:number])
        first, name = number, found
    yield Property(name, first, lines[first:])


def _yaml_name(line: str) -> str | None:
    found = _KEY.match(line)
    if found is not None:
        return found[0][:-1].strip().strip("\"'")
    return "" if line.startswith("#") else None


def _toml_name(line: str) -> str | None:
    found = _TOML_KEY.match(line)
    if found is not None:
        return found[1].strip("\"'")
    return "" if line.startswith("#") else None


def _load(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except YAML_ERRORS as error:
        raise NotUnderstood(_one_line(error)) from None


# A line that is not understood.


def _mended(lines: Sequence[str], entries: Sequence[Property], whole: NotUnderstood) -> Properties:
    """Read each property by itself. Raises NotUnderstood when less than half of the lines are understood."""
    values: dict[str, Any] = {}
    faults: dict[int, str] = {}
    for entry in entries:
        given, wrong = _read_alone(entry.lines)
        if twice := sorted(given.keys() & values.keys()):
            given, wrong = {}, _all(entry.lines, f"`{twice[0]}` is given twice")
        values |= given
        faults |= {entry.first + number: reason for number, reason in wrong.items()}
    if not values or 2 * len(faults) > _told(lines):
        raise whole
    return Properties(values, entries, faults)


def _read_alone(lines: Sequence[str]) -> tuple[dict[str, Any], dict[int, str]]:
    """Read the lines of one property: what they give, and why some of them are not understood, by their number."""
    faults = _faults(lines, _MOST_LEVELS)
    try:
        found = _load("\n".join("" if number in faults else line for number, line in enumerate(lines)))
    except NotUnderstood as error:  # each line by itself is understood, and all together are not
        return {}, _all(lines, str(error))
    if found is None or isinstance(found, dict):
        return _named(found or {}), faults
    return {}, _all(lines, "it gives no property: a name, a colon, a space and a value")


def _faults(lines: Sequence[str], levels: int) -> dict[int, str]:
    """Find the lines that are not understood: those of the smallest stretches that cannot be read by themselves."""
    try:
        _load("\n".join(lines))
    except NotUnderstood as error:
        reason = str(error)
    else:
        return {}
    first = next(number for number, line in enumerate(lines) if line.strip())
    try:
        _load(lines[first])
    except NotUnderstood:
        return _all(lines, reason)
    if not levels:
        return _all(lines, reason)
    faults: dict[int, str] = {}
    for start, block in _blocks(lines, first + 1):
        try:
            _load("\n".join(["x:", *block]))  # in the place of the first line
        except NotUnderstood:
            inner = _faults(block, levels - 1) or _all(block, reason)
            faults |= {start + number: why for number, why in inner.items()}
    return faults or _all(lines, reason)


def _blocks(lines: Sequence[str], start: int) -> Iterator[tuple[int, Sequence[str]]]:
    """Divide lines, from one on, where they are indented least."""
    indents = [len(line) - len(line.lstrip(" ")) if line.strip() else None for line in lines]
    least = min((indent for indent in indents[start:] if indent is not None), default=0)
    first = start
    for number in range(start + 1, len(lines)):
        if indents[number] == least:
            yield first, lines[first:number]
            first = number
    if first < len(lines):
        yield first, lines[first:]


def _all(lines: Sequence[str], reason: str) -> dict[int, str]:
    return {number: reason for number, line in enumerate(lines) if line.strip()}
