"""What a prompt would bring, what a person wishes of a memory, and the log of what was brought."""

from __future__ import annotations

import os
import stat

import pytest

from tests.recall.test_answers import ASSISTANT, DECISION, HOOK, add, fire, shown

OTHER = "Pictures are shrunk by a queue of workers written in Rust"


@pytest.fixture
def make(make_service, client_of):
    return lambda **settings: client_of(make_service(ASSISTANT, **{"min_relevance": 0.2, **settings}))


@pytest.fixture
def client(make):
    return make()


def preview(client, prompt, **given):
    answer = client.post("/recall/preview", {"prompt": prompt, "project": "shop", **given})
    assert answer.status_code == 200, answer.json
    return answer.json


def why(answer):
    return {one["id"]: one["why"] for one in answer["withheld"]}


def log(client, query=""):
    answer = client.get(f"/recall/log{query}")
    assert answer.status_code == 200, answer.json
    return answer.json["recalls"]


def test_a_preview_is_what_a_fresh_session_is_shown_and_says_by_what_it_was_judged(client):
    mine = add(client, DECISION, project="shop", source="auth.md", tags=["auth"], cues=["where sessions are"])
    other = add(client, OTHER, project="shop")
    answer = preview(client, DECISION)
    (only,) = answer["shown"]
    assert (only["id"], only["text"], only["source"], only["tags"]) == (mine, DECISION, "auth.md", ["auth"])
    assert only["relevance"] >= answer["bar"]
    assert only["evidence"]["query"] == DECISION
    assert (only["evidence"]["has_cues"], only["evidence"]["memories"]) == (True, 2)
    assert why(answer) == {other: "relevance"}
    assert (answer["queries"], answer["nothing"]) == ([DECISION], "")
    assert shown(fire(client, prompt=DECISION, session_id="1")) == [mine]


def test_a_preview_gives_the_exact_block_that_an_assistant_gets(client):
    add(client, DECISION, project="shop", source="auth.md", tags=["auth"])
    assert preview(client, DECISION)["text"] == fire(client, prompt=DECISION, session_id="1") != ""
    assert preview(client, "zebra giraffe elephant")["text"] == ""


def test_the_bar_is_moved_for_a_preview_alone(client):
    mine, other = (add(client, text, project="shop") for text in (DECISION, OTHER))
    low = preview(client, DECISION, min_relevance=0)
    assert low["bar"] == 0
    assert {one["id"] for one in low["shown"]} | set(why(low)) == {mine, other}
    assert "relevance" not in why(low).values()
    high = preview(client, DECISION, min_relevance=1)
    assert (high["shown"], high["text"], why(high)) == ([], "", {mine: "relevance", other: "relevance"})
    assert "below 1.00" in high["nothing"]
    assert preview(client, DECISION)["bar"] == 0.2


@pytest.mark.parametrize("bar", [-0.1, 1.5, "high"])
def test_a_bar_that_is_none_is_refused_by_its_name(client, bar):
    answer = client.post("/recall/preview", {"prompt": DECISION, "min_relevance": bar})
    assert (answer.status_code, answer.json["field"]) == (400, "min_relevance")


def test_a_preview_changes_and_counts_nothing(make_service, client_of):
    service = make_service(ASSISTANT)
    client = client_of(service)
    add(client, DECISION, project="shop")
    for _ in range(2):
        assert preview(client, DECISION)["shown"]
    assert {use.event for use in service.engine.store.uses()} == {"added"}
    assert "recall" not in client.get("/stats").json["plugins"]
    assert log(client) == []
    assert fire(client, prompt=DECISION, session_id="1") != ""


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("", "empty"),
        ("/compact", "command"),
        ("<task-notification>done\n</task-notification>", "markup"),
        ("…", "no words"),
        ("zebra giraffe elephant", "nothing is about that"),
        ("run the tests", "no memory is meant"),
    ],
)
def test_where_nothing_is_shown_it_is_said_why(client, prompt, said):
    add(client, DECISION, project="shop")
    answer = preview(client, prompt)
    assert answer["shown"] == []
    assert said in answer["nothing"]


def test_an_empty_store_and_a_model_that_is_not_ready_are_said(client, monkeypatch):
    assert "no memories" in preview(client, DECISION)["nothing"]
    monkeypatch.setattr("faiss_memory.service.memories.MemoryService.model_ready", False)
    assert "not ready" in preview(client, DECISION)["nothing"]


def test_the_same_again_and_an_older_value_are_withheld(client):
    newest = add(client, f"{DECISION} at 4", project="shop", timestamp="2026-03-01T00:00:00")
    older = add(client, f"{DECISION} at 3", project="shop", timestamp="2026-02-01T00:00:00")
    answer = preview(client, f"{DECISION} at")
    assert ([one["id"] for one in answer["shown"]], why(answer)) == ([newest], {older: "replaced"})
    same = [add(client, text, project="other") for text in (OTHER, OTHER.upper())]
    answer = preview(client, OTHER, project="other")
    assert {one["id"] for one in answer["shown"]} | set(why(answer)) == set(same)
    assert list(why(answer).values()) == ["duplicate"]


def test_what_does_not_fit_is_withheld_for_its_budget(client):
    numbers = [
        add(
            client,
            f"{word} Redis sessions are kept because {word} servers restart {word}x {word}y",
            project="shop",
        )
        for word in ("alpha", "beta", "gamma")
    ]
    answer = preview(client, "Redis sessions are kept because servers restart", k=1)
    assert len(answer["shown"]) == 1
    assert set(why(answer)) | {answer["shown"][0]["id"]} == set(numbers)
    assert set(why(answer).values()) <= {"budget", "beside a better one"}
    assert "budget" in why(answer).values()


def test_a_follow_up_is_asked_with_the_prompt_before_it(client):
    mine = add(client, DECISION, project="shop")
    assert preview(client, "and why?")["shown"] == []
    found = preview(client, "and why?", previous=DECISION)
    assert [one["id"] for one in found["shown"]] == [mine]
    assert found["shown"][0]["evidence"]["query"].startswith("Sessions are kept")


# What a person wishes.


def test_a_pinned_memory_is_shown_at_every_start_and_an_unpinned_one_no_more(client):
    mine = add(client, DECISION, project="shop", tags=["auth"])
    assert client.post("/recall/pin", {"id": mine}).json == {
        "id": mine,
        "pinned": True,
        "tags": ["auth", "pinned"],
    }
    assert client.post("/recall/pin", {"id": mine, "pinned": True}).json["tags"] == ["auth", "pinned"]
    assert shown(fire(client, "SessionStart", source="startup", session_id="1")) == [mine]
    assert client.post("/recall/pin", {"id": mine, "pinned": False}).json["tags"] == ["auth"]
    assert fire(client, "SessionStart", source="startup", session_id="2") == ""
    assert client.post("/recall/pin", {"id": 99}).status_code == 404


def test_a_memory_is_never_shown_for_prompts_that_it_is_not_for(client):
    mine = add(client, DECISION, project="shop", metadata={"team": "web"})
    prompt = "web servers restart nightly sessions"
    assert shown(fire(client, prompt=prompt, session_id="0")) == [mine]
    for _ in range(2):
        assert client.post("/recall/never", {"id": mine, "prompt": prompt}).json == {
            "id": mine,
            "not_for": [prompt],
        }
    assert client.get(f"/memory/{mine}").json["metadata"] == {"team": "web", "not_for": [prompt]}
    assert fire(client, prompt=prompt, session_id="1") == ""
    assert fire(client, prompt=f"{prompt}!", session_id="1") == ""
    assert why(preview(client, prompt)) == {mine: "not for this"}
    assert shown(fire(client, prompt=DECISION, session_id="1")) == [mine]
    client.post("/recall/never", {"id": mine, "prompt": prompt, "forget": True})
    assert client.get(f"/memory/{mine}").json["metadata"] == {"team": "web"}
    assert shown(fire(client, prompt=prompt, session_id="2")) == [mine]


def test_the_prompts_that_a_memory_is_not_for_are_few_and_short(client):
    mine = add(client, DECISION, project="shop")
    for number in range(10):
        answer = client.post(
            "/recall/never", {"id": mine, "prompt": f"question {number} about " + "sessions " * 60}
        )
    assert len(answer.json["not_for"]) == 8
    assert answer.json["not_for"][-1].startswith("question 9")
    assert max(map(len, answer.json["not_for"])) <= 300
    assert client.post("/recall/never", {"id": mine, "prompt": "…"}).status_code == 400


# The log.


def test_the_log_says_what_was_shown_what_was_withheld_and_which_searches_found_nothing(client):
    mine = add(client, DECISION, project="shop")
    other = add(client, OTHER, project="shop")
    fire(client, prompt=f"{DECISION}\n\n{'zebra giraffe elephant lion ' * 40}", session_id="1")
    fire(client, prompt="zebra giraffe elephant", session_id="1")
    client.post("/search", {"query": "zebra giraffe", "project": "shop", "min_relevance": 0.9})
    client.post("/search", {"query": DECISION, "project": "shop"})
    searched, nothing, first = log(client)
    assert [one["id"] for one in first["shown"]] == [mine]
    assert first["shown"][0]["relevance"] > 0.2
    assert [(one["id"], one["why"]) for one in first["withheld"]] == [(other, "relevance")]
    assert (first["assistant"], first["project"], first["event"]) == ("parrot", "shop", "UserPromptSubmit")
    assert (len(first["prompt"]), first["late"]) == (500, False)
    assert first["took_ms"] > 0
    assert (nothing["shown"], nothing["nothing"][:7]) == ([], "nothing")
    assert (searched["event"], searched["prompt"], searched["assistant"]) == (
        "search",
        "zebra giraffe",
        "rest",
    )
    assert log(client, "?only=shown") == [first]
    assert log(client, "?only=nothing&assistant=parrot") == [nothing]
    assert log(client, "?limit=1") == [searched]
    assert log(client, "?project=other") == []


def test_what_came_too_late_is_no_more_than_that_in_the_log(client, monkeypatch):
    add(client, DECISION, project="shop")
    ticks = iter(range(0, 1000, 10))
    monkeypatch.setattr("faiss_memory_plugins.recall.answering.time.monotonic", ticks.__next__)
    event = {"hook_event_name": "UserPromptSubmit", "prompt": DECISION, "session_id": "1"}
    client.post(f"{HOOK}?project=shop&within_ms=250", event)
    (late,) = log(client, "?only=nothing")
    assert late["late"]
    assert log(client, "?only=shown") == []


def test_the_log_is_bounded_private_and_can_be_switched_off(make_service, client_of):
    service = make_service(ASSISTANT, **{"plugins.recall.log": 3})
    client = client_of(service)
    for number in range(5):
        fire(client, prompt=f"zebra {number}", session_id="1")
    assert [one["prompt"] for one in log(client)] == ["zebra 4", "zebra 3", "zebra 2"]
    path = service.settings.data_folder / "recall.db"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    service.stop()
    assert b"zebra 4" in path.read_bytes()
    assert b"zebra 1" not in path.read_bytes()
    service = make_service(ASSISTANT, **{"plugins.recall.log": 0})
    client = client_of(service)
    assert b"zebra" not in path.read_bytes()
    fire(client, prompt="zebra 6", session_id="1")
    assert log(client) == []


def test_a_purge_takes_from_the_log_what_shows_the_memory_or_holds_its_text(make_service, client_of):
    service = make_service(ASSISTANT)
    client = client_of(service)
    secret = "the vault opens with the blue key that lies under the third stone"
    mine = add(client, secret, project="shop")
    client.request("PATCH", f"/memory/{mine}", {"text": f"{DECISION} and hourly"})
    add(client, OTHER, project="shop")
    fire(client, prompt=f"why is it that {secret}, and not another?", session_id="1")
    fire(client, prompt=DECISION, session_id="1")
    fire(client, prompt="zebra giraffe elephant", session_id="1")
    client.post("/memory/forget", {"ids": [mine]})
    assert len(log(client)) == 3
    answer = client.post("/memory/purge", {"ids": [mine], "proof": True}).json
    assert answer["proof"]["texts"] >= 2
    assert answer["proof"]["found"] == []
    assert [one["prompt"] for one in log(client)] == ["zebra giraffe elephant"]
    assert b"third stone" not in (service.settings.data_folder / "recall.db").read_bytes()


def test_a_backup_holds_nothing_of_the_log(make_service, client_of):
    service = make_service(ASSISTANT)
    client = client_of(service)
    add(client, DECISION, project="shop")
    fire(client, prompt="zebra giraffe elephant", session_id="1")
    client.post("/backup", {})
    held = [path for path in (service.settings.data_folder / "backups").rglob("*") if path.is_file()]
    assert held
    assert not any(b"zebra giraffe" in path.read_bytes() for path in held)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/recall/log"), ("POST", "/recall/preview"), ("POST", "/recall/pin"), ("POST", "/recall/never")],
)
def test_who_comes_by_the_public_way_sees_none_of_it(make, method, path):
    client = make(public_url="https://memory.example.com", public_token="pub-77b2e0", token="tok-3f9a1c")
    public = {"Host": "memory.example.com", "Authorization": "Bearer pub-77b2e0"}
    answer = client.request(method, path, {} if method == "POST" else None, headers=public)
    assert answer.status_code == 404


def test_what_is_not_valid_any_more_is_withheld_with_the_day(client):
    over = add(client, DECISION, project="shop", tags=["pinned"], valid_until="2026-01-31T12:00:00Z")
    other = add(client, OTHER, project="shop", tags=["decision"], valid_until="2199-01-01T00:00:00Z")
    assert why(preview(client, DECISION))[over] == "no longer valid since 2026-01-31"
    assert preview(client, OTHER)["shown"][0]["id"] == other
    assert over not in shown(fire(client, prompt=DECISION, session_id="1"))
    (row,) = log(client, "?project=shop")
    assert {one["id"]: one["why"] for one in row["withheld"]}[over] == "no longer valid since 2026-01-31"
    assert shown(fire(client, "SessionStart", source="startup", session_id="2")) == [other]
    found = client.post("/search", {"query": DECISION, "project": "shop"}).json["results"]
    assert {one["id"]: one.get("state") for one in found} == {over: "expired", other: None}
    client.request("PATCH", f"/memory/{over}", {"forever": True})
    assert preview(client, DECISION)["shown"][0]["id"] == over
