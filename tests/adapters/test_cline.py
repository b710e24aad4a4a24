"""Cline: one file of servers for all projects, which it may have moved."""

from __future__ import annotations

import json

import pytest

from faiss_memory import InstallContext, JsonMember, Snippet
from faiss_memory_adapters.cline import adapter


def files(**given):
    context = {"url": "http://127.0.0.1:8900", "project": "website", "scope": "user", **given}
    return adapter.files(InstallContext(**context))


def entry(**given):
    (found,) = (file for file in files(**given) if isinstance(file, JsonMember))
    return found


def test_the_entry_is_for_all_projects_and_names_none():
    found = entry(command="/bin/faiss-memory")
    assert found.keys == ("mcpServers", "faiss-memory")
    assert found.value == {"command": "/bin/faiss-memory", "args": ["mcp"], "timeout": 30, "disabled": False}
    assert adapter.scopes == ("user",)


def test_beside_a_container_it_is_an_address_with_its_type():
    found = entry(command="").value
    named = {"type": "streamableHttp", "url": "http://127.0.0.1:8900/mcp"}
    assert found == {**named, "timeout": 30, "disabled": False}


def test_a_token_is_never_written():
    (shown,) = (file for file in files(command="", has_token=True) if isinstance(file, Snippet))
    said = json.loads(shown.text)["mcpServers"]["faiss-memory"]
    assert said["headers"] == {"Authorization": "Bearer YOUR-TOKEN"}
    assert not [file for file in files(command="", has_token=True) if isinstance(file, JsonMember)]


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({}, "~/.cline/data/settings/cline_mcp_settings.json"),
        ({"CLINE_DIR": "/c"}, "/c/data/settings/cline_mcp_settings.json"),
        ({"CLINE_DIR": "/c", "CLINE_DATA_DIR": "/d"}, "/d/settings/cline_mcp_settings.json"),
        ({"CLINE_MCP_SETTINGS_PATH": "/s.json"}, "/s.json"),
    ],
)
def test_the_file_is_where_its_variables_say(variables, path):
    assert entry(environment=variables).path == path


def test_a_server_that_is_switched_off_is_told(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text('{"mcpServers": {"faiss-memory": {"disabled": true}}}')
    context = InstallContext(
        url="http://127.0.0.1:8900", project="website", scope="user",
        environment={"CLINE_MCP_SETTINGS_PATH": str(file)},
    )  # fmt: skip
    (said,) = adapter.obstacles(context)
    assert "`disabled`" in said
    file.write_text('{"mcpServers": {"faiss-memory": {"disabled": false}}}')
    assert adapter.obstacles(context) == []
