"""The tables, and how an older database comes to have them: migrations, one at a time, before anything is served.

A migration that was published is never changed; what is new is appended to the list.
"""

from __future__ import annotations

import uuid

import psycopg
from psycopg import errors

from faiss_memory import TEAM_TABLES, StoreError
from faiss_memory_plugins.postgres.database import Database, Row, Transaction
from faiss_memory_plugins.postgres.members.wall import WALLED, build_wall

TERMS = 1_000_000_000
"""How many numbers a term can have."""
OLDEST_SERVER, OLDEST_PGVECTOR = 150000, (0, 7)
AFTER_A_RESTORE = 10_000_000
"""So many ids are left out when the database turns out to have been restored: some of those that it knows nothing of
may have been given before."""

_FIRST = f"""
create table $.project (
    id int generated always as identity primary key,
    name text collate "C" not null unique,
    created timestamptz not null default now()
);
create sequence $.memory_id;
create table $.memory (
    id bigint primary key,
    project int not null,
    uid uuid not null,
    text text not null,
    folded text,                    -- the text in small letters, where that is another one
    source text collate "C" not null,
    tags text[] not null,
    cues text[] not null,
    metadata text not null,         -- JSON as it was written
    fields jsonb not null,          -- by key, each value as a text that is the same for equal values
    learnt timestamptz not null,
    supersedes bigint,
    superseded_by bigint,
    written_by text,
    sequence bigint not null,       -- the session or file that it is a part of; 0 for none
    born xid8 not null,             -- the transactions that stored and last wrote it
    xid xid8 not null,
    writer uuid not null,           -- the service that last wrote it
    written timestamptz not null default now()
);
create index memory_time on $.memory (project, learnt, id);
create index memory_written on $.memory (project, written);
create index memory_source on $.memory (project, source);
create index memory_sequence on $.memory (project, sequence, id) where sequence <> 0;
create index memory_supersedes on $.memory (supersedes) where supersedes is not null;
create index memory_superseded on $.memory (superseded_by) where superseded_by is not null;
create index memory_xid on $.memory (xid, id);
create index memory_tags on $.memory using gin (tags);
create index memory_fields on $.memory using gin (fields jsonb_path_ops);
create table $.removed (
    memory bigint primary key,
    uid uuid not null,
    project int not null,
    xid xid8 not null,
    writer uuid not null,
    at timestamptz not null default now(),
    purged boolean not null default false
);
create index removed_xid on $.removed (xid, memory);
create index removed_project on $.removed (project, at);
create table $.model (
    id smallint generated always as identity primary key,
    identity text not null unique,
    name text not null,
    dimension int not null,
    in_use boolean not null default false
);
create unique index model_in_use on $.model (in_use) where in_use;
-- A vector is read together with all others of its project: it stays in its row, which compresses nothing.
create table $.passage (
    project int not null,
    model smallint not null,
    memory bigint not null,
    n int not null,
    cue int,                        -- which of the memory's cues it is; then start and stop are the first passage's
    start int not null,
    stop int not null,
    passages int not null,
    vec vector not null,
    primary key (project, model, memory, n)
) with (toast_tuple_target = 8160);
alter table $.passage alter vec set storage external;
-- What a memory can be found by: a term is its project and its number, A is its own and D is its neighbours'.
create table $.words (
    project int not null,
    memory bigint not null,
    part int not null,              -- of a memory of very many terms
    length real not null,
    terms tsvector not null,
    counts sparsevec({TERMS}) not null,
    primary key (memory, part)
);
create index words_length on $.words (project) include (memory, length) where part = 0;
-- Each look-up goes through what was not sorted in yet: that must stay little, also where nothing vacuums for long.
create index words_terms on $.words using gin (terms) with (gin_pending_list_limit = 128);
create table $.origin (
    memory bigint primary key, file text not null, place text not null, text text not null, details text not null
);
create table $.retry (
    key text primary key, digest bytea not null, answer text not null, made timestamptz not null default now()
);
create index retry_made on $.retry (made);
create table $.used (
    day text collate "C", assistant text, project text, memory bigint, event text, latency int,
    count bigint not null, tokens bigint not null,
    primary key (day, assistant, project, memory, event, latency)
);
create index used_memory on $.used (memory) where memory <> 0;
create table $.state (
    version int not null,
    line uuid not null,             -- positions in the feed are of one line; a restore begins another
    created timestamptz not null,
    server text not null,           -- the database server and the line of its history that this was last open in
    timeline int not null
);
"""

_BY_UID = """
create unique index memory_uid on $.memory (uid);
create index removed_uid on $.removed (uid);
"""

_STATES = """
alter table $.memory
    add column valid_until timestamptz,
    add column revision bigint not null default 1,      -- how often it was written
    add column changed timestamptz,                     -- when it came to that; null: nobody has noted it
    add column older uuid;                              -- what it replaces, also where that is not there
update $.memory m set older = coalesce(
    (select o.uid from $.memory o where o.id = m.supersedes),
    (select r.uid from $.removed r where r.memory = m.supersedes)) where m.supersedes is not null;
create index memory_older on $.memory (older) where older is not null;
create index memory_unfollowed on $.memory (id) where older is not null and supersedes is null;
alter table $.removed
    add column revision bigint not null default 2,
    add column changed timestamptz not null default '1970-01-01T00:00:00Z',
    add column place text not null default '';          -- the project's name, which may be gone as well
update $.removed r set place = j.name from $.project j where j.id = r.project and not r.purged;
"""

_TEAM = f"""
alter table $.memory add column actor text;
{TEAM_TABLES}
"""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
_POSTINGS = f"""
set local work_mem = '64MB';
set local maintenance_work_mem = '256MB';
-- What a search by words reads of a term is one stretch of one index.
create table $.posting (
    project int not null,
    term int not null,
    memory bigint not null,
    often real not null,            -- how often the term counts; below 0 where only neighbours hold it
    length real not null            -- the memory's, as in `words`
) with (autovacuum_vacuum_insert_scale_factor = 0.05);
-- Of a term were kept its project and its number, written in these digits; D are those that only neighbours hold.
insert into $.posting
with borrowed as (
    select w.memory, (
        select sum((strpos('{_DIGITS}', substr(written, place, 1)) - 1) * 64::bigint ^ (length(written) - place))
        from generate_series(1, length(written)) place)::int as term
    from $.words w, unnest(ts_filter(w.terms, '{{d}}')) t, split_part(t.lexeme, '.', 2) written
), counted as (
    select w.project, w.memory, w.length, split_part(pair, ':', 1)::int as term, split_part(pair, ':', 2)::real as often
    from $.words w, string_to_table(substr(split_part(w.counts::text, '}}', 1), 2), ',') pair where pair <> ''
)
select c.project, c.term, c.memory, case when b.term is null then c.often else -c.often end, c.length
from counted c left join borrowed b on b.memory = c.memory and b.term = c.term;
alter table $.posting add primary key (project, term, memory) include (often, length);
create index posting_memory on $.posting (memory);
-- A column that is dropped keeps its room: so the table is made anew.
alter table $.words rename to former_words;
create table $.words (
    memory bigint primary key,
    project int not null,
    length real not null
);
insert into $.words select memory, project, length from $.former_words where part = 0 order by 1;
drop table $.former_words;
create index words_length on $.words (project) include (length);
-- Most searches ask for what nothing has replaced: an index alone says which these are.
create index memory_current on $.memory (project, id) where superseded_by is null;
analyze $.posting;
analyze $.words;
"""

_COUNTS = """
alter table $.project add column if not exists left_by xid8;    -- the transaction that last moved a memory out of it
create index if not exists memory_news on $.memory (project, xid);
create index if not exists removed_news on $.removed (project, xid);
-- The wall that stands is built anew: what it asked about each row it asks once.
""" + "".join(f"drop policy if exists by_service on $.{table};\n" for table in (*WALLED, "origin"))

_WRITTEN = """
-- Who keeps postings asks whose were written since. (What a service of an earlier version writes is noted as well.)
alter table $.words add column if not exists xid xid8 not null default '3';
alter table $.words alter column xid set default pg_current_xact_id();
create index if not exists words_news on $.words (project, xid) include (memory, length);
drop index if exists $.words_length;
-- Most of what is there nothing has replaced: so it is the others that are counted.
create index if not exists memory_replaced on $.memory (project, id) where superseded_by is not null;
"""

_COMMITTED = """
-- The last transactions that were committed, for who has lost the answer to a commit. Their numbers do not tell: a
-- server that has crashed gives those again that it had not yet written down.
create table if not exists $.committed (transaction uuid primary key, at timestamptz not null default now());
"""

MIGRATIONS = (_FIRST, _BY_UID, _STATES, _TEAM, _POSTINGS, _COUNTS, _WRITTEN, _COMMITTED)
"""By version, from 1 on."""


def migrate(database: Database, schema: str) -> uuid.UUID:
    """Bring the schema to this version; returns the line that positions in the feed are of.

    Only one service does this at a time. Raises StoreError, for a database of a newer version as well.
    """
    with database.alone() as connection:
        _check_server(connection)
        # The server's own lock: another service waits here, and finds everything done.
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (f"faiss-memory {schema}",))
        try:
            with connection.transaction(), connection.cursor() as cursor:
                return _migrate(database, Transaction(cursor, schema), schema)
        except errors.InsufficientPrivilege as error:
            raise StoreError(
                f"the database user may not create what the memories lie in ({error.diag.message_primary}). Give it "
                "CREATE on the database once, or let its owner start the service the first time"
            ) from error


def _check_server(connection: psycopg.Connection[Row]) -> None:
    if connection.info.server_version < OLDEST_SERVER:
        raise StoreError("PostgreSQL 15 or newer is needed; the server is older")
    row = connection.execute(
        "select default_version from pg_available_extensions where name = 'vector'"
    ).fetchone()
    version = () if row is None else tuple(int(part) for part in str(row[0]).split(".")[:2])
    if version < OLDEST_PGVECTOR:
        raise StoreError(
            "the database server lacks the extension pgvector, 0.7 or newer: install it there, such as with "
            "`apt install postgresql-18-pgvector`, or use an image that has it (pgvector/pgvector:pg18)"
        )


def _migrate(database: Database, run: Transaction, schema: str) -> uuid.UUID:
    if run.one("select pg_is_in_recovery()")[0]:
        raise StoreError("the database takes no writes: it is a replica. Let `store` name the primary")
    known = run.one("select to_regclass(%(name)s) is not null", {"name": f'"{schema}".state'})[0]
    version = run.one("select version from $.state")[0] if known else 0
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the schema `{schema}` was written by a newer FAISS Memory (its version is {version}, and this one knows "
            f"{len(MIGRATIONS)}). Update this service; nothing was changed"
        )
    server, timeline = _place(run)
    database.timeline = timeline
    if version == 0:
        run.run(f'create schema if not exists "{schema}"')
        run.run("create extension if not exists vector")
    for step in MIGRATIONS[version:]:
        run.run(step)
    if version == 0:
        run.run(
            "insert into $.state values (1, %(line)s, now(), %(server)s, %(timeline)s)",
            {"line": uuid.uuid4(), "server": server, "timeline": timeline},
        )
    run.run("update $.state set version = %(version)s", {"version": len(MIGRATIONS)})
    line, *before = run.one("select line, server, timeline from $.state")
    if before != [server, timeline]:
        line = _begin_line(run, server, timeline)
    database.is_walled = build_wall(run, schema)
    return uuid.UUID(str(line))


def _place(run: Transaction) -> tuple[str, int]:
    """Return which server this is, with the database's own number, and the line of its history."""
    server, timeline = run.one(
        "select (select system_identifier from pg_control_system())::text || ' '"
        " || (select oid from pg_database where datname = current_database()),"
        " (select timeline_id from pg_control_checkpoint())"
    )
    return str(server), int(timeline)


def _begin_line(run: Transaction, server: str, timeline: int) -> uuid.UUID:
    """Take note that the database was restored, copied or promoted: what it has forgotten must not be given again."""
    line = uuid.uuid4()
    run.run(
        "update $.state set line = %(line)s, server = %(server)s, timeline = %(timeline)s",
        {"line": line, "server": server, "timeline": timeline},
    )
    # Transactions have other numbers here: everything there is counts as written before the first of them.
    for table, columns in (
        ("memory", ("xid", "born")), ("removed", ("xid",)), ("project", ("left_by",)), ("words", ("xid",)),
    ):  # fmt: skip
        changed = ", ".join(f"{column} = '3'" for column in columns)
        run.run(f"update $.{table} set {changed}")
    run.run("select setval('$.memory_id', nextval('$.memory_id') + %(left)s)", {"left": AFTER_A_RESTORE})
    return line
