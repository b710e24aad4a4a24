"""Between an assistant that speaks MCP over pipes and the service, which speaks it over HTTP.

A message is passed on as it is. What is added is what only this side knows: which folder the assistant works in, and
what to say while the service does not run.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from faiss_memory import (
    DEFAULT_PROJECT,
    BackgroundThread,
    Client,
    Limits,
    MemoryServiceError,
    NobodyThere,
    Unreachable,
    project_here,
)
from faiss_memory_plugins.mcp.asking import Asking
from faiss_memory_plugins.mcp.offline import SERVICE_ERROR, failed_call, offline_result

Message = dict[str, Any]

PATIENCE = 3.0
"""Seconds to try again for when a service that was there takes no connection: about what a restart takes."""
ROOTS_PATIENCE = 2.0
"""Seconds to wait for an assistant that has promised to say which folders it works in."""
FAREWELL = 3.0
"""Seconds that calls may still take when the input has ended."""
AT_ONCE = 8
"""Calls that the service is asked at the same time. More are read meanwhile: the end of the input is noticed so."""

ABOUT_A_PROJECT = frozenset({"tools/call", "prompts/get", "resources/list"})
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
ROOTS_ID = "faiss-memory-roots"

PARSE_ERROR, INVALID_REQUEST = -32700, -32600


class Relay:
    """One assistant's connection, from its first message to the end of its input."""

    def __init__(self, client: Callable[[], Client], project: str | None, limits: Limits) -> None:
        self._client = client
        self._given = project
        self._limits = limits
        self._version = ""
        self._was_there = False
        self._has_roots = False
        self._roots_asked = 0
        self._root: Path | None = None
        self._roots_known = threading.Event()
        self._roots_known.set()
        self._client_name = ""
        self._asking = Asking(self._say)
        self._writing = threading.Lock()
        self._free = threading.Semaphore(AT_ONCE)
        self._under_way: set[BackgroundThread] = set()

    def run(self, source: Iterable[bytes], sink: IO[bytes]) -> None:
        """Answer until the input ends, or nobody reads the answers."""
        self._sink = sink
        try:
            for line in source:
                if line.strip():
                    self._take(line)
        except (KeyboardInterrupt, BrokenPipeError):
            pass
        deadline = time.monotonic() + FAREWELL
        for thread in list(self._under_way):
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive for thread in list(self._under_way)):
            # It still waits for the service; nobody waits for it any more, and it must not keep us.
            os._exit(0)

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            self._say({"id": None, "error": _error(PARSE_ERROR, "the line is not valid JSON")})
            return
        if not isinstance(message, dict) or not isinstance(message.get("method", ""), str):
            self._say({"id": None, "error": _error(INVALID_REQUEST, "send one JSON-RPC message a line")})
        elif "method" not in message:
            self._take_answer(message)
        elif "id" not in message:
            self._take_notification(message["method"])
        elif message["method"] == "initialize":  # what follows depends on it
            self._initialize(message)
        else:
            self._answer_beside(message)

    def _answer_beside(self, message: Message) -> None:
        """Answer a call while more are read. Each gets an answer, whatever goes wrong: the assistant waits for it."""

        def answer() -> None:
            with self._free:
                self._say_or_leave(self._agreed(message))
            self._under_way.discard(thread)

        def fail(error: BaseException) -> None:
            said = f"an error nobody foresaw: {type(error).__name__}: {error}"
            self._say_or_leave({"id": message["id"], "error": _error(SERVICE_ERROR, said)})
            self._under_way.discard(thread)

        thread = BackgroundThread(f"call {message['id']}", answer, fail)
        self._under_way.add(thread)
        thread.start()

    def _say_or_leave(self, message: Message) -> None:
        try:
            self._say(message)
        except BrokenPipeError:
            # The assistant has gone, and the reading thread may not have noticed.
            os._exit(0)

    def _say(self, message: Message) -> None:
        with self._writing:
            self._sink.write(
                json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n"
            )
            self._sink.flush()

    # Which project is meant.

    def _initialize(self, message: Message) -> None:
        params = message.get("params")
        capabilities = params.get("capabilities") if isinstance(params, dict) else None
        self._has_roots = isinstance(capabilities, dict) and "roots" in capabilities and self._given is None
        self._asking.meet(capabilities)
        client = params.get("clientInfo") if isinstance(params, dict) else None
        self._client_name = str(client.get("name", "")) if isinstance(client, dict) else ""
        answer = self._asked(message)
        self._version = str(answer.get("result", {}).get("protocolVersion", ""))
        self._say(answer)

    def _take_notification(self, method: str) -> None:
        """Nothing that an assistant only tells concerns the service, which keeps no sessions."""
        if self._has_roots and method in ("notifications/initialized", "notifications/roots/list_changed"):
            self._roots_known.clear()
            self._roots_asked += 1
            self._say({"id": f"{ROOTS_ID}-{self._roots_asked}", "method": "roots/list"})

    def _take_answer(self, message: Message) -> None:
        self._asking.take(message)
        if message.get("id") == f"{ROOTS_ID}-{self._roots_asked}":
            self._root = _first_folder(message.get("result"))
            self._roots_known.set()

    def _project(self) -> str | None:
        if self._given is not None:
            return self._given
        self._roots_known.wait(ROOTS_PATIENCE)
        try:
            root = self._root or Path.cwd()
        except OSError:  # the folder was removed
            return None
        found = project_here(self._client(), root, is_root=self._root is not None).project
        return None if found == DEFAULT_PROJECT else found

    # Asking the service.

    def _agreed(self, message: Message) -> Message:
        """Answer a call, unless the person was asked about it and did not agree."""
        # By the newest revision the service asks, and its question is passed on as any other answer.
        if not _modern_version(message) and (refusal := self._asking.refusal(message)):
            return {"result": failed_call(refusal, modern=False), "id": message["id"]}
        return self._asked(message)

    def _asked(self, message: Message) -> Message:
        """Ask the service, and give what it answers, or what there is to say where it does not."""
        project = self._project() if message["method"] in ABOUT_A_PROJECT else None
        path = f"/mcp?project={quote(project, errors='surrogateescape')}" if project else "/mcp"
        modern = _modern_version(message)
        try:
            status, raw = self._sent(path, json.dumps(message).encode(), self._headers(message, modern))
            answer = _parsed(raw)
            if not any(isinstance(answer.get(part), dict) for part in ("result", "error")):
                answer = {"error": _error(SERVICE_ERROR, self._explained(status, answer))}
        except Unreachable as error:
            answer = offline_result(message, error.message, self._limits, modern=bool(modern))
        except MemoryServiceError as error:
            answer = {"error": _error(SERVICE_ERROR, str(error))}
        if message["method"] == "tools/call" and answer.get("error", {}).get("code") == SERVICE_ERROR:
            answer = {"result": failed_call(answer["error"]["message"], modern=bool(modern))}
        return {**answer, "id": message["id"]}

    def _explained(self, status: int, answer: Message) -> str:
        if status == 404:
            return "The service does not speak MCP: its plugin `mcp` is disabled."
        if isinstance(answer.get("description"), str):
            return self._client().words(status, answer)
        return f"The service answered with status {status}, and nothing that MCP knows."

    def _sent(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Send it, to wherever the service is now: after a restart it may be at another address."""
        deadline = time.monotonic() + (PATIENCE if self._was_there else 0)
        while True:
            try:
                answer = self._client().send(path, body, headers)
            except NobodyThere:
                if time.monotonic() > deadline:
                    self._was_there = False
                    raise
                time.sleep(0.1)
            else:
                self._was_there = True
                return answer

    def _headers(self, message: Message, modern: str | None) -> dict[str, str]:
        """Return the headers by which MCP over HTTP says what over pipes stands in the message alone."""
        headers = {"Content-Type": "application/json"}
        if self._client_name.isascii() and self._client_name.isprintable():
            headers["User-Agent"] = _header(self._client_name)
        if modern:
            headers |= {"MCP-Protocol-Version": _header(modern), "Mcp-Method": _header(message["method"])}
            named = message["params"].get("name", message["params"].get("uri"))
            if isinstance(named, str):
                headers["Mcp-Name"] = _header(named)
        elif self._version:
            headers["MCP-Protocol-Version"] = _header(self._version)
        return headers


def _modern_version(message: Message) -> str | None:
    """Read the revision that a message names for itself; one of the older revisions was settled at the beginning."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None


def _header(value: str) -> str:
    """Write a value as MCP has it for headers: in base64 where it is not plain text."""
    if value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?"):
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'surrogatepass')).decode()}?="


def _first_folder(result: Any) -> Path | None:
    roots = result.get("roots") if isinstance(result, dict) else None
    for root in roots if isinstance(roots, list) else []:
        uri = root.get("uri") if isinstance(root, dict) else None
        folder = folder_of(uri) if isinstance(uri, str) else None
        if folder is not None:
            return folder
    return None


def folder_of(uri: str) -> Path | None:
    """Read the address of a folder; None for one of something else, and for what no folder can be called."""
    try:
        parts = urlsplit(uri)
        # A drive's colon comes in escapes from some editors, and is not known for one then.
        path = re.sub("^(/[a-z])%3a", r"\1:", parts.path, flags=re.IGNORECASE)
        return Path(url2pathname(path)).resolve() if parts.scheme == "file" and path else None
    except (OSError, RuntimeError, ValueError):
        return None


def _parsed(raw: bytes) -> Message:
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _error(code: int, said: str) -> Message:
    return {"code": code, "message": said}
