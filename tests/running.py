"""A real service in a process of its own, driven through HTTP."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests import forking

ROOT = Path(__file__).parent.parent


@contextmanager
def closed_port() -> Iterator[int]:
    """A port where nobody listens, and which nobody else is given as long as the block lasts.

    It is none of those that the system gives out by itself, so that a service may be started there right afterwards.
    """
    with socket.socket() as kept:
        while not kept.getsockname()[1]:
            with suppress(OSError):
                kept.bind(("127.0.0.1", random.randrange(20_000, 30_000)))
        yield kept.getsockname()[1]


class RunningService:
    """Started on a free port; `fake` chooses the stand-in embedder. Use as a context manager.

    One with the stand-in is forked where nothing else is asked for; with a real model it starts as it does for people.
    """

    is_forked = True

    def __init__(
        self,
        data: Path,
        *,
        fake: bool = False,
        cache: Path | None = None,
        home: Path | None = None,
        **settings: str,
    ) -> None:
        self.data = data
        self.log = data.parent / f"{data.name}.log"
        given = {"data_dir": str(data), "port": "0", **settings} | (
            {"cache_dir": str(cache)} if cache else {}
        )
        self.is_forked = self.is_forked and fake
        if fake:
            command = [
                sys.executable,
                "-m",
                "tests.fake_server",
                *(f"{key}={value}" for key, value in given.items()),
            ]
        else:
            options = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]
            command = [sys.executable, "-m", "faiss_memory", "serve", *options]
        self._command = command
        self._environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("FAISS_MEMORY_", *(("LANG", "LC_") if self.is_forked else ())))
        }
        if self.is_forked:
            self._environment |= forking.LOCALE
        self._environment |= {"XDG_RUNTIME_DIR": str(data.parent), "HOME": str(home or data.parent)}
        self._descriptors: Sequence[int] = ()
        self.errors: int | None = None
        """Where its standard error goes, if not into `log`; that must then be the file of the setting `log_file`."""
        self.process: forking.Forked | subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> RunningService:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, *, ready: bool = True) -> None:
        """Start the process and wait until it listens, and until its model is ready too."""
        with self.log.open("ab") as log:
            before = log.tell()
            errors = log.fileno() if self.errors is None else self.errors
            if self.is_forked and not self._descriptors and forking.takes(self._environment):
                with open(os.devnull) as nothing:
                    three = [nothing.fileno(), log.fileno(), errors]
                    self.process = forking.start(self._command, ROOT, self._environment, three)
            else:
                self.process = subprocess.Popen(
                    self._command,
                    cwd=ROOT,
                    env=self._environment,
                    stdout=log,
                    stderr=errors,
                    stdin=subprocess.DEVNULL,
                    pass_fds=self._descriptors,
                )
        self._wait(lambda: self._found_port(before), "listen")
        if ready:
            self._wait(lambda: self.call("GET", "/health")[1].get("model_ready"), "get its model ready")

    def _found_port(self, before: int) -> bool:
        found = re.search(rb"answers on http://[^ ]*:(\d+)", self.log.read_bytes()[before:])
        self.port = int(found[1]) if found else 0
        return bool(found)

    def _wait(self, condition: Any, what: str) -> None:
        deadline, pause = time.monotonic() + 120, 0.02
        while not condition():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the service did not {what}:\n{self.log.read_text()}")
            time.sleep(pause)
            pause = min(0.1, pause * 1.5)  # each look costs the service, which has a start to do

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Send one request; gives status and parsed answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = None if body is None else json.dumps(body).encode()
            connection.request(method, path, sent, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            raw = response.read()
            return response.status, json.loads(raw) if raw else {}
        finally:
            connection.close()

    def kill(self) -> None:
        """Kill it as a power button would, as far as a process can be."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self) -> int:
        """Stop it as systemd or Docker do; gives the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=120)
