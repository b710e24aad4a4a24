"""The knowledge graph of MCP's reference server `server-memory`: a JSON object in each line of a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faiss_memory import Importer, LeftOut, Record, located, open_file
from faiss_memory_plugins.importers.reading.texts import json_lines, opened_text
from faiss_memory_plugins.importers.reading.values import MOST_OF_A_NAME, as_json, name_of, text_of, words

_HEAD = 4096
_FIRST = re.compile(r'\s*\{\s*"type"\s*:\s*"(entity|relation)"')


class ServerMemory(Importer):
    """Each observation about an entity becomes a memory, and so does each relation."""

    name = "server-memory"
    title = "the knowledge graph of MCP's server-memory (JSONL)"

    def fits(self, path: Path) -> bool:
        """Return whether its first line is an entity or a relation."""
        try:
            with open_file(located(path)) as file, opened_text(file) as text:
                return bool(_FIRST.match(text.read(_HEAD)))
        except (OSError, ValueError):
            return False

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the lines. There are no times in it."""
        with open_file(located(path)) as file:
            for number, row in json_lines(file):
                if isinstance(row, LeftOut):
                    yield row
                    continue
                found = _records(row)
                first = next(found, None)
                yield first or LeftOut(
                    f"line {number}",
                    "it says nothing: no observation, and no relation, or with a name of more than "
                    f"{MOST_OF_A_NAME:,} characters",
                )
                yield from found


def _records(row: Any) -> Iterator[Record]:
    if not isinstance(row, dict):
        return
    if row.get("type") == "entity":
        name = name_of(row.get("name"))
        for said in map(text_of, as_json(row.get("observations"), [])):
            if said and name:
                yield Record(key=json.dumps([name, said]), text=f"{name}: {said}", tags=words([row.get("entityType")]),
                             metadata={"entity": name})  # fmt: skip
    elif row.get("type") == "relation":
        parts = [text_of(row.get(name)) for name in ("from", "relationType", "to")]
        if all(parts):
            yield Record(key=json.dumps(parts), text=" ".join(parts), tags=("relation",))
