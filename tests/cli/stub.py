"""Stand-ins for the service: one answers what a test tells it to, one says raw bytes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from faiss_memory.proving import PATH, place_of, proof

Answer = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]


class Stub:
    """Answers as `answer(method, path, body)` says; `asked` has every request."""

    def __init__(self, answer: Callable[[str, str, Any], Answer], server: str, secret: str) -> None:
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body: Any = self.rfile.read(length) or None
                if body is not None and self.headers.get("Content-Type") == "application/json":
                    body = json.loads(body)
                outer.asked.append((self.command, self.path, body, dict(self.headers)))
                status, said, *more = self.proof() or answer(self.command, self.path, body)
                raw = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response_only(status)
                headers = {
                    "Server": server,
                    "Content-Type": "application/json",
                    "Content-Length": str(len(raw)),
                }
                for name, value in {**headers, **(more[0] if more else {})}.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def proof(self) -> Answer | None:
                path, _, nonce = self.path.partition("?nonce=")
                if path != PATH:
                    return None
                return 200, {"proofs": [proof(secret, nonce, place_of(*self.connection.getsockname()))]}

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def stub(
    answer: Callable[[str, str, Any], Answer], server: str = "faiss-memory", secret: str = ""
) -> Iterator[Stub]:
    """Run a stand-in as long as the block; it proves that it knows `secret`."""
    made = Stub(answer, server, secret)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


@contextmanager
def talker(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen, and let `talk` say bytes to each connection; gives the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            with suppress(OSError):
                talk(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in connections:
            connection.close()
