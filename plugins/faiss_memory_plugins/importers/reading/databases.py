"""Other programs' SQLite databases, read and never written.

To read a database with a write-ahead log, SQLite writes a file beside it, and it repairs what a crash has left. So a
database that has such a file beside it is copied first, and so is one that was cut short; any other is opened as one
that nobody changes.

Who made a database may have put into it what makes a reader calculate for ever, such as a view that stands for a
table, or a column that is calculated whenever it is read. So nothing is read but what is stored in tables, and no value
that is longer than any memory. Readers join tables with dictionaries, and not in SQL, which makes the product of what
many rows of the same key hold.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias

from faiss_memory import InvalidRequest, LeftOut, Record, located, open_file

Row: TypeAlias = Mapping[str, Any]
_MAGIC = b"SQLite format 3\x00"
_HEAD, _LARGEST_PAGE, _MOST_FILLED = 100, 1 << 16, 1 << 38
_BESIDE = ("-wal", "-journal")
_TRIES = 5
_LIMITS = {sqlite3.SQLITE_LIMIT_LENGTH: 1 << 26, sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000}
_VIRTUAL = 2
"""How SQLite marks a column that is not stored."""
_CALCULATES = sqlite3.SQLITE_RECURSIVE
_State: TypeAlias = tuple[tuple[int, int] | None, ...]


def has_table(path: Path, table: str, *columns: str) -> bool:
    """Return whether a file is a database with such a table, that has these columns."""
    try:
        place = located(path)
        return set(columns) <= set(_tables(place, _state(place)).get(table, ()))
    except (OSError, sqlite3.Error, InvalidRequest):
        return False


@contextmanager
def opened(path: Path, **tables: tuple[str, ...]) -> Iterator[sqlite3.Connection]:
    """Open a database to be read only.

    Raises InvalidRequest if it cannot be read, lacks one of these tables or a column of it, or is changed meanwhile.
    """
    place = located(path)
    if not place.is_file():
        raise InvalidRequest(f"{path} is no file", "path")
    try:
        with ExitStack() as stack:
            before = _state(place)
            readable, options = place, "mode=ro&immutable=1"
            if any(one and one[0] for one in before[1:]) or _is_cut(place):
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faiss-memory-")))
                readable, options = _copied(place, folder), "mode=rw"
            connection = stack.enter_context(
                closing(sqlite3.connect(f"{readable.as_uri()}?{options}", uri=True))
            )
            connection.row_factory = sqlite3.Row
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            connection.execute("PRAGMA query_only = ON")
            for limit, most in _LIMITS.items():
                connection.setlimit(limit, most)
            connection.set_authorizer(_allowed)
            connection.set_authorizer(partial(_stored_only, _calculated(connection)))
            for table, columns in tables.items():
                _check(connection, path, table, columns)
            yield connection
            if readable == place and _state(place) != before:
                raise InvalidRequest(f"{path} was changed while it was read; do it again", "path")
    except sqlite3.Error as error:
        raise InvalidRequest(f"{path} cannot be read as a database ({error})", "path") from None


def _allowed(action: int, _: str | None, __: str | None, ___: str | None, view: str | None) -> int:
    """Return what SQLite may do: anything but what calculates, and what a view or a trigger asks for."""
    return sqlite3.SQLITE_DENY if view is not None or action == _CALCULATES else sqlite3.SQLITE_OK


def _calculated(connection: sqlite3.Connection) -> frozenset[tuple[str, str]]:
    """Return table and column of what is calculated when it is read; no column for a table that a module makes up."""
    made_up = set()
    for name, root in connection.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'table'"):
        if root:
            columns = connection.execute(f"PRAGMA table_xinfo({_quoted(name)})")
            made_up |= {(name.lower(), row["name"].lower()) for row in columns if row["hidden"] == _VIRTUAL}
        else:
            made_up.add((name.lower(), ""))
    return frozenset(made_up)


def _stored_only(
    calculated: Collection[tuple[str, str]],
    action: int,
    table: str | None,
    column: str | None,
    schema: str | None,
    view: str | None,
) -> int:
    """Return what SQLite may do: as `_allowed`, and it reads nothing that is calculated."""
    name = (table or "").lower()
    asked = {(name, ""), (name, (column or "").lower())}
    if action == sqlite3.SQLITE_READ and not asked.isdisjoint(calculated):
        return sqlite3.SQLITE_DENY
    return _allowed(action, table, column, schema, view)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def columns_of(connection: sqlite3.Connection, table: str) -> set[str]:
    """Return the columns of a table whose values are stored; none if it is not there."""
    found = connection.execute(f"PRAGMA table_xinfo({_quoted(table)})")
    return {row["name"] for row in found if row["hidden"] != _VIRTUAL}


def rows(connection: sqlite3.Connection, table: str, order: str) -> Iterator[Row]:
    """Yield the rows of a table, by column.

    A column that an older version lacks is simply not there, and so is one that is calculated.
    """
    columns = ", ".join(map(_quoted, sorted(columns_of(connection, table))))
    for row in connection.execute(f"SELECT {columns} FROM {_quoted(table)} ORDER BY {_quoted(order)}"):
        yield {name: row[name] for name in row.keys()}  # noqa: SIM118 - a row iterates its values


def records_of(
    found: Iterator[Row], table: str, record: Callable[[Row], Record | LeftOut]
) -> Iterator[Record | LeftOut]:
    """Yield what is made of each row; where the database is damaged, say so in place of the rest."""
    try:
        for row in found:
            yield record(row)
    except sqlite3.Error as error:
        yield LeftOut(f"table {table}", f"the rest of it cannot be read ({error})")


def _check(connection: sqlite3.Connection, path: Path, table: str, columns: tuple[str, ...]) -> None:
    there = columns_of(connection, table)
    if missing := [name for name in columns if name not in there]:
        what = f"stored columns {', '.join(missing)} in its table {table}" if there else f"table {table}"
        raise InvalidRequest(
            f"{path} has no {what}: it is of another program, or of a version that is not known here", "path"
        )


@lru_cache(maxsize=16)
def _tables(place: Path, state: _State) -> Mapping[str, frozenset[str]]:
    """Return the columns of each table; the file's state is what the answer holds for."""
    with open_file(place) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return {}
    with opened(place) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: frozenset(_columns_or_none(connection, name)) for name in names}


def _columns_or_none(connection: sqlite3.Connection, table: str) -> set[str]:
    try:
        return {row["name"] for row in connection.execute(f"PRAGMA table_xinfo({_quoted(table)})")}
    except sqlite3.Error:  # a virtual table of a module that is not loaded here
        return set()


def _state(place: Path) -> _State:
    """Return size and time of a database and of what lies beside it, none for what is not there."""
    return (_size_and_time(place), *(_size_and_time(_beside(place, end)) for end in _BESIDE))


def _size_and_time(place: Path) -> tuple[int, int] | None:
    try:
        found = place.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _beside(place: Path, end: str) -> Path:
    return place.with_name(place.name + end)


def _copied(place: Path, folder: Path) -> Path:
    """Copy a database in one state into a folder. Raises InvalidRequest if it does not stay the same for so long."""
    copy = folder / "copy.db"
    for _ in range(_TRIES):
        before = _state(place)
        for end in ("", *_BESIDE):
            _copy(_beside(place, end), _beside(copy, end))
        if _state(place) == before:
            _fill(copy)
            return copy
    raise InvalidRequest(f"{place} is being written; close the program that does, and do it again", "path")


def _is_cut(place: Path) -> bool:
    """Return whether a file has fewer bytes than it says."""
    with open_file(place) as file:
        return os.fstat(file.fileno()).st_size < _whole_size(file.read(_HEAD))


def _whole_size(head: bytes) -> int:
    """Return how many bytes a database says that it has; 0 if it does not say."""
    if len(head) < _HEAD or not head.startswith(_MAGIC) or head[24:28] != head[92:96]:
        return 0
    page = int.from_bytes(head[16:18], "big")
    return (_LARGEST_PAGE if page == 1 else page) * int.from_bytes(head[28:32], "big")


def _fill(copy: Path) -> None:
    """Give a copy of what was cut short its size again: SQLite then reads what there is, and says what is not."""
    with open(copy, "r+b") as file:
        size = _whole_size(file.read(_HEAD))
        if os.fstat(file.fileno()).st_size < size <= _MOST_FILLED:
            file.truncate(size)


def _copy(place: Path, copy: Path) -> None:
    copy.unlink(missing_ok=True)
    try:
        with open_file(place) as file, open(copy, "xb") as target:
            shutil.copyfileobj(file, target)
    except FileNotFoundError:
        return
