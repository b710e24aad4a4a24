"""The official SDK's client, over HTTP and over pipes, in both revisions."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager

import mcp_types as types
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


@contextmanager
def piped(running, tmp_path, folder):
    """What a client is connected by to `faiss-memory mcp`, started in a folder."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "faiss_memory", "mcp"],
        cwd=str(folder),
        env=environment(tmp_path, XDG_RUNTIME_DIR=str(running.data.parent)),
    )
    with open(os.devnull, "w") as nowhere:  # pytest's own standard error has no descriptor to pass on
        yield stdio_client(server, errlog=nowhere)


@pytest.mark.parametrize(("mode", "version"), MODES)
def test_over_pipes(running, tmp_path, mode, version):
    folder = repository(tmp_path / "checkout", f"pipes-{mode}")
    with piped(running, tmp_path, folder) as target:
        outcome = asyncio.run(used(target, mode))
    check(outcome, version, f"owner.pipes-{mode}")


# Asking the person before many memories are forgotten.


async def forgetting(target, mode, ids, action):
    """Forget some memories as a client whose person answers so; gives what was asked, and the result."""
    asked = []

    async def answer(_, params):
        asked.append(params.message)
        return types.ElicitResult(action=action, content={} if action == "accept" else None)

    async with Client(target, mode=mode, elicitation_callback=answer if action else None) as client:
        return asked, await client.call_tool("memory_forget", {"ids": ids})


def added(running, project, count=5):
    rows = [{"text": f"{project} {number}", "project": project} for number in range(count)]
    return running.call("POST", "/memory/add-batch", {"memories": rows})[1]["ids"]


@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
def test_the_newest_clients_person_is_asked_in_the_answer(running, action):
    ids = added(running, f"asked-{action}")
    url = f"http://127.0.0.1:{running.port}/mcp?project=asked-{action}"
    asked, result = asyncio.run(forgetting(url, "auto", ids, action))
    assert asked == ["Forget 5 memories? An assistant wants to."]
    assert result.is_error is (action != "accept")
    assert ("did not agree" in result.content[0].text) is (action != "accept")
    assert (running.call("GET", f"/memory/{ids[0]}")[0] == 404) is (action == "accept")


@pytest.mark.parametrize(
    ("mode", "count", "action"), [("auto", 5, None), ("auto", 4, "decline"), ("legacy", 5, "decline")]
)
def test_few_memories_and_clients_that_cannot_ask_are_answered_at_once(running, mode, count, action):
    project = f"unasked-{mode}-{count}"
    ids = added(running, project, count)
    url = f"http://127.0.0.1:{running.port}/mcp?project={project}"
    asked, result = asyncio.run(forgetting(url, mode, ids, action))
    assert (asked, result.is_error) == ([], False)


def test_the_question_and_its_answer_pass_through_the_pipe(running, tmp_path):
    folder = repository(tmp_path / "checkout", "asked-by-pipe")
    ids = added(running, "owner.asked-by-pipe")
    for action, is_error in (("decline", True), ("accept", False)):
        with piped(running, tmp_path, folder) as target:
            asked, result = asyncio.run(forgetting(target, "auto", [str(one) for one in ids], action))
        assert (len(asked), result.is_error) == (1, is_error)


def test_an_answer_is_to_the_question_that_was_asked(running):
    ids = added(running, "another-answer", 6)

    async def others(client):
        first = await client.session.call_tool("memory_forget", {"ids": ids[:5]}, allow_input_required=True)
        agreed = {key: types.ElicitResult(action="accept", content={}) for key in first.input_requests}
        return await client.session.call_tool(
            "memory_forget", {"ids": ids[1:]}, input_responses=agreed, allow_input_required=True
        )

    async def nobody(_, params):
        raise AssertionError(params)

    async def used_by_hand():
        url = f"http://127.0.0.1:{running.port}/mcp?project=another-answer"
        async with Client(url, mode="auto", elicitation_callback=nobody) as client:
            return await others(client)

    assert asyncio.run(used_by_hand()).result_type == "input_required"
    assert running.call("GET", f"/memory/{ids[1]}")[0] == 200
