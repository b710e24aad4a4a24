"""The cache of compiled models: one folder each, found again without reading weights, never half written."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from faiss_memory.embedder.model_source import (
    FileFacts,
    ModelSource,
    content_digest,
    describe,
    file_facts,
    is_unchanged,
)
from faiss_memory.errors import ConfigError, EmbedderError
from faiss_memory.private import make_private
from faiss_memory.safe_files import NotAFile, descriptor_of_own, read_own

FORMAT = 1
"""Raised whenever an older entry must not be used any more; those are compiled again."""

MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "weights.bin"
TOKENIZER_FILE = "tokenizer.json"
FACTS_FILE = "compiled.json"

_WORKSPACE = ".compiling-"
_SET_ASIDE = ".damaged-"
_ORPHAN_SECONDS = 3600


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What serving a model needs to know besides its graph; written by the compiling child."""

    dimension: int
    window: int
    """Tokens of a text that count, after special tokens and the document prompt."""
    max_tokens: int
    """Where an input is cut, special tokens and prompt counted."""
    query_prompt: str
    document_prompt: str
    strips: bool
    """Whether sentence-transformers strips a text's outer whitespace before it tokenizes."""
    pad_id: int
    pads_left: bool
    inputs: list[str]
    """The graph's inputs: input_ids, attention_mask and, for some models, token_type_ids."""
    problem: str | None
    """Why the model cannot be served from ONNX; None if it can."""
    folder: str
    """The folder it was loaded from."""
    unit: bool | None = None
    """Whether the graph itself gives unit vectors; None for what was compiled when every graph was made to."""
    metric: str | None = None
    """By what the model's files say that its vectors are compared; None if they say nothing."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A cache entry's description, FACTS_FILE."""

    format: int
    model: str
    digest: str
    shape: Shape
    source: dict[str, FileFacts]
    """The model's files in `shape.folder`."""
    files: dict[str, FileFacts]
    """The compiled files; empty if there is a problem."""


@dataclass(frozen=True, slots=True)
class CompiledModel:
    """An intact cache entry."""

    folder: Path
    facts: Facts

    @property
    def identity(self) -> str:
        """The model's short name and the digest of its content."""
        return f"{self.facts.model.rsplit('/', 1)[-1]}@{self.facts.digest}"


class CompiledModels:
    """The compiled models under `cache_dir/models`. Several processes may use it at once.

    Those under `shipped/models`, which came with the installation, are found too, and never written.
    """

    def __init__(self, cache_dir: Path, shipped: Path) -> None:
        self._root = cache_dir / "models"
        if self._root.is_dir():
            make_private(self._root)  # who could write there could choose what answers
        self._shipped = shipped / "models"

    def find(self, source: ModelSource) -> CompiledModel | None:
        """Find the intact compiled form of a source as it is now; None if there is none.

        Reads the source's weights only if their size or one of their times changed. With no source on this
        machine, whatever was compiled under that name counts. Raises EmbedderError for a wrong package.
        """
        entries = self._entries(source)
        if source.folder is None:
            return next((e for e in entries if not _source_changed(e.facts) and self._is_intact(e)), None)
        for entry in entries:
            known = entry.facts.source
            if entry.facts.shape.folder == str(source.folder) and is_unchanged(source.folder, known):
                source.check(known)
                return entry if self._is_intact(entry) else None
        if not entries:
            return None
        files = describe(source.folder)
        source.check(files)
        digest = content_digest(files)
        for entry in entries:
            if entry.facts.digest == digest and self._is_intact(entry):
                shape = msgspec.structs.replace(entry.facts.shape, folder=str(source.folder))
                return self._renew(entry, msgspec.structs.replace(entry.facts, source=files, shape=shape))
        return None

    def find_again(self, identity: str) -> CompiledModel | None:
        """Find the intact compiled form of a model by its identity, whatever has become of its source since."""
        digest = identity.rpartition("@")[2]
        if not re.fullmatch("[0-9a-f]{16}", digest):
            return None
        entries = self._entries_in(f"*-{digest}")
        return next((e for e in entries if e.identity == identity and self._is_intact(e)), None)

    def temporary_folder(self) -> Path:
        """Return the folder of the cache for temporary files of the child processes; it is made if need be.

        Raises EmbedderError if the cache cannot be written.
        """
        folder = self._root.parent / "temporary"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return folder

    @contextlib.contextmanager
    def workspace(self) -> Iterator[tuple[Path, int]]:
        """Lend a temporary folder beside the entries, with the file descriptor of the lock that keeps it.

        Whoever holds the descriptor open, this process or a child, keeps others from clearing it away.
        Raises EmbedderError if the cache cannot be written.
        """
        try:
            make_private(self._root)
            self._clear_leftovers()
            folder = Path(tempfile.mkdtemp(prefix=_WORKSPACE, dir=self._root))
        except (OSError, ConfigError) as error:
            raise self._unwritable(error) from error
        lock = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder, lock
        finally:
            os.close(lock)
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, folder: Path, source: ModelSource, shape: Shape) -> CompiledModel:
        """Make an entry of a workspace's files, all at once and durably. Raises EmbedderError."""
        model_folder = Path(shape.folder)
        files = describe(model_folder)
        source.check(files)
        names = (MODEL_FILE, WEIGHTS_FILE, TOKENIZER_FILE) if shape.problem is None else ()
        digest = content_digest(files)
        try:
            facts = Facts(
                format=FORMAT,
                model=source.model,
                digest=digest,
                shape=shape,
                source=files,
                files={name: file_facts(folder / name) for name in names},
            )
            for stray in set(os.listdir(folder)) - {*names, ".lock"}:
                (folder / stray).unlink()
            _write_facts(folder, facts)
            for name in names:
                _sync(folder / name)
            _sync(folder)
            entry = CompiledModel(self._root / f"{_slug(source.model)}-{digest}", facts)
            self._install(folder, entry)
        except OSError as error:
            raise self._unwritable(error) from error
        return entry

    def _unwritable(self, error: OSError | ConfigError) -> EmbedderError:
        return EmbedderError(
            f"the compiled model cannot be written to {self._root}: {error}. Free some room, or choose "
            "another cache folder."
        )

    def set_aside(self, entry: CompiledModel) -> None:
        """Take a damaged entry out of use."""
        with contextlib.suppress(OSError):  # another process was faster, or the cache is read-only
            trash = Path(tempfile.mkdtemp(prefix=_SET_ASIDE, dir=self._root))
            entry.folder.rename(trash / entry.folder.name)
            shutil.rmtree(trash, ignore_errors=True)

    def _install(self, folder: Path, entry: CompiledModel) -> None:
        """Rename a finished workspace into place; an intact entry already there is as good."""
        for _ in range(3):
            try:
                folder.rename(entry.folder)
            except OSError:
                if not entry.folder.exists():
                    raise
                # Another process finished first, or something damaged lies there.
                there = _read(entry.folder)
                if there is not None and self._is_intact(there):
                    self._renew(there, msgspec.structs.replace(entry.facts, files=there.facts.files))
                    return
                self.set_aside(entry)
            else:
                _sync(self._root)
                return
        raise OSError(f"{entry.folder} is in the way and cannot be moved")

    def _entries(self, source: ModelSource) -> list[CompiledModel]:
        """List the readable entries of a model, newest first."""
        entries = self._entries_in(f"{_slug(source.model)}-*")
        return [entry for entry in entries if entry.facts.model == source.model]

    def _entries_in(self, pattern: str) -> list[CompiledModel]:
        places = [place for place in (self._root, self._shipped) if place.is_dir()]
        folders = [folder for place in places for folder in place.glob(pattern)]
        found = [entry for entry in map(_read, folders) if entry is not None]
        return sorted(found, key=lambda e: (e.folder / FACTS_FILE).stat().st_mtime_ns, reverse=True)

    def _is_intact(self, entry: CompiledModel) -> bool:
        """Check an entry's files against its facts; the large weights are read only if they look touched."""
        renewed = dict(entry.facts.files)
        for name, facts in entry.facts.files.items():
            if name == WEIGHTS_FILE and self._is_untouched(entry.folder / name, facts):
                continue
            try:
                found = file_facts(entry.folder / name)
            except OSError:
                return False
            if found.sha256 != facts.sha256:
                return False
            renewed[name] = found
        if renewed != entry.facts.files:  # copied, for instance into a container: true, and read once only
            self._renew(entry, msgspec.structs.replace(entry.facts, files=renewed))
        return True

    def _is_untouched(self, path: Path, facts: FileFacts) -> bool:
        """Return whether weights need not be read again.

        What came with the installation was copied onto this machine, and is as safe there as our own code.
        """
        came_with_it = path.is_relative_to(self._shipped)
        return facts.resembles(path) if came_with_it else facts.recognises(path)

    def _renew(self, entry: CompiledModel, facts: Facts) -> CompiledModel:
        """Write an entry's facts again; a cache that cannot be written merely forgets them."""
        with contextlib.suppress(OSError):
            _write_facts(entry.folder, facts)
        return replace(entry, facts=facts)

    def _clear_leftovers(self) -> None:
        """Remove what killed compilations left behind."""
        for folder in [*self._root.glob(f"{_WORKSPACE}*"), *self._root.glob(f"{_SET_ASIDE}*")]:
            with contextlib.suppress(OSError):
                if _is_abandoned(folder):
                    shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        lock = descriptor_of_own(folder / ".lock", os.O_RDWR)
    except FileNotFoundError:
        # Just made and not locked yet, or killed in that instant.
        return time.time() - folder.stat().st_mtime > _ORPHAN_SECONDS
    except NotAFile:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(lock)


def _source_changed(facts: Facts) -> bool:
    """Return whether the files an entry was made from are still there, but not the same any more."""
    folder = Path(facts.shape.folder)
    return folder.is_dir() and bool(os.listdir(folder)) and not is_same_model(folder, facts)


def is_same_model(folder: Path, facts: Facts) -> bool:
    """Return whether a folder holds the model that an entry was made from; it is read only if it looks touched.

    Raises EmbedderError.
    """
    return is_unchanged(folder, facts.source) or content_digest(describe(folder)) == facts.digest


def _slug(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", model.rsplit("/", 1)[-1]) or "model"


def _read(folder: Path) -> CompiledModel | None:
    """Read an entry's facts; None if they are missing, damaged or of another format."""
    try:
        facts = msgspec.json.decode(read_own(folder / FACTS_FILE), type=Facts)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return CompiledModel(folder, facts) if facts.format == FORMAT else None


def _write_facts(folder: Path, facts: Facts) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".facts-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(facts), indent=1))
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, folder / FACTS_FILE)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
