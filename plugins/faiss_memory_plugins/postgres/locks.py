"""What writers and services keep each other out of, by the database's advisory locks.

Those of writers end with the transaction; the leases of services are of a connection of their own, and end with that.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg

from faiss_memory import NO_SEQUENCE
from faiss_memory_plugins.postgres.database import Database, Row, Transaction
from faiss_memory_plugins.postgres.errors import in_our_words


def lock(run: Transaction, kind: str, names: Iterable[object], *, shared: bool = False) -> None:
    """Take locks in an order that is the same for all, so that nobody waits in a circle."""
    function = f"pg_advisory_xact_lock{'_shared' if shared else ''}"
    keys = sorted({f"{kind} {name}" for name in names})
    if keys:
        # (`$.` names the schema: each has locks of its own.)
        run.run(
            f"select {function}(hashtextextended(current_database() || '$.' || key, 0))"
            " from (select unnest(%(keys)s::text[]) as key order by 1) k",
            {"keys": keys},
        )


def lock_projects(run: Transaction, names: Collection[str], alone: Collection[str] = ()) -> dict[str, int]:
    """Let nobody drop these projects, and nobody write at all to those that are wanted `alone`.

    Returns their numbers by name; those that are not there yet are made.
    """
    lock(run, "project", alone)
    lock(run, "project", set(names) - set(alone), shared=True)
    wanted = sorted(set(names) | set(alone))
    known = _numbers(run, wanted)
    if missing := [name for name in wanted if name not in known]:
        run.run(
            "insert into $.project (name) select unnest(%(names)s::text[]) on conflict (name) do nothing",
            {"names": missing},
        )
        known = _numbers(run, wanted)
    return known


def lock_sequences(run: Transaction, places: Iterable[tuple[int, int]]) -> None:
    """Wait for whoever writes to the same files, each a project and a sequence: parts are found by their neighbours.

    Whoever adds does so last: others only wait with what concerns these.
    """
    lock(run, "sequence", [place for place in places if place[1] != NO_SEQUENCE])


def _numbers(run: Transaction, names: Collection[str]) -> dict[str, int]:
    rows = run.run("select name, id from $.project where name = any(%(names)s)", {"names": list(names)})
    return {name: number for name, number in rows}


@contextmanager
def leased(database: Database, schema: str, names: Sequence[Sequence[str]]) -> Iterator[bool]:
    """Hold all of some names, or none of them; says whether. Raises NotReady and StoreError."""
    try:
        connection = database.alone()
        is_held = all(_hold(connection, schema, name) for name in names)
    except psycopg.Error as error:
        raise in_our_words(error) from error
    try:
        yield is_held
    finally:
        with suppress(psycopg.Error):
            connection.close()


def _hold(connection: psycopg.Connection[Row], schema: str, name: Sequence[str]) -> bool:
    """Lock a name for oneself, and what it lies in together with others."""
    for end in range(1, len(name) + 1):
        shared = "" if end == len(name) else "_shared"
        key = f"faiss-memory lease {schema} {json.dumps(name[:end])}"
        row = connection.execute(
            f"select pg_try_advisory_lock{shared}(hashtextextended(%s, 0))",  # type: ignore[arg-type, unused-ignore]
            (key,),
        ).fetchone()
        if row != (True,):
            return False
    return True
