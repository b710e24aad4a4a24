"""The child's side of ChildEmbedder: `python -m faiss_memory.embedder.child_process LOCATION`.

Reads requests from standard input and answers on standard output, one frame each, until the input ends, which
it does when the parent dies. A frame is its length (4 bytes, little-endian) and that much msgpack.
"""

from __future__ import annotations

import sys
from typing import IO, Any, Literal

import msgspec


class Request(msgspec.Struct):
    """What is to be done with the texts."""

    task: Literal["queries", "documents", "offsets"]
    texts: list[str]


class Reply(msgspec.Struct):
    """The outcome: float32 vectors row by row, or token offsets of the first text, or what went wrong."""

    vectors: bytes = b""
    offsets: list[tuple[int, int]] = []
    error: str | None = None


def write_frame(stream: IO[bytes], message: Request | Reply) -> None:
    """Send one message. Raises OSError if nobody reads any more."""
    body = msgspec.msgpack.encode(message)
    stream.write(len(body).to_bytes(4, "little") + body)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Receive one message, undecoded; None if the other side is gone."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    body = stream.read(size := int.from_bytes(head, "little"))
    return body if len(body) == size else None


def answer(model: Any, request: Request) -> Reply:
    """Do what a request asks."""
    from faiss_memory.embedder import torch_model

    if request.task == "offsets":
        return Reply(offsets=torch_model.offsets_of(model.tokenizer, request.texts[0]))
    try:
        vectors = torch_model.encode(model, request.texts, queries=request.task == "queries")
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, MemoryError) as error:
        # One text the model cannot take must not cost the ten seconds of a new start.
        return Reply(error=f"{type(error).__name__}: {error}")
    return Reply(vectors=vectors.tobytes())


def main(location: str) -> None:
    """Load the model, then answer until the parent is gone."""
    from faiss_memory.embedder import torch_model

    replies = torch_model.take_stdout()
    requests = sys.stdin.buffer
    model = torch_model.load_model(location)
    while (body := read_frame(requests)) is not None:
        write_frame(replies, answer(model, msgspec.msgpack.decode(body, type=Request)))


if __name__ == "__main__":
    main(sys.argv[1])
