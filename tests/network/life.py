"""A life of the service and its command line in an empty home, every process of it traced."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.network.tracing import Trace, bare_environment, wrong
from tests.running import RunningService

HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
SEARCH = {"name": "memory_search", "arguments": {"query": "whales"}}
MESSAGES = (
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": SEARCH},
)
EVENT = {"hook_event_name": "UserPromptSubmit", "session_id": "s", "prompt": "do whales sing in the sea?"}
INPUT = {"mcp": "".join(json.dumps(message) + "\n" for message in MESSAGES), "hook": json.dumps(EVENT)}


COMMANDS: Mapping[str, str] = {
    "setup": "setup --undo",
    "install": "install cursor --yes",
    "add": "add whales-sing --tag sea",
    "search": "search whales",
    "build": "build notes.md --project built",
    "list": "list",
    "show": "show 1",
    "edit": "edit 1 --text whales-sing-in-the-sea",
    "is-novel": "is-novel whales",
    "tags": "tags",
    "projects": "projects",
    "stats": "stats",
    "cues": "cues",
    "dedupe": "dedupe",
    "export": "export --to all.jsonl",
    "import": "import all.jsonl --yes",
    "prompt": "prompt claude-code",
    "recall": "recall whales",
    "pin": "pin 1",
    "unpin": "unpin 1",
    "never": "never 1 whales",
    "health": "health",
    "backup": "backup --to all.tar",
    "backups": "backups",
    "restore": "restore all.tar --yes",
    "scan": "scan",
    "team": "team list",
    "watch": "watch list",
    "schedule": "schedule list",
    "share": "share 1",
    "report": "report --sample 1 --html report.html",
    "forget": "forget 2",
    "purge": "purge 3 --proof --yes",
    "status": "status",
    "doctor": "doctor",
    "mcp": "mcp",
    "hook": "claude-code --verbose",
    "aider": "aider --refresh",
    "package": "package claude-code --to plugin",
    "uninstall": "uninstall cursor",
    "service": "service status",
    "config": "config",
    "plugins": "plugins",
    "completion": "completion bash",
    "version": "version",
}
"""What each command is given while the service runs; `hook` is the hook program."""
AFTERWARDS = {"compile": "compile", "verify": "verify", "migrate": "migrate --to another"}
ITSELF = "serve"
MAY_FIND_FAULT = {"doctor", "service"}


class TracedService(RunningService):
    """The service as `faiss-memory serve` starts it in a home, under a trace."""

    def __init__(self, home: Path, trace: Trace, **environment: str) -> None:
        super().__init__(home / ".local" / "share" / "faiss-memory")
        self.log = trace.folder / "log"
        self._command = [*trace.prefix(ITSELF), sys.executable, "-m", "faiss_memory", "serve", "--port", "0"]
        self._environment = dict(bare_environment(home, **environment))
        self._descriptors = trace.descriptors


class Life:
    """What was done in a home, and what came of it."""

    def __init__(self, folder: Path, trace: Trace) -> None:
        self.home, self.project, self._trace = folder / "home", folder / "home" / "project", trace
        self.home.mkdir()
        self.project.mkdir()
        (self.project / ".git").mkdir()
        (self.project / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (self.project / "notes.md").write_text("# Whales\n\nWhales sing in the sea.\n")
        self.service = TracedService(self.home, trace)
        self.own = [
            self.project,
            trace.folder,
            self.home / "runtime" / "faiss-memory",
            *(
                self.home / way / "faiss-memory"
                for way in (".cache", ".config", ".local/share", ".local/state")
            ),
        ]
        self.maps = ""

    def run(self, name: str, words: str) -> None:
        """Run a command, traced under its name."""
        module = "faiss_memory_hook" if name == "hook" else "faiss_memory"
        done = subprocess.run(
            [*self._trace.prefix(name), sys.executable, "-m", module, *words.split()],
            cwd=self.project, env=bare_environment(self.home), input=INPUT.get(name, ""),
            capture_output=True, text=True, pass_fds=self._trace.descriptors,
        )  # fmt: skip
        assert done.returncode == 0 or name in MAY_FIND_FAULT, (name, done.stdout, done.stderr)

    def lived(self, seconds: float, commands: Iterable[str]) -> None:
        """Let the service compile its model, answer, and be asked by the commands, for so many seconds at least."""
        until = time.monotonic() + seconds
        self.service.start()
        try:
            for name in commands:
                self.run(name, COMMANDS[name])
            self._asked()
            time.sleep(max(0.0, until - time.monotonic()))  # for what asks somebody a while after the start
            self._asked()
            self.maps = Path(f"/proc/{self.service.process.pid}/maps").read_text()
            assert self.service.stop() == 0
        finally:
            self.service.kill()

    def _asked(self) -> None:
        service = self.service
        assert service.call("POST", "/memory/add", {"text": "whales sing in the sea"})[0] == 201
        assert service.call("POST", "/search", {"query": "music", "mode": "semantic"})[1]["count"]
        assert service.call("POST", "/memory/is-novel", {"text": "ships sink"})[0] == 200
        assert service.call("POST", "/search", {"query": "long " * 200_000})[0] == 400
        for path in (
            "/",
            "/docs",
            "/openapi.json",
            "/stats",
            "/memories?limit=100",
            "/adapters/generic/files",
        ):
            assert service.call("OPTIONS" if path in ("/", "/docs") else "GET", path)[0] == 200

    def said(self) -> dict[str, set[str]]:
        """Whom each process asked beyond this machine, and what it made outside our folders; empty if nothing."""
        return wrong(self._trace.calls(), self.own, self.project)
