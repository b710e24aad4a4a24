"""The wire to a database, which a test can cut: connections go through here to a server's socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

COMMIT = b"COMMIT\0"


class Wire:
    """Listens on a port of this machine, and leads to a database."""

    def __init__(self, uri: str, password: str = "") -> None:
        parts = urlsplit(uri)
        self._place = str(Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432")
        self._open: set[socket.socket] = set()
        self.is_cut = False
        self.lost_commits = 0
        """So many commits reach the server, and their answers nobody."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.uri = f"postgresql://postgres:{password}@127.0.0.1:{port}{parts.path}"
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *given: object) -> None:
        self._threads.append(threading.Thread(target=work, args=given, daemon=True))
        self._threads[-1].start()

    def cut(self) -> None:
        """Drop every connection, and let none in."""
        self.is_cut = True
        self.drop()

    def mend(self) -> None:
        """Let connections in again."""
        self.is_cut = False

    def drop(self) -> None:
        """Drop every connection once."""
        for one in [*self._open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join()
        for one in (*self._open, self._listener):
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_cut:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._place)
                self._open |= {client, server}
                for pair in ((client, server, True), (server, client, False)):
                    self._start(self._carry, *pair)

    def _carry(self, source: socket.socket, sink: socket.socket, to_server: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if to_server and COMMIT in data and self.lost_commits:
                    self.lost_commits -= 1
                    source.shutdown(socket.SHUT_RDWR)  # nobody hears the answer
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_WR)
