"""Running the console script as people do: at a pseudo-terminal, and through pipes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import forking

_PLAIN = re.compile(r"""faiss-memory(?: +(?:[\w./:=@%+,-]+|'[^'\n]*'|"[^"$`\\\n]*"))+ *""")
SCRIPT = str(Path(sys.executable).parent / "faiss-memory")
MOST_SECONDS = 120

# The terminal becomes the one that the new session belongs to, so that Ctrl-C reaches the process.
_TAKE_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Ended:
    """A process that has ended; at a terminal `out` has everything that was shown."""

    code: int
    out: str
    err: str = ""

    @property
    def shown(self) -> str:
        """What a person reads: without colours, and with one kind of line break."""
        return ANSI.sub("", self.out).replace("\r\n", "\n")

    @property
    def rows(self) -> list[list[str]]:
        """The records of a plain answer, which must have succeeded."""
        assert self.code == 0, self.err
        assert not ANSI.search(self.out)
        return [line.split("\t") for line in self.out.splitlines()]

    def failure(self, code: int) -> str:
        """What was said, of a command that failed in words."""
        assert self.code == code, self
        assert self.out == ""
        assert self.err.startswith("faiss-memory: ")
        assert "Traceback" not in self.err
        return self.err


def plain_words(line: str) -> list[str]:
    """Split a line that calls the program and that no shell would change: what follows the name; else nothing."""
    return shlex.split(line)[1:] if _PLAIN.fullmatch(line) else []


@dataclass(frozen=True)
class CommandLine:
    """Runs `faiss-memory` in a folder, with an environment of its own."""

    folder: Path
    environment: Mapping[str, str]

    def __call__(
        self,
        *arguments: object,
        input: str | bytes | None = "",
        folder: Path | None = None,
        **environment: str,
    ) -> Ended:
        """Run it through pipes; `input=None` leaves standard input where a person's terminal would not be."""
        raw = input.encode() if isinstance(input, str) else input
        words, where = [SCRIPT, *map(str, arguments)], folder or self.folder
        given = {**self.environment, **environment}
        code, out, err = forking.run(words, where, given, raw, MOST_SECONDS)
        return Ended(code, out.decode(), err.decode())

    @property
    def project(self) -> str:
        """The project of its folder."""
        found = re.search(r"belongs to (\S+)", self("projects").err)
        assert found
        return found[1]

    def added(self, *arguments: object, **how: str) -> int:
        """Add a memory; gives its id."""
        ended = self("add", "--json", *arguments, **how)
        assert (ended.code, ended.err) == (0, "")
        id: int = json.loads(ended.out)["id"]
        return id

    def shell(self, script: str) -> Ended:
        """Run a line as a shell would, with the script's folder on the path; one that needs no shell without it."""
        if words := plain_words(script):
            return self(*words, input=None)
        path = f"{Path(SCRIPT).parent}{os.pathsep}{self.environment['PATH']}"
        ended = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env={**self.environment, "PATH": path},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MOST_SECONDS,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def at_terminal(
        self,
        *arguments: object,
        width: int = 120,
        folder: Path | None = None,
        most_seconds: float = MOST_SECONDS,
        **environment: str,
    ) -> Terminal:
        """Start it at a pseudo-terminal."""
        command = [SCRIPT, *map(str, arguments)]
        return Terminal(
            command, folder or self.folder, {**self.environment, **environment}, width, most_seconds
        )

    def seen(self, *arguments: object, **how: object) -> Ended:
        """Run it at a pseudo-terminal where nobody types, and give what was shown."""
        return self.at_terminal(*arguments, **how).ended()  # type: ignore[arg-type]


class Terminal:
    """A process at a pseudo-terminal of its own."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        width: int,
        most_seconds: float,
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        given = {"TERM": "xterm-256color", **environment}
        self._process: forking.Forked | subprocess.Popen[bytes]
        if forking.takes(given):
            self._process = forking.start(command, folder, given, [theirs] * 3)
        else:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _TAKE_TERMINAL, *command],
                cwd=folder, env=given, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            )  # fmt: skip
        os.close(theirs)
        self._read = b""
        # One that hangs is ended, so that its test fails instead of hanging too.
        self._watch = threading.Timer(most_seconds, self._process.kill)
        self._watch.start()

    def until(self, text: str) -> str:
        """Read until a text is shown."""
        while text not in (shown := ANSI.sub("", self._read.decode(errors="replace"))):
            if not self._more():
                self._watch.cancel()
                raise AssertionError(f"{text!r} was not shown:\n{shown}")
        return shown

    def type(self, text: str) -> None:
        """Type; `\\x03` is Ctrl-C."""
        os.write(self._ours, text.encode())

    def ended(self) -> Ended:
        """Read to the end."""
        while self._more():
            pass
        code = self._process.wait()
        self._watch.cancel()
        os.close(self._ours)
        return Ended(code, self._read.decode(errors="backslashreplace"))

    def _more(self) -> bool:
        try:
            chunk = os.read(self._ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            return False
        self._read += chunk
        return bool(chunk)
