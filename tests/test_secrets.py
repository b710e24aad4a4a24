"""Secrets of known shapes are in no file, whichever way they come; what only looks like one stays whole."""

from __future__ import annotations

import random
import string

import pytest

from faiss_memory import AddRequest, masked
from faiss_memory.secrets.masking import without_private
from faiss_memory.secrets.shapes import find_secrets

CHANCE = random.Random(8)
MIXED, HEX, SMALL = string.ascii_letters + string.digits, "0123456789abcdef", string.ascii_lowercase


def some(count: int, letters: str = MIXED) -> str:
    return "".join(CHANCE.choice(letters) for _ in range(count))


SECRETS = {
    "aws": "AKIA" + some(16, string.ascii_uppercase + "234567"),
    "aws temporary": "ASIA" + some(16, string.ascii_uppercase + "234567"),
    "aws secret": f'aws_secret_access_key = "{some(39)}z"',
    "github": "ghp_" + some(36),
    "github server": "ghs_" + some(36),
    "github fine-grained": "github_pat_" + some(22) + "_" + some(59),
    "gitlab": "glpat-" + some(20),
    "slack": "xoxb-" + some(12, string.digits) + "-" + some(24),
    "slack webhook": "https://hooks.slack.com/services/T"
    + some(8).upper()
    + "/B"
    + some(8).upper()
    + "/"
    + some(24),
    "openai": "sk-proj-" + some(48),
    "openai old": "sk-" + some(20) + "T3BlbkFJ" + some(20),
    "anthropic": "sk-ant-api03-" + some(93),
    "openrouter": "sk-or-v1-" + some(64, HEX),
    "stripe": "sk_live_" + some(24),
    "google": "AIza" + some(35),
    "google secret": "GOCSPX-" + some(28),
    "hugging face": "hf_" + some(34, string.ascii_letters),
    "groq": "gsk_" + some(52),
    "npm": "npm_" + some(36),
    "pypi": "pypi-AgEIcHlwaS5vcmc" + some(60),
    "docker": "dckr_pat_" + some(27),
    "digitalocean": "dop_v1_" + some(64, HEX),
    "databricks": "dapi" + some(32, HEX),
    "sendgrid": "SG." + some(22) + "." + some(43),
    "twilio": "SK" + some(32, HEX),
    "telegram": some(9, "123456789") + ":AA" + some(33),
    "shopify": "shpat_" + some(32, HEX),
    "linear": "lin_api_" + some(40),
    "vault": "hvs." + some(24),
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI" + some(12) + "." + some(43),
    "pem": "-----BEGIN RSA PRIVATE KEY-----\n"
    + some(64)
    + "\n"
    + some(40)
    + "\n-----END RSA PRIVATE KEY-----",
    "url": "postgres://bob:" + some(9) + "@db.internal:5432/app",
    "short url": "postgres://bob:pw@db/x",
    "redis": "redis://:" + some(12) + "@cache:6379",
    "bearer": "Authorization: Bearer " + some(30) + "7",
    "password": 'password = "hunter2-' + some(5) + '"',
}
LOOK_ALIKES = [
    some(40, HEX),
    f"the commit {some(40, HEX)} broke it",
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    f"risk-{some(40)}",
    "const key = import.meta.env.VITE_API_KEY",
    "password = process.env.DB_PASSWORD",
    "password: 'required'",
    "postgres://user:${DB_PASSWORD}@db/app",
    "postgres://user:<password>@db/app",
    "https://example.com:8080/a@b",
    "the prefix is sk-ant-… and ghp_… for GitHub",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "Authorization: Bearer <token>",
    "Authorization: Bearer $TOKEN",
    "sha256:" + some(64, HEX),
    "6f9619ff-8b86-d011-b42d-00c04fc964ff",
    "task-" + some(30, SMALL),
    "disk-sk-learn scikit-learn is pinned",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + some(40) + " me@host",
    "data:image/png;base64," + some(200),
    "mailto:bob@example.com and git@github.com:acme/site.git",
]


def value_of(secret: str) -> str:
    """Return what must not be found: the part that is random, without what stands around it."""
    found = find_secrets(secret)
    assert found, secret
    return secret[found[0].start : found[0].end]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_of_a_known_shape_is_masked_within_any_text(name):
    secret = SECRETS[name]
    for around in ("{}", "Use {} for it.", "key: `{}`, then go on", "<{}>", "{}\n\nnext", '"{}"'):
        text = around.format(secret)
        shown = masked(text)
        assert value_of(secret) not in shown
        assert "[masked: " in shown


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_what_only_looks_like_a_secret_stays_whole(text):
    assert masked(f"Note: {text}.") == f"Note: {text}."


def test_what_is_private_is_left_out():
    assert without_private("a <private>b</private> c") == "a  c"
    assert without_private("a <PRIVATE>b <private>c</private> d</private> e") == "a  e"
    assert without_private("a <private>b") == "a "
    assert without_private("a < b </private> c") == "a < b  c"


def files_with(folder, text):
    return [str(path) for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_no_way_in_leaves_a_secret_in_any_file(make_service, client_of, tmp_path):
    service = make_service(**{"plugins.ingest.roots": [str(tmp_path)]})
    client = client_of(service)
    texts = [f"Note {name}: {secret} is used." for name, secret in SECRETS.items()]
    memories = [{"text": text, "cues": [text[:150]], "tags": [f"t{n}"]} for n, text in enumerate(texts)]
    answer = client.post("/memory/add-batch", {"memories": memories}).json
    assert answer["success"], answer
    assert "GitHub token" in answer["masked"]
    one = client.post(
        "/memory/add",
        {"text": "x", "source": SECRETS["github"], "tags": [SECRETS["npm"]], "metadata": {"a": [texts[0]]}},
    ).json
    assert one["masked"] == ["AWS access key", "GitHub token", "npm token"]
    assert client.request("PATCH", f"/memory/{one['id']}", {"text": texts[3]}).json["masked"] == [
        "GitHub token"
    ]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "all.md").write_text("# Keys\n\n" + "\n\n".join(texts))
    built = client.post("/index/build", {"sources": [str(tmp_path / "notes")]})
    assert built.status_code == 200, built.json
    assert "GitHub token" in built.json["masked"]
    again = client.post("/index/build", {"sources": [str(tmp_path / "notes")]}).json
    assert (again["kept"], again["embedded"]) == (1, 0)
    for text in texts[:5]:
        client.post("/search", {"query": text})
    client.post("/backup", {})
    folder = service.settings.data_folder
    # (Two letters stand in every file of random bytes.)
    values = [value for secret in SECRETS.values() if len(value := value_of(secret)) > 4]
    assert [files for value in values if (files := files_with(folder, value))] == []
    service.stop()
    assert [files for value in values if (files := files_with(folder, value))] == []


def test_a_person_may_keep_a_secret_and_find_it_again(client):
    text = f"The test account's key is {SECRETS['stripe']}"
    kept = client.post("/memory/add", {"text": text, "secrets": "keep"}).json
    assert "masked" not in kept
    assert client.get(f"/memory/{kept['id']}").json["text"] == text
    client.post("/memory/add", {"text": "nothing of that kind"})
    scanned = client.post("/scan", {}).json
    assert scanned["count"] == 1
    assert scanned["findings"] == [
        {"id": kept["id"], "project": "default", "fields": ["text"], "kinds": ["Stripe key"]}
    ]
    assert scanned["scanned"] == 2


def test_the_setting_refuses_or_lets_pass(make_service, client_of, tmp_path):
    text = f"key: {SECRETS['github']}"
    strict = client_of(
        make_service(
            secrets="reject", **{"data_dir": str(tmp_path / "one"), "plugins.ingest.roots": [str(tmp_path)]}
        )
    )
    refused = strict.post("/memory/add-batch", {"memories": [{"text": "fine"}, {"text": text}]})
    assert refused.status_code == 400
    assert refused.json["field"] == "memories[1].text"
    assert value_of(SECRETS["github"]) not in refused.text
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
