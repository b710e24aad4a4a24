"""Cutting a long text into overlapping passages that a model can take in whole."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory.memory import Passage

MOST_TOKENS = 200
"""Shorter than most models' window: one vector for less text says it more sharply (docs/ranking.md)."""
OVERLAP = 0.25
_BREAKS = ("\n\n", "\n", ". ", "。", "! ", "? ", "; ")


def split(text: str, tokens: Sequence[tuple[int, int]], window: int) -> tuple[Passage, ...]:
    """Cut a text into passages of at most `window` tokens that overlap, so that no fact is cut in two.

    `tokens` are the (start, end) of every token in characters. A passage ends at a paragraph, line or sentence
    where one ends in its last third. The passages cover the text; a text that fits is one passage.
    """
    size = min(window, MOST_TOKENS)
    if len(tokens) <= size:
        return (Passage(0, len(text)),)
    passages: list[Passage] = []
    first = 0
    while True:
        start = tokens[first][0] if first else 0
        if first + size >= len(tokens):
            passages.append(Passage(start, len(text)))
            return tuple(passages)
        end = _break_before(text, tokens[first + 2 * size // 3][0], tokens[first + size - 1][1])
        passages.append(Passage(start, end))
        last = first + size
        while last > first + 1 and tokens[last - 1][0] >= end:
            last -= 1
        first = max(first + 1, last - int(size * OVERLAP))


def _break_before(text: str, least: int, most: int) -> int:
    """Find the best place to end a passage in text[least:most]."""
    for mark in _BREAKS:
        at = text.rfind(mark, least, most)
        if at >= 0:
            return at + len(mark.rstrip())
    return most
