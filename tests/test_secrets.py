"""Secrets of known shapes are in no file, whichever way they come; what only looks like one stays whole."""

from __future__ import annotations

import pytest

from faiss_memory import AddRequest, masked
from faiss_memory.secrets.masking import without_private
from faiss_memory.secrets.shapes import SHAPES, secrets_of
from faiss_memory.uids import new_uid
from tests.growth import assert_linear, repeated
from tests.secret_samples import LOOK_ALIKES, SECRETS

SAID = {name: "".join(parts) for name, parts in SECRETS.items()}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_of_a_known_shape_is_masked_within_any_text(name):
    before, value, after = SECRETS[name]
    for around in ("{}", "Use {} for it.", "key: `{}`, then go on", "<{}>", "{}\n\nnext", '"{}"', "({})"):
        shown = masked(around.format(f"{before}{value}{after}"))
        assert value not in shown
        assert "[masked: " in shown


def test_what_only_looks_like_a_secret_stays_whole():
    assert len(LOOK_ALIKES) >= 200
    for text in LOOK_ALIKES:
        for around in ("{}", "Note: {}.", "- {}\nnext line 42"):
            assert masked(around.format(text)) == around.format(text)


def test_of_secrets_that_overlap_nothing_is_left():
    key = SECRETS["github"][1]
    assert masked(f"password: {key}!x2") == "password: [masked: GitHub token]"
    assert masked(f"GITHUB_TOKEN={key}") == "GITHUB_TOKEN=[masked: GitHub token]"
    assert masked(f"Note: env: PASSWORD=a1!{key}") == "Note: env: PASSWORD=[masked: password]"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind)
def test_time_to_look_for_a_secret_grows_no_faster_than_the_text(shape):
    for beginning in {*shape.beginnings, *(word.upper() for word in shape.beginnings)}:
        for more in ("", "a1", "=", ": ", " a1\n", "-a.", "@/:"):
            assert_linear(lambda text: list(secrets_of(shape, text)), repeated(beginning + more), most=4000)


def test_what_is_private_is_left_out():
    assert without_private("a <private>b</private> c") == "a  c"
    assert without_private("a <PRIVATE>b <private>c</private> d</private> e") == "a  e"
    assert without_private("a <private>b") == "a "
    assert without_private("a < b </private> c") == "a < b  c"


def test_masked_secrets_are_told_by_kind_and_number(client):
    two = f"{SAID['github']} and {SAID['github server']}"
    one = client.post(
        "/memory/add",
        {"text": "x", "source": SAID["github"], "tags": [SAID["npm"]], "metadata": {"a": [SAID["aws"]]}},
    ).json
    assert one["masked"] == ["AWS access key", "GitHub token", "npm token"]
    assert client.request("PATCH", f"/memory/{one['id']}", {"text": two}).json["masked"] == ["GitHub token"]
    request = {"memories": [{"uid": new_uid(), "text": two}, {"uid": new_uid(), "text": SAID["npm"]}]}
    for dry_run in (True, False):
        answer = client.post("/import", {**request, "dry_run": dry_run}).json
        assert answer["masked_counts"] == {"GitHub token": 2, "npm token": 1}
    again = client.post("/import", request).json
    assert "masked" not in again


def test_a_build_masks_and_knows_again_what_it_has_masked(make_service, client_of, tmp_path):
    client = client_of(make_service(**{"plugins.ingest.roots": [str(tmp_path)]}))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "all.md").write_text(f"# {SAID['password yaml']}\n\nkey: {SAID['github']}\n")
    built = client.post("/index/build", {"sources": [str(tmp_path / "notes")]}).json
    assert built["masked"] == ["GitHub token", "password"]
    again = client.post("/index/build", {"sources": [str(tmp_path / "notes")]}).json
    assert (again["kept"], again["changed"], again["embedded"]) == (1, 0, 0)


def test_a_person_may_keep_a_secret_and_find_it_again(client):
    text = f"The test account's key is {SAID['stripe']}"
    kept = client.post("/memory/add", {"text": text, "secrets": "keep"}).json
    assert "masked" not in kept
    assert client.get(f"/memory/{kept['id']}").json["text"] == text
    client.post("/memory/add", {"text": "nothing of that kind"})
    scanned = client.post("/scan", {}).json
    assert scanned["count"] == 1
    assert scanned["findings"] == [
        {
            "id": kept["id"],
            "project": "default",
            "fields": ["text"],
            "kinds": ["Stripe key"],
            "place": "there",
        }
    ]
    assert scanned["scanned"] == 2


def test_the_setting_refuses_or_lets_pass(make_service, client_of, tmp_path):
    text = f"key: {SAID['github']}"
    strict = client_of(
        make_service(
            secrets="reject", **{"data_dir": str(tmp_path / "one"), "plugins.ingest.roots": [str(tmp_path)]}
        )
    )
    refused = strict.post("/memory/add-batch", {"memories": [{"text": "fine"}, {"text": text}]})
    assert refused.status_code == 400
    assert refused.json["field"] == "memories[1].text"
    assert SAID["github"] not in refused.text
    assert strict.get("/memories").json["count"] == 0
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "bad.md").write_text(text)
    (tmp_path / "notes" / "good.md").write_text("This one is fine.")
    built = strict.post("/index/build", {"sources": [str(tmp_path / "notes")]}).json
    assert (built["added"], built["skipped"]) == (1, 1), built
    assert any("GitHub token" in file.get("reason", "") for file in built["files"])
    off = client_of(make_service(secrets="off", data_dir=str(tmp_path / "two")))
    memory_id = off.post("/memory/add", {"text": f"{text} <private>mine</private>"}).json["id"]
    assert off.get(f"/memory/{memory_id}").json["text"] == f"{text} "


def test_the_services_own_token_is_masked_though_it_has_no_shape(make_service):
    service = make_service(token="quiet-orchard-lamp-42")
    answer = service.add(AddRequest(text="the token of the service is quiet-orchard-lamp-42"))
    assert answer.masked == ["FAISS Memory token"]
    assert "quiet-orchard" not in service.get(answer.id).text


def test_what_is_all_private_is_refused(client):
    refused = client.post("/memory/add", {"text": "<private>nothing else</private>"})
    assert (refused.status_code, refused.json["field"]) == (400, "text")
