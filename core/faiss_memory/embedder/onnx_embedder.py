"""Answering with a compiled model: onnxruntime and tokenizers, no torch in the process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faiss_memory.background import return_memory
from faiss_memory.contracts.comparing import unit
from faiss_memory.contracts.embedder import Vectors
from faiss_memory.embedder.compiled import MODEL_FILE, TOKENIZER_FILE, Shape
from faiss_memory.errors import EmbedderError
from faiss_memory.memory import COSINE, Metric

TOKENS_PER_RUN = 512
"""How many tokens, padding included, one run of the model takes at most (or one text, if that is longer).

Measured with all-MiniLM-L6-v2 on 2 cores, 600 texts of 5 to 256 tokens: 256 → 224 texts/s, 512 → 262, 1024 →
243, 4096 → 203, 8192 → 138: beyond the caches, more is slower, and takes memory that is not given back.
"""

_TEXTS_PER_TOKENIZING = 64
_RUNS_BEFORE_RELEASE = 8
_Ids = npt.NDArray[np.int32]


class OnnxEmbedder:
    """An Embedder over a compiled model. Everything in it is safe to use from several threads at once."""

    def __init__(self, name: str, identity: str, folder: Path, shape: Shape, metric: Metric = COSINE) -> None:
        from tokenizers import Tokenizer

        self.metric: Metric = metric
        self._makes_unit = metric == COSINE and shape.unit is False
        self._name = name
        self._identity = identity
        self._shape = shape
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._tokenizer.no_padding()
        direction = (self._tokenizer.truncation or {}).get("direction", "right")
        self._tokenizer.enable_truncation(shape.max_tokens, direction=direction.lower())
        self._session = _open_session(folder / MODEL_FILE)

    @property
    def name(self) -> str:
        """The model's name as the settings give it."""
        return self._name

    @property
    def identity(self) -> str:
        """The name and a digest of the model's content."""
        return self._identity

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return self._shape.dimension

    @property
    def window(self) -> int:
        """How many tokens of a text one vector can stand for."""
        return self._shape.window

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed queries: vectors, shape (len(texts), dimension). Raises EmbedderError."""
        return self._embed(texts, self._shape.query_prompt)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Embed what is stored: vectors, shape (len(texts), dimension). Raises EmbedderError."""
        return self._embed(texts, self._shape.document_prompt)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return where each token of the whole text lies, as (start, end) in characters."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        # The tokenizer cuts, but keeps what it cut off.
        parts = [encoding, *encoding.overflowing]
        return sorted((start, end) for part in parts for start, end in part.offsets if end > start)

    def release_memory(self) -> None:
        """Give the working memory of large batches back to the system."""
        from onnxruntime import RunOptions

        options = RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._run([np.zeros(1, np.int32)], options)
        # glibc keeps what the arena freed: 190 MB stay 190 after a second batch without this, 157 with it.
        return_memory()

    def close(self) -> None:
        """Nothing to give back: the memory goes with the object."""

    def _embed(self, texts: Sequence[str], prompt: str) -> Vectors:
        ids = self._tokenize(texts, prompt)
        vectors = np.empty((len(texts), self._shape.dimension), np.float32)
        runs = 0
        for chunk in _chunks([len(each) for each in ids]):
            vectors[chunk] = self._run([ids[i] for i in chunk])
            runs += 1
        if runs >= _RUNS_BEFORE_RELEASE:
            self.release_memory()
        return unit(vectors) if self._makes_unit else vectors

    def _tokenize(self, texts: Sequence[str], prompt: str) -> list[_Ids]:
        """Cut at the window; returns one array of token ids a text, special tokens included."""
        prepared = [prompt + text for text in texts] if prompt else list(texts)
        if self._shape.strips:
            prepared = [text.strip() for text in prepared]
        if len(prepared) <= 2:
            # Without waking the tokenizer's thread pool, which costs more than it saves here.
            return [np.array(self._tokenizer.encode(text).ids, np.int32) for text in prepared]
        found: list[_Ids] = []
        for start in range(0, len(prepared), _TEXTS_PER_TOKENIZING):
            # A few at a time, ids only: an encoding of the library takes some 200 bytes a token.
            encodings = self._tokenizer.encode_batch_fast(prepared[start : start + _TEXTS_PER_TOKENIZING])
            found += [np.array(encoding.ids, np.int32) for encoding in encodings]
        return found

    def _run(self, rows: list[_Ids], options: Any = None) -> Vectors:
        """Run the model once over rows of token ids, padded to the longest."""
        width = max(1, *(len(row) for row in rows)) if rows else 1
        ids = np.full((len(rows), width), self._shape.pad_id, np.int64)
        mask = np.zeros_like(ids)
        for row, (into, present) in zip(rows, zip(ids, mask, strict=True), strict=True):
            place = slice(width - len(row), width) if self._shape.pads_left else slice(0, len(row))
            into[place] = row
            present[place] = 1
        # One text is one segment, so the segment ids are all 0.
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        try:
            found = self._session.run(None, {name: given[name] for name in self._shape.inputs}, options)
        except _onnxruntime_errors() as error:
            raise EmbedderError(
                f"the model {self._name} failed on {len(rows)} texts: {error}. If it happens again, restart "
                "the service; with little free memory, choose a smaller model."
            ) from error
        vectors: Vectors = found[0]
        return vectors


def _chunks(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group texts by length, longest first, so that little is padded; yields their positions."""
    # Longest first: the largest piece of working memory is asked for once, and then reused.
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    # In runs of about the same size: a full one and a small rest take longer than two halves.
    total = max(1, sum(lengths))
    size = min(TOKENS_PER_RUN, total // -(-total // TOKENS_PER_RUN) + max(lengths, default=0))
    start = 0
    while start < len(order):
        count = max(1, size // max(1, lengths[order[start]]))
        yield order[start : start + count]
        start += count


def _open_session(model: Path) -> Any:
    """Open the graph with the settings that were measured. Raises EmbedderError."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 3
    # All cores: onnxruntime's default is one thread a physical core. On 2 cores a 10-token query takes 3.4 ms
    # with one thread and 2.3 with two, 64 short texts 120 and 70.
    options.inter_op_num_threads = 1
    # Threads wait busily for their next piece of work for 1 ms: waking them for each piece costs more. A query takes,
    # right after another / 15 ms / 50 ms later: without 3.4 / 4.8 / 5.2 ms, with 0.02 ms 2.7 / 4.2 / 6.0, with 1 ms
    # 2.6 / 2.9 / 3.8. The default burns 50 ms of CPU after each query.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.intra_op.spin_duration_us", "1000")
    # Plans memory for shapes seen before, which hardly recur here: 8 MB less, nothing slower.
    options.enable_mem_pattern = False
    try:
        return InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except _onnxruntime_errors() as error:
        raise EmbedderError(
            f"the compiled model {model} cannot be loaded: {error}. Remove its folder to compile it anew."
        ) from error


def _onnxruntime_errors() -> tuple[type[Exception], ...]:
    """List the library's errors: they have no common base class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "RuntimeException")
    own = [getattr(state, name) for name in (*names, "NotImplemented", "EPFail") if hasattr(state, name)]
    return (*own, RuntimeError, MemoryError)
