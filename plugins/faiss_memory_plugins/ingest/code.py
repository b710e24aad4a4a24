"""Source code: by lines, cut before definitions and after blank lines, with the definitions around each part.

Any language: what begins a definition is told by its first words, what belongs to it by the indentation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from faiss_memory_plugins.ingest.cutting import ANY_LINE, Span, cut
from faiss_memory_plugins.ingest.parts import Document, Part

_TAB = 4
_DEEPEST = 3
"""Levels of indentation that are told apart."""
_DEFINITION = re.compile(
    r"\s*(?:(?:export|default|declare|public|private|protected|internal|static|final|abstract|async|pub(?:\([^)]*\))?"
    r"|unsafe|extern|inline|const|override|open|sealed|data|suspend|virtual|partial)\s+)*"
    r"(?:def|class|function|fn|func|fun|sub|proc|interface|struct|enum|union|trait|impl|module|namespace|type|object"
    r"|record|mod|defmodule|defp?|create|resource|variable|output|message|service|rpc)\b",
    re.IGNORECASE,
)
_BELONGS_BELOW = re.compile(r"\s*(?:@|#|//|/\*|\*|--|;|\")")
"""How decorators, attributes and comments begin, which belong to the definition below them."""


def read(text: str) -> Document:
    """Cut source code into parts."""
    lines = text.split("\n")
    return Document(tuple(_part(lines, span) for span in cut(lines, _ranks(lines), 1)))


def _part(lines: Sequence[str], span: Span) -> Part:
    around = _around(lines, span.first - 1)
    text = "\n".join([*around, "…", span.text]) if around else span.text
    return Part(text, f":{span.first}-{span.last}")


def _around(lines: Sequence[str], first: int) -> list[str]:
    """Give the first lines of the definitions that a line lies in, outermost first."""
    found: list[str] = []
    least = _indent(lines[first])
    for line in reversed(lines[:first]):
        if least == 0:
            break
        if line.strip() and _indent(line) < least:
            least = _indent(line)
            if _DEFINITION.match(line):
                found.insert(0, line.rstrip()[:200])
    return found


def _ranks(lines: Sequence[str]) -> list[int]:
    ranks = [ANY_LINE] * len(lines)
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        level = min(_indent(line) // _TAB, _DEEPEST)
        if _DEFINITION.match(line):
            begin = _begin(lines, number)
            ranks[begin] = min(ranks[begin], 2 * level)
        elif number and not lines[number - 1].strip():
            ranks[number] = min(ranks[number], 2 * level + 1)
    return ranks


def _begin(lines: Sequence[str], number: int) -> int:
    """Give the first of the lines above a definition that belong to it."""
    indent = _indent(lines[number])
    while (
        number
        and lines[number - 1].strip()
        and _indent(lines[number - 1]) == indent
        and _BELONGS_BELOW.match(lines[number - 1])
    ):
        number -= 1
    return number


def _indent(line: str) -> int:
    expanded = line.expandtabs(_TAB)
    return len(expanded) - len(expanded.lstrip())
