"""A stand-in embedder, for tests that are about something else than meaning."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from threading import Event
from typing import Any

import numpy as np

from faiss_memory import Embedder, hookimpl
from faiss_memory.contracts.embedder import Vectors
from faiss_memory.engine.relevance import generic_prompts

DIMENSION = 64

_GENERIC = frozenset(generic_prompts())
"""What every model embeds at its start, to judge by."""


class FakeEmbedder:
    """Words hashed into a few dimensions: texts that share words are similar."""

    name, identity, dimension, window = "fake", "fake@1", DIMENSION, 40

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.array([self._vector(text) for text in texts], np.float32).reshape(-1, DIMENSION)

    embed_documents = embed_queries

    def _vector(self, text: str) -> Vectors:
        vector = np.full(DIMENSION, 1e-3, np.float32)
        for word in re.findall(r"\w+", text.casefold()):
            place, sign = _place(word)
            vector[place] += sign
        return vector / np.linalg.norm(vector)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\S+", text)]

    def close(self) -> None:
        return None


@lru_cache(maxsize=100_000)
def _place(word: str) -> tuple[int, int]:
    digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
    return digest[0] % DIMENSION, 1 if digest[1] % 2 else -1


class FakeModel:
    """The plugin that brings it."""

    @hookimpl
    def open_embedder(self) -> Embedder:
        return FakeEmbedder()


class WordsEmbedder(FakeEmbedder):
    """Another model of the same kind, with a dimension and hashes of its own; `words-96` has 96 dimensions.

    Notes what it embeds, and what it is asked to cut `held` texts for waits until it is let go.
    """

    def __init__(self, name: str, edition: int = 1) -> None:
        self.name, self.identity = name, f"{name}@{edition}"
        self.dimension = int(name.rpartition("-")[2])
        self._salt = self.identity.encode()[:16]
        self.embedded: list[str] = []
        self.is_closed = False
        self.held, self.waits, self.let_go = "", Event(), Event()

    def vector(self, text: str) -> Vectors:
        vector = np.full(self.dimension, 1e-3, np.float32)
        for word in re.findall(r"\w+", text.casefold()):
            digest = hashlib.blake2b(word.encode(), digest_size=4, salt=self._salt).digest()
            vector[int.from_bytes(digest[:2], "little") % self.dimension] += 1 if digest[2] % 2 else -1
        return vector / np.linalg.norm(vector)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        assert not self.is_closed
        return np.array([self.vector(text) for text in texts], np.float32).reshape(-1, self.dimension)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.embedded += [text for text in texts if text not in _GENERIC]
        return self.embed_queries(texts)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        if self.held and self.held in text:
            let_go = self.let_go
            self.waits.set()
            let_go.wait()
        return super().token_offsets(text)

    def close(self) -> None:
        self.is_closed = True


class WordsModels:
    """The plugin that brings any of these, by the name that the settings have; `held` is for all it opens."""

    def __init__(self, held: str = "") -> None:
        self.held = held
        self.opened: list[WordsEmbedder] = []

    @hookimpl
    def open_embedder(self, settings: Any) -> Embedder | None:
        if not settings.model_name.startswith("words-"):
            return None
        model = WordsEmbedder(settings.model_name)
        model.held = self.held
        self.opened.append(model)
        return model

    @hookimpl
    def register_stats(self) -> dict[str, Any]:
        return {"embedded": {model.name: len(model.embedded) for model in self.opened}}
