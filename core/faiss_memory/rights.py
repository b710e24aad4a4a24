"""Which projects one who asks may read and write, and which are meant where a request names none.

Every call that reads, writes, names or counts memories is given the `Rights` of who asks, and goes by nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from faiss_memory.errors import EmbedderError, MemoryNotFound, MemoryServiceError, NotAllowed, StoreError
from faiss_memory.memory import DEFAULT_PROJECT, OWNER, Memory
from faiss_memory.settings import Settings

log = logging.getLogger("faiss_memory.http")

Projects = tuple[str, ...] | None
"""Names of projects; None means every project."""
Can: TypeAlias = Literal["read", "write", "admin"]
"""What a member may do in a project; each includes what stands before it."""
LEVELS: tuple[Can, ...] = ("read", "write", "admin")
EVERY_PROJECT = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one who asks may read and write. As it stands, without arguments: everything, as the person may."""

    reads: Projects = None
    writes: Projects = None
    admins: Projects = None
    """Where it may purge, rename, drop the project, and say who else may do what."""
    usual_reads: Projects = (DEFAULT_PROJECT,)
    """What a request reads that names no project."""
    usual_write: str = DEFAULT_PROJECT
    """Where a request writes that names no project."""
    way: str = ""
    """By which way the request came; empty for the person's own."""
    by: str = "rest"
    """What is noted with a memory that is written: see `Draft.by`."""
    actor: str = ""
    """The member of the team that asks; empty for the owner of the service, and for who is not known."""

    @property
    def is_person(self) -> bool:
        """Whether it is the owner, who alone is told of the machine: its paths, its errors, figures of plugins."""
        return not (self.way or self.actor)

    @property
    def is_outside(self) -> bool:
        """Whether it asks from outside: it is shown texts made clean, and what is relevant alone."""
        return bool(self.way)

    @property
    def changes(self) -> Projects:
        """The projects whose memories may be corrected and forgotten: those that may be both read and written."""
        if self.reads is None or self.writes is None:
            return self.reads if self.writes is None else self.writes
        return tuple(name for name in self.writes if name in self.reads)

    @property
    def writes_everywhere(self) -> bool:
        """Whether nothing that is written or purged needs a look at the project it is in."""
        return self.reads is None and self.writes is None and self.admins is None

    def within(self, projects: Sequence[str] | None) -> Rights:
        """Return the same rights in some projects alone; None: in all of them."""
        if projects is None:
            return self
        own = tuple(projects)

        def of(names: Projects) -> Projects:
            return own if names is None else tuple(name for name in own if name in names)

        return replace(self, reads=of(self.reads), writes=of(self.writes), admins=of(self.admins))

    def where_it_arranges(self) -> Rights:
        """Return the same rights, with all but the projects that it looks after out of sight."""
        return self if self.admins is None else self.within(self.admins)

    def may_read(self, project: str) -> bool:
        """Return whether memories of a project may be shown."""
        return self.reads is None or project in self.reads

    def to_read(self, asked: str | Sequence[str] | None) -> Projects:
        """Name the projects that a request reads; to a member what may not be read does not exist.

        Raises NotAllowed for one that may not be read by the public address.
        """
        if asked is None:
            return self.usual_reads
        names = None if asked == "*" else (asked,) if isinstance(asked, str) else tuple(dict.fromkeys(asked))
        if self.actor and self.reads is not None:
            return self.reads if names is None else tuple(name for name in names if name in self.reads)
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
            self._check_member(project, field, "written to")
            raise NotAllowed(
                f"by this address only these projects can be written to: {_listed(self.writes)} "
                "(setting write_project)",
                field,
            )
        return project

    def to_arrange(self, project: str, field: str = "project") -> str:
        """Name a project that is purged from, renamed or dropped. Raises MemoryNotFound and NotAllowed."""
        if self.admins is not None and project not in self.admins:
            self._check_member(project, field, "looked after")
            raise NotAllowed(f"project `{project}` cannot be looked after by this address", field)
        return project

    def _check_member(self, project: str, field: str, what: str) -> None:
        """Refuse a member a project: one that cannot be seen is said not to exist, whether it does or not."""
        if self.actor and self.may_read(project):
            raise NotAllowed(
                f"project `{project}` cannot be {what} by `{self.actor}`; whoever looks after it can change that "
                "(faiss-memory team grant)",
                field,
            )
        if self.actor:
            raise MemoryNotFound(f"there is no project `{project}` for `{self.actor}`", field)

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

    def seen(self, memory_id: int, found: Sequence[Memory], field: str | None = None) -> Memory:
        """Return a memory that was looked up. Raises MemoryNotFound alike if there is none, or it may not be read."""
        if not found or not self.may_read(found[0].project):
            raise MemoryNotFound(f"there is no memory {memory_id}", field)
        return found[0]

    def changeable(self, memory_id: int, found: Sequence[Memory], field: str | None = None) -> Memory:
        """Return a memory that is to be corrected or forgotten. Raises MemoryNotFound and NotAllowed."""
        memory = self.seen(memory_id, found, field)
        self.to_write(memory.project, field or "id")
        return memory

    def told(self, error: MemoryServiceError) -> str:
        """Return what one who asks is told of an error. What the machine fails at may name files of the person's."""
        if self.is_person or not isinstance(error, StoreError | EmbedderError):
            return str(error)
        log.error("not told to who asked %s: %s", self.actor or self.way, error)
        return "the service cannot do this at present; its log says why"

    def retry_key(self, key: str) -> str:
        """Return an idempotency key that no one has who comes another way."""
        who = f"{self.way}\n{self.actor}" if self.actor else self.way
        return f"{who}\n{key}" if who else key


_SEES: ContextVar[Projects] = ContextVar("sees", default=None)


def seen_now() -> Projects:
    """Return which projects the request that is answered in this thread may see; every one where there is none.

    Whoever keeps memories in a database can have it keep the others out of sight too, as a second wall: the rights are
    what every call goes by.
    """
    return _SEES.get()


def set_seen(projects: Projects) -> None:
    """Note which projects the request that is answered from now on may see."""
    _SEES.set(projects)


@contextmanager
def everything_seen() -> Iterator[None]:
    """See every project for a moment, to find out what the answer must not tell, such as whether a uid is taken."""
    token = _SEES.set(None)
    try:
        yield
    finally:
        _SEES.reset(token)


def written_by_another(actor: str | None, rights: Rights) -> str:
    """Return who has written a memory, if it is another than who asks; the owner is `OWNER`."""
    return "" if (actor or "") == rights.actor else actor or OWNER


WRITERS = ("cli", "hook", "build", "import", "page")
"""What a program of ours may call itself, in the header `FAISS-Memory-By`."""
LOOKING = "page"
"""Who searches to look after memories: that they are found so says nothing of their use, and is not counted."""
PERSON = Rights()
STRANGER = Rights(reads=(), writes=(), admins=(), usual_reads=(), way="without a token")
"""Who has shown no token, on a call that needs none."""


def public_rights(settings: Settings) -> Rights:
    """Return the rights of a client on the public address, which has no folder that could say its project."""
    names = settings.read_projects
    reads = None if "*" in names else tuple(dict.fromkeys(names))
    return Rights(
        reads=reads,
        writes=(settings.write_project,),
        admins=(),
        usual_reads=reads,
        usual_write=settings.write_project,
        way="by the public address",
    )


def member_rights(name: str, grants: Mapping[str, Can]) -> Rights:
    """Return the rights of a member of the team, by project; `EVERY_PROJECT` stands for all of them."""

    def at_least(can: Can) -> Projects:
        fitting = [project for project, has in grants.items() if LEVELS.index(has) >= LEVELS.index(can)]
        return None if EVERY_PROJECT in fitting else tuple(sorted(fitting))

    reads, writes = at_least("read"), at_least("write")
    shared = reads is None or DEFAULT_PROJECT in reads
    only = writes[0] if writes is not None and len(writes) == 1 else DEFAULT_PROJECT
    return Rights(
        reads=reads,
        writes=writes,
        admins=at_least("admin"),
        usual_reads=(DEFAULT_PROJECT,) if shared else reads,
        usual_write=only,
        actor=name,
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
