"""One run of the service, from taking the data folder to letting go of it."""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from threading import Event

from faiss_memory.app import Application, build_service, create_app
from faiss_memory.background import BackgroundThread
from faiss_memory.errors import StoreError
from faiss_memory.http.server import RunningFile, Server
from faiss_memory.logs import log_path, note_failure, start_logging, stop_logging
from faiss_memory.peers import named_few, other_users
from faiss_memory.private import keep_files_private
from faiss_memory.proving import new_secret
from faiss_memory.service.memories import MemoryService
from faiss_memory.settings import Origin, Settings

log = logging.getLogger("faiss_memory")

EXIT_ERROR_NOBODY_FORESAW = 70
EXIT_STORE_FAILED = 74
"""As sysexits.h has them: an internal error, and an input/output error."""
SECONDS_TO_STOP = 9.0
"""What waits for the service to end is told to wait longer: `docker stop` waits 10 s, if it is told nothing."""


def serve(
    settings: Settings,
    extra_plugins: Iterable[tuple[str, object]] = (),
    origins: tuple[Origin, ...] = (),
) -> int:
    """Run until SIGTERM or SIGINT; gives the exit code. Raises MemoryServiceError when it cannot start.

    `origins` say where the settings come from, for the person who asks.
    The process ends in here if threads are still at work when everything is written and closed.
    """
    keep_files_private()
    log_file = start_logging(log_path(settings.log_file), settings.own_tokens)
    try:
        code = _serve(settings, extra_plugins, origins)
    except Exception as failure:
        note_failure(log_file, failure)
        raise
    finally:
        stop_logging(log_file)
    if any(thread is not threading.current_thread() for thread in threading.enumerate()):
        # The model at work, or still being loaded, aborts the process when the interpreter is taken apart under it.
        _leave(code)
    return code


def _leave(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


def _serve(
    settings: Settings, extra_plugins: Iterable[tuple[str, object]], origins: tuple[Origin, ...]
) -> int:
    servers: list[Server] = []

    def on_failure(error: StoreError) -> None:
        # After one failed sync the database would go on as if nothing had happened: stop, and start clean.
        for server in servers:
            server.stop(EXIT_STORE_FAILED)

    service = build_service(settings, on_failure, extra_plugins)
    service.in_force.origins = origins
    if settings.data_folder.is_dir():
        # Large bodies and answers, and whatever else a library writes down for a while, hold memories too.
        tempfile.tempdir = str(settings.data_folder)
    try:
        server = Server(settings)
    except BaseException:
        service.engine.close()
        raise
    servers.append(server)
    watch = _StopWatch(lambda: server.exit_code)
    server.stop_on_signals(watch.begin)
    secret = new_secret()
    app = create_app(service, secret)
    service.start()
    running = RunningFile(server.url, secret)
    log.info(
        "FAISS Memory %s answers on %s, data in %s",
        service.overview.version,
        server.url,
        "the store that is set, the rest in " * bool(settings.store) + str(settings.data_folder),
    )
    _tell_of_others(settings)
    try:
        _run(server, app, service)
    finally:
        running.remove()
        watch.end()
    return server.exit_code


def _run(server: Server, app: Application, service: MemoryService) -> None:
    """Answer until told to stop; whatever ends it, everything is written and closed."""
    gc.freeze()  # what was imported stays; who imported it may have let the search for garbage rest meanwhile
    gc.enable()
    try:
        server.run(app, service.announce_stop, app.uploads)
    except Exception:  # the exit code tells
        log.exception("an error nobody foresaw ended the server")
        server.stop(EXIT_ERROR_NOBODY_FORESAW)
    finally:
        log.info("stopping")
        service.stop()


def _tell_of_others(settings: Settings) -> None:
    others = other_users()
    if others and not settings.token and not settings.others_need_token:
        log.warning(
            "others can log in to this machine (%s): they can read and write your memories by this address. The "
            "setting others_need_token keeps them out",
            named_few(others),
        )


class _StopWatch:
    """Ends the process when a stop takes too long, whatever holds it up.

    That costs no more than a kill does: what was acknowledged is safe, and what was not finished is done by the next
    start.
    """

    def __init__(self, exit_code: Callable[[], int]) -> None:
        self._exit_code = exit_code
        self._begun: SimpleQueue[None] = SimpleQueue()
        self._ended = Event()
        BackgroundThread("stop watch", self._watch, lambda _: None).start()

    def begin(self) -> None:
        """Note that the service is to stop. Safe in a signal handler."""
        self._begun.put(None)

    def end(self) -> None:
        """Note that everything is written and closed."""
        self._ended.set()
        self._begun.put(None)

    def _watch(self) -> None:
        self._begun.get()
        if not self._ended.wait(SECONDS_TO_STOP):
            names = sorted(thread.name for thread in threading.enumerate() if thread.name != "stop watch")
            log.warning(
                "the stop took longer than %d s, and the process ends at once: nothing that was acknowledged is lost, "
                "and the next start finishes the rest. At work: %s",
                SECONDS_TO_STOP, ", ".join(names),
            )  # fmt: skip
            os._exit(self._exit_code())  # at once: a stream that nobody reads may be what holds it up
