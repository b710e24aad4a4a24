"""Which folder and which remote is which project goes along with backups and archives, and comes back with them."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from datetime import timedelta

import pytest

from faiss_memory.store.fsck import repair, verify as check
from faiss_memory.store.records import clock

REMOTE, FOLDER = "github.com/own/rep", "/home/ana/app"


def claimed(client, owner, name="app"):
    return client.post("/projects/claim", {"name": name, "owner": owner}).json["project"]


def named(data):
    return json.loads((data / "projects.json").read_text())


@pytest.fixture
def home(service, client, tmp_path):
    """A service that knows a folder and a remote, with a memory: gives its client and its data folder."""
    assert (claimed(client, FOLDER), claimed(client, REMOTE, "own.rep")) == ("app", "own.rep")
    client.post("/memory/add", {"text": "kept", "project": "app"})
    return client, tmp_path / "data"


@pytest.fixture
def elsewhere(make_service, client_of, tmp_path):
    """Another data folder, with a folder of its own that is called `app`."""
    client = client_of(make_service(data_dir=str(tmp_path / "elsewhere")))
    assert claimed(client, "/srv/app") == "app"
    return client, tmp_path / "elsewhere"


def archive(client, **wanted):
    return client.get("/archive", params=wanted).content


def sent(client, content):
    return client.raw("/restore/archive", content, "application/x-tar")


def lose(client):
    """Let other owners have the names."""
    claim = {"name": "app", "owner": "/home/eve/app", "instead_of": FOLDER}
    assert client.post("/projects/claim", claim).json["project"] == "app"
    assert claimed(client, FOLDER) != "app"


@pytest.mark.parametrize("way", ["manual", "auto", "time"])
def test_a_restore_gives_owners_their_names_again_and_newer_ones_stay(home, way, monkeypatch):
    client, data = home
    made = client.post("/backup").json["backup"]
    listed = client.get("/backups").json["backups"]
    automatic = [one["name"] for one in listed if one["name"].startswith("auto")][-1]
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=9))
    lose(client)
    assert claimed(client, "/home/ana/new", "new") == "new"
    client.post("/memory/add", {"text": "later"})
    wanted = {
        "manual": {"backup": made},
        "auto": {"backup": automatic},
        "time": {"time": (now + timedelta(seconds=2)).isoformat()},
    }[way]
    assert client.post("/restore", wanted).status_code == 200
    assert named(data) == {"/home/ana/new": "new", FOLDER: "app", REMOTE: "own.rep"}
    assert claimed(client, FOLDER) == "app"  # what is held in memory follows too


def test_backups_hold_what_was_known_then(home):
    client, data = home
    first = sorted((data / "backups").glob("auto_*"))[-1]
    (before,) = first.glob("companion-*-projects.json")
    assert before.stat().st_nlink > 1
    claimed(client, "/home/ana/more", "more")
    assert json.loads(before.read_text()) == {FOLDER: "app", REMOTE: "own.rep"}
    assert named(data)["/home/ana/more"] == "more"
    manifest = json.loads((first / "manifest.json").read_text())
    assert [one["name"] for one in manifest["companions"]] == ["projects.json"]


@pytest.mark.parametrize("is_empty", [False, True])
def test_files_copied_by_hand_bring_the_owners_back(
    home, service, make_service, client_of, tmp_path, is_empty
):
    client, data = home
    made = client.post("/backup").json["backup"]
    lose(client)
    service.stop()
    other = tmp_path / "other" if is_empty else data
    shutil.copytree(data / "backups" / made, other, dirs_exist_ok=True)
    again = client_of(make_service(data_dir=str(other)))
    assert claimed(again, FOLDER) == "app"
    assert again.get("/memories", params={"project": "app"}).json["count"] == 1
    assert not list(other.glob("companion-*"))


def test_an_archive_brings_them_back_where_it_was_made(home):
    client, data = home
    content = archive(client)
    lose(client)
    assert sent(client, content).status_code == 200
    assert named(data)[FOLDER] == "app"


@pytest.mark.parametrize("way", ["present", "manual"])
def test_from_another_machine_remotes_come_and_folders_do_not(home, elsewhere, way):
    client, _ = home
    claimed(client, r"C:\Users\ana\win", "win")
    there, data = elsewhere
    content = archive(
        client, **({"backup": client.post("/backup").json["backup"]} if way == "manual" else {})
    )
    restored = sent(there, content)
    assert restored.status_code == 200
    assert named(data) == {"/srv/app": "app", REMOTE: "own.rep"}
    assert "another machine" in restored.json["left_behind"][0]


def altered(content, change):
    """Write an archive anew, after `change` has had its manifest and its companion."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        parts = {info.name: tar.extractfile(info).read() for info in tar}
    manifest_name, companion = next(iter(parts)), next(name for name in parts if "companion-" in name)
    manifest = json.loads(parts.pop(manifest_name))
    change(manifest, parts, companion)
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, raw in {manifest_name: json.dumps(manifest).encode(), **parts}.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return made.getvalue()


def test_an_archive_of_before_is_taken_and_a_damaged_one_is_not(home, elsewhere):
    client, _ = home
    there, data = elsewhere
    content = archive(client)

    def as_before(manifest, parts, companion):
        del manifest["companions"], parts[companion]

    def damaged(manifest, parts, companion):
        parts[companion] = parts[companion].replace(b"own.rep", b"own.eve")

    def lost(manifest, parts, companion):
        del parts[companion]

    def led_astray(manifest, parts, companion):
        manifest["companions"][0]["name"] = "../memory.db"

    for change in (damaged, lost, led_astray):
        refused = sent(there, altered(content, change))
        assert refused.status_code == 400, change
        assert "Nothing was changed" in refused.json["description"]
    assert named(data) == {"/srv/app": "app"}
    assert sent(there, altered(content, as_before)).status_code == 200
    assert named(data) == {"/srv/app": "app"}


@pytest.mark.parametrize("written", ['{"github.com/a/b": "No Name!"}', "[]", "rubbish"])
def test_an_archive_with_owners_that_no_request_could_have_brought_is_refused(home, elsewhere, written):
    client, data = home
    (data / "projects.json").write_text(written)
    there, other = elsewhere
    refused = sent(there, archive(client))
    assert (refused.status_code, "projects.json" in refused.json["description"]) == (400, True)
    assert named(other) == {"/srv/app": "app"}


def test_a_backup_whose_owners_are_damaged_still_restores_its_memories(home):
    client, data = home
    made = client.post("/backup").json["backup"]
    (kept,) = (data / "backups" / made).glob("companion-*")
    kept.write_text("{}")
    assert b"companion-" not in archive(client, backup=made)
    restored = client.post("/restore", {"backup": made})
    assert (restored.status_code, "projects.json" in restored.json["left_behind"][0]) == (200, True)
    assert named(data)[FOLDER] == "app"


@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_verify_names_a_damaged_list_of_a_backup_and_mends_it(home, service, is_elsewhere):
    client, data = home
    made = client.post("/backup").json["backup"]
    (kept,) = (data / "backups" / made).glob("companion-*")
    whole = kept.read_bytes()
    if not is_elsewhere:
        lose(client)
    service.stop()
    others = [path for path in (data / "backups").glob("*/companion-*") if path != kept]
    for path in [kept, *([] if is_elsewhere else others)]:
        path.unlink()
        path.write_text("{}")
    found = check.verify(data).findings
    assert f"backups/{made}/{kept.name}" in {one.file for one in found}
    repair.repair(data, found, 10)
    assert check.verify(data).findings == []
    assert kept.exists() == is_elsewhere
    assert not is_elsewhere or kept.read_bytes() == whole


def test_a_renamed_project_keeps_its_folders_through_a_restore(home):
    client, data = home
    assert client.post("/projects/app/rename", {"to": "renamed"}).status_code == 200
    last = client.get("/backups").json["backups"][-1]["name"]
    (data / "projects.json").write_text("{}")
    assert client.post("/restore", {"backup": last}).status_code == 200
    assert claimed(client, FOLDER) == "renamed"
