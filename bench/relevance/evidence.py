"""What the engine has to judge by, for each prompt of a set: the product's own steps up to the judgement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.relevance.sets import Prompt, RecallSet
from bench.relevance.telling import tell
from faiss_memory.contracts.embedder import Embedder
from faiss_memory.embedder import EmbeddingLanes
from faiss_memory.engine.looking import CANDIDATES as DEPTH
from faiss_memory.engine.models import embed
from faiss_memory.engine.relevance import Evidence, Judge
from faiss_memory.engine.searching import (
    Choice,
    Meaning,
    asked,
    embed_queries,
    question,
    results_of,
)
from faiss_memory.memory import DEFAULT_PROJECT, Draft, Filter, Query
from faiss_memory.schema import FoundMemory
from faiss_memory.service.messages import found_memory
from faiss_memory.store import EmbeddedStore
from faiss_memory_plugins.recall.finding import CANDIDATES, PREVIOUS, wordings_of
from faiss_memory_plugins.recall.prompt_parts import prompt_parts

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory that one wording of a prompt has found; `note` is its id in the set, None for one of the background."""

    found: FoundMemory
    evidence: Evidence
    note: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, and all that its wordings have found."""

    prompt: Prompt
    outdated: frozenset[str]
    candidates: list[Candidate]


class Workbench:
    """A store in which the notes of each set lie in a project of their own, and the background in the default one."""

    def __init__(self, folder: Path, model: Embedder) -> None:
        self._model = EmbeddingLanes(model)
        self._judge = Judge(self._model, folder)
        self._store = EmbeddedStore(folder, _failed)
        self._store.open()
        self._store.use_model(model.identity, model.name, model.dimension)
        self._names: dict[int, str] = {}

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def add_notes(self, sets: Sequence[RecallSet]) -> None:
        """Store the notes of sets."""
        for one in sets:
            self._names.update(zip(self._add([*one.notes.values()]), one.notes, strict=True))

    def add_background(self, texts: Sequence[str]) -> None:
        """Store what has nothing to do with any set."""
        for first in range(0, len(texts), AT_ONCE):
            tell(f"{first:,} of {len(texts):,} strange memories are stored")
            self._add(
                [
                    Draft(text=text, source=f"{text.split(':')[0]}.py")
                    for text in texts[first : first + AT_ONCE]
                ]
            )

    def _add(self, drafts: Sequence[Draft]) -> list[int]:
        added = self._store.add(drafts, embed(self._model, drafts))
        return [one.id for one in added if one.id is not None]

    def ask(self, of: RecallSet) -> list[Asked]:
        """Ask every prompt of a set, as the recall plugin does."""
        where = Filter(projects=(of.name, DEFAULT_PROJECT))
        return [Asked(one, of.outdated, [*self._candidates(one, where)]) for one in of.prompts]

    def _candidates(self, prompt: Prompt, where: Filter) -> Iterator[Candidate]:
        previous = prompt_parts(prompt.previous).prose[:PREVIOUS]
        wordings = wordings_of(prompt_parts(prompt.prompt), previous)
        for text, meaning in zip(wordings, embed_queries(self._model, wordings), strict=True):
            yield from self._found(Query(text=text, k=CANDIDATES, where=where), meaning)

    def _found(self, query: Query, meaning: Meaning) -> Iterator[Candidate]:
        """Search as the engine does for one wording, and keep what it judges by."""
        asks = question(query, meaning, self._judge)
        choice = Choice(query, {}, (), asks.known_share, query.k)
        found = self._store.search(asked(query, meaning, max(DEPTH, 4 * query.k), ()), choice)
        for memory, result in zip(found.memories, results_of(asks, choice.kept, found), strict=True):
            assert result.evidence is not None
            yield Candidate(found_memory(result), result.evidence, self._names.get(memory.id))


def _failed(error: Exception) -> None:
    raise SystemExit(f"the store stopped writing: {error}")
