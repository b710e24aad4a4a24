"""Who is let in, and with which rights: Host, web pages, proxies and tokens, checked before anything else.

On every path, whether there is something or not. Nothing that a request says of itself makes it local: where there is
a public address, only the token does.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urlsplit

import falcon

from faiss_memory.contracts.http import Mount, Route
from faiss_memory.errors import InvalidRequest, NotAllowed
from faiss_memory.http.sessions import Sessions
from faiss_memory.peers import is_loopback, is_users
from faiss_memory.proving import NONCE_PATTERN, PATH, place_of, proof
from faiss_memory.rights import PERSON, STRANGER, WRITERS, Rights, public_rights, set_seen
from faiss_memory.settings import LOOPBACK, Settings
from faiss_memory.team.team import PREFIX, Team

_HOST = re.compile(r"(\[[^]@]*\]|[^][@:]*)(:[0-9]*)?")
"""A name or an address in brackets, and perhaps a port: without a user, and nothing between the two."""

PROXY_HEADERS = ("FORWARDED", "X-REAL-IP", "VIA")
PROXY_PREFIXES = ("X-FORWARDED-", "CF-")
PAGE_HEADER, PAGE = "X-FAISS-Memory", "page"
"""What a page of ours says with every request that may change something; no form of another page can say it."""


SIGNED_IN_AT = "/mcp"
"""Where a token of the OAuth issuer counts."""


class SignIn(Protocol):
    """Checks the tokens of an OAuth issuer; see `oauth`."""

    def subject(self, token: str) -> str | None:
        """Return whom the issuer calls so; None for a token that is not good."""

    def challenge(self, *, wrong: bool) -> str:
        """Return the `WWW-Authenticate` that leads a client to the issuer."""


class AccessControl:
    """Falcon middleware, for these routes and mounts; puts the `rights` of who asks into the request's context.

    `secret` is that of this run, which only this user can read; it is as good as the token. So is a session that began
    with one of them, but by the public way. The token of a member of the `team` opens what the member may do, wherever
    it comes from, and so does a session that began with it for as long as it is good.
    """

    def __init__(
        self,
        settings: Settings,
        parts: Iterable[Route | Mount],
        secret: str = "",
        sessions: Sessions | None = None,
        team: Team | None = None,
        sign_in: SignIn | None = None,
    ) -> None:
        parts = list(parts)
        self._team = team
        self._sign_in = sign_in
        self._sessions = sessions or Sessions([])
        self._token = settings.token
        self._secret = secret
        self._others_need_token = settings.others_need_token
        self._public_token = settings.public_token
        self._public_host = (urlsplit(settings.public_url).hostname or "").lower()
        self._public_rights = public_rights(settings)
        self._hosts = {*LOOPBACK, *(host.lower() for host in settings.allowed_hosts)}
        self._published_here = settings.published_on in LOOPBACK
        calls = [(method, part) for part in parts for method in _methods(part)]
        self._public_paths = {part.path for _, part in calls if part.public}
        self._private = {(method, part.path) for method, part in calls if not part.public}
        self._static = {(method, part.path) for method, part in calls if part.static}
        self._open = {
            ("GET", PATH),
            *((method, part.path) for method, part in calls if part.open),
            *self._static,
        }
        below = [part.path for part in parts if isinstance(part, Mount) and part.below]
        self._below = sorted(below, key=len, reverse=True)
        self._exact = {part.path for part in parts}

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Refuse what must not come in: 421, 403, 404 or 401."""
        set_seen(())
        host, port = _host(request)
        by_name = bool(self._public_host) and host == self._public_host
        if host not in self._hosts and not by_name:
            raise falcon.HTTPError(
                falcon.HTTP_421,
                description="this Host is not served here. Use localhost or 127.0.0.1, or add the name to the "
                "setting `allowed_hosts`",
            )
        self._check_page(request, host, port)
        try:
            request.context.rights = self._rights(request, by_name)
        except falcon.HTTPUnauthorized:
            if self._team is not None and request.get_header("Authorization"):
                self._team.refused(request.env.get("REMOTE_ADDR", ""), f"{request.method} {request.path}")
            raise
        if (by := request.get_header("FAISS-Memory-By")) in WRITERS:
            request.context.rights = replace(request.context.rights, by=by)
        set_seen(request.context.rights.reads)

    def decides_at_once(self, request: falcon.Request) -> bool:
        """Return whether nobody has to be asked who may keep one waiting: neither the team's tables nor an issuer."""
        shows = request.get_header("Authorization") or request.get_header("Cookie")
        if self._team is None or not shows:
            return True
        return not self._public_host and any(_bears(request, known) for known in (self._token, self._secret))

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Let go of whom this thread has answered; not before a file is sent that is still being read."""
        if response.stream is None:
            set_seen(None)

    def _rights(self, request: falcon.Request, by_name: bool) -> Rights:
        by_proxy = _came_by_proxy(request)
        if by_name or (self._public_host and by_proxy):
            return self._by_the_public_way(request)
        if (member := self._member(request)) is not None:
            return member
        if by_proxy or not self._is_local(request) or self._wants_token(request):
            return self._with_the_token(request)
        return PERSON

    def _member(self, request: falcon.Request) -> Rights | None:
        """Return the rights of the member whose token a request bears. Raises HTTPUnauthorized for a bad one.

        That holds on this machine too: whoever shows such a token means not to be the owner.
        """
        token = _token_of(request)
        if self._team is None or not token.startswith(PREFIX) or token in (self._token, self._public_token):
            return None
        member = self._team.bearer(token)
        if member is None:
            raise falcon.HTTPUnauthorized(
                description="this token is unknown, revoked or has expired; ask whoever looks after the team for "
                "another (faiss-memory team token)",
                challenges=["Bearer"],
            )
        return member

    def _check_page(self, request: falcon.Request, host: str, port: int | None) -> None:
        """Refuse what another web page has a browser ask. A browser says so in one of two headers, or in both.

        Many requests of a page come without `Origin`, such as those for images; all come with `Sec-Fetch-Site`.
        """
        origin = request.get_header("Origin")
        if origin is not None and not self._is_own(origin, host, port):
            raise _foreign()
        site = request.get_header("Sec-Fetch-Site")
        # Another port of this machine is the same site. So it has to be known by its `Origin`.
        if site in (None, "none", "same-origin") or (site == "same-site" and origin is not None):
            return
        led_here = (
            request.get_header("Sec-Fetch-Mode") == "navigate"
            and request.get_header("Sec-Fetch-Dest") == "document"
        )
        if not led_here or self._call(request) not in self._static:
            raise _foreign()

    def _call(self, request: falcon.Request) -> tuple[str, str]:
        """Return what is asked: the method, and the path of the route or the mount that answers."""
        path = request.path
        if path not in self._exact:
            path = next((one for one in self._below if path.startswith(f"{one}/")), path)
        return request.method, path

    def _is_own(self, origin: str, host: str, port: int | None) -> bool:
        try:
            parts = urlsplit(origin)
            named, origin_port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            return False
        by_default = {"http": 80, "https": 443}.get(parts.scheme) if named else None
        # Another port of this machine is another program: a page it serves has no business here.
        same_port = (origin_port or by_default) == (port or by_default)
        known = named == host or (named in self._hosts and host in self._hosts)
        return by_default is not None and same_port and known

    def _is_local(self, request: falcon.Request) -> bool:
        return self._published_here or is_loopback(request.env.get("REMOTE_ADDR", ""))

    def _wants_token(self, request: falcon.Request) -> bool:
        """Return whether a request of this machine needs the token: everybody's if there is one, or other users' only.

        Where there is a public address, a proxy of the user's own may lead here without a sign.
        """
        if self._public_host or not self._others_need_token:
            return bool(self._token)
        client = (request.env.get("REMOTE_ADDR", ""), int(request.env.get("REMOTE_PORT") or 0))
        return not is_users(client, request.env.get("faiss_memory.address", ("", 0)))

    def _with_the_token(self, request: falcon.Request) -> Rights:
        if any(_bears(request, known) for known in (self._token, self._secret)):
            return PERSON
        may_write = request.get_header(PAGE_HEADER) == PAGE
        session = self._sessions.at(request)
        has_session = session is not None
        if session is not None and (may_write or request.method in ("GET", "HEAD")):
            return session
        if self._call(request) in self._open:
            return STRANGER
        if has_session:
            raise falcon.HTTPForbidden(
                description=f"what comes with the cookie of a session needs the header `{PAGE_HEADER}: {PAGE}`",
                title="Header missing",
            )
        if self._others_need_token and not self._token:
            raise falcon.HTTPUnauthorized(
                description="only the user who runs this service is let in (setting `others_need_token`). Who else "
                "is to use it needs a token: set `token`, and send it as `Authorization: Bearer …`",
                challenges=["Bearer"],
            )
        raise _unauthorized("the token of this service (setting `token`)")

    def _by_the_public_way(self, request: falcon.Request) -> Rights:
        # A method that nothing at the path takes is let through, to be answered 405.
        call = self._call(request)
        if call[1] not in self._public_paths or call in self._private:
            raise falcon.HTTPNotFound(description="there is nothing at this address")
        if _bears(request, self._public_token):
            return self._public_rights
        member = self._member(request) or self._signed_in(request, call)
        if member is not None:
            return replace(member, way=self._public_rights.way)
        if call in self._open:
            return STRANGER
        if self._sign_in is not None and call[1] == SIGNED_IN_AT:
            raise _not_signed_in(self._sign_in, wrong=bool(_token_of(request)))
        raise _unauthorized("the public token (setting `public_token`)")

    def _signed_in(self, request: falcon.Request, call: tuple[str, str]) -> Rights | None:
        """Return the rights of the member who has signed in with the issuer. Raises HTTPForbidden for another."""
        token = _token_of(request)
        if self._sign_in is None or self._team is None or call[1] != SIGNED_IN_AT or token.count(".") != 2:
            return None
        subject = self._sign_in.subject(token)
        if subject is None:
            return None
        member = self._team.signed_in(subject)
        if member is None:
            self._team.refused(
                request.env.get("REMOTE_ADDR", ""), f"signed in as {subject}, which is no member"
            )
            raise falcon.HTTPForbidden(
                title="Not a member",
                description="you have signed in, but are no member here; whoever looks after the team can change that "
                "(faiss-memory team link)",
            )
        return member


class Proofs:
    """Falcon resource: proves to a client that this is the service it means; see `proving`."""

    def __init__(self, settings: Settings, secret: str) -> None:
        self._secrets = [known for known in (secret, settings.token) if known]
        self._published = ""
        if settings.published_on:
            host = settings.published_on if is_loopback(settings.published_on) else "127.0.0.1"
            self._published = place_of(host, settings.published_port or settings.port)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Answer with a proof for each secret that a client may know, and each place where it may have asked."""
        nonce = request.get_param("nonce") or ""
        if not re.fullmatch(NONCE_PATTERN, nonce):
            raise InvalidRequest(
                "`nonce` must be 32 to 128 hexadecimal digits, made anew for each proof", "nonce"
            )
        here = place_of(*request.env.get("faiss_memory.address", ("", 0)))
        places = [here, self._published] if self._published else [here]
        response.set_header("Cache-Control", "no-store")
        response.media = {
            "proofs": [proof(secret, nonce, place) for secret in self._secrets for place in places]
        }


def rights_of(request: falcon.Request) -> Rights:
    """Return the rights of a request that was let in."""
    rights: Rights = request.context.rights
    return rights


def check_owner(rights: Rights) -> None:
    """Refuse a member what is the owner's alone: every call that does not go by the rights of who asks."""
    if rights.actor:
        raise NotAllowed("only the owner of this service may do that; members read and write memories")


def address_of(request: falcon.Request) -> str:
    """Return where a request has found the service, such as `http://localhost:8900`."""
    return f"{request.forwarded_scheme}://{request.netloc}"


def _methods(part: Route | Mount) -> tuple[str, ...]:
    return (part.method,) if isinstance(part, Route) else part.methods


def _foreign() -> falcon.HTTPForbidden:
    return falcon.HTTPForbidden(
        description="web pages of another origin may not use this service", title="Foreign origin"
    )


def _host(request: falcon.Request) -> tuple[str, int | None]:
    """Read the Host header; a malformed one gives an empty name, which is nobody's."""
    value = request.get_header("Host") or ""
    try:
        parts = urlsplit(f"//{value}")
        well_formed = parts.netloc == value and _HOST.fullmatch(value)
        return ((parts.hostname or "").lower(), parts.port) if well_formed else ("", None)
    except ValueError:
        return "", None


def _came_by_proxy(request: falcon.Request) -> bool:
    return any(name in PROXY_HEADERS or name.startswith(PROXY_PREFIXES) for name in request.headers)


def _token_of(request: falcon.Request) -> str:
    """Return the token that a request bears, empty if none."""
    scheme, _, given = (request.get_header("Authorization") or "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _bears(request: falcon.Request, token: str) -> bool:
    given = _token_of(request).encode("utf-8", "surrogateescape")
    return bool(token) and hmac.compare_digest(given, token.encode())


def _not_signed_in(sign_in: SignIn, *, wrong: bool) -> falcon.HTTPUnauthorized:
    return falcon.HTTPUnauthorized(
        description="sign in with the issuer that the header `WWW-Authenticate` leads to, or send a member's token",
        challenges=[sign_in.challenge(wrong=wrong)],
    )


def _unauthorized(which: str) -> Any:
    return falcon.HTTPUnauthorized(
        description=f"send the header `Authorization: Bearer …` with {which}", challenges=["Bearer"]
    )
