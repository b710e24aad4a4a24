def test_what_was_added_is_found(client):
    assert client.post("/memory/add", {"text": "we chose postgres for the ledger"}).status_code == 201
    answer = client.post("/search", {"query": "postgres ledger"}).json
    assert answer["results"][0]["text"] == "we chose postgres for the ledger"


def test_the_real_service_answers(real_service):
    assert real_service.call("GET", "/health")[1]["status"] == "ok"
