"""Backups from the command line: made, listed, gone back to."""

from __future__ import annotations

import json
import re
import tarfile

import pytest

from tests.cli.conftest import environment
from tests.cli.stub import talker
from tests.cli.terminals import CommandLine
from tests.running import RunningService


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A service of one's own: a restore takes all projects back."""
    home = tmp_path_factory.mktemp("own")
    (home / "folder").mkdir()
    with RunningService(home / "data", fake=True):
        yield CommandLine(home / "folder", environment(home, home))


def test_a_backup_is_made_listed_and_gone_back_to_through_pipes(own):
    kept = own.added("kept")
    there = [row[0] for row in own("list").rows]
    assert str(kept) in there
    made = own("backup", "--label", "before the move")
    assert made.code == 0
    name = re.search(r"manual_\w+", made.out)[0]
    own.added("added later")
    rows = own("backups").rows
    assert [row[0] for row in rows if row[-1] == "before the move"] == [name]
    assert any(row[0].startswith("auto_") for row in rows)
    assert json.loads(own("backups", "--json").out)["count"] == len(rows)
    ended = own("restore", name, "--yes")
    assert (ended.code, f"Restored {name}" in ended.out) == (0, True)
    assert [row[0] for row in own("list").rows] == there


def test_what_going_back_would_change_is_told_and_nothing_is_changed(own):
    corrected, gone = own.added("will be corrected"), own.added("will be forgotten")
    name = re.search(r"manual_\w+", own("backup").out)[0]
    own("edit", str(corrected), "--text", "is corrected")
    own("forget", str(gone), "--yes")
    added = own.added("is new")
    ended = own("restore", name, "--changes")
    assert ended.code == 0, ended.err
    assert {(row[0], row[1], row[3], row[4]) for row in ended.rows} == {
        ("added", str(added), "", "is new"),
        ("changed", str(corrected), "will be corrected", "is corrected"),
        ("forgotten", str(gone), "will be forgotten", ""),
    }
    seen = own.seen("restore", name, "--changes").shown
    assert "1 added, 1 changed, 1 forgotten" in " ".join(seen.split())
    assert json.loads(own("restore", name, "--changes", "--json").out)["forgotten"] == 1
    assert str(gone) not in [row[0] for row in own("list").rows]
    for wrong in (["--changes"], ["--memory", "1", "--changes"], ["there.tar", "--changes"]):
        assert own("restore", *wrong).code == 2


def test_at_a_terminal_it_is_asked_and_no_means_no(own):
    name = own("backups").rows[-1][0]
    terminal = own.at_terminal("restore", name)
    terminal.until(f"Take every project back to {name}?")
    terminal.type("n\r")
    assert terminal.ended().code == 5
    terminal = own.at_terminal("restore", name)
    terminal.until("[y/N]")
    terminal.type("y\r")
    ended = terminal.ended()
    assert (ended.code, "Restored" in ended.shown) == (0, True)
    assert name in own.seen("backups").shown


def test_without_a_terminal_it_must_be_confirmed(own):
    ended = own("restore", "auto_20260212_120000")
    assert (ended.code, "--yes" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("moment", "code", "words"),
    [
        ("auto_20260212_120000", 1, "there is no backup"),
        ("1999-01-01", 1, "no backup reaches back"),
        ("yesterday", 2, "neither the name of a backup nor a time"),
    ],
)
def test_what_is_not_there_is_told(own, moment, code, words):
    ended = own("restore", moment, "--yes")
    assert (ended.code, words in ended.err) == (code, True), ended.err


def test_a_time_is_gone_back_to(own):
    own.added("before the moment")
    listed = json.loads(own("backups", "--json").out)["backups"][-1]
    count = len(own("list").rows)
    ended = own("restore", listed["created_at"], "--json", "--yes")
    assert json.loads(ended.out)["memories"] == count


def test_an_archive_is_written_whole_and_brought_back(own, tmp_path):
    kept = own.added("kept in the archive")
    file = tmp_path / "taken.tar"
    ended = own("backup", "--to", str(file), "--label", "for the road")
    assert (ended.code, f"Archive {file} written" in ended.out) == (0, True), ended.err
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    own("forget", str(kept), "--yes")
    ended = own("restore", str(file), "--yes")
    assert (ended.code, "Restored manual_" in ended.out) == (0, True), ended.err
    assert own("show", str(kept)).code == 0


def test_a_file_that_is_there_is_not_written_over_unless_that_is_meant(own, tmp_path):
    own.added("kept")
    file = tmp_path / "taken.tar"
    file.write_text("somebody's")
    ended = own("backup", "--to", str(file))
    assert (ended.code, "--force" in ended.err, file.read_text()) == (1, True, "somebody's")
    answer = json.loads(own("backup", "--to", str(file), "--force", "--json").out)
    assert answer["size_bytes"] == file.stat().st_size
    assert tarfile.is_tarfile(file)


def test_an_earlier_backup_can_be_taken_away(own, tmp_path):
    own.added("kept")
    name = own("backups").rows[0][0]
    assert own("backup", "--to", str(tmp_path), "--of", name).code == 0
    with tarfile.open(tmp_path / "faiss-memory.tar") as taken:
        assert taken.getnames()[0] == f"{name}/manifest.json"
    ended = own("backup", "--to", str(tmp_path / "other.tar"), "--of", "auto_19990101_000000")
    assert (ended.code, "there is no backup" in ended.err) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["faiss-memory.tar"]
    assert own("backup", "--of", name).code == 2


def test_an_archive_can_be_sent_through_a_pipe(own, tmp_path):
    own.added("kept")
    ended = own.shell("faiss-memory backup --to - | tar -t")
    assert (ended.code, "/base.db" in ended.out) == (0, True), ended.err
    ended = own.shell("set -o pipefail; faiss-memory backup --to - >/dev/full")
    assert (ended.code, "cannot be written" in ended.err) == (1, True)
    ended = own.seen("backup", "--to", "-")
    assert (ended.code, "no text to read here" in ended.shown) == (1, True)


def test_a_bar_is_shown_where_somebody_looks(own, tmp_path):
    own.added("kept")
    file = tmp_path / "taken.tar"
    assert own.seen("backup", "--to", str(file)).code == 0
    assert own.seen("restore", str(file), "--yes").code == 0


def test_what_cannot_be_written_or_read_is_told(own, tmp_path):
    ended = own("backup", "--to", str(tmp_path / "not there" / "taken.tar"))
    assert (ended.code, "cannot be written" in ended.err) == (1, True)
    assert own("restore", str(tmp_path / "not there.tar"), "--yes").code == 2
    (tmp_path / "cut short.tar").write_bytes(b"")
    for content in (b"", b"no archive" * 100):
        (tmp_path / "cut short.tar").write_bytes(content)
        ended = own("restore", str(tmp_path / "cut short.tar"), "--yes")
        assert (ended.code, "not a whole archive" in ended.err) == (1, True), ended.err


def test_a_file_is_not_sent_to_a_service_that_does_not_want_it(own, tmp_path):
    file = tmp_path / "large.tar"
    with file.open("wb") as made:
        made.truncate(1 << 36)  # nothing but a hole: it would take minutes to send
    ended = own("restore", str(file), "--yes")
    assert (ended.code, "limits.archive_bytes" in ended.err) == (1, True), ended.err


def test_an_archive_that_breaks_off_leaves_no_file(alone, tmp_path):
    def break_off(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nServer: faiss-memory\r\nContent-Length: 9000\r\n\r\nbegun")
        connection.close()

    with talker(break_off) as url:
        ended = alone("backup", "--to", str(tmp_path / "taken.tar"), "--url", url)
    assert (ended.code, "broke before the answer was there" in ended.err) == (4, True), ended.err
    assert not list(tmp_path.glob("*taken*"))
