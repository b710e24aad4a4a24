"""`make bench`: the figures of docs/performance.md, each side by side in one run.

usage: python -m bench [--memories 10000] [--large] [--write]
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

from bench import duplicates, hook, ingest, mcp, page, store
from bench.measure import best_bare_loop, mapped, percentile, resident_mb, timed
from bench.service import Service
from bench.texts import sentences
from faiss_memory.settings import load

ROOT = Path(__file__).parent.parent
PLANTED = "The ledger service keeps amounts in integer cents, because floating point lost one in a million."
BLOCK, PAUSE = 50, 0.2
"""The bare loop and the service take turns by blocks: onnxruntime's threads spin for a while after each run."""
BARE = 5
"""Every fifth text is also embedded without the service."""
QUESTION = "How are amounts of money stored in the ledger?"


def main() -> None:
    """Measure everything and print it; with --write also into docs/performance.md."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--memories", type=int, default=10_000)
    options.add_argument(
        "--large", action="store_true", help="also a million memories, and looking for duplicates"
    )
    options.add_argument("--write", action="store_true", help="write docs/performance.md")
    given = options.parse_args()
    texts = sentences(given.memories - 1)
    with tempfile.TemporaryDirectory() as folder:
        rows = _measure(Path(folder) / "data", texts)
        rows += store.measure(Path(folder), (*store.SIZES, store.LARGE) if given.large else store.SIZES)
        rows += duplicates.measure(Path(folder)) if given.large else []
    table = "\n".join(f"| {name} | {value} | {aim} |" for name, value, aim in rows)
    print(f"| | measured | aim |\n|---|---|---|\n{table}")
    if given.write:
        _write(table, given.memories)


def _measure(data: Path, texts: list[str]) -> list[tuple[str, str, str]]:
    service = Service(data)
    fill = timed(lambda: _fill(service, texts))
    embedding = len(texts) / len(texts[::BARE]) * ingest.bare_embedding(texts[::BARE])
    adds = [timed(lambda n=n: service.call("POST", "/memory/add", _added(n))) for n in range(200)]
    filled = resident_mb(service.pid)
    service.stop()

    starts = []
    for _ in range(5):
        service = Service(data)
        while not _answers(service):
            pass
        starts.append(time.perf_counter() - service.began)
        if len(starts) < 5:
            service.stop()
    idle = resident_mb(service.pid)

    questions = _questions(texts, 300)
    bare, threads = best_bare_loop(_compiled(), questions[:60])
    alone: list[float] = []
    searches: list[float] = []
    for start in range(0, len(questions), BLOCK):
        block = questions[start : start + BLOCK]
        alone += [timed(lambda q=q: bare(q)) for q in block]
        time.sleep(PAUSE)
        searches += [timed(lambda q=q: _search(service, q)) for q in block]
    again = [timed(lambda: _search(service, questions[0])) for _ in range(200)]
    rate, busy = _clients(service, _questions(texts, 800, seed=2), 8)
    used, torch = resident_mb(service.pid), mapped(service.pid, "libtorch")
    spoken = mcp.measure(service)
    hooks = hook.measure(service, data.parent)
    seen = page.measure(service)
    built = ingest.measure(service, data.parent)
    service.stop()

    gap = percentile(searches, 0.5) - percentile(alone, 0.5)
    return [
        ("memories", f"{len(texts) + 1 + len(adds):,}", ""),
        ("start to the first correct search answer", f"{statistics.median(starts):.2f} s", "≤ 1 s"),
        ("resident memory, idle / after the searches", f"{idle:.0f} / {used:.0f} MB", "≤ 200 MB idle"),
        ("the same, of the process that added them all", f"{filled:.0f} MB", ""),
        ("torch mapped into the process", "yes" if torch else "no", "no"),
        (f"bare embedding of a query ({threads} threads), p50", f"{percentile(alone, 0.5):.1f} ms", ""),
        ("hybrid search through REST, p50 / p95", _both(searches), ""),
        ("search less bare embedding, p50", f"{gap:.1f} ms", "≤ 2.5 ms"),
        ("the same query again, p50 / p95", _both(again), "≤ 1.5 ms p50"),
        ("8 clients", f"{rate:.0f} searches/s, p99 {percentile(busy, 0.99):.0f} ms", "p99 ≤ 100 ms"),
        ("add one memory through REST, p50 / p95", _both(adds), ""),
        (
            "adding in batches of 500",
            f"{len(texts) / fill:.0f} memories/s, {embedding / fill:.0%} of the bare embedder",
            "≥ 85 %",
        ),
        *spoken,
        *hooks,
        *seen,
        *built,
    ]


def _both(seconds: list[float]) -> str:
    return f"{percentile(seconds, 0.5):.1f} / {percentile(seconds, 0.95):.1f} ms"


def _fill(service: Service, texts: list[str]) -> None:
    while not service.call("GET", "/health").get("model_ready"):
        time.sleep(0.05)
    for start in range(0, len(texts), 500):
        part = [{"text": text, "source": f"{text.split(':')[0]}.py"} for text in texts[start : start + 500]]
        service.call("POST", "/memory/add-batch", {"memories": part})
        print(
            f"\r{min(start + 500, len(texts)):,} of {len(texts):,} memories",
            end="",
            file=sys.stderr,
            flush=True,
        )
    print(file=sys.stderr)
    service.call("POST", "/memory/add", {"text": PLANTED, "source": "ledger.md"})


def _added(number: int) -> dict[str, Any]:
    return {"text": f"Decision {number}: the export job number {number} runs at night.", "source": "jobs.md"}


def _answers(service: Service) -> bool:
    found = service.call("POST", "/search", {"query": QUESTION}).get("results")
    return bool(found) and found[0]["text"] == PLANTED


def _search(service: Service, query: str, connection: Any = None) -> None:
    service.call("POST", "/search", {"query": query, "k": 5}, connection)


def _questions(texts: list[str], count: int, seed: int = 1) -> list[str]:
    """Questions of about 12 tokens, no two the same."""
    chosen = random.Random(seed)
    found = []
    for text in chosen.sample(texts, count):
        words = text.split(": ", 1)[1].split()
        start = chosen.randrange(max(1, len(words) - 7))
        found.append("how does it " + " ".join(words[start : start + 7]))
    return found


def _clients(service: Service, questions: list[str], count: int) -> tuple[float, list[float]]:
    """Search with several clients at once; gives searches a second and each one's seconds."""

    def client(part: list[str]) -> list[float]:
        connection = service.open()
        return [timed(lambda q=q: _search(service, q, connection)) for q in part]

    parts = [questions[number::count] for number in range(count)]
    began = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        took = [one for found in pool.map(client, parts) for one in found]
    return len(questions) / (time.perf_counter() - began), took


def _compiled() -> Path:
    """Find the compiled model that the service uses."""
    settings = load().settings
    return next((settings.cache_folder / "models").glob(f"{settings.model_name}-*"))


def _write(table: str, memories: int) -> None:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    path = ROOT / "docs" / "performance.md"
    marker = "<!-- measured -->"
    head = path.read_text(encoding="utf-8").split(marker)[0]
    path.write_text(
        f"{head}{marker}\n{date.today()}, {machine}, {memories:,} memories:\n\n| | measured | aim |\n|---|---|---|\n"
        f"{table}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
