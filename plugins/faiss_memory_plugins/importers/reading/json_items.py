"""The items of a JSON document, one at a time: a document may be larger than memory, or cut short."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from faiss_memory import LeftOut, located, open_file
from faiss_memory_plugins.importers.reading.texts import NOT_UTF8, is_garbled, opened_text

_PIECE = 1 << 16
MOST = 1 << 26
"""Characters of one value."""
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_LONGEST_WORD = 16
"""An error nearer than this to the end of what was read may be that a word or a number goes on."""


def items_of(file: BinaryIO, *lists: str) -> Iterator[Any]:
    """Yield the items of a list, or of those lists of an object that have these names, in the file's order.

    An object that has none of them is itself the only item. Where the document breaks off or is no JSON, a LeftOut
    says where in place of the rest.
    """
    with opened_text(file) as opened:
        text = _Text(opened)
        try:
            if text.takes("["):
                yield from _items(text)
            elif text.takes("{"):
                yield from _members(text, lists)
            else:
                yield LeftOut("the file", "it is no JSON list or object")
        except (ValueError, RecursionError) as error:
            yield LeftOut(f"line {text.line}", f"from here on it is no JSON ({error})"[:200])


def first_item(path: Path, *lists: str) -> dict[str, Any]:
    """Return the first item of a file's list, if that is an object; else an empty one. Never raises."""
    try:
        with open_file(located(path)) as file:
            item = next(items_of(file, *lists), None)
    except OSError:
        return {}
    return item if isinstance(item, dict) else {}


def _members(text: _Text, lists: tuple[str, ...]) -> Iterator[Any]:
    whole: dict[str, Any] = {}
    found = False
    while not text.takes("}"):
        name = text.value()
        text.needs(":")
        if name in lists and text.takes("["):
            found = True
            yield from _items(text)
        else:
            whole[str(name)] = text.value()
        if not text.takes(","):
            text.needs("}")
            break
    if not found:
        yield whole


def _items(text: _Text) -> Iterator[Any]:
    if text.takes("]"):
        return
    goes_on = True
    while goes_on:
        item = text.item()
        goes_on = text.takes(",")
        has_ended = not goes_on and text.takes("]")
        if (
            goes_on or has_ended or not isinstance(item, int | float)
        ):  # of a number more digits may have followed
            yield item
        if not (goes_on or has_ended):
            text.needs("]")


class _Text:
    """A document of which only as much is held as the next value needs."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._held, self._at, self._last = "", 0, ""
        self.line = 1

    def takes(self, sign: str) -> bool:
        """Go over a sign if it comes next, after white space."""
        self._skip()
        if not self._held.startswith(sign, self._at):
            return False
        self._at += 1
        return True

    def needs(self, sign: str) -> None:
        """Go over a sign. Raises ValueError if something else comes."""
        if not self.takes(sign):
            raise ValueError(f"`{sign}` is missing" if self._at < len(self._held) else "it is cut short")

    def item(self) -> Any:
        """Read the next value; a LeftOut if it holds what is no text. Raises ValueError."""
        value = self.value()
        return LeftOut(f"line {self.line}", NOT_UTF8) if is_garbled(self._last) else value

    def value(self) -> Any:
        """Read the next value. Raises ValueError."""
        self._skip()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                goes_on = error.msg.startswith("Unterminated") or error.pos >= len(self._held) - _LONGEST_WORD
                if not (goes_on and self._more()):
                    raise ValueError(error.msg) from None
                continue
            if end < len(self._held) or not self._more():  # a number at the end of what was read may go on
                break
        self._last = self._held[self._at : end]
        self._advance(end)
        return value

    def _skip(self) -> None:
        while True:
            found = _SPACE.match(self._held, self._at)
            self._advance(found.end() if found else self._at)
            if self._at < len(self._held) or not self._more():
                return

    def _advance(self, end: int) -> None:
        self.line += self._held.count("\n", self._at, end)
        self._at = end

    def _more(self) -> bool:
        """Read on, twice as much as is held: however long a value is, it is tried few times."""
        self._held, self._at = self._held[self._at :], 0
        if len(self._held) > MOST:
            raise ValueError(f"a value is longer than {MOST:,} characters")
        piece = self._file.read(max(_PIECE, len(self._held)))
        self._held += piece
        return bool(piece)
