"""search.db as a file: brought up to date where it fits the truth, made anew where it does not."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import tempfile
from pathlib import Path

from faiss_memory.store.analyzer import analyze
from faiss_memory.store.catalogue import Catalogue
from faiss_memory.store.filesystem import boot_id
from faiss_memory.store.rows import words_of
from faiss_memory.store.truth import Truth

log = logging.getLogger("faiss_memory.store")


class CatalogueFile:
    """The place of search.db in a data folder, or beside it where the folder takes no more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spare_folder: Path | None = None

    def open(self, truth: Truth) -> Catalogue:
        """Open search.db and bring it up to date, or make it anew if it does not fit."""
        catalogue = None
        try:
            catalogue = Catalogue(self._folder / "search.db")
            reason = _misfit(catalogue, truth)
            if reason is None:
                catalogue.set_state("boot", boot_id())
                _catch_up(catalogue, truth)
                if sum(catalogue.counts().values()) == truth.count():
                    return catalogue
                reason = "it holds another number of memories than the records"
        except (OSError, sqlite3.Error, ValueError, TypeError) as error:
            reason = str(error)  # whatever damage may look like in a value
        if catalogue is not None:
            catalogue.close()
        return self.renew(truth, reason)

    def renew(self, truth: Truth, reason: str) -> Catalogue:
        """Make search.db anew from the truth; the terms of its memories are still to be found."""
        if truth.seq:
            log.warning("search.db is made anew: %s", reason)
        try:
            return _filled(self._folder / "search.db", truth)
        except (OSError, sqlite3.Error) as error:
            return self.renew_elsewhere(truth, str(error))

    def renew_elsewhere(self, truth: Truth, reason: str) -> Catalogue:
        """Make it anew outside the data folder: a full disk must not keep the service from finding what it holds."""
        self.remove_spare()
        self._spare_folder = Path(tempfile.mkdtemp(prefix="faiss-memory-"))
        log.error(
            "search.db cannot be written in %s (%s); using %s", self._folder, reason, self._spare_folder
        )
        return _filled(self._spare_folder / "search.db", truth)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it lies outside the data folder, until the next start."""
        return self._spare_folder is not None

    def remove_spare(self) -> None:
        """Remove what was written outside the data folder."""
        if self._spare_folder is not None:
            shutil.rmtree(self._spare_folder, ignore_errors=True)
            self._spare_folder = None


def _misfit(catalogue: Catalogue, truth: Truth) -> str | None:
    """Say why a catalogue cannot be brought up to date, if it cannot."""
    if catalogue.state("store") != truth.uuid:
        return "it belongs to another store"
    if catalogue.state("seq") > truth.seq:
        return "it is newer than the records, which were restored"
    if catalogue.state("boot") == "clean":
        return None if catalogue.intact else "it is not as it was left"
    if catalogue.state("boot") != boot_id():
        return "the machine stopped before it was written out"
    damage = catalogue.check()
    return f"it is damaged: {damage}" if damage else None


def _catch_up(catalogue: Catalogue, truth: Truth) -> None:
    since = catalogue.state("seq")
    if since < truth.seq:
        changed = [(memory, analyze(words_of(memory))) for memory in truth.memories(since)]
        # Of one that is damaged, an earlier state may be there still.
        catalogue.apply(truth.seq, changed, [*truth.removed(since), *truth.damaged])


def _filled(path: Path, truth: Truth) -> Catalogue:
    for part in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{part}").unlink(missing_ok=True)
    catalogue = Catalogue(path)
    catalogue.apply(truth.seq, ((memory, None) for memory in truth.memories()), ())
    catalogue.set_state("store", truth.uuid)
    catalogue.set_state("boot", boot_id())
    return catalogue
