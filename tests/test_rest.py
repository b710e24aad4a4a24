"""Every call but those of the quick start, in-process, on the stand-in embedder (see `tests.fakes`)."""

from __future__ import annotations

import shutil
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from faiss_memory import EmbedderError, hookimpl
from faiss_memory.app import build_service
from faiss_memory.settings import load
from tests.fakes import FakeEmbedder, FakeModel


def add(client, text, **fields):
    answer = client.post("/memory/add", {"text": text, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json["id"]


def search(client, query, **fields):
    answer = client.post("/search", {"query": query, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json


def ids(answer):
    return [found["id"] for found in answer["results"]]


def refused(answer, status, field=None):
    """Check the form of an error; gives its description."""
    assert answer.status_code == status, answer.text
    assert set(answer.json) == {"title", "description", *(["field"] if field else [])}
    assert answer.json.get("field") == field
    assert answer.headers["content-type"] == "application/json"
    return answer.json["description"]


# One memory.


def test_a_memory_is_read_as_it_was_stored(client):
    given = {
        "source": "docs/adr.md",
        "tags": ["db", "adr"],
        "cues": ["which database to use"],
        "metadata": {"n": 1, "deep": {"list": [True, None, 1.5]}},
        "timestamp": "2024-05-01T12:00:00+02:00",
        "project": "shop",
    }
    memory_id = add(client, "postgres it is", **given)
    answer = client.get(f"/memory/{memory_id}").json
    assert uuid.UUID(answer.pop("uid")).version == 7
    assert answer == {
        "id": memory_id,
        "text": "postgres it is",
        "by": "rest",
        **given,
        "timestamp": "2024-05-01T10:00:00+00:00",
        "supersedes": None,
        "superseded_by": None,
        "actor": None,
    }


def test_a_time_without_offset_is_utc_and_none_is_now(client):
    memory_id = add(client, "naive", timestamp="2024-05-01T12:00:00")
    assert client.get(f"/memory/{memory_id}").json["timestamp"] == "2024-05-01T12:00:00+00:00"
    before = datetime.now(UTC)
    memory_id = add(client, "now")
    stored = datetime.fromisoformat(client.get(f"/memory/{memory_id}").json["timestamp"])
    assert before <= stored <= datetime.now(UTC)
    assert stored.utcoffset() == timedelta(0)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_utc_cannot_say_is_refused(client, time):
    refused(client.post("/memory/add", {"text": "x", "timestamp": time}), 400, "timestamp")
    refused(client.post("/search", {"query": "x", "after": time}), 400, "after")


def test_a_corrected_text_is_found_by_the_new_words_and_not_by_the_old(client):
    memory_id = add(client, "we deploy on fridays", tags=["ops"], metadata={"a": 1}, source="ops.md")
    add(client, "lunch is at noon")
    answer = client.request("PATCH", f"/memory/{memory_id}", {"text": "we release on mondays"})
    assert answer.status_code == 200
    assert answer.json["text"] == "we release on mondays"
    assert (answer.json["tags"], answer.json["metadata"], answer.json["source"]) == (
        ["ops"],
        {"a": 1},
        "ops.md",
    )
    assert ids(search(client, "release mondays", k=1)) == [memory_id]
    assert search(client, "release mondays", mode="semantic", k=1)["results"][0]["similarity"] > 0.6
    assert ids(search(client, "deploy fridays", mode="keyword")) == []


def test_a_correction_replaces_tags_and_metadata_whole(client):
    memory_id = add(client, "x", tags=["old"], metadata={"old": 1})
    changes = {
        "tags": ["new"],
        "metadata": {"new": 2},
        "source": "new.md",
        "timestamp": "2020-01-01T00:00:00",
    }
    answer = client.request("PATCH", f"/memory/{memory_id}", changes).json
    assert {key: answer[key] for key in changes} == {**changes, "timestamp": "2020-01-01T00:00:00+00:00"}
    assert ids(search(client, "x", tags=["old"])) == []
    assert ids(search(client, "x", metadata={"new": 2})) == [memory_id]


def test_a_correction_of_nothing_is_refused(client):
    memory_id = add(client, "x")
    assert "nothing to change" in refused(client.request("PATCH", f"/memory/{memory_id}", {}), 400)
    refused(client.request("PATCH", f"/memory/{memory_id}", {"text": None}), 400)
    refused(client.request("PATCH", f"/memory/{memory_id}", {"text": " \n"}), 400, "text")


def test_a_deleted_memory_is_gone_from_every_answer_and_its_id_is_not_used_again(client):
    memory_id = add(client, "the secret plan", tags=["plan"])
    answer = client.request("DELETE", f"/memory/{memory_id}")
    assert (answer.status_code, answer.json["success"], answer.json["id"]) == (200, True, memory_id)
    assert ids(search(client, "secret plan")) == []
    assert client.get("/memories").json["memories"] == []
    assert client.get("/tags").json["tags"] == []
    refused(client.get(f"/memory/{memory_id}"), 404)
    refused(client.get(f"/memory/{memory_id}/history"), 404)
    refused(client.request("DELETE", f"/memory/{memory_id}"), 404)
    refused(client.request("PATCH", f"/memory/{memory_id}", {"source": "x"}), 404)
    assert add(client, "another") > memory_id


# Superseding.


def test_a_superseded_memory_is_hidden_until_asked_for(client):
    old = add(client, "the port is 8000")
    new = add(client, "the port is 8900", supersedes=old)
    newest = add(client, "the port is 9000", supersedes=new)
    for mode in ("hybrid", "semantic", "keyword"):
        assert ids(search(client, "the port", mode=mode)) == [newest]
        assert sorted(ids(search(client, "the port", mode=mode, include_superseded=True))) == [
            old,
            new,
            newest,
        ]
    assert [one["id"] for one in client.get("/memories").json["memories"]] == [newest]
    listed = client.get("/memories", params={"include_superseded": "true"}).json["memories"]
    assert [one["id"] for one in listed] == [newest, new, old]
    history = client.get(f"/memory/{newest}/history").json
    assert [one["id"] for one in history["memories"]] == [newest, new, old]
    assert history["count"] == 3
    assert client.get(f"/memory/{old}").json["superseded_by"] == new
    assert [one["id"] for one in client.get(f"/memory/{new}/history").json["memories"]] == [new, old]


def test_what_was_superseded_is_current_again_when_its_successor_is_forgotten(client):
    old = add(client, "the port is 8000")
    new = add(client, "the port is 8900", supersedes=old)
    client.request("DELETE", f"/memory/{new}")
    assert ids(search(client, "the port")) == [old]


def test_superseding_what_is_not_there_stores_nothing(client):
    elsewhere = add(client, "x", project="other")
    for supersedes in (999, elsewhere):
        answer = client.post("/memory/add", {"text": "y", "supersedes": supersedes})
        assert str(supersedes) in refused(answer, 404, "supersedes")
    assert client.get("/memories").json["count"] == 0


# Listing.


def pages(client, **params):
    """Follow the cursors to the end; gives the ids of each page."""
    cursor, found = None, []
    while True:
        answer = client.get("/memories", params={**params, **({"cursor": cursor} if cursor else {})}).json
        assert answer["count"] == len(answer["memories"])
        found.append([memory["id"] for memory in answer["memories"]])
        cursor = answer["next_cursor"]
        if cursor is None:
            return found


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_hold_everything_once_even_where_times_are_equal(client, order):
    same = "2024-01-01T00:00:00Z"
    stored = [add(client, f"memory {n}", timestamp=same) for n in range(7)]
    expected = stored if order == "oldest" else stored[::-1]
    assert pages(client, limit=3, order=order) == [expected[:3], expected[3:6], expected[6:]]
    assert pages(client, limit=7, order=order) == [expected]


def test_paging_is_stable_while_others_write(client):
    stored = [add(client, f"memory {n}", timestamp=f"2024-01-0{n + 1}T00:00:00") for n in range(6)]
    first = client.get("/memories", params={"limit": "2"}).json
    assert [memory["id"] for memory in first["memories"]] == [stored[5], stored[4]]
    add(client, "newer", timestamp="2024-02-01T00:00:00")
    client.request("DELETE", f"/memory/{stored[4]}")
    client.request("DELETE", f"/memory/{stored[2]}")
    between = add(client, "between", timestamp="2024-01-03T12:00:00")
    rest = pages(client, limit=2, cursor=first["next_cursor"])
    second = client.get("/memories", params={"limit": "2", "cursor": first["next_cursor"]}).json
    assert rest[0] == [memory["id"] for memory in second["memories"]] == [stored[3], between]
    third = client.get("/memories", params={"limit": "5", "cursor": second["next_cursor"]}).json
    assert [memory["id"] for memory in third["memories"]] == [stored[1], stored[0]]


def test_the_list_is_filtered(client):
    first = add(client, "Straße und CAFÉ", tags=["a"], source="docs/one.md", timestamp="2024-01-01T00:00:00")
    second = add(client, "100% _plain_", tags=["b"], source="src/two.md", timestamp="2024-01-02T00:00:00")
    third = add(client, "elsewhere", tags=["a"], project="other", timestamp="2024-01-03T00:00:00")

    def listed(**params):
        return [memory["id"] for memory in client.get("/memories", params=params).json["memories"]]

    assert listed() == [second, first]
    assert listed(project="*") == [third, second, first]
    assert listed(project="other") == [third]
    assert listed(tag="a") == [first]
    assert listed(source="docs/*") == [first]
    assert listed(after="2024-01-02T00:00:00") == [second]
    assert listed(before="2024-01-02T00:00:00") == [first]
    assert listed(q="strasse") == listed(q="café") == [first]
    assert listed(q="%") == listed(q="_plain_") == [second]
    assert listed(q="no such words") == []


# Forgetting many.


def test_forgetting_by_id_tells_what_was_not_there(client):
    kept, one, two = (add(client, f"memory {n}") for n in range(3))
    other = add(client, "elsewhere", project="other")
    request = {"ids": [one, two, other, 999, one]}
    dry = client.post("/memory/forget", {**request, "dry_run": True}).json
    assert (dry["ids"], dry["missing"], dry["dry_run"]) == ([one, two, other], [999], True)
    assert client.get("/memories", params={"project": "*"}).json["count"] == 4
    answer = client.post("/memory/forget", request).json
    assert (answer["ids"], answer["count"], answer["missing"]) == ([one, two, other], 3, [999])
    assert [memory["id"] for memory in client.get("/memories", params={"project": "*"}).json["memories"]] == [
        kept
    ]


def test_forgetting_needs_every_condition_to_hold(client):
    add(client, "kept: no tag", source="docs/a.md")
    add(client, "kept: other source", tags=["x"], source="src/a.md")
    add(client, "kept: other project", tags=["x"], source="docs/a.md", project="other")
    gone = add(client, "gone", tags=["x", "y"], source="docs/b.md", metadata={"n": 1})
    old = add(client, "gone too, though superseded", tags=["x"], source="docs/c.md")
    new = add(client, "successor", supersedes=old)
    answer = client.post("/memory/forget", {"tags": ["x"], "source": "docs/*", "project": "default"}).json
    assert answer["ids"] == [gone, old]
    assert client.get("/memories", params={"project": "*"}).json["count"] == 4
    assert client.get(f"/memory/{new}").status_code == 200


def test_an_id_is_forgotten_only_where_the_other_conditions_hold(client):
    here, there = add(client, "a"), add(client, "b", project="other")
    answer = client.post("/memory/forget", {"ids": [here, there], "project": "other"}).json
    assert (answer["ids"], answer["missing"]) == ([there], [here])


@pytest.mark.parametrize("request_body", [{}, {"dry_run": True}, {"tags_mode": "all"}])
def test_forgetting_without_a_condition_is_refused(client, request_body):
    add(client, "kept")
    assert "at least one of ids, project" in refused(client.post("/memory/forget", request_body), 400)
    assert client.get("/memories").json["count"] == 1


@pytest.mark.parametrize("field", ["ids", "tags", "metadata"])
def test_an_empty_condition_is_not_the_same_as_none(client, field):
    add(client, "kept")
    empty = {} if field == "metadata" else []
    refused(client.post("/memory/forget", {field: empty}), 400, field)
    assert client.get("/memories").json["count"] == 1


# Projects and tags.


def test_projects_are_separate_and_can_be_dropped(client):
    mine = add(client, "shared words", project="mine")
    yours = add(client, "shared words", project="yours")
    default = add(client, "shared words")
    assert ids(search(client, "shared words")) == [default]
    assert search(client, "shared words")["project"] == "default"
    assert ids(search(client, "shared words", project="mine")) == [mine]
    both = search(client, "shared words", project=["yours", "mine"])
    assert (ids(both), both["project"]) == ([mine, yours], ["yours", "mine"])
    everywhere = search(client, "shared words", project="*")
    assert (ids(everywhere), everywhere["project"]) == ([mine, yours, default], "*")
    assert [(one["name"], one["memories"]) for one in client.get("/projects").json["projects"]] == [
        ("default", 1),
        ("mine", 1),
        ("yours", 1),
    ]
    dropped = client.request("DELETE", "/projects/mine").json
    assert (dropped["success"], dropped["project"], dropped["forgotten"]) == (True, "mine", 1)
    assert ids(search(client, "shared words", project="*")) == [yours, default]
    refused(client.get(f"/memory/{mine}"), 404)
    refused(client.request("DELETE", "/projects/mine"), 404)
    assert [one["name"] for one in client.get("/projects").json["projects"]] == ["default", "yours"]
    assert ids(search(client, "shared words", project="mine")) == []
    assert add(client, "shared words", project="mine") > default


@pytest.mark.parametrize("name", ["..", "/", "!", "*", " "])
def test_a_project_name_without_a_letter_is_refused(client, name):
    refused(client.post("/memory/add", {"text": "x", "project": name}), 400, "project")


def test_tags_are_counted_by_project(client):
    add(client, "a", tags=["x", "y"])
    add(client, "b", tags=["x"])
    add(client, "c", tags=["x", "z"], project="other")

    def tags(**params):
        return {one["tag"]: one["count"] for one in client.get("/tags", params=params).json["tags"]}

    assert tags() == {"x": 2, "y": 1}
    assert tags(project="other") == {"x": 1, "z": 1}
    assert list(tags(project="*").items()) == [("x", 3), ("y", 1), ("z", 1)]


def test_tags_are_trimmed_and_kept_once(client):
    memory_id = add(client, "x", tags=[" a ", "a", "b"])
    assert client.get(f"/memory/{memory_id}").json["tags"] == ["a", "b"]
    assert ids(search(client, "x", tags=[" a"])) == [memory_id]


def test_stats_are_of_one_project_or_of_all(client):
    before = client.get("/stats").json["plugins"]["activity"]
    add(client, "a")
    add(client, "b", project="other")
    add(client, "c", project="other")
    everything = client.get("/stats").json
    assert everything["total_memories"] == 3
    assert [(one["name"], one["memories"]) for one in everything["projects"]] == [
        ("default", 1),
        ("other", 2),
    ]
    assert (
        everything["index_size_bytes"] == sum(one["index_size_bytes"] for one in everything["projects"]) > 0
    )
    assert (everything["dimension"], everything["model_ready"], everything["model_error"]) == (64, True, None)
    assert everything["plugins"]["activity"] == {**before, "added": before["added"] + 3}
    other = client.get("/stats", params={"project": "other"}).json
    assert (other["total_memories"], len(other["projects"])) == (2, 1)
    assert client.get("/stats", params={"project": "*"}).json["total_memories"] == 3
    refused(client.get("/stats", params={"project": "nope"}), 404)


# Filters of a search.


@pytest.fixture
def sorted_out(client):
    """The client, and ids of four memories of the same words that differ in everything else."""
    fields = [
        {"tags": ["a"], "source": "docs/x.md", "metadata": {"n": 1}, "timestamp": "2024-01-01T00:00:00"},
        {
            "tags": ["a", "b"],
            "source": "docs/sub/y.md",
            "metadata": {"n": True},
            "timestamp": "2024-01-02T00:00:00",
        },
        {"tags": ["b"], "source": "Docs/z.txt", "metadata": {"n": "1"}, "timestamp": "2024-01-03T00:00:00"},
        {"metadata": {"n": None, "m": {"b": [1, 2], "a": 0}}, "timestamp": "2024-01-04T00:00:00"},
    ]
    return client, [add(client, "the same words", **given) for given in fields]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"tags": ["a"]}, [0, 1]),
        ({"tags": ["a", "b"]}, [0, 1, 2]),
        ({"tags": ["a", "b"], "tags_mode": "all"}, [1]),
        ({"tags": ["A"]}, []),
        ({"source": "docs/*"}, [0, 1]),
        ({"source": "*.md"}, [0, 1]),
        ({"source": "docs/?.md"}, [0]),
        ({"source": "[dD]ocs/[sz]*"}, [1, 2]),
        ({"source": "docs"}, []),
        ({"source": ""}, [0, 1, 2, 3]),
        ({"metadata": {"n": 1}}, [0]),
        ({"metadata": {"n": 1.0}}, [0]),
        ({"metadata": {"n": True}}, [1]),
        ({"metadata": {"n": "1"}}, [2]),
        ({"metadata": {"n": None}}, [3]),
        ({"metadata": {"m": {"a": 0, "b": [1.0, 2]}}}, [3]),
        ({"metadata": {"m": {"a": 0, "b": [2, 1]}}}, []),
        ({"metadata": {"n": 1, "other": 1}}, []),
        ({"after": "2024-01-02T00:00:00"}, [1, 2, 3]),
        ({"before": "2024-01-02T00:00:00"}, [0]),
        ({"after": "2024-01-02T01:00:00+01:00", "before": "2024-01-03T00:00:00.000001Z"}, [1, 2]),
        ({"tags": ["a"], "source": "docs/*", "metadata": {"n": 1}}, [0]),
    ],
)
def test_every_condition_of_a_search_holds(sorted_out, where, expected):
    client, stored = sorted_out
    for mode in ("hybrid", "semantic", "keyword"):
        found = ids(search(client, "the same words", mode=mode, **where))
        assert sorted(found) == [stored[n] for n in expected]


# How many, and in which order.


def test_ties_are_in_order_of_id(client):
    stored = [add(client, "exactly the same") for _ in range(12)]
    for mode in ("hybrid", "semantic", "keyword"):
        assert ids(search(client, "exactly the same", mode=mode, k=7)) == stored[:7]


def test_scores_never_rise_and_similarities_have_four_places(client):
    for n in range(30):
        add(client, f"alpha {'beta ' * (n % 4)} word{n} {'gamma' if n % 3 else ''}")
    for mode in ("hybrid", "semantic", "keyword"):
        results = search(client, "alpha beta gamma", mode=mode, k=30)["results"]
        scores = [found["score"] for found in results]
        assert scores == sorted(scores, reverse=True)
        assert all(found["similarity"] == round(found["similarity"], 4) for found in results)
        assert all(0 <= found["relevance"] <= 1 for found in results)


@pytest.mark.parametrize("mode", ["hybrid", "semantic"])
def test_there_are_k_results_whenever_k_memories_match(make_service, client_of, mode):
    client = client_of(make_service())
    long = "\n\n".join(f"apple paragraph {n} " + "apple pie recipe " * 12 for n in range(40))
    longs = [add(client, f"{long} {n}") for n in range(6)]
    shorts = [add(client, f"note number {n}", tags=["short"]) for n in range(30)]
    hidden = [add(client, "apple pie recipe") for _ in range(20)]
    for old in hidden:
        add(client, "unrelated successor", supersedes=old)
    found = search(client, "apple pie recipe", mode=mode, k=50)
    assert found["count"] == len(set(ids(found))) == 50
    assert set(longs) <= set(ids(found))
    assert not set(hidden) & set(ids(found))
    only = search(client, "apple pie recipe", mode=mode, k=30, tags=["short"])
    assert sorted(ids(only)) == shorts
    passage = search(client, "apple pie recipe", mode=mode, k=100)["results"]
    assert all(("passage" in one) is (one["id"] in longs) for one in passage)


def test_the_threshold_cuts_on_similarity_before_k_in_every_mode(client):
    near = [add(client, f"red green blue {'extra ' * n}") for n in range(5)]
    far = [add(client, f"red something else entirely here number{n}") for n in range(5)]
    everything = search(client, "red green blue", mode="semantic", k=10)["results"]
    least = min(found["similarity"] for found in everything if found["id"] in near)
    assert least > max(found["similarity"] for found in everything if found["id"] in far)
    for mode in ("hybrid", "semantic", "keyword"):
        kept = search(client, "red green blue", mode=mode, k=10, threshold=least)
        assert sorted(ids(kept)) == near
        assert search(client, "red green blue", mode=mode, k=3, threshold=least)["count"] == 3
        assert search(client, "red green blue", mode=mode, threshold=1)["count"] == 1
        assert search(client, "red green blue", mode=mode, k=10, threshold=0)["count"] == 10


def test_the_threshold_is_kept_to_however_many_better_ranked_memories_it_cuts(client):
    # Rare words rank first by keywords, though they mean something else.
    memories = [{"text": text} for text in ["beta one two three"] * 150 + ["alpha four five six"] * 300]
    client.post("/memory/add-batch", {"memories": memories})
    exact = add(client, "alpha")
    assert exact not in ids(search(client, "alpha beta", mode="keyword", k=100))
    assert ids(search(client, "alpha beta", mode="keyword", k=1, threshold=0.7)) == [exact]


def test_what_is_not_relevant_enough_is_withheld_and_counted(client):
    add(client, "red green blue")
    add(client, "nothing in common whatsoever")
    answer = search(client, "red green blue", min_relevance=0.9)
    assert (answer["count"], answer["withheld"]) == (1, 1)
    assert search(client, "red green blue")["withheld"] == 0


def test_what_relevance_is_judged_by_is_told_if_asked(client):
    add(client, "red green blue", cues=["a colour"])
    add(client, "quite another thing")
    best = search(client, "red green", explain=True)["results"][0]["evidence"]
    assert best.pop("specific") > 0.5
    assert best == {
        "query": "red green", "similarity": pytest.approx(0.8165, abs=0.01), "words": 1.0, "memories": 2,
        "generic": pytest.approx(0.3, abs=0.5), "has_cues": True,
    }  # fmt: skip
    assert "evidence" not in search(client, "red green")["results"][0]


# Novelty.


def test_a_near_twin_is_not_added_and_is_named(client):
    first = add(client, "we use tailwind for styling", if_novel=0.9)
    answer = client.post("/memory/add", {"text": "we use Tailwind for styling!", "if_novel": 0.9})
    assert (answer.status_code, answer.json["success"], answer.json["id"]) == (200, False, None)
    assert answer.json["closest_match"] == {
        "id": first,
        "text": "we use tailwind for styling",
        "source": "",
        "similarity": 1.0,
    }
    assert client.get("/stats").json["total_memories"] == 1
    add(client, "we use tailwind for styling", if_novel=0.9, project="other")
    add(client, "something else", if_novel=0.9)
    add(client, "we use tailwind for styling")


def test_a_batch_is_compared_with_itself(client):
    memories = [
        {"text": "twin text", "if_novel": 0.9},
        {"text": "twin text", "if_novel": 0.9},
        {"text": "other"},
    ]
    answer = client.post("/memory/add-batch", {"memories": memories})
    assert answer.status_code == 201
    first, left_out, other = answer.json["ids"]
    assert left_out is None
    assert (answer.json["count"], answer.json["success"]) == (2, True)
    assert [memory["id"] for memory in client.get("/memories").json["memories"]] == [other, first]


def test_of_equal_memories_added_at_once_exactly_one_is_stored(client):
    body = {"text": "only one of us", "if_novel": 0.9}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post("/memory/add", body), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert client.get("/stats").json["total_memories"] == 1


def test_a_long_text_is_known_only_if_every_passage_is(client):
    paragraphs = [
        " ".join(f"{word}{n}" for n in range(35)) + "." for word in ("apple", "bread", "candle", "drum")
    ]
    for paragraph in paragraphs[:3]:
        add(client, paragraph)
    request = {"text": "\n\n".join(paragraphs), "threshold": 0.4}
    assert client.post("/memory/is-novel", request).json["is_novel"] is True
    add(client, paragraphs[3])
    assert client.post("/memory/is-novel", request).json["is_novel"] is False
    assert client.post("/memory/is-novel", {"text": paragraphs[0]}).json["is_novel"] is False


# Retries.


@pytest.mark.parametrize("way", ["header", "field"])
def test_a_retry_gets_the_first_answer(client, way):
    def send(text, key):
        if way == "header":
            return client.post("/memory/add", {"text": text}, headers={"Idempotency-Key": key})
        return client.post("/memory/add", {"text": text, "idempotency_key": key})

    first = send("once", "key-1")
    again = send("once", "key-1")
    assert (again.status_code, again.json) == (201, first.json)
    assert send("once", "key-2").json["id"] != first.json["id"]
    refused(send("something else", "key-1"), 409, "idempotency_key")
    assert client.get("/stats").json["total_memories"] == 2


def test_header_and_field_are_the_same_key(client):
    first = client.post("/memory/add", {"text": "once"}, headers={"Idempotency-Key": "k"})
    again = client.post(
        "/memory/add", {"text": "once", "idempotency_key": "k"}, headers={"Idempotency-Key": "k"}
    )
    assert again.json == first.json
    answer = client.post(
        "/memory/add", {"text": "x", "idempotency_key": "a"}, headers={"Idempotency-Key": "b"}
    )
    refused(answer, 409, "idempotency_key")


def test_a_retried_batch_gets_the_first_answer(client):
    body = {
        "memories": [{"text": "a", "if_novel": 0.9}, {"text": "a", "if_novel": 0.9}],
        "idempotency_key": "k",
    }
    first, again = client.post("/memory/add-batch", body), client.post("/memory/add-batch", body)
    assert first.json == again.json
    assert first.json["ids"][1] is None
    refused(client.post("/memory/add", {"text": "a", "idempotency_key": "k"}), 409, "idempotency_key")


def test_a_retry_of_what_was_left_out_names_the_same_twin(client):
    add(client, "a twin")
    body = {"text": "a twin", "if_novel": 0.9, "idempotency_key": "k"}
    first, again = client.post("/memory/add", body), client.post("/memory/add", body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json == again.json


def test_retries_at_the_same_moment_store_one(client):
    body = {"text": "once", "idempotency_key": "k"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post("/memory/add", body).json["id"], range(16)))
    assert len(set(answers)) == 1
    assert client.get("/stats").json["total_memories"] == 1


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_of_no_use_is_refused(client, key):
    refused(
        client.post("/memory/add", {"text": "x"}, headers={"Idempotency-Key": key}), 400, "Idempotency-Key"
    )
    if key:
        refused(client.post("/memory/add", {"text": "x", "idempotency_key": key}), 400, "idempotency_key")


@pytest.mark.parametrize(
    ("bad", "status", "field"),
    [
        ({"text": "  "}, 400, "memories[1].text"),
        ({}, 400, "memories[1].text"),
        ({"text": "x", "tags": [""]}, 400, "memories[1].tags[0]"),
        ({"text": "x", "oops": 1}, 400, "memories[1].oops"),
        ({"text": "x" * 65537}, 400, "memories[1].text"),
        ({"text": "x", "supersedes": 999}, 404, "supersedes"),
    ],
)
def test_a_batch_is_stored_whole_or_not_at_all(client, bad, status, field):
    refused(client.post("/memory/add-batch", {"memories": [{"text": "good"}, bad]}), status, field)
    assert client.get("/stats").json["total_memories"] == 0


# What is refused, and how.


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/search", {"query": "x", "treshold": 0.5}, "treshold"),
        ("/search", {"q": "x"}, "q"),
        ("/memory/add", {"text": "x", "tag": "y"}, "tag"),
        ("/memory/is-novel", {"text": "x", "k": 1}, "k"),
        ("/memory/forget", {"ids": [1], "all": True}, "all"),
        ("/backup", {"name": "x"}, "name"),
    ],
)
def test_an_unknown_field_is_refused_by_name(client, path, body, field):
    description = refused(client.post(path, body), 400, field)
    assert f"`{field}`" in description
    assert "/docs" in description


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/memories", "sort"),
        ("/stats", "k"),
        ("/memory/1", "x"),
        ("/health", "x"),
        ("/projects", "x"),
    ],
)
def test_an_unknown_parameter_is_refused_by_name(client, path, parameter):
    assert f"`{parameter}`" in refused(client.get(path, params={parameter: "1"}), 400, parameter)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/search", {}, "query"),
        ("/search", {"query": ""}, "query"),
        ("/search", {"query": 5}, "query"),
        ("/search", {"query": "x", "k": 0}, "k"),
        ("/search", {"query": "x", "k": "five"}, "k"),
        ("/search", {"query": "x", "threshold": 1.5}, "threshold"),
        ("/search", {"query": "x", "mode": "fuzzy"}, "mode"),
        ("/search", {"query": "x", "tags_mode": "none"}, "tags_mode"),
        ("/search", {"query": "x", "project": []}, "project"),
        ("/search", {"query": "x", "project": ["a", "!"]}, "project[1]"),
        ("/search", {"query": "x", "after": "yesterday"}, "after"),
        ("/search", {"query": "x", "min_relevance": 2}, "min_relevance"),
        ("/memory/add", {"text": "x", "source": "s" * 4097}, "source"),
        ("/memory/add", {"text": "x", "metadata": []}, "metadata"),
        ("/memory/add", {"text": "x", "tags": 5}, "tags"),
        ("/memory/add", {"text": "x", "tags": ["t" * 129]}, "tags[0]"),
        ("/memory/add", {"text": "x", "supersedes": 0}, "supersedes"),
        ("/memory/add", {"text": "x", "if_novel": -2}, "if_novel"),
        ("/memory/add", {"text": "x", "timestamp": 5}, "timestamp"),
        ("/memory/add-batch", {"memories": []}, "memories"),
        ("/memory/is-novel", {"text": "x", "threshold": "high"}, "threshold"),
        ("/memory/forget", {"ids": ["one"]}, "ids[0]"),
        ("/backup", {"label": "x" * 201}, "label"),
    ],
)
def test_a_field_that_is_wrong_is_named(client, path, body, field):
    assert f"`{field}`" in refused(client.post(path, body), 400, field)


@pytest.mark.parametrize(
    ("limit", "value", "path", "good", "bad", "field"),
    [
        ("text_bytes", 6, "/memory/add", {"text": "äöü"}, {"text": "äöüx"}, "text"),
        ("text_bytes", 6, "/search", {"query": "äöü"}, {"query": "äöüx"}, "query"),
        ("text_bytes", 6, "/memory/is-novel", {"text": "äöü"}, {"text": "äöüx"}, "text"),
        ("k", 3, "/search", {"query": "x", "k": 3}, {"query": "x", "k": 4}, "k"),
        ("tags", 2, "/memory/add", {"text": "x", "tags": ["a", "b"]}, {"text": "x", "tags": ["a", "b", "c"]}, "tags"),
        ("cues", 2, "/memory/add", {"text": "x", "cues": ["a", "b"]}, {"text": "x", "cues": ["a", "b", "c"]}, "cues"),
        ("metadata_bytes", 9, "/memory/add", {"text": "x", "metadata": {"a": 123}},
         {"text": "x", "metadata": {"a": 1234}}, "metadata"),
        ("batch", 1, "/memory/add-batch", {"memories": [{"text": "x"}]}, {"memories": [{"text": "x"}] * 2}, "memories"),
        ("batch", 1, "/memory/forget", {"ids": [7]}, {"ids": [7, 8]}, "ids"),
    ],
)  # fmt: skip
def test_each_limit_is_a_setting_and_says_so(make_service, client_of, limit, value, path, good, bad, field):
    client = client_of(make_service(**{f"limits.{limit}": value}))
    assert client.post(path, good).status_code in (200, 201)
    assert f"limits.{limit}" in refused(client.post(path, bad), 400, field)


def test_the_limits_hold_for_corrections_too(make_service, client_of):
    client = client_of(make_service(**{"limits.text_bytes": 6, "limits.tags": 1, "limits.metadata_bytes": 9}))
    memory_id = add(client, "x")
    for change in ({"text": "äöüx"}, {"tags": ["a", "b"]}, {"metadata": {"a": 1234}}):
        refused(client.request("PATCH", f"/memory/{memory_id}", change), 400, next(iter(change)))


def test_a_body_larger_than_the_limit_is_refused(make_service, client_of):
    client = client_of(make_service(**{"limits.body_bytes": 100}))
    assert client.post("/memory/add", {"text": "x" * 80}).status_code == 201
    assert "limits.body_bytes" in refused(client.post("/memory/add", {"text": "x" * 100}), 413)


def test_whole_numbers_may_be_written_with_a_point(client):
    add(client, "x", metadata={"n": 1.5})
    assert search(client, "x", k=1.0)["count"] == 1
    assert client.post("/memory/forget", {"ids": [1.0, 2e0]}).json["ids"] == [1]
    refused(client.post("/search", {"query": "x", "k": 1.5}), 400, "k")
    refused(client.post("/search", {"query": 1.0}), 400, "query")


def test_a_time_in_an_address_is_a_time(client):
    assert client.get("/memories", params={"after": "2024-01-01T00:00:00+02:00"}).status_code == 200
    for text in ("0", "1e3", "null", "2024-1-1", "2024-01-01T00:00:00 02:00", "24:00"):
        refused(client.get("/memories", params={"after": text}), 400, "after")
    assert client.get("/memories", params={"q": "null", "tag": "null", "project": "null"}).status_code == 200


# Adapters.


def test_an_adapters_files_speak_of_the_project(client):
    names = [adapter["name"] for adapter in client.get("/adapters").json["adapters"]]
    assert "generic" in names
    answer = client.get("/adapters/generic/files", params={"project": "shop"}).json
    file = answer["files"][0]
    assert (file["path"], file["kind"], answer["project"]) == ("AGENTS.md", "marked block", "shop")
    assert '"shop"' in file["text"]
    assert "$" not in file["text"].replace("${", "")
    assert "generic" in refused(client.get("/adapters/nobody/files"), 404)


def test_an_adapters_files_name_the_port_that_a_container_is_published_on(make_service, client_of):
    here = client_of(make_service(port=8000, published_port=8900))
    file = here.get("/adapters/generic/files").json["files"][0]
    assert "http://127.0.0.1:8900/adapters/generic/search" in file["text"]
    assert ":8000" not in file["text"]


def test_an_adapters_prompt_speaks_of_the_project(client):
    answer = client.get("/adapters/generic/prompt", params={"project": "shop"}).json
    assert (answer["name"], answer["project"]) == ("generic", "shop")
    assert '"shop"' in answer["text"]
    assert client.get("/adapters/generic/prompt").json["project"] == "default"
    assert "there are aider, chatgpt," in refused(client.get("/adapters/nobody/prompt"), 404)


# Starting, with and without a model.


class LateModel:
    """An embedder that comes when `arrived` is set."""

    def __init__(self):
        self.arrived = Event()

    @hookimpl(tryfirst=True)
    def open_embedder(self):
        self.arrived.wait()
        return FakeEmbedder()


class NoModel:
    """A model that cannot be loaded."""

    @hookimpl(tryfirst=True)
    def open_embedder(self):
        raise EmbedderError("the model folder is empty; run `faiss-memory compile`")


@pytest.fixture
def start(tmp_path):
    """Start services on one data folder, each once the one before has stopped; they need not have a model."""
    running = []

    def stop():
        for service, plugin in running:
            if isinstance(plugin, LateModel):
                plugin.arrived.set()
            service.stop()
        running.clear()

    def start_with(plugin, wait=10):
        stop()
        given = {"data_dir": str(tmp_path / "data"), "startup_wait": wait}
        service = build_service(load(None, given, {}).settings, lambda _: None, [("model", plugin)])
        running.append((service, plugin))
        service.start()
        return service

    start_with.stop = stop
    yield start_with
    stop()


# Backups.


@pytest.mark.parametrize("stale_index", [False, True])
def test_a_backup_copied_into_the_data_folder_is_taken_at_the_next_start(
    tmp_path, start, client_of, stale_index
):
    client = client_of(start(FakeModel()))
    old = add(client, "before the backup", tags=["kept"])
    made = client.post("/backup", {"label": "friday"}).json
    assert made["memories"] == 1
    listed = client.get("/backups").json
    assert [(entry["name"], entry["label"]) for entry in listed["backups"]][-1] == (made["backup"], "friday")
    later = add(client, "after the backup")
    client.request("DELETE", f"/memory/{old}")
    start.stop()
    data = tmp_path / "data"
    if not stale_index:
        (data / "index.faiss").unlink()
    for path in (data / "backups" / made["backup"]).iterdir():
        shutil.copy(path, data / path.name)
    client = client_of(start(FakeModel()))
    until(lambda: client.get("/health").json["model_ready"])
    until(lambda: client.get("/health").json["rebuilding"] == [])
    for mode in ("hybrid", "semantic", "keyword"):
        assert ids(search(client, "before after the backup", mode=mode)) == [old]
    refused(client.get(f"/memory/{later}"), 404)
    assert client.get("/stats").json["total_memories"] == 1
    assert client.get("/tags").json["tags"] == [{"tag": "kept", "count": 1}]
    assert not (data / "base.db").exists()
    assert add(client, "life goes on") > old


# Without a model.


def until(condition):
    """Ask until there is an answer; gives it."""
    deadline = time.monotonic() + 120
    while not (answer := condition()):
        assert time.monotonic() < deadline
    return answer


def test_while_the_model_starts_keywords_answer_and_the_rest_says_to_try_again(start, client_of):
    model = LateModel()
    client = client_of(start(model, wait=0.05))
    until(lambda: client.get("/health").json.get("status") == "ok")
    assert client.get("/health").json["model_ready"] is False
    answer = search(client, "anything", mode="keyword")
    assert (answer["results"], "degraded" in answer) == ([], False)
    waiting = [
        ("/search", {"query": "x"}),
        ("/search", {"query": "x", "mode": "semantic"}),
        ("/search", {"query": "x", "mode": "keyword", "threshold": 0.5}),
        ("/memory/add", {"text": "x"}),
        ("/memory/add-batch", {"memories": [{"text": "x"}]}),
        ("/memory/is-novel", {"text": "x"}),
    ]
    for path, body in waiting:
        answer = client.post(path, body)
        assert "try again" in refused(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
    model.arrived.set()
    memory_id = until(lambda: client.post("/memory/add", {"text": "stored at last"}).json.get("id"))
    assert ids(search(client, "stored at last", mode="semantic")) == [memory_id]


def test_without_a_model_memories_are_kept_and_found_by_words_and_embedded_at_the_next_start(
    start, client_of
):
    client = client_of(start(NoModel()))
    memory_id = add(client, "the ledger is kept in postgres", source="db.md")
    assert client.post("/memory/add-batch", {"memories": [{"text": "unrelated"}]}).status_code == 201
    found = search(client, "ledger", mode="keyword")
    assert ids(found) == [memory_id]
    assert found["results"][0]["similarity"] is None
    degraded = search(client, "ledger")
    assert (ids(degraded), degraded["degraded"]) == ([memory_id], ["semantic"])
    changed = client.request("PATCH", f"/memory/{memory_id}", {"text": "the ledger is kept in sqlite"})
    assert changed.status_code == 200
    for path, body in [
        ("/search", {"query": "ledger", "mode": "semantic"}),
        ("/search", {"query": "ledger", "threshold": 0.1}),
        ("/search", {"query": "ledger", "mode": "keyword", "threshold": 0.1}),
        ("/memory/is-novel", {"text": "ledger"}),
        ("/memory/add", {"text": "ledger", "if_novel": 0.9}),
    ]:
        answer = client.post(path, body)
        assert "faiss-memory compile" in refused(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
    stats = client.get("/stats").json
    assert (stats["model_ready"], stats["dimension"], stats["total_memories"]) == (False, None, 2)
    assert "faiss-memory compile" in stats["model_error"]
    client = client_of(start(FakeModel()))
    query = {"query": "the ledger is kept in sqlite", "mode": "semantic"}
    best, other = until(lambda: len(found := search(client, **query)["results"]) == 2 and found)
    assert (best["id"], best["similarity"]) == (memory_id, 1.0)
    assert other["text"] == "unrelated"


def test_a_source_may_be_negated_as_in_a_shell(client):
    add(client, "one", source="a.md")
    add(client, "two", source="b.md")
    for glob in ("[!b].md", "[^b].md"):
        assert [m["source"] for m in client.get("/memories", params={"source": glob}).json["memories"]] == [
            "a.md"
        ]
