"""Reading the documents: their code blocks, sections and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), *ROOT.glob("examples/**/README.md")]
)
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]

_BLOCK = re.compile(r"(?:^`([^`\n]+)`\n\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `path` is the file name in the line above it, if there is one; `heading` what it is under."""

    path: str
    language: str
    text: str
    line: int
    heading: str


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, *languages: str) -> list[Block]:
    text = read(name)
    found = []
    for match in _BLOCK.finditer(text):
        before = "\n" + text[: match.start(3)]
        heading = before[before.rfind("\n#") :].split("\n", 2)[1]
        found.append(Block(match[1] or "", match[2], match[3], before.count("\n") - 1, heading))
    return [block for block in found if not languages or block.language in languages]


def commands(name: str) -> list[str]:
    """Every shell line, continued lines joined, and every command in `backticks`."""
    joined = [block.text.replace("\\\n", " ") for block in blocks(name, "bash")]
    lines = [line.split("  #")[0].strip() for text in joined for line in text.splitlines()]
    return lines + re.findall(r"`((?:make|faiss-memory) [^`\n]+)`", read(name))


def prose(name: str) -> str:
    """The text without its blocks."""
    return _BLOCK.sub("", read(name))


def section(name: str, heading: str) -> str:
    """The text under a heading, up to the next of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    rest = read(name).split(f"\n{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]


def anchors(text: str) -> set[str]:
    """The anchors GitHub gives to headings."""
    titles = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
