"""Members, their tokens and their grants. Any thread may ask; what is refused says why."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

from faiss_memory.contracts.team import Entry, Member, TeamRun, TeamTables, Token
from faiss_memory.errors import Conflict, InvalidRequest, MemoryNotFound, StoreError
from faiss_memory.memory import OWNER
from faiss_memory.rights import Can, Rights, member_rights
from faiss_memory.team.log import REFUSED, Log, to_number, to_time
from faiss_memory.team.revoked import RevokedTokens

log = logging.getLogger("faiss_memory")

PREFIX = "fmt_"
"""How a member's token begins, so that it is known for one wherever it is met."""
LONGEST_SUBJECT = 400
_TOKEN = re.compile(rf"{PREFIX}[\w-]{{43}}")
_SECONDS_BETWEEN_REFUSED = 1.0


Note: TypeAlias = Callable[[Rights, str, Sequence[str], Sequence[int]], None]
"""Writes into the log who did what to which memories of which projects: `Team.note`."""
T = TypeVar("T")
Found: TypeAlias = Callable[[TeamRun, str], Member | None]


class Team:
    """The team of one service. Raises StoreError and NotReady where its tables cannot be asked."""

    def __init__(self, tables: TeamTables, revoked: RevokedTokens) -> None:
        self._tables = tables
        self._revoked = revoked
        self._log = Log()
        self._known: dict[str, tuple[float, Member | None]] = {}
        """What was read of who bears a token or a subject, by what was looked for, and until when it counts."""
        self._last_refused = 0.0

    @property
    def exists(self) -> bool:
        """Whether there is anybody but the owner, now or before."""
        return self._tables.exist()

    def close(self) -> None:
        """Let go of what is open."""
        self._tables.close()

    # Who asks.

    def bearer(self, token: str) -> Rights | None:
        """Return the rights of who bears a token; None for one that is not good."""
        if not _TOKEN.fullmatch(token) or not self.exists:
            return None
        return self.bearer_of(digest_of(token))

    def bearer_of(self, digest: str) -> Rights | None:
        """Return the same by the token's digest, as a session in a browser keeps it."""
        if not self.exists or digest in self._stay_revoked():
            return None
        return _rights(self._looked_up(digest, _by_token))

    def signed_in(self, subject: str) -> Rights | None:
        """Return the rights of whom another service calls by this name; None if it is no member's."""
        return _rights(self._looked_up(subject, _by_subject)) if self.exists else None

    def _looked_up(self, key: str, find: Found) -> Member | None:
        seconds = self._tables.seconds
        until, member = self._known.get(key, (0.0, None))
        if time.monotonic() >= until:
            member = self._tables.read(lambda run: find(run, key))
            if seconds and member is not None:
                if len(self._known) > 10_000:
                    self._known.clear()
                self._known[key] = (time.monotonic() + seconds, member)
        return member

    def _stay_revoked(self) -> Collection[str]:
        try:
            return self._revoked.all()
        except OSError as error:
            raise StoreError(f"what is kept of revoked tokens cannot be read: {error}") from error

    # Members.

    def add(self, name: str, by: Rights) -> None:
        """Add a member, who may do nothing yet. Raises Conflict if there is one of that name."""
        if name == OWNER:
            raise InvalidRequest(
                f"`{OWNER}` is what the owner of the service is called; choose another name", "name"
            )

        def call(run: TeamRun) -> None:
            if run("select name from $.team_member where name = :name", {"name": name}):
                raise Conflict(f"there is a member `{name}` already", "name")
            run("insert into $.team_member values (:name, :now)", {"name": name, "now": _now()})
            self._note(run, by, "member added", about=name)

        self._change(call)

    def remove(self, name: str, by: Rights) -> None:
        """Remove a member with tokens and grants; what it wrote stays. Raises MemoryNotFound."""

        def call(run: TeamRun) -> list[str]:
            _check(run, name)
            hashes = [
                str(row[0])
                for row in run("select hash from $.team_token where member = :name", {"name": name})
            ]
            for table, column in (
                ("grant", "member"),
                ("subject", "member"),
                ("token", "member"),
                ("member", "name"),
            ):
                run(f"delete from $.team_{table} where {column} = :name", {"name": name})
            self._note(run, by, "member removed", about=name)
            return hashes

        self._keep_revoked(self._change(call))

    def members(self) -> list[tuple[Member, datetime, list[Token], list[str]]]:
        """Return every member with when it was added, its tokens and its subjects, in order of name."""
        if not self.exists:
            return []

        def call(run: TeamRun) -> list[tuple[Member, datetime, list[Token], list[str]]]:
            found = run("select name, created from $.team_member order by name")
            return [
                (_member(run, name), to_time(created), _tokens(run, name), _subjects(run, name))
                for name, created in found
            ]

        return self._tables.read(call)

    # Tokens.

    def new_token(self, name: str, expires: datetime | None, by: Rights) -> tuple[str, Token]:
        """Return a fresh token, which is kept nowhere, and what is kept of it. Raises MemoryNotFound."""
        if expires is not None and expires <= datetime.now(UTC):
            raise InvalidRequest("`expires` lies in the past; give a time to come", "expires")
        token = PREFIX + secrets.token_urlsafe(32)
        digest = digest_of(token)
        made = Token(digest[:12], name, datetime.now(UTC), expires, None)

        def call(run: TeamRun) -> None:
            _check(run, name)
            run(
                "insert into $.team_token (hash, id, member, created, expires)"
                " values (:hash, :id, :member, :created, :expires)",
                {
                    "hash": digest, "id": made.id, "member": name, "created": to_number(made.created),
                    "expires": None if expires is None else to_number(expires),
                },
            )  # fmt: skip
            self._note(run, by, "token made", about=f"{name} {made.id}")

        self._change(call)
        return token, made

    def revoke(self, name: str, token_id: str | None, by: Rights) -> int:
        """Revoke a member's tokens, or one of them; returns how many. Raises MemoryNotFound."""

        def call(run: TeamRun) -> list[str]:
            _check(run, name)
            meant = "member = :name and revoked is null" + (" and id = :id" if token_id else "")
            values = {"name": name} | ({"id": token_id} if token_id else {})
            hashes = [str(row[0]) for row in run(f"select hash from $.team_token where {meant}", values)]
            if token_id and not hashes:
                raise MemoryNotFound(f"`{name}` has no token `{token_id}` that is not revoked", "token")
            run(f"update $.team_token set revoked = :now where {meant}", {**values, "now": _now()})
            self._note(run, by, "token revoked", about=" ".join([name, *(one[:12] for one in hashes)]))
            return hashes

        hashes = self._change(call)
        self._keep_revoked(hashes)
        return len(hashes)

    # Grants.

    def grant(self, name: str, project: str, can: Can | None, by: Rights) -> None:
        """Say what a member may do in a project, `*` for all of them; None: nothing more. Raises MemoryNotFound."""
        values = {"name": name, "project": project, "can": can}

        def call(run: TeamRun) -> None:
            _check(run, name)
            run(
                "delete from $.team_grant where member = :name and project = :project",
                {"name": name, "project": project},
            )
            if can is not None:
                run("insert into $.team_grant (member, project, can) values (:name, :project, :can)", values)
            self._note(
                run,
                by,
                "granted" if can else "grant taken back",
                [project],
                about=f"{name} {can or ''}".strip(),
            )

        self._change(call)

    def link(self, name: str, subject: str, by: Rights) -> None:
        """Let who signs in elsewhere be a member. Raises MemoryNotFound, and Conflict if it is another already."""

        def call(run: TeamRun) -> None:
            _check(run, name)
            rows = run("select member from $.team_subject where subject = :subject", {"subject": subject})
            if rows and rows[0][0] != name:
                raise Conflict(f"that subject is member `{rows[0][0]}` already", "subject")
            if not rows:
                run("insert into $.team_subject values (:subject, :name)", {"subject": subject, "name": name})
                self._note(run, by, "sign-in linked", about=f"{name} {subject}")

        self._change(call)

    def unlink(self, name: str, subject: str, by: Rights) -> None:
        """Undo `link`. Raises MemoryNotFound."""

        def call(run: TeamRun) -> None:
            values = {"subject": subject, "name": name}
            if not run("select 1 from $.team_subject where subject = :subject and member = :name", values):
                raise MemoryNotFound(f"`{name}` has no such subject", "subject")
            run("delete from $.team_subject where subject = :subject and member = :name", values)
            self._note(run, by, "sign-in unlinked", about=f"{name} {subject}")

        self._change(call)

    # The log.

    def note(self, by: Rights, action: str, projects: Sequence[str] = (), ids: Sequence[int] = ()) -> None:
        """Write into the log what was done, where there is a team. What cannot be written undoes nothing."""
        if not self.exists or (not ids and not projects):
            return
        try:
            self._tables.write(lambda run: self._note(run, by, action, projects, ids))
        except Exception:
            log.exception("the log of the team could not be written")

    def refused(self, address: str, why: str) -> None:
        """Write that a sign-in was refused; of many at once only some."""
        now = time.monotonic()
        if now - self._last_refused < _SECONDS_BETWEEN_REFUSED:
            return
        self._last_refused = now
        try:
            if self.exists:
                self._tables.write(lambda run: self._log.write(run, address or "?", REFUSED, (), (), why))
        except Exception:
            log.exception("the log of the team could not be written")

    def entries(self, limit: int, actor: str | None = None, before: str | None = None) -> list[Entry]:
        """Return what was done, the newest first."""
        return self._tables.read(lambda run: self._log.read(run, limit, actor, before)) if self.exists else []

    def _note(
        self,
        run: TeamRun,
        by: Rights,
        action: str,
        projects: Sequence[str] = (),
        ids: Sequence[int] = (),
        about: str = "",
    ) -> None:
        who = by.actor or (OWNER if by.is_person else by.way)
        self._log.write(run, who, action, projects, ids, about)

    def _change(self, call: Callable[[TeamRun], T]) -> T:
        done = self._tables.write(call)
        self._known.clear()
        return done

    def _keep_revoked(self, hashes: Sequence[str]) -> None:
        try:
            self._revoked.add(hashes)
        except OSError as error:
            log.warning("revoked tokens could not be noted in the data folder as well: %s", error)


def digest_of(token: str) -> str:
    """Return what is kept of a token. (It is 256 random bits: nobody finds it by trying, so no slow hash is needed.)"""
    return hashlib.sha256(token.encode()).hexdigest()


def _by_token(run: TeamRun, digest: str) -> Member | None:
    rows = run(
        "select hash, member, expires from $.team_token where hash = :hash and revoked is null",
        {"hash": digest},
    )
    if not rows or not hmac.compare_digest(str(rows[0][0]), digest):
        return None
    _, name, expires = rows[0]
    return _member(run, name) if expires is None or expires > _now() else None


def _by_subject(run: TeamRun, subject: str) -> Member | None:
    rows = run("select member from $.team_subject where subject = :subject", {"subject": subject})
    return _member(run, rows[0][0]) if rows else None


def _member(run: TeamRun, name: str) -> Member:
    rows = run("select project, can from $.team_grant where member = :name order by project", {"name": name})
    return Member(name, {str(project): can for project, can in rows})


def _tokens(run: TeamRun, name: str) -> list[Token]:
    rows = run(
        "select id, member, created, expires, revoked from $.team_token where member = :name order by created",
        {"name": name},
    )
    return [Token(row[0], row[1], to_time(row[2]), _time(row[3]), _time(row[4])) for row in rows]


def _subjects(run: TeamRun, name: str) -> list[str]:
    return [
        row[0] for row in run("select subject from $.team_subject where member = :n order by 1", {"n": name})
    ]


def _rights(member: Member | None) -> Rights | None:
    return None if member is None else member_rights(member.name, member.grants)


def _check(run: TeamRun, name: str) -> None:
    if not run("select name from $.team_member where name = :name", {"name": name}):
        raise MemoryNotFound(f"there is no member `{name}`", "name")


def _time(number: int | None) -> datetime | None:
    return None if number is None else to_time(number)


def _now() -> int:
    return to_number(datetime.now(UTC))
