"""What stands at a part's place at present, as the assistant reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from faiss_memory.contracts.config_files import (
    JsonDefault,
    JsonItems,
    JsonMember,
    OwnFile,
    TomlTable,
    YamlItem,
    YamlMember,
)
from faiss_memory.install import json_text, toml_text, yaml_text
from faiss_memory.install.data import ABSENT, is_marked, member
from faiss_memory.install.disk import read_content
from faiss_memory.install.formats import Part


def current(path: Path, part: Part) -> Any:
    """Return the data at a part's place; of a list only what is ours, of a file of our own all of it,
    of a program its text.

    ABSENT if there is none, or if it is no data. Raises CannotMerge for a file that cannot be read as what it is.
    """
    content = read_content(path)
    if content.raw is None:
        return ABSENT
    _, text = content.text()
    if isinstance(part, OwnFile):
        return _whole(path, text)
    if isinstance(part, JsonMember | JsonItems | JsonDefault):
        found = member(json_text.read(text, comments=part.comments), part.keys)
    elif isinstance(part, TomlTable):
        found = member(toml_text.read(text), part.keys)
    elif isinstance(part, YamlItem | YamlMember):
        found = member(yaml_text.read(text), part.keys)
    else:
        return ABSENT
    if isinstance(part, JsonItems | YamlItem) and isinstance(found, list):
        return [item for item in found if is_marked(item)]
    return found


def _whole(path: Path, text: str) -> Any:
    if path.suffix in (".yaml", ".yml"):
        return yaml_text.read(text)
    if path.suffix == ".js":
        return text
    return json_text.read(text, comments=False) if path.suffix == ".json" else ABSENT
