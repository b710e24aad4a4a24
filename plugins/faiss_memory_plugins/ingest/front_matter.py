"""What a Markdown file says of itself before it begins: YAML between `---` lines, or TOML between `+++` lines."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

import yaml

from faiss_memory import is_blank

MOST_CHARACTERS = 32_000
_FENCED = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?)^(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_MANY_DOTS = re.compile(r"^(?:[^.\n]*\.){65}", re.MULTILINE)
_TAGS = ("tags", "tag", "keywords", "categories")
_TIMES = ("date", "created", "updated")
_LONGEST_TAG = 128
_CUES = "cues"
_LONGEST_CUE = 200
_DEEPEST = 31
"""Levels below the whole."""
_BITS = 63
"""Of a whole number, besides its sign."""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The title, tags, cues, time and everything else; `note` says why it could not be read."""

    title: str = ""
    tags: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    timestamp: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """The rest of the text, and the number of its first line."""

    text: str
    first_line: int


class _Loader(yaml.SafeLoader):
    """Refuses aliases, with which a few lines can say more than any memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def split_front_matter(text: str) -> tuple[FrontMatter, Body]:
    """Take the front matter off. What cannot be understood stays in the text, and `note` says so."""
    whole = Body(text, 1)
    found = _FENCED.match(text[:MOST_CHARACTERS])
    if found is None:
        return FrontMatter(), whole
    try:
        values = _toml(found[2]) if found[1] == "+++" else yaml.load(found[2], Loader=_Loader)
        if not isinstance(values, dict):
            return FrontMatter(), whole  # a line above and below a paragraph
        front = _read(values)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        return FrontMatter(note=f"its front matter is not understood and was kept as text: {reason}"), whole
    return front, Body(text[found.end() :], found[0].count("\n") + 1)


def _toml(text: str) -> dict[str, Any]:
    if _MANY_DOTS.search(text):  # which tomllib takes the square of their number for
        raise ValueError("a line in it has more than 64 dots")
    return tomllib.loads(text)


def _read(values: dict[Any, Any]) -> FrontMatter:
    plain = {str(key): _plain(value, _DEEPEST) for key, value in values.items()}
    tags = [tag for name in _TAGS for tag in _words(plain.pop(name, None))]
    timestamp = next((found for name in _TIMES if (found := _time(values.get(name))) is not None), None)
    title = plain.get("title")
    return FrontMatter(
        title=" ".join(title.split()) if isinstance(title, str) else "",
        tags=tuple(dict.fromkeys(tags)),
        cues=_phrases(plain.pop(_CUES, None)),
        metadata=plain,
        timestamp=timestamp,
    )


def _words(value: Any) -> list[str]:
    """Read tags: a list, or words divided by commas, or else by white space."""
    if isinstance(value, str):
        value = value.split(",") if "," in value else value.split()
    if not isinstance(value, list):
        return []
    words = (str(word).strip().removeprefix("#") for word in value if not isinstance(word, dict | list))
    return [word[:_LONGEST_TAG] for word in words if word]


def _phrases(value: Any) -> tuple[str, ...]:
    """Read cues: a list, or a text that is one."""
    given = value if isinstance(value, list) else [] if value is None else [value]
    cues = (" ".join(str(cue).split())[:_LONGEST_CUE] for cue in given if not isinstance(cue, dict | list))
    return tuple(dict.fromkeys(cue for cue in cues if not is_blank(cue)))


def _time(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return None
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        return None


def _plain(value: Any, levels: int) -> Any:
    """Bring a value to what JSON can say. Raises ValueError for one of too many levels."""
    if isinstance(value, dict | list | tuple | set):
        if not levels:
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
        if isinstance(value, dict):
            return {str(_scalar(str(key))): _plain(inner, levels - 1) for key, inner in value.items()}
        return [_plain(inner, levels - 1) for inner in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # YAML can write half a surrogate pair
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, int) and value.bit_length() > _BITS else value
