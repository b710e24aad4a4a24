"""`/mcp` as a WSGI application. The SDK is imported at the first call: whoever does not use MCP does not pay for it."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal
from wsgiref.types import StartResponse

import msgspec
from msgspec import UNSET, UnsetType

from faiss_memory import Service, whole
from faiss_memory_plugins.mcp.bridge import Application, Reply, ask
from faiss_memory_plugins.mcp.caller import Caller, caller_of

if TYPE_CHECKING:
    from faiss_memory_plugins.mcp.server import Offer

SERVER = "faiss_memory_plugins.mcp.server"


INVALID_REQUEST = -32600


class Envelope(msgspec.Struct):
    """What every message of JSON-RPC has. The SDK reads the rest of it."""

    jsonrpc: Literal["2.0"]
    id: str | int | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: dict[str, msgspec.Raw] | UnsetType | None = UNSET


class Endpoint:
    """Answers MCP's requests, each by itself: no sessions, no streams, nothing kept between two of them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._offer: Offer | None = None
        self._lock = Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request. Raises InvalidRequest for an address that cannot be meant."""
        body = whole(environ["wsgi.input"].read())
        caller = caller_of(environ, body, self._service)
        heard = {
            "HTTP_ACCEPT": "application/json",  # who names no type takes any
            **environ,
            "CONTENT_TYPE": "application/json",  # which it is, in whatever letters
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        reply = _refusal(body) or ask(self._app(caller), heard)
        start_response(reply.status, reply.headers)
        return [reply.body]

    def _app(self, caller: Caller) -> Application:
        with self._lock:
            if self._offer is None:
                self._offer = importlib.import_module(SERVER).Offer(self._service)
        return self._offer.to(caller)


def _refusal(body: bytes) -> Reply | None:
    """Refuse JSON that is no message; the SDK would take some of it for a notification, which gets no answer."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            msgspec.json.decode(body, type=Envelope)
        except msgspec.ValidationError as error:
            said = f"send one message of JSON-RPC: {error}"
            answer = {"jsonrpc": "2.0", "id": None, "error": {"code": INVALID_REQUEST, "message": said}}
            status = HTTPStatus.BAD_REQUEST
            return Reply(
                f"{status.value} {status.phrase}",
                [("Content-Type", "application/json")],
                msgspec.json.encode(answer),
            )
    return None
