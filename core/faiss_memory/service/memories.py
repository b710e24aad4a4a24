"""The rules: what is allowed, what is answered, which hooks are asked.

REST, MCP, hooks and the command line call these methods, with the messages of `schema`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import msgspec
from msgspec import UNSET

from faiss_memory import schema
from faiss_memory.contracts.jobs import Job
from faiss_memory.contracts.ledger import Use
from faiss_memory.contracts.service import Assistant, Rewriting, Service
from faiss_memory.contracts.shared import News, Shared
from faiss_memory.contracts.store import Added, Retry, Rewritten
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.errors import InvalidRequest
from faiss_memory.memory import Change, Draft, Filter, Origin, Query, Standing
from faiss_memory.plugin_host import PluginHost
from faiss_memory.project_name.owners import OwnersFile
from faiss_memory.rights import LOOKING, PERSON, Rights
from faiss_memory.schema.limits import check_size, check_text
from faiss_memory.service import messages
from faiss_memory.service.before_writing import BeforeWriting, kinds_of, wish_of
from faiss_memory.service.claims import Claims
from faiss_memory.service.drafts import change_of, check_limits, draft_of, in_whole_letters
from faiss_memory.service.exporting import Exporting
from faiss_memory.service.forgetting import Forgetting
from faiss_memory.service.guarding import Guard
from faiss_memory.service.importing import Importing
from faiss_memory.service.in_force import InForce
from faiss_memory.service.jobs import all_jobs
from faiss_memory.service.overview import Overview
from faiss_memory.service.prompts import filled
from faiss_memory.service.selection import list_filter, search_filter
from faiss_memory.service.stored_secrets import StoredSecrets
from faiss_memory.service.teaming import Teaming
from faiss_memory.service.tending.tending import Tending
from faiss_memory.service.uses import Uses
from faiss_memory.service.vocabulary import Vocabulary
from faiss_memory.settings import Settings
from faiss_memory.team.team import Team


class MemoryService(Service):
    """What the product promises, whoever asks.

    A method that takes `rights` shows and changes only what they allow; the person's are everything. Every method
    raises InvalidRequest for input that is not allowed, NotReady while what it needs is starting, and StoreError or
    EmbedderError when that cannot answer.
    """

    def __init__(
        self, settings: Settings, engine: MemoryEngine, plugins: PluginHost, team: Team, owners: OwnersFile
    ) -> None:
        self._settings = settings
        self.engine = engine
        self.plugins = plugins
        self.team = team
        self.teaming = Teaming(team)
        self.uses = Uses(engine)
        guard = Guard(settings)
        self._before = BeforeWriting(plugins, guard)
        self.claims = Claims(owners, lambda: [one.name for one in engine.store.projects()])
        self.vocabulary = Vocabulary(lambda: engine.store)
        self.overview = Overview(settings, engine, lambda: plugins.ask("register_stats", service=self))
        self.tending = Tending(
            settings, engine, plugins, self.claims, self.vocabulary, self._change_many, team.note,
            lambda origins: plugins.ask("find_outdated", service=self, origins=origins),
        )  # fmt: skip
        self.exporting = Exporting(settings.limits, engine, self.vocabulary)
        self._forgetting = Forgetting(settings.limits, engine, plugins, self.vocabulary, team)
        self.importing = Importing(
            settings.limits, engine, plugins, self._before, self._notify_of, self._forgetting, team.note
        )
        self.secrets = StoredSecrets(
            settings.limits, engine, guard, self._forgetting, self._notify_of, team.note
        )
        self.in_force = InForce(settings, engine, plugins, self.overview.version)
        self._stop_announced = False
        engine.on_news = self._tell

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    @property
    def version(self) -> str:
        """The version of FAISS Memory."""
        return self.overview.version

    @property
    def model_ready(self) -> bool:
        """Whether search by meaning answers."""
        return self.engine.model_ready

    @property
    def assistants(self) -> Sequence[Assistant]:
        """The adapters that take part."""
        return [*self.plugins.adapters.values()]

    @property
    def jobs(self) -> Sequence[Job]:
        """What can be done at set times."""
        return all_jobs(self.engine, self.plugins.ask("register_jobs", service=self))

    def lease(self, *names: Sequence[str]) -> AbstractContextManager[bool]:
        """Hold names that only one of the services over the same store has at a time."""
        store = self.engine.store
        return store.lease(*names) if isinstance(store, Shared) else nullcontext(True)

    def prompt(self, request: schema.PromptRequest) -> schema.PromptAnswer:
        """Return what an assistant is told of the memory, for a project. Raises MemoryNotFound."""
        return filled(self.plugins, self.settings, request)

    def stats(
        self, project: str | Sequence[str] | None = None, rights: Rights = PERSON
    ) -> schema.StatsAnswer:
        """Return counts and sizes of some projects, or of all. Raises MemoryNotFound for an unknown one."""
        return self.overview.stats(project, rights)

    def projects(self, rights: Rights = PERSON) -> schema.ProjectsAnswer:
        """List the projects."""
        return self.overview.projects(rights)

    def project_named(self, written: str, must_exist: bool = False, rights: Rights = PERSON) -> str:
        """Return which project is meant by a name that has not the form of one, such as `Acme/Web_App`.

        With `must_exist` only those are meant that there are. What means none is returned as it is. Raises
        InvalidRequest if two fit.
        """
        return self.vocabulary.project(written, must_exist, rights)

    def project_at(self, folder: Path) -> str:
        """Return the project of a folder that a client on this machine works in, which is nobody else's."""
        return self.claims.at(folder, self.plugins.marks)

    def note_uses(self, uses: Sequence[Use]) -> None:
        """Count of what use memories are, where the store keeps a ledger."""
        self.uses.note(*uses)

    def start(self) -> None:
        """Begin to open the store and to load the model."""
        self.engine.start()
        self.plugins.notify("service_started", service=self)

    def announce_stop(self) -> None:
        """Tell the plugins that the service is about to stop, once; requests are still answered."""
        if not self._stop_announced:
            self._stop_announced = True
            self.plugins.notify("service_stopping", service=self)

    def stop(self) -> None:
        """Finish what was accepted, and let go of everything."""
        self.announce_stop()
        self.engine.close()
        self.team.close()

    # Finding.

    def search(
        self,
        request: schema.SearchRequest,
        rights: Rights = PERSON,
        wordings: Sequence[str] = (),
        *,
        is_counted: bool = True,
    ) -> schema.SearchAnswer:
        """Search memories with a question in plain words, or with several wordings of one."""
        if request.only_relevant or (rights.is_outside and request.min_relevance is None):
            request = self._only_relevant(request)
        return self._search(request, rights, wordings, is_counted)

    def find(
        self, request: schema.SearchRequest, rights: Rights = PERSON, wordings: Sequence[str] = ()
    ) -> schema.SearchAnswer:
        """Search as what is found is shown to a model or a person: only what is relevant, and each text once."""
        return self._search(self._only_relevant(request), rights, wordings, is_counted=True)

    def _only_relevant(self, request: schema.SearchRequest) -> schema.SearchRequest:
        bar = self.settings.min_relevance if request.min_relevance is None else request.min_relevance
        return msgspec.structs.replace(request, min_relevance=bar, only_relevant=True)

    def _search(
        self, request: schema.SearchRequest, rights: Rights, wordings: Sequence[str], is_counted: bool
    ) -> schema.SearchAnswer:
        started = time.perf_counter()
        limits = self.settings.limits
        check_size(request.query, limits.text_bytes, "query", "text_bytes")
        if request.k > limits.k:
            raise InvalidRequest(f"`k` is {request.k}; the most is {limits.k} (setting limits.k)", "k")
        where = search_filter(request, limits, rights, self.vocabulary)
        query = Query(
            text=request.query,
            k=request.k,
            mode=request.mode,
            where=where,
            threshold=request.threshold,
            min_relevance=request.min_relevance,
            distinct=request.only_relevant,
            wordings=tuple(wordings),
        )
        found = self.engine.search(query)
        seconds = time.perf_counter() - started
        answer = messages.search_answer(request, found, where, rights, seconds)
        if request.explain:
            self.tending.freshness.note(answer.results)
        hint = self.vocabulary.hint(request.project, where, rights, [one.memory for one in found.results])
        answer.hint = hint or UNSET
        if is_counted and rights.by != LOOKING:
            self.uses.note_search(answer, rights, seconds)
            self.plugins.notify("search_answered", request=request, answer=answer, rights=rights)
        return answer

    def similarities(self, texts: Sequence[str], others: Sequence[str]) -> list[list[float]]:
        """Return the cosine of each text with each of the others, by the model that answers."""
        return self.engine.similarities(texts, others)

    def is_novel(self, request: schema.NovelRequest, rights: Rights = PERSON) -> schema.NovelAnswer:
        """Return whether a text is news: a long one is known only if every passage of it is.

        The threshold alone decides; what tells it apart from what it is most like all the same, is named.
        """
        check_text(request.text, self.settings.limits.text_bytes, "text", "text_bytes")
        projects = rights.to_read(request.project)
        found = self.engine.nearest_known(request.text, Filter(projects=projects), request.threshold)
        return messages.novel_answer(found, request, projects, rights)

    def get(self, memory_id: int, rights: Rights = PERSON) -> schema.MemoryAnswer:
        """Read one memory. Raises MemoryNotFound."""
        memory = rights.seen(memory_id, self.engine.store.get([memory_id]))
        return self.tending.freshness.told(messages.memory(messages.seen(memory, rights)))

    def history(self, memory_id: int, rights: Rights = PERSON) -> schema.HistoryAnswer:
        """Read a memory and what it superseded, which is in the same project. Raises MemoryNotFound."""
        chain = self.engine.store.history(memory_id)
        rights.seen(memory_id, chain)
        return messages.history_answer(chain, rights)

    def list_memories(self, request: schema.ListRequest, rights: Rights = PERSON) -> schema.ListAnswer:
        """List memories by time, a page at a time."""
        where = list_filter(request, rights, self.vocabulary)
        after = None if request.cursor is None else messages.from_cursor(request.cursor)
        # One more than asked for tells whether there is a next page.
        found = self.engine.store.select(
            where, contains=request.q, order=request.order, limit=request.limit + 1, after=after
        )
        page = found[: request.limit]
        hint = self.vocabulary.hint(request.project, where, rights, page)
        return schema.ListAnswer(
            memories=[messages.memory(messages.seen(memory, rights)) for memory in page],
            count=len(page),
            next_cursor=messages.to_cursor(page[-1]) if len(found) > len(page) else None,
            project=messages.format_projects(where.projects, request.project),
            hint=hint or UNSET,
        )

    # Keeping.

    def add(self, request: schema.AddRequest, rights: Rights = PERSON) -> schema.AddAnswer:
        """Store one memory; `success` is false when `if_novel` found a near twin that nothing tells apart."""
        (added,), (draft,), masked = self._add([request], request, rights)
        twins = [] if added.twin is None else self.engine.store.get([added.twin[0]])
        # A plugin may have moved the draft into another project, and the twin of a repeated call may be gone.
        shown = [messages.seen(twin, rights) for twin in twins if rights.may_read(twin.project)]
        return messages.with_masked(messages.add_answer(added, draft, shown), masked)

    def add_batch(self, request: schema.AddBatchRequest, rights: Rights = PERSON) -> schema.AddBatchAnswer:
        """Store several memories: all of them, or none."""
        most = self.settings.limits.batch
        if len(request.memories) > most:
            raise InvalidRequest(
                f"`memories` holds {len(request.memories)}; the most is {most} (setting limits.batch)",
                "memories",
            )
        added, drafts, masked = self._add(request.memories, request, rights)
        return messages.with_masked(messages.add_batch_answer(added, drafts), masked)

    def _add(
        self,
        memories: Sequence[schema.NewMemory],
        request: schema.AddRequest | schema.AddBatchRequest,
        rights: Rights,
    ) -> tuple[Sequence[Added], Sequence[Draft], list[str]]:
        in_batch = isinstance(request, schema.AddBatchRequest)
        prefixes = [f"memories[{n}]." if in_batch else "" for n in range(len(memories))]
        memories = [self.vocabulary.with_tags(memory, rights) for memory in memories]
        drafts = [
            draft_of(memory, prefix, rights, self.settings.limits)
            for memory, prefix in zip(memories, prefixes, strict=True)
        ]
        wish, retry = wish_of(request.secrets, rights), None
        if request.idempotency_key is not None:
            asked = msgspec.json.encode([type(request).__name__, request])
            retry = Retry(rights.retry_key(request.idempotency_key), hashlib.sha256(asked).digest())
        masked = self._before.add(drafts, wish, prefixes)
        added = self.engine.add(drafts, retry)
        stored = [one.id for one in added if one.id is not None and not one.repeated]
        if stored:
            self.team.note(rights, "added", [draft.project for draft in drafts], stored)
        self.uses.note_added(
            [(one.id, draft.project) for one, draft in zip(added, drafts, strict=True) if one.id in stored],
            rights,
        )
        self._notify_of("memories_added", stored)
        return added, drafts, kinds_of(masked)

    def _notify_of(self, hook: str, ids: Sequence[int]) -> None:
        """Tell the plugins of memories, if there are any, as they are now; read only if one wants to know."""
        if ids and self.plugins.wants(hook):
            self.plugins.notify(hook, memories=self.engine.store.get(ids))

    def _tell(self, news: News) -> None:
        """Tell the plugins of what was written, here or by another service that shares the store."""
        self._notify_of("memories_added", news.added)
        self._notify_of("memories_changed", news.changed)
        if news.removed:
            self.plugins.notify("memories_removed", ids=news.removed)

    def rewrite(self, drafts: list[Draft], changes: Mapping[int, Change], gone: Sequence[int]) -> Rewriting:
        """Store what a file says now in place of what it said before: all of it or nothing.

        `changes`, by id, leave the texts alone; `gone` are forgotten. Raises InvalidRequest when a limit or a plugin
        refuses a draft or a change.
        """
        done, told = self._rewrite(drafts, changes, gone)
        if self.team.exists:
            ids = [*done.added, *done.changed, *done.removed]
            self.team.note(PERSON, "built", [one.project for one in self.engine.store.get(ids)], ids)
        return told

    def _rewrite(
        self, drafts: list[Draft], changes: Mapping[int, Change], gone: Sequence[int]
    ) -> tuple[Rewritten, Rewriting]:
        drafts = [in_whole_letters(draft) for draft in drafts]
        changes = {memory_id: in_whole_letters(change) for memory_id, change in changes.items()}
        parts: list[Draft | Change] = [*drafts, *changes.values()]
        for part in parts:
            check_limits(part, self.settings.limits)
        masked = self._before.add(drafts)
        asked, _ = self._before.change(changes)
        done, passages = self.engine.rewrite(drafts, asked, gone)
        self._tell(News(done.added, done.changed, done.removed))
        return done, Rewriting(
            len(done.added), len(done.changed), len(done.removed), passages, kinds_of(masked)
        )

    def _change_many(self, changes: Mapping[int, Change]) -> int:
        return self._rewrite([], changes, [])[1].changed

    def origins(self, project: str) -> dict[int, Origin]:
        """Return which of a project's memories were built from which part of which file, by id."""
        return self.engine.store.origins(project)

    def known(self, uids: Collection[str]) -> dict[str, Standing]:
        """Return what is known of some uids; those that were never met are left out."""
        return self.engine.store.known(uids)

    def patch(
        self, memory_id: int, request: schema.PatchRequest, rights: Rights = PERSON
    ) -> schema.PatchAnswer:
        """Correct a memory. Raises MemoryNotFound."""
        limits = self.settings.limits
        if request == schema.PatchRequest():
            raise InvalidRequest("nothing to change: give what should be different, such as `text`")
        # Looked up before the text is embedded in vain.
        there = rights.changeable(memory_id, self.engine.store.get([memory_id]))
        change = change_of(request, there.project, self.vocabulary, rights, limits)
        check_limits(change, self.settings.limits)
        asked, masked = self._before.change({memory_id: change}, wish_of(request.secrets, rights))
        memory = self.engine.change(memory_id, asked[memory_id])
        self.team.note(rights, "changed", [memory.project], [memory_id])
        self.plugins.notify("memories_changed", memories=[memory])
        answer = schema.PatchAnswer(**msgspec.structs.asdict(messages.memory(memory)))
        return messages.with_masked(answer, kinds_of(masked))

    # Forgetting.

    def forget_one(self, memory_id: int, rights: Rights = PERSON) -> schema.ForgetOneAnswer:
        """Take one memory out of every answer. Raises MemoryNotFound."""
        return self._forgetting.one(memory_id, rights)

    def forget(self, request: schema.ForgetRequest, rights: Rights = PERSON) -> schema.ForgetAnswer:
        """Forget the memories that meet every condition given."""
        return self._forgetting.several(request, rights)

    def purge(self, request: schema.PurgeRequest, rights: Rights = PERSON) -> schema.PurgeAnswer:
        """Purge the memories that meet every condition given: they are gone from every file as well."""
        return self._forgetting.purge(request, rights)
