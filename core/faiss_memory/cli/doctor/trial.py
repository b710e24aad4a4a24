"""Trying an entry as the assistant would: in a bare environment, with a real memory to be recalled."""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import SplitResult

from faiss_memory.address import named_address
from faiss_memory.cli.client import Client
from faiss_memory.cli.doctor.entries import Entry, parts_of
from faiss_memory.cli.doctor.findings import SECONDS
from faiss_memory.cli.doctor.interrupts import Interrupts
from faiss_memory.cli.failures import CommandFailed, NobodyThere
from faiss_memory.cli.writing import excerpt
from faiss_memory.contracts.dialect import TRIAL_SESSION, HookDialect
from faiss_memory.errors import ConfigError
from faiss_memory.install.commands import BARE_PATH
from faiss_memory.settings import Settings, environment_with

_WORDS = ("amber", "birch", "copper", "delta", "ember", "fjord", "granite", "harbour", "indigo", "juniper", "krypton",
          "lagoon", "marble", "nectar", "opal", "pewter", "quartz", "russet", "saffron", "tundra", "umber", "velvet",
          "willow", "xenon", "yarrow", "zephyr")  # fmt: skip


SOURCE = "faiss-memory doctor"
NOTHING = "nothing to show"
INSTALL = "faiss-memory install"
SHOWS_NOTHING = (
    "If it asked another service than this one, let FAISS_MEMORY_URL say the same to both, or stop one; else look at "
    "the settings `recall`"
)


class NotRecalled(Exception):
    """An entry did not bring the memory; the text says what came instead, and `advice` what to do.

    `passing` says that nothing but the time was wrong, so that another try may do.
    """

    def __init__(self, said: str, advice: str = "", *, passing: bool = False) -> None:
        super().__init__(said)
        self.advice = advice
        self.passing = passing


@dataclass(frozen=True, slots=True)
class TestMemory:
    """A memory that is there for a moment only."""

    id: int
    text: str
    project: str


@contextmanager
def trial(client: Client, project: str) -> Iterator[TestMemory]:
    """Store a memory in a project, and take it away again, however this ends. Raises CommandFailed."""
    was_there = project in {"default", *_projects(client)}
    _forget_left_behind(client, project)
    words = " ".join(secrets.choice(_WORDS) for _ in range(6))
    text = f"{SOURCE} asks whether {words} is remembered"
    with Interrupts() as interrupts:
        added = client.call("POST", "/memory/add", {"text": text, "source": SOURCE, "project": project})
        try:
            with interrupts.allowed():
                yield TestMemory(added["id"], text, project)
        finally:
            client.call("DELETE", f"/memory/{added['id']}")
            # Somebody may have begun to use the project meanwhile.
            if not was_there and _projects(client).get(project) == 0:
                client.call("DELETE", f"/projects/{project}")


def _projects(client: Client) -> dict[str, int]:
    return {one["name"]: one["memories"] for one in client.call("GET", "/projects")["projects"]}


def _forget_left_behind(client: Client, project: str) -> None:
    """Take away what an earlier run has left that was killed; not that of one that runs beside this."""
    before = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    client.call("POST", "/memory/forget", {"source": SOURCE, "project": project, "before": before})


def event_about(hook: HookDialect, event: str, text: str) -> dict[str, object]:
    """Return what a hook for an event is told about a text: as a prompt, or what a tool is given or has failed with."""
    tools = hook.tools
    if tools and event and event == tools.before:
        return {"hook_event_name": event, "tool_name": tools.delegating[0], "tool_input": {tools.task: text}}
    if tools and event and event == tools.after:
        told = {"error": text, "tool_response": f"Error: {text}"}
        return {"hook_event_name": event, "tool_name": tools.shells[0], **told}
    return {"hook_event_name": hook.prompt, "prompt": text}


def try_hook(entry: Entry, memory: TestMemory, folder: str, about: Mapping[str, object], token: str) -> None:
    """Fire a hook with an event about the memory's text. Raises NotRecalled."""
    session = TRIAL_SESSION + secrets.token_hex(8)
    event = {
        **about,
        "session_id": session,
        "conversation_id": session,
        "cwd": folder,
        "workspace_roots": [folder] if folder else [],
    }
    said = _post(entry, event, token) if entry.url else _run(entry, event, folder, token)
    if f"memory {memory.id} |" in said:
        return
    if entry.project not in (None, memory.project):
        raise NotRecalled(
            f"it asks for project `{entry.project}`, and this folder's is `{memory.project}`",
            AGAIN,
        )
    if not said and (reason := _why_nothing(entry, event, folder, token)):
        answered = re.search(r"HTTP/1\.\d (\d+)", reason)
        advice = advice_on(int(answered[1])) if answered else SHOWS_NOTHING if NOTHING in reason else ""
        raise NotRecalled(f"it had nothing to say: {reason}", advice, passing=not advice)
    raise NotRecalled(f"it brought {brought(said)}, and not what was stored a moment ago", SHOWS_NOTHING)


def _run(entry: Entry, event: Mapping[str, object], folder: str, token: str) -> str:
    """Run a hook's command in a bare environment; gives what it prints."""
    line = len(entry.command) == 1
    try:
        ended = subprocess.run(
            _aloud(entry.command[0]) if line else entry.command,
            shell=line,
            input=json.dumps(event).encode(),
            capture_output=True,
            cwd=folder or None,
            env=bare_environment(token),
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NotRecalled(f"it did not end within {SECONDS} s", AGAIN) from None
    except OSError as error:
        raise _not_started(entry, error.strerror or str(error), error.errno == errno.EACCES) from None
    said = ended.stdout.decode("utf-8", "replace")
    if ended.returncode in _SHELLS:
        raise _not_started(entry, _last(ended.stderr), _SHELLS[ended.returncode] == "not allowed")
    if line and not said and re.search(rb"not found|not recognized", ended.stderr):
        raise _not_started(entry, _last(ended.stderr), False)
    if ended.returncode:
        raise NotRecalled(
            f"it ends with {ended.returncode}: {_last(ended.stderr)}",
            AGAIN,
        )
    return said


def _aloud(line: str) -> str:
    """Return a shell's line that does not hide what is wrong, as a shared one does."""
    return re.sub(r" 2>(?:/dev/null|nul)(?= \|\| exit 0$)", "", line)


def _not_started(entry: Entry, said: str, forbidden: bool) -> NotRecalled:
    program = (shlex.split(entry.command[0]) if len(entry.command) == 1 else entry.command)[0]
    if forbidden:
        return NotRecalled(f"{program} may not be run: {said}", f"chmod +x {program}")
    if os.path.isabs(program):
        return NotRecalled(f"{program}, or the Python that it names, is not there: {said}", LINK)
    return NotRecalled(f"it is not found where a desktop app looks: {said}", LINK)


_SHELLS = {126: "not allowed", 127: "not found"}
AGAIN = "Install it again: faiss-memory install"
LINK = f"{AGAIN} --link, which puts our commands where they are found"


def _why_nothing(entry: Entry, event: Mapping[str, object], folder: str, token: str) -> str:
    """Ask the hook program why it had nothing to say; other commands cannot be asked."""
    line = len(entry.command) == 1
    if not re.search(r"faiss-memory-hook(\.exe)?[\"']?(\s|$)", " ".join(entry.command)):
        return ""
    asked = (
        re.sub(r"((?: \|\| exit 0)?)$", r" --verbose\1", _aloud(entry.command[0]), count=1)
        if line
        else [*entry.command, "--verbose"]
    )
    ended = subprocess.run(
        asked, shell=line, input=json.dumps(event).encode(), capture_output=True, cwd=folder or None,
        env=bare_environment(token), timeout=SECONDS,
    )  # fmt: skip
    # A second time it may have come in time.
    return _last(ended.stderr).removeprefix("faiss-memory-hook: ") or (
        "no answer in time" if ended.stdout else ""
    )


def _post(entry: Entry, event: Mapping[str, object], token: str) -> str:
    status, said = ask(entry, "POST", entry.url, json.dumps(event).encode(), token)
    if status != 200:
        raise NotRecalled(f"{entry.url} answers {status}: {brought(said)}", advice_on(status))
    return said


def try_context(entry: Entry, memory: TestMemory, token: str) -> None:
    """Ask a context address, as an editor does. Raises NotRecalled."""
    body = json.dumps({"query": memory.text, "fullInput": memory.text}).encode()
    status, said = ask(entry, "POST", entry.url, body, token)
    if status != 200:
        raise NotRecalled(f"{entry.url} answers {status}: {brought(said)}", advice_on(status))
    if memory.text not in said:
        raise NotRecalled(f"it brought {brought(said)}, and not what was stored a moment ago")


def let_prove(url: str, token: str) -> None:
    """Let what answers at an address of an entry prove who it is, before it is sent the token. Raises NotRecalled.

    An assistant will send it without a proof; here, where one can be asked for, it is.
    """
    parts = _parts(url, token)
    place = named_address(f"{parts.scheme}://{parts.netloc}", "the entry", Settings(token=token))
    if not place.secret:
        return
    try:
        Client(place, SECONDS).meet()
    except NobodyThere:
        return  # which the question itself will tell
    except (CommandFailed, ConfigError) as error:
        raise NotRecalled(f"{url}: {error}", "Look at what runs there; it was not sent the token") from None


def _parts(url: str, token: str) -> SplitResult:
    """Return the parts of an address, filled in. What is said where it is none names it as the file does."""
    parts = parts_of(expanded(url, token))
    if parts is None:
        raise NotRecalled(f"{url} is no address that can be asked", INSTALL)
    return parts


def ask(entry: Entry, method: str, url: str, body: bytes | None, token: str) -> tuple[int, str]:
    """Send a request to an address as it stands in a file, with its headers filled in; gives status and body.

    Raises NotRecalled where nobody answers.
    """
    if token:
        let_prove(url, token)
    parts = _parts(url, token)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {name: expanded(value, token).strip() for name, value in entry.headers}
    connection = kind(parts.hostname or "", parts.port, timeout=min(entry.seconds, SECONDS))
    try:
        connection.request(
            method,
            f"{parts.path}{f'?{parts.query}' if parts.query else ''}",
            body,
            {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers},
        )
        answer = connection.getresponse()
        return answer.status, answer.read(1 << 20).decode("utf-8", "replace")
    except TimeoutError:
        raise NotRecalled(f"{url} gave no answer within {connection.timeout:g} s", passing=True) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotRecalled(
            f"nothing of ours answers at {url}: {getattr(error, 'strerror', None) or error}",
            f"If the service has moved to another address, install it again: {INSTALL}",
        ) from None
    finally:
        connection.close()


def expanded(text: str, token: str) -> str:
    """Fill in the variables that a file names, as the assistants do: `${NAME:-default}`, `${env:NAME}`, `$NAME`."""
    variables = {**environment_with({}), **({"FAISS_MEMORY_TOKEN": token} if token else {})}

    def value(found: re.Match[str]) -> str:
        return variables.get(found[1] or found[3], found[2] or "")

    return re.sub(r"\$\{(?:env:|\{ secrets\.)?(\w+)(?::-([^${}]*))?(?: \})?\}|\$(\w+)", value, text)


def bare_environment(token: str) -> dict[str, str]:
    """Return what a desktop app starts programs with."""
    bare = {"PATH": BARE_PATH, "HOME": str(Path.home())}
    if os.name == "nt":
        bare = dict(environment_with({}))
    return {**bare, **({"FAISS_MEMORY_TOKEN": token} if token else {})}


def advice_on(status: int) -> str:
    """Return what to do about an answer's status."""
    if status in (401, 403):
        return "Set FAISS_MEMORY_TOKEN in the environment that the assistant is started from"
    if status == 404:
        return (
            "The plugin that should answer there is disabled (setting plugins.disabled), or the service is another "
            "version: put that right, and start the service again"
        )
    return "See what the service checks above say"


def brought(said: str) -> str:
    """Return what an answer brought, in short."""
    return "nothing" if said.split() in ([], ["{}"], ["[]"]) else excerpt(said, 80)


def _last(raw: bytes) -> str:
    lines = raw.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else ""
