"""What a function says of itself, read from its module's source: nothing is imported, whatever it would cost."""

from __future__ import annotations

import ast
import importlib.util
from importlib.machinery import PathFinder
from typing import NamedTuple


class Told(NamedTuple):
    """What a command says of itself: the first line of its help, and its section."""

    help: str
    section: str = ""


def told_of(module: str, function: str) -> Told:
    """Return the first line of a command's docstring, and its section; both empty where they cannot be read."""
    try:
        tree = ast.parse(_source(module))
    except (ImportError, OSError, SyntaxError, ValueError):
        return Told("")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return Told((ast.get_docstring(node) or "").partition("\n")[0], _section(node))
    return Told("")


def _section(function: ast.FunctionDef) -> str:
    """Read what the decorator that makes a command of a function is given as `section`."""
    given = [word for call in function.decorator_list if isinstance(call, ast.Call) for word in call.keywords]
    return next(
        (
            str(word.value.value)
            for word in given
            if word.arg == "section" and isinstance(word.value, ast.Constant)
        ),
        "",
    )


def _source(module: str) -> bytes:
    """Find a module below its top package without importing that, as `find_spec` alone would."""
    top, *parts = module.split(".")
    spec, name = importlib.util.find_spec(top), top
    for part in parts:
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, None if spec is None else spec.submodule_search_locations)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    with open(spec.origin, "rb") as file:
        return file.read()
