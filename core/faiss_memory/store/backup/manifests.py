"""The manifest of a backup: what it holds, as `manifest.json` says it."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from faiss_memory.safe_files import read_own
from faiss_memory.store.backup.companions import CompanionEntry
from faiss_memory.store.filesystem import replace_file

log = logging.getLogger("faiss_memory.store")

AUTO, MANUAL = "auto", "manual"


class SegmentEntry(Struct, frozen=True):
    """A segment of the log, and how many of its bytes count."""

    name: str
    bytes: int


class Manifest(Struct, frozen=True):
    """What a backup holds. `base` is the base's name in `.store`; here its file is called `base.db`."""

    name: str
    created_at: datetime
    store: str
    seq: int
    memories: int
    size_bytes: int
    sha256: str
    """Of `base.db`."""
    label: str | None = None
    base: str = ""
    segments: list[SegmentEntry] = []
    companions: list[CompanionEntry] = []

    @property
    def is_auto(self) -> bool:
        """Whether it was made by a write, and goes by itself."""
        return self.name.startswith(AUTO)


def read_manifest(path: Path) -> Manifest | None:
    """Read a manifest; None if it cannot be used, which is logged."""
    try:
        manifest = msgspec.json.decode(read_own(path), type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("%s cannot be read: %s", path, error)
        return None
    named = (segment.name for segment in manifest.segments)
    names = [manifest.name, *named, *(companion.file for companion in manifest.companions)]
    return manifest if all(name and Path(name).name == name for name in names) else None


def read_manifests(folder: Path) -> list[Manifest]:
    """Read the manifests of the backups in a folder, but for those that cannot be used, which is logged."""
    found = (read_manifest(path) for path in sorted(folder.glob("[!.]*/manifest.json")))
    return [manifest for manifest in found if manifest is not None and (folder / manifest.name).is_dir()]


def manifest_content(manifest: Manifest) -> bytes:
    """Write a manifest out, as `manifest.json` holds it."""
    return json.dumps(msgspec.to_builtins(manifest), indent=1).encode()


def write_manifest(folder: Path, manifest: Manifest, *, sync: bool = False) -> None:
    """Write a backup's manifest into its folder. Raises OSError."""
    written = manifest_content(manifest)
    if sync:
        replace_file(folder / "manifest.json", lambda file: file.write(written))
        return
    # Not synced: the log is, and a manifest that a power cut has spoilt is passed over.
    fresh = folder / ".manifest.json.new"
    fresh.write_bytes(written)
    fresh.replace(folder / "manifest.json")
