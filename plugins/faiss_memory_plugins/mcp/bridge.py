"""From WSGI to ASGI and back, for answers that end: each request has an event loop of its own.

So what blocks in a request blocks that request alone, no thread waits for another, and a request ends, is logged and is
drained as any other of the service. Making a loop takes a tenth of a millisecond.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

Event: TypeAlias = MutableMapping[str, Any]
Application: TypeAlias = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Event]], Callable[[Event], Awaitable[None]]],
    Awaitable[None],
]

OURS = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that are about one connection, which is the server's and not the application's."""


@dataclass(slots=True)
class Reply:
    """An answer, whole."""

    status: str = "500 Internal Server Error"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


def ask(app: Application, environ: Mapping[str, Any]) -> Reply:
    """Return an ASGI application one request, and its answer."""
    with asyncio.Runner() as runner:
        return runner.run(_exchange(app, environ))


async def _exchange(app: Application, environ: Mapping[str, Any]) -> Reply:
    reply = Reply()
    body: bytes | None = environ["wsgi.input"].read()

    async def receive() -> Event:
        nonlocal body
        if body is None:  # nothing more comes, and whether the client is still there is the server's business
            await asyncio.Event().wait()
        given, body = body, None
        return {"type": "http.request", "body": given, "more_body": False}

    async def send(event: Event) -> None:
        if event["type"] == "http.response.start":
            status = HTTPStatus(event["status"])
            reply.status = f"{status.value} {status.phrase}"
            read = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event["headers"]]
            reply.headers = [(name, value) for name, value in read if name.lower() not in OURS]
        else:
            reply.body += event.get("body", b"")

    await app(_scope(environ), receive, send)
    return reply


def _scope(environ: Mapping[str, Any]) -> dict[str, Any]:
    headers = {
        key.removeprefix("HTTP_").lower().replace("_", "-"): value
        for key, value in environ.items()
        if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": path,
        "raw_path": path.encode("latin-1"),
        "root_path": "",
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "headers": [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items() if value
        ],
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
    }
