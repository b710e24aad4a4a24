"""Source code: by lines, cut before definitions and after blank lines, with the definitions around each part.

Any language: what begins a definition is told by its first words, what belongs to it by the indentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from faiss_memory import cut_before_secret
from faiss_memory_plugins.ingest.cutting import ANY_LINE, Span, cut
from faiss_memory_plugins.ingest.parts import Document, Part

_TAB = 4
_DEEPEST = 3
"""Levels of indentation that are told apart."""
_MOST_AROUND = 8
"""Definitions around a part that it is given with."""
_MOST_OF_A_DEFINITION = 200
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
    indents = [_indent(line) for line in lines]
    spans = cut(lines, _ranks(lines, indents), 1)
    return Document(tuple(map(_part, spans, _around(lines, indents, spans))))


def _part(span: Span, around: Sequence[str]) -> Part:
    text = "\n".join([*around, "…", span.text]) if around else span.text
    return Part(text, f":{span.first}-{span.last}")


def _around(lines: Sequence[str], indents: Sequence[int], spans: Iterable[Span]) -> Iterator[Sequence[str]]:
    """Yield for each span the first lines of the definitions that it begins in, outermost first; of many the inner."""
    open_: list[tuple[int, str]] = []
    """The definitions that the line at hand lies in, with their indents."""
    around: Sequence[str] = ()
    at = 0
    for span in spans:
        for line, indent in zip(lines[at : span.first], indents[at : span.first], strict=True):
            if not line.strip():
                continue
            while open_ and open_[-1][0] >= indent:
                open_.pop()
            around = [shown for _, shown in open_[-_MOST_AROUND:]]
            if _DEFINITION.match(line):
                open_.append((indent, cut_before_secret(line.rstrip(), _MOST_OF_A_DEFINITION)))
        at = span.first
        yield around


def _ranks(lines: Sequence[str], indents: Sequence[int]) -> list[int]:
    ranks = [ANY_LINE] * len(lines)
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        level = min(indents[number] // _TAB, _DEEPEST)
        if _DEFINITION.match(line):
            begin = _begin(lines, indents, number)
            ranks[begin] = min(ranks[begin], 2 * level)
        elif number and not lines[number - 1].strip():
            ranks[number] = min(ranks[number], 2 * level + 1)
    return ranks


def _begin(lines: Sequence[str], indents: Sequence[int], number: int) -> int:
    """Return the first of the lines above a definition that belong to it."""
    indent = indents[number]
    while (
        number
        and lines[number - 1].strip()
        and indents[number - 1] == indent
        and _BELONGS_BELOW.match(lines[number - 1])
    ):
        number -= 1
    return number


def _indent(line: str) -> int:
    return len(line[: len(line) - len(line.lstrip())].expandtabs(_TAB))
