"""waitress around the application: sockets, JSON for its own errors, draining, the file that says where we run."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from waitress import wasyncore
from waitress.server import TcpWSGIServer, create_server
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask

from faiss_memory.address import FILE
from faiss_memory.errors import ConfigError
from faiss_memory.http.patience import MOST_CONNECTIONS, Patience, PatientChannel
from faiss_memory.http.turns import accept_all, turn
from faiss_memory.http.uploads import MOST_OF_A_HEAD, Parser, Uploads
from faiss_memory.private import make_private, write_private
from faiss_memory.safe_files import read_own
from faiss_memory.schema import ErrorAnswer
from faiss_memory.settings import Settings, runtime_folders

log = logging.getLogger("faiss_memory.http")

DRAIN_SECONDS = 6.0
HEALTH_THREADS = 2
DECIDING_THREADS = 4


class _JsonErrorTask(ErrorTask):  # type: ignore[misc]
    """What waitress refuses by itself, such as a broken header, is answered in our form."""

    def execute(self) -> None:
        error = self.request.error
        body = msgspec.json.encode(ErrorAnswer(title=error.reason, description=str(error.body)))
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.response_headers += getattr(error, "headers", {}).items()
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """The threads that answer, more for /health alone, which can be asked whatever keeps the others busy, and some that
    find out who is let in before a body is read.
    """

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._for_health = ThreadedTaskDispatcher()
        self._for_deciding = ThreadedTaskDispatcher()
        self.set_thread_count(threads)
        self._for_health.set_thread_count(HEALTH_THREADS)
        self._for_deciding.set_thread_count(DECIDING_THREADS)

    def add_task(self, task: PatientChannel) -> None:
        """Queue the first of a connection's requests."""
        # (what could not be read as a request has no path)
        if task.requests and getattr(task.requests[0], "path", "") == "/health":
            self._for_health.add_task(task)
        else:
            super().add_task(task)

    def decide(self, question: _Question) -> None:
        """Queue what a body waits for."""
        self._for_deciding.add_task(question)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the threads."""
        self._for_health.shutdown(cancel_pending, timeout)
        self._for_deciding.shutdown(cancel_pending, timeout)
        return bool(super().shutdown(cancel_pending, timeout))


class _Question:
    """Whether the body of a request is to be read, asked by a thread; a task of waitress'."""

    def __init__(self, request: Parser, answered: Callable[[], None]) -> None:
        self._request, self._answered = request, answered

    def service(self) -> None:
        """Find out, and say that it is known."""
        self._request.decide()
        self._answered()

    def cancel(self) -> None:
        """Do nothing: the server stops."""


class _Task(WSGITask):  # type: ignore[misc]
    """While the server stops, each answer is its connection's last: a client that goes on asking would hold it up."""

    def get_environment(self) -> dict[str, Any]:
        environment: dict[str, Any] = super().get_environment()
        # Which of the machine's addresses was asked: a proof holds for that one alone.
        environment["faiss_memory.address"] = self.channel.asked
        return environment

    def build_response_header(self) -> bytes:
        if self.channel.is_last():
            self.request.headers["CONNECTION"] = "close"
        header: bytes = super().build_response_header()
        return header


class _Channel(PatientChannel):
    task_class = _Task
    error_task_class = _JsonErrorTask

    def __init__(
        self,
        uploads: Uploads,
        is_last: Callable[[], bool],
        can_go_on: deque[_Channel],
        server: Any,
        connection: Any,
        address: Any,
        *more: Any,
        **named: Any,
    ) -> None:
        self.asked = connection.getsockname()[:2]
        """Which of our addresses it was opened to; asked for once, since the client may hang up at any time."""
        self.parser_class = lambda adjustments: Parser(adjustments, uploads, address, self.asked, self._leave)
        self.is_last = is_last
        self._can_go_on = can_go_on
        self._waits = False
        self._left = b""
        """What came behind a request before it was answered. It is read afterwards, so that the loop hears others
        between any two requests of a connection."""
        super().__init__(server, connection, address, *more, **named)

    def readable(self) -> bool:
        """Return whether more is read: not while it is being found out whether the body is to be read, nor before what
        came already.
        """
        return not self._waits and not self._left and bool(super().readable())

    def received(self, data: bytes) -> bool:
        """Read what has come. Blank lines before a request are skipped at once (RFC 9112, 2.2), not one by one."""
        if self.request is None:
            data = data.lstrip(b"\r\n")
        taken: bool = super().received(data)
        request = self.request
        if request is not None and request.undecided is not None:
            self._waits = True
            self.server.task_dispatcher.decide(_Question(request, self._may_go_on))
        elif self._left and not self.requests:  # blank lines came before it
            self._may_go_on()
        return taken

    def service(self) -> None:
        """Answer one request, and have the next one read if it is there."""
        super().service()
        if self.close_when_flushed:
            self._left = b""  # nobody answers it; and what still comes is to be read away
        elif self._left:
            self._flush_outbufs_below_high_watermark()
            self._may_go_on()

    def _leave(self, data: bytes) -> None:
        self._left = data

    def _may_go_on(self) -> None:
        self._can_go_on.append(self)
        self.server.pull_trigger()

    def go_on(self) -> None:
        """Read on, or answer why not, now that it is decided or what came before is answered. For the server's loop."""
        if not self._waits:
            left = b"" if self.requests else self._left
            if left:
                self._left = b""
                self.received(left)
            return
        self._waits = False
        request = self.request
        if request is None or not self.connected or self.will_close or self.close_when_flushed:
            return
        held = request.settle()
        if held or request.completed:
            self.received(held or b"\n")  # (what was refused takes anything, and so comes to its end)
            return
        with self.requests_lock:  # (where others are being answered, it is said after the last of them)
            if request.expect_continue and not self.requests and not self.sent_continue:
                self.send_continue()


class Server:
    """Listens from construction on; `run` answers until `stop`. Raises ConfigError when the port is taken."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sockets = _listen(settings.host, settings.port)
        self.port: int = self._sockets[0].getsockname()[1]
        self.exit_code = 0
        self._map: dict[int, Any] = {}
        self._can_go_on: deque[_Channel] = deque()
        """Connections that can read on: whether a body is to be read is known, or a request is answered."""
        self._stopping = False
        self._on_stop: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """Where the service answers."""
        host = "127.0.0.1" if self._settings.host in ("0.0.0.0", "::", "localhost") else self._settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def stop(self, exit_code: int = 0) -> None:
        """Take no new connections, finish what has begun, then let `run` return. Safe in a signal handler."""
        self.exit_code = self.exit_code or exit_code
        self._stopping = True
        self._on_stop()
        for listener in self._listeners():
            listener.pull_trigger()

    def stop_on_signals(self, on_stop: Callable[[], None]) -> None:
        """Stop in order on SIGTERM and SIGINT, also when they come before `run` has begun.

        `on_stop` is called with each stop, also by a signal handler.
        """
        self._on_stop = on_stop
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        signal.signal(signal.SIGINT, lambda *_: self.stop())

    def run(self, app: Any, before_draining: Callable[[], None], uploads: Uploads) -> None:
        """Answer requests until told to stop, then drain: waitress alone drops what is in flight.

        `before_draining` is called in between, so that long work ends soon enough for its request to be answered.
        `uploads` decides whose bodies are read, and which of them are files.
        """
        self._server = create_server(
            app,
            map=self._map,
            sockets=self._sockets,
            _dispatcher=Dispatcher(self._settings.threads),
            threads=self._settings.threads,
            ident="faiss-memory",
            # We decide by these headers who came through a proxy, so they must not be taken away.
            clear_untrusted_proxy_headers=False,
            max_request_body_size=self._settings.limits.body_bytes + 1,
            # Met only if so many are being answered at once that none can go: then the rest waits in the backlog.
            connection_limit=2 * MOST_CONNECTIONS,
            max_request_header_size=MOST_OF_A_HEAD,
            # An idle assistant keeps its connection so long; for other waiting see `patience`.
            channel_timeout=120,
        )
        for listener in self._listeners():
            listener.channel_class = partial(_Channel, uploads, lambda: self._stopping, self._can_go_on)
            accept_all(listener)
        patience = Patience()
        while not self._stopping:
            self._turn(1.0)
            patience.look(list(self._map.values()))
        before_draining()
        self._drain()

    def _drain(self) -> None:
        for listener in self._listeners():
            listener.del_channel()
            listener.socket.close()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._busy() and time.monotonic() < deadline:
            self._turn(0.05)
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def _busy(self) -> bool:
        channels = [channel for channel in self._map.values() if isinstance(channel, PatientChannel)]
        return any(channel.requests or channel.request or channel.total_outbufs_len for channel in channels)

    def _turn(self, timeout: float) -> None:
        turn(self._map, timeout)
        for _ in range(len(self._can_go_on)):  # and not those that come meanwhile: others are heard before
            self._can_go_on.popleft().go_on()

    def _listeners(self) -> list[TcpWSGIServer]:
        return [part for part in self._map.values() if isinstance(part, TcpWSGIServer)]


def _listen(host: str, port: int) -> list[socket.socket]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        first = _bound(family, address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} is taken, perhaps by another FAISS Memory. Stop that one, or choose another port "
                "(--port, PORT or `port` in the configuration file)."
            ) from None
        raise ConfigError(f"cannot listen on {host}:{port}: {error}") from None
    sockets = [first]
    if host == "127.0.0.1":
        # `localhost` may mean either; where there is no IPv6, or its port is taken, IPv4 alone will do.
        try:
            sockets.append(_bound(socket.AF_INET6, ("::1", first.getsockname()[1])))
        except OSError as error:
            log.info("not listening on [::1]: %s", error)
    return sockets


def _bound(family: int, address: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(128)  # at once: whoever reads our address may connect, and is answered in a moment
    except OSError:
        listener.close()
        raise
    return listener


class RunningFile:
    """`service.json` in the runtime folder and in the state folder, where command line, hooks and shims look for it.

    Nobody else can read it: it has the secret by which they know the service.
    """

    def __init__(self, url: str, secret: str) -> None:
        # A program that an application starts may not know the session's folder: it looks into the state folder.
        self._paths = [folder / FILE for folder in runtime_folders()]
        self._secret = secret
        started = datetime.now(UTC).isoformat()
        content = {"url": url, "pid": os.getpid(), "secret": secret, "started": started}
        for path in self._paths:
            try:
                make_private(path.parent)
                write_private(path, json.dumps(content))
            except (OSError, ConfigError) as error:
                log.warning("%s cannot be written (%s); give the command line --url instead", path, error)

    def remove(self) -> None:
        """Take the files away, unless another service has written its own since."""
        for path in self._paths:
            with contextlib.suppress(OSError, ValueError):
                if json.loads(read_own(path)).get("secret") == self._secret:
                    path.unlink()
