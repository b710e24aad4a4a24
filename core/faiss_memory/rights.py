"""Which projects one who asks may read and write, and which are meant where a request names none.

Every call that reads, writes, names or counts memories is given the `Rights` of who asks, and goes by nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from faiss_memory.errors import EmbedderError, MemoryNotFound, MemoryServiceError, NotAllowed, StoreError
from faiss_memory.memory import DEFAULT_PROJECT, Memory
from faiss_memory.settings import Settings

log = logging.getLogger("faiss_memory.http")

Projects = tuple[str, ...] | None
"""Names of projects; None means every project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one who asks may read and write. As it stands, without arguments: everything, as the person may."""

    reads: Projects = None
    writes: Projects = None
    usual_reads: Projects = (DEFAULT_PROJECT,)
    """What a request reads that names no project."""
    usual_write: str = DEFAULT_PROJECT
    """Where a request writes that names no project."""
    way: str = ""
    """By which way the request came; empty for the person's own."""
    by: str = "rest"
    """What is noted with a memory that is written: see `Draft.by`."""

    @property
    def is_person(self) -> bool:
        """Whether it is the person, who alone is told of the machine: its paths, its errors, figures of plugins."""
        return not self.way

    @property
    def changes(self) -> Projects:
        """The projects whose memories may be corrected and forgotten: those that may be both read and written."""
        if self.reads is None or self.writes is None:
            return self.reads if self.writes is None else self.writes
        return tuple(name for name in self.writes if name in self.reads)

    def within(self, projects: Sequence[str] | None) -> Rights:
        """Return the same rights in some projects alone; None: in all of them."""
        if projects is None:
            return self
        own = tuple(projects)
        reads = own if self.reads is None else tuple(name for name in own if name in self.reads)
        writes = own if self.writes is None else tuple(name for name in own if name in self.writes)
        return replace(self, reads=reads, writes=writes)

    def may_read(self, project: str) -> bool:
        """Return whether memories of a project may be shown."""
        return self.reads is None or project in self.reads

    def to_read(self, asked: str | Sequence[str] | None) -> Projects:
        """Name the projects that a request reads. Raises NotAllowed for one that may not be read."""
        if asked is None:
            return self.usual_reads
        names = None if asked == "*" else (asked,) if isinstance(asked, str) else tuple(dict.fromkeys(asked))
        if self.reads is not None and (names is None or not set(names) <= set(self.reads)):
            raise NotAllowed(
                f"by this address only these projects can be read: {_listed(self.reads)} (setting read_projects)",
                "project",
            )
        return names

    def to_write(self, asked: str | None, field: str = "project") -> str:
        """Name the project that a request writes to. Raises NotAllowed, naming `field`, for another than it may."""
        project = asked or self.usual_write
        if self.writes is not None and project not in self.writes:
            raise NotAllowed(
                f"by this address only these projects can be written to: {_listed(self.writes)} "
                "(setting write_project)",
                field,
            )
        return project

    def to_change(self, asked: str | None) -> str:
        """Name the project whose memories a request corrects or forgets. Raises NotAllowed."""
        (project,) = self.to_read(self.to_write(asked)) or ()
        return project

    def check_compared(self, project: str, field: str) -> None:
        """Refuse a field that tells what is in a project to whom may only write there. Raises NotAllowed."""
        if not self.may_read(project):
            raise NotAllowed(
                f"`{field}` tells what project `{project}` holds, which cannot be read by this address: leave it out, "
                "or add the project to the setting read_projects",
                field,
            )

    def seen(self, memory_id: int, found: Sequence[Memory]) -> Memory:
        """Return a memory that was looked up. Raises MemoryNotFound alike if there is none, or it may not be read."""
        if not found or not self.may_read(found[0].project):
            raise MemoryNotFound(f"there is no memory {memory_id}")
        return found[0]

    def changeable(self, memory_id: int, found: Sequence[Memory]) -> Memory:
        """Return a memory that is to be corrected or forgotten. Raises MemoryNotFound and NotAllowed."""
        memory = self.seen(memory_id, found)
        self.to_write(memory.project, "id")
        return memory

    def told(self, error: MemoryServiceError) -> str:
        """Return what one who asks is told of an error. What the machine fails at may name files of the person's."""
        if self.is_person or not isinstance(error, StoreError | EmbedderError):
            return str(error)
        log.error("not told to who asked %s: %s", self.way, error)
        return "the service cannot do this at present; its log says why"

    def retry_key(self, key: str) -> str:
        """Return an idempotency key that no one has who comes another way."""
        return f"{self.way}\n{key}" if self.way else key


WRITERS = ("cli", "hook", "build", "import", "page")
"""What a program of ours may call itself, in the header `FAISS-Memory-By`."""
LOOKING = "page"
"""Who searches to look after memories: that they are found so says nothing of their use, and is not counted."""
PERSON = Rights()
STRANGER = Rights(reads=(), writes=(), usual_reads=(), way="without a token")
"""Who has shown no token, on a call that needs none."""


def public_rights(settings: Settings) -> Rights:
    """Return the rights of a client on the public address, which has no folder that could say its project."""
    names = settings.read_projects
    reads = None if "*" in names else tuple(dict.fromkeys(names))
    return Rights(
        reads=reads,
        writes=(settings.write_project,),
        usual_reads=reads,
        usual_write=settings.write_project,
        way="by the public address",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
