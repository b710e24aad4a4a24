"""How values are written: escaped, shortened, and in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from faiss_memory.framing import INVISIBLE

_SPACES = frozenset("\u00a0\u202f\u3000")
"""Not printable as Python counts it, but harmless."""
_JOINED = re.compile(
    r"(?<=[^\x00-\u02ff\u200c\u200d\ufe00-\ufe0f])(?:[\ufe0e\ufe0f]\u200d?|[\u200c\u200d])(?![\u200c\u200d\ufe00-\ufe0f])"
)
"""What joins or parts letters beyond Latin, and emoji, or chooses how these look: harmless there, one by one."""


def clean(text: object) -> str:
    r"""Make a text one line that a terminal only shows: control characters are written as `\n` and `\x1b`."""
    return _escaped(str(text), lambda character: character.encode("unicode_escape", "surrogatepass").decode())


def clean_lines(text: str) -> str:
    """Return a text whose lines a terminal only shows."""
    return "\n".join(clean(line) for line in text.split("\n"))


def as_json(value: Any) -> str:
    """Write JSON for people and programs: indented, and nothing in it that a terminal would obey."""
    written = json.dumps(value, indent=2, ensure_ascii=False)
    return _escaped(written, lambda character: character if character == "\n" else _json_escape(character))


def excerpt(text: str, most: int, words: Sequence[str] = ()) -> str:
    """Shorten a text to about `most` characters around the first place where one of the words stands."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    found = re.search("|".join(re.escape(word) for word in words), line, re.IGNORECASE) if words else None
    begin = max(0, min(found.start() - most // 3 if found else 0, len(line) - most))
    if begin:
        begin = line.find(" ", begin, begin + 20) + 1 or begin
    end = begin + most
    if end < len(line):
        end = max(line.rfind(" ", begin, end), begin + most // 2)
    return f"{'… ' if begin else ''}{line[begin:end].strip()}{' …' if end < len(line) else ''}"


def ending(text: str, most: int) -> str:
    """Shorten a path to its last characters, which tell more than its first."""
    line = clean(text)
    return line if len(line) <= most else f"…{line[1 - most :]}"


def words_of(query: str) -> list[str]:
    """Return the words of a query that are worth showing where they match, the longest first."""
    return sorted({word for word in re.findall(r"\w+", query) if len(word) > 3}, key=len, reverse=True)


def when(time: str, now: datetime | None = None) -> str:
    """Write a time as people say it: a while ago, or its date."""
    try:
        then = datetime.fromisoformat(time)
    except ValueError:
        return time
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    if 0 <= seconds < 60:
        return "just now"
    for unit, length, most in (("min", 60, 60), ("h", 3600, 24), ("d", 86400, 7)):
        if 0 <= seconds < length * most:
            return f"{int(seconds // length)} {unit} ago"
    return then.astimezone().date().isoformat()


def size(count: int) -> str:
    """Write a number of bytes with a unit."""
    amount = float(count)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "bytes" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GB"


def counted(count: int, one: str, many: str = "") -> str:
    """Write a number with its noun: `1 memory`, `1,200 memories`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def projects_in_words(project: str | Sequence[str]) -> str:
    """Write the projects an answer is about."""
    names = [project] if isinstance(project, str) else list(project)
    if names == ["*"]:
        return "all projects"
    return f"project {names[0]}" if len(names) == 1 else f"projects {', '.join(names)}"


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _escaped(text: str, write: Callable[[str], str]) -> str:
    if text.isprintable() and not INVISIBLE.search(text):
        return text
    joined = {
        at
        for found in _JOINED.finditer(text)
        if _is_shown(text[found.start() - 1])
        for at in range(*found.span())
    }
    return "".join(
        character if at in joined or _is_shown(character) else write(character)
        for at, character in enumerate(text)
    )


def _is_shown(character: str) -> bool:
    return character in _SPACES or (character.isprintable() and not INVISIBLE.match(character))
