"""Builds as they run: one of a source at a time, in the background or not, refused, stopped, killed."""

import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from faiss_memory import Embedder, InvalidRequest, StoreError, hookimpl
from faiss_memory.app import build_service
from faiss_memory.plugin_host import section_types
from faiss_memory.settings import load
from faiss_memory_plugins.ingest.documents import read_document
from tests.fakes import FakeEmbedder
from tests.ingest.conftest import outcomes, reasons
from tests.running import RunningService


class Gate:
    """A plugin that holds every bulk of texts until it is opened."""

    def __init__(self):
        self.open, self.reached = threading.Event(), threading.Event()

    @hookimpl
    def before_add(self):
        self.reached.set()
        assert self.open.wait(30)


@pytest.fixture
def gated(make_shelf):
    """A shelf whose builds wait until `gate.open` is set."""
    gate = Gate()
    shelf = make_shelf(gate)
    shelf.gate = gate
    yield shelf
    gate.open.set()


def until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_build_goes_on_in_the_background_and_can_be_watched(gated):
    gated.write("one.md", "# One\n\nA.\n\n# Two\n\nB.\n")
    result = gated.ask(wait=False)
    assert (result.status_code, result.json["state"], result.json["files"]) == (202, "running", [])
    assert gated.gate.reached.wait(30)
    answer = gated.client.get("/index/build").json
    assert [build["sources"] for build in answer["running"]] == [[str(gated.folder)]]
    assert answer["running"][0]["progress"] == {"phase": "embedding", "done": 0, "total": 2, "file": ""}
    assert answer["last"] is None
    gated.gate.open.set()
    until(lambda: gated.client.get("/index/build").json["last"])
    answer = gated.client.get("/index/build").json
    assert answer["running"] == []
    assert (answer["last"]["state"], answer["last"]["added"], len(answer["last"]["files"])) == ("done", 1, 1)
    assert answer["last"]["progress"]["phase"] == "done"


def test_two_builds_of_one_source_do_not_run_at_once(gated):
    gated.write("a/one.md", "One.")
    gated.write("b/two.md", "Two.")
    assert gated.ask(gated.folder / "a", wait=False).status_code == 202
    for source in (
        gated.folder / "a",
        gated.folder,
        gated.folder / "a" / "*.md",
        gated.folder / "a" / "one.md",
    ):
        result = gated.ask(source)
        assert (result.status_code, "being built" in result.json["description"]) == (409, True)
    assert gated.ask(gated.folder / "b", wait=False).status_code == 202
    assert gated.ask(gated.folder / "a", wait=False, project="other").status_code == 202
    assert len(gated.client.get("/index/build").json["running"]) == 3
    gated.gate.open.set()
    until(lambda: not gated.client.get("/index/build").json["running"])
    assert gated.build(gated.folder)["kept"] == 2


def test_a_build_that_was_refused_leaves_the_source_free(shelf):
    assert shelf.ask().status_code == 400
    shelf.write("one.md", "One.")
    assert shelf.build()["added"] == 1


def test_a_mass_removal_is_refused_with_its_list_unless_it_is_meant(shelf):
    paths = [shelf.write(f"{n:02}.md", f"Number {n}.") for n in range(40)]
    shelf.build()
    for path in paths[:21]:
        path.unlink()
    result = shelf.ask()
    assert (result.status_code, result.json["field"]) == (409, "prune")
    assert "21 of the 40" in result.json["description"]
    assert result.json["details"] == [f"{path} (1)" for path in paths[:21]]
    assert len(shelf.memories()) == 40
    assert shelf.build(dry_run=True)["removed"] == 21
    assert shelf.build(prune=False)["removed"] == 0
    assert shelf.build(prune="force")["removed"] == 21
    assert len(shelf.memories()) == 19


def test_half_of_a_source_may_go_and_so_may_a_few(shelf):
    paths = [shelf.write(f"{n:02}.md", f"Number {n}.") for n in range(40)]
    shelf.build()
    for path in paths[:20]:
        path.unlink()
    assert shelf.build()["removed"] == 20
    for path in paths[20:39]:
        path.unlink()
    assert shelf.build()["removed"] == 19


def test_files_that_were_emptied_count_as_a_mass_removal(shelf):
    sections = "\n".join(f"# Heading {n}\n\nText {n}.\n" for n in range(30))
    path = shelf.write("one.md", sections)
    shelf.build()
    path.write_text("")
    result = shelf.ask()
    assert (result.status_code, result.json["details"]) == (409, [f"{path} (30)"])
    path.write_text(sections.replace("Text", "Other text"))
    assert shelf.build()["memories"] == {"added": 30, "kept": 0, "removed": 30}


def test_a_mass_removal_in_the_background_fails_and_says_so(shelf):
    paths = [shelf.write(f"{n:02}.md", f"Number {n}.") for n in range(40)]
    shelf.build()
    for path in paths[:30]:
        path.unlink()
    assert shelf.ask(wait=False).status_code == 202
    until(lambda: not shelf.client.get("/index/build").json["running"])
    last = shelf.client.get("/index/build").json["last"]
    assert (last["state"], last["success"]) == ("failed", False)
    assert "prune: force" in last["message"]
    assert len(shelf.memories()) == 40


class NoTokens:
    """A plugin that refuses what looks like a token."""

    @hookimpl
    def before_add(self, drafts):
        if any("sk-" in draft.text for draft in drafts):
            raise InvalidRequest("this looks like a token", "text")


def test_what_a_plugin_refuses_is_skipped_with_its_words_and_nothing_else_is(make_shelf):
    shelf = make_shelf(NoTokens())
    for n in range(5):
        shelf.write(f"{n}.md", f"Number {n}." if n != 2 else "The token is sk-1234.")
    answer = shelf.build()
    assert Counter(outcomes(answer, shelf.folder).values()) == {"added": 4, "skipped": 1}
    assert reasons(answer)["2.md"] == "refused: this looks like a token"
    assert len(shelf.memories()) == 4


def test_what_a_limit_refuses_is_skipped_with_its_words(shelf):
    shelf.write("tags.md", f"---\ntags: [{', '.join(f't{n}' for n in range(40))}]\n---\nText.\n")
    shelf.write("data.md", f"---\nnote: {'x' * 20_000}\n---\nText.\n")
    shelf.write("kept.md", "Kept.")
    told = reasons(shelf.build())
    assert "limits.tags" in told["tags.md"]
    assert "limits.metadata_bytes" in told["data.md"]
    assert shelf.texts() == ["Kept."]


def test_the_hooks_hear_of_a_build(make_shelf):
    heard = []

    class Listener:
        @hookimpl
        def memories_added(self, memories):
            heard.append(("added", [memory.text for memory in memories]))

        @hookimpl
        def memories_changed(self, memories):
            heard.append(("changed", [memory.source.rsplit("/")[-1] for memory in memories]))

        @hookimpl
        def memories_removed(self, ids):
            heard.append(("removed", list(ids)))

    shelf = make_shelf(Listener())
    path = shelf.write("a.md", "# A\n\nOne.\n\n# B\n\nTwo.\n")
    shelf.build()
    path.rename(shelf.folder / "b.md")
    shelf.write("b.md", "# A\n\nOne.\n")
    shelf.build()
    assert heard == [("added", ["A\n\nOne.", "B\n\nTwo."]), ("changed", ["b.md#A"]), ("removed", [2])]


def test_a_store_that_fails_ends_the_build_and_says_so(shelf, monkeypatch):
    shelf.write("one.md", "One.")
    monkeypatch.setattr(
        "faiss_memory.store.EmbeddedStore.rewrite",
        lambda *_: (_ for _ in ()).throw(StoreError("the disk broke")),
    )
    result = shelf.ask()
    assert (result.status_code, result.json["description"]) == (503, "the disk broke")
    assert shelf.client.get("/index/build").json["last"]["state"] == "failed"
    monkeypatch.undo()
    assert shelf.build()["added"] == 1


def test_an_error_nobody_foresaw_ends_the_build_and_leaves_the_source_free(shelf, monkeypatch):
    shelf.write("one.md", "One.")
    monkeypatch.setattr("faiss_memory.store.EmbeddedStore.rewrite", lambda *_: 1 / 0)
    assert shelf.ask().status_code == 500
    monkeypatch.undo()
    assert shelf.build()["added"] == 1


def test_a_build_waits_for_a_model_that_is_still_being_loaded(tmp_path, client_of):
    ready = threading.Event()

    class LateModel:
        @hookimpl
        def open_embedder(self) -> Embedder:
            assert ready.wait(30)
            return FakeEmbedder()

    (tmp_path / "one.md").write_text("One.")
    given = {
        "data_dir": str(tmp_path / "data"),
        "plugins.ingest.roots": [str(tmp_path)],
        "startup_wait": 0.01,
    }
    service = build_service(
        load(None, given, {}, section_types).settings, lambda _: None, [("late", LateModel())]
    )
    service.start()
    client, answers = client_of(service), []
    request = {"sources": [str(tmp_path / "*.md")]}
    until(lambda: service.engine.store_opened)
    waiting = threading.Thread(target=lambda: answers.append(client.post("/index/build", request)))
    waiting.start()
    until(lambda: client.get("/index/build").json["running"])
    ready.set()
    waiting.join()
    service.stop()
    assert (answers[0].status_code, answers[0].json["added"], answers[0].json["embedded"]) == (200, 1, 1)


TREE = {
    f"{n % 7}/{n:03}.md": "\n".join(
        f"# Section {n}.{m}\n\nWhat {n} says of {m}: {n * m}.\n" for m in range(12)
    )
    for n in range(150)
}


def _tree(folder: Path) -> None:
    for name, text in TREE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _expected(folder: Path) -> Counter[tuple[str, str]]:
    """What the memories must be, read by the test itself."""
    return Counter(
        (f"{path}{part.place}", part.text)
        for path in folder.rglob("*.md")
        for part in read_document(path.name, path.read_text()).parts
    )


def _memories(running: RunningService) -> Counter[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    cursor = ""
    while cursor is not None:
        page = running.call("GET", f"/memories?limit=1000{cursor and f'&cursor={cursor}'}")[1]
        found += [(memory["source"], memory["text"]) for memory in page["memories"]]
        cursor = page["next_cursor"]
    return Counter(found)


@pytest.fixture
def running(tmp_path):
    (tmp_path / "notes").mkdir()
    _tree(tmp_path / "notes")
    with RunningService(tmp_path / "data", fake=True, **{"plugins.ingest.roots": str(tmp_path)}) as service:
        yield service


@pytest.mark.long
def test_a_build_that_is_killed_and_run_again_is_as_if_nothing_had_happened(running, tmp_path):
    notes = tmp_path / "notes"
    chosen = random.Random(7)
    request = {"sources": [str(notes)], "wait": False}
    for turn in range(4):
        assert running.call("POST", "/index/build", request)[0] == 202
        stop_at = chosen.randint(1, 1200)

        def far_enough(stop_at=stop_at):
            builds = running.call("GET", "/index/build")[1]
            return not builds["running"] or builds["running"][0]["progress"]["done"] >= stop_at

        until(far_enough)
        running.kill()
        for name in list(TREE)[turn::9]:
            (notes / name).write_text(TREE[name].replace("says", f"said in turn {turn}"))
        running.start()
    answer = running.call("POST", "/index/build", {"sources": [str(notes)]})[1]
    assert answer["state"] == "done"
    assert _memories(running) == _expected(notes)
    again = running.call("POST", "/index/build", {"sources": [str(notes)]})[1]
    assert (again["embedded"], again["kept"]) == (0, len(TREE))


def test_a_service_that_is_stopped_ends_its_builds_and_answers_who_waits(running, tmp_path):
    answers = []
    request = {"sources": [str(tmp_path / "notes")]}
    waiting = threading.Thread(target=lambda: answers.append(running.call("POST", "/index/build", request)))
    waiting.start()
    until(
        lambda: any(running.call("GET", "/index/build")[1].values())
    )  # it runs, or was done before we looked
    assert running.stop() == 0
    waiting.join()
    status, answer = answers[0]
    assert status == 200 or (status == 503 and "run the same build again" in answer["description"])
    running.start()
    assert running.call("POST", "/index/build", request)[1]["state"] == "done"
    assert _memories(running) == _expected(tmp_path / "notes")
