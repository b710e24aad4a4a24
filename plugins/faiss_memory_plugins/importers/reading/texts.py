"""Files of text as other programs and people write them: UTF-8, or what says at its beginning that it is UTF-16."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from faiss_memory import LeftOut, located, read_file

MOST_OF_A_LINE = 1 << 26
NOT_UTF8 = "it is not UTF-8; save the file as UTF-8"
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(head: bytes) -> str:
    """Return how a file is encoded that begins so."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8-sig")


@contextmanager
def opened_text(file: BinaryIO) -> Iterator[TextIO]:
    """Wrap a file that is read from its beginning. Bytes that are no text in its encoding come as lone surrogates."""
    head: bytes = file.peek(4)[:4]  # type: ignore[attr-defined]  # whatever is read with a buffer has it
    text = io.TextIOWrapper(file, encoding_of(head), "surrogateescape", newline="")
    try:
        yield text
    finally:
        with suppress(ValueError):  # the file was closed before
            text.detach()


def text_in(file: Path, folder: Path) -> str:
    """Return the text of a file in a folder, with `\\n` between its lines.

    Raises OSError for what cannot be read, and ValueError, which says where, for what is in no encoding known here.
    """
    raw = read_file(located(file, folder))
    try:
        text = raw.decode(encoding_of(raw))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8; save it as UTF-8") from None
    return text.replace("\r\n", "\n")


def is_garbled(text: str) -> bool:
    """Return whether a text holds bytes that were no text in its encoding."""
    return any("\udc80" <= letter <= "\udcff" for letter in text)


def json_lines(file: BinaryIO) -> Iterator[tuple[int, Any]]:
    """Read JSON from each line of a file that is not empty, with its number; a LeftOut for what is no JSON.

    What is packed may hold a line of any length: one that is too long ends it.
    """
    with opened_text(file) as text:
        for number, line in enumerate(iter(lambda: text.readline(MOST_OF_A_LINE + 1), ""), 1):
            if len(line) > MOST_OF_A_LINE:
                yield number, LeftOut(f"line {number}", f"it is longer than {MOST_OF_A_LINE:,} characters")
                return
            if line.strip():
                yield number, _parsed(line, f"line {number}")


def _parsed(line: str, place: str) -> Any:
    if is_garbled(line):
        return LeftOut(place, NOT_UTF8)
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return LeftOut(place, f"it is no JSON ({error})"[:200])
