"""What a person reads when it does not work, and the exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading

import pytest

from faiss_memory.address import ServiceAddress
from faiss_memory.cli.client import PATIENCE, Client
from faiss_memory.cli.failures import Refused
from tests.cli.stub import stub, talker
from tests.cli.terminals import SCRIPT
from tests.running import RunningService

HEALTHY = {"status": "ok", "version": "0", "model_ready": True, "rebuilding": [], "problems": []}
REFUSED = {"title": "No", "description": "it cannot be done"}


# The service refuses.


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [
        (403, REFUSED, "it cannot be done"),
        (404, REFUSED, "it cannot be done"),
        (421, REFUSED, "it cannot be done"),
        (500, REFUSED, "it cannot be done"),
        (503, REFUSED, "it cannot be done"),
        (507, REFUSED, "it cannot be done"),
        (400, {**REFUSED, "description": "a\x1b[31m\nb"}, "a\\x1b[31m\\nb\n"),
    ],
)
def test_what_the_service_says_is_passed_on(alone, status, answer, says):
    with stub(lambda *_: (status, answer)) as service:
        for command in (["tags"], ["tags", "--json"]):
            assert says in alone(*command, "--url", service.url).failure(1)
        assert len(service.asked) == 2
        assert alone.seen("tags", "--url", service.url).code == 1


@pytest.mark.parametrize(
    ("command", "field", "option"),
    [
        (["search", "x"], "k", "--k"),
        (["search", "x"], "query", "TEXT"),
        (["search", "x"], "tags[...]", "--tag"),
        (["add", "x"], "text", "TEXT"),
        (["add", "x"], "if_novel", "--if-novel"),
        (["add", "x"], "project", "--project"),
        (["add", "x"], "metadata.a", "--metadata"),
        (["list"], "after", "--after"),
        (["forget", "1", "2", "--yes"], "ids", "ID"),
        (["build", "x"], "sources", "PATH"),
    ],
)
def test_a_field_at_fault_is_named_by_its_option(alone, command, field, option):
    named = {"title": "Bad", "description": f"`{field}` is 5; the most is 4", "field": field}
    unnamed = {"title": "Bad", "description": "it is too much", "field": field}
    with stub(lambda *_: (400, named)) as service:
        assert f"faiss-memory: {option} is 5; the most is 4\n" in alone(*command, "--url", service.url).err
    with stub(lambda *_: (400, unnamed)) as service:
        assert f"faiss-memory: {option}: it is too much\n" in alone(*command, "--url", service.url).err


def test_the_services_own_errors_name_the_options(cli):
    for command, option in (
        (["search", "x", "-k", "1000"], "--k"), (["add", "x", "-p", "!"], "--project"),
        (["add", "x", "--timestamp", "soon"], "--timestamp"), (["list", "--after", "x"], "--after"),
        (["search", "x", "--threshold", "7"], "--threshold"), (["add", "x", "-t", " "], "--tag"),
        (["add", " "], "TEXT"), (["add", "x", "--supersedes", "0"], "--supersedes"),
    ):  # fmt: skip
        said = cli(*command).failure(1)
        assert said.startswith(f"faiss-memory: {option}"), said


def test_a_token_that_is_missing_or_wrong_is_told(alone, tmp_path):
    with RunningService(tmp_path / "data", fake=True, token="s3cret") as service:
        url = f"http://127.0.0.1:{service.port}"
        # By the file that it has left, the user needs no token.
        assert alone("list").code == alone("list", "--url", url).code == 0
        for left in tmp_path.rglob("service.json"):
            left.unlink()
        said = alone("list", "--url", url).failure(1)
        assert "wants a token" in said
        assert "FAISS_MEMORY_TOKEN" in said
        said = alone("list", "--url", url, FAISS_MEMORY_TOKEN="wrong").failure(4)
        assert "is not its token" in said
        assert "wrong" not in said
        assert alone("list", "--url", url, FAISS_MEMORY_TOKEN="s3cret").code == 0
        settings = tmp_path / "settings.yaml"
        settings.write_text("token: s3cret\n")
        assert alone("list", "--url", url, FAISS_MEMORY_CONFIG=str(settings)).code == 0


def test_a_token_is_sent_only_if_there_is_one(alone):
    with stub(lambda *_: (200, HEALTHY), secret="s3cret") as service:
        alone("health", "--url", service.url)
        alone("health", "--url", service.url, FAISS_MEMORY_TOKEN="s3cret")
        assert [headers.get("Authorization") for *_, headers in service.asked] == [
            None,
            None,
            "Bearer s3cret",
        ]


# Not ready.


def test_a_service_that_is_not_ready_is_asked_again(alone):
    answers = [(503, REFUSED, {"Retry-After": "1"}), (200, {"tags": [], "count": 0, "project": "default"})]
    with stub(lambda *_: answers.pop(0)) as service:
        ended = alone("tags", "--url", service.url)
        assert (ended.code, len(service.asked)) == (0, 2)
        assert ended.err.startswith("faiss-memory: it cannot be done (trying again for a few seconds)\n")


@pytest.mark.parametrize("after", ["60", "soon", "-1", ""])
def test_a_service_that_will_not_be_ready_soon_is_not_waited_for(alone, after):
    with stub(lambda *_: (503, REFUSED, {"Retry-After": after})) as service:
        assert alone("tags", "--url", service.url).failure(1) == "faiss-memory: it cannot be done\n"
        assert len(service.asked) == 1


def test_the_health_is_asked_for_once(alone):
    with stub(lambda *_: (503, REFUSED, {"Retry-After": "1"})) as service:
        assert alone("health", "--url", service.url).failure(1) == "faiss-memory: it cannot be done\n"
        assert len(service.asked) == 1


def test_patience_ends_with_the_services_words():
    slept, noted = [], []
    with stub(lambda *_: (503, REFUSED, {"Retry-After": "4"})) as service:
        client = Client(ServiceAddress(service.url, "test"), note=noted.append, sleep=slept.append)
        with pytest.raises(Refused, match="it cannot be done"):
            client.call("GET", "/tags")
    assert slept == [4.0] * int(PATIENCE // 4)
    assert len(noted) == 1


# Usage, interruption, pipes.


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["serach"], "no command `serach`. Did you mean `search`?"),
        (["xyzzy"], "no command `xyzzy`.\n"),
        (["list", "--limt", "5"], "--limit"),
        (["show"], "ID"),
        (["show", "x"], "not a valid integer"),
        (["search", "x", "--mode", "fuzzy"], "hybrid"),
        (["add", "x", "--metadata", "novalue"], "write KEY=VALUE"),
        (["add", "x", "--metadata", "=v"], "write KEY=VALUE"),
        (["list", "--limit", "0"], "--limit"),
        (["health", "--timeout", "0"], "--timeout"),
        (["build"], "Say what to read"),
        (["build", "x", "--no-prune", "--force-prune"], "contradict"),
        (["completion", "tcsh"], "bash"),
    ],
)
def test_wrong_usage_is_told_with_the_way_to_help(alone, arguments, says):
    ended = alone(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert "--help" in ended.err


def test_without_a_command_the_commands_are_listed(alone):
    ended = alone()
    assert "Memories:\n  add " in ended.out + ended.err
    assert ended.code in (0, 2)


def test_an_interrupted_command_ends_with_130(alone):
    asked = threading.Event()

    def talk(connection):
        connection.recv(65536)
        asked.set()

    with talker(talk) as url:
        terminal = alone.at_terminal("list", "--url", url)
        asked.wait()
        terminal.type("\x03")
        ended = terminal.ended()
    assert (ended.code, ended.shown.endswith("\n^C\n")) == (130, True)
    assert "Traceback" not in ended.shown


@pytest.mark.parametrize(
    "command", ["list --all -p pipes", "search -p pipes zebra -k 100", "list --all -p pipes --json"]
)
def test_a_reader_that_has_enough_ends_it_quietly(cli, running, command):
    memories = [{"text": f"zebra {n} {'x' * 2000}", "project": "pipes"} for n in range(200)]
    running.call("POST", "/memory/add-batch", {"memories": memories})
    ended = cli.shell(
        f"set -o pipefail; faiss-memory {command} 2>err | head -n 1 >/dev/null; echo $?; cat err"
    )
    assert ended.out.splitlines()[0] == "0"
    assert "Error" not in ended.out
    assert "Traceback" not in ended.out


def test_an_old_locale_stops_nothing(cli):
    id = cli.added("a → b")
    ended = cli("show", id, PYTHONIOENCODING="latin-1")
    assert (ended.code, ended.rows[-1]) == (0, ["text", "a \\u2192 b"])


def test_python_m_is_the_same(cli):
    ended = subprocess.run(
        [sys.executable, "-m", "faiss_memory", "health", "--json"],
        env=dict(cli.environment), cwd=cli.folder, capture_output=True, text=True,
    )  # fmt: skip
    assert (ended.returncode, json.loads(ended.stdout)["status"]) == (0, "ok")


def test_the_service_stops_with_0_and_its_failures_are_told(tmp_path, alone, running):
    assert "port" in alone("serve", "--port", str(running.port), "--data-dir", "d").failure(2)
    assert "in use" in alone("serve", "--port", "0", "--data-dir", str(running.data)).failure(3)
    (alone.folder / "file").write_text("")
    assert "cannot be used" in alone("serve", "--port", "0", "--data-dir", "file/data").failure(1)
    command = [SCRIPT, "serve", "--port", "0", "--data-dir", "d", "--model", "missing"]
    process = subprocess.Popen(
        command, cwd=alone.folder, env=dict(alone.environment), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert any("answers on" in line for line in process.stderr)
    while "the memories are being read" in (told := alone("health")).err:
        pass
    assert told.code == 0
    process.send_signal(signal.SIGINT)
    process.stderr.read()
    assert process.wait() == 0
    process.stderr.close()
