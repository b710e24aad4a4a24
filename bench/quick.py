"""`make bench-quick`: what stands between a prompt and its answer, in about two minutes, compared with other commits.

usage: python -m bench.quick [--memories 2000] [--results FILE]

The key figure is "search less bare embedding". Each run is a line of JSON in the results, by commit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.__main__ import BLOCK, PAUSE, _added, _answers, _clients, _compiled, _fill, _questions, _search
from bench.measure import best_bare_loop, percentile, resident_mb, timed
from bench.service import Service
from bench.texts import sentences

RESULTS = Path(".venv/bench-quick.jsonl")
KEY = "search less bare embedding, p50 ms"


def main() -> None:
    """Measure, print beside the latest run of another commit on this machine, and keep."""
    options = argparse.ArgumentParser(prog="make bench-quick", description=__doc__)
    options.add_argument("--memories", type=int, default=2_000)
    options.add_argument("--results", type=Path, default=RESULTS)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder) / "data", given.memories)
    run = {"commit": _commit(), "machine": platform.node(), "memories": given.memories, "figures": figures}
    before = _before(given.results, run)
    print(compared(run, before))
    given.results.parent.mkdir(parents=True, exist_ok=True)
    with given.results.open("a", encoding="utf-8") as kept:
        kept.write(json.dumps(run) + "\n")


def measure(data: Path, memories: int) -> dict[str, float]:
    """Return the figures of a service with so many memories."""
    texts = sentences(memories - 1)
    service = Service(data)
    _fill(service, texts)
    adds = [timed(lambda n=n: service.call("POST", "/memory/add", _added(n))) for n in range(100)]
    service.stop()
    service = Service(data)
    while not _answers(service):
        pass
    start, idle = time.perf_counter() - service.began, resident_mb(service.pid)
    questions = _questions(texts, min(200, len(texts) // 2))
    bare, _ = best_bare_loop(_compiled(), questions[:40])
    alone: list[float] = []
    searches: list[float] = []
    before = _seconds_of(service.pid)
    for first in range(0, len(questions), BLOCK):
        block = questions[first : first + BLOCK]
        alone += [timed(lambda q=q: bare(q)) for q in block]
        time.sleep(PAUSE)
        searches += [timed(lambda q=q: _search(service, q)) for q in block]
    spent = (_seconds_of(service.pid) - before) / len(questions)
    again = [timed(lambda: _search(service, questions[0])) for _ in range(200)]
    rate, busy = _clients(service, _questions(texts, min(400, len(texts) // 2), seed=2), 8)
    used = resident_mb(service.pid)
    service.stop()
    found = {
        KEY: percentile(searches, 0.5) - percentile(alone, 0.5),
        "search, p50 ms": percentile(searches, 0.5),
        "search, CPU ms of the service": 1000 * spent,
        "bare embedding, p50 ms": percentile(alone, 0.5),
        "the same query again, p50 ms": percentile(again, 0.5),
        "8 clients, searches/s": rate,
        "8 clients, p99 ms": percentile(busy, 0.99),
        "add, p50 ms": percentile(adds, 0.5),
        "start to the first answer, s": start,
        "resident, idle MB": idle,
        "resident after the searches, times idle": used / idle,
    }
    return {name: round(value, 2) for name, value in found.items()}


def compared(run: dict[str, Any], before: dict[str, Any] | None) -> str:
    """Return a table of a run beside one before it."""
    other = {} if before is None else before["figures"]
    head = "none" if before is None else before["commit"]
    rows = [f"| | {run['commit']} | {head} | change |", "|---|---|---|---|"]
    for name, value in run["figures"].items():
        past = other.get(name)
        change = "" if not past else f"{value / past - 1:+.0%}"
        label = f"**{name}**" if name == KEY else name
        rows.append(f"| {label} | {value} | {'' if past is None else past} | {change} |")
    return "\n".join(rows)


def _before(results: Path, run: dict[str, Any]) -> dict[str, Any] | None:
    """Return the latest run of another commit with as many memories on the same machine."""
    if not results.exists():
        return None
    kept = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    alike = [one for one in kept if all(one[name] == run[name] for name in ("machine", "memories"))]
    return next((one for one in reversed(alike) if one["commit"] != run["commit"]), None)


def _commit() -> str:
    shown = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or "unknown"


def _seconds_of(pid: int) -> float:
    """Return the CPU seconds that a process has used; 0 where /proc does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
