"""A search by words: in SQL where a project is small, and here where its postings are kept."""

from __future__ import annotations

from collections.abc import Collection

from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.filters import Condition
from faiss_memory_plugins.postgres.legs.asking import ByWords, Query, joined
from faiss_memory_plugins.postgres.legs.keeping import Keeping, Known
from faiss_memory_plugins.postgres.legs.words_in_sql import words_in_sql
from faiss_memory_plugins.postgres.legs.words_kept import words_kept

MOST_HOLDERS = 12
"""How many texts are looked into for what a query quotes."""


def by_words(
    run: Transaction, keeping: Keeping, known: Known, text: str, where: Condition, depth: int,
    also: Collection[int], *, phrases: bool,
) -> ByWords:  # fmt: skip
    """Rank the memories that hold a term of a query, best first, ties by id; those `also` wanted however low."""
    query, most_holders = Query.of(text), MOST_HOLDERS if phrases else 0
    parts = []
    if known.places:
        postings = keeping.postings(run, known.places, query.numbers)
        parts.append(words_kept(run, known.places, postings, query, where, depth, also, most_holders))
    if known.small:
        with run.without("seqscan"):
            parts.append(words_in_sql(run, known.small, query, where, depth, also, most_holders))
    return joined(parts, depth, set(also))
