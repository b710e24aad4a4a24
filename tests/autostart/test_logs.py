"""The log's files: private, bounded, and never the reason that something else stops."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import signal
import stat
import subprocess
import sys

import pytest

from faiss_memory.errors import ConfigError
from faiss_memory.log_tail import LogTail
from faiss_memory.logs import LOG_FILES, LogFile, StandardError, default_log_file, log_files
from tests.running import RunningService


def write(handler, *texts):
    for text in texts:
        handler.handle(logging.LogRecord("x", logging.INFO, "x", 0, "%s", (text,), None))


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "log" / "x.log"


@pytest.fixture
def handler(path):
    handler = LogFile(path, most_bytes=200)
    yield handler
    handler.close()


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


# Writing.


def test_only_its_owner_can_read_the_log(handler, path):
    for number in range(10):
        write(handler, f"line {number} é")
    assert mode(path.parent) == 0o700
    assert {mode(file) for file in path.parent.iterdir()} == {0o600}
    assert lines(path)[-1].endswith("x: line 9 é")


def test_a_folder_that_is_there_keeps_its_mode(tmp_path):
    (tmp_path / "shared").mkdir(mode=0o755)
    LogFile(tmp_path / "shared" / "x.log").close()
    assert mode(tmp_path / "shared") == 0o755


def test_full_files_are_set_aside_and_the_oldest_are_forgotten(handler, path):
    for number in range(200):
        write(handler, f"line {number}")
    assert sorted(path.parent.iterdir()) == sorted(log_files(path))
    assert len(log_files(path)) == LOG_FILES + 1
    assert all(file.stat().st_size <= 200 for file in path.parent.iterdir())
    kept = [line.split()[-1] for file in reversed(log_files(path)) for line in lines(file)]
    assert kept == [str(number) for number in range(200 - len(kept), 200)]


def test_a_log_that_cannot_be_written_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.log", tmp_path):
        with pytest.raises(ConfigError, match=r"cannot be written: .*`log_file: \"\"`"):
            LogFile(path)


def test_a_folder_in_which_files_cannot_be_set_aside_is_refused(tmp_path, monkeypatch):
    if os.geteuid() == 0:  # root may write everywhere
        monkeypatch.setattr(os, "access", lambda path, mode: path.stat().st_mode & mode << 6 == mode << 6)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "x.log").write_text("")
    (tmp_path / "log").chmod(0o500)
    with pytest.raises(ConfigError, match="folder is not writable"):
        LogFile(tmp_path / "log" / "x.log")


def test_where_setting_aside_fails_the_log_goes_on(handler, path, capsys):
    for file in log_files(path)[1:]:
        file.mkdir()  # neither to be removed nor replaced
    for number in range(20):
        write(handler, f"line {number}")
    assert [line.split()[-1] for line in lines(path)] == [str(number) for number in range(20)]
    assert capsys.readouterr().err.count("cannot be written") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_costs_lines_and_is_told_once(tmp_path, capsys):
    (tmp_path / "x.log").symlink_to("/dev/full")
    handler = LogFile(tmp_path / "x.log")
    write(handler, *"abc")
    handler.close()
    assert capsys.readouterr().err.count("No space left") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_service_whose_log_is_full_goes_on(tmp_path):
    (tmp_path / "x.log").symlink_to("/dev/full")
    with RunningService(tmp_path / "data", fake=True, log_file=str(tmp_path / "x.log")) as running:
        assert running.call("POST", "/memory/add", {"text": "kept"})[0] == 201
        assert running.stop() == 0
        said = running.log.read_text()
        assert said.count("No space left") == 1
        assert "POST /memory/add 201" in said


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux makes a pipe so small")
def test_a_service_whose_standard_error_nobody_reads_answers_and_stops(tmp_path):
    reads, writes = os.pipe()
    fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, 4096)
    log = tmp_path / "x.log"
    with RunningService(tmp_path / "data", fake=True, log_file=str(log)) as running:
        running.stop()
        running.errors, running.log = writes, log
        running.start(ready=False)
        for number in range(200):
            assert running.call("GET", f"/nothing/{number}/{'x' * 100}")[0] == 404
        assert os.read(reads, 1000)
        assert running.stop() == 0
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        assert b"/nothing/199/" not in pipe.read(), "the pipe has to be full for this test to say anything"
    assert "/nothing/199/" in log.read_text()


def test_lines_that_nobody_read_are_counted(tmp_path, monkeypatch):
    reads, writes = os.pipe()
    with os.fdopen(reads, "rb") as pipe, os.fdopen(writes, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        handler = StandardError()
        write(handler, *(f"{number} {'x' * 1000}" for number in range(200)))
        os.set_blocking(reads, False)
        assert pipe.read()
        write(handler, "again")
        assert re.search(rb"1\d\d lines were lost here: nobody read them\nagain\n", pipe.read())


def test_the_service_logs_to_its_file_and_to_standard_error(tmp_path):
    path = tmp_path / "log" / "x.log"
    with RunningService(tmp_path / "data", fake=True, log_file=str(path)) as running:
        running.call("GET", "/stats")
        assert running.stop() == 0
    assert lines(path) == lines(running.log)
    assert "GET /stats 200" in path.read_text()
    assert "GET /health 200" not in path.read_text(), "whatever watches over it would fill the log"
    assert mode(path) == 0o600


def test_what_keeps_the_service_from_starting_stands_in_its_log(tmp_path, faiss_memory):
    path = tmp_path / "x.log"
    with RunningService(tmp_path / "data", fake=True) as running:
        options = [
            "--data-dir",
            str(tmp_path / "other"),
            "--port",
            str(running.port),
            "--set",
            f"log_file={path}",
        ]
        ended = faiss_memory("serve", *options, code=2)
    assert ended.stderr.count("is taken") == 1
    assert f"ERROR   faiss_memory: port {running.port} is taken" in path.read_text()


def test_a_log_file_in_a_place_that_cannot_be_used_stops_the_start(tmp_path, faiss_memory):
    (tmp_path / "file").write_text("")
    ended = faiss_memory("serve", "--set", f"log_file={tmp_path / 'file' / 'x.log'}", code=2)
    assert "log file" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_usual_place_is_in_the_home_folder(home):
    assert default_log_file().is_relative_to(home)
    assert default_log_file().name == "faiss-memory.log"


# Reading.


def test_the_last_lines_are_read_across_files_and_there_may_be_fewer(handler, path):
    for number in range(40):
        write(handler, f"line {number}")
    with LogTail(path) as tail:
        assert [line.split()[-1] for line in tail.last(12)] == [str(number) for number in range(28, 40)]
    with LogTail(path) as tail:
        assert tail.last(0) == []
    with LogTail(path) as tail:
        kept = [line for file in log_files(path) for line in lines(file)]
        assert len(tail.last(1000)) == len(kept) > 12


def test_following_goes_on_where_the_last_lines_ended_and_across_files(handler, path):
    write(handler, "before")
    number = 0

    def add(_):
        nonlocal number
        for _ in range(7):  # more than one file's worth
            write(handler, f"line {number}")
            number += 1

    with LogTail(path, pause=add) as tail:
        assert [line.split()[-1] for line in tail.last(5)] == ["before"]
        followed = tail.follow()
        read = [next(followed).split()[-1] for _ in range(100)]
    assert read == [str(number) for number in range(100)]


def test_what_is_written_just_before_a_file_is_set_aside_is_followed(handler, path):
    write(handler, "before")
    with LogTail(path, pause=lambda _: write(handler, "line 0")) as tail:
        tail.last(1)
        followed = tail.follow()
        read = [next(followed)]
        for number in range(1, 8):  # into this file and the next, while nobody looks
            write(handler, f"line {number}")
        read += [next(followed) for _ in range(7)]
    assert path.with_name("x.log.1").exists()
    assert [line.split()[-1] for line in read] == [str(number) for number in range(8)]


def test_a_line_is_followed_when_it_is_whole(path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one\ntw")
    pieces = iter([b"o", b"\nthree\n"])

    def add(_):
        with path.open("ab") as file:
            file.write(next(pieces))

    with LogTail(path, pause=add) as tail:
        assert tail.last(9) == ["one"]
        followed = tail.follow()
        assert [next(followed), next(followed)] == ["two", "three"]


@pytest.mark.parametrize("what", ["emptied", "removed"])
def test_a_log_that_somebody_cleared_is_followed_from_its_beginning(path, what):
    path.parent.mkdir(parents=True)
    path.write_text("one\ntwo\n")
    path.with_name("x.log.1").write_text("older\n")

    def clear(_):
        if what == "removed":
            path.unlink()
        path.write_text("new\n")

    with LogTail(path, pause=clear) as tail:
        assert tail.last(1) == ["two"]
        assert next(tail.follow()) == "new"


def test_bytes_that_are_no_text_are_shown(path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a\xffb\n")
    with LogTail(path) as tail:
        assert tail.last(1) == ["a\\xffb"]


def test_reading_ends_quietly_when_it_is_interrupted(tmp_path, path):
    path.parent.mkdir(parents=True)
    path.write_text("one\n")
    reading = subprocess.Popen(
        [sys.executable, "-m", "faiss_memory", "service", "logs", "--follow"],
        env={**os.environ, "FAISS_MEMORY_LOG_FILE": str(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reading.stdout.readline() == "one\n"
    with path.open("a") as file:
        file.write("two\x1b[31m\n")
    assert reading.stdout.readline() == "two\\x1b[31m\n"
    reading.send_signal(signal.SIGINT)
    assert reading.communicate(timeout=120) == ("", "\n")
    assert reading.returncode == 130
