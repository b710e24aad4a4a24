"""Assistants that speak MCP: to the application without a socket, and over pipes to the real command."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminals import SCRIPT
from tests.running import RunningService

HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
META = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def request(revision: str, method: str, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Write a request as a revision has it; gives body and headers."""
    headers = {**ACCEPT, "MCP-Protocol-Version": revision}
    if revision == STATELESS:
        params = {"_meta": META, **params}
        headers["Mcp-Method"] = method
        if "name" in params or "uri" in params:
            headers["Mcp-Name"] = params.get("name", params.get("uri"))
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers


class Assistant:
    """One client; `revision` is what it speaks, `path` what its configuration says."""

    def __init__(self, client: Any, revision: str, path: str = "/mcp", **options: Any) -> None:
        self._client, self.revision, self._path, self._options = client, revision, path, options

    def at(self, path: str, **options: Any) -> Assistant:
        return Assistant(self._client, self.revision, path, **{**self._options, **options})

    def answer(self, method: str, **params: Any) -> Any:
        """Ask, and give the HTTP answer."""
        body, headers = request(self.revision, method, params)
        options = {**self._options, "headers": {**headers, **self._options.get("headers", {})}}
        return self._client.post(self._path, body, **options)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask, and give the result."""
        answer = self.answer(method, **params)
        assert answer.status_code == 200, answer.text
        assert "result" in answer.json, answer.json
        return answer.json["result"]

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; gives the result, of an error too."""
        return self.ask("tools/call", name=name, arguments=arguments)

    def done(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must succeed; gives the structure."""
        result = self.call(name, **arguments)
        assert result["isError"] is False, result
        return result["structuredContent"]

    def refused(self, name: str, **arguments: Any) -> str:
        """Call a tool that must fail; gives what the model is told."""
        result = self.call(name, **arguments)
        assert result["isError"] is True, result
        assert "structuredContent" not in result
        return text(result)


def text(result: dict[str, Any]) -> str:
    """The text of a result."""
    (content,) = result["content"]
    return content["text"]


@pytest.fixture(params=[HANDSHAKE, STATELESS])
def revision(request: pytest.FixtureRequest) -> str:
    """Each revision of MCP that is spoken."""
    return request.param


@pytest.fixture
def assistant(client: Any, revision: str) -> Assistant:
    """An assistant of a service with the default settings."""
    return Assistant(client, revision)


@pytest.fixture
def assistant_of(
    make_service: Callable[..., Any], client_of: Callable[..., Any], revision: str
) -> Callable[..., Assistant]:
    """Make an assistant of a service with settings."""
    return lambda **settings: Assistant(client_of(make_service(**settings)), revision)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One running service on the stand-in embedder: use a project of your own."""
    with RunningService(tmp_path_factory.mktemp("mcp") / "data", fake=True) as service:
        yield service


class Piped:
    """`faiss-memory mcp` as an assistant starts it. Use as a context manager; its input is closed at the end."""

    def __init__(self, folder: Path, environment: dict[str, str], *words: str) -> None:
        self.process = subprocess.Popen(
            [SCRIPT, "mcp", *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> Piped:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, *messages: Any) -> None:
        """Send messages; bytes are sent as they are."""
        assert self.process.stdin is not None
        for message in messages:
            raw = (
                message if isinstance(message, bytes) else json.dumps({"jsonrpc": "2.0", **message}).encode()
            )
            self.process.stdin.write(raw + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Wait for the next message."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "it has ended: " + (self.process.stderr.read().decode() if self.process.stderr else "")
        return json.loads(line)

    def ask(self, method: str, number: int = 1, **params: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        self.say({"id": number, "method": method, "params": params})
        answer = self.hear()
        assert answer["id"] == number
        return answer

    def greet(self, capabilities: dict[str, Any] | None = None) -> dict[str, Any]:
        """Shake hands; gives what the server says of itself."""
        about = {"name": "test", "version": "1"}
        answer = self.ask(
            "initialize", protocolVersion=HANDSHAKE, capabilities=capabilities or {}, clientInfo=about
        )
        self.say({"method": "notifications/initialized"})
        return answer["result"]

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; gives the result."""
        return self.ask("tools/call", name=name, arguments=arguments)["result"]

    def close(self) -> int:
        """Close its input and wait for its end; gives the exit code."""
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return self.process.wait(timeout=60)


def repository(folder: Path, name: str) -> Path:
    """Make a folder the checkout of `owner.NAME`."""
    git = folder / ".git"
    git.mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "config").write_text(f'[remote "origin"]\n\turl = git@github.com:Owner/{name}.git\n')
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a person with this home folder."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "PYTHONWARNINGS": "error",
        **more,
    }


@pytest.fixture
def pipe(running: RunningService, tmp_path: Path) -> Callable[..., Piped]:
    """Start `faiss-memory mcp` in a folder, on the running service."""

    def start(folder: Path, *words: str) -> Piped:
        return Piped(folder, environment(tmp_path, XDG_RUNTIME_DIR=str(running.data.parent)), *words)

    return start
