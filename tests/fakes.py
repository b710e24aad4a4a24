"""A stand-in embedder, for tests that are about something else than meaning."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from faiss_memory import Embedder, hookimpl
from faiss_memory.parts import Vectors

DIMENSION = 64


class FakeEmbedder:
    """Words hashed into a few dimensions: texts that share words are similar."""

    name, identity, dimension, window = "fake", "fake@1", DIMENSION, 40

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.array([self._vector(text) for text in texts], np.float32).reshape(-1, DIMENSION)

    embed_documents = embed_queries

    def _vector(self, text: str) -> Vectors:
        vector = np.full(DIMENSION, 1e-3, np.float32)
        for word in re.findall(r"\w+", text.casefold()):
            digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
            vector[digest[0] % DIMENSION] += 1 if digest[1] % 2 else -1
        return vector / np.linalg.norm(vector)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\S+", text)]

    def close(self) -> None:
        return None


class FakeModel:
    """The plugin that brings it."""

    @hookimpl
    def open_embedder(self) -> Embedder:
        return FakeEmbedder()
