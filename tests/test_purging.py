"""POST /memory/purge, as its callers see it."""

import pytest

from faiss_memory import analyzer
from faiss_memory.engine.relevance import forget_terms
from tests.running import RunningService


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with RunningService(tmp_path_factory.mktemp("purging") / "data", fake=True) as running:
        yield running


def added(service, text, **given):
    status, answer = service.call("POST", "/memory/add", {"text": text, **given})
    assert status == 201
    return answer["id"]


def purge(service, **given):
    return service.call("POST", "/memory/purge", given)


def traces(service, text):
    files = [path for path in service.data.rglob("*") if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]


def test_memories_are_purged_by_a_filter(service):
    kept = added(service, "kept", tags=["plain"])
    gone = [added(service, f"xyzzyplugh {number}", tags=["secret"]) for number in range(3)]
    status, answer = purge(service, tags=["secret"], dry_run=True)
    assert (status, answer["ids"], answer["rewritten"]) == (200, gone, 0)
    assert "proof" not in answer
    status, answer = purge(service, tags=["secret"], proof=True)
    assert (status, answer["ids"], answer["count"], answer["project"]) == (200, gone, 3, "default")
    assert answer["rewritten"] > 0
    assert (answer["proof"]["texts"], answer["proof"]["found"]) == (3, [])
    assert traces(service, "xyzzyplugh") == []
    assert [service.call("GET", f"/memory/{id}")[0] for id in (kept, *gone)] == [200, 404, 404, 404]
    assert purge(service, tags=["secret"])[1]["ids"] == []


def test_with_another_condition_only_what_is_there_is_purged(service):
    id = added(service, "frobnicate once", source="a.md")
    assert purge(service, ids=[id], source="b.md")[1] | {"rewritten": 0} == {
        "success": True, "ids": [], "count": 0, "missing": [id], "rewritten": 0, "removed": [], "dry_run": False,
        "project": "*",
    }  # fmt: skip
    service.call("DELETE", f"/memory/{id}")
    assert purge(service, ids=[id], source="a.md")[1]["missing"] == [id]
    assert traces(service, "frobnicate")
    assert purge(service, ids=[id])[1]["ids"] == [id]
    assert traces(service, "frobnicate") == []


def test_a_call_that_is_retried_after_a_purge_stores_anew(service):
    request = {"text": "gribbleflix", "idempotency_key": "a key"}
    id = service.call("POST", "/memory/add", request)[1]["id"]
    assert service.call("POST", "/memory/add", request)[1]["id"] == id
    purge(service, ids=[id])
    assert service.call("POST", "/memory/add", request)[1]["id"] > id


@pytest.mark.parametrize(
    "request_", [{}, {"dry_run": True}, {"tags_mode": "all"}, {"ids": list(range(1, 1003))}]
)
def test_what_is_not_said_clearly_is_refused(service, request_):
    status, answer = purge(service, **request_)
    assert status == 400
    assert "give at least one of" in answer["description"] or "limits.batch" in answer["description"]


def test_what_was_restored_is_without_it(service):
    id = added(service, "quuxwaldo")
    backup = service.call("POST", "/backup", {})[1]["backup"]
    purge(service, ids=[id])
    status, answer = service.call("POST", "/restore", {"backup": backup})
    assert (status, service.call("GET", f"/memory/{id}")[0]) == (200, 404)
    listed = service.call("GET", "/backups")[1]["backups"]
    assert answer["memories"] == next(one["memories"] for one in listed if one["name"] == backup)


def test_nothing_that_was_analyzed_is_kept_by_what_a_purge_calls():
    analyzer.analyze("the door opens by zebra_hooves-4711.quagga")
    analyzer.analyze_query("zebra_hooves-4711.quagga")
    caches = {name: one for name, one in vars(analyzer).items() if hasattr(one, "cache_info")}
    del caches["_function_terms"]  # of our own words alone
    assert all(one.cache_info().currsize for one in caches.values())
    forget_terms()
    assert [name for name, one in caches.items() if one.cache_info().currsize] == []
