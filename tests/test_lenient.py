"""What clients send that is nearly right is read as it is meant, wherever only one reading exists."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from msgspec import NODEFAULT, inspect

from faiss_memory import Draft, schema
from faiss_memory.schema import fields

MESSAGES = [
    kind for name in dir(schema)
    if isinstance(kind := getattr(schema, name), type) and issubclass(kind, schema.Message)
    and kind not in (schema.Message, schema.Choice)
]  # fmt: skip
NOTHING = object()
NAMES = st.from_regex(r"[a-z][a-z0-9._-]{0,12}", fullmatch=True)
WORDS = st.text('abcxyz{}[]"#, 0', min_size=1, max_size=12).filter(lambda text: text.strip())
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)).map(
    lambda time: time.replace(microsecond=0)
)


def spellings(kind):
    """Draw a canonical value of a type, and the same as a client nearly writes it."""
    if isinstance(kind, inspect.Metadata):
        return spellings(kind.type)
    return _SPELLINGS[type(kind)](kind)


def _union(kind):
    return st.one_of(*(spellings(one) for one in kind.types if not isinstance(one, inspect.NoneType)))


def _moment(kind):
    day = MOMENTS.map(lambda time: (f"{time:%Y-%m-%d}T00:00:00Z", f"{time:%Y-%m-%d}"))
    minute = MOMENTS.map(lambda time: (f"{time:%Y-%m-%dT%H:%M}:00Z", f"{time:%Y-%m-%d %H:%M}"))
    return st.one_of(day, minute, MOMENTS.map(lambda time: (f"{time.isoformat()}Z", time.isoformat())))


def _object(kind):
    values = st.dictionaries(NAMES, WORDS | st.integers(0, 9), min_size=1, max_size=3)
    return values.map(lambda found: (found, json.dumps(found)))


def _list(kind):
    lists = st.lists(spellings(kind.item_type), min_size=1, max_size=3)
    return lists.flatmap(lambda pairs: st.sampled_from(_lists([one for one, _ in pairs])))


def _text(kind):
    if kind.pattern in (fields.PROJECT_PATTERN, fields.SCOPE_PATTERN):
        return NAMES.map(lambda name: (name, name.upper()))
    if kind.pattern == fields.CURSOR_PATTERN:
        return st.just(("1.2", "1.2"))
    return WORDS.map(lambda text: (text, text))


_SPELLINGS = {
    inspect.UnionType: _union,
    inspect.BoolType: lambda kind: st.booleans().map(lambda value: (value, json.dumps(value))),
    inspect.IntType: lambda kind: st.integers(1, kind.le or 1000).map(lambda number: (number, str(number))),
    inspect.FloatType: lambda kind: st.floats(0, 1).map(lambda number: (number, json.dumps(number))),
    inspect.DateTimeType: _moment,
    inspect.LiteralType: lambda kind: st.sampled_from(kind.values).map(lambda word: (word, word)),
    inspect.DictType: _object,
    inspect.ListType: _list,
    inspect.StructType: lambda kind: message(kind).map(lambda pair: (pair[0], json.dumps(pair[1]))),
    inspect.StrType: _text,
}


def _lists(value):
    as_json = (value, json.dumps(value))
    is_one = isinstance(value[0], int) or (isinstance(value[0], str) and value[0].strip()[:1] not in "[{")
    return [as_json, (value[:1], value[0])] if is_one else [as_json]


def message(kind):
    """Draw a message as it should be, and as it nearly is."""

    def both(drawn):
        canonical = {name: pair[0] for name, pair in drawn.items() if pair is not NOTHING}
        nearly = {name: pair[1] for name, pair in drawn.items() if pair is not NOTHING}
        optional = [f for f in kind.fields if not f.required and not is_unset(f) and f.name not in canonical]
        return canonical, nearly | {f.encode_name: (None, "")[len(f.name) % 2] for f in optional}

    drawn_fields = {f.encode_name: spellings(f.type) if f.required else st.just(NOTHING) | spellings(f.type)
              for f in kind.fields}  # fmt: skip
    return st.fixed_dictionaries(drawn_fields).map(both)


def is_unset(field):
    return not field.required and field.default is NODEFAULT and field.default_factory is NODEFAULT


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@settings(max_examples=8)
@given(data=st.data())
def test_canonical_and_lenient_spellings_are_read_alike(kind, data):
    canonical, nearly = data.draw(message(inspect.type_info(kind)))
    find = lambda written, must_exist: written.lower()  # noqa: E731
    wanted = schema.decode(json.dumps(canonical).encode(), kind, find)
    read = schema.decode(json.dumps(nearly).encode(), kind, find)
    if hasattr(wanted, "project") and isinstance(wanted.project, list):
        wanted.project = read.project if [read.project] == wanted.project else wanted.project
    assert read == wanted


@pytest.mark.parametrize("text", ["5", "true", "null", '["a"]', '{"a": 1}', "2026-01-01", " x "])
def test_a_field_of_text_is_never_parsed(text):
    found = schema.decode(msgspec.json.encode({"text": text, "cues": ["null", text]}), schema.AddRequest)
    assert (found.text, found.cues) == (text, ["null", text])


@pytest.mark.parametrize("path", ["/memory/forget", "/memory/purge"])
def test_an_empty_choice_is_refused_where_something_goes(client, path):
    for field in schema.FORGET_CONDITIONS:
        for empty in (None, "", [], {}):
            answer = client.post(path, {"ids": [7], "dry_run": True} | {field: empty})
            assert (answer.status_code, answer.json["field"]) == (400, field)


def test_an_empty_restore_is_refused(client):
    for body in ({"backup": ""}, {"backup": None}, {"time": ""}, {"time": None, "backup": "x"}):
        assert client.post("/restore", body).status_code == 400


def add(client, text, **fields):
    answer = client.post("/memory/add", {"text": text, **fields})
    assert answer.status_code == 201, answer.text
    return client.get(f"/memory/{answer.json['id']}").json


def found(client, **fields):
    return [one["text"] for one in client.post("/search", {"query": "x", **fields}).json["results"]]


def test_an_empty_text_or_list_clears_a_field_and_null_leaves_it(client):
    fields = {"source": "a.md", "tags": ["a"], "cues": ["b"], "metadata": {"c": 1}}
    for name, empty in fields.items():
        for written in ("", []):
            stored = add(client, "x", **fields)
            answer = client.request("PATCH", f"/memory/{stored['id']}", {name: written})
            assert (answer.status_code, answer.json[name]) == (200, type(empty)())
            others = {**fields, name: type(empty)()}
            assert {one: answer.json[one] for one in fields} == others
    answer = client.request("PATCH", f"/memory/{stored['id']}", {"text": "y", "source": None})
    assert (answer.json["text"], answer.json["source"]) == ("y", "a.md")
    for field in ("text", "timestamp"):
        assert client.request("PATCH", f"/memory/{stored['id']}", {field: ""}).json["field"] == field


def test_tags_are_read_as_people_write_them_once_and_everywhere(client):
    assert add(client, "one x", tags="#Decision, ops")["tags"] == ["decision", "ops"]
    assert add(client, "two x", tags=["#C", "a, b"])["tags"] == ["c", "a", "b"]
    for tags in ("#Decision", ["decision"], "#decision,nothing"):
        assert found(client, tags=tags) == ["one x"]
    assert client.get("/memories", params={"tag": "#OPS"}).json["count"] == 1
    assert client.post("/memory/forget", {"tags": "#Ops", "dry_run": True}).json["count"] == 1
    second = client.get("/memories", params={"tag": "a"}).json["memories"][0]
    assert client.request("PATCH", f"/memory/{second['id']}", {"tags": "#X,y"}).json["tags"] == ["x", "y"]


def test_a_tag_that_is_spelt_with_a_comma_or_a_sign_stays_whole(make_service, client_of):
    service = make_service()
    service.engine.add([Draft(text="old x", tags=("a,b", "#Old"))], None)
    client = client_of(service)
    assert found(client, tags="a,b") == found(client, tags=["#Old"]) == ["old x"]
    assert add(client, "new x", tags=["a,b", "#Old", "c,d"])["tags"] == ["a,b", "#Old", "c", "d"]


def test_a_repository_is_known_by_its_own_name(client):
    add(client, "x", project="acme.web_app")
    answer = client.post("/search", {"query": "x", "project": "Acme/Web_App"}).json
    assert (answer["project"], answer["count"]) == ("acme.web_app", 1)
    assert client.get("/memories", params={"project": "ACME/web_app"}).json["count"] == 1
    assert client.post("/memory/forget", {"project": "Acme/Web_App", "dry_run": True}).json["count"] == 1
    assert add(client, "y", project="My Notes")["project"] == "my-notes"
    add(client, "z", project="acme-web-app")
    for body in (
        {"query": "x", "project": "Acme/Web_App"},
        {"query": "x", "project": ["default", "Acme/Web_App"]},
    ):
        refused = client.post("/search", body)
        assert (refused.status_code, refused.json["field"][:7]) == (400, "project")
        assert "acme-web-app" in refused.json["description"]
        assert "acme.web_app" in refused.json["description"]


def test_what_goes_is_never_chosen_by_a_name_that_nothing_has(client):
    add(client, "x", project="web")
    assert client.post("/memory/forget", {"project": "Web App"}).status_code == 400
    assert client.request("DELETE", "/projects/Web App").status_code == 400
    assert client.get("/projects").json["count"] == 1


def test_what_is_not_there_is_said_with_what_comes_near(client):
    add(client, "x", project="website", tags=["decision"])
    answer = client.post("/search", {"query": "x", "project": "websit"}).json
    assert (answer["count"], answer["hint"]) == (0, "there is no project `websit`; there is `website`")
    listed = client.get("/memories", params={"project": "website", "tag": "desicion"}).json
    assert listed["hint"] == "no memory here has the tag `desicion`; there is `decision`"
    for body in ({"project": "website", "tags": ["decision"]}, {}, {"project": "*"}):
        assert "hint" not in client.post("/search", {"query": "x", **body}).json


def test_parameters_in_an_address_are_read_so_as_well(client):
    add(client, "x", timestamp="2026-02-12")
    for params in (
        {"after": "2026-02-12", "before": ""},
        {"limit": "5", "tag": "", "include_superseded": "TRUE"},
    ):
        assert client.get("/memories", params=params).json["count"] == 1
    assert client.get("/memories", params={"after": "2026-02-12T00:01"}).json["count"] == 0


def test_a_time_is_midnight_and_utc(client):
    for written in ("2026-02-12", "2026-02-12T00:00", "2026-02-12 00:00:00", "2026-02-12T01:00+01:00"):
        stored = add(client, "x", timestamp=written)["timestamp"]
        assert datetime.fromisoformat(stored) == datetime(2026, 2, 12, tzinfo=UTC)


def test_a_nul_is_refused_by_the_name_of_its_field(client):
    stored = add(client, "x")
    for given_fields, field in (
        ({"text": "a\0b"}, "text"),
        ({"source": "\0"}, "source"),
        ({"tags": ["a", "b\0"]}, "tags[1]"),
        ({"cues": ["a\0"]}, "cues[0]"),
        ({"metadata": {"a": {"b": ["\0"]}}}, "metadata.a.b[0]"),
    ):
        answer = client.post("/memory/add", {"text": "x", **given_fields})
        assert (answer.status_code, answer.json["field"]) == (400, field)
        answer = client.post("/memory/add-batch", {"memories": [{"text": "x", **given_fields}]})
        assert answer.json["field"] == f"memories[0].{field}"
        assert client.request("PATCH", f"/memory/{stored['id']}", given_fields).json["field"] == field


def test_half_a_letter_is_replaced(client):
    for half in (rb"\ud83d", rb"\uDE00", b"\xed\xa0\xbd"):
        answer = client.raw(
            "/memory/add", b'{"text": "a ' + half + rb' \ud83d\ude00 \\ud83d", "tags": ["' + half + b'"]}'
        )
        stored = client.get(f"/memory/{answer.json['id']}").json
        assert (stored["text"], stored["tags"]) == ("a \ufffd \U0001f600 \\ud83d", ["\ufffd"])


def test_a_source_is_found_by_its_own_name_whatever_stands_in_it(client):
    add(client, "page x", source="app/[id]/page.tsx")
    add(client, "other x", source="app/i/page.tsx")
    assert set(found(client, source="app/[id]/page.tsx")) == {"page x", "other x"}
    listed = client.get("/memories", params={"source": "app/[id]/page.tsx"}).json["memories"]
    assert "page x" in [one["text"] for one in listed]


def test_an_id_reaches_only_the_projects_that_are_named(client):
    stored = add(client, "x", project="web")
    path = f"/memory/{stored['id']}"
    for method, body in (("GET", None), ("PATCH", {"text": "y"}), ("DELETE", None)):
        assert client.request(method, path, body, params={"project": "other"}).status_code == 404
    assert client.request("PATCH", path, {"text": "y"}, params={"project": "web"}).json["text"] == "y"
    assert client.request("DELETE", path, params={"project": "Web"}).status_code == 200
