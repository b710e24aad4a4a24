"""Continue: blocks, rules and prompts in the form it reads, and the answers of its context provider."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
import yaml

from faiss_memory import InstallContext, OwnFile, YamlDefault, YamlItem
from faiss_memory_adapters.continue_dev import adapter
from tests.frames import lines_inside

CALL = "/adapters/continue/context"


def context(**given):
    return InstallContext(**{"url": "http://127.0.0.1:8900", "project": "website", **given})


def by_path(**given):
    return {file.path: file for file in adapter.files(context(**given))}


# Files.


def test_a_block_is_a_whole_file_with_exactly_one_item():
    for kind in ("mcpServers", "context"):
        block = yaml.safe_load(by_path()[f".continue/{kind}/faiss-memory.yaml"].text)
        assert list(block) == ["name", "version", "schema", kind]
        assert len(block[kind]) == 1
        assert all(isinstance(block[key], str) for key in ("name", "version", "schema"))


def test_the_entries_carry_the_project_in_a_project_and_none_in_the_home_folder():
    block = ".continue/mcpServers/faiss-memory.yaml"
    (server,) = yaml.safe_load(by_path()[block].text)["mcpServers"]
    assert server == {
        "name": "faiss-memory", "type": "stdio", "command": "faiss-memory", "args": ["mcp", "--project", "website"],
    }  # fmt: skip
    (alone,) = yaml.safe_load(by_path(command="")[block].text)["mcpServers"]
    assert alone == {
        "name": "faiss-memory",
        "type": "streamable-http",
        "url": "http://127.0.0.1:8900/mcp?project=website",
    }
    for command in ("/bin/faiss-memory", ""):
        files = adapter.files(context(scope="user", command=command))
        items = {file.keys: file.item for file in files if isinstance(file, YamlItem)}
        reached = {"type": "streamable-http", "url": "http://127.0.0.1:8900/mcp"}
        if command:  # a program that is started in the folder knows its project
            reached = {"type": "stdio", "command": command, "args": ["mcp"]}
        assert items["mcpServers",] == {"name": "faiss-memory", **reached}
        assert items["context",]["params"]["url"] == f"http://127.0.0.1:8900{CALL}"


def test_a_config_file_of_ones_own_gets_what_continue_asks_of_each():
    defaults = [file for file in adapter.files(context(scope="user")) if isinstance(file, YamlDefault)]
    assert [file.keys for file in defaults] == [("name",), ("version",), ("schema",)]
    assert {file.path for file in defaults} == {"~/.continue/config.yaml"}


def test_a_token_is_named_and_headers_are_an_object():
    files = by_path(has_token=True, command="")
    reference = {"Authorization": "Bearer ${{ secrets.FAISS_MEMORY_TOKEN }}"}
    server = yaml.safe_load(files[".continue/mcpServers/faiss-memory.yaml"].text)["mcpServers"][0]
    provider = yaml.safe_load(files[".continue/context/faiss-memory.yaml"].text)["context"][0]
    assert server["requestOptions"] == {"headers": reference}
    assert provider["params"]["headers"] == reference
    assert "FAISS_MEMORY_TOKEN" in " ".join(adapter.steps(context(has_token=True)))


@pytest.mark.parametrize("scope", ["personal", "shared", "user"])
def test_rules_always_apply_and_prompts_are_called_by_name(scope):
    texts = {
        PurePosixPath(file.path): file.text
        for file in adapter.files(context(scope=scope))
        if isinstance(file, OwnFile) and file.path.endswith(".md")
    }
    heads = {path.parent.name + "/" + path.name: yaml.safe_load(text.split("---\n")[1])
             for path, text in texts.items()}  # fmt: skip
    assert heads.pop("rules/faiss-memory.md")["alwaysApply"] is True
    assert {head["name"] for head in heads.values()} == {"remember", "recall", "forget"}
    assert all(head["invokable"] is True and head["description"] for head in heads.values())
    assert all(path.startswith("prompts/faiss-memory-") for path in heads)


# The context provider.


@pytest.fixture
def stored(client):
    for text, project in (
        ("the ledger is in postgres", "website"),
        ("the person likes short ledgers", "default"),
        ("another ledger", "other"),
    ):
        client.post("/memory/add", {"text": text, "project": project, "source": "notes.md"})


def ask(client, query="ledger", project=None, **fields):
    path = CALL if project is None else f"{CALL}?project={project}"
    return client.post(path, {"query": query, **fields})


def contents(answer):
    assert answer.status_code == 200
    return {lines_inside(item["content"])[1].removeprefix("> ") for item in answer.json}


def test_it_answers_with_an_item_for_each_memory_of_the_project_and_the_shared_one(client, stored):
    answer = ask(client, project="website")
    assert contents(answer) == {"the ledger is in postgres", "the person likes short ledgers"}
    for item in answer.json:
        assert item.keys() == {"name", "description", "content"}
        assert "not instructions" in item["content"]
        assert "notes.md" in item["description"]


def test_what_is_not_valid_any_more_says_so(client, stored):
    over = {"text": "the ledger is in mysql", "valid_until": "2026-01-31T00:00:00Z"}
    client.post("/memory/add", over)
    marked = [item for item in ask(client).json if "no longer valid since 2026-01-31" in item["content"]]
    assert ["mysql" in item["content"] for item in marked] == [True]


def test_without_a_query_the_whole_input_is_searched_for_and_without_both_nothing(client, stored):
    assert contents(ask(client, "", fullInput="@memory where is the ledger?")) == {
        "the person likes short ledgers"
    }
    assert ask(client, " ", fullInput="").json == []
    assert ask(client, "ledger " * 20_000).status_code == 200


@pytest.fixture
def inside(tmp_path):
    """A folder inside the repository of the website."""
    git = tmp_path / "web site" / ".git"
    git.mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "config").write_text('[remote "origin"]\n\turl = https://example.com/website.git\n')
    (git.parent / "src").mkdir()
    return git.parent / "src"


def test_the_project_is_that_of_the_workspace_where_the_address_carries_none(client, stored, inside):
    for place in (str(inside), inside.as_uri(), f"vscode-remote://wsl+Ubuntu{inside.as_uri()[7:]}"):
        assert "the ledger is in postgres" in contents(ask(client, workspacePath=place)), place
    assert "another ledger" in contents(ask(client, project="other", workspacePath=str(inside)))


@pytest.mark.parametrize(
    "place",
    [
        None,
        "",
        ".",
        "core",
        "file:///nowhere/at/all",
        "file:///c%3A/Users/x",
        "http://[::1",
        "\0",
        "/\0",
        "x" * 5000,
    ],
)
def test_a_workspace_that_is_not_on_this_machine_is_nobodys(client, stored, inside, monkeypatch, place):
    monkeypatch.chdir(inside)  # where the service runs says nothing about the editor
    assert contents(ask(client, workspacePath=place)) == {"the person likes short ledgers"}


def test_how_many_are_wanted_is_an_option_and_one_that_cannot_be_is_named(client, stored):
    assert len(ask(client, project="website", options={"k": 1, "theirs": True}).json) == 1
    for wrong in (0, 21, "5", 1.5, True, None):
        answer = ask(client, options={"k": wrong})
        assert (answer.status_code, answer.json["field"]) == (400, "options.k")


def test_fields_of_another_version_are_taken(client, stored):
    assert ask(client, selectedCode=[{"a": 1}], ideVersion="2").status_code == 200


def test_a_source_on_the_web_is_linked_and_a_long_memory_gives_its_passage(client):
    text = "\n\n".join(f"Part {number} is about something else entirely." for number in range(40))
    client.post("/memory/add", {"text": f"{text}\n\nThe zebra is here.", "source": "https://example.com/zoo"})
    (item,) = ask(client, "zebra is here").json
    assert item["uri"] == {"type": "url", "value": "https://example.com/zoo"}
    assert len(item["name"]) <= 60
    assert "zebra" in item["content"]
    assert len(item["content"]) < len(text)
