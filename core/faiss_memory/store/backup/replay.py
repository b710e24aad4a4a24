"""From a base and a log to the database of any moment in between."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from faiss_memory.errors import StoreCorrupt
from faiss_memory.safe_files import open_own
from faiss_memory.store.backup.log import read_records
from faiss_memory.store.filesystem import sync_file
from faiss_memory.store.records import operations
from faiss_memory.store.records.schema import LONGEST_VALUE, acting, strangeness
from faiss_memory.store.records.version import upgrade

RECORDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of a segment that counts: the file, and how many of its bytes; None means all that are sound."""

    path: Path
    bytes: int | None = None


def replay(
    base: Path,
    stretches: Sequence[Stretch],
    into: Path,
    *,
    until_seq: int | None = None,
    until_time: int | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> int:
    """Build the database of a moment and sync it; gives the seq that was reached.

    Without `until_seq` and `until_time` (microseconds since 1970) it is the latest moment. What is built is counted
    anew and compared with what the log says of it. Raises StoreCorrupt when the two differ or the log has a gap,
    OSError and sqlite3.Error.
    """
    for leftover in ("", "-journal", "-wal", "-shm"):
        Path(f"{into}{leftover}").unlink(missing_ok=True)
    shutil.copyfile(base, into)
    with closing(sqlite3.connect(into, isolation_level=None)) as connection:
        _made_ours(connection, base)
        sizes = [_size(stretch) for stretch in stretches]
        for number, stretch in enumerate(stretches):
            step = partial(_tell, progress, sum(sizes[:number]), max(1, sum(sizes)))
            if not _replay_one(connection, stretch, until_seq, until_time, step):
                break
        seq = _checked(connection, base, until_seq)
        connection.execute("PRAGMA journal_mode=DELETE")
    with open_own(into) as file:
        sync_file(file.fileno())
    return seq


def _made_ours(connection: sqlite3.Connection, base: Path) -> None:
    """Prepare a copy of a base for the log. Raises StoreCorrupt where it is not as this program makes it."""
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=MEMORY", "synchronous=OFF", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("PRAGMA ignore_check_constraints=ON")  # (they may calculate, and stay behind)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    strange = acting(connection)
    if strange is None:
        upgrade(connection, base)  # the log may go on after the tables have changed
        strange = strangeness(connection)
    if strange is not None:
        raise StoreCorrupt(f"{base} is not as this program makes it: {strange}")


def _checked(connection: sqlite3.Connection, base: Path, until_seq: int | None) -> int:
    """Compare what was built with what it says of itself; gives its seq. Raises StoreCorrupt."""
    seq = _seq(connection)
    if operations.count_content(connection) != operations.content(connection):
        raise StoreCorrupt(f"what {base} and its log give does not come to what they say of it")
    if until_seq is not None and seq != until_seq:
        raise StoreCorrupt(f"the log after {base} ends at change {seq}, and change {until_seq} was asked for")
    return seq


def _replay_one(
    connection: sqlite3.Connection,
    stretch: Stretch,
    until_seq: int | None,
    until_time: int | None,
    step: Callable[[int], None],
) -> bool:
    """Replay one segment, telling how many of its bytes were read; says whether to go on with the next."""
    seq, count, goes_on = _seq(connection), 0, True
    connection.execute("BEGIN")
    for at, record in read_records(stretch.path, stretch.bytes):
        if record.seq <= seq:
            continue  # the base is of a later moment
        late = (until_seq is not None and record.seq > until_seq) or (
            until_time is not None and record.time > until_time
        )
        if late:
            goes_on = False
            break
        if record.after != seq:
            raise StoreCorrupt(f"{stretch.path} goes on after change {record.after}, and {seq} was reached")
        record.replay(connection)
        seq, count = record.seq, count + 1
        if operations.content(connection) != (record.memories, record.digest):
            raise StoreCorrupt(f"{stretch.path}: change {seq} does not come to what it says of itself")
        if count % RECORDS_AT_ONCE == 0:
            connection.execute("COMMIT")
            connection.execute("BEGIN")
            step(at)
    connection.execute("COMMIT")
    return goes_on


def _tell(progress: Callable[[float], None], before: int, whole: int, at: int) -> None:
    progress((before + at) / whole)


def _size(stretch: Stretch) -> int:
    return stretch.path.stat().st_size if stretch.bytes is None else stretch.bytes


def _seq(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT value FROM state WHERE key = 'seq'").fetchone()[0])
