"""A backup as one file: taken away, brought back, here or elsewhere, and refused where it is not whole."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import random
import shutil
import socket
import sqlite3
import subprocess
import tarfile
from contextlib import closing, suppress

import pytest

from tests.running import RunningService

TAR = {"Content-Type": "application/x-tar"}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with RunningService(tmp_path_factory.mktemp("archives") / "data", fake=True) as service:
        service.call("POST", "/memory/add", {"text": "kept", "tags": ["one"]})
        yield service


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Another store, with memories of its own."""
    with RunningService(tmp_path_factory.mktemp("elsewhere") / "data", fake=True) as service:
        for number in range(3):
            service.call(
                "POST", "/memory/add", {"text": f"of the other machine {number}", "project": "other"}
            )
        yield service


@pytest.fixture(scope="module")
def archive(elsewhere):
    status, headers, content = fetch(elsewhere, "/archive")
    assert (status, int(headers["Content-Length"])) == (200, len(content))
    return content


def fetch(service, path):
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    with closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def send(service, content, headers=TAR):
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    with closing(connection):
        with suppress(ConnectionError):  # it may be refused before all of it was sent
            connection.request("POST", "/restore/archive", content, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def members(content):
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as found:
        return [(info, found.extractfile(info).read()) for info in found]


def packed(parts):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:", format=tarfile.GNU_FORMAT) as tar:
        for info, content in parts:
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def texts(service):
    return [
        memory["text"] for memory in service.call("GET", "/memories?project=*&order=oldest")[1]["memories"]
    ]


def test_an_archive_is_a_backup_in_a_tar(archive):
    names = [info.name for info, _ in members(archive)]
    folder = names[0].partition("/")[0]
    assert names[:2] == [f"{folder}/manifest.json", f"{folder}/base.db"]
    assert json.loads(members(archive)[0][1])["memories"] == 3
    assert {info.mode for info, _ in members(archive)} == {0o600}


def test_what_was_taken_from_one_machine_is_restored_on_another(running, archive):
    before, earlier = texts(running), running.call("POST", "/backup")[1]["backup"]
    status, answer = send(running, archive)
    assert (status, answer["memories"]) == (200, 3)
    assert texts(running) == [f"of the other machine {number}" for number in range(3)]
    found = running.call("POST", "/search", {"query": "other machine", "project": "other"})[1]
    assert found["count"] == 3
    assert (running.data / answer["set_aside"]).exists()
    assert not [path.name for path in running.data.iterdir() if "restoring" in path.name]
    assert running.call("POST", "/restore", {"backup": earlier})[0] == 200
    assert texts(running) == before


def test_ids_that_were_given_here_are_not_given_again(running, archive):
    highest = running.call("POST", "/memory/add", {"text": "the latest here"})[1]["id"]
    for _ in range(3):
        highest = max(highest, running.call("POST", "/memory/add", {"text": "more"})[1]["id"])
    send(running, archive)
    assert running.call("POST", "/memory/add", {"text": "after"})[1]["id"] > highest


def test_a_backup_that_is_there_is_taken_away_by_its_name(running):
    made = running.call("POST", "/backup", {"label": "named"})[1]["backup"]
    running.call("POST", "/memory/add", {"text": "later than the backup"})
    status, headers, content = fetch(running, f"/archive?backup={made}")
    assert status == 200
    assert f"{made}.tar" in headers["Content-Disposition"]
    assert send(running, content)[0] == 200
    assert "later than the backup" not in texts(running)
    assert fetch(running, "/archive?backup=auto_19990101_000000")[0] == 404


def test_of_the_present_nothing_else_is_kept(running):
    before = running.call("GET", "/backups")[1]["count"]
    manifest = json.loads(members(fetch(running, "/archive?label=for+the+road")[2])[0][1])
    assert manifest["label"] == "for the road"
    assert running.call("GET", "/backups")[1]["count"] == before


def test_unpacked_by_hand_it_restores_as_any_backup_does(archive, tmp_path):
    (tmp_path / "taken.tar").write_bytes(archive)
    subprocess.run(["tar", "xf", "taken.tar"], cwd=tmp_path, check=True)
    (folder,) = tmp_path.glob("manual_*")
    shutil.copytree(folder, tmp_path / "data")
    with RunningService(tmp_path / "data", fake=True) as service:
        assert len(texts(service)) == 3


@pytest.mark.long
def test_an_archive_larger_than_any_other_body_is_taken(tmp_path):
    """The largest body that the server takes otherwise is 64 MB."""
    with RunningService(tmp_path / "data", fake=True) as service:
        service.call("POST", "/memory/add", {"text": "kept"})
        parts = members(fetch(service, "/archive")[2])
        assert service.stop() == 0
        base = tmp_path / "base.db"
        base.write_bytes(parts[1][1])
        with closing(sqlite3.connect(base)) as connection, connection:
            connection.execute("CREATE TABLE ballast (content BLOB)")
            connection.execute("INSERT INTO ballast VALUES (randomblob(70000000))")
        service.start()
        large = remade(parts, base.read_bytes())
        assert len(large) > 64 << 20
        assert send(service, large)[0] == 200
        assert texts(service) == ["kept"]


def remade(parts, base):
    (first, manifest), (second, _), *others = parts
    described = json.dumps({**json.loads(manifest), "sha256": hashlib.sha256(base).hexdigest()}).encode()
    first.size, second.size = len(described), len(base)
    return packed([(first, described), (second, base), *others])


# What is refused changes nothing.


def kept_files(service):
    """Every file but those of the indexes, which the service saves a moment later."""
    names = {path.name for path in service.data.iterdir() if not path.name.endswith(".new")}
    return {name for name in names if not name.startswith(("index", "metadata.json"))}


@pytest.fixture
def untouched(running):
    before = texts(running), kept_files(running)
    yield
    assert (texts(running), kept_files(running)) == before


def refused(service, content):
    status, answer = send(service, content)
    assert status == 400, answer
    assert "Nothing was changed" in answer["description"]
    return answer["description"]


@pytest.mark.usefixtures("untouched")
def test_an_archive_cut_short_anywhere_is_refused(running, archive):
    chance = random.Random(1)
    # (The last 1,024 bytes only mark the end: what lacks a part of them lacks nothing.)
    places = [
        0,
        1,
        511,
        512,
        513,
        len(archive) - 1024,
        *(chance.randrange(len(archive) - 1024) for _ in range(20)),
    ]
    for place in places:
        refused(running, archive[:place]) if place else None
    assert "ends too early" in refused(running, archive[: len(archive) - 1024])


def test_an_archive_damaged_anywhere_is_refused_or_harmless(running, archive):
    before, earlier = texts(running), running.call("POST", "/backup")[1]["backup"]
    chance = random.Random(2)
    for _ in range(25):
        damaged = bytearray(archive)
        damaged[chance.randrange(len(archive) - 1024)] ^= 1 << chance.randrange(8)
        status, answer = send(running, bytes(damaged))
        assert status == 400 or (status == 200 and answer["memories"] == 3), answer
        if status == 200:  # padding, or a label, or a time
            assert texts(running) == [f"of the other machine {number}" for number in range(3)]
            assert running.call("POST", "/restore", {"backup": earlier})[0] == 200
    assert texts(running) == before


def info_of(name, size=0, kind=tarfile.REGTYPE, link=""):
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = size, kind, link
    return made


def hostile(archive):
    """Archives that would do harm if they were unpacked as they say."""
    first, second, *others = members(archive)
    name = first[0].name.partition("/")[0]
    yield "leads upwards", packed([first, (info_of(f"{name}/../../evil", 1), b"x"), second, *others])
    yield "is absolute", packed([first, (info_of("/tmp/evil", 1), b"x"), second, *others])
    yield (
        "is a link",
        packed([first, (info_of(f"{name}/base.db", 0, tarfile.SYMTYPE, "/etc/passwd"), b""), *others]),
    )
    yield (
        "is a hard link",
        packed([first, (info_of(f"{name}/base.db", 0, tarfile.LNKTYPE, "memory.db"), b""), *others]),
    )
    yield "is a device", packed([first, (info_of(f"{name}/base.db", 0, tarfile.CHRTYPE), b""), *others])
    yield "is sparse", packed([first, (info_of(f"{name}/base.db", 0, tarfile.GNUTYPE_SPARSE), b""), *others])
    yield "is twice there", packed([first, second, second, *others])
    yield "lacks its base", packed([first, *others])
    yield "has no manifest", packed([second, *others])
    yield "is in the wrong order", packed([second, first, *others])
    yield (
        "is of another name",
        packed([(info_of("manual_x/manifest.json", first[0].size), first[1]), second, *others]),
    )
    yield "is compressed", gzip.compress(archive)
    yield "is no archive", b"no archive " * 1000
    manifest = json.loads(first[1])
    for wrong in (
        {"segments": [{"name": "..", "bytes": 1}]},
        {"segments": [{"name": "../../memory.db", "bytes": 1}]},
        {"segments": [{"name": "base.db", "bytes": 1}]},
        {"sha256": "0" * 64},
        {"seq": 10**9},
        {"seq": "many"},
        {"base": "../../../memory.db", "segments": []},
    ):
        described = json.dumps({**manifest, **wrong}).encode()
        yield f"says {wrong}", packed([(info_of(first[0].name, len(described)), described), second, *others])


@pytest.mark.usefixtures("untouched")
def test_nothing_in_an_archive_is_taken_on_trust(running, archive):
    for what, content in hostile(archive):
        status, answer = send(running, content)
        assert (status, "Nothing was changed" in answer["description"]) == (400, True), (what, answer)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("CREATE TRIGGER t AFTER DELETE ON memories BEGIN DELETE FROM projects; END", "trigger t"),
        ("DROP TABLE passages", "passages"),
        ("DELETE FROM state WHERE key = 'seq'", "cannot be read"),
        ("DELETE FROM state WHERE key = 'memories'", "cannot be read"),
        ("UPDATE state SET value = 'x' WHERE key = 'seq'", "cannot be read"),
        ("UPDATE state SET value = 7 WHERE key = 'memories'", "does not come to what"),
        ("PRAGMA user_version = 0", "holds no tables of ours"),
        ("PRAGMA user_version = 99", "Update FAISS Memory"),
    ],
)
def test_a_database_that_this_program_did_not_make_is_refused(running, archive, tmp_path, change, said):
    parts = members(archive)
    (tmp_path / "base.db").write_bytes(parts[1][1])
    with closing(sqlite3.connect(tmp_path / "base.db")) as connection, connection:
        connection.execute(change)
    assert said in refused(running, remade(parts, (tmp_path / "base.db").read_bytes()))


@pytest.mark.usefixtures("untouched")
def test_a_base_that_is_no_database_is_refused(running, archive):
    assert "not a database" in refused(running, remade(members(archive), b"no database " * 1000))


def test_a_body_of_another_type_or_of_unknown_length_is_refused(running, archive):
    assert send(running, archive, {"Content-Type": "application/json"})[0] == 415
    assert send(running, iter([archive]), TAR)[0] == 411


def refused_before_it_is_sent(service, size, **headers):
    """Announce a file, and send none of it; gives the answer."""
    lines = {
        "Host": f"127.0.0.1:{service.port}",
        "Content-Length": size,
        "Expect": "100-continue",
        **TAR,
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    with socket.create_connection(("127.0.0.1", service.port), 60) as connection:
        connection.sendall(f"POST /restore/archive HTTP/1.1\r\n{head}\r\n".encode())
        answer = connection.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["description"]


@pytest.mark.long
def test_what_will_not_be_taken_need_not_be_sent(tmp_path):
    settings = {"token": "secret", "limits.archive_bytes": "5000"}
    bearing = {"Authorization": "Bearer secret"}
    with RunningService(tmp_path / "data", fake=True, **settings) as service:
        assert refused_before_it_is_sent(service, 100)[0] == 401
        assert refused_before_it_is_sent(service, 100, Host="evil.example", **bearing)[0] == 421
        assert refused_before_it_is_sent(service, 100, Origin="https://evil.example", **bearing)[0] == 403
        status, said = refused_before_it_is_sent(service, 5001, **bearing)
        assert (status, "limits.archive_bytes" in said) == (413, True)


@pytest.mark.long
def test_a_file_for_which_there_is_no_room_need_not_be_sent(tmp_path):
    with RunningService(tmp_path / "data", fake=True, **{"limits.archive_bytes": str(10**18)}) as service:
        status, said = refused_before_it_is_sent(service, 10**17)
        assert (status, "has no room" in said) == (507, True)


@pytest.mark.long
def test_a_damaged_backup_makes_no_whole_archive(elsewhere):
    made = elsewhere.call("POST", "/backup")[1]["backup"]
    with (elsewhere.data / "backups" / made / "base.db").open("r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    connection = http.client.HTTPConnection("127.0.0.1", elsewhere.port, timeout=60)
    with closing(connection):
        connection.request("GET", f"/archive?backup={made}")
        response = connection.getresponse()
        with pytest.raises(http.client.IncompleteRead):
            response.read()
    assert "so no archive was made of it" in elsewhere.log.read_text()
