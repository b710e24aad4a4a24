"""Marked blocks in files of lines: the person's own words around them stay as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from faiss_memory.contracts.config_files import MarkdownBlock
from faiss_memory.errors import CannotMerge
from faiss_memory.install.data import Presence
from faiss_memory.install.words import words


@dataclass(frozen=True, slots=True)
class IgnoredPaths:
    """Patterns in git's `info/exclude`, which keep files of ours out of a repository without a trace in it."""

    path: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Marks:
    """The lines around a block."""

    start: str
    end: str


IN_MARKDOWN = Marks("<!-- faiss-memory:start -->", "<!-- faiss-memory:end -->")
IN_EXCLUDE = Marks("# faiss-memory:start", "# faiss-memory:end")

Block = MarkdownBlock | IgnoredPaths


def state(text: str, part: Block) -> Presence:
    """Return whether a block is there."""
    inner = _inner(text, _marks(part))
    if inner is None:
        return "absent"
    if isinstance(part, IgnoredPaths):
        return "same" if set(part.patterns) <= set(inner.splitlines()) else "absent"
    return "same" if words(inner) == words(_body(part)) else "other"


def put(text: str, part: Block) -> str:
    """Add a block, or put it in place of the one there; of patterns the block holds those of all assistants."""
    if state(text, part) == "same":
        return text
    marks, newline = _marks(part), "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    body = _body(part)
    if isinstance(part, IgnoredPaths):
        body = "".join(
            f"{line}\n" for line in sorted({*(_inner(text, marks) or "").splitlines(), *part.patterns})
        )
    else:
        body = f"\n{body}\n"  # as formatters set comments and text apart
    span = _span(text, marks)
    block = f"{marks.start}\n{body}{marks.end}".replace("\n", newline)
    return _with_block(text, span, block)


def _with_block(text: str, span: tuple[int, int] | None, block: str) -> str:
    """Put a block in place of the one there, or at the end."""
    if span is not None:
        return text[: span[0]] + block + text[span[1] :]
    newline = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    ended = text if not text or text.endswith("\n") else text + newline
    return ended + (newline if text.strip() else "") + block + newline


def take_out(text: str, part: Block, original: str) -> str:
    """Remove a block with the blank line before it; of patterns only the given ones."""
    marks = _marks(part)
    span = _span(text, marks)
    if span is None:
        return text
    if isinstance(part, IgnoredPaths):
        rest = sorted(set((_inner(text, marks) or "").splitlines()) - set(part.patterns))
        if rest:
            newline = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
            block = newline.join([marks.start, *rest, marks.end])
            return text[: span[0]] + block + text[span[1] :]
    before, after = text[: span[0]], text[span[1] :]
    before = re.sub(r"(\A|(?<=\n))[ \t]*\r?\n\Z", "", before)
    return before + re.sub(r"\A[ \t]*\r?\n", "", after)


def given_back(text: str, original: str) -> str | None:
    """Put the block that a Markdown file had before, letter by letter; None where it had none."""
    before = _span(original, IN_MARKDOWN)
    if before is None:
        return None
    return _with_block(text, _span(text, IN_MARKDOWN), original[before[0] : before[1]])


def patterns(text: str) -> list[str]:
    """List the patterns in our block of git's list."""
    return (_inner(text, IN_EXCLUDE) or "").splitlines()


def is_blank(text: str) -> bool:
    """Return whether a file holds nothing any more."""
    return not text.strip()


def snippet(part: Block) -> str:
    """Write a block as a file of its own."""
    return put("", part)


def _marks(part: Block) -> Marks:
    return IN_MARKDOWN if isinstance(part, MarkdownBlock) else IN_EXCLUDE


def _body(part: Block) -> str:
    if isinstance(part, IgnoredPaths):
        return "".join(f"{line}\n" for line in part.patterns)
    marks = _marks(part)
    lines = part.text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if any(line.strip() in (marks.start, marks.end) for line in lines):
        raise CannotMerge("the block's own text contains its marks")
    return "".join(f"{line}\n" for line in lines)


def _inner(text: str, marks: Marks) -> str | None:
    span = _span(text, marks)
    if span is None:
        return None
    lines = text[span[0] : span[1]].replace("\r\n", "\n").split("\n")[1:-1]
    within = lines[1:-1] if lines[:1] == lines[-1:] == [""] else lines
    return "".join(f"{line}\n" for line in within)


def _span(text: str, marks: Marks) -> tuple[int, int] | None:
    """Find a block from its first mark to its last, without the line end. Raises CannotMerge for marks without pair."""
    starts = [match.span() for match in _lines(text, marks.start)]
    ends = [match.span() for match in _lines(text, marks.end)]
    if not starts and not ends:
        return None
    if len(starts) != 1 or len(ends) != 1 or starts[0] > ends[0]:
        raise CannotMerge(f"`{marks.start}` and `{marks.end}` are not there once each, in this order")
    return starts[0][0], ends[0][1]


def _lines(text: str, line: str) -> list[re.Match[str]]:
    return list(re.finditer(rf"^[ \t]*{re.escape(line)}[ \t]*(?=\r?$)", text, re.MULTILINE))
