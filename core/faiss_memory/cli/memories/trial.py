"""Another program's memories, looked at as if they were ours: by a service of its own, which is gone afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPMessage
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from faiss_memory.address import ServiceAddress
from faiss_memory.cli.client import Client
from faiss_memory.cli.failures import CommandFailed
from faiss_memory.cli.memories.importing import importer_for, read_errors
from faiss_memory.cli.memories.taking_over import TakingOver
from faiss_memory.cli.session import Session
from faiss_memory.memory import DEFAULT_PROJECT

if TYPE_CHECKING:
    from faiss_memory.cli.output import Output
    from faiss_memory.service.memories import MemoryService

IN_MEMORY = Path("/dev/shm")
NOT_NEEDED = ("ingest", "schedules", "web", "mcp", "activity")
"""Plugins that would do work of their own, or that nothing asks here."""
_MODEL_SECONDS = 120.0
"""How long the model may take to load."""
_PAUSE = 0.1


class _TrialClient(Client):
    """Asks a service in this process."""

    def __init__(self, service: MemoryService) -> None:
        from falcon.testing import TestClient

        from faiss_memory.app import create_app

        super().__init__(ServiceAddress("http://127.0.0.1:1", "a trial"))
        self._app = TestClient(create_app(service))

    def _exchange(
        self,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str | bytes],
        *,
        endless: bool = False,
    ) -> tuple[int, HTTPMessage, bytes]:
        """Ask the application, without a connection; nothing is waited for longer or shorter than it takes."""
        answer = self._app.simulate_request(
            method, target, body=body, headers=headers, host="localhost", remote_addr="127.0.0.1"
        )
        received = HTTPMessage()
        for name, value in answer.headers.items():
            received[name] = value
        return answer.status_code, received, answer.content


@contextmanager
def trial_of(path: Path, out: Output, *, as_json: bool) -> Iterator[Session]:
    """Lend a session whose memories are those at a path, read through the importers.

    What is there is only read. Its copy lies in memory where the system has files there, else among the temporary
    files, and is gone afterwards. Secrets are kept in it as they are, to be counted. Raises CommandFailed.
    """
    from faiss_memory.cli.settings_options import load_with_plugins
    from faiss_memory.settings import prepare_process

    prepare_process()
    from faiss_memory.app import build_service

    importer = importer_for(path, None)
    there = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
    with TemporaryDirectory(prefix="faiss-memory-", dir=there) as folder:
        own = {"data_dir": folder, "host": "127.0.0.1", "max_backups": 1}
        own |= dict.fromkeys(("store", "token", "published_on", "public_url", "public_token"), "")
        disabled = [*load_with_plugins(None, ()).settings.plugins.disabled, *NOT_NEEDED]
        settings = load_with_plugins(None, [f"plugins.disabled={','.join(disabled)}"], **own).settings
        service = build_service(settings, lambda _: None)
        try:
            service.start()
            session = Session(_TrialClient(service), out, as_json)
            _wait_for_model(service)
            with read_errors(path):
                taking = TakingOver(
                    session, importer, path, None, None, keep_secrets=True, here=DEFAULT_PROJECT
                )
                taking.preview()
                taking.apply()
            yield session
        finally:
            service.stop()


def _wait_for_model(service: MemoryService) -> None:
    """Return once search by meaning answers. Raises CommandFailed where it will not."""
    ends = time.monotonic() + _MODEL_SECONDS
    while not service.model_ready:
        error = service.engine.store_error or service.engine.model_error
        if error is not None or time.monotonic() > ends:
            raise CommandFailed(str(error or f"the model is not ready after {_MODEL_SECONDS:g} s"))
        time.sleep(_PAUSE)
