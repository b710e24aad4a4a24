"""`faiss-memory service …`, on Linux with a stand-in for systemctl; piped, and at a terminal."""

from __future__ import annotations

import http.client
import json
import os
import pty
import re
import signal
import subprocess
import sys

import pytest

from faiss_memory.autostart.systemd import Systemd
from tests.autostart.conftest import COMMAND

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the command chooses by operating system")


@pytest.fixture(autouse=True)
def systemctl(tools):
    tools.add("systemctl")
    return tools


@pytest.fixture
def unit(home):
    return home / ".config/systemd/user/faiss-memory.service"


def test_it_is_installed_and_told(faiss_memory, unit, home, systemctl):
    ended = faiss_memory("service", "install", "--port", "8901", "--data-dir", "m m", "--set", "limits.k=50")
    said = ended.stdout
    assert f"Installed: {unit}" in said
    assert "loginctl enable-linger" in ended.stderr
    assert f"It answers on http://127.0.0.1:8900 (process {os.getpid()})." in said
    text = unit.read_text()
    assert "--set port=8901" in text
    assert f'"data_dir={home}/m m"' in text
    assert "--set limits.k=50" in text
    assert "log_file=" in text


@pytest.mark.long
def test_installed_again_it_says_that_nothing_changed(faiss_memory, unit):
    faiss_memory("service", "install")
    before = unit.read_bytes()
    said = faiss_memory("service", "install").stdout
    assert f"Installed before, nothing changed: {unit}" in said
    assert "It answers on" in said
    assert unit.read_bytes() == before


def test_its_state_is_told_to_people_and_programs(faiss_memory, unit, home, systemctl):
    none = faiss_memory("service", "status", code=3)
    assert dict(line.split("\t") for line in none.stdout.splitlines())["installed"] == "no"
    assert "service install" in none.stderr
    faiss_memory("service", "install", "--data-dir", "/m")
    told = dict(line.split("\t") for line in faiss_memory("service", "status").stdout.splitlines())
    found = json.loads(faiss_memory("service", "status", "--json").stdout)
    assert found["since"].startswith("2026-02-1")
    assert found == {
        "installed": True, "running": True, "process": os.getpid(), "since": found["since"],
        "address": "http://127.0.0.1:8900", "at_login": True, "kind": "systemd user service", "file": str(unit),
        "log": str(home / ".local/state/faiss-memory/log/faiss-memory.log"), "memories": "/m", "remark": None,
    }  # fmt: skip
    words = {True: "yes", False: "no", None: ""}
    assert told == {
        key: words[value] if isinstance(value, bool | None) else str(value) for key, value in found.items()
    }
    faiss_memory("service", "stop")
    stopped = json.loads(faiss_memory("service", "status", "--json", code=3).stdout)
    assert (stopped["installed"], stopped["running"], stopped["address"]) == (True, False, None)


@pytest.mark.long
def test_one_that_was_started_by_hand_is_told(faiss_memory, tmp_path):
    left = {"url": "http://127.0.0.1:8999", "pid": os.getpid(), "secret": "known", "started": "x"}
    (tmp_path / "runtime/faiss-memory").mkdir(parents=True)
    (tmp_path / "runtime/faiss-memory/service.json").touch(0o600)
    (tmp_path / "runtime/faiss-memory/service.json").write_text(json.dumps(left))
    told = json.loads(faiss_memory("service", "status", "--json", code=3).stdout)
    assert (told["running"], told["address"]) == (False, None)
    assert "http://127.0.0.1:8999" in told["remark"]


def test_a_systemd_that_does_not_answer_is_told_in_the_state(faiss_memory, systemctl):
    faiss_memory("service", "install")
    systemctl.set("fail", "show faiss")
    told = json.loads(faiss_memory("service", "status", "--json", code=3).stdout)
    assert told["installed"]
    assert "refused" in told["remark"]


@pytest.mark.long
def test_it_is_stopped_started_and_restarted(faiss_memory, systemctl):
    faiss_memory("service", "install")
    systemctl.calls()
    assert faiss_memory("service", "stop").stdout == "Stopped.\n"
    assert faiss_memory("service", "stop").stdout == "It was not running.\n"
    assert "It answers on" in faiss_memory("service", "start").stdout
    assert faiss_memory("service", "start").stdout == "It runs already.\n"
    assert "It answers on" in faiss_memory("service", "restart").stdout
    verbs = [call.split()[2] for call in systemctl.calls() if "reset-failed" not in call]
    assert verbs == ["stop", "stop", "start", "restart"]


@pytest.mark.parametrize("name", ["start", "stop", "restart"])
def test_what_needs_it_installed_says_so(faiss_memory, systemctl, name):
    said = faiss_memory("service", name, code=1).stderr
    assert "`faiss-memory service install`" in said
    assert systemctl.calls() == []


@pytest.mark.long
def test_uninstalled_it_says_where_the_memories_stay(faiss_memory, unit):
    faiss_memory("service", "install", "--data-dir", "/m")
    ended = faiss_memory("service", "uninstall")
    assert str(unit) in ended.stdout
    assert "memories stay in /m." in ended.stderr
    assert not unit.exists()
    assert "not installed" in faiss_memory("service", "uninstall").stdout


def test_one_that_does_not_start_ends_with_its_last_words(faiss_memory, home, systemctl):
    log = home / "x.log"
    log.write_text("old\nport 8900 is taken\x07\n")
    systemctl.set("dies")
    said = faiss_memory("service", "install", "--set", f"log_file={log}", code=1).stderr
    assert "does not run. It ended with exit code 2." in said
    assert "  port 8900 is taken\\x07\n" in said


def test_where_it_cannot_be_installed_nothing_is_left(faiss_memory, home, systemctl):
    systemctl.set("fail", "--property=Version")
    said = faiss_memory("service", "install", code=1)
    assert said.stdout == ""
    assert "faiss-memory serve" in said.stderr
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "token=hush"], "configuration file"),
        (["--set", "limits.kk=1"], "did you mean `limits.k`"),
        (["--set", "limits.k"], "KEY=VALUE"),
        (["--port", "many"], "--port"),
        (["--config", "nowhere.yaml"], "no such configuration file"),
    ],
)
def test_wrong_settings_are_refused_and_nothing_is_left(faiss_memory, home, systemctl, options, says):
    said = faiss_memory("service", "install", *options, code=2).stderr
    assert says in said or (says == "configuration file" and "faiss-memory.yaml" in said)
    assert "hush" not in said
    assert (list(home.iterdir()), systemctl.calls()) == ([], [])


@pytest.mark.long
def test_the_end_of_the_log_is_shown(faiss_memory, home):
    missing = faiss_memory("service", "logs", code=1).stderr
    assert "there is no log yet" in missing
    faiss_memory("service", "install", "--set", f"log_file={home}/x.log")
    (home / "x.log.1").write_text("one\ntwo\n")
    (home / "x.log").write_text("three\x1b[2J\n")
    assert faiss_memory("service", "logs").stdout == "one\ntwo\nthree\\x1b[2J\n"
    assert faiss_memory("service", "logs", "-n", "2").stdout == "two\nthree\\x1b[2J\n"
    assert faiss_memory("service", "logs", "-n", "-1", code=2).stderr


def test_every_command_shows_an_example(faiss_memory):
    listed = faiss_memory("service", "--help").stdout.partition("Commands:")[2]
    names = re.findall(r"^  (\w+) ", listed, re.MULTILINE)
    assert sorted(names) == ["install", "logs", "restart", "start", "status", "stop", "uninstall"]
    for name in names:
        assert (
            f"faiss-memory service {name}"
            in faiss_memory("service", name, "--help").stdout.partition("Example")[2]
        )


def test_at_a_terminal_it_is_told_with_colours(tmp_path):
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [COMMAND, "service", "status"], stdin=follower, stdout=follower, stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    ) as asked:  # fmt: skip
        os.close(follower)
        said = b""
        try:
            while piece := os.read(leader, 4096):
                said += piece
        except OSError:  # the other end is closed
            pass
        os.close(leader)
        assert asked.wait(timeout=120) == 3
    assert b"\x1b[" in said
    assert b"installed" in said
    assert b"\t" not in said


def test_the_command_in_the_unit_runs_the_service(faiss_memory, home):
    faiss_memory("service", "install", "--port", "0", "--model", "./none", "--data-dir", "d %h $x")
    words = Systemd().command().words
    with subprocess.Popen(words, cwd="/", stderr=subprocess.PIPE, text=True) as started:
        said = next((line for line in started.stderr if "answers on" in line), "")
        port = int(re.search(r"127\.0\.0\.1:(\d+)", said)[1])
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        asked.request("GET", "/health")
        assert asked.getresponse().status == 200
        asked.close()
        started.send_signal(signal.SIGTERM)
        rest = started.stderr.read()
    assert (started.returncode, "Traceback" in rest) == (0, False)
    assert f"data in {home}/d %h $x" in said
    assert (home / "d %h $x" / "memory.db").exists()
    assert said.strip() in faiss_memory("service", "logs").stdout
