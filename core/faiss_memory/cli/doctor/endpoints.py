"""Trying an MCP entry as a client would: by the official client, over HTTP or with a process."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, suppress
from functools import partial

from faiss_memory.cli.doctor.entries import Entry
from faiss_memory.cli.doctor.findings import SECONDS
from faiss_memory.cli.doctor.trial import (
    LINK,
    SHOWS_NOTHING,
    NotRecalled,
    TestMemory,
    advice_on,
    ask,
    bare_environment,
    brought,
    expanded,
    let_prove,
)

TOOL = "memory_search"
IS_DISABLED = "plugin `mcp` is disabled"
"""What `faiss-memory mcp` says then."""


def try_mcp(entry: Entry, memory: TestMemory, folder: str, token: str) -> None:
    """Search by the tool. Raises NotRecalled."""
    import anyio

    if entry.project not in (None, memory.project):
        raise NotRecalled(
            f"{entry.file} names project `{entry.project}`, and this folder's is `{memory.project}`",
            "Install it again: faiss-memory install",
        )
    where = entry.url or " ".join(entry.command)
    if entry.url and token:
        let_prove(entry.url, token)
    try:
        said = anyio.run(partial(_search, entry, memory.text, folder, token))
    except Exception as error:  # whatever the client library raises, the person needs a word about the entry
        reason = _innermost(error)
        if isinstance(reason, FileNotFoundError):
            raise NotRecalled(f"{entry.command[0]} is not found where a desktop app looks", LINK) from error
        if status := _refusal(entry, token):
            raise NotRecalled(f"{where} answers {status}", advice_on(status)) from error
        said = str(reason) or type(reason).__name__
        moved = "If the service has moved to another address, install it again: faiss-memory install"
        advice = advice_on(404) if IS_DISABLED in said else moved
        raise NotRecalled(f"{where} does not speak MCP: {brought(said)}", advice) from error
    if memory.text not in said:
        raise NotRecalled(
            f"{where} brought {brought(said)}, and not what was stored a moment ago", SHOWS_NOTHING
        )


def _refusal(entry: Entry, token: str) -> int:
    """Ask without the client how the address refuses, 0 if it does not: the client keeps the status to itself."""
    if entry.url:
        with suppress(NotRecalled):
            status, _ = ask(entry, "POST", entry.url, b"{}", token)
            return status if status in (401, 403, 404) else 0
    return 0


async def _search(entry: Entry, query: str, folder: str, token: str) -> str:
    import httpx2
    from mcp import Client, StdioServerParameters, stdio_client
    from mcp.client.streamable_http import streamable_http_client

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        async with AsyncExitStack() as stack:
            if entry.url:
                headers = {name: expanded(value, token).strip() for name, value in entry.headers}
                # An assistant need not have our proxies; service_checks tells of them.
                http = await stack.enter_async_context(
                    httpx2.AsyncClient(headers=headers, timeout=SECONDS, trust_env=False)
                )
                transport = streamable_http_client(expanded(entry.url, token), http_client=http)
            else:
                program, *arguments = entry.command
                process = StdioServerParameters(
                    command=program, args=arguments, env=bare_environment(token), cwd=folder or None
                )
                transport = stdio_client(process, errlog=nowhere)
            client = await stack.enter_async_context(Client(transport, read_timeout_seconds=SECONDS))
            answer = await client.call_tool(TOOL, {"query": query})
    return "\n".join(getattr(part, "text", "") for part in answer.content)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
