"""Cline, in the terminal: the MCP server, rules and skills, for all projects, as it keeps its servers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from faiss_memory import (
    Adapter,
    ConfigFile,
    Detection,
    InstallContext,
    JsonMember,
    OwnFile,
    PromptTemplate,
    Snippet,
    endpoint_address,
)
from faiss_memory_adapters.client_files import place_of, read_json, table
from faiss_memory_adapters.hindrances import SERVER
from faiss_memory_adapters.mcp_entry import arguments, headers, starts_us
from faiss_memory_adapters.texts import RULES, skill_files

NAME = "cline"
PROMPT = PromptTemplate(NAME, RULES)
SECONDS = 30
"""How long Cline waits for an answer; its own 3 are too few on a busy machine, and it goes on then."""
# Its hooks bring nothing to a prompt: what UserPromptSubmit and TaskStart answer is passed over.


def _home(context: InstallContext) -> str:
    return context.kept_in("CLINE_DIR", "~/.cline")


def _servers(context: InstallContext) -> str:
    """Name its file of servers, which may have been moved by itself, or with all its data."""
    data = context.kept_in("CLINE_DATA_DIR", f"{_home(context)}/data")
    return context.kept_in("CLINE_MCP_SETTINGS_PATH", f"{data}/settings/cline_mcp_settings.json")


def _server(context: InstallContext, token: str) -> dict[str, Any]:
    """Return the entry; an address without a type would be taken for an older kind of server."""
    if starts_us(context):
        started = {"command": context.command, "args": arguments(context)}
        return {**started, "timeout": SECONDS, "disabled": False}
    named = {"type": "streamableHttp", "url": endpoint_address(context, "/mcp"), **headers(context, token)}
    return {**named, "timeout": SECONDS, "disabled": False}


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    return (
        _entry(context),
        OwnFile(f"{_home(context)}/rules/faiss-memory.md", RULES),
        *skill_files("~/.agents/skills", context),
    )


def _entry(context: InstallContext) -> ConfigFile:
    path, entry = _servers(context), _server(context, "YOUR-TOKEN")
    if "headers" not in entry:
        return JsonMember(path, ("mcpServers", SERVER), entry)
    # It fills in no variables, and a token is never written.
    text = json.dumps({"mcpServers": {SERVER: entry}}, indent=2)
    return Snippet(path, f"{text}\n", "For Cline: merge it into that file, with your token.")


def _obstacles(context: InstallContext) -> Iterator[str]:
    path = place_of(_servers(context))
    if table(read_json(path), "mcpServers", SERVER).get("disabled") is True:
        yield f"{path} switches the server `{SERVER}` off (`disabled`)."


adapter = Adapter(
    name=NAME,
    title="Cline",
    marks=(".clinerules", ".cline"),
    prompt=PROMPT,
    files=_files,
    scopes=("user",),
    reload="Start Cline anew, so that it reads its servers again.",
    obstacles=lambda context: [*_obstacles(context)],
    detection=Detection(("~/.cline", ".clinerules"), ("cline",), variables=("CLINE_DIR", "CLINE_DATA_DIR")),
)
