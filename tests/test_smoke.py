import time

from tests.running import RunningService


def test_what_was_added_is_found(client):
    assert client.post("/memory/add", {"text": "we chose postgres for the ledger"}).status_code == 201
    answer = client.post("/search", {"query": "postgres ledger"}).json
    assert answer["results"][0]["text"] == "we chose postgres for the ledger"


def test_the_real_service_answers(real_service):
    assert real_service.call("GET", "/health")[1]["status"] == "ok"


def test_the_data_folder_holds_what_the_readme_names_while_the_service_runs(tmp_path):
    with RunningService(tmp_path / "data", fake=True) as running:
        running.call("POST", "/memory/add", {"text": "a first memory"})
        deadline = time.monotonic() + 120
        wanted = {"memory.db", "search.db", "index.faiss", "metadata.json"}
        while not wanted <= {path.name for path in running.data.iterdir()}:
            assert time.monotonic() < deadline
            time.sleep(0.05)
