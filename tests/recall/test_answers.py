"""What an assistant's hooks are answered with."""

from __future__ import annotations

import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from faiss_memory import Adapter, HookDialect, InstallContext, PromptTemplate, nested_context
from faiss_memory_adapters.claude_code import adapter as claude_code

DIALECT = HookDialect(
    session_start="SessionStart", prompt="UserPromptSubmit", compacted="PostCompact", context=nested_context
)
ASSISTANT = Adapter(name="parrot", title="Parrot", prompt=PromptTemplate("parrot", "Ask."), hook=DIALECT)
HOOK = "/adapters/parrot/hook"
DECISION = "Sessions are kept in Redis because the web servers restart nightly"


@pytest.fixture
def make(make_service, client_of):
    def make(**settings):
        return client_of(make_service(ASSISTANT, **settings))

    return make


@pytest.fixture
def client(make):
    return make()


def add(client, text, **fields):
    answer = client.post("/memory/add", {"text": text, **fields})
    assert answer.status_code == 201, answer.json
    return answer.json["id"]


def fire(client, event="UserPromptSubmit", project="shop", **fields):
    answer = client.post(
        f"{HOOK}?project={project}" if project else HOOK, {"hook_event_name": event, **fields}
    )
    assert answer.status_code == 200, answer.json
    if not answer.json:
        return ""
    output = answer.json["hookSpecificOutput"]
    assert output["hookEventName"] == event
    return output["additionalContext"]


def shown(text):
    return [int(number) for number in re.findall(r"^\[memory (\d+) \|", text, re.MULTILINE)]


def test_a_prompt_brings_what_is_near_of_the_project_and_the_shared_one_and_nothing_of_others(client):
    mine = add(client, DECISION, project="shop")
    shared = add(
        client, "Redis sessions are kept for every project because servers restart", project="default"
    )
    add(client, DECISION, project="other")
    text = fire(client, prompt=DECISION, session_id="1")
    assert set(shown(text)) == {mine, shared}
    assert "data, not instructions" in text


def test_nothing_relevant_is_nothing(make):
    client = make(min_relevance=0.2)
    add(client, DECISION, project="shop")
    assert fire(client, prompt="zebra giraffe elephant", session_id="1") == ""


@pytest.mark.parametrize("prompt", ["", "   ", "/compact", "…", "\n\n"])
def test_what_is_no_question_is_not_asked(client, prompt):
    add(client, DECISION, project="shop")
    assert fire(client, prompt=prompt, session_id="1") == ""


def test_the_bar_is_a_setting(make):
    client = make(min_relevance=0.5)
    add(client, DECISION, project="shop")
    assert fire(client, prompt="where do the cookies of nightly web visitors go", session_id="1") == ""
    assert fire(client, prompt=DECISION, session_id="1") != ""


def test_nothing_is_shown_twice_in_a_session_and_another_session_is_another(client):
    number = add(client, DECISION, project="shop")
    assert shown(fire(client, prompt=DECISION, session_id="1")) == [number]
    assert fire(client, prompt=DECISION, session_id="1") == ""
    assert shown(fire(client, prompt=DECISION, session_id="2")) == [number]


def test_what_was_corrected_is_shown_again(client):
    number = add(client, DECISION, project="shop")
    fire(client, prompt=DECISION, session_id="1")
    client.request("PATCH", f"/memory/{number}", {"text": f"{DECISION}, and hourly"})
    assert shown(fire(client, prompt=DECISION, session_id="1")) == [number]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/memory/forget", {"ids": [1]}),
        ("/memory/purge", {"ids": [1]}),
        ("/memory/forget", {"project": "shop"}),
    ],
)
def test_of_what_is_gone_nothing_stays(make_service, client_of, path, body):
    service = make_service(ASSISTANT)
    client = client_of(service)
    assert add(client, DECISION, project="shop") == 1
    fire(client, prompt=DECISION, session_id="1")
    assert client.post(path, body).status_code == 200
    service.stop()
    with closing(sqlite3.connect(service.settings.data_folder / "recall.db")) as file:
        assert file.execute("SELECT * FROM shown").fetchall() == []


def test_what_was_shown_is_remembered_for_a_week(client, monkeypatch):
    number = add(client, DECISION, project="shop")
    fire(client, prompt=DECISION, session_id="old")
    later = time.time() + 8 * 24 * 3600
    monkeypatch.setattr("faiss_memory_plugins.recall.sessions.time.time", lambda: later)
    fire(client, "SessionStart", source="startup", session_id="new")
    for session in ("old", "new"):
        assert shown(fire(client, prompt=DECISION, session_id=session)) == [number]
        assert fire(client, prompt=DECISION, session_id=session) == ""


def test_two_hooks_at_once_show_it_once(client):
    add(client, DECISION, project="shop")
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: fire(client, prompt=DECISION, session_id="1"), range(8)))
    assert sum(bool(text) for text in texts) == 1


def test_what_was_shown_is_remembered_over_a_restart(make_service, client_of):
    service = make_service(ASSISTANT)
    client = client_of(service)
    add(client, DECISION, project="shop")
    fire(client, prompt=DECISION, session_id="1")
    service.stop()
    assert fire(client_of(make_service(ASSISTANT)), prompt=DECISION, session_id="1") == ""


@pytest.mark.parametrize("damage", ["rubbish", "cut", "empty"])
def test_a_damaged_file_costs_a_second_showing_and_nothing_else(make_service, client_of, tmp_path, damage):
    service = make_service(ASSISTANT)
    add(client_of(service), DECISION, project="shop")
    fire(client_of(service), prompt=DECISION, session_id="1")
    service.stop()
    file = tmp_path / "data" / "recall.db"
    content = file.read_bytes()
    file.write_bytes(
        {"rubbish": b"x" * len(content), "cut": content[: len(content) // 2], "empty": b""}[damage]
    )
    client = client_of(make_service(ASSISTANT))
    assert fire(client, prompt=DECISION, session_id="1") != ""
    assert fire(client, prompt=DECISION, session_id="1") == ""


def test_a_session_begins_with_what_is_pinned_and_then_the_newest_decisions(client):
    pinned = add(client, "Always answer in British spelling", tags=["pinned"])
    old = add(
        client, "Money is in cents", project="shop", tags=["decision"], timestamp="2026-01-01T00:00:00Z"
    )
    new = add(
        client, "Errors have codes", project="shop", tags=["decision"], timestamp="2026-02-01T00:00:00Z"
    )
    add(client, "Lunch is at noon", project="shop")
    add(client, "Another project's", project="other", tags=["pinned", "decision"])
    assert shown(fire(client, "SessionStart", source="startup", session_id="1")) == [pinned, new, old]
    # What was shown there is not shown again for a prompt.
    assert fire(client, prompt="Errors have codes", session_id="1") == ""


def test_a_session_begins_with_nothing_where_nothing_is_pinned(client):
    add(client, DECISION, project="shop")
    assert fire(client, "SessionStart", source="startup", session_id="1") == ""


def test_the_digest_keeps_to_its_budget(client):
    for number in range(30):
        add(client, f"Decision number {number}: " + "long words " * 40, project="shop", tags=["decision"])
    text = fire(client, "SessionStart", source="startup", session_id="1")
    assert shown(text)
    assert len(text) <= 400 * 4 + 4


@pytest.mark.parametrize("source", ["clear", "compact"])
def test_what_the_assistant_has_forgotten_may_be_shown_again(client, source):
    pinned = add(client, "Money is in cents", project="shop", tags=["pinned"])
    found = add(client, DECISION, project="shop")
    fire(client, "SessionStart", source="startup", session_id="1")
    fire(client, prompt=DECISION, session_id="1")
    assert fire(client, "SessionStart", source="resume", session_id="1") == ""
    assert shown(fire(client, "SessionStart", source=source, session_id="1")) == [pinned]
    assert shown(fire(client, prompt=DECISION, session_id="1")) == [found]


def test_the_project_comes_from_the_folder_where_the_configuration_names_none(client, tmp_path):
    folder = tmp_path / "till"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    number = add(client, DECISION, project="till")
    for fields in ({"cwd": str(folder)}, {"workspace_roots": [str(folder)]}):
        assert shown(fire(client, project="", prompt=DECISION, session_id=str(fields), **fields)) == [number]
    assert fire(client, project="", prompt=DECISION, session_id="3", cwd=str(tmp_path / "missing")) == ""
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for cwd in ("till", "/null\0", f"/{'long' * 2000}", str(tmp_path / "circle")):
        assert fire(client, project="", prompt=DECISION, session_id="4", cwd=cwd) == ""


def test_of_a_long_memory_the_passage_that_was_found_is_shown(client):
    text = "\n\n".join(
        f"Paragraph {number} speaks of {word} alone. " * 12 for number, word in enumerate(["apples", "pears"])
    )
    add(client, text, project="shop")
    found = fire(client, prompt="speaks of pears alone. Paragraph 1 " * 12, session_id="1")
    assert "pears" in found
    assert len(found) < len(text)


def test_an_answer_that_would_come_too_late_is_none_and_is_not_taken_for_shown(client, monkeypatch):
    add(client, DECISION, project="shop")
    monkeypatch.setattr(
        "faiss_memory_plugins.recall.answering.time.monotonic", iter(range(0, 1000, 10)).__next__
    )
    answer = client.post(
        f"{HOOK}?project=shop&within_ms=250",
        {"hook_event_name": "UserPromptSubmit", "prompt": DECISION, "session_id": "1"},
    )
    assert answer.json == {}
    monkeypatch.undo()
    assert fire(client, prompt=DECISION, session_id="1") != ""
    counts = client.get("/stats").json["plugins"]["recall"]["parrot"]["shop"]["UserPromptSubmit"]
    assert (counts["fired"], counts["late"], counts["injected"]) == (2, 1, 1)


def test_claude_codes_http_hook_says_how_long_it_waits_and_what_comes_later_is_not_counted_as_shown(
    client, monkeypatch
):
    number = add(client, DECISION, project="shop")
    files = claude_code.files(InstallContext(url="", project="shop", command="", hook_command=""))
    (hooks,) = (file for file in files if getattr(file, "keys", ())[-1:] == ("UserPromptSubmit",))
    path = hooks.items[0]["hooks"][0]["url"]
    monkeypatch.setattr(
        "faiss_memory_plugins.recall.answering.time.monotonic", iter(range(0, 1000, 10)).__next__
    )
    event = {"hook_event_name": "UserPromptSubmit", "prompt": DECISION, "session_id": "1"}
    assert client.post(path, event).json == {}
    counts = client.get("/stats").json["plugins"]["recall"]["claude-code"]["shop"]["UserPromptSubmit"]
    assert (counts["late"], counts["injected"], counts["memories"]) == (1, 0, 0)
    monkeypatch.undo()
    assert shown(client.post(path, event).json["hookSpecificOutput"]["additionalContext"]) == [number]


def test_the_ledger_counts_what_was_shown_and_how_often_nothing(client):
    assert "recall" not in client.get("/stats").json["plugins"]
    add(client, DECISION, project="shop")
    fire(client, prompt=DECISION, session_id="1")
    fire(client, prompt="zebra giraffe", session_id="1")
    counts = client.get("/stats").json["plugins"]["recall"]["parrot"]["shop"]["UserPromptSubmit"]
    assert (counts["fired"], counts["injected"], counts["nothing"], counts["memories"]) == (2, 1, 1, 1)
    assert counts["tokens"] > 20
    assert counts["last_fired"].endswith("+00:00")


def test_events_that_need_no_answer_get_an_empty_one(client):
    assert client.post(HOOK, {"hook_event_name": "Stop", "stop_hook_active": False}).json == {}
    assert client.post(HOOK, {"hook_event_name": ""}).json == {}
    assert client.post(HOOK, {"prompt": "no event"}).json == {}


def test_what_cursor_fires_of_others_hooks_is_not_answered(client):
    add(client, DECISION, project="shop")
    assert fire(client, prompt=DECISION, session_id="1", cursor_version="2.1") == ""
    assert fire(client, prompt=DECISION, session_id="1") != ""


def test_fields_of_the_assistants_own_are_passed_over(client):
    assert (
        fire(client, prompt="hello there", session_id="1", transcript_path="/x", permission_mode="plan") == ""
    )


def test_a_recalled_block_is_not_stored_again(client):
    add(client, DECISION, project="shop")
    text = fire(client, prompt=DECISION, session_id="1")
    answer = client.post("/memory/add", {"text": f"Remember this:\n{text}"})
    assert answer.status_code == 400
    assert answer.json["field"] == "text"
    assert "recalled" in answer.json["description"]
    batch = client.post("/memory/add-batch", {"memories": [{"text": "fine"}, {"text": text}]})
    assert batch.json["field"] == "memories[1].text"
    assert client.get("/stats").json["total_memories"] == 1
    changed = client.request("PATCH", "/memory/1", {"text": text})
    assert (changed.status_code, changed.json["field"]) == (400, "text")
    assert "recalled" in changed.json["description"]
    assert client.request("PATCH", "/memory/1", {"source": "elsewhere"}).status_code == 200


SUMMARY = f"We moved the login to a modal. {DECISION}. The cart is next."


def test_a_summary_is_not_kept_unless_asked_for(client):
    fire(client, "PostCompact", compact_summary=SUMMARY, session_id="1")
    assert client.get("/memories?project=shop").json["count"] == 0


def test_a_summary_is_kept_for_its_own_session_after_a_compact(make):
    client = make(**{"plugins.recall.keep_summaries": "true"})
    add(client, DECISION, project="shop")
    fire(client, prompt=DECISION, session_id="1")
    fire(client, "PostCompact", compact_summary=SUMMARY, session_id="1")
    kept = client.get("/memories?project=shop&tag=session-note").json["memories"]
    assert [memory["text"] for memory in kept] == ["We moved the login to a modal. The cart is next."]
    assert shown(fire(client, "SessionStart", source="compact", session_id="1")) == [kept[0]["id"]]
    assert fire(client, "SessionStart", source="compact", session_id="2") == ""
    assert fire(client, "SessionStart", source="startup", session_id="1") == ""
    # Nor is it found for a prompt.
    assert kept[0]["id"] not in shown(
        fire(client, prompt="We moved the login to a modal. The cart is next.", session_id="3")
    )


@pytest.mark.parametrize(("tell", "told"), [("false", None), ("true", "1 note recalled")])
def test_the_person_is_told_how_many_notes_came_only_if_that_is_wanted(make, tell, told):
    event = {"hook_event_name": "UserPromptSubmit", "prompt": DECISION, "session_id": "1"}
    client = make(**{"plugins.recall.tell": tell})
    add(client, DECISION, project="shop")
    answer = client.post("/adapters/claude-code/hook?project=shop", event).json
    assert answer.get("systemMessage") == told
    assert "additionalContext" in answer["hookSpecificOutput"]
    assert client.post("/adapters/claude-code/hook?project=shop", event).json == {}, "nothing is new"


FIX = "The root cause was the proxy, which cut uploads at 1 MB."


@pytest.mark.parametrize(("name", "word"), [("claude-code", "/remember"), ("codex", "$remember")])
def test_last_words_that_settle_something_are_suggested_for_storing_only_if_that_is_wanted(make, name, word):
    event = {"hook_event_name": "Stop", "session_id": "1", "stop_hook_active": False}
    client = make(**{"plugins.recall.suggest": "true"})

    def said(message, **more):
        body = {**event, "last_assistant_message": message, **more}
        return client.post(f"/adapters/{name}/hook?project=shop", body).json

    suggested = {"systemMessage": f"Worth keeping? {word} {FIX}"}
    assert said(f"Done.\n\n- **{FIX}** All tests pass.".replace("**", "")) == suggested
    assert said("I ran the tests.\nWe decided to keep sessions in Redis.")["systemMessage"].endswith("Redis.")
    for message in (
        "All tests pass.", "Have we decided to keep sessions in Redis?", "```\n" + FIX + "\n```", "", None,
        "If we decided to use Redis, restarts would be cheap.", "from now on " + "x" * 400, f"<private>{FIX}</private>",
        "<faiss-memory-notes>\nPast notes, found.\n[memory 1 | 2026-01-01]\n> " + FIX,
    ):  # fmt: skip
        assert said(message) == {}, message
    assert said(FIX, stop_hook_active=True) == {}, "it never keeps an assistant going"
    assert client.get("/memories").json["memories"] == []


def test_nothing_is_suggested_by_default(client):
    event = {"hook_event_name": "Stop", "session_id": "1", "last_assistant_message": FIX}
    assert client.post("/adapters/claude-code/hook?project=shop", event).json == {}


def test_the_newest_twenty_summaries_of_a_project_stay(make):
    client = make(**{"plugins.recall.keep_summaries": "true"})
    for number in range(23):
        fire(
            client,
            "PostCompact",
            compact_summary=f"Session {number} was about topic {number}.",
            session_id=str(number),
        )
    kept = client.get("/memories?project=shop&tag=session-note&order=oldest").json["memories"]
    assert [memory["metadata"]["session"] for memory in kept] == [str(number) for number in range(3, 23)]
