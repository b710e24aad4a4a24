"""A model whose vectors are kept in a file: to measure again costs no embedding."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from faiss_memory.contracts.embedder import Embedder, Vectors


class KeptVectors:
    """An Embedder in front of another one."""

    def __init__(self, model: Embedder, folder: Path) -> None:
        self.name, self.identity = model.name, model.identity
        self.dimension, self.window = model.dimension, model.window
        self.token_offsets, self.close = model.token_offsets, model.close
        self._model = model
        self._path = folder / f"{hashlib.sha256(model.identity.encode()).hexdigest()[:16]}.npz"
        self._known: dict[str, Vectors] = {}
        if self._path.exists():
            with np.load(self._path) as kept:
                self._known = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed("query", texts, self._model.embed_queries)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._embed("document", texts, self._model.embed_documents)

    def _embed(self, task: str, texts: Sequence[str], embed: Callable[[Sequence[str]], Vectors]) -> Vectors:
        keys = {text: hashlib.sha256(f"{task} {text}".encode()).hexdigest() for text in texts}
        missing = [text for text in keys if keys[text] not in self._known]
        if missing:
            self._known.update(zip((keys[text] for text in missing), embed(missing), strict=True))
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        return np.stack([self._known[keys[text]] for text in texts])

    def keep(self) -> None:
        """Write the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(self._path, keys=np.array([*self._known]), vectors=np.stack([*self._known.values()]))
