"""Linux: a systemd user unit.

Tests have systemd itself check the unit's text; the calls to `systemctl` are tested with a stand-in, because a test
has no session of its own. By hand all of it was tried with systemd 252.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import platformdirs

from faiss_memory.autostart.base import Autostart, State
from faiss_memory.autostart.command import Command
from faiss_memory.autostart.tool import must, run
from faiss_memory.errors import AutostartError

UNIT = "faiss-memory.service"

INSTEAD = (
    "run `faiss-memory serve` under whatever starts programs here: as a container's command, or under supervisord, "
    "runit, or a line `@reboot` in your crontab."
)

# TimeoutStopSec is well above the seconds in which a stopping service finishes its requests. KillMode: the children
# answer until the service itself is done with them. Exit code 2 (a wrong setting, a port that is taken) and 3
# (the data folder is in use) stand for what no restart mends.
_TEMPLATE = """\
# Written by `faiss-memory service install`, which also changes it.
[Unit]
Description=FAISS Memory, a semantic memory for AI coding assistants
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
ExecStart={command}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2 3
KillMode=mixed
TimeoutStopSec=30

[Install]
WantedBy=default.target
"""


class Systemd(Autostart):
    """A unit of the person's own systemd."""

    kind = "systemd user service"
    advice = (
        "It starts when you log in, and stops when you log out of your last session. `loginctl enable-linger` lets it "
        "run without you, from the machine's start on."
    )

    def __init__(self) -> None:
        self.path = Path(platformdirs.user_config_dir()) / "systemd" / "user" / UNIT

    def check(self) -> None:
        """Ask systemctl for the person's systemd."""
        if shutil.which("systemctl") is None:
            raise AutostartError(f"there is no systemd here, so nothing was done: {INSTEAD}")
        asked = run("systemctl", "--user", "show", "--property=Version")
        if asked.code != 0:
            raise AutostartError(
                f"your systemd cannot be reached, so nothing was done: {asked.said}. It is there in a session you "
                f"log in to (not one made by su or sudo), and under WSL with systemd=true below [boot] in "
                f"/etc/wsl.conf. Where there is none: {INSTEAD}"
            )

    def render(self, command: Command) -> bytes:
        """Write the unit."""
        return _TEMPLATE.format(command=" ".join(quote(word) for word in _startable(command.words))).encode()

    def read(self, content: bytes) -> Command:
        """Read ExecStart back."""
        found = re.search(r"^ExecStart=(.*)$", content.decode(), re.MULTILINE)
        words = unquote(found[1]) if found else []
        return Command(tuple(words[len(_BY_SHELL) :] if words[: len(_BY_SHELL)] == _BY_SHELL else words))

    def state(self) -> State:
        """Ask systemctl for the unit's properties."""
        asked = must(
            "systemctl", "--user", "show", UNIT,
            "--property=ActiveState,SubState,MainPID,UnitFileState,Result,ExecMainStatus",
        )  # fmt: skip
        facts = dict(line.partition("=")[::2] for line in asked.out.splitlines())
        active = facts.get("ActiveState", "")
        pid = int(facts.get("MainPID") or 0) or None
        result, code = facts.get("Result", ""), facts.get("ExecMainStatus", "")
        remark = ""
        if active != "active" and result not in ("", "success"):
            remark = f"ended with exit code {code}" if result == "exit-code" else f"ended: {result}"
        return State(
            running=active in ("active", "reloading", "deactivating") and pid is not None,
            pid=pid,
            at_login=facts.get("UnitFileState") == "enabled",
            failed=active == "failed",
            remark=remark + (", starts again in a moment" if facts.get("SubState") == "auto-restart" else ""),
        )

    def start(self) -> None:
        """Start the unit, even if it failed often before."""
        run("systemctl", "--user", "reset-failed", UNIT)
        must("systemctl", "--user", "start", UNIT)

    def stop(self) -> None:
        """Stop the unit; returns when it has ended."""
        must("systemctl", "--user", "stop", UNIT)

    def restart(self) -> None:
        """Stop and start the unit."""
        run("systemctl", "--user", "reset-failed", UNIT)
        must("systemctl", "--user", "restart", UNIT)

    def _enable(self, *, changed: bool) -> None:
        if changed:
            must("systemctl", "--user", "daemon-reload")
        running = changed and self.state().running
        run("systemctl", "--user", "reset-failed", UNIT)
        must("systemctl", "--user", "enable", "--now", UNIT)
        if running:
            self.restart()

    def _disable(self) -> None:
        must("systemctl", "--user", "disable", "--now", UNIT)

    def _reread(self) -> None:
        must("systemctl", "--user", "daemon-reload")
        run("systemctl", "--user", "reset-failed", UNIT)


_BY_SHELL = ["/bin/sh", "-c", 'exec "$0" "$@"']


def _startable(words: tuple[str, ...]) -> list[str]:
    """Systemd refuses a program whose path has quotes or backslashes, and reads `$` in it in two ways at once."""
    return [*_BY_SHELL, *words] if re.search(r"""["'\\$]""", words[0]) else list(words)


def quote(word: str) -> str:
    r"""Write a word so that systemd reads it as it is: no `%` specifier, no `$` variable, no `\` escape."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return word if re.fullmatch(r"[A-Za-z0-9_./:=,@+-]+", word) else f'"{escaped}"'


def unquote(line: str) -> list[str]:
    """Read the words that `quote` wrote, separated by spaces."""
    words = []
    for quoted, bare in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line):
        text = re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
        words.append(text.replace("%%", "%").replace("$$", "$"))
    return words
