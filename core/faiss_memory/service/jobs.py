"""The host's own jobs: a backup, and trying whether what is kept can be restored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from faiss_memory import schema
from faiss_memory.contracts.jobs import Job
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.errors import StoreCorrupt


class NoOptions(schema.Message):
    """A job that takes none."""


def all_jobs(engine: MemoryEngine, brought: Iterable[Sequence[Job]]) -> Sequence[Job]:
    """Return the host's jobs and those of plugins; of two of a name the host's counts, then the first plugin's."""
    found: dict[str, Job] = {}
    for job in (*_own_jobs(engine), *chain.from_iterable(brought)):
        found.setdefault(job.name, job)
    return [*found.values()]


def _own_jobs(engine: MemoryEngine) -> Sequence[Job]:

    def backup(options: schema.BackupRequest) -> str:
        made = engine.backups.backup(options.label)
        return f"Backup {made.name} made, of {made.memories:,} memories"

    def verify(_: NoOptions) -> str:
        tried = engine.backups.verify()
        if tried.problems:
            raise StoreCorrupt(
                f"{'; '.join(tried.problems)}. Stop the service and run faiss-memory verify, which says what to do"
            )
        return f"The present state and {tried.backups:,} backups were restored beside, and are whole"

    return (
        Job(name="backup", summary="Make a backup of all projects", run=backup, options=schema.BackupRequest),
        Job(
            name="verify",
            summary="Restore the present state and every backup beside, to see that they are whole",
            run=verify,
            options=NoOptions,
        ),
    )
