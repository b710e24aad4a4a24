"""Small tools of measuring: percentiles, a bare embedding loop, a process's memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def percentile(seconds: Sequence[float], share: float) -> float:
    """Give a percentile in milliseconds."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def timed(call: Callable[[], object]) -> float:
    """Give the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


class BareLoop:
    """The compiled model with onnxruntime and tokenizers and nothing else, at the given number of threads."""

    def __init__(self, compiled: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(compiled / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(compiled / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._inputs = [one.name for one in self._session.get_inputs()]

    def __call__(self, text: str) -> np.ndarray:
        encoding = self._tokenizer.encode(text)
        given = {
            "input_ids": [encoding.ids],
            "attention_mask": [encoding.attention_mask],
            "token_type_ids": [encoding.type_ids],
        }
        feed = {name: np.array(given[name], np.int64) for name in self._inputs}
        return self._session.run(None, feed)[0]


def best_bare_loop(compiled: Path, queries: Sequence[str]) -> tuple[BareLoop, int]:
    """Try thread counts and give the fastest loop."""
    found = []
    for threads in (1, 2, 4):
        loop = BareLoop(compiled, threads)
        for query in queries[:5]:
            loop(query)
        found.append(
            (statistics.median(timed(lambda q=query, run=loop: run(q)) for query in queries), threads, loop)
        )
    _, threads, loop = min(found, key=lambda one: one[:2])
    return loop, threads


def resident_mb(pid: int) -> float:
    """Give the resident memory of a process in megabytes."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(shown.stdout) / 1024


def mapped(pid: int, word: str) -> bool:
    """Say whether a library is mapped into a process; on systems without /proc, nothing can be seen."""
    if sys.platform != "linux":
        return False
    return any(word in line for line in Path(f"/proc/{pid}/maps").read_text().splitlines())
