"""A process that has imported the command line and the service, and forks one for each that is wanted, in milliseconds.

What comes of it is a process of its own like any other; only finding and importing Python's modules, which is most of
what a command costs and half of what a service does, is done once. One that asks for another Python, by PYTHONPATH, a
locale or the like, is started as usual, and so is every one on other systems, where some libraries do not outlive a
fork.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Timer, current_thread, enumerate as enumerate_threads
from typing import NoReturn, TextIO

ROOT = Path(__file__).parent.parent
LOCALE = {"LANG": "C.UTF-8"}
INTERPRETER = LOCALE | {"PYTHONWARNINGS": "error"}
"""The environment that such a process has of what Python itself looks at; a service does without the warnings."""


class Forks:
    """The tests' side of that process."""

    def __init__(self, interpreter: Mapping[str, str]) -> None:
        self._lock = Lock()
        self._socket, theirs = socket.socketpair()
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forking", str(theirs.fileno())],
            cwd=ROOT, env={**kept, **interpreter}, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()

    def started(
        self, words: Sequence[str], folder: Path, environment: Mapping[str, str], descriptors: Sequence[int]
    ) -> Forked:
        """Start a command with these three descriptors for its input, output and errors."""
        ours, theirs = os.pipe()
        request = {"words": words, "folder": str(folder), "environment": dict(environment)}
        with self._lock:
            socket.send_fds(self._socket, [b"{"], [*descriptors, theirs])
            self._socket.sendall(json.dumps(request).encode()[1:] + b"\n")
            os.close(theirs)
            return Forked(ours)

    def end(self) -> None:
        """End that process, when the last command has ended."""
        self._socket.close()
        self._process.wait()


_started: list[Forks] = []


@cache
def forks(strict: bool = True) -> Forks:
    """The one of this process whose commands take warnings for errors, or the one whose do not."""
    _started.append(Forks(INTERPRETER if strict else LOCALE))
    return _started[-1]


def end() -> None:
    """End those that there are."""
    while _started:
        _started.pop().end()
    forks.cache_clear()


def takes(environment: Mapping[str, str]) -> bool:
    """Whether a fork is what a process with this environment would be."""
    return sys.platform == "linux" and {
        name: value for name, value in environment.items() if is_pythons(name)
    } in (LOCALE, INTERPRETER)


def is_pythons(name: str) -> bool:
    """Whether Python itself looks at this variable when it starts, and then does something else."""
    if name in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
        return False
    return name.startswith(("PYTHON", "LC_", "TZ")) or name == "LANG"


class Forked:
    """A process that was forked; what it shares with `subprocess.Popen` is named as there."""

    def __init__(self, told: int) -> None:
        self._told = os.fdopen(told, "rb")
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Give the exit code, negative for a signal; None while it runs."""
        try:
            return self.wait(timeout=0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; gives the exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if timeout is not None and not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked process", timeout)
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, if it has not ended."""
        self.send_signal(signal.SIGKILL)


def start(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], descriptors: Sequence[int]
) -> Forked:
    """Fork what these words name, with these three descriptors: our command, or `python -m MODULE`."""
    return forks("PYTHONWARNINGS" in environment).started(words, folder, environment, descriptors)


def run(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    given: bytes | None,
    most_seconds: float,
) -> tuple[int, bytes, bytes]:
    """Run a command through pipes, forked where that can be; gives exit code, output and errors."""
    if not takes(environment):
        ended = subprocess.run(
            words, cwd=folder, env=environment, input=given, capture_output=True, timeout=most_seconds
        )
        return ended.returncode, ended.stdout, ended.stderr
    out, theirs_out = os.pipe()
    err, theirs_err = os.pipe()
    source, feed = (os.open(os.devnull, os.O_RDONLY), None) if given is None else os.pipe()
    theirs = [source, theirs_out, theirs_err]
    forked = start(words, folder, environment, theirs)
    for descriptor in theirs:
        os.close(descriptor)
    watch = Timer(most_seconds, forked.kill)  # one that hangs is ended, so that its test fails
    watch.start()
    with ThreadPoolExecutor(3) as pool:
        if feed is not None:
            pool.submit(_feed, feed, given or b"")
        said, complained = pool.map(_whole, (out, err))
        code = forked.wait()
    watch.cancel()
    return code, said, complained


def completed(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run our command with these arguments, as `python -m faiss_memory`, and give what `subprocess.run` would."""
    words = [sys.executable, "-m", "faiss_memory", *arguments]
    code, said, complained = run(words, folder, {**LOCALE, **environment}, None, 60)
    return subprocess.CompletedProcess(words, code, said.decode(), complained.decode())


def _feed(descriptor: int, given: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as pipe:
        pipe.write(given)


def _whole(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read()


# The process that forks.


def _imported() -> None:
    """Import what commands import, as far as it starts no thread: a fork would be without it."""
    from importlib import import_module  # noqa: PLC0415
    from importlib.metadata import entry_points  # noqa: PLC0415

    from faiss_memory.cli import COMMANDS  # noqa: PLC0415

    for home in COMMANDS.values():
        import_module(home.place.partition(":")[0])
    for name in (
        "http.client",
        "rich.console",
        "rich.table",
        "rich.progress",
        "faiss_memory.serve",
        "tests.fakes",
    ):
        import_module(name)
    for point in entry_points(group="faiss_memory"):
        point.load()
    _settled()


def _settled() -> None:
    """Have done once what each service does anew and what comes out the same: one is built, and not started."""
    from faiss_memory.app import build_service, create_app  # noqa: PLC0415
    from faiss_memory.plugin_host import PluginHost, our_packages  # noqa: PLC0415
    from faiss_memory.settings import load  # noqa: PLC0415
    from faiss_memory_plugins.ingest.ignoring import Rules  # noqa: PLC0415
    from tests import routing  # noqa: PLC0415

    routing.share()
    our_packages()
    host = PluginHost()
    with TemporaryDirectory() as folder:
        settings = load(None, {"data_dir": folder}, {}, lambda _: host.section_types()).settings
        Rules.of(settings)
        service = build_service(settings, lambda _: None)
        create_app(service)._router.find("/")
        service.stop()


def _forked(control: socket.socket, silenced: Mapping[str, str]) -> None:
    """Fork for each request; comes back in the process that is to be the command."""
    while True:
        asked, descriptors, *_ = socket.recv_fds(control, 1, 4)
        if not asked:
            _reap(0)
            os._exit(0)
        _reap(os.WNOHANG)
        while not asked.endswith(b"\n"):
            asked += control.recv(1 << 16)
        if not os.fork():
            break
        for descriptor in descriptors:
            os.close(descriptor)
    control.close()
    *three, told = descriptors
    if pid := os.fork():
        for descriptor in three:
            os.close(descriptor)
        os.write(told, b"%d\n" % pid)
        os.write(told, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os._exit(0)
    os.close(told)
    _become(json.loads(asked), three, silenced)


def _reap(how: int) -> None:
    """Wait for those that have waited for a command."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, how)[0]:
            pass


def _become(request: dict[str, object], descriptors: list[int], silenced: Mapping[str, str]) -> None:
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    os.setsid()
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches it
    os.chdir(str(request["folder"]))
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    os.environ.update(silenced)
    sys.argv = list(request["words"])  # type: ignore[call-overload]
    sys.stdin, sys.stdout, sys.stderr = _text(0, sys.stdin), _text(1, sys.stdout), _text(2, sys.stderr)


def _end(code: str | int | None) -> NoReturn:
    """End as the interpreter does, but without taking everything down, which takes as long as many a command."""
    for thread in enumerate_threads():
        if thread is not current_thread() and not thread.daemon:
            thread.join()
    sys.stdout.flush()
    sys.stderr.flush()
    assert isinstance(code, int)  # click gives no other
    os._exit(code)


def _text(number: int, before: TextIO) -> TextIO:
    """A standard stream as Python makes it, of a descriptor that is another one now."""
    buffering = 1 if number == 2 else -1
    return os.fdopen(number, "w" if number else "r", buffering, before.encoding, before.errors, closefd=False)


if __name__ == "__main__":
    before = dict(os.environ)
    from faiss_memory.cli import main

    # What importing ours has told libraries, so that they talk to nobody: a command would have imported it itself.
    silenced = {name: value for name, value in os.environ.items() if before.get(name) != value}
    assert "ORT_DISABLE_TELEMETRY" in silenced

    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # numpy would start threads
    _imported()
    if len(os.listdir("/proc/self/task")) > 1:
        sys.exit("a thread was started by an import")
    gc.freeze()  # no search for garbage in a fork copies what all of them share
    _forked(socket.socket(fileno=int(sys.argv[1])), silenced)
    try:
        if sys.argv[1:2] == ["-m"]:
            sys.argv = sys.argv[2:]
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            __package__ = None  # as in the console script: the program is called by its file's name
            main()
    except SystemExit as ended:
        _end(ended.code)
