"""Taking memories away as files."""

from __future__ import annotations

import csv
import json


def test_memories_are_written_to_files_and_pipes(repository, running):
    id = repository.added("orders live in Postgres", "-t", "db", "--metadata", "team=web")
    repository.added("tomatoes need sun")
    here = ("-p", repository.project)
    header, *lines = [json.loads(line) for line in repository("export", *here).out.splitlines()]
    assert (header["format"], [one["text"] for one in lines]) == (
        "faiss-memory", ["orders live in Postgres", "tomatoes need sun"],
    )  # fmt: skip
    ended = repository("export", *here, "--to", "all.json", "--tag", "db", "--metadata", "team=web")
    assert (ended.code, "all.json written" in ended.out) == (0, True)
    (only,) = json.loads((repository.folder / "all.json").read_text())["memories"]
    assert only["uid"] == running.call("GET", f"/memory/{id}")[1]["uid"]
    assert repository("export", "--to", "all.json").code == 1
    assert repository("export", *here, "--to", "all.json", "--force", "--format", "csv").code == 0
    with (repository.folder / "all.json").open(newline="") as file:
        assert len(list(csv.reader(file))) == 3
    assert repository("export", "--format", "xml").code == 2
    assert repository("export", "--after", "yesterday").code == 1


def test_a_folder_of_markdown_is_written_whole(repository, running):
    repository.added("Orders live in Postgres")
    here = ("-p", repository.project, "--format", "markdown")
    assert repository("export", *here, "--to", "notes").code == 0
    (file,) = (repository.folder / "notes" / repository.project).iterdir()
    assert file.name.startswith("orders-live-in-postgres-")
    assert file.read_text().endswith("\n---\n\nOrders live in Postgres\n")
    ended = repository("export", *here, "--to", "notes")
    assert (ended.code, "not an empty folder" in ended.err) == (1, True)
    assert repository("export", *here, "--to", "notes.zip").code == 0
    assert {one.name for one in repository.folder.iterdir()} >= {"notes", "notes.zip"}
    assert not list(repository.folder.glob(".notes*"))
