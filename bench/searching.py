"""Searching a large store: how long it takes, with and without filters, and what of an exact search it finds."""

from __future__ import annotations

import numpy as np

from bench.measure import percentile, timed
from bench.synthetic import Source
from faiss_memory.memory import Filter
from faiss_memory.store import EmbeddedStore
from tests.store.asking import legs

Row = tuple[str, str, str]
ASKED, DEPTH, K = 60, 100, 10
FILTERS = {
    "no filter": Filter(projects=("default",)),
    "a filter for half": Filter(projects=("default",), tags=tuple(f"topic{n}" for n in range(25))),
    "a filter for 2 %": Filter(projects=("default",), tags=("topic3",)),
}


def measure(store: EmbeddedStore, exact: dict[str, list[set[int]]] | None = None) -> list[Row]:
    """Return the rows; recall is told where `exact` answers are given, see `exact_answers`."""
    source, rows = Source(7), []
    vectors, texts = (
        source.vectors(ASKED),
        [" ".join(text.split()[:7]) for text in Source(8).texts(ASKED)],
    )
    for name, where in FILTERS.items():
        took = [
            timed(lambda n=n, w=where: legs(store, vector=vectors[n], text=texts[n], where=w, depth=DEPTH))
            for n in range(ASKED)
        ]
        rows.append(
            (
                f"search by meaning and words, {name}, p50 / p99",
                f"{percentile(took, 0.5):.1f} / {percentile(took, 0.99):.1f} ms",
                "≤ 30 ms p50",
            )
        )
        if exact is not None:
            found = [legs(store, vector=vector, where=where, depth=DEPTH).nearest[:K] for vector in vectors]
            shares = [
                len({match.memory_id for match in got} & best) / K
                for got, best in zip(found, exact[name], strict=True)
            ]
            rows.append((f"recall@{K} of exact, {name}", f"{np.mean(shares):.3f}", "≥ 0.97"))
    return rows


def exact_answers(size: int, at_once: int = 10_000) -> dict[str, list[set[int]]]:
    """Return the ids of the nearest by brute force over what `synthetic.make` has written, by filter."""
    asked = Source(7).vectors(ASKED)
    best = {name: [(np.zeros(0), np.zeros(0, np.int64))] * ASKED for name in FILTERS}
    source = Source(1)
    for first in range(1, size + 1, at_once):
        ids = np.arange(first, min(first + at_once, size + 1))
        source.texts(len(ids))
        near = asked @ source.vectors(len(ids)).T
        for name, where in FILTERS.items():
            topics = [int(tag.removeprefix("topic")) for tag in where.tags] or range(50)
            counts = np.isin(ids % 50, list(topics))
            for n in range(ASKED):
                values = np.concatenate([best[name][n][0], near[n][counts]])
                known = np.concatenate([best[name][n][1], ids[counts]])
                order = np.argsort(-values)[:K]
                best[name][n] = values[order], known[order]
    return {name: [set(ids.tolist()) for _, ids in every] for name, every in best.items()}
