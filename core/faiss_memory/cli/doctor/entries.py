"""What stands in an assistant's files at present, read as the assistant reads it: hooks, and addresses."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qs, urlsplit

from faiss_memory.contracts.config_files import MARK
from faiss_memory.errors import CannotMerge
from faiss_memory.install import ABSENT, Part, current

Kind = Literal["hook", "mcp", "context"]
_URLS = ("url", "httpUrl", "serverUrl")
_PATHS: dict[str, Kind] = {"/hook": "hook", "/mcp": "mcp", "/context": "context"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A command or an address in a file, by which the assistant reaches the service."""

    kind: Kind
    file: str
    event: str = ""
    """For which event, of a hook."""
    command: tuple[str, ...] = ()
    """Program and arguments; a single one is a line for the shell."""
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = math.inf
    """How long the assistant waits for an answer of the address."""

    @property
    def project(self) -> str | None:
        """The project that it carries; None if it leaves that to the folder."""
        if self.url:
            parts = parts_of(self.url)
            return None if parts is None else next(iter(parse_qs(parts.query).get("project", [])), None)
        words = " ".join(self.command).replace("=", " ").split()
        if "--project" in words[:-1]:
            return words[words.index("--project") + 1]
        return _project_of_line(self.command)

    @property
    def named_address(self) -> str:
        """The address that stands in the file; empty for a command that finds the service by itself."""
        if self.url:
            return self.url
        found = re.search(r"https?://[^\s\"']+", " ".join(self.command))
        return found[0] if found else ""


def parts_of(url: str) -> SplitResult | None:
    """Return the parts of an address as it stands in a file; None where it is none that can be asked."""
    try:
        parts = urlsplit(url)
        is_one = parts.hostname and parts.port != 0 and not re.search(r"[\x00-\x20\x7f]", parts.hostname)
    except ValueError:
        return None
    return parts if is_one else None


def entries(files: Mapping[str, Sequence[Part]]) -> list[Entry]:
    """Read the entries of an assistant's files. What cannot be read is left out: its file's state says so."""
    found: dict[Entry, None] = {}
    for path, parts in files.items():
        for part in parts:
            try:
                value = current(Path(path), part)
            except (CannotMerge, OSError):
                continue
            if value is not ABSENT:
                keys = getattr(part, "keys", ())
                found |= dict.fromkeys(_read(value, path, keys[-1] if keys else ""))
    return list(found)


def _read(value: Any, file: str, event: str) -> Iterator[Entry]:
    if isinstance(value, str) and file.endswith(".js"):
        yield from _of_program(value, file)
    elif isinstance(value, Mapping):
        entry = _entry(value, file, event)
        if entry is not None:
            yield entry
            return
        if isinstance(value.get("trigger"), str):
            event = value["trigger"]  # it stands beside the hook
        for key, inner in value.items():
            # In a file that is wholly ours the event stands above its hooks.
            yield from _read(inner, file, event or (key if isinstance(inner, list) else ""))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _read(inner, file, event)


def _of_program(text: str, file: str) -> Iterator[Entry]:
    """Yield what a plugin of ours reaches the service by: the constant `command`, or `address` with `headers`."""
    given: dict[str, Any] = {}
    for name, value in re.findall(r"^const (command|address) = (.+)$", text, re.MULTILINE):
        with suppress(ValueError):
            given["url" if name == "address" else name] = json.loads(value)
    if variable := re.search(r'Authorization: "Bearer " \+ process\.env\["(\w+)"\]', text):
        given["headers"] = {"Authorization": f"Bearer ${{{variable[1]}}}"}
    if entry := _entry(given, file, Path(file).name):
        yield entry


def _entry(value: Mapping[str, Any], file: str, event: str) -> Entry | None:
    for name in _URLS:
        if isinstance(url := value.get(name), str) and (kind := _kind_of(url)):
            headers = value.get("headers", {})
            given = (
                tuple(sorted((str(key), str(text)) for key, text in headers.items()))
                if isinstance(headers, Mapping)
                else ()
            )
            variable = value.get("bearer_token_env_var")
            if isinstance(variable, str):
                given = (*given, ("Authorization", f"Bearer ${{{variable}}}"))
            wait = value.get("timeout") if kind == "hook" else None
            seconds = float(wait) if isinstance(wait, int | float) and wait > 0 else math.inf
            return Entry(kind, file, event, url=url, headers=given, seconds=seconds)
    command = value.get("command")
    arguments = value.get("args", [])
    words = [command, *arguments] if isinstance(command, str) and isinstance(arguments, list) else command
    if isinstance(words, list) and all(isinstance(word, str) for word in words):
        line = " ".join(words)
        if f"{MARK}-hook" in line or "/hook?" in line:
            return Entry("hook", file, event, command=tuple(words))
        if MARK in line and "mcp" in words:
            return Entry("mcp", file, event, command=tuple(words))
    return None


def _kind_of(url: str) -> Kind | None:
    # (Not by its parts: also an address that somebody has broken is known for ours, and told.)
    path = re.split("[?#]", url, maxsplit=1)[0]
    return next((kind for ending, kind in _PATHS.items() if path.endswith(ending)), None)


def _project_of_line(command: Sequence[str]) -> str | None:
    line = " ".join(command)
    return line.split("?project=")[1].split('"')[0].split()[0] if "?project=" in line else None
