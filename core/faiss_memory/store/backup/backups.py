"""Backups: folders that hold, or link to, a base and the log after it, with a manifest that says how much of it counts.

Each write publishes an automatic one. It costs no copy: base and log are hard links, and the manifest names a seq and
a length. Manual ones are real copies. To restore one, its files are copied into the data folder; see `restoring`.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from msgspec import structs

from faiss_memory.contracts.backups import Backup
from faiss_memory.errors import DiskFull, StoreError
from faiss_memory.safe_files import open_own
from faiss_memory.store.backup.companions import Companions, Opened
from faiss_memory.store.backup.manifests import (
    AUTO,
    MANUAL,
    Manifest,
    SegmentEntry,
    read_manifests,
    write_manifest,
)
from faiss_memory.store.backup.replay import Stretch
from faiss_memory.store.backup.snapshots import Base, Chain
from faiss_memory.store.filesystem import sync_file, sync_folder
from faiss_memory.store.records import clock

log = logging.getLogger("faiss_memory.store")

HOURS, DAYS = 24, 7
"""Besides the latest ones, the last of each of so many hours and days is kept."""


class Backups:
    """The folder of backups. `keep` automatic ones stay, and those that are kept by hour and day."""

    def __init__(self, folder: Path, keep: int, companions: Companions) -> None:
        self._folder = folder
        self._keep = keep
        self._companions = companions
        self._lock = Lock()  # publishing and copying come from different threads
        sweep(folder)
        self._manifests = {manifest.name: manifest for manifest in read_manifests(folder)}
        self._last_auto: Manifest | None = None
        self.held = ""
        """The name of a backup that is being restored: it stays as long."""
        self.keeps_all = False
        """Whether none goes for now."""
        self.links = _can_link(folder)
        """Whether the file system has hard links. Without them automatic backups are manifests alone, and need
        `.store` beside them."""

    def listed(self) -> list[Backup]:
        """List the backups, oldest first."""
        with self._lock:
            found = [
                _backup(manifest)
                for manifest in self._manifests.values()
                if (self._folder / manifest.name / "manifest.json").exists()  # a person may have removed it
            ]
        return sorted(found, key=lambda backup: (backup.created_at, backup.name))

    def manifests(self) -> list[Manifest]:
        """Return every backup's manifest."""
        with self._lock:
            return list(self._manifests.values())

    def named_files(self) -> set[str]:
        """Name the files of `.store` that a backup needs for times in between."""
        with self._lock:
            return {
                name
                for manifest in self._manifests.values()
                if manifest.is_auto  # the others have copies of their own
                for name in (manifest.base, *(segment.name for segment in manifest.segments))
            }

    def recent_bases(self) -> set[str]:
        """Name the bases of the latest automatic backups; what is only kept by hour and day does not count."""
        with self._lock:
            return {manifest.base for manifest in self._autos()[-self._keep :]}

    def _autos(self) -> list[Manifest]:
        return sorted(
            (manifest for manifest in self._manifests.values() if manifest.is_auto),
            key=lambda manifest: (manifest.seq, manifest.created_at),
        )

    # Automatic ones.

    def publish(self, chain: Chain, seq: int, memories: int) -> bool:
        """Make the write just committed restorable; writes within one second share a folder.

        Says whether older backups went, and their files with them. Raises OSError.
        """
        now = clock.now()
        name = f"{AUTO}_{now:%Y%m%d_%H%M%S}"
        with self._lock:
            last = self._last_auto
            shared = last is not None and last.name.startswith(name) and last.base == chain.base.name
            name = last.name if shared and last is not None else free_name(self._folder, name)
            manifest = _manifest(name, chain, now, seq, memories, None)
            if shared and last is not None:
                fresh = manifest.segments[len(last.segments) :]
                self._link(self._folder / name, chain, [segment.name for segment in fresh])
                manifest = self._completed(manifest, self._folder / name)
            else:
                manifest = self._make(chain, manifest)
            self._last_auto = self._manifests[name] = manifest
            return not shared and self._prune(now)

    def _make(self, chain: Chain, manifest: Manifest) -> Manifest:
        making = self._folder / f".{manifest.name}.new"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        if self.links:
            os.link(chain.base_path, making / "base.db")
        self._link(making, chain, [segment.name for segment in manifest.segments])
        manifest = self._completed(manifest, making)
        making.rename(self._folder / manifest.name)
        return manifest

    def _completed(self, manifest: Manifest, folder: Path) -> Manifest:
        """Put the companions into a backup's folder, and then the manifest that names them, which is returned."""
        manifest = structs.replace(manifest, companions=self._companions.put_into(folder, links=self.links))
        write_manifest(folder, manifest)
        return manifest

    def _link(self, folder: Path, chain: Chain, segments: Iterable[str]) -> None:
        for name in segments if self.links else ():
            os.link(chain.folder / name, folder / name)

    def _prune(self, now: datetime) -> bool:
        """Remove the automatic backups that are neither among the latest nor kept by hour or day."""
        if self.keeps_all:
            return False
        autos = self._autos()
        kept = {self.held, *(manifest.name for manifest in autos[-self._keep :]), *_kept_by_time(autos, now)}
        gone = [manifest.name for manifest in autos if manifest.name not in kept]
        for name in gone:
            self._remove(name)
        return bool(gone)

    def _remove(self, name: str) -> None:
        # Renamed first: a folder is listed whole or not at all.
        going = self._folder / f".{name}.new"
        shutil.rmtree(going, ignore_errors=True)
        with suppress(FileNotFoundError):  # a person may have removed it
            (self._folder / name).rename(going)
        shutil.rmtree(going, ignore_errors=True)
        del self._manifests[name]

    def renew(self, store: Path, renewed: Callable[[Path, Manifest], Manifest]) -> None:
        """Follow files that were rewritten: manifests say what `renewed` says, links lead to what lies in `store` now.

        Each folder may be met half done, and is then done again. Raises OSError.
        """
        with self._lock:
            sweep(self._folder)
            self._manifests = {}
            for before in read_manifests(self._folder):
                folder = self._folder / before.name
                manifest = renewed(folder, before)
                if manifest != before:
                    write_manifest(folder, manifest, sync=True)
                if manifest.is_auto:
                    _link_again(folder, store, manifest)
                self._manifests[manifest.name] = manifest
            if self._last_auto is not None:
                self._last_auto = self._manifests.get(self._last_auto.name)

    # Manual ones.

    def make(self, chain: Chain, seq: int, memories: int, label: str | None) -> Callable[[], Backup]:
        """Open the files of a manual backup of this moment, and return the function that copies them, in any thread.

        Writes go on meanwhile. What cannot be copied raises DiskFull or StoreError there; memory.db is not at fault.
        """
        now = clock.now()
        with self._lock:
            name = free_name(self._folder, f"{MANUAL}_{now:%Y%m%d_%H%M%S}")
            making = self._folder / f".{name}.new"
            making.mkdir(parents=True, mode=0o700)
        manifest, opened = self._with_files(chain, _manifest(name, chain, now, seq, memories, label))

        def copy() -> Backup:
            try:
                self._copy(opened, making, manifest)
            except OSError as error:
                shutil.rmtree(making, ignore_errors=True)
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise DiskFull(
                        "the disk is full; no backup was made. Free some room, and try again"
                    ) from error
                raise StoreError(
                    f"no backup could be made in {self._folder} ({error}). Check the disk."
                ) from error
            return _backup(manifest)

        return copy

    def present(
        self, chain: Chain, seq: int, memories: int, label: str | None
    ) -> tuple[Manifest, list[Opened]]:
        """Return the manifest of this moment and its opened files, for an archive; nothing is added to the folder."""
        now = clock.now()
        name = f"{MANUAL}_{now:%Y%m%d_%H%M%S}"
        return self._with_files(chain, _manifest(name, chain, now, seq, memories, label))

    def _with_files(self, chain: Chain, manifest: Manifest) -> tuple[Manifest, list[Opened]]:
        """Open the files of this moment; the manifest is returned with the companions among them."""
        opened = open_files(chain.base_path, chain.stretches)
        named, more = self._companions.open()
        return structs.replace(manifest, companions=named), [*opened, *more]

    def _copy(self, opened: Sequence[Opened], making: Path, manifest: Manifest) -> None:
        for source, name, size in opened:
            with source, (making / name).open("wb") as target:
                _copy(source, target, size)
                target.flush()
                sync_file(target.fileno())
        write_manifest(making, manifest, sync=True)
        making.rename(self._folder / manifest.name)
        sync_folder(self._folder)
        with self._lock:
            self._manifests[manifest.name] = manifest


def open_files(base: Path, stretches: Iterable[Stretch]) -> list[Opened]:
    """Open what a backup consists of, now: a base may be rolled, and swept, before its turn comes. Raises OSError."""
    opened: list[Opened] = []
    try:
        opened.append((open_own(base), "base.db", None))
        for part in stretches:
            opened.append((open_own(part.path), part.path.name, part.bytes))
    except OSError:
        for file, _, _ in opened:
            file.close()
        raise
    return opened


def sweep(folder: Path) -> None:
    """Remove what a kill in the middle of a backup left behind."""
    for unfinished in folder.glob(".*.new"):
        shutil.rmtree(unfinished, ignore_errors=True)


def _manifest(name: str, chain: Chain, now: datetime, seq: int, memories: int, label: str | None) -> Manifest:
    base: Base = chain.base
    stretches: Sequence[Stretch] = chain.stretches
    return Manifest(
        name=name,
        label=label,
        created_at=now,
        store=base.store,
        seq=seq,
        memories=memories,
        size_bytes=base.size + sum(stretch.bytes or 0 for stretch in stretches),
        sha256=base.sha256,
        base=base.name,
        segments=[SegmentEntry(stretch.path.name, stretch.bytes or 0) for stretch in stretches],
    )


def _link_again(folder: Path, store: Path, manifest: Manifest) -> None:
    """Put the files of `store` in the place of links to what they were."""
    names = {"base.db": manifest.base} | {entry.name: entry.name for entry in manifest.segments}
    for path in folder.iterdir():
        source = store / names.get(path.name, "")
        if path.name in names and source.is_file() and not path.samefile(source):
            fresh = folder / f".{path.name}.new"
            fresh.unlink(missing_ok=True)
            os.link(source, fresh)
            fresh.replace(path)


def _kept_by_time(autos: Sequence[Manifest], now: datetime) -> set[str]:
    """Name the last backup of each of the past hours and days, `autos` being in their order."""
    last: dict[str, str] = {}
    for manifest in autos:
        age = now - manifest.created_at
        if age < timedelta(hours=HOURS):
            last[f"{manifest.created_at:%Y%m%d%H}"] = manifest.name
        if age < timedelta(days=DAYS):
            last[f"{manifest.created_at:%Y%m%d}"] = manifest.name
    return set(last.values())


def _copy(source: BinaryIO, target: BinaryIO, size: int | None) -> None:
    left = size
    while left is None or left:
        chunk = source.read(1 << 20 if left is None else min(left, 1 << 20))
        if not chunk:
            return
        target.write(chunk)
        left = None if left is None else left - len(chunk)


def _can_link(folder: Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    probe, link = folder / ".probe.new", folder / ".probe-link.new"
    for path in (probe, link):
        path.unlink(missing_ok=True)
    try:
        probe.touch()
        os.link(probe, link)
    except OSError as error:
        log.warning(
            "%s has no hard links (%s): automatic backups need the folder .store beside them", folder, error
        )
        return False
    finally:
        for path in (probe, link):
            path.unlink(missing_ok=True)
    return True


def free_name(folder: Path, name: str) -> str:
    """Return the name of a backup, with a number if there is one of that name."""
    number, free = 1, name
    while (folder / free).exists() or (folder / f".{free}.new").exists():
        number += 1
        free = f"{name}_{number}"
    return free


def _backup(manifest: Manifest) -> Backup:
    return Backup(
        name=manifest.name,
        created_at=manifest.created_at,
        memories=manifest.memories,
        size_bytes=manifest.size_bytes,
        label=manifest.label,
    )
