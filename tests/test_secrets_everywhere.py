"""No way in leaves a secret in any file: of the data folder, its backups, the log, or what is exported."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import quote

import numpy
import pytest

from faiss_memory.uids import new_uid
from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.mcp.conftest import STATELESS, request
from tests.running import RunningService
from tests.secret_samples import SECRETS
from tests.written_stores import WRITTEN

LEAST = 6
"""What is shorter stands in every file of random bytes."""
VALUES = {name: value for name, (_, value, _) in SECRETS.items() if len(value) >= LEAST}
SAID = {name: "".join(parts) for name, parts in SECRETS.items()}
NOTES = [f"Note {name}: {said}" for name, said in SAID.items()]
SOME = ["\n\n".join(NOTES[start : start + 10]) for start in range(0, len(NOTES), 10)]
"""Several at once: each call takes its time."""
ALL = "\n\n".join(NOTES)
LINES = ["; ".join(NOTES[start : start + 3]) for start in range(0, len(NOTES), 3)]
"""A few at once, for what reads a text as a line."""
NAMES = [SAID[name] for name in ("deepseek", "databricks", "shopify", "firecrawl", "pulumi")]
"""What a project could be called."""
TOKEN = SECRETS["github"][1]


def holding(path):
    """Name the secrets that a file holds, in one pass over it: only where their first bytes stand is looked closer."""
    content = path.read_bytes().strip(b"\0")  # what is kept free for a full disk is all zeros
    if len(content) < LEAST:
        return []
    letters = numpy.frombuffer(content, numpy.uint8)
    pairs = letters[:-1].astype(numpy.uint16) << 8 | letters[1:]
    places = numpy.flatnonzero(BEGIN[pairs[:-2]] & FOLLOW[pairs[2:]])
    starts = {content[place : place + 4] for place in places.tolist()}
    return [
        name for name, value in VALUES.items() if value[:4].encode() in starts and value.encode() in content
    ]


def table_of(place):
    """Mark the pairs of bytes that a secret has at a place."""
    found = numpy.zeros(1 << 16, bool)
    found[[int.from_bytes(value.encode()[place : place + 2]) for value in VALUES.values()]] = True
    return found


BEGIN, FOLLOW = table_of(0), table_of(2)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def running(home):
    roots = {"plugins.ingest.roots": str(home)}
    with RunningService(home / "data", fake=True, home=home, **roots) as service:
        yield service


@pytest.fixture(scope="module")
def cli(home, running):
    folder = home / "work"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    address = f"https://x-access-token:{SECRETS['gitlab'][1]}@github.com/acme/site.git"
    (folder / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {address}\n')
    return CommandLine(folder, environment(home, home))


def called(running, method, path, body=None, **headers):
    status, answer = running.call(method, path, body, headers=headers)
    assert status in (200, 201), (path, answer)
    return answer


def add(running, **fields):
    return called(running, "POST", "/memory/add", {"project": "added", **fields})


def way_add(running, cli):
    for text in SOME:
        add(running, text=text, source=text[:4000], metadata={"a": [text], text: 1})
    memories = [
        {"text": f"{n}", "cues": [said[:190]], "tags": [said[:120]]} for n, said in enumerate(SAID.values())
    ]
    called(running, "POST", "/memory/add-batch", {"memories": memories})


def way_command(running, cli):
    assert cli("add", input=ALL).code == 0


def way_change(running, cli):
    one = add(running, text="first")["id"]
    for text in SOME:
        called(
            running, "PATCH", f"/memory/{one}", {"text": text, "source": text[:4000], "metadata": {"b": text}}
        )


def way_supersede(running, cli):
    one = add(running, text="first")["id"]
    for text in SOME:
        one = add(running, text=f"now {text}", supersedes=one)["id"]


def way_merge(running, cli):
    ids = [add(running, text=f"{n} of those that are joined")["id"] for n in range(2)]
    called(running, "POST", "/memory/merge", {"keep": ids[0], "ids": ids[1:]})


def way_build(running, cli):
    notes = cli.folder / "notes"
    notes.mkdir()
    (notes / "all.md").write_text(f"# Keys\n\n{ALL}")
    for number, said in enumerate(SOME):
        (notes / f"{number}.md").write_text(
            f"# {said}\n\nwhat stands below\n\n## {said}\n\nand more: {said}\n"
        )
    (notes / "code.py").write_text("".join(f"# {line}\n" for line in ALL.splitlines()))
    (notes / "table.csv").write_text("name,value\n" + "".join(f'"{n}","{v}"\n' for n, v in VALUES.items()))
    (notes / f"{TOKEN}.md").write_text("a file with a name that is one")
    built = called(running, "POST", "/index/build", {"sources": [str(notes)], "project": "built"})
    assert built["masked"]
    shutil.rmtree(notes)


def way_import(running, cli):
    memories = [{"uid": new_uid(), "text": text, "metadata": {"x": text}} for text in SOME]
    for part in ({"memories": memories},):
        assert called(running, "POST", "/import", {**part, "dry_run": True})["masked_counts"]
        assert called(running, "POST", "/import", part)["masked_counts"]


def way_importers(running, cli):
    """Bring them by each kind of file and store that an importer reads; a run of each is one process."""
    for kind, write in WRITTEN.items():
        bring = cli.folder / "bring"
        bring.mkdir()
        path = write(bring, [f"{kind} {text}" for text in LINES])
        ended = cli("import", path, "--yes", "--json")
        assert ended.code == 0, (kind, ended.err)
        told = json.loads(ended.out)
        assert told["counts"].get("new"), (kind, told["counts"], told["left_out"][:2])
        assert sum(told["masked_counts"].values()) >= len(SAID), (kind, told["masked_counts"])
        shutil.rmtree(bring)


def way_share(running, cli):
    """What others share is masked; what would go to others with a secret in it stops, and a purge takes it out."""
    shared = cli.folder / ".memory"
    shared.mkdir()
    for number, text in enumerate(LINES):
        front = {"uid": new_uid(), "title": text, "tags": [text[:60]], "cues": [text[:190]]}
        (shared / f"{number}.md").write_text(f"---\n{json.dumps(front)}\n---\n\nshared {text}\n")
    ended = cli("share", "--trust", "--read", "--json")
    assert ended.code == 0, ended.err
    read = json.loads(ended.out)["read"]
    # (What is trusted is watched from then on, and may have been read before this asked for it.)
    assert read.get("masked") or (read["added"], read["kept"]) == (0, len(LINES)), read
    assert cli("share", "--untrust").code == 0
    shutil.rmtree(shared)
    kept = [add(running, text=text, project=cli.project, secrets="keep")["id"] for text in SOME]
    refused = cli("share", *kept)
    assert (refused.code, [path for path in shared.glob("*") if holding(path)]) == (1, [])
    assert cli("purge", *kept, "--yes").code == 0


def way_mcp(running, cli):
    for said in SOME:
        for tool, arguments in (
            ("memory_add", {"text": f"model {said}"}),
            ("memory_search", {"query": said[:4000]}),
        ):
            body, headers = request(STATELESS, "tools/call", {"name": tool, "arguments": arguments})
            called(running, "POST", "/mcp?project=mcp", body, **headers)


def way_hooks(running, cli):
    for n, said in enumerate(SOME):
        event = {"hook_event_name": "UserPromptSubmit", "prompt": f"why is it {said} and not something else?"}
        body = {"session_id": str(n), "cwd": str(cli.folder), **event}
        called(running, "POST", "/adapters/claude-code/hook", body)
    for name in NAMES:
        body = {
            "hook_event_name": "UserPromptSubmit",
            "prompt": "which project is this one?",
            "session_id": name,
        }
        assert running.call("POST", f"/adapters/claude-code/hook?project={name}", body)[0] == 400


def way_questions(running, cli):
    for said in SOME:
        called(running, "POST", "/search", {"query": said})
        called(running, "POST", "/memory/is-novel", {"text": said})
        called(running, "POST", "/recall/preview", {"prompt": said[:4000]})
        for path in (
            f"/adapters/aider/context.md?project=added&query={quote(said[:900])}", f"/memories?source={quote(said)}",
            f"/nothing/{quote(said, safe='')}?token={quote(said)}",
        ):  # fmt: skip
            with closing(HTTPConnection("127.0.0.1", running.port, timeout=60)) as connection:
                connection.request("GET", path)
                connection.getresponse().read()


def way_names(running, cli):
    """A name stays as it is or is refused: masked it would be another."""
    for said in NAMES:
        for path, body, field in (
            ("/memory/add", {"text": "a", "project": said}, "project"),
            (
                "/import",
                {"memories": [{"uid": new_uid(), "text": "a", "project": said}]},
                "memories[0].project",
            ),
        ):
            status, answer = running.call("POST", path, body)
            assert (status, answer["field"]) == (400, field), answer
            assert said not in json.dumps(answer)
    running.call("POST", "/backup", {"label": f"before {SAID['github']}"})


WAYS = [way for name, way in globals().items() if name.startswith("way_")]


def test_no_way_in_leaves_a_secret_in_any_file(running, cli, home):
    for way in WAYS:
        way(running, cli)
    called(running, "POST", "/backup", {})
    for form in ("json", "jsonl", "csv", "markdown"):
        ended = cli("export", "--format", form, "--to", f"out-{form}")
        assert ended.code == 0, ended.err
    files = {path.stat().st_ino: path for path in home.rglob("*") if path.is_file()}  # backups are links
    held = {
        str(path.relative_to(home)): names
        for path in files.values()
        if path.parent.name != ".git" and (names := holding(path))
    }
    assert held == {}
    planted = home / "planted"
    planted.write_bytes(b"\0".join(value.encode() for value in VALUES.values()))
    assert holding(planted) == list(VALUES)  # the search finds what is there
