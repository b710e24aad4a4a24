"""Trying an entry as the assistant would: in a bare environment, with a real memory to be recalled."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from faiss_memory.cli.client import Client
from faiss_memory.cli.doctor.entries import Entry
from faiss_memory.cli.writing import excerpt
from faiss_memory.hook_dialect import TRIAL_SESSION
from faiss_memory.install.commands import BARE_PATH
from faiss_memory.settings import environment_with

SECONDS = 20
_WORDS = ("amber", "birch", "copper", "delta", "ember", "fjord", "granite", "harbour", "indigo", "juniper", "krypton",
          "lagoon", "marble", "nectar", "opal", "pewter", "quartz", "russet", "saffron", "tundra", "umber", "velvet",
          "willow", "xenon", "yarrow", "zephyr")  # fmt: skip


class NotRecalled(Exception):
    """An entry did not bring the memory; the text says what came instead, and `advice` what to do."""

    def __init__(self, said: str, advice: str = "") -> None:
        super().__init__(said)
        self.advice = advice


@dataclass(frozen=True, slots=True)
class TestMemory:
    """A memory that is there for a moment only."""

    id: int
    text: str
    project: str


class Trial:
    """Stores a memory in a project, and takes it away again. Use as a context manager; raises CommandFailed."""

    def __init__(self, client: Client, project: str) -> None:
        self._client = client
        self._project = project
        self._was_there = True

    def __enter__(self) -> TestMemory:
        known = self._client.call("GET", "/projects")["projects"]
        self._was_there = self._project in {"default", *(entry["name"] for entry in known)}
        words = " ".join(secrets.choice(_WORDS) for _ in range(6))
        text = f"faiss-memory doctor asks whether {words} is remembered"
        added = self._client.call(
            "POST", "/memory/add", {"text": text, "source": "faiss-memory doctor", "project": self._project}
        )
        self.memory = TestMemory(added["id"], text, self._project)
        return self.memory

    def __exit__(self, *_: object) -> None:
        self._client.call("DELETE", f"/memory/{self.memory.id}")
        if not self._was_there:
            self._client.call("DELETE", f"/projects/{self._project}")


def try_hook(entry: Entry, memory: TestMemory, folder: str, prompt_event: str, token: str) -> None:
    """Fire a hook with the memory's text as the prompt. Raises NotRecalled."""
    session = TRIAL_SESSION + secrets.token_hex(8)
    event = {
        "hook_event_name": prompt_event,
        "session_id": session,
        "conversation_id": session,
        "cwd": folder,
        "workspace_roots": [folder] if folder else [],
        "prompt": memory.text,
    }
    said = _post(entry, event, token) if entry.url else _run(entry, event, folder, token)
    if f"memory {memory.id} |" in said:
        return
    if entry.project not in (None, memory.project):
        raise NotRecalled(
            f"it asks for project `{entry.project}`, and this folder's is `{memory.project}`",
            "Install it again: faiss-memory install",
        )
    raise NotRecalled(f"it brought {brought(said)}, and not what was stored a moment ago")


def _run(entry: Entry, event: Mapping[str, object], folder: str, token: str) -> str:
    """Run a hook's command in a bare environment; gives what it prints."""
    environment = bare_environment(token)
    line = len(entry.command) == 1
    try:
        ended = subprocess.run(
            entry.command[0] if line else entry.command,
            shell=line,
            input=json.dumps(event).encode(),
            capture_output=True,
            cwd=folder or None,
            env=environment,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NotRecalled(
            f"it did not end within {SECONDS} s", "Install it again: faiss-memory install"
        ) from None
    except OSError as error:
        raise NotRecalled(f"{entry.command[0]} cannot be started: {error.strerror}", LINK) from None
    said = ended.stdout.decode("utf-8", "replace")
    if ended.returncode == 127:
        raise NotRecalled(f"it is not found where a desktop app looks: {_last(ended.stderr)}", LINK)
    if ended.returncode:
        raise NotRecalled(
            f"it ends with {ended.returncode}: {_last(ended.stderr)}",
            "Install it again: faiss-memory install",
        )
    return said or _why_nothing(entry, event, folder, environment)


LINK = "Install it again with --link, which puts our commands where they are found"


def _why_nothing(
    entry: Entry, event: Mapping[str, object], folder: str, environment: Mapping[str, str]
) -> str:
    """Ask the hook program why it had nothing to say; other commands cannot be asked."""
    line = len(entry.command) == 1
    if not re.search(r"faiss-memory-hook(\.exe)?[\"']?(\s|$)", " ".join(entry.command)):
        return ""
    asked = f"{entry.command[0]} --verbose" if line else [*entry.command, "--verbose"]
    ended = subprocess.run(
        asked, shell=line, input=json.dumps(event).encode(), capture_output=True, cwd=folder or None, env=environment,
        timeout=SECONDS,
    )  # fmt: skip
    if reason := _last(ended.stderr):
        raise NotRecalled(f"it had nothing to say: {reason}", "See what the service checks above say")
    return ended.stdout.decode("utf-8", "replace")


def _post(entry: Entry, event: Mapping[str, object], token: str) -> str:
    status, said = ask(entry, "POST", entry.url, json.dumps(event).encode(), token)
    if status != 200:
        raise NotRecalled(f"{entry.url} answers {status}: {brought(said)}", _advice(status))
    return said


def try_context(entry: Entry, memory: TestMemory, token: str) -> None:
    """Ask a context address, as an editor does. Raises NotRecalled."""
    body = json.dumps({"query": memory.text, "fullInput": memory.text}).encode()
    status, said = ask(entry, "POST", entry.url, body, token)
    if status != 200:
        raise NotRecalled(f"{entry.url} answers {status}: {brought(said)}", _advice(status))
    if memory.text not in said:
        raise NotRecalled(f"it brought {brought(said)}, and not what was stored a moment ago")


def ask(entry: Entry, method: str, url: str, body: bytes | None, token: str) -> tuple[int, str]:
    """Send a request to an address as it stands in a file, with its headers filled in; gives status and body.

    Raises NotRecalled where nobody answers.
    """
    parts = urlsplit(expanded(url, token))
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {name: expanded(value, token) for name, value in entry.headers}
    connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.request(
            method,
            f"{parts.path}{f'?{parts.query}' if parts.query else ''}",
            body,
            {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers},
        )
        answer = connection.getresponse()
        return answer.status, answer.read(1 << 20).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotRecalled(
            f"nothing of ours answers at {url}: {getattr(error, 'strerror', None) or error}",
            "If the service has moved to another address, install it again: faiss-memory install",
        ) from None
    finally:
        connection.close()


def expanded(text: str, token: str) -> str:
    """Fill in the variables that a file names, as the assistants do: `${NAME:-default}`, `${env:NAME}`, `$NAME`."""
    variables = {**environment_with({}), **({"FAISS_MEMORY_TOKEN": token} if token else {})}

    def value(found: re.Match[str]) -> str:
        return variables.get(found[1] or found[3], found[2] or "")

    return re.sub(r"\$\{(?:env:|\{ secrets\.)?(\w+)(?::-([^}]*))?(?: \})?\}|\$(\w+)", value, text)


def bare_environment(token: str) -> dict[str, str]:
    """Give what a desktop app starts programs with."""
    bare = {"PATH": BARE_PATH, "HOME": str(Path.home())}
    if os.name == "nt":
        bare = dict(environment_with({}))
    return {**bare, **({"FAISS_MEMORY_TOKEN": token} if token else {})}


def _advice(status: int) -> str:
    if status in (401, 403):
        return "Set FAISS_MEMORY_TOKEN in the environment that the assistant is started from"
    if status == 404:
        return (
            "Another version, or a disabled plugin, answers there: start the service again, and install again"
        )
    return "See what the service checks above say"


def brought(said: str) -> str:
    """Tell what an answer brought, in short."""
    return "nothing" if said.split() in ([], ["{}"], ["[]"]) else excerpt(said, 80)


def _last(raw: bytes) -> str:
    lines = raw.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else ""
