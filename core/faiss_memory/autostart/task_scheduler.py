"""Windows: a scheduled task at logon, which starts the service in WSL. Nothing of this was tried on Windows.

Tested are the task's XML, and the calls to `schtasks` with a stand-in. The service itself does not support Windows
natively yet; the task for a native Python is there for the day it does.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import platformdirs

from faiss_memory.autostart.base import Autostart, State
from faiss_memory.autostart.command import Command
from faiss_memory.autostart.running import find_service
from faiss_memory.autostart.tool import must, run
from faiss_memory.errors import AutostartError

TASK = "FAISS Memory"

_NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"

_TEMPLATE = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.3" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>FAISS Memory, a semantic memory for AI coding assistants</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger><Enabled>true</Enabled><UserId>{user}</UserId></LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <Hidden>true</Hidden>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>5</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{program}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"""


class TaskScheduler(Autostart):
    """A task of Windows, made from inside a WSL distribution, or natively if none is named."""

    kind = "Windows scheduled task"
    advice = (
        "It starts when you log in to Windows. A window may stay open while it runs; you can minimise it."
    )

    def __init__(self, distribution: str) -> None:
        self._distribution = distribution
        self._suffix = ".exe" if distribution else ""
        self.path = Path(platformdirs.user_config_dir("faiss-memory")) / "scheduled-task.xml"
        self.caution = "This has not been tested on Windows; please tell us if it does not work."
        if distribution:
            self.caution += (
                " A better way, if your WSL has it: write systemd=true below [boot] into /etc/wsl.conf, restart WSL, "
                "and install again."
            )
        else:
            self.caution += (
                " Natively the service itself does not run on Windows yet: install it in WSL, or use Docker."
            )

    def check(self) -> None:
        """Ask schtasks whether it is there."""
        must(self._tool("schtasks"), "/Query", "/?")

    def render(self, command: Command) -> bytes:
        """Write the task's XML, in UTF-16 as Windows exports it."""
        program, arguments = command.words[0], list(command.words[1:])
        if self._distribution:
            program, arguments = "wsl.exe", ["-d", self._distribution, "-e", *command.words]
        user = must(self._tool("whoami")).out.strip()
        return _TEMPLATE.format(
            user=escape(user), program=escape(program), arguments=escape(subprocess.list2cmdline(arguments))
        ).encode("utf-16")

    def read(self, content: bytes) -> Command:
        """Read the command back."""
        try:
            action = ElementTree.fromstring(content.decode("utf-16")).find(f".//{_NAMESPACE}Exec")
        except ElementTree.ParseError as error:
            raise ValueError(str(error)) from None
        if action is None:
            raise ValueError("the task starts nothing")
        program = action.findtext(f"{_NAMESPACE}Command") or ""
        words = [program, *split_windows(action.findtext(f"{_NAMESPACE}Arguments") or "")]
        return Command(tuple(words[4:] if program == "wsl.exe" else words))

    def state(self) -> State:
        """Go by what the service itself has left: what schtasks prints is in the language of Windows."""
        found = find_service()
        known = run(self._tool("schtasks"), "/Query", "/TN", TASK).code == 0
        return State(running=found is not None, pid=found.pid if found else None, at_login=known)

    def start(self) -> None:
        """Start the task, unless the service runs."""
        if find_service() is None:
            must(self._tool("schtasks"), "/Run", "/TN", TASK)

    def stop(self) -> None:
        """End the task. Windows ends it at once; what was acknowledged is on the disk."""
        must(self._tool("schtasks"), "/End", "/TN", TASK)

    def restart(self) -> None:
        """End the task and start it."""
        self.stop()
        must(self._tool("schtasks"), "/Run", "/TN", TASK)

    def _enable(self, *, changed: bool) -> None:
        if changed:
            running = find_service() is not None
            must(self._tool("schtasks"), "/Create", "/F", "/TN", TASK, "/XML", self._windows_path())
            if running:
                self.stop()
        self.start()

    def _disable(self) -> None:
        if run(self._tool("schtasks"), "/Query", "/TN", TASK).code == 0:
            run(self._tool("schtasks"), "/End", "/TN", TASK)
            must(self._tool("schtasks"), "/Delete", "/F", "/TN", TASK)

    def _reread(self) -> None:
        """Nothing to do: Windows keeps a copy of the file until `/Delete`."""

    def _tool(self, name: str) -> str:
        return name + self._suffix

    def _windows_path(self) -> str:
        if not self._distribution:
            return str(self.path)
        try:
            return must("wslpath", "-w", str(self.path)).out.strip()
        except AutostartError as error:
            raise AutostartError(f"{self.path} has no name in Windows: {error}") from None


def split_windows(line: str) -> list[str]:
    r"""Split a command line as Windows programs do: `\\` and `\"` are escapes only before a quote."""
    words: list[str] = []
    word, quoted, begun, at = "", False, False, 0
    while at < len(line):
        slashes = len(line[at:]) - len(line[at:].lstrip("\\"))
        at += slashes
        follows = line[at : at + 1]
        word += "\\" * (slashes // 2 if follows == '"' else slashes)
        begun = begun or slashes > 0
        at += 1
        if follows == '"' and slashes % 2:
            word += '"'
        elif follows == '"':
            quoted, begun = not quoted, True
        elif follows in " \t" and not quoted:
            words, word, begun = ([*words, word] if begun else words), "", False
        else:
            word, begun = word + follows, True
    return [*words, word] if begun else words
