"""`backups/.store`: full copies of the truth, and the log that leads from each to the present.

`base-SEQ-STORE.db` is a copy as of a seq and never changes; its description lies beside it. `seg-SEQ-STORE.jsonl` is
the log from that seq on. The present chain is one base with the segments after it; older ones stay as long as a backup
names them. A new base is made by replaying the log on the old one, so each proves that the chain restores.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from faiss_memory.errors import StoreCorrupt
from faiss_memory.safe_files import open_own, read_own
from faiss_memory.store.backup.log import LogWriter, read_lines, read_records
from faiss_memory.store.backup.replay import Stretch, replay
from faiss_memory.store.filesystem import replace_file, sync_file, sync_folder
from faiss_memory.store.records import clock, operations
from faiss_memory.store.records.database import Truth
from faiss_memory.store.records.operations import Record
from faiss_memory.store.records.rows import to_microseconds

log = logging.getLogger("faiss_memory.store")

LEAST_TO_ROLL = 256 * 1024
SHARE_TO_ROLL = 5
"""A new base is made when the log has grown to a fifth of the base, so that both are little more than the truth."""
TIMES_TO_ROLL = 4
"""While recent backups name an older base, only when it has grown to four bases: a store that grows tenfold within
seconds would else keep as many bases, and together they would be several times the truth."""


class Base(Struct, frozen=True):
    """A copy of the truth as of `seq`; `time` in microseconds since 1970."""

    name: str
    store: str
    seq: int
    time: int
    size: int
    sha256: str


class _Head(Struct, frozen=True):
    """What is needed of a record to follow the log."""

    seq: int
    after: int
    memories: int
    digest: int


class _Way(NamedTuple):
    """How far the log leads from a base: the segments, the seq reached, and the bytes of the last segment up to there.

    `content` is what the last record says of the state reached; None if there is no record, but the base alone.
    """

    segments: list[Path]
    seq: int
    bytes: int
    content: tuple[int, int] | None


class Chain:
    """The present chain. Made by `open_chain`; its methods are called by one thread at a time, the committer's."""

    def __init__(self, folder: Path, base: Base, segments: list[Path]) -> None:
        self.folder = folder
        self.base = base
        self._segments = segments
        self._writer = LogWriter(segments[-1])
        self._coming = ""

    @property
    def base_path(self) -> Path:
        """The base's file."""
        return self.folder / self.base.name

    @property
    def stretches(self) -> list[Stretch]:
        """The log from the base to the present."""
        *sealed, _ = self._segments
        return [
            *(Stretch(path, path.stat().st_size) for path in sealed),
            Stretch(self._writer.path, self._writer.bytes),
        ]

    def leads_to(self, store: str) -> bool:
        """Return whether it is of this store, and its files lie where they are looked for. Raises OSError.

        A person may have removed them, and after a restore there may have been no room for new ones.
        """
        first = self.folder / _name("seg", self.base.seq, store, "jsonl")
        whole = all(path.exists() for path in (self.base_path, *self._segments))
        return self._segments[0] == first and whole and self._writer.is_there()

    def append(self, record: Record) -> None:
        """Log a record, durably. Raises DiskFull or LogBroken."""
        self._writer.append(record)

    def take_back(self) -> None:
        """Remove the last record: its group was not committed. Raises LogBroken."""
        self._writer.take_back()

    def wants_roll(self, *, has_older: bool) -> bool:
        """Return whether the log is so long that a new base is due: longer if recent backups name an older one."""
        size = sum(stretch.bytes or 0 for stretch in self.stretches)
        enough = TIMES_TO_ROLL * self.base.size if has_older else self.base.size // SHARE_TO_ROLL
        return size > max(LEAST_TO_ROLL, enough)

    def rotate(self, seq: int) -> list[Stretch]:
        """Begin a new segment at the present seq; gives the log up to it."""
        sealed = self.stretches
        self._begin_segment(seq)
        self._coming = _name("base", seq, self.base.store, "db")
        return sealed

    def seal(self, seq: int) -> Path:
        """Begin a new segment at the present seq, so that nothing more is added to the others; gives the new one."""
        self._begin_segment(seq)
        return self._writer.path

    def renew(self, truth: Truth, lost: Collection[Path] = ()) -> None:
        """Go on after bases and segments were rewritten; what is `lost` goes, and the chain begins anew without it.

        Raises OSError and sqlite3.Error.
        """
        for path in lost:
            if path != self._writer.path:  # it is written on, and holds nothing of before
                path.unlink(missing_ok=True)
                path.with_name(f"{path.name}.json").unlink(missing_ok=True)
        base = next((base for base in bases(self.folder) if base.name == self.base.name), None)
        if base is None or any(path in lost or not path.exists() for path in self._segments):
            self.restart(truth)
        else:
            self.base = base

    def roll(self, sealed: list[Stretch], seq: int) -> Base:
        """Make a base of the present one and the sealed log; touches nothing that is in use, so any thread may.

        Raises StoreCorrupt, OSError and sqlite3.Error.
        """
        making = self.folder / f"{_name('base', seq, self.base.store, 'db')}.new"
        replay(self.base_path, sealed, making, until_seq=seq)
        return _describe(self.folder, making, self.base.store, seq)

    def adopt(self, base: Base) -> None:
        """Go on from a new base, unless the chain has begun anew while it was made: then it leads nowhere."""
        self._coming = ""
        first = self.folder / _name("seg", base.seq, base.store, "jsonl")
        if first not in self._segments:
            return
        self.base = base
        self._segments = self._segments[self._segments.index(first) :]

    def restart(self, truth: Truth) -> None:
        """Begin anew from a full copy of the truth. Raises OSError and sqlite3.Error."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.base = copy_truth(self.folder, truth)
        self._begin_segment(truth.seq)
        self._segments = self._segments[-1:]

    def _begin_segment(self, seq: int) -> None:
        path = self.folder / _name("seg", seq, self.base.store, "jsonl")
        if path == self._writer.path and self._writer.is_there():
            return  # it holds nothing yet
        writer = LogWriter(path)
        self._writer.close()
        self._writer = writer
        self._segments = [*(one for one in self._segments if one != path), path]

    def sweep(self, named: Collection[str]) -> None:
        """Remove the files that are neither of the present chain nor named by a backup.

        The log stays from the oldest base on without a gap, so that every moment since can be gone back to.
        """
        kept = {self.base.name, self._coming, *(path.name for path in self._segments), *named}
        oldest: dict[str, int] = {}
        for kind, seq, store in map(_parsed, kept):
            if kind == "base":
                oldest[store] = min(seq, oldest.get(store, seq))
        kept |= {f"{name}.json" for name in kept}
        for path in self.folder.iterdir():
            kind, seq, store = _parsed(path.name)
            follows = kind == "seg" and store in oldest and seq >= oldest[store]
            if path.name not in kept and kind and not follows and path.suffix != ".new":
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the log."""
        self._writer.close()


def open_chain(folder: Path, truth: Truth) -> Chain:
    """Find the chain that leads to the truth, cut off what is torn, or begin a new one.

    Raises OSError, sqlite3.Error and LogBroken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in folder.glob("*.new*"):
        unfinished.unlink()
    for base in bases(folder):
        if base.store != truth.uuid or base.seq > truth.seq:
            continue
        way = _follow(folder, base, truth.seq)
        if way.seq == truth.seq and way.segments and way.content in (None, truth.content):
            chain = Chain(folder, base, way.segments)
            chain._writer.cut(way.bytes)
            return chain
        log.warning(
            "the log after %s ends at change %d, and the records are at %d, or are not those it tells of: it begins "
            "anew with a full copy",
            base.name, way.seq, truth.seq,
        )  # fmt: skip
    return _new_chain(folder, truth)


def roll_forward(folder: Path, truth: Truth) -> int:
    """Write what the log holds beyond the truth, and give the number of changes.

    The log is synced before each COMMIT. So it may hold one group that was not committed, which nobody was answered;
    and much more, if the end of the truth's own write-ahead log was lost. A log that tells of other records than the
    truth holds is left alone. Raises StoreCorrupt when the truth is older than the log reaches back, or the two do not
    fit and the truth does not come to what it says of itself, and sqlite3.Error.
    """
    latest = next((base for base in bases(folder) if base.store == truth.uuid), None)
    if latest is None:
        return 0
    if latest.seq > truth.seq:
        raise StoreCorrupt(f"{truth.path} is older than the log of what was written to it")
    run, before = truth.connection.execute, truth.seq
    segments, reached, *_ = _follow(folder, latest, None)
    if reached <= before:
        return 0
    run("BEGIN IMMEDIATE")
    try:
        for segment in segments:
            for _, record in read_records(segment):
                if truth.seq < record.seq <= reached:
                    record.replay(truth.connection)
                    if truth.content != (record.memories, record.digest):
                        raise StoreCorrupt(f"{truth.path} does not fit the log of what was written to it")
    except (StoreCorrupt, sqlite3.Error):
        run("ROLLBACK")
        if operations.count_content(truth.connection) != truth.content:
            raise
        # The records are whole: then it is the log that is wrong, such as one of another data folder.
        log.error("the log after %s tells of other records than %s holds", latest.name, truth.path)
        return 0
    run("COMMIT")
    return reached - before


def _new_chain(folder: Path, truth: Truth) -> Chain:
    base = copy_truth(folder, truth)
    return Chain(folder, base, [folder / _name("seg", base.seq, base.store, "jsonl")])


def bases(folder: Path) -> list[Base]:
    """Read the descriptions of the bases that are there, the latest first.

    Changes are counted on through every restore; by the time, one that was being rolled meanwhile would come later.
    """
    found = []
    for path in folder.glob("base-*.db.json"):
        try:
            base = msgspec.json.decode(read_own(path), type=Base)
            if (folder / base.name).stat().st_size == base.size and path.name == f"{base.name}.json":
                found.append(base)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("%s cannot be read: %s", path, error)
    return sorted(found, key=lambda base: (base.seq, base.time), reverse=True)


def log_after(folder: Path, base: Base) -> list[Stretch]:
    """Return the log from a base as far as it goes."""
    return [Stretch(path) for path in _follow(folder, base, None).segments]


def reach(folder: Path, base: Base) -> int:
    """Return up to which change the log leads from a base."""
    return _follow(folder, base, None).seq


def copy_truth(folder: Path, truth: Truth) -> Base:
    """Make a base by copying the truth. Raises OSError and sqlite3.Error."""
    making = folder / f"{_name('base', truth.seq, truth.uuid, 'db')}.new"
    making.unlink(missing_ok=True)
    with closing(sqlite3.connect(making)) as target:
        truth.connection.backup(target)
    with closing(sqlite3.connect(making)) as target:
        target.execute("PRAGMA journal_mode=DELETE")
    with open_own(making) as file:
        sync_file(file.fileno())
    return _describe(folder, making, truth.uuid, truth.seq)


def _describe(folder: Path, making: Path, store: str, seq: int) -> Base:
    """Put a finished copy in its place, with its description."""
    with open_own(making) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    name = _name("base", seq, store, "db")
    base = Base(name, store, seq, to_microseconds(clock.now()), making.stat().st_size, digest)
    making.rename(folder / name)
    sync_folder(folder)
    described = json.dumps(msgspec.to_builtins(base)).encode()
    replace_file(folder / f"{name}.json", lambda file: file.write(described))
    return base


def _follow(folder: Path, base: Base, until: int | None) -> _Way:
    """Follow the log from a base."""
    segments: list[Path] = []
    seq, cut, content = base.seq, 0, None
    while (path := folder / _name("seg", seq, base.store, "jsonl")).exists() and path not in segments:
        segments.append(path)
        cut = 0
        for at, head in _heads(path):
            if head.after != seq or (until is not None and head.seq > until):
                return _Way(segments, seq, cut, content)
            seq, cut, content = head.seq, at, (head.memories, head.digest)
    return _Way(segments, seq, cut, content)


def _heads(path: Path) -> Iterator[tuple[int, _Head]]:
    decode = msgspec.json.Decoder(_Head).decode
    for at, line in read_lines(path):
        yield at, decode(line[9:-1])


def _name(kind: str, seq: int, store: str, suffix: str) -> str:
    return f"{kind}-{seq}-{store[:8]}.{suffix}"


def _parsed(name: str) -> tuple[str, int, str]:
    """Take the name of a base or a segment apart: its kind, seq and store; an empty kind for any other file."""
    found = re.match(r"(base|seg)-(\d+)-([^.]*)", name)
    return (found[1], int(found[2]), found[3]) if found else ("", 0, "")
