"""docs/MCP.md says what there is."""

from __future__ import annotations

import json
import re

from tests.docs.documents import blocks, read, rows, section
from tests.mcp.conftest import HANDSHAKE, Assistant

NAME = "docs/MCP.md"


def test_it_lists_the_tools_with_their_arguments(client):
    tools = Assistant(client, HANDSHAKE).ask("tools/list")["tools"]
    listed = {
        row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in rows(section(NAME, "## Tools"))[1:]
    }
    assert listed == {tool["name"]: list(tool["inputSchema"]["properties"]) for tool in tools}


def test_it_names_the_prompts(client):
    text = section(NAME, "## Prompts and resources")
    for prompt in Assistant(client, HANDSHAKE).ask("prompts/list")["prompts"]:
        assert f"`{prompt['name']}`" in text


def test_its_examples_are_json():
    found = [json.loads(block.text) for block in blocks(NAME, "json")]
    assert len(found) == 2
    assert all("faiss-memory" in example["mcpServers"] for example in found)


def test_a_search_is_written_as_it_shows(client):
    assistant = Assistant(client, HANDSHAKE, "/mcp?project=owner.repo")
    shown = next(block.text for block in blocks(NAME, "text"))
    source, tag = "decisions.md", "api"
    text = re.search(r"^> (Use React Query.*)$", shown, re.MULTILINE)[1]
    assistant.done("memory_add", text=text, source=source, tags=[tag])
    said = assistant.call("memory_search", query="React Query")["content"][0]["text"].split("\n")
    assert said[:2] == shown.split("\n")[:2]
    assert re.sub(r"\d{4}-\d\d-\d\d|memory \d+", "…", said[2]) == re.sub(
        r"\d{4}-\d\d-\d\d|memory \d+", "…", shown.split("\n")[2]
    )
    assert said[3] == f"> {text}"
    assert "plugins.mcp.answer_tokens" in read(NAME)
