"""Vector stores whose documents Python has pickled. Nothing in them is run: what is no plain value is held inert.

The unpickler is Python's own in Python: the other takes memory by numbers that are written in the file. Tuples become
lists, since a few references make one with very many parts, which would have to be counted to be a key.
"""

from __future__ import annotations

import io
import pickle
import sqlite3
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faiss_memory import LeftOut, located, open_file, read_file
from faiss_memory_plugins.importers.reading.json_items import items_of
from faiss_memory_plugins.importers.reading.values import as_json, plain

_MOST_BYTES = 1 << 30
_BROKEN = (pickle.UnpicklingError, ValueError, EOFError, TypeError, AttributeError, KeyError, IndexError, MemoryError,
           OverflowError, RecursionError, AssertionError, struct.error)  # fmt: skip


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


_Unpickler: Any = pickle._Unpickler


class _Reader(_Unpickler):  # type: ignore[misc]
    def find_class(self, _: str, __: str) -> Any:
        return _Inert

    def persistent_load(self, _: Any) -> Any:
        return _Inert()

    def _listed(self, count: int) -> None:
        at = len(self.stack) - count
        self.stack[at:] = [self.stack[at:]]

    def _listed_from_mark(self) -> None:
        self.append(self.pop_mark())

    dispatch = {  # noqa: RUF012 - as the class above has it
        **_Unpickler.dispatch,
        pickle.TUPLE[0]: _listed_from_mark,
        pickle.EMPTY_TUPLE[0]: lambda self: self._listed(0),
        pickle.TUPLE1[0]: lambda self: self._listed(1),
        pickle.TUPLE2[0]: lambda self: self._listed(2),
        pickle.TUPLE3[0]: lambda self: self._listed(3),
    }


def unpickled(raw: bytes) -> Any:
    """Return a pickled value, with lists for tuples. Raises ValueError."""
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
        point = unpickled(raw if isinstance(raw, bytes) else b"")
    except ValueError as error:
        return LeftOut(place, str(error))
    state = as_json(point.state, {}) if isinstance(point, _Inert) else {}
    fields = as_json(state.get("__dict__"), {})
    if not isinstance(fields.get("payload"), dict):
        return LeftOut(place, "it is no point with a payload")
    return _identified(fields.get("id") or place, fields["payload"], place)


def faiss_documents(file: Path) -> Iterator[Mapping[str, Any] | LeftOut]:
    """Yield the documents that mem0 keeps beside an index of FAISS, with their ids."""
    if file.suffix == ".json":
        with open_file(located(file)) as opened:
            documents = as_json(next(items_of(opened), None), {}).get("docstore")
    else:
        try:
            pair = unpickled(read_file(located(file), _MOST_BYTES))
        except ValueError:
            pair = None
        documents = pair[0] if isinstance(pair, list) and pair else None
    if not isinstance(documents, dict):
        yield LeftOut(file.name, "it is cut short, or no documents of a FAISS store")
        return
    for key, payload in documents.items():
        place = str(key)[:100]
        yield (
            _identified(key, payload, place)
            if isinstance(payload, dict)
            else LeftOut(place, "it has no text")
        )


def _identified(key: Any, payload: Mapping[Any, Any], place: str) -> Mapping[str, Any] | LeftOut:
    try:
        return {**plain(payload), "id": str(plain(key, 1))}
    except ValueError as error:
        return LeftOut(place, str(error))
