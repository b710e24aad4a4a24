"""macOS: a launch agent. Nothing of this was tried on a Mac.

Tested are the property list's content, and the calls to `launchctl` with a stand-in.
"""

from __future__ import annotations

import os
import plistlib
import re
import time
from pathlib import Path

from faiss_memory.autostart.base import Autostart, State
from faiss_memory.autostart.command import Command
from faiss_memory.autostart.tool import must, run
from faiss_memory.errors import AutostartError

LABEL = "local.faiss-memory"

_STILL_STOPPING = 5
"""How launchctl answers `bootstrap` while the old service, after `bootout`, has not ended yet."""
_TRIES, _PAUSE = 60, 0.5


class Launchd(Autostart):
    """An agent in the person's graphical session."""

    kind = "launchd agent"
    caution = "This has not been tested on macOS; please tell us if it does not work."
    advice = "It starts when you log in, and stops when you log out."

    def __init__(self) -> None:
        self.path = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{LABEL}"

    def check(self) -> None:
        """Ask launchctl for the graphical session."""
        asked = run("launchctl", "print", self._domain)
        if asked.code != 0:
            raise AutostartError(
                f"launchd knows no graphical session of yours, so nothing was done: {asked.said}. Log in at the "
                "screen and try again, or run `faiss-memory serve` under a supervisor of your own."
            )

    def render(self, command: Command) -> bytes:
        """Write the property list."""
        return plistlib.dumps(
            {
                "Label": LABEL,
                "ProgramArguments": list(command.words),
                "RunAtLoad": True,
                "KeepAlive": {"SuccessfulExit": False},
                "ThrottleInterval": 30,
                # More than the service needs to finish its requests.
                "ExitTimeOut": 30,
                # An assistant waits for each answer: `Background` would let it wait longer.
                "ProcessType": "Interactive",
            }
        )

    def read(self, content: bytes) -> Command:
        """Read the program's arguments back."""
        try:
            return Command(tuple(plistlib.loads(content)["ProgramArguments"]))
        except (plistlib.InvalidFileException, TypeError) as error:
            raise ValueError(str(error)) from None

    def state(self) -> State:
        """Ask launchctl for the agent; a stopped one is not known to it."""
        asked = run("launchctl", "print", self._target)
        if asked.code != 0:
            return State(at_login=self.installed)
        pid = re.search(r"^\s*pid = (\d+)$", asked.out, re.MULTILINE)
        code = re.search(r"^\s*last exit code = (\d+)", asked.out, re.MULTILINE)
        ended = f"ended with exit code {code[1]}" if code and not pid and code[1] != "0" else ""
        return State(
            running=pid is not None,
            pid=int(pid[1]) if pid else None,
            at_login=self.installed,
            remark=ended and f"{ended}, starts again in a moment",
        )

    def start(self) -> None:
        """Hand the agent to launchd, or start it if it is there and does not run."""
        if self._known():
            if not self.state().running:
                must("launchctl", "kickstart", self._target)
            return
        must("launchctl", "enable", self._target)
        self._bootstrap()

    def stop(self) -> None:
        """Take the agent away from launchd until the next login: it would start again what was only killed."""
        if self._known():
            must("launchctl", "bootout", self._target)

    def restart(self) -> None:
        """Stop and start the agent."""
        if self._known():
            must("launchctl", "kickstart", "-k", self._target)
        else:
            self.start()

    def _known(self) -> bool:
        return run("launchctl", "print", self._target).code == 0

    def _bootstrap(self) -> None:
        for _ in range(_TRIES):
            if run("launchctl", "bootstrap", self._domain, str(self.path)).code != _STILL_STOPPING:
                break
            time.sleep(_PAUSE)
        if not self._known():
            must("launchctl", "bootstrap", self._domain, str(self.path))

    def _enable(self, *, changed: bool) -> None:
        if changed:
            self.stop()
        self.start()

    def _disable(self) -> None:
        self.stop()

    def _reread(self) -> None:
        """Nothing to do: launchd forgets the agent with `bootout`, and reads the file with `bootstrap`."""
