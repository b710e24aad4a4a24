"""What memories can be found by, as the database keeps it: postings, each a term of a memory and how often it counts.

A term is a number. It is looked up together with its project, so that a word that is frequent elsewhere costs nothing
here. Kept is how often it counts and how long the memory is, and not a weight made of both: a weight would go by the
average length of a project, which changes with every memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from faiss_memory import NO_SEQUENCE, Memory, Terms, analyze, borrowed_share, words_of
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.rows import COLUMNS, TABLES, to_memory, to_numbers
from faiss_memory_plugins.postgres.schema import TERMS

MOST_COUNTED = 65_535


@lru_cache(maxsize=100_000)
def number_of(term: str) -> int:
    """Return a term's number, from 1 on."""
    digest = blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % TERMS + 1


class _Posting(NamedTuple):
    project: int
    term: int
    memory: int
    often: float
    length: float


class _Length(NamedTuple):
    memory: int
    project: int
    words: float


_INSERT = """
with lengths as (
    insert into $.words (memory, project, length)
    select * from unnest(%(length_memory)s::bigint[], %(length_project)s::int[], %(length_words)s::real[])
)
insert into $.posting select * from unnest(%(posting_project)s::int[], %(posting_term)s::int[],
       %(posting_memory)s::bigint[], %(posting_often)s::real[], %(posting_length)s::real[])
"""


class Weighed(NamedTuple):
    """A memory as it is now, with the numbers of its project and of its sequence."""

    memory: Memory
    project: int
    sequence: int


def weigh(
    run: Transaction, written: Collection[Weighed], gone: Collection[int] = (), *, are_new: bool = False
) -> None:
    """Write the terms of memories that were just written, and of their neighbours.

    Those that `are_new` had none before. `gone` are others that have lost a neighbour.
    """
    fresh = {one.memory.id: one for one in written}
    wanted = set(gone) | fresh.keys()
    wanted |= neighbours(run, [key for key, one in fresh.items() if one.sequence != NO_SEQUENCE])
    beside = _beside(run, wanted) if gone or any(one.sequence != NO_SEQUENCE for one in written) else {}
    others = (wanted | {key for pair in beside.values() for key in pair if key is not None}) - fresh.keys()
    memories = {key: (one.project, one.memory) for key, one in fresh.items()} | _read(run, others)
    terms = {key: _capped(analyze(*words_of(memory))) for key, (_, memory) in memories.items()}
    postings, lengths = list[_Posting](), list[_Length]()
    for key in sorted(wanted & memories.keys()):
        project, length, counts = (
            memories[key][0],
            *_counted(terms[key], [terms[one] for one in beside.get(key, ()) if one]),
        )
        lengths.append(_Length(key, project, length))
        postings += [_Posting(project, term, key, often, length) for term, often in counts.items()]
    drop_words(run, wanted - fresh.keys() if are_new else wanted)
    run.each(
        _INSERT, [_columns("length", _Length, lengths) | _columns("posting", _Posting, sorted(postings))]
    )


def _columns(name: str, kind: type[_Length | _Posting], rows: Sequence[Sequence[float]]) -> dict[str, str]:
    """Return rows as the database takes many at once: column by column."""
    columns = zip(*rows, strict=True) if rows else [()] * len(kind._fields)
    return {
        f"{name}_{field}": to_numbers(column) for field, column in zip(kind._fields, columns, strict=True)
    }


def drop_words(run: Transaction, ids: Collection[int]) -> None:
    """Let memories be found by no word."""
    if not ids:
        return
    for table in ("posting", "words"):
        run.run(f"delete from $.{table} where memory = any(%(ids)s)", {"ids": list(ids)})


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
    if not ids:
        return {}
    rows = run.run(f"select {COLUMNS}, m.project from {TABLES} where m.id = any(%(ids)s)", {"ids": list(ids)})
    return {row[0]: (row[-1], to_memory(row)) for row in rows}


def _capped(terms: Terms) -> Terms:
    counts = Counter({term: min(count, MOST_COUNTED) for term, count in terms.counts.items()})
    return Terms(counts, min(terms.length, MOST_COUNTED))


def _counted(own: Terms, beside: Iterable[Terms]) -> tuple[float, dict[int, float]]:
    """Return how long a memory is beside its neighbours, and how often each term counts: below 0 if only theirs."""
    share = borrowed_share(float(own.length))
    length = own.length + share * sum(terms.length for terms in beside)
    borrowed: dict[int, float] = {}
    for terms in beside:
        for number, count in _by_number(terms.counts).items():
            borrowed[number] = borrowed.get(number, 0) + share * count
    mine = _by_number(own.counts)
    counts = {number: -count for number, count in borrowed.items()}
    return length, counts | {number: float(count + borrowed.get(number, 0)) for number, count in mine.items()}


def _by_number(counts: Mapping[str, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for term, count in counts.items():
        number = number_of(term)
        found[number] = found.get(number, 0) + count
    return found
