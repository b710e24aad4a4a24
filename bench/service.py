"""The service in a process of its own, asked over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


class Service:
    """The service in a process of its own, on a data folder that stays."""

    def __init__(self, data: Path) -> None:
        self.began = time.perf_counter()
        written = (data.parent / "bench.log").open("w")
        self._log = (
            data.parent / "bench.log"
        ).open()  # a place of its own in the file: what is read moves no writer
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "faiss_memory",
                "serve",
                "--port",
                "0",
                "--data-dir",
                str(data),
                "--set",
                f"plugins.ingest.roots={data.parent}",
            ],
            stderr=written,
            env={**os.environ, "XDG_RUNTIME_DIR": str(data.parent)},
        )
        written.close()
        self.pid = self._process.pid
        self._connect()

    def _connect(self) -> None:
        while True:
            self._log.seek(0)
            found = [line for line in self._log if "answers on http://127.0.0.1:" in line]
            if found:
                port = int(found[0].split("http://127.0.0.1:")[1].split(",")[0])
                self._port = port
                self.connection = self.open()
                return
            if self._process.poll() is not None:
                self._log.seek(0)
                raise SystemExit(self._log.read())
            time.sleep(0.005)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def open(self) -> http.client.HTTPConnection:
        """Open a connection of one's own."""
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)

    def call(self, method: str, path: str, body: Any = None, connection: Any = None) -> dict[str, Any]:
        """Send one request over a kept connection."""
        connection = connection or self.connection
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        if response.status >= 400 and response.status != 503:
            raise SystemExit(f"{method} {path}: {response.status} {answer}")
        return answer

    def stop(self) -> None:
        """Stop it in order."""
        self._process.terminate()
        self._process.wait()
        self._log.close()
