"""`/metrics`: for the owner, in the form that Prometheus reads."""

from __future__ import annotations

import re

import pytest

from tests.test_team import OWNER, PEER, Member

LINE = re.compile(r'(faiss_memory_\w+)(\{(?:\w+="(?:[^"\\\n]|\\.)*",?)+\})? (-?[0-9.e+-]+)')


def read(text: str) -> dict[str, float]:
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = LINE.fullmatch(line).groups()
            found[name + (labels or "")] = float(value)
    return found


def test_it_tells_how_the_service_is(make_service, client_of):
    client = client_of(make_service())
    client.post("/memory/add", {"text": "one", "project": "work"})
    client.get("/memory/1")
    client.get("/memory/99")
    client.get("/no/such/path")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    told = read(answer.text)
    assert (told["faiss_memory_memories"], told["faiss_memory_projects"]) == (1, 1)
    assert (told["faiss_memory_store_ready"], told["faiss_memory_model_ready"]) == (1, 1)
    by_id = 'method="GET",path="/memory/{id}"'
    assert told[f'faiss_memory_requests_total{{{by_id},status="200"}}'] == 1
    assert told[f'faiss_memory_requests_total{{{by_id},status="404"}}'] == 1
    assert told[f'faiss_memory_request_seconds_bucket{{{by_id},le="+Inf"}}'] == 2
    assert told[f"faiss_memory_request_seconds_count{{{by_id}}}"] == 2
    assert "/no/such/path" not in answer.text
    buckets = [value for name, value in told.items() if f"_bucket{{{by_id}" in name]
    assert buckets == sorted(buckets)
    types = re.findall(r"# TYPE (\S+) (gauge|counter|histogram)", answer.text)
    assert len(types) == len({name for name, _ in types}) == answer.text.count("# HELP")


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_methods_that_are_made_up_fill_nothing(make_service, client_of):
    client = client_of(make_service())
    for number in range(20):
        assert client.request(f"BREW{number}", "/memory/1").status_code in (400, 405)
    told = client.get("/metrics").text
    assert "BREW" not in told
    assert 'faiss_memory_requests_total{method="ANY",path="/memory/{id}",status="400"} 20' in told


def test_it_is_for_the_owner_alone(make_service, client_of):
    client = client_of(make_service(token="tok-3f9a1c"))
    assert client.get("/metrics", remote_addr=PEER).status_code == 401
    assert client.get("/metrics", headers=OWNER, remote_addr=PEER).status_code == 200
    ana = Member(client, "ana", **{"*": "admin"})
    assert ana.ask("GET", "/metrics").status_code == 403
