"""Everything that a service does, again and again: its descriptors, threads and memory stay what they were."""

from __future__ import annotations

import http.client
import os
import socket
import time
from pathlib import Path

import pytest

from tests.faults.service import Client
from tests.running import RunningService
from tests.store.oracle import until

pytestmark = pytest.mark.faults

WARM = 3
"""Rounds until all has been met once that is kept for good, such as a thread's own buffers."""
READERS = 8
"""Descriptors of readers that happened to read at the same time, as none did before. Each round would leave more."""
MB = 1024 * 1024
MEMORY_MAY_GROW = 64 * MB
"""By ten minutes of this; a leak of one kilobyte for each request would come to more."""
MCP = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "memory_search", "arguments": {"query": "words"}},
}
MCP_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "MCP-Protocol-Version": "2025-11-25",
}


class Watched:
    """A service and what it takes of the machine."""

    def __init__(self, running: RunningService, shelf: Path) -> None:
        self.running, self.shelf, self.round = running, shelf, 0
        self._proc = Path(f"/proc/{running.process.pid}")

    def descriptors(self) -> list[str]:
        found = []
        for entry in (self._proc / "fd").iterdir():
            try:
                found.append(os.readlink(entry))
            except FileNotFoundError:
                continue
        return found

    def threads(self) -> int:
        return len(list((self._proc / "task").iterdir()))

    def memory(self) -> int:
        pages = int((self._proc / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def call(self, *arguments, fine=(200, 201)):
        status, answer = self.running.call(*arguments)
        assert status in fine, answer
        return answer

    def do_everything(self):
        """One round: every kind of thing that begins a thread, opens a file or takes a connection."""
        self.round += 1
        self._write_and_find()
        self._build()
        self._speak_mcp()
        self._break_off()
        made = self.call("POST", "/backup", {})["backup"]
        self.call("POST", "/restore", {"backup": made})
        purged = self.call("POST", "/memory/add", {"text": f"to be purged {self.round}"})["id"]
        self.call("POST", "/memory/purge", {"ids": [purged]})
        self.call("POST", "/memory/forget", {"project": "soak"})
        for folder in self.running.data.glob("*.before-*"):  # which a person removes, and which take the disk
            folder.unlink()

    def _write_and_find(self):
        texts = [{"text": f"words {self.round} {number}", "project": "soak"} for number in range(20)]
        self.call("POST", "/memory/add-batch", {"memories": texts})
        clients = [Client(self.running.port) for _ in range(12)]
        for client in clients:
            assert (
                client.call("POST", "/search", {"query": f"words {self.round}", "project": "soak"})[0] == 200
            )
        for client in clients:
            client.close()

    def _build(self):
        for number in range(6):
            (self.shelf / f"{number}.md").write_text(f"# Notes {number}\n\nRound {self.round}.\n")
        self.call("POST", "/index/build", {"sources": [str(self.shelf)], "wait": True, "project": "built"})

    def _speak_mcp(self):
        for _ in range(4):
            assert self.running.call("POST", "/mcp", MCP, MCP_HEADERS)[0] == 200

    def _break_off(self):
        """Clients that go in the middle of a request, of an upload and of a download."""
        head = b"POST /memory/add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        upload = b"POST /restore/archive HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-tar\r\n"
        download = b"GET /archive HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for sent in (
            head,
            head + b"Content-Length: 99\r\n\r\n{",
            upload + b"Content-Length: 99999\r\n\r\nx",
            download,
        ):
            with socket.create_connection(("127.0.0.1", self.running.port)) as connection:
                connection.sendall(sent)

    def rests(self, descriptors, threads):
        return len(self.descriptors()) <= descriptors + READERS and self.threads() <= threads


SECONDS_TO_SETTLE = 120


def settled(watched):
    """Wait until what the rounds have begun has ended; gives what is left."""
    last = None
    deadline = time.monotonic() + SECONDS_TO_SETTLE
    while (now := (len(watched.descriptors()), watched.threads())) != last:
        assert time.monotonic() < deadline, f"it never settles: {last}, then {now} descriptors and threads"
        last = now
        health = watched.call("GET", "/health")
        assert health["problems"] == []
        until(lambda: not watched.call("GET", "/health")["rebuilding"], "all is rebuilt")
        time.sleep(0.2)  # (two looks that far apart are the same once nothing is under way)
    return now


@pytest.mark.parametrize(
    "seconds", [0, pytest.param(600, marks=pytest.mark.faults)], ids=["a few rounds", "ten minutes"]
)
def test_nothing_grows(tmp_path, tally, seconds):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    settings = {"plugins.ingest.roots": str(tmp_path), "max_backups": "2"}
    with RunningService(tmp_path / "data", fake=True, **settings) as running:
        watched = Watched(running, shelf)
        for _ in range(WARM):
            watched.do_everything()
        descriptors, threads = settled(watched)
        memory, rounds, end = watched.memory(), 0, time.monotonic() + seconds
        while rounds < 2 * WARM or time.monotonic() < end:
            watched.do_everything()
            rounds += 1
            if rounds == 100:
                memory = watched.memory()  # by now all that is cached is
        until(
            lambda: watched.rests(descriptors, threads),
            f"{threads} threads and {descriptors} descriptors are left, not {watched.threads()} and "
            f"{watched.descriptors()}",
        )
        assert watched.memory() - memory < MEMORY_MAY_GROW
        assert running.stop() == 0
    tally(
        "builds, restores, purges, MCP calls and broken connections: descriptors, threads and memory stay",
        rounds,
    )


def test_a_connection_for_each_of_many_clients_is_closed_again(tmp_path):
    with RunningService(tmp_path / "data", fake=True) as running:
        watched = Watched(running, tmp_path)
        watched.call("GET", "/health")
        descriptors, threads = settled(watched)
        clients = [http.client.HTTPConnection("127.0.0.1", running.port, timeout=60) for _ in range(150)]
        for client in clients:
            client.request("GET", "/projects")
            assert client.getresponse().read()
        assert watched.threads() <= threads
        for client in clients:
            client.close()
        until(lambda: watched.rests(descriptors, threads), "the connections are closed")
