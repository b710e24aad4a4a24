"""What a subagent, a failed command and a session whose start was missed are answered with."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from faiss_memory import Adapter, HookDialect, PromptTemplate, ToolEvents, changed_input, nested_context
from faiss_memory_plugins.recall.failures import failure_of

TOOLS = ToolEvents(
    before="PreToolUse", after="PostToolUse", delegating=("Agent",), shells=("Bash",), changed=changed_input
)
DIALECT = HookDialect(
    session_start="SessionStart",
    prompt="UserPromptSubmit",
    subagent="SubagentStart",
    tools=TOOLS,
    context=nested_context,
)
ASSISTANT = Adapter(name="parrot", title="Parrot", prompt=PromptTemplate("parrot", "Ask."), hook=DIALECT)
FIX = "ModuleNotFoundError No module named zebrafish: run make vendor first"
TRACE = """Traceback (most recent call last):
  File "<string>", line 1, in <module>
ModuleNotFoundError: No module named 'zebrafish'"""
TASK = "Find where amounts of money are rounded"
MONEY = "Amounts of money are kept in integer cents and rounded nowhere"


@pytest.fixture
def client(make_service, client_of):
    client = client_of(make_service(ASSISTANT))
    for text, tags in ((FIX, ["fix"]), (MONEY, []), ("Answer in British spelling", ["pinned"])):
        assert client.post("/memory/add", {"text": text, "project": "shop", "tags": tags}).status_code == 201
    return client


def fire(client, event, *, missed=False, **fields):
    told = {"hook_event_name": event, "session_id": "1", **fields}
    answer = client.post(f"/adapters/parrot/hook?project=shop{'&missed_start=true' if missed else ''}", told)
    assert answer.status_code == 200
    return answer.json.get("hookSpecificOutput", {})


def context(client, event, **fields):
    return fire(client, event, **fields).get("additionalContext", "")


def begun(client, **fields):
    return context(client, "SessionStart", source="startup", **fields)


# A start that was missed.


def test_a_session_whose_start_was_missed_begins_with_its_first_prompt(client):
    first = context(client, "UserPromptSubmit", missed=True, prompt=MONEY)
    assert "British" in first
    assert "integer cents" in first
    assert first.count("<faiss-memory-notes>") == 2
    assert context(client, "UserPromptSubmit", missed=True, prompt="How is British spelling meant?") == ""


def test_a_prompt_brings_no_more_than_helps_with_it_where_no_start_was_missed(client):
    assert "British" not in context(client, "UserPromptSubmit", prompt=MONEY)


def test_one_that_began_is_not_begun_again(client):
    assert "British" in begun(client)
    assert "British" not in context(client, "UserPromptSubmit", missed=True, prompt=MONEY)
    # Nor one that began with nothing.
    client.post("/memory/forget", {"tags": ["pinned"], "project": "shop"})
    begun(client, session_id="2")
    client.post("/memory/add", {"text": "Answer in British spelling", "project": "shop", "tags": ["pinned"]})
    later = context(client, "UserPromptSubmit", missed=True, prompt=MONEY, session_id="2")
    assert "British" not in later


def test_a_prompt_without_a_session_begins_nothing(client):
    for _ in range(2):
        assert "British" not in context(
            client, "UserPromptSubmit", missed=True, prompt=MONEY, session_id=None
        )


@pytest.mark.parametrize(
    "after", ["", "\nFull transcript available at: /tmp/amounts of money are kept in integer cents"]
)
def test_that_a_background_task_has_ended_is_no_question(client, after):
    told = f"<task-notification>\n<summary>{MONEY}</summary>\n</task-notification>{after}"
    assert context(client, "UserPromptSubmit", prompt=told) == ""
    assert client.get("/recall/log").json["count"] == 0


# Subagents.


def test_a_task_is_given_what_helps_with_it_and_keeps_all_else(client):
    given = {"prompt": MONEY, "description": "look", "subagent_type": "Explore"}
    for _ in range(2):  # a further subagent knows nothing of the first one
        output = fire(client, "PreToolUse", tool_name="Agent", tool_input=given)
        changed = output["updatedInput"]
        assert set(output) == {"hookEventName", "updatedInput"}, "whether it may run is none of our business"
        assert changed["prompt"].endswith(f"\n\n{MONEY}")
        assert "[memory 2 |" in changed["prompt"]
        assert {**changed, "prompt": MONEY} == given
    begun(client)
    assert "integer cents" in context(client, "UserPromptSubmit", prompt=MONEY), "it was not shown here"


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_name": "Bash", "tool_input": {"prompt": MONEY}},
        {"tool_name": "Agent", "tool_input": {}},
        {"tool_name": "Agent", "tool_input": {"prompt": 7}},
        {"tool_name": "Agent", "tool_input": MONEY},
        {"tool_name": None},
        {},
    ],
)
def test_other_tools_and_strange_tasks_are_left_as_they_are(client, fields):
    assert fire(client, "PreToolUse", **fields) == {}


def test_a_subagent_begins_as_a_session_does_and_has_a_context_of_its_own(client):
    assert "British" in begun(client)
    assert "integer cents" in context(client, "UserPromptSubmit", prompt=MONEY)
    assert "British" in context(client, "SubagentStart", agent_id="a")
    assert "British" in context(client, "SubagentStart", agent_id="b")
    # An assistant may hand in its task as a prompt.
    assert "integer cents" in context(client, "UserPromptSubmit", prompt=MONEY, agent_id="a")
    assert context(client, "UserPromptSubmit", prompt=MONEY, agent_id="a") == ""
    assert context(client, "UserPromptSubmit", prompt=MONEY) == ""


# Commands that have failed.


@pytest.mark.parametrize(
    "told",
    [
        {"error": f"Exit code 1\n{TRACE}"},
        {"tool_response": TRACE},
        {"tool_response": {"llmContent": f"Output: {TRACE}\nExit Code: 1\nProcess Group PGID: 24"}},
        {"tool_response": {"stdout": "", "stderr": TRACE, "exit_code": 1}},
        {"error": f"Command: python\nOutput: {TRACE}\nError: (none)\nExit Code: 1\nSignal: (none)"},
        {"tool_result": {"text_result_for_llm": f"{TRACE}\n<shellId: 0 completed with exit code 1>"}},
    ],
)
def test_a_command_that_failed_brings_the_fix_once_a_session(client, told):
    assert "make vendor" in context(client, "PostToolUse", tool_name="Bash", **told)
    assert context(client, "PostToolUse", tool_name="Bash", **told) == ""
    assert client.get("/stats").json["plugins"]["recall"]["parrot"]["shop"]["PostToolUse"]["fired"] == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_name": "Bash", "tool_response": {"llmContent": f"{TRACE}\nExit Code: 0"}},
        {"tool_name": "Bash", "tool_response": {"stdout": TRACE, "exitCode": 0}},
        {"tool_name": "Bash", "tool_response": f"{TRACE}\n" + "and then it went on and all was well\n" * 6},
        {"tool_name": "Read", "error": TRACE},
        {"tool_name": "Bash", "error": TRACE, "is_interrupt": True},
        {"tool_name": "Bash", "error": "Exit code 1"},
        {"tool_name": "Bash"},
    ],
)
def test_what_has_not_failed_or_is_no_command_brings_nothing(client, fields):
    assert fire(client, "PostToolUse", **fields) == {}
    assert client.get("/recall/log").json["count"] == 0


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "stdout", "exit_code", "llmContent", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(ANY, ANY)
def test_whatever_a_tool_answers_is_read_without_an_error(error, answer):
    assert isinstance(failure_of(error, answer), str)
