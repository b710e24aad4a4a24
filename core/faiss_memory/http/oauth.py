"""Signing in to `/mcp` by OAuth 2.1, as MCP's authorization has it: this service is the protected resource alone.

Tokens are made by an issuer that the settings name, and are checked here: signature, issuer, audience and expiry. Which
member somebody is says the team, by the subject. The issuer's keys are the only thing that is fetched, from the one
address that the settings name, and only when a token comes that needs them.
"""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from http.client import HTTPException
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from faiss_memory.contracts.http import Page, Route
from faiss_memory.errors import NotReady
from faiss_memory.rights import Rights
from faiss_memory.settings import Settings

log = logging.getLogger("faiss_memory.http")

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Only such as have a public key: nobody who can check a token can make one."""
WELL_KNOWN = "/.well-known/oauth-protected-resource"
SECONDS_KEPT = 3600.0
SECONDS_BETWEEN_FETCHES = 10.0
SECONDS_TO_FETCH = 5.0
MOST_BYTES = 1024 * 1024
MOST_TOLD = 5
"""Keys whose fault is told in the log."""
LEEWAY = 30
"""Seconds that clocks may differ."""

_ODD = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, jwt.PyJWTError,
        UnsupportedAlgorithm)  # fmt: skip
"""What reading a key that a stranger wrote raises."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: keys come from the address that the settings name, and from no other."""

    def redirect_request(self, *args: Any, **named: Any) -> None:
        """Return None, by which urllib refuses the redirect."""


class Keys:
    """The issuer's public keys, fetched when they are needed: again after an hour, and for a key that is not known."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._lock = Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = self._tried = float("-inf")

    def of(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key; None if the issuer has none of that name. Raises NotReady if it cannot be asked.

        One asks at a time, and no one waits for another who does.
        """
        now = time.monotonic()
        stale = now - self._fetched > SECONDS_KEPT
        if (stale or key_id not in self._keys) and now - self._tried > SECONDS_BETWEEN_FETCHES:
            if self._lock.acquire(blocking=False):
                try:
                    self._fetch()
                finally:
                    self._tried = time.monotonic()
                    self._lock.release()
            elif key_id not in self._keys:
                raise NotReady("the keys of the OAuth issuer are being fetched; send it again in a moment")
        if self._fetched == float("-inf"):
            raise NotReady("the keys of the OAuth issuer could not be fetched just now")
        return self._keys.get(key_id)

    def _fetch(self) -> None:
        try:
            keys, left_out = _usable(json.loads(self._answer()))
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            log.warning("the keys of the OAuth issuer cannot be fetched from %s: %s", self._address, error)
            return
        for place, reason in left_out[:MOST_TOLD]:
            log.warning("key %d of the OAuth issuer at %s is left out: %s", place, self._address, reason)
        if len(left_out) > MOST_TOLD:
            log.warning("%d more keys of the OAuth issuer are left out", len(left_out) - MOST_TOLD)
        self._keys, self._fetched = keys, time.monotonic()

    def _answer(self) -> bytes:
        """Return what the issuer says. Raises OSError, also if it takes its time: a little at a time counts as well."""
        until = time.monotonic() + SECONDS_TO_FETCH
        said = b""
        with self._opener.open(self._address, timeout=SECONDS_TO_FETCH) as answer:
            while piece := answer.read1(MOST_BYTES):
                said += piece
                if len(said) > MOST_BYTES or time.monotonic() > until:
                    raise OSError(
                        f"they are more than {MOST_BYTES:,} bytes, or take more than {SECONDS_TO_FETCH:.0f} s"
                    )
        return said


def _usable(said: Any) -> tuple[dict[str, jwt.PyJWK], list[tuple[int, str]]]:
    """Return those keys of a set that a token can be checked with, by their ids, and why which others are left out.

    A set holds keys for other uses and of kinds yet unknown (RFC 7517, 5): each is looked at by itself. Raises
    ValueError if none can be used.
    """
    entries = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(entries, list):
        raise ValueError("what it answers is no set of keys (RFC 7517)")
    keys: dict[str, jwt.PyJWK] = {}
    left_out: list[tuple[int, str]] = []
    for place, entry in enumerate(entries, 1):
        try:
            key = _key(entry)
        except _ODD as error:
            left_out.append((place, str(error)[:200] or type(error).__name__))
        else:
            keys[key.key_id or ""] = key
    if not keys:
        reasons = "; ".join(f"key {place}: {reason}" for place, reason in left_out[:MOST_TOLD])
        raise ValueError(f"none of its {len(entries):,} keys can be used ({reasons})")
    return keys, left_out


def _key(entry: Any) -> jwt.PyJWK:
    if not isinstance(entry, dict):
        raise ValueError("it is no object")
    for name in ("kid", "kty", "alg", "crv", "use"):
        if name in entry and not isinstance(entry[name], str):
            raise ValueError(f"its `{name}` is no text")
    if not entry.get("kid"):
        raise ValueError("it has no `kid`, by which a token would name it")
    if entry.get("use", "sig") != "sig":
        raise ValueError("it is not for signatures")
    key = jwt.PyJWK(entry)
    if key.algorithm_name not in ALGORITHMS:
        raise ValueError(f"its algorithm {key.algorithm_name} is not one of {', '.join(ALGORITHMS)}")
    return key


class SignIn:
    """Checks the tokens of the issuer, and says where one is to be had."""

    def __init__(self, settings: Settings) -> None:
        self.resource = f"{settings.public_url.rstrip('/')}/mcp"
        self._issuer = settings.oauth_issuer
        self._audience = settings.oauth_audience or self.resource
        self._keys = Keys(settings.oauth_jwks)

    def challenge(self, *, wrong: bool) -> str:
        """Return the `WWW-Authenticate` that leads a client to the issuer; `wrong` if it has shown a bad token."""
        host = urlsplit(self.resource)
        told = f'Bearer resource_metadata="{host.scheme}://{host.netloc}{WELL_KNOWN}{host.path}"'
        return f'{told}, error="invalid_token"' if wrong else told

    def subject(self, token: str) -> str | None:
        """Return whom the issuer calls so; None for a token that is not good. Raises NotReady without its keys."""
        try:
            head = jwt.get_unverified_header(token)
            if head.get("alg") not in ALGORITHMS or not isinstance(head.get("kid"), str):
                return None
            key = self._keys.of(head["kid"])
            if key is None:
                return None
            claims = jwt.decode(
                token, key.key, algorithms=[head["alg"]], audience=self._audience, issuer=self._issuer, leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )  # fmt: skip
            subject = str(claims["sub"])
            subject.encode()  # (with half a surrogate pair it cannot be looked up)
        except (jwt.PyJWTError, TypeError, ValueError, RecursionError) as error:
            log.info("a token of the OAuth issuer is refused: %s", error)
            return None
        return subject

    def routes(self) -> list[Route]:
        """Return the calls that say where tokens are to be had (RFC 9728), which need none."""
        told = {
            "resource": self.resource,
            "authorization_servers": [self._issuer],
            "bearer_methods_supported": ["header"],
            "resource_name": "FAISS Memory",
        }
        page = Page(json.dumps(told).encode(), "application/json")

        def answer(rights: Rights) -> Page:
            return page

        return [
            Route(
                method="GET", path=path, summary="Say who makes the tokens for /mcp, by OAuth", group="Team",
                handler=answer, public=True, open=True,
            )
            for path in (WELL_KNOWN, f"{WELL_KNOWN}{urlsplit(self.resource).path}")
        ]  # fmt: skip
