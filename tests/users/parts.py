"""Another user's program on a port, and what a service of ours leaves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SECRET = "0" * 64
PATIENT = "import faiss_memory_hook as hook; hook.DEADLINE = 20.0; hook.main()"


class Squatter:
    """Takes connections in the place of the service, and keeps all that it is told.

    It answers everything with a page that looks like the service's, and hands what asks for a proof on to `behind`, the
    real service, if it is given.
    """

    def __init__(self, listener: socket.socket, behind: int = 0) -> None:
        self.told = b""
        self._listener, self._behind = listener, behind
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(5)
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        while part := connection.recv(1 << 16):
            self.told += part
            if self._behind:
                with socket.create_connection(("127.0.0.1", self._behind), timeout=5) as real:
                    real.sendall(part)
                    connection.sendall(real.recv(1 << 16))
            else:
                body = b'{"proofs": ["' + b"0" * 64 + b'"], "results": []}'
                head = b"HTTP/1.1 200 OK\r\nServer: faiss-memory\r\nContent-Type: application/json\r\n"
                connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)


@contextmanager
def squatting(behind: int = 0, host: str = "127.0.0.1", port: int = 0) -> Iterator[Squatter]:
    """Another program that has the port, as long as the block lasts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen()
        squatter = Squatter(listener, behind)
        thread = threading.Thread(target=squatter.run)
        thread.start()
        try:
            yield squatter
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def leave(runtime: Path, mode: int = 0o600, **content: Any) -> Path:
    """Leave a `service.json`, as a service does or as somebody forges it."""
    folder = runtime / "faiss-memory"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "service.json"
    file.unlink(missing_ok=True)
    file.write_text(json.dumps({"pid": os.getpid(), "secret": SECRET, "started": "now", **content}))
    file.chmod(mode)
    return file


def run_hook(
    home: Path, prompt: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the hook program as an assistant of the person whose home this is."""
    event = {"hook_event_name": "UserPromptSubmit", "prompt": prompt, "session_id": prompt}
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(home), "XDG_RUNTIME_DIR": str(home), **environment}
    return subprocess.run(
        [sys.executable, "-c", PATIENT, "claude-code", "--verbose", *arguments],
        input=json.dumps(event).encode(), capture_output=True, env=bare, timeout=60,
    )  # fmt: skip
