"""search.db as a file: brought up to date where it fits the truth, made anew where it does not."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faiss_memory.analyzer import analyze
from faiss_memory.contracts.weighing import words_of
from faiss_memory.memory import Memory
from faiss_memory.settings import temporary_folder
from faiss_memory.store.filesystem import boot_id
from faiss_memory.store.index.catalogue import Catalogue
from faiss_memory.store.index.keyword_file import KEYWORDS
from faiss_memory.store.records.database import Truth

LEAST_TO_RENEW = 1000
"""So many memories may differ in any case before a catalogue is made anew rather than brought in line."""

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
            reason = _damage(catalogue)
            if reason is None:
                catalogue.set_state("boot", boot_id())
                if _is_of_another_state(catalogue, truth):
                    bring_in_line(catalogue, truth, difference(catalogue, truth))
                else:
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
        self._spare_folder = Path(tempfile.mkdtemp(prefix="faiss-memory-", dir=temporary_folder()))
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


def _damage(catalogue: Catalogue) -> str | None:
    """Return why a catalogue cannot be believed, if it cannot."""
    if catalogue.state("boot") == "clean":
        return None if catalogue.intact else "it is not as it was left"
    if catalogue.state("boot") != boot_id():
        return "the machine stopped before it was written out"
    damage = catalogue.check()
    return f"it is damaged: {damage}" if damage else None


def _is_of_another_state(catalogue: Catalogue, truth: Truth) -> bool:
    """Return whether it belongs to another database than the present one, which may have been restored."""
    return bool(catalogue.state("store") != truth.uuid or catalogue.state("seq") > truth.seq)


@dataclass(frozen=True, slots=True)
class Difference:
    """What leads from a catalogue to a truth: memories to take out, and then those to put in."""

    gone: list[int] = field(default_factory=list)
    put: list[Memory] = field(default_factory=list)


def difference(catalogue: Catalogue, truth: Truth) -> Difference:
    """Compare all that the two hold. A restore mostly changes little, and terms are dear: what is the same stays.

    Raises ValueError when so much differs that a new one is made sooner.
    """
    gone: list[int] = []
    rows: list[tuple[Any, ...]] = []
    most = max(LEAST_TO_RENEW, truth.count() // 2)
    ours = catalogue.rows()
    our = next(ours, None)
    for row in truth.rows():
        while our is not None and our[0] < row[0]:
            gone.append(our[0])
            our = next(ours, None)
        if our != row:
            rows.append(row)
        if our is not None and our[0] == row[0]:
            if our != row:
                gone.append(our[0])
            our = next(ours, None)
        if len(gone) + len(rows) > most:
            raise ValueError("it is of another state, and little of it is the same")
    while our is not None:
        gone.append(our[0])
        our = next(ours, None)
    return Difference(gone, list(truth.sound(rows)))


def bring_in_line(catalogue: Catalogue, truth: Truth, found: Difference) -> list[int]:
    """Bring a catalogue of another state to that of `truth`; return the ids of the memories that differed.

    What is put in still lacks its terms. A kill in between leaves a catalogue that no store takes for its own.
    """
    catalogue.set_state("store", "")
    catalogue.set_state(KEYWORDS, None)
    catalogue.apply(truth.seq, (), found.gone)
    catalogue.apply(truth.seq, ((memory, None) for memory in found.put), ())
    catalogue.set_state("store", truth.uuid)
    return found.gone


def _catch_up(catalogue: Catalogue, truth: Truth) -> None:
    since = catalogue.state("seq")
    if since < truth.seq:
        changed = [(memory, analyze(*words_of(memory))) for memory in truth.memories(since)]
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
