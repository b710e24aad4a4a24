"""Who is let in: Host, Origin, proxies and tokens, checked before anything else, on every path."""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import falcon

from faiss_memory.errors import InvalidRequest
from faiss_memory.peers import is_loopback, is_users
from faiss_memory.proving import NONCE_PATTERN, place_of, proof
from faiss_memory.settings import LOOPBACK, Settings

PROXY_HEADERS = ("FORWARDED", "X-REAL-IP", "VIA")
PROXY_PREFIXES = ("X-FORWARDED-", "CF-")


class AccessControl:
    """Falcon middleware. `public_paths` exist on the public address, `open_paths` need no token.

    `secret` is that of this run, which only this user can read; it is as good as the token.
    """

    def __init__(
        self,
        settings: Settings,
        public_paths: Collection[str],
        open_paths: Collection[str],
        secret: str = "",
    ) -> None:
        self._token = settings.token
        self._secret = secret
        self._others_need_token = settings.others_need_token
        self._public_token = settings.public_token
        self._public_host = (urlsplit(settings.public_url).hostname or "").lower()
        self._hosts = {*LOOPBACK, *(host.lower() for host in settings.allowed_hosts)}
        self._published_here = settings.published_on in LOOPBACK
        self._public_paths = public_paths
        self._open_paths = open_paths

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Refuse what must not come in: 421, 403, 404 or 401."""
        host, port = _host(request)
        by_name = bool(self._public_host) and host == self._public_host
        if host not in self._hosts and not by_name:
            raise falcon.HTTPError(
                falcon.HTTP_421,
                description="this Host is not served here. Use localhost or 127.0.0.1, or add the name to the "
                "setting `allowed_hosts`",
            )
        self._check_origin(request, host, port)
        request.context.public = by_name or (bool(self._public_host) and _came_by_proxy(request))
        if request.context.public:
            self._check_public(request)
        elif not self._is_local(request) or self._wants_token(request):
            self._check_token(request)

    def _check_origin(self, request: falcon.Request, host: str, port: int | None) -> None:
        origin = request.get_header("Origin")
        if origin is None:
            return
        try:
            parts = urlsplit(origin)
            named, origin_port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            named, origin_port = "", None
        by_default = {"http": 80, "https": 443}.get(parts.scheme) if named else None
        # Another port of this machine is another program: a page it serves has no business here.
        same_port = (origin_port or by_default) == (port or by_default)
        known = named == host or (named in self._hosts and host in self._hosts)
        if by_default is None or not same_port or not known:
            raise falcon.HTTPForbidden(
                description="web pages of another origin may not use this service", title="Foreign origin"
            )

    def _is_local(self, request: falcon.Request) -> bool:
        if _came_by_proxy(request):
            return False
        return self._published_here or is_loopback(request.env.get("REMOTE_ADDR", ""))

    def _wants_token(self, request: falcon.Request) -> bool:
        """Say whether a request of this machine needs the token: everybody's if there is one, or other users' only."""
        if not self._others_need_token:
            return bool(self._token)
        client = (request.env.get("REMOTE_ADDR", ""), int(request.env.get("REMOTE_PORT") or 0))
        return not is_users(client, request.env.get("faiss_memory.address", ("", 0)))

    def _check_token(self, request: falcon.Request) -> None:
        known = (self._token, self._secret)
        if request.path in self._open_paths or any(_bears(request, secret) for secret in known):
            return
        if self._others_need_token and not self._token:
            raise falcon.HTTPUnauthorized(
                description="only the user who runs this service is let in (setting `others_need_token`). Who else "
                "is to use it needs a token: set `token`, and send it as `Authorization: Bearer …`",
                challenges=["Bearer"],
            )
        raise _unauthorized("the token of this service (setting `token`)")

    def _check_public(self, request: falcon.Request) -> None:
        if request.path not in self._public_paths:
            raise falcon.HTTPNotFound(description="there is nothing at this address")
        if request.path not in self._open_paths and not _bears(request, self._public_token):
            raise _unauthorized("the public token (setting `public_token`)")


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


def is_public(request: falcon.Request) -> bool:
    """Say whether a request that was let in came by the public address."""
    return bool(request.context.public)


def _host(request: falcon.Request) -> tuple[str, int | None]:
    """Read the Host header; a malformed one gives an empty name, which is nobody's."""
    value = request.get_header("Host") or ""
    try:
        parts = urlsplit(f"//{value}")
        well_formed = parts.netloc == value and not parts.username and parts.password is None
        return ((parts.hostname or "").lower(), parts.port) if well_formed else ("", None)
    except ValueError:
        return "", None


def _came_by_proxy(request: falcon.Request) -> bool:
    return any(name in PROXY_HEADERS or name.startswith(PROXY_PREFIXES) for name in request.headers)


def _bears(request: falcon.Request, token: str) -> bool:
    scheme, _, given = (request.get_header("Authorization") or "").partition(" ")
    fits = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())
    return bool(token) and scheme.lower() == "bearer" and fits


def _unauthorized(which: str) -> Any:
    return falcon.HTTPUnauthorized(
        description=f"send the header `Authorization: Bearer …` with {which}", challenges=["Bearer"]
    )
