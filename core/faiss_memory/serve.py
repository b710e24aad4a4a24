"""One run of the service, from taking the data folder to letting go of it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

from faiss_memory.app import build_service, create_app
from faiss_memory.errors import StoreError
from faiss_memory.server import RunningFile, Server
from faiss_memory.settings import Settings

log = logging.getLogger("faiss_memory")

EXIT_STORE_FAILED = 74
"""As sysexits.h has it: an input/output error."""


def serve(settings: Settings, extra_plugins: Iterable[tuple[str, object]] = ()) -> int:
    """Run until SIGTERM or SIGINT; gives the exit code. Raises MemoryServiceError when it cannot start."""
    _log_to_stderr()
    servers: list[Server] = []

    def on_failure(error: StoreError) -> None:
        # After one failed sync the database would go on as if nothing had happened: stop, and start clean.
        for server in servers:
            server.stop(EXIT_STORE_FAILED)

    service = build_service(settings, on_failure, extra_plugins)
    try:
        server = Server(settings)
    except BaseException:
        service.engine.close()
        raise
    servers.append(server)
    app = create_app(service)
    service.start()
    running = RunningFile(server.url)
    log.info(
        "FAISS Memory %s answers on %s, data in %s",
        service.overview.version,
        server.url,
        settings.data_folder,
    )
    try:
        server.run(app)
    finally:
        log.info("stopping")
        service.stop()
        running.remove()
    return server.exit_code


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
