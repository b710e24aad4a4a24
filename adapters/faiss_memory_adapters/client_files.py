"""Reading what assistants keep about themselves; a file that is not there, or cannot be read, says nothing."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    return _read(path, json.loads)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file."""
    return _read(path, tomllib.loads)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping."""
    return _read(path, yaml.safe_load)


def _read(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        found = parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}
