"""Another program's memories, looked at as if they were ours: by a service of its own, which is gone afterwards."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from faiss_memory.address import ServiceAddress
from faiss_memory.cli.client import TIMEOUT, Client
from faiss_memory.cli.failures import CommandFailed, Refused
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
_PAUSE = 0.1


class _TrialClient(Client):
    """Asks a service in this process."""

    def __init__(self, service: MemoryService) -> None:
        from falcon.testing import TestClient

        from faiss_memory.app import create_app

        super().__init__(ServiceAddress("http://127.0.0.1:1", "a trial"))
        self._service = service
        self._app = TestClient(create_app(service))

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        patient: bool = True,
        endless: bool = False,
    ) -> dict[str, Any]:
        """Send one request; gives the parsed answer. Raises Refused, and CommandFailed where there is no model."""
        query = {key: value for key, value in (params or {}).items() if value is not None}
        sent = None if body is None else json.dumps(body).encode()
        ends = time.monotonic() + TIMEOUT
        while True:
            status, raw = self._exchange(method, path, sent, {}, urlencode(query))
            answer: dict[str, Any] = json.loads(raw)
            if status < 300:
                return answer
            if (error := self._service.engine.model_error) is not None:
                raise CommandFailed(str(error))
            if status != 503 or not patient or time.monotonic() > ends:
                raise Refused(self.words(status, answer), status)
            time.sleep(_PAUSE)

    def send(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Post a body as it is; gives the answer's status and body, whatever they are."""
        return self._exchange("POST", path, body, headers, "")

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], query: str
    ) -> tuple[int, bytes]:
        answer = self._app.simulate_request(
            method,
            path,
            body=body,
            headers={"Content-Type": "application/json", **headers},
            query_string=query,
            host="localhost",
            remote_addr="127.0.0.1",
        )
        return answer.status_code, answer.content


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
            session.call("POST", "/memory/is-novel", {"text": "whether the model is ready"})
            with read_errors(path):
                taking = TakingOver(
                    session, importer, path, None, None, keep_secrets=True, here=DEFAULT_PROJECT
                )
                taking.preview()
                taking.apply()
            yield session
        finally:
            service.stop()
