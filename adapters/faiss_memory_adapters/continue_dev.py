"""Continue: an MCP server, rules, prompts, and a context provider with a call of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import msgspec
import yaml
from msgspec import UNSET, UnsetType

from faiss_memory import (
    DEFAULT_PROJECT,
    Adapter,
    Answer,
    ConfigFile,
    Detection,
    InstallContext,
    InvalidRequest,
    Message,
    Note,
    OwnFile,
    ProjectName,
    PromptTemplate,
    Rights,
    Route,
    SearchRequest,
    Service,
    YamlDefault,
    YamlItem,
    clean_line,
    endpoint_address,
    frame,
    note_text,
)
from faiss_memory_adapters.client_files import items, place_of, read_yaml
from faiss_memory_adapters.hindrances import TOOL, matching
from faiss_memory_adapters.mcp_entry import arguments, starts_us
from faiss_memory_adapters.texts import RULES, template

PROMPT = PromptTemplate("continue", RULES)
RULE = f"""---
name: FAISS Memory
description: When to search the project's memory, and what to store in it
alwaysApply: true
---

{RULES}"""
PROMPTS = ("remember", "recall", "forget")
ABOUT = {"name": "FAISS Memory", "version": "1.0.0", "schema": "v1"}
"""What Continue asks of every file of configuration."""
MOST_ITEMS = 20
LONGEST_NAME = 60


class ContextParams(Message):
    """Names the project, as the configuration carries it."""

    project: ProjectName | None = None


class ContextRequest(Message, forbid_unknown_fields=False):
    """What Continue's context provider sends; other versions send other fields too."""

    query: str = ""
    fullInput: str = ""
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    workspacePath: str | None = None


class ContextUri(Answer):
    """Where a memory comes from."""

    type: str
    value: str


class ContextItem(Answer):
    """A memory, as Continue puts it into the conversation."""

    name: str
    description: str
    content: str
    uri: ContextUri | UnsetType = UNSET


def _context(
    service: Service, params: ContextParams, request: ContextRequest, rights: Rights
) -> list[ContextItem]:
    query = request.query.strip() or request.fullInput.strip()
    if not query:
        return []
    # (The folder of a member of the team need not be one of this machine.)
    place = DEFAULT_PROJECT if rights.actor else _project_of_workspace(service, request.workspacePath)
    project = params.project or place
    found = service.find(
        SearchRequest(
            # A whole message may be longer than a query can be; the model reads no more than its beginning anyway.
            query=query[: service.settings.limits.text_bytes // 4],
            k=_wanted(request.options),
            project=list(dict.fromkeys([project, DEFAULT_PROJECT])),
        ),
        rights,
    )
    return [_item(memory) for memory in found.results] or [_nothing(query, found.withheld)]


def _nothing(query: str, withheld: int) -> ContextItem:
    """Return the item that says that nothing is remembered: without any, Continue would say nothing at all."""
    about = clean_line(query, LONGEST_NAME)
    more = f" ({withheld} that hardly fit were withheld)" if withheld else ""
    return ContextItem(
        name="nothing remembered",
        description=f"nothing about “{about}”",
        content=f"Nothing is remembered about “{about}”{more}.",
    )


def _wanted(options: dict[str, Any]) -> int:
    wanted = options.get("k", 5)
    if type(wanted) is not int or not 1 <= wanted <= MOST_ITEMS:
        raise InvalidRequest(f"`options.k` must be a whole number from 1 to {MOST_ITEMS}", "options.k")
    return wanted


def _item(memory: Any) -> ContextItem:
    whole = memory.passage is UNSET
    note = Note(
        id=memory.id,
        date=memory.timestamp[:10],
        source=memory.source,
        project=memory.project,
        text=memory.text if whole else memory.passage.text,
        cut=not whole,
        ended=memory.valid_until[:10] if memory.state == "expired" else "",
    )
    source = clean_line(memory.source)
    is_url = source == memory.source and source.startswith(("https://", "http://"))
    return ContextItem(
        name=clean_line(memory.text, LONGEST_NAME),
        description=f"remembered {note.date}{f', from {source}' if source else ''}",
        content=frame("found for this prompt", [note_text(note)]),
        uri=ContextUri(type="url", value=source) if is_url else UNSET,
    )


def _project_of_workspace(service: Service, place: str | None) -> str:
    """Name the project of an editor's folder, a path or a URI; what is not on this machine is nobody's."""
    try:
        parts = urlsplit(place or "")
        if parts.scheme in ("file", "vscode-remote"):
            place = url2pathname(parts.path) if parts.scheme == "file" else unquote(parts.path)
        folder = Path(place or "")
        # A relative path would be taken from the service's own folder, which says nothing about the editor's.
        return service.project_at(folder) if folder.is_absolute() and folder.is_dir() else DEFAULT_PROJECT
    except (OSError, ValueError, RuntimeError):  # no path at all, or one that leads in a circle
        return DEFAULT_PROJECT


def _routes(service: Service) -> Sequence[Route]:
    return (
        Route(
            group="Assistants",
            method="POST", path="/adapters/continue/context", summary="Answer Continue's context provider",
            params=ContextParams, body=ContextRequest, answer=list[ContextItem],
            handler=lambda params, body, rights: _context(service, params, body, rights),
        ),
    )  # fmt: skip


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    folder = _home(context) if context.scope == "user" else ".continue"
    texts = [
        OwnFile(f"{folder}/rules/faiss-memory.md", RULE),
        *(
            OwnFile(f"{folder}/prompts/faiss-memory-{name}.md", template(f"continue/{name}.md"))
            for name in PROMPTS
        ),
    ]
    if context.scope == "user":
        config = f"{folder}/config.yaml"
        return (
            *(YamlDefault(config, (key,), value) for key, value in ABOUT.items()),
            YamlItem(config, ("mcpServers",), _server(context)),
            YamlItem(config, ("context",), _provider(context)),
            *texts,
        )
    return (
        OwnFile(".continue/mcpServers/faiss-memory.yaml", _block("mcpServers", _server(context))),
        OwnFile(".continue/context/faiss-memory.yaml", _block("context", _provider(context))),
        *texts,
    )


def _home(context: InstallContext) -> str:
    return context.kept_in("CONTINUE_GLOBAL_DIR", "~/.continue")


def _obstacles(context: InstallContext) -> Sequence[str]:
    """The command cn has a list of the tools that it leaves out."""
    path = place_of(f"{_home(context)}/permissions.yaml")
    if pattern := matching(items(read_yaml(path), "exclude"), TOOL, f"{TOOL}(*)"):
        return (f"{path} denies our tools (`{pattern}` in `exclude`).",)
    return ()


def _server(context: InstallContext) -> dict[str, Any]:
    if starts_us(context):
        started = {"command": context.command, "args": arguments(context)}
        return {"name": "faiss-memory", "type": "stdio", **started}
    server = {"name": "faiss-memory", "type": "streamable-http", "url": endpoint_address(context, "/mcp")}
    return {**server, **({"requestOptions": _headers(context)} if context.has_token else {})}


def _provider(context: InstallContext) -> dict[str, Any]:
    params = {
        "url": endpoint_address(context, "/adapters/continue/context"),
        "title": "memory",
        "displayTitle": "Memory",
        "description": "Search FAISS Memory",
    }
    return {
        "name": "faiss-memory",
        "provider": "http",
        "params": {**params, **(_headers(context) if context.has_token else {})},
    }


def _headers(context: InstallContext) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer ${{{{ secrets.{context.token_variable} }}}}"}}


def _block(kind: str, item: dict[str, Any]) -> str:
    written: str = yaml.safe_dump({**ABOUT, kind: [item]}, sort_keys=False, width=1000)
    return written


def _steps(context: InstallContext) -> Sequence[str]:
    secret = f"Put {context.token_variable}=… into ~/.continue/.env: the files name it, and do not hold it."
    cli = "The command cn reads MCP servers from ~/.continue/config.yaml only: `--user` writes them there."
    return (
        *((secret,) if context.has_token else ()),
        *(() if context.scope == "user" else (cli,)),
    )


adapter = Adapter(
    name="continue",
    title="Continue",
    marks=(".continue", ".continuerules"),
    prompt=PROMPT,
    files=_files,
    routes=_routes,
    steps=_steps,
    reload="Reload the window of your editor, so that Continue reads its configuration again.",
    obstacles=_obstacles,
    detection=Detection(
        paths=(".continue", "~/.continue"), commands=("cn",), variables=("CONTINUE_GLOBAL_DIR",)
    ),
)
