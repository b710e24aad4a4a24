"""The second wall: what a request may not see, the database itself keeps out of its sight.

Every call goes by the rights of who asks. Beside that, what is read for one who may not see every project is read by a
role of the database that sees no rows but those of the projects which the transaction names.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import psycopg
from psycopg import errors

from faiss_memory_plugins.postgres.database import MEMBER, Transaction

log = logging.getLogger("faiss_memory.postgres")

WALLED = {
    "memory": "project",
    "project": "id",
    "passage": "project",
    "words": "project",
    "posting": "project",
    "removed": "project",
}
"""The tables that hold what is in projects, each with the column that says in which."""
BESIDE = ("origin", "model", "state", "used")
"""Further tables that a search or a list reads; `origin` has its own rule."""
# (As a query of its own each is worked out once for a statement, and not again for every row.)
_SEEN = "any ((select string_to_array(current_setting('faiss_memory.projects', true), ',')::int[])::int[])"
_NAMED = "any ((select string_to_array(current_setting('faiss_memory.names', true), ','))::text[])"


def build_wall(run: Transaction, schema: str) -> bool:
    """Build the wall where it does not stand; returns whether it does: the user may lack the right to make a role.

    Where it stands nothing is locked. Raises what PostgreSQL raises.
    """
    if not _has_role(run):
        made = _tried(run, [f"create role {MEMBER} nologin nosuperuser nobypassrls noinherit"])
        if not made or not _has_role(run):
            log.warning(
                "the database user may not make the role `%s`, by which members of a team read: what they may not "
                "see is kept from them by this service alone. `create role %s nologin; grant %s to` this user "
                "changes that, at the next start",
                MEMBER, MEMBER, MEMBER,
            )  # fmt: skip
            return False
    if not _may_be(run) and not _tried(run, [f"grant {MEMBER} to current_user"]):
        return False
    return _stands(run, schema) or _tried(run, _rules(schema))


def _has_role(run: Transaction) -> bool:
    return bool(run.one("select exists (select from pg_roles where rolname = %(role)s)", {"role": MEMBER})[0])


def _may_be(run: Transaction) -> bool:
    """Return whether this user can take the role."""
    return bool(
        run.one(
            "select pg_has_role(current_user, %(role)s, case when current_setting('server_version_num')::int < 160000"
            " then 'member' else 'set' end)",
            {"role": MEMBER},
        )[0]
    )


def _stands(run: Transaction, schema: str) -> bool:
    (found,) = run.one(
        "select count(*) from pg_policies p"
        " join pg_class c on c.oid = format('%%I.%%I', schemaname, tablename)::regclass"
        " where schemaname = %(schema)s and policyname in ('by_project', 'by_service') and c.relrowsecurity"
        " and has_table_privilege(%(role)s, c.oid, 'select')",
        {"schema": schema, "role": MEMBER},
    )
    return bool(found == 2 * (len(WALLED) + 1))


def _rules(schema: str) -> Sequence[str]:
    made = [f'grant usage on schema "{schema}" to {MEMBER}']
    rules = {table: f"{column} = {_SEEN}" for table, column in WALLED.items()}
    # (A memory that was forgotten elsewhere was in no project here, which is noted by its name.)
    rules["removed"] = f"({rules['removed']}) or not purged and place = {_NAMED}"
    rules["origin"] = "exists (select from $.memory m where m.id = memory)"
    for table, rule in rules.items():
        made += [
            f"alter table $.{table} enable row level security",
            f"drop policy if exists by_project on $.{table}",
            f"create policy by_project on $.{table} for select to {MEMBER} using ({rule})",
            # A service need not be the tables' owner, to whom no rule applies.
            f"drop policy if exists by_service on $.{table}",
            f"create policy by_service on $.{table} using ((select current_user <> '{MEMBER}'))",
        ]
    return [*made, *(f"grant select on $.{table} to {MEMBER}" for table in (*WALLED, *BESIDE))]


def _tried(run: Transaction, statements: Sequence[str]) -> bool:
    run.run("savepoint wall")
    try:
        for statement in statements:
            run.run(statement)
    except (errors.InsufficientPrivilege, errors.DuplicateObject, errors.UniqueViolation) as error:
        run.run("rollback to savepoint wall")
        log.debug("the wall: %s", error)
        return not isinstance(error, psycopg.errors.InsufficientPrivilege)
    run.run("release savepoint wall")
    return True
