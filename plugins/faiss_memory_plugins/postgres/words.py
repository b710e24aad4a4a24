"""What memories can be found by, as the database keeps it: terms to look up, and how often each counts.

A term is a number. It is looked up together with its project, so that a word that is frequent elsewhere costs nothing
here. Kept is how often it counts and how long the memory is, and not a weight made of both: a weight would go by the
average length of a project, which changes with every memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from faiss_memory import NO_SEQUENCE, Memory, Terms, analyze, borrowed_share, words_of
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.rows import COLUMNS, TABLES, to_memory
from faiss_memory_plugins.postgres.schema import DIMENSIONS

MOST_TERMS = 16_000
"""The most numbers that one of pgvector's sparse vectors holds; a memory of more terms has several."""
MOST_COUNTED = 65_535
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"


@lru_cache(maxsize=100_000)
def number_of(term: str) -> int:
    """Return a term's number, from 1 on."""
    digest = blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % DIMENSIONS + 1


def lexeme(project: int, number: int) -> str:
    """Return what a term is looked up by, as tsquery and tsvector write it."""
    return f"'{_short(project)}.{_short(number)}'"


@lru_cache(maxsize=100_000)
def _short(number: int) -> str:
    """Write a number in few characters: most of what is kept of a memory are the names of its terms."""
    digits = ""
    while number or not digits:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def weigh(run: Transaction, fresh: Mapping[int, tuple[int, int]], gone: Collection[int] = ()) -> None:
    """Write the terms of memories that are new or changed, by id with project and sequence, and of their neighbours.

    `gone` are others that have lost a neighbour.
    """
    wanted = set(gone) | fresh.keys()
    wanted |= neighbours(run, [key for key, (_, sequence) in fresh.items() if sequence != NO_SEQUENCE])
    beside = _beside(run, wanted)
    memories = _read(run, wanted | {key for pair in beside.values() for key in pair if key is not None})
    terms = {key: _capped(analyze(*words_of(memory))) for key, (_, memory) in memories.items()}
    rows = [
        row
        for key in sorted(wanted & memories.keys())
        for row in _rows(
            key, memories[key][0], terms[key], [terms[one] for one in beside.get(key, ()) if one]
        )
    ]
    run.run("delete from $.words where memory = any(%(ids)s)", {"ids": list(wanted)})
    run.each(
        "insert into $.words values (%(project)s, %(memory)s, %(part)s, %(length)s, %(terms)s::tsvector,"
        f" %(counts)s::sparsevec({DIMENSIONS}))",
        rows,
    )


def neighbours(run: Transaction, ids: Collection[int]) -> set[int]:
    """Return the memories that stand beside some in their sequences."""
    return {key for pair in _beside(run, ids).values() for key in pair if key is not None} - set(ids)


def _beside(run: Transaction, ids: Collection[int]) -> dict[int, tuple[int | None, int | None]]:
    if not ids:
        return {}
    same = "from $.memory n where n.project = m.project and n.sequence = m.sequence and n.sequence <> 0"
    rows = run.run(
        f"select m.id, (select max(n.id) {same} and n.id < m.id), (select min(n.id) {same} and n.id > m.id)"
        f" from $.memory m where m.id = any(%(ids)s) and m.sequence <> {NO_SEQUENCE}",
        {"ids": list(ids)},
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def _read(run: Transaction, ids: Collection[int]) -> dict[int, tuple[int, Memory]]:
    rows = run.run(f"select {COLUMNS}, m.project from {TABLES} where m.id = any(%(ids)s)", {"ids": list(ids)})
    return {row[0]: (row[-1], to_memory(row)) for row in rows}


def _capped(terms: Terms) -> Terms:
    counts = Counter({term: min(count, MOST_COUNTED) for term, count in terms.counts.items()})
    return Terms(counts, min(terms.length, MOST_COUNTED))


def _rows(memory: int, project: int, own: Terms, beside: Iterable[Terms]) -> Iterable[dict[str, Any]]:
    share = borrowed_share(float(own.length))
    length = own.length + share * sum(terms.length for terms in beside)
    mine = _by_number(own.counts)
    counts: dict[int, float] = dict(mine)
    for terms in beside:
        for number, count in _by_number(terms.counts).items():
            counts[number] = counts.get(number, 0) + share * count
    pairs = sorted(counts.items())
    for part in range(max(1, -(-len(pairs) // MOST_TERMS))):
        some = pairs[part * MOST_TERMS : (part + 1) * MOST_TERMS]
        yield {
            "memory": memory,
            "project": project,
            "part": part,
            "length": length,
            "terms": " ".join(
                f"{lexeme(project, number)}:1{'A' if number in mine else ''}" for number, _ in some
            ),
            "counts": "{" + ",".join(f"{number}:{count:.9g}" for number, count in some) + f"}}/{DIMENSIONS}",
        }


def _by_number(counts: Mapping[str, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for term, count in counts.items():
        number = number_of(term)
        found[number] = found.get(number, 0) + count
    return found
