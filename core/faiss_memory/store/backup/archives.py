"""A backup as one file to take away: a tar archive, sent piece by piece, and read with nothing in it taken on trust.

It holds a folder with the backup's name, and in it what a backup's folder holds, the manifest first. So unpacked by
hand and copied into a data folder it restores like any other. It is not compressed: its size is known before it is
made, and what comes out of it is never more than what went in.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO, NamedTuple

import msgspec

from faiss_memory.errors import InvalidRequest, StoreCorrupt
from faiss_memory.store.backup.companions import Opened
from faiss_memory.store.backup.manifests import Manifest, manifest_content
from faiss_memory.store.backup.restore import Moment, moment_of_backup
from faiss_memory.store.filesystem import sync_file

MEDIA_TYPE = "application/x-tar"
UNPACKED = ".archive.restoring"
"""The folder in the data folder that an archive is unpacked into."""
PIECE = 1 << 20
LARGEST_MANIFEST = 1 << 20
_NAME = re.compile(r"(auto|manual)_\w{1,60}")
LARGEST_COMPANION = 1 << 26
_FILE = re.compile(r"base\.db|seg-\d+-[0-9a-f]{1,8}\.jsonl|companion-[0-9a-f]{8}-\w[\w.-]{0,63}")
_END = bytes(2 * tarfile.BLOCKSIZE)


class _Part(NamedTuple):
    name: str
    file: BinaryIO
    size: int


class Archive:
    """A backup whose files were opened: they can be read to their end whatever becomes of the backup.

    Iterating gives the archive's bytes, `size` in all. It raises StoreCorrupt when a file is not as it was when the
    backup was made: whoever receives it then gets less than was announced.
    """

    def __init__(self, manifest: Manifest, opened: Sequence[Opened]) -> None:
        self.name = manifest.name
        self._manifest = manifest
        described = io.BytesIO(manifest_content(manifest))
        self._parts = [_Part("manifest.json", described, len(described.getvalue()))]
        for file, name, counted in opened:
            there = os.fstat(file.fileno()).st_size
            self._parts.append(_Part(name, file, there if counted is None else counted))
            if there < self._parts[-1].size:
                self.close()
                raise StoreCorrupt(f"{name} of backup {self.name} is shorter than it was when that was made")

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return sum(tarfile.BLOCKSIZE + part.size + _padding(part.size) for part in self._parts) + len(_END)

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            yield self._header(part)
            digest = hashlib.sha256()
            for piece in _pieces(part.file, part.size):
                digest.update(piece)
                yield piece
            if part.name == "base.db" and digest.hexdigest() != self._manifest.sha256:
                raise StoreCorrupt(f"base.db of backup {self.name} is damaged, so no archive was made of it")
            yield bytes(_padding(part.size))
        yield _END

    def _header(self, part: _Part) -> bytes:
        info = tarfile.TarInfo(f"{self.name}/{part.name}")
        info.size, info.mode = part.size, 0o600
        info.mtime = int(self._manifest.created_at.timestamp())
        return info.tobuf(tarfile.GNU_FORMAT)

    def close(self) -> None:
        """Close the files."""
        for part in self._parts:
            part.file.close()


def unpack(archive: BinaryIO, into: Path) -> Manifest:
    """Unpack an archive into a folder of its own, which is made; gives the manifest. What it leads to is not tried yet.

    Raises InvalidRequest when it is not whole, or holds anything that a backup does not; and OSError.
    """
    sweep(into)
    into.mkdir(mode=0o700)
    manifest = _read_manifest(archive)
    awaited: dict[str, int | None] = {segment.name: segment.bytes for segment in manifest.segments}
    digests = {companion.file: companion.sha256 for companion in manifest.companions}
    awaited |= {companion.file: companion.bytes for companion in manifest.companions}
    awaited["base.db"] = None
    count = len(manifest.segments) + len(manifest.companions) + 1
    if len(awaited) != count or not all(map(_FILE.fullmatch, awaited)):
        raise _broken("its manifest names files that no backup has")
    if any(companion.bytes > LARGEST_COMPANION for companion in manifest.companions):
        raise _broken("its manifest names files that are larger than those of a backup")
    while (info := _next(archive)) is not None:
        name = info.name.removeprefix(f"{manifest.name}/")
        if name not in awaited or awaited[name] not in (None, info.size):
            raise _broken(f"it holds {info.name!r}, of which its manifest says nothing or otherwise")
        del awaited[name]
        digest = hashlib.sha256()
        with (into / name).open("xb") as file:
            for piece in _read_all(archive, info.size):
                file.write(piece)
                digest.update(piece)
            file.flush()
            sync_file(file.fileno())
        if digest.hexdigest() != digests.get(name, digest.hexdigest()):
            raise _broken(f"{name} is damaged")
    if awaited:
        raise _broken(f"it lacks {', '.join(sorted(awaited))}")
    return manifest


def moment_in(archive: BinaryIO, data: Path) -> Moment:
    """Unpack an archive in the data folder, and say what leads to its state. Raises as `unpack` does."""
    folder = data / UNPACKED
    return moment_of_backup(folder, unpack(archive, folder))


def sweep(folder: Path) -> None:
    """Remove what was unpacked."""
    with suppress(FileNotFoundError):
        rmtree(folder)


def _read_manifest(archive: BinaryIO) -> Manifest:
    info = _next(archive)
    name, _, file = ("" if info is None else info.name).partition("/")
    if info is None or file != "manifest.json" or info.size > LARGEST_MANIFEST:
        raise _broken("it does not begin with a backup's manifest")
    try:
        manifest = msgspec.json.decode(b"".join(_read_all(archive, info.size)), type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _broken(f"its manifest cannot be read: {error}") from None
    if manifest.name != name or not _NAME.fullmatch(name):
        raise _broken("its manifest is of another backup")
    return manifest


def _next(archive: BinaryIO) -> tarfile.TarInfo | None:
    """Read the head of the next file; None at the archive's end.

    Header by header, not by `tarfile.open`: nothing but plain files is wanted, and whatever else a tar may hold (links,
    devices, sparse files, headers of any length) is refused before it costs anything.
    """
    block = _exactly(archive, tarfile.BLOCKSIZE)
    if block == bytes(tarfile.BLOCKSIZE):
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError):
        raise _broken("it is no tar archive, or damaged") from None
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.size < 0:
        raise _broken(f"it holds {info.name!r}, which is not a plain file")
    return info


def _read_all(archive: BinaryIO, size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = _exactly(archive, min(left, PIECE))
        left -= len(piece)
        yield piece
    _exactly(archive, _padding(size))


def _exactly(archive: BinaryIO, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = archive.read(size - len(found))
        if not piece:
            raise _broken("it ends too early")
        found += piece
    return bytes(found)


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = file.read(min(left, PIECE))
        if not piece:
            raise StoreCorrupt("a file of a backup became shorter while it was read")
        left -= len(piece)
        yield piece


def _padding(size: int) -> int:
    return -size % tarfile.BLOCKSIZE


def _broken(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"this is not a whole archive, as `faiss-memory backup --to` makes it: {why}. Nothing was changed"
    )
