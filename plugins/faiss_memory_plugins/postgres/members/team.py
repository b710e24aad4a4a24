"""Where the team is kept: in the database, for every service over it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from faiss_memory import TeamRun, everything_seen
from faiss_memory_plugins.postgres.database import Database, Transaction

T = TypeVar("T")
_VALUE = re.compile(r":(\w+)")


class DatabaseTables:
    """Implements `faiss_memory.TeamTables`; the tables are made by a migration."""

    seconds = 0.5

    def __init__(self, database: Database) -> None:
        self._database = database
        self._exist = False
        self._look_again = 0.0

    def exist(self) -> bool:
        """Return whether there is a team, by whichever service it was made."""
        if not self._exist and time.monotonic() >= self._look_again:
            self._exist = bool(self.read(lambda run: run("select 1 from $.team_log limit 1")))
            self._look_again = time.monotonic() + self.seconds
        return self._exist

    def read(self, call: Callable[[TeamRun], T]) -> T:
        """Run a call in one state."""
        with everything_seen():
            return self._database.read(lambda run: call(_run_of(run)))

    def write(self, call: Callable[[TeamRun], T]) -> T:
        """Run a call in one transaction."""
        self._look_again = 0.0
        return self._database.write(lambda run: call(_run_of(run)))

    def close(self) -> None:
        """Do nothing: the store closes the database."""


def _run_of(transaction: Transaction) -> TeamRun:
    def run(sql: str, values: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        return transaction.run(_VALUE.sub(r"%(\1)s", sql), values or {})

    return run
