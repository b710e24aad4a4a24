"""Loading a model with sentence-transformers. Runs in child processes only: torch stays out of ours."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from faiss_memory.contracts.embedder import Vectors
from faiss_memory.embedder import hub

_NO_LIMIT = 1_000_000
_DEFAULT_MAX_TOKENS = 8192


def take_stdout() -> IO[bytes]:
    """Keep the real standard output for our own frames; whatever a library prints goes to standard error."""
    kept = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return kept


def load_model(location: str) -> Any:
    """Load a SentenceTransformer, from this machine if all of it is here, else from the hub.

    Raises whatever sentence-transformers raises: it ends the child, and its last line is the reason.
    """
    import transformers
    from sentence_transformers import SentenceTransformer

    transformers.utils.logging.set_verbosity_error()
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    if Path(location).is_dir():
        return _prepared(SentenceTransformer(location, device="cpu", local_files_only=True))
    if hub.cached_snapshot(location) is not None:
        # A half-finished download fails here, and the hub may complete it.
        with contextlib.suppress(OSError, ValueError):
            return _prepared(SentenceTransformer(location, device="cpu", local_files_only=True))
    return _prepared(SentenceTransformer(location, device="cpu"))


def _prepared(model: Any) -> Any:
    # Half precision is slow on a CPU, and ours answers in float32.
    return model.eval().float()


def encode(model: Any, texts: Sequence[str], *, queries: bool) -> Vectors:
    """Embed with sentence-transformers itself: the reference and the fallback.

    Only a model with a normalising layer gives unit vectors.
    """
    method = model.encode_query if queries else model.encode_document
    vectors = method(list(texts), convert_to_numpy=True, show_progress_bar=False)
    return np.ascontiguousarray(vectors, dtype=np.float32).reshape(len(texts), -1)


def prompt_of(model: Any, *, queries: bool) -> str:
    """Ask the model which prompt it would put before a text, by its installed version's own rules."""
    asked: dict[str, Any] = {}

    def note(*_: Any, prompt_name: str | None = None, prompt: str | None = None, **__: Any) -> None:
        asked.update(name=prompt_name, prompt=prompt)

    model.encode = note  # encode_query and encode_document choose a prompt, then call this
    try:
        (model.encode_query if queries else model.encode_document)(["text"])
    finally:
        del model.encode
    if asked["prompt"] is not None:
        return str(asked["prompt"])
    name = asked["name"] if asked["name"] is not None else model.default_prompt_name
    return str(model.prompts.get(name) or "") if name is not None else ""


def features_of(model: Any, texts: Sequence[str]) -> dict[str, Any]:
    """Tokenize as the model does, into its input tensors."""
    # `preprocess` is what newer versions call it.
    return dict(getattr(model, "preprocess", model.tokenize)(list(texts)))


def gives_unit_vectors(model: Any) -> bool:
    """Return whether the last thing that a model does is to normalise."""
    return type(model[-1]).__name__ == "Normalize" and model.truncate_dim is None


def max_tokens_of(model: Any) -> int:
    """Return at how many tokens, special ones counted, the model cuts a text."""
    stated = model.max_seq_length
    return int(stated) if stated is not None and stated < _NO_LIMIT else _DEFAULT_MAX_TOKENS


def is_fast(tokenizer: Any) -> bool:
    """Return whether the tokenizer can be written as a tokenizer.json and served without transformers."""
    return bool(getattr(tokenizer, "is_fast", False))


def offsets_of(tokenizer: Any, text: str) -> list[tuple[int, int]]:
    """Return where each token of a text lies, in characters."""
    if is_fast(tokenizer):
        encoded = tokenizer(text, add_special_tokens=False, truncation=False, return_offsets_mapping=True)
        return [(int(start), int(end)) for start, end in encoded["offset_mapping"] if end > start]
    return _spread_offsets(tokenizer, text)


def _spread_offsets(tokenizer: Any, text: str) -> list[tuple[int, int]]:
    """Place the tokens of each word evenly over it: a slow tokenizer counts, but does not say where."""
    offsets: list[tuple[int, int]] = []
    end = 0
    for word in text.split():
        start = text.index(word, end)
        end = start + len(word)
        count = max(1, len(tokenizer.tokenize(word)))
        edges = [start + round(step * len(word) / count) for step in range(count + 1)]
        offsets += [(a, b) for a, b in itertools.pairwise(edges) if b > a]
    return offsets
