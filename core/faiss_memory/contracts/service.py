"""What the service promises to guests: the calls a plugin or an adapter may make, and what it may look at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from faiss_memory import schema
from faiss_memory.contracts.dialect import HookDialect
from faiss_memory.contracts.jobs import Job
from faiss_memory.contracts.ledger import Use
from faiss_memory.memory import Change, Draft, Origin, Standing
from faiss_memory.rights import PERSON, Rights
from faiss_memory.settings import Settings


@dataclass(frozen=True, slots=True)
class Rewriting:
    """How many memories a rewriting added, changed and removed, how many passages were embedded for it, and of which
    kinds the secrets were that were masked."""

    added: int
    changed: int
    removed: int
    embedded: int
    masked: Sequence[str] = ()


class Assistant(Protocol):
    """What a guest may know of an adapter that takes part."""

    @property
    def name(self) -> str:
        """As in `/adapters/NAME/…`."""

    @property
    def title(self) -> str:
        """As people call the assistant."""

    @property
    def hook(self) -> HookDialect | None:
        """How its hooks speak; None if it has none."""


class Service(ABC):
    """The service as a guest sees it; REST, MCP, hooks and the command line make the same calls.

    A call that takes `rights` shows and changes only what they allow; the person's are everything. Every call raises
    InvalidRequest for input that is not allowed, NotReady while what it needs is starting, and StoreError or
    EmbedderError when that cannot answer.
    """

    @property
    @abstractmethod
    def settings(self) -> Settings:
        """The settings in force."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The version of FAISS Memory."""

    @property
    @abstractmethod
    def model_ready(self) -> bool:
        """Whether search by meaning answers."""

    @property
    @abstractmethod
    def assistants(self) -> Sequence[Assistant]:
        """The adapters that take part."""

    @property
    @abstractmethod
    def jobs(self) -> Sequence[Job]:
        """What can be done at set times: the host's own jobs, and those of plugins, by different names."""

    @abstractmethod
    def lease(self, *names: Sequence[str]) -> AbstractContextManager[bool]:
        """Hold names that only one of the services over the same store has at a time, as `Shared.lease` says.

        It is True at once where this service is the only one.
        """

    @abstractmethod
    def prompt(self, request: schema.PromptRequest) -> schema.PromptAnswer:
        """Return what an assistant is told of the memory, for a project. Raises MemoryNotFound."""

    @abstractmethod
    def project_named(self, written: str, must_exist: bool = False, rights: Rights = PERSON) -> str:
        """Return which project is meant by a name that has not the form of one, such as `Acme/Web_App`.

        With `must_exist` only those are meant that there are. What means none is returned as it is. Raises
        InvalidRequest if two fit.
        """

    @abstractmethod
    def project_at(self, folder: Path) -> str:
        """Return the project of a folder that a client on this machine works in, which is nobody else's."""

    @abstractmethod
    def note_uses(self, uses: Sequence[Use]) -> None:
        """Count of what use memories are, where the store keeps a ledger."""

    @abstractmethod
    def search(
        self,
        request: schema.SearchRequest,
        rights: Rights = PERSON,
        wordings: Sequence[str] = (),
        *,
        is_counted: bool = True,
    ) -> schema.SearchAnswer:
        """Search memories with a question in plain words; a memory's best match with any of the `wordings` counts too.

        With several wordings relevance orders the results. What is not counted is noted nowhere.
        """

    @abstractmethod
    def find(
        self, request: schema.SearchRequest, rights: Rights = PERSON, wordings: Sequence[str] = ()
    ) -> schema.SearchAnswer:
        """Search as what is found is shown to a model or a person: only what is relevant, and each text once.

        `min_relevance` is the setting of that name where the request gives none.
        """

    @abstractmethod
    def similarities(self, texts: Sequence[str], others: Sequence[str]) -> list[list[float]]:
        """Return the cosine of each text with each of the others, by the model that answers."""

    @abstractmethod
    def is_novel(self, request: schema.NovelRequest, rights: Rights = PERSON) -> schema.NovelAnswer:
        """Compare a text with what is stored."""

    @abstractmethod
    def get(self, memory_id: int, rights: Rights = PERSON) -> schema.MemoryAnswer:
        """Read one memory. Raises MemoryNotFound."""

    @abstractmethod
    def history(self, memory_id: int, rights: Rights = PERSON) -> schema.HistoryAnswer:
        """Read a memory and what it superseded, newest first. Raises MemoryNotFound."""

    @abstractmethod
    def list_memories(self, request: schema.ListRequest, rights: Rights = PERSON) -> schema.ListAnswer:
        """List memories by time, a page at a time."""

    @abstractmethod
    def stats(
        self, project: str | Sequence[str] | None = None, rights: Rights = PERSON
    ) -> schema.StatsAnswer:
        """Return counts and sizes of some projects, or of all. Raises MemoryNotFound for an unknown one."""

    @abstractmethod
    def projects(self, rights: Rights = PERSON) -> schema.ProjectsAnswer:
        """List the projects."""

    @abstractmethod
    def add(self, request: schema.AddRequest, rights: Rights = PERSON) -> schema.AddAnswer:
        """Store one memory."""

    @abstractmethod
    def add_batch(self, request: schema.AddBatchRequest, rights: Rights = PERSON) -> schema.AddBatchAnswer:
        """Store several memories: all of them, or none."""

    @abstractmethod
    def patch(
        self, memory_id: int, request: schema.PatchRequest, rights: Rights = PERSON
    ) -> schema.MemoryAnswer:
        """Correct a memory. Raises MemoryNotFound."""

    @abstractmethod
    def rewrite(self, drafts: list[Draft], changes: Mapping[int, Change], gone: Sequence[int]) -> Rewriting:
        """Store what a file says now in place of what it said before: all of it or nothing.

        `changes`, by id, leave the texts alone; `gone` are forgotten.
        """

    @abstractmethod
    def origins(self, project: str) -> dict[int, Origin]:
        """Return which of a project's memories were built from which part of which file, by id."""

    @abstractmethod
    def known(self, uids: Collection[str]) -> dict[str, Standing]:
        """Return what is known of some uids; those that were never met are left out."""

    @abstractmethod
    def forget_one(self, memory_id: int, rights: Rights = PERSON) -> schema.ForgetOneAnswer:
        """Take one memory out of every answer. Raises MemoryNotFound."""

    @abstractmethod
    def forget(self, request: schema.ForgetRequest, rights: Rights = PERSON) -> schema.ForgetAnswer:
        """Forget the memories that meet every condition given."""

    @abstractmethod
    def purge(self, request: schema.PurgeRequest, rights: Rights = PERSON) -> schema.PurgeAnswer:
        """Take the memories that meet every condition given out of every file as well."""
