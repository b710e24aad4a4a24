"""Real English about software, found on every machine: the docstrings of Python's standard library and of packages."""

from __future__ import annotations

import ast
import random
import re
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import chain, zip_longest
from pathlib import Path

PACKAGES = (
    "click", "falcon", "fsspec", "huggingface_hub", "joblib", "mcp", "networkx", "numpy", "onnx", "pluggy",
    "pydantic", "pytest", "requests", "rich", "scipy", "sentence_transformers", "setuptools", "sklearn", "starlette",
    "sympy", "torch", "transformers", "urllib3", "uvicorn", "werkzeug",
)  # fmt: skip
"""What FAISS Memory is installed with, under MIT, BSD, Apache or a licence as free; those that are missing are left
out."""
MOST_OF_ONE = 1_200
_PROSE = re.compile(r"[\w.]+: [A-Z](?!.*(?:>>>|----|:param|\.\. )).{40,}\.")
"""A sentence at least, and none of the tables, examples and lists of arguments."""


def sentences(count: int) -> list[str]:
    """Give `count` different texts of one to three sentences, always the same for one version of Python."""
    found = _distinct(_docstrings(Path(sysconfig.get_paths()["stdlib"])), count)
    if len(found) < count:
        raise SystemExit(f"the standard library holds only {len(found)} paragraphs, and {count} are needed")
    return found


def documentation(count: int) -> list[str]:
    """Give `count` different paragraphs of what packages say of themselves, of each package in turn.

    Always the same for the same packages.
    """
    each = (_distinct(_of_package(name), MOST_OF_ONE) for name in PACKAGES)
    found = list(dict.fromkeys(text for text in chain.from_iterable(zip_longest(*each)) if text))
    if len(found) < count:
        raise SystemExit(f"the installed packages hold only {len(found)} paragraphs, and {count} are needed")
    return found[:count]


def _distinct(texts: Iterable[str], most: int) -> list[str]:
    found: dict[str, None] = {}
    for text in texts:
        found[text] = None
        if len(found) == most:
            break
    return list(found)


def _of_package(name: str) -> Iterator[str]:
    """Give the prose of a package's docstrings, from files all over it."""
    spec = find_spec(name)
    for folder in (spec and spec.submodule_search_locations) or ():
        yield from (text for text in _docstrings(Path(folder), random.Random(name)) if _PROSE.fullmatch(text))


def _docstrings(folder: Path, chosen: random.Random | None = None) -> Iterator[str]:
    paths = sorted(folder.rglob("*.py"))
    if chosen is not None:
        chosen.shuffle(paths)
    for path in paths:
        if {"site-packages", "test", "tests"} & {*path.relative_to(folder).parts}:
            continue
        try:
            with warnings.catch_warnings(action="ignore"):  # of escapes in other people's texts
                tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                yield from (f"{path.stem}: {text}" for text in _paragraphs(ast.get_docstring(node) or ""))


def _paragraphs(text: str) -> Iterator[str]:
    for part in re.split(r"\n\s*\n", text):
        words = " ".join(part.split())
        if 40 <= len(words) <= 400:
            yield words
