"""`/mcp` as a WSGI application. The SDK is imported at the first call: whoever does not use MCP does not pay for it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING, Any
from wsgiref.types import StartResponse

from faiss_memory import MemoryService
from faiss_memory_plugins.mcp.bridge import Application, ask
from faiss_memory_plugins.mcp.caller import Caller, caller_of

if TYPE_CHECKING:
    from faiss_memory_plugins.mcp.server import Offer

SERVER = "faiss_memory_plugins.mcp.server"


class Endpoint:
    """Answers MCP's requests, each by itself: no sessions, no streams, nothing kept between two of them."""

    def __init__(self, service: MemoryService) -> None:
        self._service = service
        self._offer: Offer | None = None
        self._lock = Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request. Raises InvalidRequest for an address that cannot be meant."""
        caller = caller_of(environ, self._service.settings)
        reply = ask(self._app(caller), environ)
        start_response(reply.status, reply.headers)
        return [reply.body]

    def _app(self, caller: Caller) -> Application:
        with self._lock:
            if self._offer is None:
                self._offer = importlib.import_module(SERVER).Offer(self._service)
        return self._offer.to(caller)
