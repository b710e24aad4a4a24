"""The official SDK's client, over HTTP and over pipes, in both revisions."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.mcp.conftest import environment, repository


async def used(target, mode):
    """What a client does: list everything, store, search, err."""
    async with Client(target, mode=mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
        await client.call_tool("memory_add", {"text": "The ledger is in postgres"})
        found = await client.call_tool("memory_search", {"query": "ledger"})
        wrong = await client.call_tool("memory_search", {"query": ""})
        resources = (await client.list_resources()).resources
        read = await client.read_resource(resources[0].uri)
        return client.protocol_version, tools, prompts, found, wrong, read


def check(outcome, version, project):
    protocol, tools, prompts, found, wrong, read = outcome
    assert protocol == version
    assert tools == ["memory_search", "memory_recent", "memory_add", "memory_update", "memory_forget"]
    assert prompts == ["remember", "recall", "review", "instructions"]
    assert not found.is_error
    assert found.structured_content["results"][0]["project"] == project
    assert wrong.is_error
    assert "\n> The ledger is in postgres\n" in read.contents[0].text


MODES = [("legacy", "2025-11-25"), ("auto", "2026-07-28")]


@pytest.mark.parametrize(("mode", "version"), MODES)
def test_over_http(running, mode, version):
    url = f"http://127.0.0.1:{running.port}/mcp?project=http-{mode}"
    check(asyncio.run(used(url, mode)), version, f"http-{mode}")


@pytest.mark.parametrize(("mode", "version"), MODES)
def test_over_pipes(running, tmp_path, mode, version):
    folder = repository(tmp_path / "checkout", f"pipes-{mode}")
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "faiss_memory", "mcp"],
        cwd=str(folder),
        env=environment(tmp_path, XDG_RUNTIME_DIR=str(running.data.parent)),
    )
    with open(os.devnull, "w") as nowhere:  # pytest's own standard error has no descriptor to pass on
        outcome = asyncio.run(used(stdio_client(server, errlog=nowhere), mode))
    check(outcome, version, f"owner.pipes-{mode}")
