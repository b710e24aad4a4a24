"""Folders that build themselves: they come to what a fresh build makes, and forget nothing that is out of sight."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

from faiss_memory_plugins.ingest import listing
from faiss_memory_plugins.ingest.watch import listening, mounts, watcher
from tests.ingest.conftest import Shelf

SECONDS = 20
QUICK = {
    "plugins.ingest.watch.settle_seconds": 0.05,
    "plugins.ingest.watch.gone_seconds": 0.3,
    "plugins.ingest.watch.poll_seconds": 0.05,
}


class WatchedShelf(Shelf):
    def watch(self, path=None, **request):
        return self.client.post("/index/watches", {"path": str(path or self.folder), **request})

    def unwatch(self, path=None, **params):
        return self.client.request(
            "DELETE", "/index/watches", params={"path": str(path or self.folder), **params}
        )

    def state(self):
        return self.client.get("/index/watches").json["watches"][0]

    def said(self):
        return {text.rpartition("\n")[2] for text in self.texts()}

    def comes_to(self, *texts):
        until(lambda: self.said() == set(texts), lambda: (self.said(), self.state()))

    def comes_to_be(self, state):
        until(lambda: self.state()["state"] == state, self.state)


def until(holds, told=lambda: None):
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, told()
        time.sleep(0.02)


@pytest.fixture
def make_watched(make_shelf):
    def make(**settings):
        shelf = make_shelf(**{**QUICK, **settings})
        return WatchedShelf(shelf.folder, shelf.client, shelf.model)

    return make


@pytest.fixture(params=["auto", "always"])
def watched(request, make_watched):
    """A shelf whose changes are told by the system, or found by looking again."""
    return make_watched(**{"plugins.ingest.watch.polling": request.param})


def test_a_watched_folder_follows_its_files(watched):
    watched.write("a.md", "# A\n\none")
    assert watched.watch().status_code == 200
    watched.comes_to("one")
    watched.write("deep/er/b.md", "# B\n\ntwo")
    watched.comes_to("one", "two")
    watched.write("deep/er/b.md", "# B\n\nthree")
    watched.comes_to("one", "three")
    (watched.folder / "deep").rename(watched.folder / "moved")
    watched.comes_to("one", "three")
    until(lambda: f"{watched.folder}/moved/er/b.md#B" in {each["source"] for each in watched.memories()})
    (watched.folder / "a.md").unlink()
    watched.comes_to("three")
    watched.comes_to_be("watching")
    state = watched.state()
    assert (state["state"], state["project"], state["files"]) == ("watching", "default", 1)
    assert state["last_build"]["removed"] == 1


def test_what_is_gone_for_a_moment_keeps_its_memories(make_watched):
    shelf = make_watched(**{"plugins.ingest.watch.gone_seconds": 60})
    shelf.write("a.md", "# A\n\none")
    shelf.write("b.md", "# B\n\ntwo")
    shelf.watch()
    shelf.comes_to("one", "two")
    (shelf.folder / "a.md").unlink()
    until(
        lambda: "is gone" in shelf.state()["message"] or "a file is gone" in shelf.state()["message"],
        shelf.state,
    )
    assert shelf.said() == {"one", "two"}


def test_an_emptied_folder_and_one_that_is_not_there_take_nothing_with_them(watched):
    watched.write("a.md", "# A\n\none")
    watched.watch()
    watched.comes_to("one")
    (watched.folder / "a.md").unlink()
    watched.comes_to_be("waiting")
    time.sleep(0.3)
    assert "holds no file" in watched.state()["message"]
    watched.folder.rmdir()
    until(lambda: "cannot be seen" in watched.state()["message"], watched.state)
    time.sleep(0.5)
    assert watched.said() == {"one"}
    watched.write("picture.png", b"\x89PNG")  # which no build reads
    time.sleep(0.5)
    assert watched.said() == {"one"}
    watched.write("b.md", "# B\n\ntwo")
    watched.comes_to("two")


def test_another_device_at_the_same_place_takes_nothing_with_it(make_watched, tmp_path, monkeypatch):
    table = tmp_path / "mountinfo"
    line = "30 1 8:1 / {place} rw - ext4 /dev/{device} rw\n"
    monkeypatch.setattr(mounts, "TABLE", table)
    shelf = make_watched()
    table.write_text(line.format(place=shelf.folder, device="sdb1"))
    shelf.write("a.md", "# A\n\none")
    shelf.write("b.md", "# B\n\ntwo")
    shelf.watch()
    shelf.comes_to("one", "two")
    table.write_text(line.format(place="/", device="sda1"))
    (shelf.folder / "a.md").unlink()
    shelf.comes_to_be("refused")
    assert "/dev/sdb1" in shelf.state()["message"]
    assert "watch add" in shelf.state()["message"]
    shelf.write("b.md", "# B\n\nthree")
    shelf.comes_to("one", "three")
    shelf.watch()  # the person says that it is right
    shelf.comes_to("three")


def test_what_is_mounted_inside_and_goes_takes_nothing_with_it(make_watched, tmp_path, monkeypatch):
    table = tmp_path / "mountinfo"
    root = "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    monkeypatch.setattr(mounts, "TABLE", table)
    shelf = make_watched()
    table.write_text(f"{root}31 30 8:2 / {shelf.folder}/stick rw - ext4 /dev/sdb1 rw\n")
    shelf.write("a.md", "# A\n\none")
    shelf.write("stick/b.md", "# B\n\ntwo")
    shelf.watch()
    shelf.comes_to("one", "two")
    table.write_text(root)
    (shelf.folder / "stick/b.md").unlink()
    shelf.comes_to_be("refused")
    assert f"/dev/sdb1 (ext4) at {shelf.folder}/stick is not mounted any more" in shelf.state()["message"]
    shelf.write("stick/b.md", "# B\n\nthree")
    shelf.comes_to("one", "three")
    (shelf.folder / "stick/b.md").unlink()
    shelf.comes_to_be("refused")
    shelf.watch()  # the person says that it is right
    shelf.comes_to("one")


def test_what_was_mounted_inside_later_is_known_after_a_kill(make_watched, tmp_path, monkeypatch):
    table = tmp_path / "mountinfo"
    root = "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    monkeypatch.setattr(mounts, "TABLE", table)
    table.write_text(root)
    shelf = make_watched()
    shelf.write("a.md", "# A\n\none")
    shelf.watch()
    shelf.comes_to("one")
    stick = f"{shelf.folder}/stick"
    table.write_text(f"{root}31 30 8:2 / {stick} rw - ext4 /dev/sdb1 rw\n")
    shelf.write("stick/b.md", "# B\n\ntwo")
    shelf.comes_to("one", "two")
    (written,) = json.loads((tmp_path / "data" / "watches.json").read_text())
    assert written["inside"] == {stick: f"/dev/sdb1 (ext4) at {stick}"}


def test_a_list_that_cannot_be_written_is_said_and_what_is_mounted_there_not_built(
    make_watched, tmp_path, monkeypatch
):
    table = tmp_path / "mountinfo"
    root = "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    monkeypatch.setattr(mounts, "TABLE", table)
    monkeypatch.setattr(watcher, "RETRY_SECONDS", 0.05)
    table.write_text(root)
    shelf = make_watched()
    shelf.write("a.md", "# A\n\none")
    shelf.watch()
    shelf.comes_to("one")
    file = tmp_path / "data" / "watches.json"
    file.unlink()
    file.mkdir()
    table.write_text(f"{root}31 30 8:2 / {shelf.folder}/stick rw - ext4 /dev/sdb1 rw\n")
    shelf.write("stick/b.md", "# B\n\ntwo")
    shelf.comes_to_be("failed")
    assert "watches.json, the list of watched folders, cannot be written" in shelf.state()["message"]
    assert shelf.said() == {"one"}
    file.rmdir()
    shelf.comes_to("one", "two")
    assert "/dev/sdb1" in file.read_text()


def test_a_gitignore_that_comes_later_holds_from_then_on_and_forgets_nothing(make_watched):
    shelf = make_watched()
    for name in ("a", "b"):
        shelf.write(f"{name}.md", f"# {name}\n\none of {name}")
    shelf.watch()
    shelf.comes_to("one of a", "one of b")
    shelf.write(".gitignore", "b.md\nnew.md\n")
    shelf.write("b.md", "# b\n\ntwo of b")
    shelf.write("new.md", "# new\n\none of new")
    shelf.write("a.md", "# a\n\ntwo of a")
    shelf.comes_to("two of a", "one of b")
    (shelf.folder / ".gitignore").unlink()
    shelf.comes_to("two of a", "two of b", "one of new")


def test_most_of_a_folder_is_forgotten_only_if_a_person_says_so(make_watched):
    shelf = make_watched()
    for number in range(30):
        shelf.write(f"{number}.md", f"# N{number}\n\nsaid {number}")
    shelf.watch()
    until(lambda: len(shelf.texts()) == 30)
    for number in range(29):
        (shelf.folder / f"{number}.md").unlink()
    shelf.comes_to_be("refused")
    assert len(shelf.texts()) == 30
    assert "--force-prune" in shelf.state()["message"]
    shelf.build(prune="force")
    shelf.write("30.md", "# N30\n\nsaid 30")
    shelf.comes_to("said 29", "said 30")
    shelf.comes_to_be("watching")


def test_nothing_changed_builds_nothing(watched):
    watched.write("a.md", "# A\n\none")
    watched.watch()
    watched.comes_to("one")
    watched.comes_to_be("watching")
    built = watched.state()["last_build"]
    (watched.folder / ".hidden").mkdir()
    watched.write("notes.swp", "nothing that is read")
    time.sleep(0.6)
    assert watched.state()["last_build"] == built


def test_folders_that_cannot_be_read_are_named(make_watched, monkeypatch):
    shelf = make_watched()
    shelf.write("a.md", "# A\n\none")
    (shelf.folder / "closed").mkdir()
    (shelf.folder / "closed").chmod(0)
    if os.access(shelf.folder / "closed", os.R_OK):  # the administrator may
        real = listing.entries_of

        def entries_of(folder):
            if folder.name == "closed":
                raise PermissionError(13, "Permission denied")
            return real(folder)

        monkeypatch.setattr(listing, "entries_of", entries_of)
    shelf.watch()
    shelf.comes_to("one")
    (told,) = shelf.state()["unreadable"]
    assert told.startswith(f"{shelf.folder}/closed/: the folder cannot be read")


def test_where_the_system_refuses_it_is_looked_at_again_and_again_and_said(make_watched, monkeypatch):
    def refuse(*_):
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(listening, "RustNotify", refuse)
    shelf = make_watched()
    shelf.write("a.md", "# A\n\none")
    shelf.watch()
    shelf.comes_to("one")
    shelf.write("a.md", "# A\n\ntwo")
    shelf.comes_to("two")
    assert shelf.state()["how"] == "polling"
    assert "fs.inotify.max_user_watches" in shelf.state()["message"]


def test_watches_outlive_the_service_and_those_of_the_settings_are_not_removed(
    make_service, client_of, tmp_path
):
    given = {**QUICK, "plugins.ingest.roots": [str(tmp_path)]}
    for name in ("added", "named", "later"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text(f"# A\n\n{name}")
    named = {"plugins.ingest.watch.folders": [str(tmp_path / "named")]}
    first = make_service(**given, **named)
    client_of(first).post("/index/watches", {"path": f"{tmp_path}/added", "project": "p"})
    first.stop()
    (tmp_path / "added" / "a.md").write_text("# A\n\nchanged meanwhile")
    client = client_of(make_service(**given, **named))

    def texts():
        return [each["text"] for each in client.get("/memories", params={"project": "*"}).json["memories"]]

    until(
        lambda: sorted(text.rpartition("\n")[2] for text in texts()) == ["changed meanwhile", "named"], texts
    )
    added, by_name = client.get("/index/watches").json["watches"]
    assert (added["by"], added["project"], by_name["by"], by_name["project"]) == (
        "add",
        "p",
        "settings",
        "default",
    )
    for nowhere in ("\0", "~/a\0b", "a/b"):
        refused = client.request("DELETE", "/index/watches", params={"path": nowhere})
        assert (refused.status_code, refused.json["field"]) == (400, "path")
    refused = client.request("DELETE", "/index/watches", params={"path": f"{tmp_path}/named"})
    assert (refused.status_code, refused.json["field"]) == (409, "path")
    assert "plugins.ingest.watch.folders" in refused.json["description"]


def test_a_list_that_cannot_be_read_is_said_and_not_written_over(make_service, client_of, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "watches.json").write_text("[{")
    client = client_of(make_service(**{"plugins.ingest.roots": [str(tmp_path)]}))
    for answer in (client.get("/index/watches"), client.post("/index/watches", {"path": str(tmp_path)})):
        assert answer.status_code == 503
        assert "watches.json" in answer.json["description"]
    assert (tmp_path / "data" / "watches.json").read_text() == "[{"


def test_what_cannot_be_watched_is_refused_by_its_field(make_watched):
    shelf = make_watched()
    file = shelf.write("a.md", "# A\n\none")
    for path, words in [
        (file, "is no folder"),
        (f"{shelf.folder}/*.md", "is no folder"),
        ("/etc", "outside the folders"),
        ("notes", "absolute path"),
        (shelf.folder / "none", "there is no none"),
    ]:
        refused = shelf.watch(path)
        assert refused.status_code in (400, 403)
        assert refused.json["field"] == "path"
        assert words in refused.json["description"]
    assert shelf.client.get("/index/watches").json == {"watches": [], "count": 0}
    assert shelf.unwatch().status_code == 404


def test_a_folder_is_watched_once_for_each_project_and_removed_keeps_its_memories(make_watched):
    shelf = make_watched()
    shelf.write("a.md", "# A\n\none")
    for project in ("x", "x", "y"):
        shelf.watch(project=project)
    assert [each["project"] for each in shelf.client.get("/index/watches").json["watches"]] == ["x", "y"]
    until(lambda: len(shelf.memories("x")) == len(shelf.memories("y")) == 1)
    assert shelf.unwatch(project="x").json["projects"] == ["x"]
    assert shelf.unwatch().json["projects"] == ["y"]
    shelf.write("a.md", "# A\n\ntwo")
    time.sleep(0.3)
    assert [each["text"][-3:] for each in shelf.memories("x")] == ["one"]


def test_without_a_table_of_mounts_the_system_is_asked(tmp_path, monkeypatch):
    printed = "/dev/disk3 on / (apfs, local)\n//me@box/share on /Volumes/My share (smbfs, nodev)\n"
    monkeypatch.setattr(mounts.sys, "platform", "darwin")
    monkeypatch.setattr(
        mounts.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, printed, "")
    )
    share, disk = mounts.mount_of("/Volumes/My share/notes"), mounts.mount_of("/Users/me")
    assert (share.kind, share.device, share.tells) == ("smbfs", "//me@box/share", False)
    assert (disk.kind, disk.tells) == ("apfs", True)


@pytest.mark.parametrize(
    ("line", "tells"),
    [
        ("1 0 0:1 / / rw - ext4 /dev/sda1 rw", True),
        ("1 0 0:1 / / rw - 9p C:\\134 rw,aname=drvfs", False),
        ("1 0 0:1 / / rw - fuse.grpcfuse grpcfuse rw", False),
        ("1 0 0:1 / / rw - fakeowner /run/host_mark/Users rw", False),
        ("1 0 0:1 / / rw - fuseblk /dev/sdb1 rw", True),
        ("1 0 0:1 / / rw shared:1 - nfs4 box:/home rw", False),
        ("no such line", True),
    ],
)
def test_where_nobody_tells_of_changes_is_known_by_the_kind_of_file_system(
    tmp_path, monkeypatch, line, tells
):
    table = tmp_path / "mountinfo"
    table.write_text(f"{line}\n2 1 0:2 / /some\\040where rw - tmpfs none rw\n")
    monkeypatch.setattr(mounts, "TABLE", table)
    assert mounts.mount_of("/elsewhere").tells is tells
    assert mounts.mount_of("/some where/else").kind == "tmpfs"
