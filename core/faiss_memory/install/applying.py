"""Carrying out a plan so that a kill at any moment leaves every file whole, and the next command finishes the rest.

First the record is written as it will be, with what is still to do; then each file; then the record without that.
"""

from __future__ import annotations

import copy
from pathlib import Path

from faiss_memory.errors import CannotMerge
from faiss_memory.install.commands import make_links
from faiss_memory.install.disk import read_content
from faiss_memory.install.formats import Content
from faiss_memory.install.plan import Plan
from faiss_memory.install.record import Change, Installed, RecordFile, digest
from faiss_memory.safe_files import fresh_name, is_below, remove_empty_folders, remove_file, write_file


def carry_out(plan: Plan, records: RecordFile) -> list[str]:
    """Write everything; gives what could not be written, a sentence each. The caller holds the lock."""
    plan.later.pending = plan.pending()
    records.save(plan.later)
    return finish(records)


def finish(records: RecordFile) -> list[str]:
    """Do what is still to be done, of this command or of one that was cut short; gives what could not be written."""
    installed = records.load()
    before = copy.deepcopy(installed)
    problems = []
    for change in installed.pending:
        try:
            _write(change, installed)
        except (CannotMerge, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            problems.append(f"{change.path} was left as it is: {reason}")
            _forget(change, installed)
    installed.pending = []
    problems += make_links(installed)
    installed.folders = [folder for folder in installed.folders if _is_needed(folder, installed)]
    if installed != before:
        records.save(installed)
    return problems


def _write(change: Change, installed: Installed) -> None:
    path = Path(change.path)
    there, wanted = digest(read_content(path)), digest(Content(change.after))
    remove_file(fresh_name(path))
    if there not in (change.before, wanted):
        raise CannotMerge("it was changed by somebody else meanwhile; run the command again")
    if there != wanted and change.after is not None:
        write_file(path, change.after)
    elif there != wanted:
        remove_file(path)
    if change.after is None:
        remove_empty_folders(path, installed.folders)


def _forget(change: Change, installed: Installed) -> None:
    """Put back what was recorded of a file that could not be written."""
    if change.former is None:
        installed.files.pop(change.path, None)
    else:
        installed.files[change.path] = change.former


def _is_needed(folder: str, installed: Installed) -> bool:
    return Path(folder).is_dir() and any(is_below(path, folder) for path in installed.files)
