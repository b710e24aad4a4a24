"""Purging: memories leave the tables for good, and what the tables cannot speak for is named."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from faiss_memory import Proof
from faiss_memory_plugins.postgres.database import Database, Transaction

TABLES = ("memory", "removed", "passage", "words", "posting", "origin", "retry", "used")
STRETCH = 24
"""Characters: so much of a text that a memory which stays has in common with it is told."""
NOT_COVERED = (
    "the database's write-ahead log, and where it is archived: until it is recycled there",
    "base backups, dumps and snapshots of the database that were made before",
    "replicas, until they have followed, and what reads an older state of the database just now",
    "pages of the database's files that nothing has been written to since: `VACUUM FULL` writes them anew",
    "the database server's own log, if it is set to log statements",
    "the memory of other services: which words a text held, as numbers, until they read its project anew or end",
    "the services' own folders and logs: what keeps something there was told to let go of it",
)
"""What a search of the tables cannot speak for."""


def known(run: Transaction, ids: Sequence[int]) -> tuple[list[int], set[str]]:
    """Return which memories are there or were, in the order asked for, and the texts of those that are."""
    wanted = {"ids": [memory_id for memory_id in ids if 0 < memory_id < 2**63]}
    texts: dict[int, str] = dict(run.run("select id, text from $.memory where id = any(%(ids)s)", wanted))
    gone = {row[0] for row in run.run("select memory from $.removed where memory = any(%(ids)s)", wanted)}
    return [key for key in dict.fromkeys(ids) if key in texts or key in gone], set(texts.values())


def mark(run: Transaction, ids: Sequence[int]) -> None:
    """Note that removed memories must not come back."""
    run.run("update $.removed set purged = true, place = '' where memory = any(%(ids)s)", {"ids": list(ids)})


def clear(database: Database, schema: str) -> None:
    """Let the database take out of its tables what was deleted."""
    with database.alone() as connection:
        for table in TABLES:
            connection.execute(f'vacuum "{schema}".{table}')


def prove(run: Transaction, texts: Collection[str]) -> Proof:
    """Search every table for parts of texts; memories that stay may say the same."""
    stretches = [
        text[start : start + STRETCH]
        for text in texts
        for start in range(0, max(1, len(text) - STRETCH + 1), STRETCH)
    ]
    (size,) = run.one(
        "select sum(pg_total_relation_size('$.' || name)) from unnest(%(tables)s::text[]) as name",
        {"tables": list(TABLES)},
    )
    shared = run.run(
        "select m.id from $.memory m where exists (select from unnest(%(stretches)s::text[]) part where"
        " strpos(concat_ws(e'\\n', m.text, m.source, m.metadata, array_to_string(m.tags, e'\\n'),"
        " array_to_string(m.cues, e'\\n')), part) > 0) order by 1",
        {"stretches": stretches},
    )
    return Proof(
        files_searched=len(TABLES), bytes_searched=int(size), texts=len(texts), found=[],
        shared=[row[0] for row in shared], not_covered=list(NOT_COVERED),
    )  # fmt: skip
