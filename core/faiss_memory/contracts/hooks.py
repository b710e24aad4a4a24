"""The hooks a plugin or an adapter may implement; CONTRIBUTING.md shows each in use.

`register_*` hands in a list once at start, `open_*` chooses one, an infinitive asks whether you want a say, the past
tense tells that it has happened. An implementation may take fewer arguments than its specification.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy
from msgspec import Struct

from faiss_memory.background import Problems
from faiss_memory.contracts.backups import Companion
from faiss_memory.contracts.config_files import ConfigFile, InstallContext, PromptTemplate
from faiss_memory.contracts.http import Mount, Route
from faiss_memory.contracts.importing import Importer
from faiss_memory.contracts.jobs import Job
from faiss_memory.contracts.service import Service
from faiss_memory.errors import StoreError
from faiss_memory.memory import Change, Draft, Memory, Origin, Query, Ranking, SearchResult
from faiss_memory.rights import Rights
from faiss_memory.schema import SearchAnswer, SearchRequest
from faiss_memory.settings import Settings

if TYPE_CHECKING:  # numpy comes with them, and most commands need none
    from faiss_memory.contracts.embedder import Embedder
    from faiss_memory.contracts.store import Store

PROJECT = "faiss_memory"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def open_store(
    settings: Settings, on_failure: Callable[[StoreError], None], problems: Problems
) -> Store | None:
    """Bring a store of your own; it takes hold of its place at once and is opened later, by `Store.open`.

    `settings.store` is the address that the person has set for it; None leaves it to another plugin. Call `on_failure`
    once if writing has become unsafe: the service then stops. `/health` tells what is noted among the `problems`.
    """


@hookspec(firstresult=True)
def open_embedder(settings: Settings) -> Embedder | None:
    """Bring an embedder of your own, a new one at each call.

    After a change of model the one before is asked for too, by settings that have its name; it is used if its identity
    is the same as it was.
    """


@hookspec
def register_settings() -> type[Struct] | None:
    """Hand in the settings of your own: a msgspec.Struct in which each field has a type and a default.

    They are read from `plugins.NAME` (the plugin's name) by the rules of all settings, before anything else is asked;
    what is in force is `settings.of(YourStruct)`.
    """


@hookspec
def register_routes(service: Service) -> Sequence[Route] | None:
    """Add calls to the HTTP interface; their requests are validated, documented and let in by the host."""


@hookspec
def register_mounts(service: Service) -> Sequence[Mount] | None:
    """Add WSGI applications, for a protocol of its own."""


@hookspec
def register_config_files(context: InstallContext) -> Mapping[str, Sequence[ConfigFile]] | None:
    """Return the files that connect an assistant, by the adapter's name."""


@hookspec
def register_prompt_templates() -> Sequence[PromptTemplate] | None:
    """Return texts that tell an assistant when to search and when to store."""


@hookspec
def register_jobs(service: Service) -> Sequence[Job] | None:
    """Add what can be done at set times, by whichever plugin keeps the time."""


@hookspec
def register_companions(settings: Settings) -> Sequence[Companion] | None:
    """Hand in small files of the data folder that go along with backups; asked before the store opens.

    A restore hands over what the backup holds: at a start before `service_started`, and while the service runs.
    """


@hookspec
def register_importers() -> Sequence[Importer] | None:
    """Hand in what reads the memories of other programs. The command line asks for it, without a service."""


@hookspec
def register_stats(service: Service) -> Mapping[str, Any] | None:
    """Add to `/stats`: JSON values by your plugin's name."""


@hookspec
def service_started(service: Service) -> None:
    """The service has begun to answer."""


@hookspec
def service_stopping(service: Service) -> None:
    """The service is about to stop; finish what you have begun."""


@hookspec
def before_add(drafts: list[Draft]) -> None:
    """Change drafts in their list before they are stored, or raise InvalidRequest to refuse them all."""


@hookspec
def before_change(changes: dict[int, Change]) -> None:
    """Change corrections, by the memory's id, before they are stored, or raise InvalidRequest to refuse them all."""


@hookspec
def memories_added(memories: Sequence[Memory]) -> None:
    """Memories were stored, durably."""


@hookspec
def memories_changed(memories: Sequence[Memory]) -> None:
    """Memories were corrected, durably; each comes as it is now."""


@hookspec
def memories_removed(ids: Sequence[int]) -> None:
    """Memories were forgotten, durably."""


@hookspec
def memories_purged(ids: Sequence[int], texts: Collection[str]) -> None:
    """Memories are purged: let go of whatever you keep of them, before a proof looks for every text that they had.

    It is told before the store begins, of those that are there, and again when it is done, of all with all their
    texts: a purge may be cut short between.
    """


@hookspec
def search_answered(request: SearchRequest, answer: SearchAnswer, rights: Rights) -> None:
    """A search was answered, to a caller with these rights; not told of searches that are nobody's question."""


@hookspec
def find_outdated(service: Service, origins: Mapping[int, Origin]) -> Mapping[int, str] | None:
    """Return which of some memories that were built say something else than their files now, each with what differs.

    Asked of a few files at a time, when a person looks for what is stale, and of what is to be shown unasked. What
    cannot be read now, or must not, has an empty text; what holds is left out. An origin whose place is `WHOLE_FILE` is
    no part that a memory was built from but a file that it speaks of, with its SHA-256 then as `text`.
    """


@hookspec
def rank_memories(query: Query, k: int) -> Ranking | None:
    """Bring a ranking of your own into a hybrid search; scores are positive, higher is better."""


@hookspec(firstresult=True)
def rerank_results(query: Query, results: list[SearchResult]) -> list[SearchResult] | None:
    """Put the results of a search into another order, or leave some out."""
