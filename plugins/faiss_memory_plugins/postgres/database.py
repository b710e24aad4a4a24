"""The connections to the database: transactions that are repeated only where nothing can happen twice."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
import psycopg_pool
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from faiss_memory import ConfigError, NotReady, Problems, seen_now
from faiss_memory_plugins.postgres.errors import ROLLED_BACK, in_our_words, is_lost, unknown_outcome
from faiss_memory_plugins.postgres.settings import PostgresSettings

T = TypeVar("T")
Row = tuple[Any, ...]
Values = Mapping[str, Any]
PART = "store"
"""The name under which `/health` tells what is wrong with the database."""
MEMBER = "faiss_memory_member"
"""The role of the database by which is read where not every project may be seen; see `wall`."""
TRIES = 5
"""So often a transaction is run in all, where other writes came in between or the connection was lost."""
COMMITS_KEPT = 600
"""So many seconds it is known of a transaction that it was committed: longer than anybody waits to ask."""
SECONDS_TO_CLOSE = 0.5
"""Seconds that a call waits for a connection while the store is closed."""

log = logging.getLogger("faiss_memory.postgres")


class Transaction:
    """One transaction: `$.` in a statement stands for the schema that holds the memories."""

    def __init__(self, cursor: psycopg.Cursor[Row], schema: str, xid: int = 0) -> None:
        self._cursor = cursor
        self._pipeline: psycopg.Pipeline | None = None
        self._schema = f'"{schema}".'
        self.xid = xid
        """The number of a transaction that writes."""

    def run(self, sql: str, values: Values | None = None, *, binary: bool = False) -> list[Row]:
        """Run a statement; returns its rows, if it has some: sent `binary` where they hold many bytes."""
        self._cursor.execute(self._named(sql), values, binary=binary)  # type: ignore[arg-type, unused-ignore]
        if self._pipeline is not None:
            self._pipeline.sync()
        return self._cursor.fetchall() if self._cursor.description is not None else []

    def one(self, sql: str, values: Values | None = None) -> Row:
        """Run a statement that gives exactly one row."""
        (row,) = self.run(sql, values)
        return row

    def each(self, sql: str, rows: Iterable[Values]) -> None:
        """Run a statement for each of some rows of values."""
        given = list(rows)
        if len(given) > 1:
            self._cursor.executemany(self._named(sql), given)  # type: ignore[arg-type, unused-ignore]
        elif given:  # (`executemany` asks the server twice more than this)
            self._cursor.execute(self._named(sql), given[0])  # type: ignore[arg-type, unused-ignore]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send what is run by `each` without waiting for an answer to every statement; errors come at the end."""
        with self._cursor.connection.pipeline() as self._pipeline:
            try:
                yield
            finally:
                self._pipeline = None

    @contextmanager
    def without(self, *ways: str, **settings: object) -> Iterator[None]:
        """Let the planner take other ways than these, such as `seqscan`: it cannot know how many rows to expect.

        Further `settings`, such as `hnsw__ef_search` for `hnsw.ef_search`, are those of the rest of the transaction.
        """
        beside = [
            f", set_config('{name.replace('__', '.')}', '{value}', true)" for name, value in settings.items()
        ]
        for_each = ", ".join(f"set_config('enable_{way}', '{{0}}', true)" for way in ways)
        self.run(f"select {for_each.format('off')}{''.join(beside)}")
        yield
        self.run(f"select {for_each.format('on')}")

    def _named(self, sql: str) -> str:
        return sql.replace("$.", self._schema)


class Database:
    """The pool of connections of one service. Raises ConfigError for an address that cannot be read."""

    def __init__(
        self,
        address: str,
        settings: PostgresSettings,
        problems: Problems,
        on_loss: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_loss` is called where a connection was lost: the server may have crashed.

        Then it gives numbers of transactions again, and nothing may be held that goes by them.
        """
        _check(address)
        self._address = address
        self._settings = settings
        self._problems = problems
        self._on_loss = on_loss
        self._forget_commits_at = 0.0
        self.timeline: int | None = None
        """The line of the database's history that this service has opened."""
        self.is_walled = False
        """Whether the database keeps out of sight what a request may not see."""
        self.closing = False
        """Whether nothing is waited for any more."""
        self.trouble = ""
        """What keeps the database from answering just now; empty if nothing does."""
        self._pool = psycopg_pool.ConnectionPool(
            address,
            min_size=1,
            max_size=settings.connections,
            timeout=settings.connection_seconds,
            kwargs={"application_name": "faiss-memory", "connect_timeout": 5},
            configure=self._configure,
            name="postgres",
            open=False,
        )

    def _configure(self, connection: psycopg.Connection[Row]) -> None:
        milliseconds = int(self._settings.statement_seconds * 1000)
        connection.execute(
            f"set timezone = 'UTC'; set statement_timeout = {milliseconds}; set plan_cache_mode = force_custom_plan;"
            # Compiling a statement takes longer than any search should.
            "set jit = off;"
            # A service that hangs must hold no locks for others.
            f"set idle_in_transaction_session_timeout = {2 * milliseconds}"
        )
        connection.commit()

    def open(self, closing: Callable[[], bool]) -> None:
        """Begin to connect; waits for the database to be there. Raises NotReady."""
        self._pool.open()
        end = time.monotonic() + self._settings.start_seconds
        while True:
            try:
                with self.alone() as connection:
                    connection.execute("select 1")
                return
            except psycopg.OperationalError as error:
                self._note(in_our_words(error))
                if time.monotonic() >= end or closing() or error.sqlstate in ("28P01", "28000", "3D000"):
                    raise in_our_words(error) from error
            time.sleep(0.2)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def alone(self) -> psycopg.Connection[Row]:
        """Open a connection of its own, for what takes long: each statement is its own transaction."""
        return psycopg.connect(
            self._address, autocommit=True, application_name="faiss-memory", connect_timeout=5
        )

    def read(self, call: Callable[[Transaction], T]) -> T:
        """Run a call in one state of the database, which it cannot change; again if the connection is lost."""
        begin, seen = "begin isolation level repeatable read read only", seen_now()
        if seen is None or not self.is_walled:
            return self._repeated(lambda connection: self._run(connection, begin, call))

        def walled(run: Transaction) -> T:
            run.run(
                "select set_config('faiss_memory.projects', coalesce((select string_agg(id::text, ',')"
                " from $.project where name = any(%(names)s)), ''), true),"
                " set_config('faiss_memory.names', array_to_string(%(names)s::text[], ','), true)",
                {"names": list(seen)},
            )
            run.run(f"set local role {MEMBER}")
            return call(run)

        return self._repeated(lambda connection: self._run(connection, begin, walled))

    def write(self, call: Callable[[Transaction], T]) -> T:
        """Run a call in a transaction; it may be run several times, and what it does happens once or not at all."""
        return self._repeated(lambda connection: self._written(connection, call))

    def _run(self, connection: psycopg.Connection[Row], begin: str, call: Callable[[Transaction], T]) -> T:
        connection.autocommit = True  # (so that the first statement is ours)
        with connection.cursor() as cursor:
            cursor.execute(begin)  # type: ignore[arg-type, unused-ignore]
            try:
                answer = call(Transaction(cursor, self._settings.schema))
                cursor.execute("commit")
                return answer
            except BaseException:
                with suppress(psycopg.Error):
                    cursor.execute("rollback")
                raise

    def _written(self, connection: psycopg.Connection[Row], call: Callable[[Transaction], T]) -> T:
        connection.autocommit = False
        with connection.cursor() as cursor:
            mark = uuid.uuid4()
            try:
                cursor.execute(
                    f'insert into "{self._settings.schema}".committed values (%s)'  # type: ignore[arg-type, unused-ignore]
                    " returning pg_current_xact_id()::text::bigint",
                    (mark,),
                )
                xid = int((cursor.fetchone() or (0,))[0])
                answer = call(Transaction(cursor, self._settings.schema, xid))
            except BaseException:
                with suppress(psycopg.Error):
                    connection.rollback()
                raise
        try:
            connection.commit()
        except psycopg.Error as error:
            if not is_lost(error, connection) or not self._was_committed(xid, mark):
                raise
        return answer

    def _was_committed(self, xid: int, mark: uuid.UUID) -> bool:
        """Return what became of a transaction whose commit was sent, and whose answer was lost: its mark tells.

        Its number tells only whether it may still go on: after a crash it can be another one's. Raises StoreError when
        the database cannot tell, and NotReady never: until it can, it is asked again.
        """
        end = time.monotonic() + self._settings.start_seconds
        while time.monotonic() < end:
            try:
                with self.alone() as connection:
                    status, timeline, recovers = self._status(connection, xid)
                    # (Another server may know less.)
                    if not recovers and timeline != self.timeline:
                        break
                    if not recovers and status != "in progress":
                        return self._has_mark(connection, mark)
            except psycopg.OperationalError:
                pass
            except psycopg.Error:
                break
            time.sleep(0.1)
        raise unknown_outcome()

    def _status(self, connection: psycopg.Connection[Row], xid: int) -> tuple[str, int, bool]:
        """Return what the server says of a transaction's number, the line of its history, and whether it recovers."""
        place = "(select timeline_id from pg_control_checkpoint()), pg_is_in_recovery()"
        try:
            row = connection.execute(f"select pg_xact_status(%s::text::xid8), {place}", (xid,)).fetchone()
        except errors.InvalidParameterValue:  # none has had that number since the server has crashed
            row = connection.execute(f"select '', {place}").fetchone()
        status, timeline, recovers = row or ("", 0, True)
        return str(status), int(timeline), bool(recovers)

    def _has_mark(self, connection: psycopg.Connection[Row], mark: uuid.UUID) -> bool:
        sql = f'select 1 from "{self._settings.schema}".committed where transaction = %s'
        return connection.execute(sql, (mark,)).fetchone() is not None  # type: ignore[arg-type, unused-ignore]

    def forget_commits(self) -> None:
        """Let go of what was noted of transactions that nobody asks for any more, now and then."""
        if time.monotonic() >= self._forget_commits_at:
            self._forget_commits_at = time.monotonic() + COMMITS_KEPT / 10
            kept = {"seconds": COMMITS_KEPT}
            self.write(
                lambda run: run.run(
                    "delete from $.committed where at < now() - make_interval(secs => %(seconds)s)", kept
                )
            )

    def _repeated(self, call: Callable[[psycopg.Connection[Row]], T]) -> T:
        for attempt in range(TRIES):
            connection: psycopg.Connection[Row] | None = None
            try:
                with self._pool.connection(SECONDS_TO_CLOSE if self.closing else None) as connection:
                    answer = call(connection)
            except psycopg.Error as error:
                lost = is_lost(error, connection)
                if attempt == TRIES - 1 or not (lost or isinstance(error, ROLLED_BACK)):
                    said = in_our_words(error)
                    if lost or isinstance(said, NotReady):
                        self._note(said)
                    raise said from error
                if lost:
                    self._on_loss()
                    self._pool.check()  # the others are probably gone as well
                time.sleep(0.02 * 2**attempt)
            else:
                self._settle()
                return answer
        raise AssertionError

    def _note(self, error: Exception) -> None:
        if str(error) != self.trouble:
            log.warning("%s", error)
        self.trouble = str(error)
        self._problems.note(PART, str(error))

    def _settle(self) -> None:
        if self.trouble:
            log.warning("the database answers again")
            self.trouble = ""
            self._problems.settle(PART)


def _check(address: str) -> None:
    try:
        conninfo_to_dict(address)
    except psycopg.Error:
        # What libpq says of it may quote a part of the password.
        raise ConfigError(
            "the address of the database cannot be read. It looks like "
            "postgresql://USER:PASSWORD@HOST:5432/DATABASE; write `@`, `:`, `/` and `%` in a password as %40, %3A, "
            "%2F and %25"
        ) from None
