"""Which project a call is about."""

from __future__ import annotations

import pytest

from tests.frames import lines_inside
from tests.mcp.conftest import STATELESS, text


@pytest.fixture
def revision():
    """What is said differs by revision, what is done does not: one of them is enough here."""
    return STATELESS


@pytest.fixture
def web(assistant):
    """An assistant whose configuration carries a project, and some memories of three projects."""
    for project in ("owner.web", "owner.other", "default"):
        assistant.done("memory_add", text=f"the ledger of {project}", project=project)
    return assistant.at("/mcp?project=owner.web")


def projects(answer):
    return {note["project"] for note in answer["results"]}


def test_the_configurations_project_is_read_with_the_shared_one(web):
    found = web.done("memory_search", query="the ledger")
    assert projects(found) == {"owner.web", "default"}
    assert found["project"] == ["owner.web", "default"]
    assert "in projects owner.web, default" in text(web.call("memory_search", query="the ledger"))


def test_the_configurations_project_is_written_to(web):
    assert web.done("memory_add", text="x")["project"] == "owner.web"


def test_without_any_the_shared_one_is_meant(assistant, web):
    assert projects(assistant.done("memory_search", query="the ledger")) == {"default"}
    assert assistant.done("memory_add", text="x")["project"] == "default"


def test_an_argument_wins(web):
    assert projects(web.done("memory_search", query="the ledger", project="owner.other")) == {"owner.other"}
    both = web.done("memory_search", query="the ledger", project=["owner.other", "owner.web"])
    assert projects(both) == {"owner.other", "owner.web"}
    assert projects(web.done("memory_search", query="the ledger", project="*")) == {
        "owner.web", "owner.other", "default",
    }  # fmt: skip
    assert web.done("memory_add", text="x", project="default")["project"] == "default"


def test_the_shared_one_is_read_once(web):
    assert web.at("/mcp?project=default").done("memory_search", query="the ledger")["project"] == "default"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/mcp?project=!", "`project`: must be a name"),
        ("/mcp?project=a&project=b", "twice"),
        ("/mcp?projekt=a", "unknown field `projekt`"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(assistant, address, told):
    answer = assistant.at(address).answer("tools/list")
    assert answer.status_code == 400
    assert told in answer.json["description"]


# Prompts and resources.


def test_the_prompts_are_remember_recall_review_and_instructions(assistant):
    prompts = {prompt["name"]: prompt for prompt in assistant.ask("prompts/list")["prompts"]}
    assert list(prompts) == ["remember", "recall", "review", "instructions"]
    assert [argument["name"] for argument in prompts["recall"]["arguments"]] == ["question"]
    assert prompts["recall"]["arguments"][0]["required"] is True
    assert all(prompt["description"] for prompt in prompts.values())


def test_the_instructions_are_those_of_the_adapter_that_is_named(web, client):
    for name in ("generic", "claude-code"):
        text = client.get(f"/adapters/{name}/prompt", params={"project": "owner.web"}).json["text"]
        assert prompted(web, "instructions", assistant=name) == text
    error = web.answer("prompts/get", name="instructions", arguments={"assistant": "nobody"}).json["error"]
    assert "there are" in error["message"]


def prompted(assistant, name, /, **arguments):
    (message,) = assistant.ask("prompts/get", name=name, arguments=arguments)["messages"]
    assert message["role"] == "user"
    return message["content"]["text"]


def test_recall_brings_what_is_remembered(web):
    said = prompted(web, "recall", question="the ledger")
    assert "the ledger of owner.web" in said
    assert "the ledger of default" in said
    assert "owner.other" not in said


def test_remember_tells_the_model_to_search_first(web):
    assert "Remember this: the port is 8900" in prompted(web, "remember", what="the port is 8900")
    assert "memory_search" in prompted(web, "remember")


def test_review_shows_the_projects_newest_and_changes_nothing_by_itself(web):
    said = prompted(web, "review")
    assert "the ledger of owner.web" in said
    assert "the ledger of default" not in said
    assert "Change nothing before I agree" in said
    assert "no memories yet" in prompted(web.at("/mcp?project=empty"), "review")


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("recall", {}, "needs `question`"),
        ("recall", {"questions": "x"}, "`questions` is not an argument"),
        ("tidy", {}, "there are remember, recall, review, instructions"),
        ("</faiss-memory-notes>", {}, "there is no prompt"),
        ("recall", {"\x1b[31m\u202e": "x"}, "is not an argument"),
    ],
)
def test_a_prompt_that_cannot_be_meant_is_refused(assistant, name, arguments, told):
    error = assistant.answer("prompts/get", name=name, arguments=arguments).json["error"]
    assert told in error["message"]
    assert not {"\x1b", "\u202e"} & {*error["message"]}
    assert "</faiss-memory-notes>" not in error["message"]


def test_memories_are_resources_the_projects_own_first(assistant):
    web = assistant.at("/mcp?project=owner.web")
    for number in range(55):
        web.done("memory_add", text=f"# rule {number}\n\nof the web", source="rules.md")
    web.done("memory_add", text="shared", project="default")
    web.done("memory_add", text="somebody else's", project="owner.other")
    first = web.ask("resources/list")
    second = web.ask("resources/list", cursor=first["nextCursor"])
    third = web.ask("resources/list", cursor=second["nextCursor"])
    titles = [one["title"] for page in (first, second, third) for one in page["resources"]]
    assert titles == [*(f"rule {number}" for number in reversed(range(55))), "shared"]
    assert "nextCursor" not in third
    assert first["resources"][0]["description"].endswith("rules.md · owner.web")

    uri = first["resources"][0]["uri"]
    (content,) = web.ask("resources/read", uri=uri)["contents"]
    assert content["uri"] == uri
    assert len(content["text"].encode()) == first["resources"][0]["size"]
    head, text = lines_inside(content["text"])[0], lines_inside(content["text"])[1:]
    assert head.startswith("[memory 55 | ")
    assert text == ["> # rule 54", ">", "> of the web"]
    (template,) = web.ask("resources/templates/list")["resourceTemplates"]
    assert uri == template["uriTemplate"].replace("{id}", "55")


def test_a_resource_or_page_that_is_not_there_is_refused(assistant):
    for uri in ("faiss-memory://memory/77", "faiss-memory://memory/x", "file:///etc/passwd"):
        assert "there is no" in assistant.answer("resources/read", uri=uri).json["error"]["message"]
    for cursor in ("owner.other", "default 1", "default rubbish", "\n"):
        assert "error" in assistant.answer("resources/list", cursor=cursor).json
