"""What writers keep each other out of, by the database's advisory locks; they end with the transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from faiss_memory_plugins.postgres.database import Transaction


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


def _numbers(run: Transaction, names: Collection[str]) -> dict[str, int]:
    rows = run.run("select name, id from $.project where name = any(%(names)s)", {"names": list(names)})
    return {name: number for name, number in rows}
