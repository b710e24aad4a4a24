"""A model that counts letters, for checks that are about something else than meaning."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from faiss_memory.contracts.embedder import Embedder, Vectors
from faiss_memory.contracts.hooks import hookimpl


class LetterCounter:
    """Implements Embedder."""

    name, identity, dimension, window = "letters", "letters@1", 26, 200

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Count the letters of each text."""
        lowered = [text.lower() for text in texts]
        counts = [[text.count(chr(97 + n)) + 0.01 for n in range(26)] for text in lowered]
        vectors = np.array(counts, np.float32).reshape(-1, 26)
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    embed_documents = embed_queries

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Take words for tokens."""
        return [word.span() for word in re.finditer(r"\S+", text)]

    def close(self) -> None:
        """Give back nothing."""


class ToyModel:
    """The plugin that brings it."""

    @hookimpl
    def open_embedder(self) -> Embedder:
        """Take the place of the model that the settings name."""
        return LetterCounter()
