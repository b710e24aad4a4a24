"""Arriving with what other programs have kept."""

from __future__ import annotations

import json

import pytest

from faiss_memory.uids import new_uid
from tests.importing_stores import CLAUDE_MEM, ENGRAM, MCP_MEMORY_SERVICE, SECRET, database, graph


def listed(running, project):
    return running.call(
        "GET", f"/memories?project={project}&order=oldest&limit=1000&include_superseded=true"
    )[1]["memories"]


def imported(repository, *arguments):
    ended = repository("import", *arguments, "--yes", "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


STORES = {
    "claude-mem": (lambda folder: database(folder / "claude-mem.db", CLAUDE_MEM), {"new": 2, "left out": 1}),
    "mcp-memory-service": (lambda folder: database(folder / "vec.db", MCP_MEMORY_SERVICE), {"new": 2, "left out": 1}),
    "engram": (lambda folder: database(folder / "engram.db", ENGRAM), {"new": 1, "left out": 1}),
    "server-memory": (lambda folder: graph(folder / "memory.jsonl"), {"new": 3, "left out": 1}),
}  # fmt: skip


@pytest.mark.parametrize("kind", STORES)
def test_a_store_is_known_for_what_it_is_and_taken_over_once(repository, running, kind):
    make, counts = STORES[kind]
    path = make(repository.folder)
    before = path.read_bytes()
    told = imported(repository, path, "--project", repository.project)
    assert (told["from"], told["counts"]) == (kind, counts)
    memories = listed(running, repository.project)
    assert len(memories) == counts["new"]
    assert {one["metadata"]["imported_from"] for one in memories} == {kind}
    assert {one["by"] for one in memories} == {"import"}
    again = imported(repository, path, "--project", repository.project)
    assert again["counts"] == {"known": counts["new"], "left out": counts["left out"]}
    assert listed(running, repository.project) == memories
    assert path.read_bytes() == before


def test_texts_times_and_tags_are_kept_and_secrets_masked(repository, running):
    imported(
        repository,
        database(repository.folder / "a.db", CLAUDE_MEM.replace("s-1", "s-2")),
        "-p",
        repository.project,
    )
    one, summary = listed(running, repository.project)
    assert one["text"] == "Use React Query: not RTK Query\n\nChosen for API calls.\n\n- less code"
    assert (one["tags"], one["timestamp"]) == (
        ["decision", "how-it-works"],
        "2026-01-02T03:04:05.678000+00:00",
    )
    assert one["metadata"]["files"] == ["src/api.ts"]
    assert summary["text"] == "Request: fix login\n\nLearned: cookies need SameSite"
    told = imported(
        repository,
        database(repository.folder / "b.db", MCP_MEMORY_SERVICE.replace("'h", "'k")),
        "-p",
        "theirs",
    )
    assert told["masked"] == ["GitHub token"]
    assert told["left_out"] == [{"key": "k2", "reason": "it is deleted there"}]
    theirs = listed(running, "theirs")
    assert not any(SECRET in one["text"] for one in theirs)
    assert (theirs[0]["tags"], theirs[0]["metadata"]["team"]) == (["db", "orders"], "web")
    imported(repository, database(repository.folder / "c.db", ENGRAM.replace("('s'", "('t'")))
    cache = listed(running, "shop")[-1]
    assert (cache["text"], cache["tags"]) == (
        "Cache\n\nRedis holds the sessions",
        ["decision", "cache/sessions"],
    )


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "folder"])
def test_what_was_exported_comes_back_as_it_was(repository, running, ending):
    old = repository.added("Orders live in MySQL", "-t", "db", "--source", "@a.md", "--metadata", "n=1")
    running.call("POST", "/memory/add", {
        "text": "=Orders live\nin Postgres\n", "project": repository.project,
        "supersedes": int(old), "cues": ["+ when"],
        "timestamp": "2020-01-01T00:00:00Z",
    })  # fmt: skip
    kept = listed(running, repository.project)
    file = f"out.{ending}" if ending != "folder" else "out"
    how = ("--format", "markdown") if ending == "folder" else ()
    assert repository("export", "-p", repository.project, "--to", file, *how).code == 0
    assert imported(repository, file)["counts"] == {"known": 2, "left out": 0}
    running.call("POST", "/memory/forget", {"project": repository.project})
    told = imported(repository, file)
    assert told["counts"] == {"forgotten": 2, "left out": 0}
    running.call("POST", "/memory/purge", {"ids": [one["id"] for one in kept]})
    assert imported(repository, file)["counts"] == {"purged": 2, "left out": 0}
    assert listed(running, repository.project) == []


def test_a_preview_stores_nothing_and_its_fingerprint_holds_what_was_seen(repository, running):
    path = graph(repository.folder / "memory.jsonl", "Vue Query")
    preview = json.loads(repository("import", path, "--dry-run", "--json", "-p", repository.project).out)
    assert preview["counts"] == {"new": 3, "left out": 1}
    assert listed(running, repository.project) == []
    path.write_text(path.read_text() + '\n{"type": "entity", "name": "a", "observations": ["b"]}')
    given = ("--fingerprint", preview["fingerprint"], "--yes", "-p", repository.project)
    ended = repository("import", path, *given)
    assert (ended.code, "fingerprint" in ended.err) == (1, True)
    assert listed(running, repository.project) == []
    graph(path, "Vue Query")
    assert repository("import", path, *given).code == 0
    assert len(listed(running, repository.project)) == 3


def test_notes_and_tables_of_others_are_read(repository, running):
    notes = repository.folder / "notes"
    (notes / "sub").mkdir(parents=True)
    (notes / "a.md").write_text(
        "---\ntitle: Cache\ntags: [x, y]\ncreated: 2026-01-02\n---\n\n- [fact] Redis holds it\n"
    )
    (notes / "sub" / "b.md").write_text("no front matter: at all\n")
    (notes / "empty.md").write_text("---\ntitle: nothing\n---\n")
    assert imported(repository, notes, "-p", repository.project)["counts"] == {"new": 2, "left out": 1}
    a, b = listed(running, repository.project)
    assert (a["text"], a["tags"], a["source"]) == ("- [fact] Redis holds it", ["x", "y"], "a.md")
    assert (a["timestamp"][:10], b["text"], b["source"]) == (
        "2026-01-02",
        "no front matter: at all",
        "sub/b.md",
    )
    table = repository.folder / "t.csv"
    table.write_text('text,tags,owner\n"Tea, at four","a, b",Alice\n,,\n', "utf-8-sig")
    assert imported(repository, table, "-p", "table")["counts"] == {"new": 1, "left out": 1}
    (one,) = listed(running, "table")
    assert (one["text"], one["tags"], one["metadata"]["owner"]) == ("Tea, at four", ["a", "b"], "Alice")


def test_what_cannot_be_read_is_said(repository, running):
    folder = repository.folder
    (folder / "odd.bin").write_bytes(b"\x00\x01")
    (folder / "short.jsonl").write_text('{"format":"faiss-memory","version":9}\n')
    (folder / "bad.csv").write_text("a,b\n1,2\n")
    for arguments, told in (
        (("odd.bin",), "server-memory"), (("odd.bin", "--from", "nobody"), "nobody"), (("short.jsonl",), "version 9"),
        (("bad.csv",), "`text`"), (("odd.bin", "--from", "engram"), "cannot be read"),
    ):  # fmt: skip
        ended = repository("import", *arguments, "--yes")
        assert (ended.code, told in ended.err) == (1, True), ended.err
    assert repository("import", "odd.bin").code == 2
    assert repository("import", "nothing", "--yes").code == 2


def test_what_the_service_refuses_is_named_and_the_rest_is_taken_over(repository, running):
    table = repository.folder / "t.csv"
    tags = " ".join(f"t{number}," for number in range(40))
    rows = [
        *(f"fine {number},a" for number in range(150)),
        f"{'long ' * 20_000},b",
        f'many,"{tags}"',
        f"token {SECRET},c",
    ]
    table.write_text("text,tags\n" + "\n".join(rows) + "\n")
    preview = json.loads(repository("import", table, "--dry-run", "--json", "-p", repository.project).out)
    assert (preview["counts"], preview["masked"]) == ({"new": 151, "left out": 2}, ["GitHub token"])
    told = imported(repository, table, "-p", repository.project)
    assert told["counts"] == preview["counts"]
    assert ["text" in one["reason"] and "limits.text_bytes" in one["reason"] for one in told["left_out"]] == [
        True,
        False,
    ]
    assert "limits.tags" in told["left_out"][1]["reason"]
    memories = listed(running, repository.project)
    assert (len(memories), SECRET in json.dumps(memories)) == (151, False)
    assert imported(repository, table, "-p", repository.project)["counts"] == {"known": 151, "left out": 2}


def test_a_zip_of_markdown_comes_back_and_rules_are_known_however_they_are_given(repository, running):
    repository.added("Orders live in Postgres", "-t", "db")
    assert repository("export", "-p", repository.project, "--format", "markdown", "--to", "out.zip").code == 0
    assert imported(repository, "out.zip")["counts"] == {"known": 1, "left out": 0}
    rules = repository.folder / "CLAUDE.md"
    rules.write_text("# Rules\n\nUse pnpm.\n")
    assert imported(repository, rules)["counts"] == {"new": 1, "left out": 0}
    (repository.folder / "more").mkdir()
    (repository.folder / "more" / "note.md").write_text("a note")
    told = imported(repository, repository.folder)
    assert (told["from"], told["counts"]) == ("markdown", {"new": 1, "known": 1, "left out": 0})
    kinds = {one["text"]: one["metadata"].get("imported_from") for one in listed(running, repository.project)}
    assert kinds == {"Orders live in Postgres": None, "# Rules\n\nUse pnpm.": "rules", "a note": "markdown"}


def test_a_bundle_is_merged_as_its_preview_says_also_after_it_was_cut_short(repository, running):
    for text in ("orders live in MySQL", "the cache is Redis", "cookies expire"):
        repository.added(text)
    kept = listed(running, repository.project)
    running.call("POST", "/memory/add", {
        "text": "orders live in Postgres", "supersedes": kept[0]["id"], "project": repository.project,
    })  # fmt: skip
    running.call("DELETE", f"/memory/{kept[1]['id']}")
    assert repository("export", "-p", repository.project, "--to", "there.jsonl").code == 0
    lines = [json.loads(line) for line in (repository.folder / "there.jsonl").read_text().splitlines()]
    there = {line.get("text", line["uid"]): line for line in lines[1:]}
    # Elsewhere it went on: a change, an undone forget, and one that was never met here.
    there["cookies expire"] |= {"text": "cookies stay", "hash": None, "revision": 2}
    there[kept[1]["uid"]] |= {"state": "active", "text": "Redis again", "revision": 3}
    there["new"] = there["cookies expire"] | {"uid": new_uid(), "text": "a new one", "revision": 1}
    (repository.folder / "there.jsonl").write_text("\n".join(map(json.dumps, [lines[0], *there.values()])))
    ended = repository("import", "there.jsonl", "--dry-run", "--json")
    assert ended.code == 0, ended.err
    preview = json.loads(ended.out)
    assert preview["counts"] == {"known": 2, "changed": 1, "back": 1, "new": 1, "left out": 0}
    said = repository("import", "there.jsonl", "--dry-run").out
    assert "1 new, 1 changed there, 1 to come back, 2 known" in said
    running.call("PATCH", f"/memory/{kept[2]['id']}", {"tags": ["mine"], "text": "cookies are gone"})
    running.call("PATCH", f"/memory/{kept[2]['id']}", {"tags": ["ours"]})
    given = ("--fingerprint", preview["fingerprint"], "--yes")
    refused = repository("import", "there.jsonl", *given)
    assert (refused.code, "fingerprint" in refused.err) == (1, True)
    # Cut short after the first of them: what is done is known, and the rest is done.
    line = there["new"] | {"hash": None}
    running.call("POST", "/import", {"memories": [{k: v for k, v in line.items() if v is not None}]})
    told = imported(repository, "there.jsonl")
    assert told["counts"] == {"known": 3, "kept": 1, "back": 1, "left out": 0}
    assert told["left_out"] == [{"key": kept[2]["uid"], "reason": "it was changed here since, and stays so"}]
    texts = [one["text"] for one in listed(running, repository.project)]
    assert sorted(texts) == sorted(
        ["orders live in MySQL", "orders live in Postgres", "Redis again", "cookies are gone", "a new one"]
    )
    again = imported(repository, "there.jsonl")
    assert again["counts"] == {"known": 4, "kept": 1, "left out": 0}


def test_a_line_whose_text_was_changed_by_hand_is_left_out_and_said(repository, running):
    repository.added("orders live in MySQL")
    assert repository("export", "-p", repository.project, "--to", "out.jsonl").code == 0
    file = repository.folder / "out.jsonl"
    file.write_text(file.read_text().replace("in MySQL", "on the moon"))
    told = imported(repository, file)
    assert told["counts"] == {"left out": 1}
    assert "hash" in told["left_out"][0]["reason"]
