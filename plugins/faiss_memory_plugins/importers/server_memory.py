"""The knowledge graph of MCP's reference server `server-memory`: a JSON object in each line of a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faiss_memory import Importer, LeftOut, Record, located, open_file
from faiss_memory_plugins.importers.values import lines_of, words

_HEAD = 4096


class ServerMemory(Importer):
    """Each observation about an entity becomes a memory, and so does each relation."""

    name = "server-memory"
    title = "the knowledge graph of MCP's server-memory (JSONL)"

    def fits(self, path: Path) -> bool:
        """Return whether its first line is an entity or a relation."""
        try:
            with open_file(located(path)) as file:
                head = file.read(_HEAD).lstrip()
        except OSError:
            return False
        return head.startswith(
            (b'{"type":"entity"', b'{"type":"relation"', b'{"type": "entity"', b'{"type": "relation"')
        )

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the lines. There are no times in it."""
        with open_file(located(path)) as file:
            for number, row in lines_of(file):
                found = list(_records(row))
                yield from found
                if not found:
                    yield LeftOut(f"line {number}", "it says nothing: no observation, and no relation")


def _records(row: Any) -> Iterator[Record]:
    if not isinstance(row, dict):
        return
    if row.get("type") == "entity":
        name, kind = str(row.get("name", "")), str(row.get("entityType", ""))
        for said in row.get("observations") or []:
            if str(said).strip():
                yield Record(key=json.dumps([name, said]), text=f"{name}: {said}", tags=words([kind]),
                             metadata={"entity": name})  # fmt: skip
    elif row.get("type") == "relation":
        parts = [str(row.get(name, "")) for name in ("from", "relationType", "to")]
        if all(parts):
            yield Record(key=json.dumps(parts), text=" ".join(parts), tags=("relation",))
