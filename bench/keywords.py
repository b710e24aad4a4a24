"""The keyword index beside SQLite's FTS5 on the same texts and queries: `python -m bench.keywords [COUNT]`."""

from __future__ import annotations

import random
import sqlite3
import sys

import numpy as np

from bench.measure import percentile, timed
from bench.texts import sentences
from faiss_memory.analyzer import analyze, analyze_query
from faiss_memory.store.index.inverted_index import KeywordIndex
from faiss_memory.store.index.postings import POSTING

QUERY_WORDS = 8
LIMIT = 100


def main() -> None:
    """Print the time of one query of eight words, rare and common, in both."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    known = sentences(min(count, 10_000))
    chosen = random.Random(1)
    # Beyond what the library holds, texts are mixed from the halves of two: the words stay as frequent as they are.
    mixed = (
        " ".join(chosen.choice(known).split()[:12] + chosen.choice(known).split()[-12:])
        for _ in range(count - len(known))
    )
    texts = [*known, *mixed]
    queries = [" ".join(chosen.sample(chosen.choice(texts).split() * 2, QUERY_WORDS)) for _ in range(200)]

    index, numbers = KeywordIndex(), dict[str, int]()
    postings = []
    for text in texts:
        counts = analyze(text).items()
        rows = [(numbers.setdefault(term, len(numbers) + 1), number) for term, number in counts]
        postings.append(np.array(rows, dtype=POSTING))
    index.load(range(1, len(texts) + 1), [len(part) for part in postings], np.concatenate(postings))

    def ours(query: str) -> None:
        terms = {numbers[term]: number for term, number in analyze_query(query).items() if term in numbers}
        index.search(terms, None, np.zeros(0, np.int64), LIMIT)

    base = sqlite3.connect(":memory:")
    base.execute("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize='porter unicode61')")
    base.executemany("INSERT INTO texts (rowid, text) VALUES (?, ?)", enumerate(texts, 1))

    def fts5(query: str) -> None:
        words = " OR ".join('"' + word.replace('"', '""') + '"' for word in query.split())
        base.execute(
            "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY bm25(texts) LIMIT ?", (words, LIMIT)
        ).fetchall()

    print(f"{count:,} texts, {QUERY_WORDS} words a query, p50 / p95 in ms")
    for name, search in (("this index", ours), ("FTS5 bm25()", fts5)):
        seconds = [timed(lambda q=query, run=search: run(q)) for query in queries]
        print(f"{name:12} {percentile(seconds, 0.5):8.2f} {percentile(seconds, 0.95):8.2f}")


if __name__ == "__main__":
    main()
