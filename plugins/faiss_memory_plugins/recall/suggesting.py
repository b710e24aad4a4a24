"""What of an assistant's last words might be worth storing: a sentence by which something is settled."""

from __future__ import annotations

import re

from faiss_memory import clean_line, holds_recalled

LONGEST = 8_000
"""Characters of what was said that are read, the last ones."""
LONGEST_SENTENCE = 240
_LEAST_WORDS = 5
_CODE = re.compile(r"^[ \t]*(```|~~~)")
_BETWEEN = re.compile(r"(?<=[.!?])\s+")
_LEADING = re.compile(r"^[\s>#*+\-]+")
_SETTLED = re.compile(
    r"\b(?:(?:we|i)(?:'ve| have)? (?:decided|agreed|settled on|chose)|(?:it was|is|was) decided"
    r"|we(?:'ll| will) (?:use|keep|go with|stick (?:to|with))|from now on|(?:the )?root cause (?:is|was)"
    r"|(?:fixed|solved|resolved|caused) by|turned out (?:to be|that))\b",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(?:if|unless|whether|should|could|might|maybe|perhaps|not (?:yet )?decided)\b", re.IGNORECASE
)


def settled_in(said: str) -> str:
    """Return the last sentence that settles something, in one line; an empty text where none does.

    A cheap rule: words such as "decided" or "root cause", in prose, that is neither a question nor a condition. What
    was recalled is known already, and what somebody has marked as private is left alone.
    """
    if "<private" in said.lower() or holds_recalled(said):
        return ""
    for line in reversed(_prose(said[-LONGEST:])):
        for sentence in reversed(_BETWEEN.split(line)):
            told = clean_line(_LEADING.sub("", sentence)).replace("**", "")
            if _is_settled(told):
                return told
    return ""


def _is_settled(sentence: str) -> bool:
    return (
        len(sentence) <= LONGEST_SENTENCE
        and len(sentence.split()) >= _LEAST_WORDS
        and not sentence.endswith("?")
        and bool(_SETTLED.search(sentence))
        and not _OPEN.search(sentence)
    )


def _prose(said: str) -> list[str]:
    """Return the lines outside blocks of code."""
    lines, is_code = [], False
    for line in said.splitlines():
        if _CODE.match(line):
            is_code = not is_code
        elif not is_code:
            lines.append(line)
    return lines
