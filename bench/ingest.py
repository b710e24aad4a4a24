"""How fast files become memories, against the bare embedder; and how searches fare meanwhile."""

from __future__ import annotations

import sysconfig
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.measure import percentile, timed
from bench.service import Service
from faiss_memory.embedder import open_embedder
from faiss_memory.engine.passages import split
from faiss_memory.settings import load
from faiss_memory_plugins.ingest.documents import read_document

BYTES = 500_000
"""Of source files in each of the two folders that are built: about a minute each on 2 cores."""
QUESTIONS = (
    "how is a temporary file removed at the end",
    "what happens when a thread cannot be started",
    "parsing of command line arguments",
    "how are dates compared across time zones",
    "reading a compressed archive piece by piece",
    "when does a queue block its caller",
)


def measure(service: Service, folder: Path) -> list[tuple[str, str, str]]:
    """Build two folders of the standard library's source files: one alone, one while a client searches."""
    alone, searched = _folders(folder)
    embedder = _embedder()
    passages = list(_passages(alone, embedder))
    embedder.embed_documents(passages[:200])
    bare = [timed(lambda: embedder.embed_documents(passages))]
    built = timed(lambda: _build(service, alone))
    bare.append(timed(lambda: embedder.embed_documents(passages)))
    again = timed(lambda: _build(service, alone))
    quiet = _searches(service, lambda count: count < 300)

    done = threading.Event()
    build = threading.Thread(target=lambda: (_build(service, searched), done.set()))
    build.start()
    busy = _searches(service, lambda _: not done.is_set())
    build.join()
    share = (sum(bare) / len(bare)) / built
    slower = percentile(busy, 0.5) / percentile(quiet, 0.5)
    return [
        (
            "building files",
            f"{len(passages) / built:.0f} passages/s, {share:.0%} of the bare embedder",
            "≥ 85 %",
        ),
        ("the same again, unchanged", f"{again:.1f} s for {len(passages):,} passages", ""),
        (
            "search while a build runs, p50 / p95",
            f"{percentile(busy, 0.5):.1f} / {percentile(busy, 0.95):.1f} ms, {slower:.1f} times as long",
            "≤ 3 times",
        ),
    ]


def bare_embedding(texts: list[str]) -> float:
    """Give the seconds that embedding texts takes without the service."""
    embedder = _embedder()
    embedder.embed_documents(texts[:200])
    parts = [texts[start : start + 500] for start in range(0, len(texts), 500)]
    return timed(lambda: [embedder.embed_documents(part) for part in parts])


def _embedder() -> Any:
    return open_embedder(load().settings.model_name, load().settings.cache_folder)


def _folders(folder: Path) -> list[Path]:
    """Copy source files into two folders; no file into both."""
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    found = []
    for name in ("alone", "searched"):
        size = 0
        (folder / name).mkdir()
        while size < BYTES:
            path = files.pop(0)
            (folder / name / path.name).write_bytes(path.read_bytes())
            size += path.stat().st_size
        found.append(folder / name)
    return found


def _passages(folder: Path, embedder: Any) -> Iterator[str]:
    """Give the passages that building a folder embeds."""
    for path in sorted(folder.iterdir()):
        texts = dict.fromkeys(
            part.text for part in read_document(path.name, path.read_text(encoding="utf-8")).parts
        )
        for text in texts:
            for start, end in split(text, embedder.token_offsets(text), embedder.window):
                yield text[start:end]


def _build(service: Service, folder: Path) -> None:
    connection = service.open()
    answer = service.call("POST", "/index/build", {"sources": [str(folder)], "project": "built"}, connection)
    if answer["state"] != "done":
        raise SystemExit(str(answer))


def _searches(service: Service, go_on: Any) -> list[float]:
    """Search one question after another, none of which the service has met before."""
    connection = service.open()
    took: list[float] = []
    while go_on(len(took)):
        question = f"{QUESTIONS[len(took) % len(QUESTIONS)]} {time.monotonic_ns()}"
        request = {"query": question, "k": 5, "project": ["built", "default"]}
        took.append(timed(lambda request=request: service.call("POST", "/search", request, connection)))
        time.sleep(0.02)
    return took
