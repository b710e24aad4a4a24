"""What a prompt asks: a few short queries, out of prose, pasted text and markup.

A prompt is not a query. People paste a log, a trace, a diff or a file beside their question, and a vector for all of it
is near to nothing. So what the person has written is told apart from what was pasted: the prose is asked, by its first
and last words if it is long, and of what was pasted the line that says what went wrong. Each query is searched by
itself and the best match counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONGEST_READ = 16_000
"""Characters; of a longer prompt only the beginning and the end are read, half and half."""
LONGEST_QUERY = 480
"""Characters: about what the model takes in sharply."""
LONGEST_LINE = 2_000
MOST_QUERIES = 5
MOST_SENTENCES = 3

_COMMAND = re.compile(r"\s*/[\w:.-]+\s*")
_MACHINE_BLOCK = re.compile(r"<([a-z][a-z0-9]*(?:[-_][a-z0-9]+)+)(?:\s[^<>\n]{0,200})?>")
"""Markup of a program's own, such as <task-notification>: its name has several parts, which no element of HTML has."""
_FENCE = re.compile(r"[ \t]{0,3}(?:```|~~~)")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_LATIN = re.compile(r"[A-Za-z]")


def _any_of(*patterns: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile("|".join(patterns), flags)


_LOG = _any_of(
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d:",
    r"\[?\d\d:\d\d:\d\d",
    r"\[?(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL)\b[\]: ]",
    r"\d{1,3}(?:\.\d{1,3}){3} ",
    r"[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d",
    r"(?:npm|yarn|pnpm) (?:err|ERR|warn|error)",
    r"[^\s:]{1,60}:\d+:\d+[: ]",
    r"\$ |% |>>> |#\d+ +\d",
)
_TRACE = _any_of(
    r"\s*(?:at \S+[ (]|at .{1,200}:\d+|File \".{1,300}\", line \d|Traceback \(|Caused by:|\.\.\. \d+ more",
    r"goroutine \d|--> |\d* *\| )",
)
_DIFF = re.compile(r"diff --git |index [0-9a-f]{7,}|@@ -\d|(?:---|\+\+\+) \S|[+-](?:\s{2,}|\S{0,40}[=({;:])")
_CODE_END = re.compile(r"[;{}\])]\s*,?\s*$|(?:\)|\bdo|\bthen)\s*:\s*$|=>\s*$|\\\s*$")
_CODE_START = _any_of(
    r"\s*(?:def |class \w+[:(]|async |import [\w.{*]|from [\w.]+ import|return\b.*[;()]|const |let \w+\s*=|var \w+",
    r"func |fn |pub |if \(|for \(|while \(|else\b|elif |try[:{ ]|except\b|catch\b|@\w+|#include|#!|//|/\*|\* ",
    r"<\/?[a-zA-Z][\w.]*[ />]|\"[\w-]+\"\s*:|[\w.-]+\s*[:=]\s*[\[{\"'\d]|[\w.\[\]]+ [-+*/]?= |select |insert into",
    r"\w+\(.*\)\s*$)",
)
_PROSE_START = re.compile(r"\s*(?:from|import|select|else|let|try|for|if) \w+ \w+ \w+")
"""A sentence that begins as code may."""
_NAME = re.compile(r"[a-z][A-Z]|[A-Za-z]\d|\d[A-Za-z]|\w[_./:=]\w|^\W*\d+\W*$")
"""What looks like a name in code, a path, or a number, rather than a word."""
_FAILURE = _any_of(
    r"\b\w*(?:Error|Exception|Failure|Warning)\b",
    r"\b(?:error|fatal|panic|failed|failure|cannot|can't|could not|refused|denied|undefined|not found|no such",
    r"timed? ?out|unable|invalid|unexpected|abort(?:ed)?|exit code|status [45]\d\d)\b",
    flags=re.IGNORECASE,
)
_NOISE = re.compile(r"[^\w\s]+")
_LOG_HEAD = re.compile(
    r"^\s*(?:\[?\d{4}-\d\d-\d\d[T ][\d:.,Z+-]+\]?|\[?\d\d:\d\d:\d\d[\d.,]*\]?)?\s*(?:\[[^\]\n]{1,40}\]\s*)*"
)
_ENDS = ".!?\u3002\uff01\uff1f"
_SENTENCE = re.compile(rf"[^{_ENDS}\n]+(?:[.!?](?=\S)[^{_ENDS}\n]*)*[{_ENDS}]*")
_QUOTED_LINE = re.compile(r"\s*>\s")


@dataclass(frozen=True, slots=True)
class PromptParts:
    """What a prompt asks."""

    prose: str
    """What the person has written; empty where everything was pasted."""
    queries: Sequence[str]
    """What to search for, the most telling first; empty where there is nothing to search for."""


def prompt_parts(prompt: str) -> PromptParts:
    """Return what a prompt asks, in time that grows with its length up to LONGEST_READ characters."""
    text = _bounded(prompt)
    if _COMMAND.fullmatch(text):
        return PromptParts("", ())
    text = _without_machine_blocks(text)
    blocks = _blocks(text)
    paragraphs = [" ".join(block.text.split()) for block in blocks if block.is_prose]
    paragraphs = [paragraph for paragraph in paragraphs if re.search(r"\w", paragraph)]
    failure = _failure(block.text for block in blocks if not block.is_prose)
    prose = "\n".join(paragraphs)
    queries = _of_prose(paragraphs, was_pasted_beside=any(not block.is_prose for block in blocks))
    if failure and failure not in prose:
        queries.append(failure)
    if not queries:
        queries = _of_pasted([block.text for block in blocks])
    return PromptParts(prose, list(dict.fromkeys(queries))[:MOST_QUERIES])


def why_nothing(prompt: str) -> str:
    """Return in plain words why a prompt asks nothing."""
    text = _bounded(prompt)
    if not text.strip():
        return "the prompt is empty"
    if _COMMAND.fullmatch(text):
        return "it is a command to the assistant"
    if not _without_machine_blocks(text).strip():
        return "it is a program's markup alone"
    return "there are no words in it to search for"


def _bounded(prompt: str) -> str:
    if len(prompt) <= LONGEST_READ:
        return prompt
    return f"{prompt[: LONGEST_READ // 2]}\n{prompt[-LONGEST_READ // 2 :]}"


def _without_machine_blocks(text: str) -> str:
    """Return a text without what programs put into prompts; an opened block that never ends reaches to the end."""
    kept, at = [], 0
    while (opened := _MACHINE_BLOCK.search(text, at)) is not None:
        kept.append(text[at : opened.start()])
        end = text.find(f"</{opened[1]}>", opened.end())
        if end < 0:
            return "".join(kept)
        at = end + len(opened[1]) + 3
    return "".join([*kept, text[at:]])


@dataclass(frozen=True, slots=True)
class _Block:
    is_prose: bool
    text: str


def _blocks(text: str) -> list[_Block]:
    """Cut a text into runs of prose and of what is none, line by line; a blank line ends a run of prose."""
    blocks: list[_Block] = []
    lines: list[str] = []
    now: bool | None = None
    is_fenced = False

    def end() -> None:
        nonlocal lines
        if lines:
            blocks.append(_Block(bool(now), "\n".join(lines)))
        lines = []

    for line in text.split("\n"):
        if _FENCE.match(line):
            end()
            is_fenced = not is_fenced
            now = None
            continue
        if not line.strip():
            if now:
                end()
                now = None
            continue
        is_prose = not is_fenced and _is_prose(line[:LONGEST_LINE])
        if is_prose != now:
            end()
            now = is_prose
        lines.append(line[:LONGEST_LINE])
    end()
    return _settled(blocks)


def _settled(blocks: Sequence[_Block]) -> list[_Block]:
    """Take a short run of prose between pasted lines for pasted as well: a comment, or the text of a log line."""
    settled = []
    for place, block in enumerate(blocks):
        is_prose = block.is_prose
        if is_prose and 0 < place < len(blocks) - 1:
            around = (blocks[place - 1].is_prose, blocks[place + 1].is_prose)
            is_prose = any(around) or len(_WORD.findall(block.text)) >= 8
        settled.append(_Block(is_prose, block.text))
    return settled


def _is_prose(line: str) -> bool:
    """Return whether a line is what a person writes, rather than what is pasted."""
    if _QUOTED_LINE.match(line) or _LOG.match(line) or _TRACE.match(line) or _DIFF.match(line):
        return False
    words = _WORD.findall(line)
    letters = sum(map(len, words))
    if not words:
        return False
    if not _LATIN.search(line):
        return True  # (scripts without spaces have no short words to count)
    if line.startswith(("    ", "\t")) and (_CODE_START.match(line) or _CODE_END.search(line)):
        return False
    if _CODE_END.search(line) and len(words) < 12:
        return False
    if _CODE_START.match(line) and not re.match(
        r"\s*(?:from|import|select|else|let|try|for|if) \w+ \w+ \w+", line
    ):
        return False
    tokens = line.split()
    names = sum(map(bool, map(_NAME.search, tokens)))
    capitals = sum(token.isupper() and len(token) > 1 for token in tokens)
    if len(tokens) > 2 and (names >= 0.4 * len(tokens) or capitals >= 0.6 * len(tokens)):
        return False
    signs = sum(map(len, _NOISE.findall(line)))
    return letters >= 0.55 * len(line.replace(" ", "")) and signs <= 0.25 * len(line)


def _of_prose(paragraphs: Sequence[str], was_pasted_beside: bool) -> list[str]:
    """Return the queries of what a person has written: all of it if it is short, else its first and last words.

    Beside pasted text some of it may have been taken for prose: there the first and last words stand for themselves.
    """
    if not paragraphs:
        return []
    whole = "\n".join(paragraphs)
    if len(whole) <= LONGEST_QUERY and not was_pasted_beside:
        queries = [whole]
    else:
        queries = [_first(paragraphs[0]), _last(paragraphs[-1])]
    sentences = [part.strip() for paragraph in paragraphs for part in _SENTENCE.findall(paragraph)]
    telling = [part for part in sentences if len(_WORD.findall(part)) >= 4 and len(part) <= LONGEST_QUERY]
    if len(telling) > 1 and not was_pasted_beside:
        queries += [*telling[:1], *telling[-(MOST_SENTENCES - 1) :]]
    return queries


def _first(text: str) -> str:
    return text if len(text) <= LONGEST_QUERY else text[:LONGEST_QUERY].rsplit(" ", 1)[0]


def _last(text: str) -> str:
    return text if len(text) <= LONGEST_QUERY else text[-LONGEST_QUERY:].split(" ", 1)[-1]


def _failure(pasted: Iterable[str]) -> str:
    """Return the line of pasted text that says what went wrong: the last of a trace, the exception."""
    found = ""
    for block in pasted:
        for line in block.split("\n"):
            if _FAILURE.search(line) and not _TRACE.match(line) and len(_WORD.findall(line)) >= 2:
                found = line
    return _first(_LOG_HEAD.sub("", found).strip())[:LONGEST_QUERY]


def _of_pasted(blocks: Sequence[str]) -> list[str]:
    """Return the queries where everything was pasted: its first and its last words."""
    lines = [line.strip() for block in blocks for line in block.split("\n") if len(_WORD.findall(line)) >= 2]
    if not lines:
        return []
    return [_first(lines[0]), _last(lines[-1])]
