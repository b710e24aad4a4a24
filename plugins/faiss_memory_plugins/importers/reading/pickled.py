"""Vector stores whose documents Python has pickled. Nothing in them is run: what is no plain value is held inert."""

from __future__ import annotations

import io
import pickle
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faiss_memory import LeftOut, located, open_file, read_file
from faiss_memory_plugins.importers.reading.json_items import items_of
from faiss_memory_plugins.importers.reading.values import as_json

_MOST_BYTES = 1 << 30
_BROKEN = (pickle.UnpicklingError, ValueError, EOFError, TypeError, AttributeError, KeyError, IndexError, MemoryError,
           OverflowError, RecursionError)  # fmt: skip


class _Inert:
    """Stands for any object: it keeps the state that it is given, and does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def extend(self, _: Any) -> None:
        """Take what a list of its kind would."""

    append = add = extend


class _Reader(pickle.Unpickler):
    def find_class(self, _: str, __: str) -> Any:
        return _Inert

    def persistent_load(self, _: Any) -> Any:
        return _Inert()


def plain(raw: bytes) -> Any:
    """Return a pickled value. Raises ValueError."""
    try:
        return _Reader(io.BytesIO(raw)).load()
    except _BROKEN as error:
        raise ValueError(f"it is no pickled value ({error})") from None


def qdrant_points(connection: sqlite3.Connection) -> Iterator[Mapping[str, Any] | LeftOut]:
    """Yield the payload of each point that Qdrant keeps without a server, with its id."""
    try:
        for row in connection.execute("SELECT id, point FROM points ORDER BY rowid"):
            yield _point(str(row["id"]), row["point"])
    except sqlite3.Error as error:
        yield LeftOut("table points", f"the rest of it cannot be read ({error})")


def _point(place: str, raw: Any) -> Mapping[str, Any] | LeftOut:
    try:
        point = plain(raw if isinstance(raw, bytes) else b"")
    except ValueError as error:
        return LeftOut(place, str(error))
    state = as_json(point.state, {}) if isinstance(point, _Inert) else {}
    fields = as_json(state.get("__dict__"), {})
    if not isinstance(fields.get("payload"), dict):
        return LeftOut(place, "it is no point with a payload")
    return _identified(fields.get("id") or place, fields["payload"])


def faiss_documents(file: Path) -> Iterator[Mapping[str, Any] | LeftOut]:
    """Yield the documents that mem0 keeps beside an index of FAISS, with their ids."""
    if file.suffix == ".json":
        with open_file(located(file)) as opened:
            documents = as_json(next(items_of(opened), None), {}).get("docstore")
    else:
        try:
            pair = plain(read_file(located(file), _MOST_BYTES))
        except ValueError:
            pair = None
        documents = pair[0] if isinstance(pair, tuple) and pair else None
    if not isinstance(documents, dict):
        yield LeftOut(file.name, "it is cut short, or no documents of a FAISS store")
        return
    for key, payload in documents.items():
        yield _identified(key, payload) if isinstance(payload, dict) else LeftOut(str(key), "it has no text")


def _identified(key: Any, payload: Mapping[Any, Any]) -> Mapping[str, Any]:
    return {**{str(name): value for name, value in payload.items()}, "id": str(key)}
