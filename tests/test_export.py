"""Memories are taken away as files that other programs read, and nothing in them is lost or does harm."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from faiss_memory.memory import Memory
from faiss_memory.service.export_formats import Exported, markdown_of
from faiss_memory.uids import new_uid

TEXTS = [
    "orders live in Postgres",
    '=HYPERLINK("http://example.com")',
    "+1, -1 and @sum",
    "'=1 is a text",
    'line one\nline two, with "quotes", tabs\tand ---\n---\nand more\n\n',
    "# A title: with a colon\n\n- [x] done",
    "zażółć 数据库 \u2028 \u0085 \x7f 🔴",
    "---\ntype: other\n---\n",
]


def add(client, text, **fields):
    answer = client.post("/memory/add", {"text": text, **fields})
    assert answer.status_code == 201, answer.text
    return client.get(f"/memory/{answer.json['id']}").json


def exported(client, **params):
    answer = client.get("/export", params=params)
    assert answer.status_code == 200, answer.text
    return answer


def lines(client, **params):
    header, *rows = [json.loads(line) for line in exported(client, **params).text.splitlines()]
    assert header == {"format": "faiss-memory", "version": 1}
    return rows


def told(memory):
    """What every format tells of a memory."""
    names = ("uid", "project", "timestamp", "text", "source", "tags", "cues", "metadata", "by")
    return {name: memory[name] for name in names}


def as_json(client):
    return json.loads(exported(client, format="json").text)["memories"]


def as_csv(client):
    def read(name, cell):
        cell = cell[1:] if cell.startswith("'") else cell
        if name in ("tags", "cues", "metadata"):
            return json.loads(cell) if cell else {} if name == "metadata" else []
        return cell

    rows = csv.DictReader(io.StringIO(exported(client, format="csv").text, newline=""))
    return [{name: read(name, cell) for name, cell in row.items()} for row in rows]


def as_markdown(client):
    found = []
    with zipfile.ZipFile(io.BytesIO(exported(client, format="markdown").content)) as archive:
        for name in archive.namelist():
            front, _, text = archive.read(name).decode().removeprefix("---\n").partition("\n---\n\n")
            front = yaml.safe_load(front)
            assert front["type"] == "memory"
            assert name.startswith(f"{front['project']}/")
            found.append(
                {
                    **{"source": next(iter(front.get("sources", [])), ""), "text": text.removesuffix("\n")},
                    **{"tags": front.get("tags", []), "cues": front.get("cues", [])},
                    **{"metadata": front.get("metadata", {}), "by": front["generated"]["by"]},
                    **{name: front[name] for name in ("uid", "project", "timestamp")},
                }
            )
    return found


READ = {"jsonl": lines, "json": as_json, "csv": as_csv, "markdown": as_markdown}


@pytest.fixture
def memories(client):
    made = [
        add(client, text, source=f"@notes/{number}.md", tags=["=a", "b, c"], cues=["+ when"], project=project,
            metadata={"n": number, "nested": {"list": [1, None]}}, timestamp=f"202{number}-01-01T00:00:00Z")
        for number, text in enumerate(TEXTS)
        for project in ("default", "shop")
    ]  # fmt: skip
    return [told(one) for one in made]


@pytest.mark.parametrize("kind", READ)
def test_every_memory_is_told_whole_in_order_and_the_same_each_time(client, memories, kind):
    found = READ[kind](client)
    assert [told(one) for one in found] == memories
    assert exported(client, format=kind).content == exported(client, format=kind).content


@given(st.text(), st.text())
@settings(max_examples=15)
def test_any_text_is_written_so_that_it_is_read_again(text, source):
    whole = Memory(id=1, text=text, project="p", source=source, tags=(source,), metadata={text: source},
                   timestamp=datetime.now(UTC), uid=new_uid())  # fmt: skip
    front, _, body = markdown_of(Exported(whole, None)).removeprefix("---\n").partition("\n---\n\n")
    assert body == f"{text}\n"
    read = yaml.safe_load(front)
    assert (read["tags"], read["metadata"]) == ([source], {text: source})


def test_a_spreadsheet_calculates_nothing_of_it(client, memories):
    for row in csv.reader(io.StringIO(exported(client, format="csv").text, newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


def test_what_is_exported_is_chosen_as_a_search_chooses(client):
    old = add(client, "orders live in MySQL", tags=["db"], source="a/b.md")
    new = add(client, "orders live in Postgres", tags=["db", "new"], supersedes=old["id"])
    shop = add(client, "the shop sells tea", project="shop", metadata={"team": "web"})
    every = lines(client)
    assert [one["uid"] for one in every] == [old["uid"], new["uid"], shop["uid"]]
    assert [(one["state"], one["supersedes"]) for one in every] == [
        ("superseded", None), ("active", old["uid"]), ("active", None),
    ]  # fmt: skip
    for params, expected in (
        ({"include_superseded": "false"}, [new, shop]),
        ({"project": "shop"}, [shop]),
        ({"project": '["shop", "default"]'}, [old, new, shop]),
        ({"tags": "new"}, [new]),
        ({"tags": '["db", "new"]', "tags_mode": "all"}, [new]),
        ({"source": "a/*"}, [old]),
        ({"metadata": '{"team": "web"}'}, [shop]),
        ({"after": "2999-01-01T00:00:00Z"}, []),
    ):
        assert [one["uid"] for one in lines(client, **params)] == [one["uid"] for one in expected], params
    assert len(lines(client, include_superseded="true")[0]["hash"]) == 64
    for params in ({"format": "xml"}, {"tags_mode": "some"}, {"colour": "red"}):
        assert client.get("/export", params=params).status_code == 400


def test_more_than_a_page_is_written_once_each(client):
    for start in (0, 400, 800):
        batch = [
            {"text": f"memory {n}", "timestamp": "2020-01-01T00:00:00Z"} for n in range(start, start + 400)
        ]
        assert client.post("/memory/add-batch", {"memories": batch}).status_code == 201
    found = [one["text"] for one in lines(client)]
    assert found == [f"memory {n}" for n in range(1200)]


def test_an_empty_store_is_an_empty_file(client):
    assert lines(client) == []
    assert as_json(client) == as_csv(client) == as_markdown(client) == []
