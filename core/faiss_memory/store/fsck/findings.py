"""What is wrong in a data folder, as a value: which file, what, and what would be done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

Step = Callable[[str, float], object]
"""Is told what is looked at, and how far that is in [0, 1]."""


class Repair(Enum):
    """What can be done; the values are the words for people."""

    BUILD_TRUTH = "it is built anew from the log and its base, and the present file is set aside"
    TAKE_CHANGES = "they are taken from the log"
    MEND_MEMORY = (
        "it is taken from the log or a backup; if no copy is whole, what is left of it is written to a file beside, "
        "and it is removed"
    )
    DROP_PASSAGES = "the passages of its memory are removed, and it is embedded again"
    DROP_ORIGIN = "it is removed; the next build looks at the file anew"
    COUNT_ANEW = "they are counted anew"
    BEGIN_LOG = "the log begins anew with a full copy of memory.db"
    CUT_LOG = "a copy of the file is set aside, and what is behind the last sound record is cut off"
    SET_ASIDE_BASE = (
        "it is set aside, and the log begins anew with a full copy of memory.db if it was the present base"
    )
    SET_ASIDE_BACKUP = "the backup is set aside, and no longer listed"
    MEND_COMPANION = (
        "it is taken from where it is whole; if nowhere, it is set aside, and the backup names it no more"
    )
    MAKE_ANEW = "it is removed, and made anew from memory.db"
    REMOVE = "it is removed"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a file, which is named from the data folder on; `id` says which row, if it is about one."""

    file: str
    problem: str
    repair: Repair
    id: int = 0
