"""`GET /adapters/NAME/files`, for whoever has no command line beside the assistant."""

from __future__ import annotations

import json
import tomllib
import zipfile
from io import BytesIO

import pytest
import yaml

from faiss_memory import Adapter, OwnFile, PromptTemplate
from tests.install.parts import json_parts, markdown_parts, toml_parts, yaml_parts


def files(context):
    return [
        *json_parts(True, ".made/settings.json"),
        *toml_parts("~/.made/config.toml"),
        *yaml_parts("made.yml"),
        *markdown_parts(),
        OwnFile(
            ".made/own.md",
            f"{context.url} {context.project} {context.scope} [{context.command}{context.hook_command}]",
        ),
    ]


@pytest.fixture
def client(client_of, make_service):
    made = Adapter(
        name="made", title="Made", prompt=PromptTemplate("made", ""), files=files, scopes=("personal", "user")
    )
    return client_of(make_service(made))


def test_every_kind_of_part_is_shown_in_its_own_syntax(client):
    answer = client.get("/adapters/made/files?project=website").json
    kinds = {(entry["kind"], entry["path"]): entry for entry in answer["files"]}
    assert {kind for kind, _ in kinds} == {
        *("own file", "marked block", "JSON member", "JSON items"),
        *("JSON default", "TOML table", "YAML item", "YAML member"),
    }
    server = kinds["JSON member", ".made/settings.json"]
    assert server["keys"] == ["mcpServers", "faiss-memory"]
    assert json.loads(server["text"])["mcpServers"]["faiss-memory"]["type"] == "http"
    table = kinds["TOML table", "~/.made/config.toml"]
    assert tomllib.loads(table["text"])["mcp_servers"]["faiss-memory"]["tools"]
    assert yaml.safe_load(kinds["YAML item", "made.yml"]["text"]) == {"read": [".faiss-memory/context.md"]}
    assert kinds["marked block", "AGENTS.md"]["text"].startswith("<!-- faiss-memory:start -->\n")
    assert kinds["own file", ".made/own.md"]["text"] == "http://127.0.0.1:8900 website personal []"
    assert (answer["scope"], answer["count"]) == ("personal", len(answer["files"]))


def test_as_a_zip_each_file_is_whole(client):
    answer = client.get("/adapters/made/files?format=zip&scope=user")
    assert answer.headers["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(BytesIO(answer.content))
    assert sorted(archive.namelist()) == sorted(
        ["AGENTS.md", "home/.made/config.toml", ".made/settings.json", "made.yml", ".made/own.md"]
    )
    assert json.loads(archive.read(".made/settings.json")).keys() == {
        "version",
        "mcpServers",
        "hooks",
        "permissions",
    }
    assert yaml.safe_load(archive.read("made.yml")).keys() == {"read", "load", "mcp"}
    assert client.get("/adapters/made/files?format=zip&scope=user").content == answer.content


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [("scope=shared", 404, "scope"), ("scope=mine", 400, "scope"), ("format=tar", 400, "format")],
)
def test_what_is_not_there_is_said(client, query, status, field):
    answer = client.get(f"/adapters/made/files?{query}")
    assert (answer.status_code, answer.json["field"]) == (status, field)


def test_the_document_tells_of_the_zip(client):
    call = client.get("/openapi.json").json["paths"]["/adapters/{name}/files"]["get"]
    assert call["responses"]["200"]["content"].keys() == {"application/json", "application/zip"}
