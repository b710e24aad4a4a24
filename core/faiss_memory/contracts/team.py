"""Who else works with these memories: members, their tokens, what they may do where, and what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar, runtime_checkable

from faiss_memory.rights import Can

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Member:
    """One who may sign in."""

    name: str
    grants: Mapping[str, Can]
    """What it may do, by project; `*` stands for all of them."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token, which is kept nowhere itself."""

    id: str
    member: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log of what was done."""

    id: str
    time: datetime
    actor: str
    """A member's name, `owner`, or for a sign-in that was refused where it came from."""
    action: str
    projects: Sequence[str] = ()
    ids: Sequence[int] = ()
    """The first `MOST_IDS` of the memories that it is about."""
    count: int = 0
    """How many memories it is about."""
    about: str = ""
    """What else is to be said, such as which member was given what; never a text of a memory."""


MOST_IDS = 1000
"""So many ids an entry of the log names."""


class TeamRun(Protocol):
    """Runs statements of one transaction: tables are named `$.NAME`, values `:name`."""

    def __call__(self, sql: str, values: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """Return the rows of a statement, if it has some."""


@runtime_checkable
class TeamTables(Protocol):
    """A place for the tables of a team (`faiss_memory.TEAM_TABLES`), in SQLite or in another database of SQL."""

    seconds: float
    """So long what was read of a member may be taken to be so still: 0 where looking costs nothing."""

    def exist(self) -> bool:
        """Return whether there are tables: where there are none, there is no team."""

    def read(self, call: Callable[[TeamRun], T]) -> T:
        """Run a call in one state. Raises StoreError and NotReady."""

    def write(self, call: Callable[[TeamRun], T]) -> T:
        """Run a call in one transaction, which makes the tables first where there are none; it may be run twice."""

    def close(self) -> None:
        """Let go of what is open."""


@runtime_checkable
class KeepsTeam(Protocol):
    """A store that has a place for the team of its own, which all services over it share."""

    @property
    def team(self) -> TeamTables:
        """Where the tables of the team are."""
