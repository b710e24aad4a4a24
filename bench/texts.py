"""Real English about software, found on every machine: the docstrings of Python's standard library."""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path


def sentences(count: int) -> list[str]:
    """Give `count` different texts of one to three sentences, always the same for one version of Python."""
    found: dict[str, None] = {}
    for text in _paragraphs():
        found[text] = None
        if len(found) == count:
            return list(found)
    raise SystemExit(f"the standard library holds only {len(found)} paragraphs, and {count} are needed")


def _paragraphs() -> Iterator[str]:
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        if "site-packages" in path.parts or "test" in path.parts or "tests" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                for part in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                    text = " ".join(part.split())
                    if 40 <= len(text) <= 400:
                        yield f"{path.stem}: {text}"
