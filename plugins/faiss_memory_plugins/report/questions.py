"""Questions made from memories by rule, so that the answer is known: the memory itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

Rule: TypeAlias = Literal["cue", "heading", "sentence"]
RULES: Mapping[Rule, str] = {
    "cue": "one of its cues",
    "heading": "its heading",
    "sentence": "one of its sentences, with its longest word left out",
}
LONGEST = 300
"""Characters of a question."""
_HEADING = re.compile(r"\A#{1,6}[ \t]+(\S.*)\n\s*\S")
_SENTENCE = re.compile(r"[^.!?\n]{20,}[.!?]?")
_LEAST_WORDS = 4


class Question(NamedTuple):
    """A question, and the memory that answers it."""

    text: str
    rule: Rule
    memory: Mapping[str, Any]


def sampled(memories: Iterable[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """Choose at most so many memories: the same of the same store, whatever their order."""
    return sorted(memories, key=lambda one: hashlib.sha256(one["uid"].encode()).digest())[:most]


def spread(values: Sequence[Any], most: int) -> list[Any]:
    """Choose at most so many values, evenly over all of them."""
    count = min(most, len(values))
    return [values[place * len(values) // count] for place in range(count)]


def questions_of(memory: Mapping[str, Any]) -> Iterator[Question]:
    """Yield the questions that a memory gives, one for each rule that fits."""
    if memory["cues"]:
        yield Question(memory["cues"][0][:LONGEST], "cue", memory)
    if heading := _HEADING.match(memory["text"]):
        yield Question(heading[1].strip(" #\t")[:LONGEST], "heading", memory)
    if sentence := _with_a_gap(memory["text"]):
        yield Question(sentence, "sentence", memory)


def _with_a_gap(text: str) -> str:
    """Return the longest sentence that is short enough without its longest word; empty if there is none."""
    found = (sentence[0].strip(" #\t-*") for sentence in _SENTENCE.finditer(text))
    fitting = [sentence for sentence in found if len(sentence) <= LONGEST]
    words = max(fitting, key=len, default="").split()
    if len(words) < _LEAST_WORDS:
        return ""
    words.remove(max(words, key=len))
    return " ".join(words)
