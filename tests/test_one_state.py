"""Each search is answered from one state: what is written meanwhile is in all of an answer, or in nothing of it."""

from __future__ import annotations

from threading import Event, Thread

from faiss_memory import hookimpl


class Meanwhile:
    """A plugin in whose ranking the best memory is forgotten, as another request may do it at any moment."""

    def __init__(self):
        self.service, self.gone = None, 0

    @hookimpl
    def service_started(self, service):
        self.service = service

    @hookimpl
    def rank_memories(self, query, k):
        if self.gone:
            self.service.forget_one(self.gone)
        return [(self.gone, 1.0)] if self.gone else None


def add(client, text):
    return client.post("/memory/add", {"text": text}).json["id"]


def test_a_memory_that_is_forgotten_meanwhile_takes_no_place_of_another(make_service, client_of):
    plugin = Meanwhile()
    client = client_of(make_service(plugin))
    ids = [add(client, f"the ledger of branch {number}") for number in range(10)]
    plugin.gone = client.post("/search", {"query": "the ledger of branch 3"}).json["results"][0]["id"]
    found = client.post("/search", {"query": "the ledger of branch 3", "k": 5}).json["results"]
    assert len(found) == 5, "there are nine left"
    assert {memory["id"] for memory in found} <= set(ids) - {plugin.gone}


def test_searches_beside_a_writer_always_find_as_many_as_they_should(client):
    for number in range(9):
        add(client, f"the steady ledger {number}")
    done, short = Event(), []

    def write():
        for number in range(25):
            client.request("DELETE", f"/memory/{add(client, f'the steady ledger fleeting {number}')}")
        done.set()

    def search():
        while not done.is_set():
            found = client.post("/search", {"query": "the steady ledger fleeting", "k": 5}).json["results"]
            if len(found) != 5:
                short.append(len(found))

    threads = [Thread(target=write), Thread(target=search), Thread(target=search)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert short == []
