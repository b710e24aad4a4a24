"""What Kiro is given has the form that its documentation describes."""

from __future__ import annotations

import json

import pytest
import yaml

from faiss_memory import InstallContext, hook_arguments
from faiss_memory.cli.doctor.entries import entries
from faiss_memory.install import by_path, whole_file
from faiss_memory_adapters.kiro import adapter as kiro
from faiss_memory_hook import _arguments

ALONE = {"command": "", "hook_command": "", "has_token": True}
HOOK = {"name", "description", "trigger", "matcher", "action", "timeout", "enabled", "confirm"}
"""What a hook may have: kiro.dev/docs/hooks."""


def files(scope="personal", **given):
    context = InstallContext(url="http://127.0.0.1:8900", project="shop", scope=scope, **given)
    found = {path: whole_file(parts) for path, parts in by_path(kiro.files(context)).items()}
    return {path: json.loads(text) if path.endswith(".json") else text for path, text in found.items()}


@pytest.mark.parametrize("scope", ["personal", "shared", "user"])
@pytest.mark.parametrize("given", [{}, ALONE])
def test_the_hooks_lie_in_a_file_of_our_own(scope, given):
    folder = "~/.kiro" if scope == "user" else ".kiro"
    hooks = files(scope, **given)[f"{folder}/hooks/faiss-memory.json"]
    assert hooks["version"] == "v1"
    assert [hook["trigger"] for hook in hooks["hooks"]] == ["SessionStart", "UserPromptSubmit"]
    for hook in hooks["hooks"]:
        assert hook.keys() <= HOOK
        assert hook["action"].keys() == {"type", "command"}
        assert hook["action"]["type"] == "command"
        assert hook["timeout"] >= 1
        assert ("curl" in hook["action"]["command"]) == bool(given)


def test_the_server_is_a_command_and_with_the_container_alone_an_address():
    found = files()[".kiro/settings/mcp.json"]["mcpServers"]["faiss-memory"]
    assert found == {
        "command": "faiss-memory", "args": ["mcp", "--project", "shop"], "autoApprove": ["memory_search"],
    }  # fmt: skip
    assert files("user")["~/.kiro/settings/mcp.json"]["mcpServers"]["faiss-memory"]["args"] == ["mcp"]
    alone = files("shared", **ALONE)[".kiro/settings/mcp.json"]["mcpServers"]["faiss-memory"]
    assert alone["url"] == "http://127.0.0.1:8900/mcp?project=shop"
    assert alone["headers"] == {"Authorization": "Bearer ${FAISS_MEMORY_TOKEN}"}


@pytest.mark.parametrize("scope", ["personal", "shared", "user"])
def test_the_rules_are_a_steering_file_that_is_always_read(scope):
    folder = "~/.kiro" if scope == "user" else ".kiro"
    _, head, rules = files(scope)[f"{folder}/steering/faiss-memory.md"].split("---\n", 2)
    assert yaml.safe_load(head) == {"inclusion": "always"}
    assert rules.strip() == kiro.prompt.text.strip()


def test_the_doctor_knows_which_event_a_hook_is_for(tmp_path):
    context = InstallContext(url="http://127.0.0.1:8900", project="shop", scope="personal")
    written = by_path(kiro.files(context))
    there = {}
    for path, parts in written.items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(whole_file(parts))
        there[str(place)] = parts
    hooks = {one.event: one for one in entries(there) if one.kind == "hook"}
    assert hooks.keys() == {"SessionStart", "UserPromptSubmit"}
    assert {one.project for one in hooks.values()} == {"shop"}


def test_what_a_hook_prints_is_the_text_alone():
    context = InstallContext(url="http://127.0.0.1:8900", project="shop", scope="personal")
    _, options = _arguments(hook_arguments(context, "kiro", kiro.hook))
    assert (options["--context"], options["--print"]) == ("context", "text")
