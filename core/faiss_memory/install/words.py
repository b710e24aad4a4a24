"""Whether a text of ours still says the same: formatters wrap lines, and have their own bullets, emphasis, quotes."""

from __future__ import annotations

import difflib
import re
from pathlib import PurePosixPath

from faiss_memory.contracts.config_files import MARK, OwnFile
from faiss_memory.errors import CannotMerge
from faiss_memory.install import json_text, toml_text, yaml_text
from faiss_memory.install.data import alike

_PROSE = (".md", ".mdc", ".markdown")
_LIKE = 0.5
"""The share of words in common from which on a text may be an older form of ours."""


def words(text: str) -> list[str]:
    """Return the words of a Markdown text, without what a formatter may write otherwise."""
    plain = re.sub(r"[*_\\]", "", text.replace("|", " ").replace("'", '"'))
    return [word for word in plain.split() if not re.fullmatch(r"[-+:=>]*", word)]


def says_the_same(part: OwnFile, text: str) -> bool:
    """Return whether a file of our own says what was declared: as data, as words, or letters without spaces."""
    suffix = PurePosixPath(part.path).suffix
    if suffix in _PROSE:
        return words(text) == words(part.text)
    if suffix in (".json", ".toml", ".yaml", ".yml"):
        try:
            same = alike(_data(suffix, text), _data(suffix, part.text))
        except CannotMerge:
            return False
        return same and _comments(suffix, text) == _comments(suffix, part.text)
    return text.split() == part.text.split()


def is_older_form(part: OwnFile, text: str) -> bool:
    """Return whether a file may be taken for an older form of ours: it speaks of us, and is named so or much alike."""
    if MARK not in text:
        return False
    alike_enough = (
        difflib.SequenceMatcher(None, words(text), words(part.text), autojunk=False).ratio() >= _LIKE
    )
    return MARK in part.path.rsplit("/", 1)[-1] or alike_enough


def _data(suffix: str, text: str) -> object:
    if suffix == ".json":
        return json_text.read(text, comments=False)
    return toml_text.read(text) if suffix == ".toml" else yaml_text.read(text)


def _comments(suffix: str, text: str) -> list[str]:
    found = re.findall(r"(?:^|\s)#(.*)", text) if suffix != ".json" else []
    return [" ".join(comment.split()) for comment in found]
