"""The fallback: sentence-transformers answers from a child process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from faiss_memory.embedder.compiled import Shape
from tests.network.tracing import Trace, bare_environment, wrong

# A parent of its own, so that it can be killed; it must not load torch itself.
PARENT = """
import json, os, signal, sys
import numpy as np
from pathlib import Path
import msgspec
from faiss_memory.embedder.child import ChildEmbedder
from faiss_memory.embedder.compiled import Shape
from faiss_memory.errors import EmbedderError
folder, shape, texts = sys.argv[1], msgspec.json.decode(sys.argv[2], type=Shape), json.loads(sys.argv[3])
embedder = ChildEmbedder("tiny", "tiny@1", folder, shape, Path(sys.argv[4]))
vectors = {"queries": embedder.embed_queries(texts).tolist(), "documents": embedder.embed_documents(texts).tolist()}
offsets = embedder.token_offsets(texts[0])
empty = embedder.embed_documents([]).shape
os.kill(embedder.process_id, signal.SIGKILL)
try:
    embedder.embed_queries(["dog"])
    error = None
except EmbedderError as failure:
    error = str(failure)
again = embedder.embed_queries(texts).tolist()
found = dict(vectors=vectors, offsets=offsets, empty=empty, error=error, again=again)
print(json.dumps({**found, "child": embedder.process_id, "torch": "torch" in sys.modules}), flush=True)
sys.stdin.read()
"""

TEXTS = ["the lazy dog", "", "fox " * 100, "Where is 東京?"]


@pytest.mark.long
def test_the_fallback_answers_survives_a_killed_child_and_ends_with_its_parent(
    build: Any, reference: Any, tmp_path: Path
) -> None:
    folder = build(tmp_path / "tiny", prompts={"query": "query: "})
    shape = Shape(
        dimension=32,
        window=22,
        max_tokens=24,
        query_prompt="query: ",
        document_prompt="",
        strips=False,
        pad_id=0,
        pads_left=False,
        inputs=[],
        problem="a test",
        folder=str(folder),
    )
    given = [str(folder), msgspec.json.encode(shape).decode(), msgspec.json.encode(TEXTS).decode()]
    own = tmp_path / "own"
    own.mkdir()
    trace = Trace(tmp_path / "calls")
    parent = subprocess.Popen(
        [*trace.prefix("fallback"), sys.executable, "-c", PARENT, *given, str(own)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=bare_environment(tmp_path / "home", PYTHONPATH=os.pathsep.join(sys.path)),
        pass_fds=trace.descriptors,
    )
    with trace, parent:
        assert parent.stdout is not None
        told = msgspec.json.decode(parent.stdout.readline())
        for name, vectors in told["vectors"].items():
            expected = reference(folder, TEXTS, queries=name == "queries")
            np.testing.assert_allclose(np.array(vectors), expected, atol=1e-5)
        assert told["offsets"] == [[0, 3], [4, 8], [9, 12]]
        assert told["empty"] == [0, 32]
        assert "killed by signal 9" in told["error"]
        assert told["again"] == told["vectors"]["queries"]
        assert told["torch"] is False

        child = os.pidfd_open(told["child"])
        parent.send_signal(signal.SIGKILL)
        ended, _, _ = select.select([child], [], [], 30)
        os.close(child)
        assert ended
        # Nor has it talked to anybody, or written anything elsewhere.
        assert wrong(trace.calls(), [own], Path.cwd()) == {}
