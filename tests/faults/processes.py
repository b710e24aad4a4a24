"""The test's side of the processes that a store lives in."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from typing import Any

from tests.faults.control import Control
from tests.faults.workloads import SECONDS_TO_LIVE
from tests.running import ROOT


class Nursery:
    """A process that has imported the store already, and forks a new one in a few milliseconds."""

    def __init__(self, folder: Path, control: Control) -> None:
        self.control = control
        self.log = folder / "children.log"
        self._lock = Lock()
        ours, theirs = socket.socketpair()
        ours.settimeout(SECONDS_TO_LIVE + 30)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.child", str(theirs.fileno())],
                cwd=ROOT,
                env={**os.environ, **control.environment},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        theirs.close()
        self._socket = ours
        self._answers = ours.makefile("rb")

    def born(self, work: str, data: Path, descriptor: int | None = None, **options: Any) -> Life:
        """Let a process do some work of `workloads.WORK` on a data folder."""
        request = {"work": work, "data": str(data), **options}
        return Life(self, self._ask(request, [] if descriptor is None else [descriptor]))

    def wait(self, pid: int) -> int:
        return self._ask({"wait": pid}, [])

    def _ask(self, request: dict[str, Any], descriptors: list[int]) -> int:
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)
            answer = self._answers.readline()
        assert answer, f"no more processes are born:\n{self.log.read_text()[-4000:]}"
        return int(answer)

    def close(self) -> None:
        self._answers.close()
        self._socket.close()
        self._process.wait(60)


class Life:
    """One process of a nursery."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery, self.pid = nursery, pid
        self._exit_code: int | None = None

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._exit_code is None:  # until it is waited for, its number is given to no other process
            os.kill(self.pid, number)

    def wait(self) -> int:
        """Give the exit code, negative for a signal."""
        if self._exit_code is None:
            self._exit_code = self._nursery.wait(self.pid)
        return self._exit_code

    def stopped(self) -> bool:
        """Whether every thread stands still, by SIGSTOP or at its end."""
        states = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with suppress(OSError):  # it has ended since it was listed
                states.append((task / "stat").read_text().rpartition(")")[2].split()[0])
        return all(state in "TtZX" for state in states)


class Gone(Exception):
    """The process ended in the middle of a call."""


class RemoteStore:
    """A store in a process of its own, with the methods of `faiss_memory.Store`."""

    def __init__(self, nursery: Nursery, data: Path, **options: Any) -> None:
        ours, theirs = socket.socketpair()
        self.life = nursery.born("answer calls", data, theirs.fileno(), **options)
        theirs.close()
        self._connection = Connection(ours.detach())

    def ask(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Raises what the store raises, and Gone when the process dies of it."""
        try:
            self._connection.send((name, arguments, options))
            fine, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            self.life.wait()
            raise Gone(name) from error
        if not fine:
            raise answer
        return answer

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: self.ask("call", name, arguments, options)

    def end(self) -> int:
        """Let the process end; gives its exit code."""
        self._connection.close()
        return self.life.wait()


class RemoteHome:
    """Where a store lives that can really be killed; otherwise as `tests.store.oracle.EmbeddedHome`."""

    identity, dimension = "fake@1", 64

    def __init__(self, nursery: Nursery, folder: Path, **options: Any) -> None:
        self.nursery, self.folder, self.options = nursery, folder, options
        self.store: RemoteStore | None = None
        self._failures: list[Exception] = []

    @property
    def failures(self) -> list[Exception]:
        """What stopped the writing, in this life and in earlier ones."""
        return self._failures + (self.store.ask("failures") if self.store is not None else [])

    def open(self, *, model: bool = True) -> RemoteStore:
        store = RemoteStore(self.nursery, self.folder, **self.options)
        try:
            store.ask("open", model=model)
        except BaseException:
            store.end()
            raise
        self.store = store
        return store

    def close(self) -> None:
        """Close it in order."""
        if self.store is not None:
            self._failures = self.failures
            store, self.store = self.store, None
            try:
                store.close()
            finally:
                store.end()

    def kill(self) -> None:
        """Kill it, if it has not died yet."""
        if self.store is not None:
            self.store.life.kill()
            self.store.end()
            self.store = None

    def reopen(self) -> RemoteStore:
        self.close()
        return self.open()
