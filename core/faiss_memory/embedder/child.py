"""The fallback for models that ONNX cannot carry: sentence-transformers answers from a child process."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from faiss_memory.contracts.comparing import unit
from faiss_memory.contracts.embedder import Vectors
from faiss_memory.embedder import processes
from faiss_memory.embedder.child_process import Reply, Request, read_frame, write_frame
from faiss_memory.embedder.compiled import Shape
from faiss_memory.errors import EmbedderError
from faiss_memory.memory import COSINE, Metric

_TEXTS_PER_REQUEST = 32
_LAST_WORDS_SECONDS = 5.0


class ChildEmbedder:
    """An Embedder whose model lives in a child process; torch never enters this one.

    Calls from several threads take turns. A child that dies fails the call in flight, and the next call
    starts another. The child ends with its parent.
    """

    def __init__(
        self, name: str, identity: str, location: str, shape: Shape, temporary: Path, metric: Metric = COSINE
    ) -> None:
        self.metric: Metric = metric
        self._name = name
        self._identity = identity
        self._location = location
        self._shape = shape
        self._temporary = temporary
        self._turn = threading.Lock()
        self._closed = False
        # It loads while the service does other things; the first call waits for it.
        self._child: _Child | None = _Child(location, temporary)

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

    @property
    def process_id(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.process.pid if self._child is not None else None

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed queries: vectors, shape (len(texts), dimension). Raises EmbedderError."""
        return self._embed("queries", texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Embed what is stored: vectors, shape (len(texts), dimension). Raises EmbedderError."""
        return self._embed("documents", texts)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return where each token of the whole text lies, in characters. Raises EmbedderError."""
        return self._ask(Request("offsets", [text])).offsets

    def close(self) -> None:
        """End the child. Calls after this raise EmbedderError, and so does one that is under way."""
        self._closed = True
        if (child := self._child) is not None:
            child.process.kill()  # it may be at work for long, and must not hold up the end of the service
        with self._turn:
            if self._child is not None:
                self._child.end(patience=0)
                self._child = None

    def _embed(self, task: str, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), self._shape.dimension), np.float32)
        # Longest first, as sentence-transformers does; in portions, so that others get their turn in between.
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        for start in range(0, len(order), _TEXTS_PER_REQUEST):
            places = order[start : start + _TEXTS_PER_REQUEST]
            request = msgspec.convert({"task": task, "texts": [texts[i] for i in places]}, Request)
            reply = self._ask(request)
            if reply.error is not None:
                raise EmbedderError(f"the model {self._name} failed on {len(places)} texts: {reply.error}")
            vectors[places] = np.frombuffer(reply.vectors, np.float32).reshape(len(places), -1)
        return unit(vectors) if self.metric == COSINE else vectors

    def _ask(self, request: Request) -> Reply:
        with self._turn:
            if self._closed:
                raise EmbedderError(f"the model {self._name} is closed")
            if self._child is None:
                self._child = _Child(self._location, self._temporary)
            body = self._child.ask(request)
            if body is None:
                reason = self._child.end(patience=_LAST_WORDS_SECONDS)
                self._child = None
                raise EmbedderError(
                    f"the process of the model {self._name} ended: {reason}. The next request starts another."
                )
            return msgspec.msgpack.decode(body, type=Reply)


class _Child:
    """One run of the child process."""

    def __init__(self, location: str, temporary: Path) -> None:
        with contextlib.ExitStack() as opened:
            try:
                # Not a pipe: nobody would read it, and a full pipe stops the child.
                self._errors: IO[bytes] = opened.enter_context(tempfile.TemporaryFile(dir=temporary))
                self.process = subprocess.Popen(
                    processes.child_command("faiss_memory.embedder.child_process", location),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                    env=processes.child_environment(temporary, offline=Path(location).is_dir()),
                    # Ctrl-C at the terminal is for the service, which closes the child when it is done.
                    start_new_session=True,
                )
            except OSError as error:
                raise EmbedderError(
                    f"the process of the model {location} cannot be started: {error}"
                ) from error
            opened.pop_all()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._requests: IO[bytes] = self.process.stdin
        self._replies: IO[bytes] = self.process.stdout

    def ask(self, request: Request) -> bytes | None:
        """Send a request and wait for its reply; None if the child is gone."""
        try:
            write_frame(self._requests, request)
        except OSError:
            return None
        return read_frame(self._replies)

    def end(self, patience: float) -> str:
        """End the process, giving it some seconds to end by itself, and say why it did."""
        with contextlib.suppress(OSError):
            self._requests.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        self.process.kill()
        code = self.process.wait()
        self._replies.close()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace")
        self._errors.close()
        return f"killed by signal {-code}" if code < 0 else processes.last_error_line(said)
