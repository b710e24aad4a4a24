"""`faiss-memory mcp`: the program an assistant starts, which passes everything on to the service."""

from __future__ import annotations

import json
import nturl2path
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path, PureWindowsPath

import pytest

from faiss_memory_plugins.mcp.relay import folder_of
from tests.cli.stub import stub, talker
from tests.mcp.conftest import HANDSHAKE, META, STATELESS, Piped, environment, repository, text
from tests.running import RunningService, closed_port
from tests.store.oracle import until

# Passing on.


def test_the_tools_are_those_of_the_service(pipe, tmp_path):
    with pipe(tmp_path) as assistant:
        about = assistant.greet()
        assert about["protocolVersion"] == HANDSHAKE
        assert about["serverInfo"]["name"] == "faiss-memory"
        assert "memory_search" in about["instructions"]
        tools = assistant.ask("tools/list")["result"]["tools"]
        assert [tool["name"] for tool in tools] == [
            "memory_search", "memory_recent", "memory_add", "memory_update", "memory_forget",
        ]  # fmt: skip
        assert "outputSchema" in tools[0]
        assert assistant.ask("ping", 7)["result"] == {}
        assert [prompt["name"] for prompt in assistant.ask("prompts/list")["result"]["prompts"]] == [
            "remember", "recall", "review", "instructions",
        ]  # fmt: skip
        assert assistant.close() == 0


def test_the_stateless_revision_is_passed_on_too(pipe, tmp_path):
    with pipe(tmp_path, "--project", "modern") as assistant:
        found = assistant.ask("server/discover", _meta=META)["result"]
        assert found["supportedVersions"] == [STATELESS]
        result = assistant.ask("tools/call", _meta=META, name="memory_add", arguments={"text": "é"})["result"]
        assert result["structuredContent"]["project"] == "modern"
        assert result["resultType"] == "complete"
        for name in ("nöthing", "=?base64?eA==?=", " x "):
            told = text(assistant.ask("tools/call", _meta=META, name=name, arguments={})["result"])
            assert f"There is no tool `{name.strip()}`" in told


def test_ids_are_given_back_as_they_came(pipe, tmp_path):
    with pipe(tmp_path) as assistant:
        assistant.greet()
        for number in ("a", 0, "é", 2**60):
            assert assistant.ask("ping", number)["id"] == number


def test_what_is_no_message_is_answered_and_what_follows_is_too(pipe, tmp_path):
    with pipe(tmp_path) as assistant:
        for wrong, code in ((b"rubbish", -32700), (b"[]", -32600), (b'{"id":1,"method":5}', -32600)):
            assistant.say(wrong)
            assert assistant.hear()["error"]["code"] == code
        assistant.say(b"", {"method": "notifications/whatever"}, {"id": "unasked", "result": {}})
        assert assistant.ask("nothing/like-this")["error"]["code"] == -32601
        assert assistant.greet()["protocolVersion"] == HANDSHAKE


def test_calls_at_the_same_time_are_all_answered(pipe, tmp_path):
    with pipe(tmp_path, "--project", "many") as assistant:
        assistant.greet()
        for number in range(30):
            params = {"name": "memory_add", "arguments": {"text": f"rule {number}"}}
            assistant.say({"id": number, "method": "tools/call", "params": params})
        answers = [assistant.hear() for _ in range(30)]
        assert sorted(answer["id"] for answer in answers) == list(range(30))
        assert all(answer["result"]["isError"] is False for answer in answers)


# Which project.


def project_of(assistant):
    return assistant.call("memory_search", query="x")["structuredContent"]["project"]


def test_the_folder_it_is_started_in_says_which_project(pipe, tmp_path):
    with pipe(repository(tmp_path / "checkout", "Here")) as assistant:
        assistant.greet()
        assert project_of(assistant) == ["owner.here", "default"]
        assert assistant.call("memory_add", text="x")["structuredContent"]["project"] == "owner.here"


def test_outside_any_repository_it_is_the_shared_one(pipe, tmp_path):
    with pipe(tmp_path) as assistant:
        assistant.greet()
        assert project_of(assistant) == "default"


def test_the_folders_an_assistant_tells_come_first(pipe, tmp_path):
    here = repository(tmp_path / "here", "Here")
    there = repository(tmp_path / "with space é", "There")
    with pipe(here) as assistant:
        assistant.greet({"roots": {"listChanged": True}})
        asked = assistant.hear()
        assert asked["method"] == "roots/list"
        # Asked at once, the call waits until the folders are known.
        call = {"name": "memory_search", "arguments": {"query": "x"}}
        assistant.say({"id": 5, "method": "tools/call", "params": call})
        assistant.say({"id": asked["id"], "result": {"roots": [{"uri": there.as_uri(), "name": "there"}]}})
        assert assistant.hear()["result"]["structuredContent"]["project"] == ["owner.there", "default"]

        assistant.say({"method": "notifications/roots/list_changed"})
        asked = assistant.hear()
        assistant.say({"id": asked["id"], "result": {"roots": [{"uri": here.as_uri()}]}})
        assert project_of(assistant) == ["owner.here", "default"]


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": -32601, "message": "no"}},
        {"result": {"roots": []}},
        {"result": {"roots": [{"uri": "https://elsewhere.example/x"}, {"uri": 5}, "x"]}},
        {
            "result": {
                "roots": [{"uri": uri} for uri in ("file://[x/y", "file:///%00", "file:///\ud800", "file:")]
            }
        },
        {"result": "rubbish"},
    ],
)
def test_an_assistant_that_tells_no_folder_is_where_it_was_started(pipe, tmp_path, answer):
    with pipe(repository(tmp_path / "checkout", "Here")) as assistant:
        assistant.greet({"roots": {}})
        assistant.say({"id": assistant.hear()["id"], **answer})
        assert project_of(assistant) == ["owner.here", "default"]


def test_a_drive_is_known_in_the_forms_that_editors_write(monkeypatch):
    monkeypatch.setattr("faiss_memory_plugins.mcp.relay.url2pathname", nturl2path.url2pathname)
    monkeypatch.setattr("faiss_memory_plugins.mcp.relay.Path", PureWindowsPath)
    monkeypatch.setattr(PureWindowsPath, "resolve", lambda path: path, raising=False)
    for uri in ("file:///c:/Users/x%20y", "file:///c%3A/Users/x%20y"):
        assert folder_of(uri) == PureWindowsPath("C:/Users/x y")


def test_what_is_given_comes_before_any_folder(pipe, tmp_path):
    with pipe(repository(tmp_path / "checkout", "Here"), "--project", "mine") as assistant:
        assistant.greet({"roots": {}})
        assert project_of(assistant) == ["mine", "default"]


def test_a_name_that_is_none_is_told_to_the_model(pipe, tmp_path):
    for name in ("no//name", os.fsdecode(b"\xff")):
        with pipe(tmp_path, "--project", name) as assistant:
            assistant.greet()
            assert "must be a name" in text(assistant.call("memory_search", query="x"))


# Without a service.


def test_a_model_is_told_that_the_service_does_not_run_and_can_use_it_as_soon_as_it_does(tmp_path):
    kept = ExitStack()
    port = kept.enter_context(closed_port())
    with kept, Piped(tmp_path, environment(tmp_path, PORT=str(port))) as assistant:
        about = assistant.greet()
        assert "FAISS Memory does not answer" in about["instructions"]
        assert "faiss-memory serve" in about["instructions"]
        assert len(about["instructions"].encode()) <= 2048
        tools = assistant.ask("tools/list")["result"]["tools"]
        for method in ("prompts/list", "resources/list", "resources/templates/list", "ping"):
            assert "result" in assistant.ask(method)
        assert "error" in assistant.ask("prompts/get", name="recall")
        assert assistant.ask("server/discover", _meta=META)["error"]["code"] == -32601
        result = assistant.call("memory_search", query="x")
        assert result["isError"] is True
        assert "does not answer" in text(result)
        assert "Tell the person" in text(result)

        kept.close()
        with RunningService(tmp_path / "data", fake=True, port=str(port)):
            assert assistant.call("memory_add", text="x")["isError"] is False
            theirs = assistant.ask("tools/list")["result"]["tools"]
        for ours, real in zip(tools, theirs, strict=True):
            assert {**ours, "outputSchema": real["outputSchema"]} == real


@pytest.mark.long
def test_it_finds_a_service_that_was_restarted_at_another_port(tmp_path):
    service = RunningService(tmp_path / "data", fake=True)
    with service, Piped(tmp_path, environment(tmp_path)) as assistant:
        assistant.greet()
        assert assistant.call("memory_add", text="The ledger is in postgres")["isError"] is False
        before = service.port
        assert service.stop() == 0
        again = threading.Thread(target=service.start)
        again.start()  # the call comes while nobody is there, and waits for the restart
        result = assistant.call("memory_search", query="ledger", mode="keyword")
        again.join()
        if result["isError"]:  # on a machine so busy that starting took longer than a call may wait
            assert "does not answer" in text(result)
            result = assistant.call("memory_search", query="ledger", mode="keyword")
        if (
            "degraded" in result["structuredContent"]
        ):  # not every memory could be searched yet, and that is said
            until(lambda: not service.call("GET", "/health")[1]["rebuilding"], "all can be searched")
            result = assistant.call("memory_search", query="ledger", mode="keyword")
        assert service.port != before
        assert result["structuredContent"]["count"] == 1


@pytest.mark.long
def test_what_the_service_refuses_is_told_to_the_model(tmp_path):
    with RunningService(tmp_path / "data", fake=True, token="tok-1") as service:
        # As by somebody else: in the home of who runs it, the service's own secret lets in.
        given = environment(tmp_path / "other", FAISS_MEMORY_URL=f"http://127.0.0.1:{service.port}")
        with Piped(tmp_path, given) as assistant:
            assert "FAISS_MEMORY_TOKEN" in assistant.ask("initialize")["error"]["message"]
            assert "FAISS_MEMORY_TOKEN" in text(assistant.call("memory_search", query="x"))
        with Piped(tmp_path, {**given, "FAISS_MEMORY_TOKEN": "tok-1"}) as assistant:
            assistant.greet()
            assert assistant.call("memory_search", query="x")["isError"] is False


def asked_of(folder, answer, **how):
    """What a model is told when something else stands where the service should be."""
    with (
        stub(answer, **how) as other,
        Piped(folder, environment(folder, FAISS_MEMORY_URL=other.url)) as assistant,
    ):
        return text(assistant.call("memory_search", query="x"))


def test_a_service_without_the_plugin_or_with_rubbish_is_told_plainly(tmp_path):
    said = {
        404: {"title": "Not Found", "description": "there is nothing"},
        500: "rubbish",
        403: {"error": "forbidden"},
        200: ["rubbish"],
    }
    for status, body in said.items():
        told = asked_of(tmp_path, lambda *_, status=status, body=body: (status, body))
        assert ("plugin `mcp` is disabled" if status == 404 else f"status {status}") in told


def test_something_else_at_the_address_is_told_plainly(tmp_path):
    assert "it is not FAISS Memory" in asked_of(tmp_path, lambda *_: (200, {}), server="nginx")


def test_an_address_that_cannot_be_meant_ends_the_command(tmp_path):
    with Piped(tmp_path, environment(tmp_path, FAISS_MEMORY_URL="nonsense")) as assistant:
        assert b"is not an address" in assistant.process.stderr.read()
        assert assistant.close() == 2


# Its end.


def test_what_was_asked_is_answered_though_the_input_has_ended(running, tmp_path):
    asked = {
        "id": 1,
        "method": "tools/call",
        "params": {"name": "memory_search", "arguments": {"query": "x"}},
    }
    ended = subprocess.run(
        [sys.executable, "-m", "faiss_memory", "mcp"],
        input=json.dumps({"jsonrpc": "2.0", **asked}).encode(),
        capture_output=True,
        env=environment(tmp_path, XDG_RUNTIME_DIR=str(running.data.parent)),
        cwd=tmp_path,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert json.loads(ended.stdout)["result"]["isError"] is False


def test_it_ends_with_its_input_though_the_service_does_not_answer(tmp_path):
    may_end = threading.Event()

    def hang(connection):
        connection.recv(1)
        may_end.wait(60)

    with talker(hang) as url, Piped(tmp_path, environment(tmp_path, FAISS_MEMORY_URL=url)) as assistant:
        assistant.say(*({"id": number, "method": "tools/list"} for number in range(12)))
        assert assistant.close() == 0
        may_end.set()


def test_it_ends_when_nobody_reads_its_answers(pipe, tmp_path):
    with pipe(tmp_path) as assistant:
        assistant.greet()
        assistant.process.stdout.close()
        assistant.say({"id": 1, "method": "ping"}, {"id": 2, "method": "ping"})
        assert assistant.process.wait(timeout=60) == 0


def processes_of(service):
    """The children of this process, and the files that a service holds open."""
    mine = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return len(mine), len(os.listdir(f"/proc/{service.process.pid}/fd"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is how processes and files are counted")
@pytest.mark.parametrize("many", [4, pytest.param(20, marks=pytest.mark.mcp)])
def test_those_that_are_opened_and_killed_leave_nothing_behind(running, pipe, tmp_path, many):
    def open_and_kill(count):
        opened = [pipe(tmp_path) for _ in range(count)]
        for assistant in opened:
            assistant.greet()
            assistant.call("memory_search", query="x")
        for assistant in opened:
            assistant.process.send_signal(signal.SIGKILL)
            assistant.close()

    open_and_kill(2)
    before, memory = processes_of(running), resident(running)
    open_and_kill(many)
    assert processes_of(running)[0] == before[0]
    until(lambda: processes_of(running)[1] <= before[1] + 2, "the service has let go of their connections")
    assert resident(running) - memory < 8 * 1024 * 1024


def resident(service):
    line = Path(f"/proc/{service.process.pid}/statm").read_text().split()[1]
    return int(line) * os.sysconf("SC_PAGE_SIZE")


def test_it_imports_neither_the_sdk_nor_a_model(running, tmp_path):
    script = (
        "import sys\nfrom faiss_memory.cli import main\ntry: main(['mcp'])\n"
        "finally: print('@', *sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        input=b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n',
        capture_output=True,
        env=environment(tmp_path, XDG_RUNTIME_DIR=str(running.data.parent)),
        cwd=tmp_path,
        check=True,
    )
    loaded = set(ended.stderr.decode().split("@")[-1].split())
    heavy = {"mcp", "pydantic", "asyncio", "numpy", "faiss", "onnxruntime", "falcon", "rich", "pluggy"}
    assert heavy & loaded == set()


# Asking the person.


@pytest.mark.parametrize(("action", "forgotten"), [("accept", True), ("decline", False), ("cancel", False)])
def test_the_person_is_asked_before_many_are_forgotten_where_the_client_can(
    pipe, tmp_path, running, action, forgotten
):
    ids = [
        running.call("POST", "/memory/add", {"text": f"{action} {number}"})[1]["id"] for number in range(5)
    ]
    with pipe(tmp_path) as assistant:
        assistant.greet({"elicitation": {}})
        few = {"name": "memory_forget", "arguments": {"ids": ids[:4], "dry_run": True}}
        assert "Would forget" in text(assistant.ask("tools/call", 2, **few)["result"])
        many = {"name": "memory_forget", "arguments": {"ids": ids}}
        assistant.say({"id": 3, "method": "tools/call", "params": many})
        asked = assistant.hear()
        assert asked["method"] == "elicitation/create"
        assert "Forget 5 memories" in asked["params"]["message"]
        assistant.say({"id": asked["id"], "result": {"action": action}})
        result = assistant.hear()["result"]
    assert ("Forgot 5" in text(result)) is forgotten
    assert (running.call("GET", f"/memory/{ids[0]}")[0] == 404) is forgotten
