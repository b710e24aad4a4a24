"""One run of the service, from taking the data folder to letting go of it."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterable

from faiss_memory.app import build_service, create_app
from faiss_memory.errors import StoreError
from faiss_memory.http.server import RunningFile, Server
from faiss_memory.logs import log_path, note_failure, start_logging, stop_logging
from faiss_memory.peers import named_few, other_users
from faiss_memory.private import keep_files_private
from faiss_memory.proving import new_secret
from faiss_memory.settings import Settings

log = logging.getLogger("faiss_memory")

EXIT_STORE_FAILED = 74
"""As sysexits.h has it: an input/output error."""


def serve(settings: Settings, extra_plugins: Iterable[tuple[str, object]] = ()) -> int:
    """Run until SIGTERM or SIGINT; gives the exit code. Raises MemoryServiceError when it cannot start."""
    keep_files_private()
    log_file = start_logging(log_path(settings.log_file))
    try:
        code, is_starting = _serve(settings, extra_plugins)
    except Exception as failure:
        note_failure(log_file, failure)
        raise
    finally:
        stop_logging(log_file)
    if is_starting:
        # Everything is written and closed; but a model that its library's threads are still loading aborts the process
        # when the interpreter is taken apart under them.
        sys.stderr.flush()
        os._exit(code)
    return code


def _serve(settings: Settings, extra_plugins: Iterable[tuple[str, object]]) -> tuple[int, bool]:
    """Run, and give the exit code, and whether something of the start is still at work."""
    servers: list[Server] = []

    def on_failure(error: StoreError) -> None:
        # After one failed sync the database would go on as if nothing had happened: stop, and start clean.
        for server in servers:
            server.stop(EXIT_STORE_FAILED)

    service = build_service(settings, on_failure, extra_plugins)
    if settings.data_folder.is_dir():
        # Large bodies and answers, and whatever else a library writes down for a while, hold memories too.
        tempfile.tempdir = str(settings.data_folder)
    try:
        server = Server(settings)
    except BaseException:
        service.engine.close()
        raise
    servers.append(server)
    server.stop_on_signals()
    secret = new_secret()
    app = create_app(service, secret)
    service.start()
    running = RunningFile(server.url, secret)
    log.info(
        "FAISS Memory %s answers on %s, data in %s",
        service.overview.version,
        server.url,
        settings.data_folder,
    )
    _tell_of_others(settings)
    try:
        server.run(app, service.announce_stop, app.upload_paths)
    finally:
        log.info("stopping")
        service.stop()
        running.remove()
    return server.exit_code, service.engine.is_starting


def _tell_of_others(settings: Settings) -> None:
    others = other_users()
    if others and not settings.token and not settings.others_need_token:
        log.warning(
            "others can log in to this machine (%s): they can read and write your memories by this address. The "
            "setting others_need_token keeps them out",
            named_few(others),
        )
