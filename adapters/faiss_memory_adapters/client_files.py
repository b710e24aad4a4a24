"""Reading what assistants keep about themselves; a file that is not there, or cannot be read, says nothing."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from faiss_memory import YAML_ERRORS, located, read_file

_ERRORS = (OSError, *YAML_ERRORS)


def read_json(path: Path, *, comments: bool = False) -> dict[str, Any]:
    """Read a JSON object; with comments and trailing commas where its reader takes them."""
    return _read(path, _with_comments if comments else json.loads)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file."""
    return _read(path, tomllib.loads)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping."""
    return _read(path, yaml.safe_load)


def place_of(path: str, folder: str = "") -> Path:
    """Return the place of a declared path."""
    return Path.home() / path[2:] if path.startswith("~/") else Path(folder, path)


def trouble_with(path: Path) -> str:
    """Return what keeps a JSON or TOML file that is there from being read, or give an empty text."""
    try:
        text = _text(path)
        found = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except FileNotFoundError:
        return ""
    except _ERRORS as error:
        return f"{path} cannot be read: {error}."
    return "" if isinstance(found, dict) else f"{path} cannot be read: it holds no object."


def table(content: Any, *keys: str) -> dict[str, Any]:
    """Return the object that lies in others under these keys; an empty one if any of them is something else."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def items(content: Any, key: str) -> list[Any]:
    """Return the list under a key; an empty one if it is something else."""
    found = content.get(key) if isinstance(content, dict) else None
    return found if isinstance(found, list) else []


def _with_comments(text: str) -> Any:
    plain = re.sub(
        r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda found: found[1] or " ", text, flags=re.DOTALL
    )
    return json.loads(re.sub(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', lambda found: found[1] or "", plain))


def _text(path: Path) -> str:
    return read_file(located(path)).decode("utf-8-sig")


def _read(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        found = parse(_text(path))
    except _ERRORS:
        return {}
    return found if isinstance(found, dict) else {}
