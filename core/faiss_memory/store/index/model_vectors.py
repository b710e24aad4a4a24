"""The vector indexes of one model, by project: those of the model in use answer, those of a coming one wait."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from faiss_memory.contracts.comparing import metric_in
from faiss_memory.contracts.embedder import Vectors
from faiss_memory.store.index.vector_index import VectorIndex
from faiss_memory.store.index.vector_segment import Ids
from faiss_memory.store.records.reader import to_keys
from faiss_memory.store.records.rows import Stored, places_of


class ModelVectors:
    """Not thread-safe: readers may share it, a writer needs it alone."""

    def __init__(self, model: str, dimension: int) -> None:
        self.model = model
        self.dimension = dimension
        self._metric = metric_in(model)[1]
        self.projects: dict[str, VectorIndex] = {}
        self.missing: dict[str, tuple[int, int]] = {}
        """By project, how many passages `fill` will still bring, and how many it was to bring at first."""

    def index(self, project: str) -> VectorIndex:
        """Return a project's index, an empty one if there is none yet."""
        if project not in self.projects:
            self.projects[project] = VectorIndex(self.dimension, self._metric)
        return self.projects[project]

    def add(self, stored: Iterable[Stored]) -> None:
        """Append the passages and cues that this model has made of memories to their projects' indexes."""
        keys: dict[str, list[tuple[int, ...]]] = defaultdict(list)
        vectors: dict[str, list[Vectors]] = defaultdict(list)
        for item in stored:
            project = item.memory.project
            for model, embedding, passage_ids in item.embedded:
                if model == self.model:
                    vectors[project].append(embedding.vectors)
                    for passage_id, (start, end) in zip(passage_ids, places_of(embedding), strict=True):
                        keys[project].append((passage_id, item.memory.id, start, end))
        for project, parts in vectors.items():
            self.index(project).add(to_keys(keys[project]), np.concatenate(parts))

    def remove(self, memory_ids: Sequence[int]) -> None:
        """Leave memories out of every answer from now on."""
        for index in self.projects.values():
            index.remove(memory_ids)

    def fill(self, project: str, keys: Ids, vectors: Vectors, lost: Ids, left: int) -> None:
        """Append passages read from the truth; `left` says how many are still missing.

        `lost` memories have no whole set of passages any more and stay out until they are embedded again.
        """
        index = self.index(project)
        index.add(keys, vectors)
        index.remove(lost)
        if left:
            self.missing[project] = (left, self.missing[project][1])
        else:
            del self.missing[project]
