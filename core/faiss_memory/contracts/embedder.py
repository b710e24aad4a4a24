"""What an embedder promises, and what it gives: vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from faiss_memory.memory import Passage

Vectors: TypeAlias = npt.NDArray[np.float32]
"""One a row: shape (count, dimension). Unit vectors, unless the model's metric is another than the cosine."""


class Embedder(Protocol):
    """Turns texts into vectors. Every method may be called from several threads at once.

    They are unit vectors, compared by the cosine; an embedder of others has an attribute `metric`: `dot` for the inner
    product, or `euclidean`.
    """

    @property
    def name(self) -> str:
        """The model's name as the settings give it, such as `all-MiniLM-L6-v2`."""

    @property
    def identity(self) -> str:
        """The name and a digest of the model's content: vectors of two identities are never compared."""

    @property
    def dimension(self) -> int:
        """The length of a vector."""

    @property
    def window(self) -> int:
        """How many tokens of a text one vector can stand for, special tokens not counted."""

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed queries, with the model's query prompt where it has one; longer texts are cut at the window.

        Raises EmbedderError.
        """

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Embed what is stored, with the model's document prompt where it has one; cut at the window.

        Raises EmbedderError.
        """

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return where each token of the whole text lies, as (start, end) in characters; nothing is cut off."""

    def close(self) -> None:
        """Give back what it holds, such as a child process."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """A memory's passages and cues with their vectors, by one model; and the same by the model that is to come."""

    passages: tuple[Passage, ...]
    vectors: Vectors
    """A row for each passage, and then one for each cue."""
    model: str | None = None
    """The identity of the model; None: the one that the store has in use."""
    coming: Embedding | None = None
    """While one model takes another's place: the same text by the one that `Store.prepare_model` was told of."""
    cues: tuple[str, ...] = ()
    """The cues that the last rows stand for."""

    @property
    def of_passages(self) -> Vectors:
        """The vectors of the passages alone: what a text says, and not when it should come up."""
        return self.vectors[: len(self.passages)]

    def by_each(self) -> tuple[Embedding, ...]:
        """Return this embedding, and that by the coming model where there is one."""
        return (self,) if self.coming is None else (self, self.coming)
