"""Sessions of people who have logged in with the token in a browser, which is to keep no token.

A session is a random name in a cookie that no script reads and no other site has sent. They are kept in memory, so a
service that is started again asks for the token again.
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from collections.abc import Sequence
from threading import Lock
from time import monotonic
from typing import Annotated

import falcon
from msgspec import Meta

from faiss_memory.contracts.http import Route
from faiss_memory.rights import PERSON, Rights
from faiss_memory.schema.fields import Answer, Message
from faiss_memory.team.team import Team, digest_of

COOKIE = "faiss_memory_session"
GROUP = "Who is let in"
IDLE_SECONDS = 12 * 3600.0
"""So long after its last request a session ends."""
MOST_SESSIONS = 100
"""With one more the one that was used least recently ends."""
TRY_SECONDS = 60.0
MOST_TRIES = 5
MOST_TRIES_OF_ALL = 50
"""So many wrong tokens are taken in that time, from one address and from all of them."""


class LoginRequest(Message):
    """Begin a session with the token."""

    token: Annotated[
        str, Meta(min_length=1, max_length=4096, description="The setting `token`, or a member's own.")
    ]


class LoginAnswer(Answer):
    """A session has begun, and its name is in a cookie."""

    success: bool
    idle_seconds: Annotated[int, Meta(description="So long after its last request it ends.")]


class LogoutAnswer(Answer):
    """The session has ended."""

    success: bool


class Sessions:
    """Who has logged in. Any thread may ask."""

    def __init__(self, tokens: Sequence[str], team: Team | None = None) -> None:
        self._tokens = [token for token in tokens if token]
        self._team = team
        self._lock = Lock()
        self._used: dict[str, tuple[float, str]] = {}
        """When each session was last used, the least recent one first, and the digest of the member's token that it
        began with; empty for the owner's."""
        self._wrong: deque[tuple[float, str]] = deque(maxlen=MOST_TRIES_OF_ALL)
        """When a wrong token came, and from which address."""

    def at(self, request: falcon.Request) -> Rights | None:
        """Return the rights of the session that a request belongs to, which goes on by that; None if it has ended.

        A member's ends with the token that it began with.
        """
        name = _named(request)
        with self._lock:
            last, digest = self._used.pop(name, (None, ""))
            if last is None or monotonic() - last > IDLE_SECONDS:
                return None
            self._used[name] = monotonic(), digest
        if not digest:
            return PERSON
        member = None if self._team is None else self._team.bearer_of(digest)
        if member is None:
            with self._lock:
                self._used.pop(name, None)
        return member

    def login(
        self,
        body: LoginRequest,
        rights: Rights,
        http_request: falcon.Request,
        http_response: falcon.Response,
    ) -> LoginAnswer:
        """Begin a session. Raises HTTPUnauthorized for a wrong token, HTTPTooManyRequests after many of them."""
        address = http_request.env.get("REMOTE_ADDR", "")
        self._check_tries(address)
        given = body.token.strip()
        digest = ""
        if not any([hmac.compare_digest(given.encode(), token.encode()) for token in self._tokens]):
            digest = digest_of(given)
        if digest and (self._team is None or self._team.bearer(given) is None):
            with self._lock:
                self._wrong.append((monotonic(), address))
            if self._team is not None:
                self._team.refused(address, "POST /login")
            raise falcon.HTTPUnauthorized(
                description="this is not the token of this service (setting `token`), nor a member's",
                challenges=["Bearer"],
            )
        name = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._used) >= MOST_SESSIONS:
                del self._used[next(iter(self._used))]
            self._used[name] = monotonic(), digest
        http_response.set_cookie(
            COOKIE,
            name,
            max_age=int(IDLE_SECONDS),
            path="/",
            secure=_is_https(http_request),
            http_only=True,
            same_site="Strict",
        )
        return LoginAnswer(success=True, idle_seconds=int(IDLE_SECONDS))

    def logout(
        self, rights: Rights, http_request: falcon.Request, http_response: falcon.Response
    ) -> LogoutAnswer:
        """End the session that a request belongs to, if it belongs to one."""
        with self._lock:
            self._used.pop(_named(http_request), None)
        http_response.unset_cookie(COOKIE, same_site="Strict", path="/")
        return LogoutAnswer(success=True)

    def _check_tries(self, address: str) -> None:
        with self._lock:
            recent = [who for when, who in self._wrong if monotonic() - when < TRY_SECONDS]
        if len(recent) >= MOST_TRIES_OF_ALL or recent.count(address) >= MOST_TRIES:
            raise falcon.HTTPTooManyRequests(
                description="too many wrong tokens; wait a minute, and try again",
                retry_after=int(TRY_SECONDS),
            )


def session_routes(sessions: Sessions) -> list[Route]:
    """Return the calls by which a browser begins and ends a session."""
    return [
        Route(
            method="POST", path="/login", summary="Begin a session with the token, in a browser",
            group=GROUP, body=LoginRequest, answer=LoginAnswer, handler=sessions.login, open=True,
        ),
        Route(
            method="POST", path="/logout", summary="End the session", group=GROUP,
            answer=LogoutAnswer, handler=sessions.logout,
        ),
    ]  # fmt: skip


def _named(request: falcon.Request) -> str:
    return next(iter(request.get_cookie_values(COOKIE) or ()), "")


def _is_https(request: falcon.Request) -> bool:
    """Return whether a browser speaks https with a proxy: the proxy says so, or the address of the page does."""
    return "https" in (request.forwarded_scheme, (request.get_header("Origin") or "").partition(":")[0])
