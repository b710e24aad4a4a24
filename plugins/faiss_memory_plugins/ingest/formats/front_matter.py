"""What a Markdown file says of itself before it begins: YAML between `---` lines, or TOML between `+++` lines.

Its lines are searched as well, as text, but for those that only say what a memory has a field for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, Literal

from faiss_memory import cut_before_secret, is_blank
from faiss_memory_plugins.ingest.formats.properties import (
    NoProperties,
    Properties,
    Property,
    is_property,
    read_toml,
    read_yaml,
)
from faiss_memory_plugins.ingest.formats.sections import LONGEST_HEADING

MOST_CHARACTERS = 32_000
MOST_FAULTS_TOLD = 5
_FENCED = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?)^(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_CLOSED = re.compile(r"^(?:---|\+\+\+|\.\.\.)[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s)#\s")
_TAGS = ("tags", "tag", "keywords", "categories")
_TIMES = ("date", "created", "updated")
_LONGEST_TAG = 128
_CUES = "cues"
_LONGEST_CUE = 200
_TITLE = "title"
_LONGEST = {**dict.fromkeys(_TAGS, _LONGEST_TAG), _CUES: _LONGEST_CUE, _TITLE: LONGEST_HEADING}
_MEANT = frozenset((*_TAGS, *_TIMES, _CUES, _TITLE, "description", "summary", "aliases", "cssclasses"))
"""Names that people give to properties, and do not begin a paragraph with."""
_DEEPEST = 31
"""Levels below the whole."""
_BITS = 63
"""Of a whole number, besides its sign."""


Role = Literal["title", "list", "time", "nothing"]
"""Of a property: the title, tags or cues, a time, or a well-known name without a value."""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The title, tags, cues, time and everything else; `note` says what could not be read."""

    title: str = ""
    tags: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    timestamp: datetime | None = None
    note: str = ""
    entries: Sequence[Property] = ()
    roles: Mapping[int, Role] = field(default_factory=dict)
    """What became of properties, by their first line; those that are not in it are text alone."""
    last_line: int = 0

    def lines(self, *without: Role) -> list[str]:
        """Return its lines that are not blank, without those of some roles."""
        left = (entry for entry in self.entries if self.roles.get(entry.first) not in without)
        return [line for entry in left for line in entry.lines if line.strip()]


@dataclass(frozen=True, slots=True)
class Body:
    """The rest of the text, and the number of its first line."""

    text: str
    first_line: int


def split_front_matter(text: str) -> tuple[FrontMatter, Body]:
    """Take the front matter off. What cannot be understood stays in the text, and `note` says so."""
    whole = Body(text, 1)
    found = _FENCED.match(text[:MOST_CHARACTERS])
    if found is None:
        return FrontMatter(note=_note_of_length(text)), whole
    try:
        properties = (read_toml if found[1] == "+++" else read_yaml)(found[2].removesuffix("\n"))
        if found[1] == "---" and not _is_meant(found[2], properties.values):
            return FrontMatter(), whole  # a thematic break above and below a paragraph
        last_line = found[0].count("\n")
        front = _read(properties, last_line)
    except NoProperties:
        return FrontMatter(), whole
    except ValueError as error:
        if found[1] == "---" and not _is_meant(found[2], {}):
            return FrontMatter(), whole
        return FrontMatter(note=f"its front matter is not understood and was kept as text: {error}"), whole
    return front, Body(text[found.end() :], last_line + 1)


def _is_meant(text: str, names: Collection[str]) -> bool:
    """Return whether what stands between two `---` is front matter, and not a text between two thematic breaks.

    As pandoc has it, no blank line follows the first `---`; nor does a heading, unless a name tells that it is meant.
    """
    first = text.split("\n", 1)[0].strip()
    return bool(first and not first.startswith("#")) or not _MEANT.isdisjoint(names)


def _note_of_length(text: str) -> str:
    """Return what to say of front matter that is too long to be read; an empty text where there is none."""
    fence, _, rest = text.partition("\n")
    if len(text) <= MOST_CHARACTERS or fence.rstrip() not in ("---", "+++") or not _CLOSED.search(rest):
        return ""
    if fence.startswith("---") and not is_property(rest.split("\n", 1)[0]):
        return ""
    return f"its front matter is longer than {MOST_CHARACTERS:,} characters and was kept as text"


def _read(properties: Properties, last_line: int) -> FrontMatter:
    values = properties.values
    plain = {str(_scalar(key)): _plain(value, _DEEPEST) for key, value in values.items()}
    tags = [tag for name in _TAGS for tag in _words(plain.pop(name, None))]
    timestamp = next((found for name in _TIMES if (found := read_time(values.get(name))) is not None), None)
    title = " ".join(values[_TITLE].split()) if isinstance(values.get(_TITLE), str) else ""
    return FrontMatter(
        title=title if len(title) <= LONGEST_HEADING else "",
        tags=tuple(dict.fromkeys(tags)),
        cues=_phrases(plain.pop(_CUES, None)),
        metadata=plain,
        timestamp=timestamp,
        note=_note_of_faults(properties.faults),
        entries=properties.entries,
        roles={entry.first: role for entry in properties.entries if (role := _role(entry, properties))},
        last_line=last_line,
    )


def _note_of_faults(faults: Mapping[int, str]) -> str:
    told = [
        f"line {number + 2}: {faults[number]}" for number in sorted(faults)
    ]  # behind the line that opens it
    more = [f"and {len(told) - MOST_FAULTS_TOLD:,} more"] if len(told) > MOST_FAULTS_TOLD else []
    if not told:
        return ""
    return f"its front matter is not understood everywhere; kept as text: {'; '.join(told[:MOST_FAULTS_TOLD] + more)}"


def _role(entry: Property, properties: Properties) -> Role | None:
    """Return what became of a property, if nothing of its lines was left behind."""
    own = range(entry.first, entry.first + len(entry.lines))
    commented = any(_COMMENT.search(line) for line in entry.lines)
    if entry.name not in properties.values or commented or not properties.faults.keys().isdisjoint(own):
        return None
    value = properties.values[entry.name]
    if entry.name in _MEANT and value is None:
        return "nothing"
    if entry.name in _TIMES:
        return None if read_time(value) is None else "time"
    longest = _LONGEST.get(entry.name, -1)
    words = value if isinstance(value, list) and entry.name != _TITLE else [value]
    if any(isinstance(word, dict | list) or len(str(word)) > longest for word in words):
        return None
    return "title" if entry.name == _TITLE else "list"


def _words(value: Any) -> list[str]:
    """Read tags: a list, or words divided by commas, or else by white space."""
    if isinstance(value, str):
        value = value.split(",") if "," in value else value.split()
    if not isinstance(value, list):
        return []
    words = (str(word).strip().removeprefix("#") for word in value if not isinstance(word, dict | list))
    return [short for word in words if (short := cut_before_secret(word, _LONGEST_TAG))]


def _phrases(value: Any) -> tuple[str, ...]:
    """Read cues: a list, or a text that is one."""
    given = value if isinstance(value, list) else [] if value is None else [value]
    lines = (" ".join(str(cue).split()) for cue in given if not isinstance(cue, dict | list))
    cues = (cut_before_secret(line, _LONGEST_CUE) for line in lines)
    return tuple(dict.fromkeys(cue for cue in cues if not is_blank(cue)))


def read_time(value: Any) -> datetime | None:
    """Return a time as YAML or TOML may write it; None for what is none."""
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
