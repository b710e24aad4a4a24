"""The hook program, as an assistant runs it: whole process, standard input, exit code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import faiss_memory_hook
from faiss_memory import HOOK_SECONDS, InstallContext, hook_arguments
from faiss_memory.plugin_host import PluginHost
from faiss_memory.settings import runtime_folder
from tests.cli.stub import stub

PROGRAM = Path(sysconfig.get_path("scripts")) / "faiss-memory-hook"
START = {"hook_event_name": "SessionStart", "source": "startup", "session_id": "1"}
PROMPT = {"hook_event_name": "UserPromptSubmit", "prompt": "Which database?", "session_id": "1"}
PATIENT = "import faiss_memory_hook as hook; hook.DEADLINE = 20.0; hook.main()"
"""A busy machine may need more than the program's quarter of a second, where a test is about something else."""
ANSWER = {"hookSpecificOutput": {"hookEventName": "UserPromptSubmit", "additionalContext": "Grüße\n> …"}}


def run(
    *arguments: str,
    event: object = PROMPT,
    given: bytes | None = None,
    patient: bool = True,
    **environment: str,
):
    """Run the program in a bare environment; gives the finished process."""
    sent = json.dumps(event).encode() if given is None else given
    bare = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", **environment}
    command = [sys.executable, "-c", PATIENT] if patient else [str(PROGRAM)]
    return subprocess.run([*command, *arguments], input=sent, capture_output=True, env=bare, timeout=60)


@contextmanager
def answering(raw: bytes | None, *, hang: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """Something on a port: answers with these bytes, closes without a word, or never answers."""
    received: list[bytes] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    received.append(connection.recv(1 << 20))
                    if hang:
                        done.wait(30)
                    elif raw is not None:
                        connection.sendall(raw)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", received
        finally:
            done.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def http(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_it_hands_over_the_event_and_the_answer():
    with stub(lambda *_: (200, ANSWER), secret="abc") as service:
        given = {"FAISS_MEMORY_URL": service.url, "FAISS_MEMORY_TOKEN": "abc"}
        done = run("claude-code", "--project", "owner.repo", **given)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, ANSWER, b"")
    (proved, *_), (method, path, body, headers) = service.asked
    assert (proved, method, body) == ("GET", "POST", PROMPT)
    assert path.startswith("/adapters/claude-code/hook?within_ms=")
    assert path.endswith("&project=owner.repo")
    assert headers["Authorization"] == "Bearer abc"


def test_an_empty_answer_is_no_output():
    with answering(http("200 OK", b"{}")) as (url, _):
        done = run("codex", FAISS_MEMORY_URL=url)
    assert (done.returncode, done.stdout) == (0, b"")


def told_of_a_missed_start(home, *, event=PROMPT, answer=None):
    with answering(http("200 OK", json.dumps(answer or ANSWER).encode())) as (url, received):
        run("claude-code", event=event, FAISS_MEMORY_URL=url, HOME=str(home))
    return b"missed_start=true" in received[0]


@pytest.mark.parametrize("start", [START, {"hook_event_name": "sessionStart", "conversation_id": "1"}])
@pytest.mark.parametrize("answer", [ANSWER, {}], ids=["with notes", "without"])
def test_a_start_that_nobody_answered_is_told_with_the_first_prompt_that_is(
    tmp_path, closed_port, start, answer
):
    for _ in range(2):
        for event in (start, PROMPT):
            run(
                "claude-code",
                event=event,
                FAISS_MEMORY_URL=f"http://127.0.0.1:{closed_port}",
                HOME=str(tmp_path),
            )
        assert not told_of_a_missed_start(tmp_path, event={**PROMPT, "session_id": "2"})
        assert told_of_a_missed_start(tmp_path, answer=answer)
        assert not told_of_a_missed_start(tmp_path), "once"


def test_a_start_that_was_answered_is_not_told(tmp_path):
    for answer in (ANSWER, {}):
        assert told_of_a_missed_start(tmp_path, event=START, answer=answer)
        assert not told_of_a_missed_start(tmp_path)


def test_one_that_was_answered_too_late_or_with_an_error_is_missed(tmp_path):
    for raw, hang in ((None, True), (RUBBISH["an error"], False)):
        with answering(raw, hang=hang) as (url, _):
            run("claude-code", event=START, patient=False, FAISS_MEMORY_URL=url, HOME=str(tmp_path))
        assert told_of_a_missed_start(tmp_path)


def test_marks_of_missed_starts_do_not_pile_up(tmp_path, closed_port):
    def miss(session):
        event = {**START, "session_id": session}
        run(
            "claude-code", event=event, FAISS_MEMORY_URL=f"http://127.0.0.1:{closed_port}", HOME=str(tmp_path)
        )
        return {path for path in tmp_path.rglob("missed-starts/*")}

    first = miss("1")
    assert len(miss("2")) == 2
    for path in first:
        os.utime(path, (0, 0))
    assert len(miss("3")) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("missed-starts"))


def test_a_mark_that_cannot_be_taken_away_costs_no_answer(tmp_path, closed_port):
    run("claude-code", event=START, FAISS_MEMORY_URL=f"http://127.0.0.1:{closed_port}", HOME=str(tmp_path))
    (mark,) = tmp_path.rglob("missed-starts/*")
    mark.unlink()
    mark.mkdir()
    with answering(http("200 OK", json.dumps(ANSWER).encode())) as (url, _):
        assert json.loads(run("claude-code", FAISS_MEMORY_URL=url, HOME=str(tmp_path)).stdout) == ANSWER


DEEP = b'{"hook_event_name": "SessionStart", "x": ' + b"[" * 100_000


@pytest.mark.parametrize(
    "given", [DEEP, b"SessionStart", b'"SessionStart"'], ids=["deep", "a word", "a text"]
)
def test_nonsense_about_a_start_is_handed_over_all_the_same(tmp_path, given):
    with answering(http("200 OK", json.dumps(ANSWER).encode())) as (url, _):
        assert (
            json.loads(run("claude-code", given=given, FAISS_MEMORY_URL=url, HOME=str(tmp_path)).stdout)
            == ANSWER
        )


def test_the_start_of_a_session_is_known_by_the_names_of_all_adapters():
    names = {adapter.hook.session_start for adapter in PluginHost().adapters.values() if adapter.hook}
    assert names == set(faiss_memory_hook.STARTS)


def test_where_there_is_no_home_nothing_is_made(tmp_path, closed_port):
    home = tmp_path / "nobody"
    run("claude-code", event=START, FAISS_MEMORY_URL=f"http://127.0.0.1:{closed_port}", HOME=str(home))
    assert not home.exists()


RUBBISH = {
    "an error": http("503 Service Unavailable", b'{"title":"x"}'),
    "a refusal": http("401 Unauthorized", b'{"additionalContext":"x"}'),
    "a page": http("200 OK", b"<html>"),
    "a list": http("200 OK", b"[1]"),
    "bytes": bytes(range(256)) * 20,
    "half an answer": http("200 OK", json.dumps(ANSWER).encode())[:-9],
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "nothing": None,
    "a server of another kind": http("200 OK", b'{"status":"ok"}'),
    "what would stop the assistant": http("200 OK", json.dumps({**ANSWER, "continue": False}).encode()),
    "no text": http("200 OK", b'{"hookSpecificOutput":5}'),
    "a redirection": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("raw", RUBBISH.values(), ids=RUBBISH)
@pytest.mark.parametrize("event", [START, PROMPT], ids=["start", "prompt"])
def test_rubbish_changes_nothing(raw, event):
    with answering(raw) as (url, _):
        done = run("claude-code", event=event, FAISS_MEMORY_URL=url)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_service_that_hangs_is_not_waited_for():
    with answering(None, hang=True) as (url, _):
        done = run("claude-code", event=START, patient=False, FAISS_MEMORY_URL=url)
        why = run("claude-code", "--verbose", patient=False, FAISS_MEMORY_URL=url)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert b"time" in why.stderr


def test_what_has_no_deadline_of_its_own_is_not_waited_for():
    slow = "import socket, time; socket.create_connection = lambda *given, **more: time.sleep(600)"
    command = [sys.executable, "-S", "-c", f"{slow}; import faiss_memory_hook as h; h.main()", "codex"]
    environment = {
        "PYTHONPATH": str(Path(faiss_memory_hook.__file__).parent),
        "FAISS_MEMORY_URL": "http://name.test",
    }
    done = subprocess.run(
        command, input=json.dumps(START).encode(), capture_output=True, env=environment, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_deadline_counts_from_the_start(monkeypatch):
    # Each part of an answer comes in time, and the whole of it does not.
    now = iter([0.1, 0.2, 0.3])
    monkeypatch.setattr(faiss_memory_hook.time, "monotonic", lambda: next(now))
    assert faiss_memory_hook._left(faiss_memory_hook.DEADLINE) == pytest.approx(0.15)
    assert faiss_memory_hook._left(faiss_memory_hook.DEADLINE) == pytest.approx(0.05)
    with pytest.raises(faiss_memory_hook.NoAnswer, match="in time"):
        faiss_memory_hook._left(faiss_memory_hook.DEADLINE)


@pytest.mark.parametrize(
    ("name", "event", "field"),
    [("claude-code", START, "systemMessage"), ("codex", START, "systemMessage"),
     ("cursor", {"hook_event_name": "sessionStart"}, "user_message")],
)  # fmt: skip
def test_the_person_is_told_once_a_session_that_the_service_does_not_run(closed_port, name, event, field):
    url = f"http://127.0.0.1:{closed_port}"
    done = run(name, event=event, FAISS_MEMORY_URL=url)
    assert done.returncode == 0
    assert "not running" in json.loads(done.stdout)[field]
    for later in (PROMPT, {**START, "source": "resume"}, {**START, "source": "compact"}):
        assert run(name, event=later, FAISS_MEMORY_URL=url).stdout == b""


FORM = ("--context", "said.here", "--notice", "begin:word")
"""How an assistant speaks that nobody has heard of."""


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"said": {"here": "x"}}, True),
        ({"said": {"here": "x"}, "word": "2 notes recalled"}, True),
        ({"said": {"here": "x"}, "word": "x" * 100}, False),
        ({"said": {"here": "x"}, "word": ["stop"]}, False),
        ({"word": "2 notes recalled"}, False),
        ({"said": {"here": "x"}, "stop": 1}, False),
        ({"said": "x"}, False),
        (ANSWER, False),
    ],
)
def test_what_an_answer_may_be_is_said_by_the_arguments(answer, shown):
    with answering(http("200 OK", json.dumps(answer).encode())) as (url, _):
        done = run("theirs", *FORM, FAISS_MEMORY_URL=url)
        free = run("theirs", "--context", "", FAISS_MEMORY_URL=url)
    assert done.stdout == (json.dumps(answer).encode() if shown else b"")
    assert json.loads(free.stdout) == answer


def test_where_the_person_is_told_is_said_by_the_arguments(closed_port):
    url = f"http://127.0.0.1:{closed_port}"
    begins = {"hook_event_name": "begin"}
    assert (
        "not running" in json.loads(run("theirs", *FORM, event=begins, FAISS_MEMORY_URL=url).stdout)["word"]
    )
    assert run("theirs", *FORM, event=START, FAISS_MEMORY_URL=url).stdout == b""
    assert run("theirs", *FORM[:2], event=START, FAISS_MEMORY_URL=url).stdout == b"", (
        "there is no room for it"
    )


def test_where_an_assistant_takes_what_is_printed_it_prints_the_text_alone():
    form = ("--context", "context", "--print", "text")
    note = "We keep amounts in cents — « ¢ »\nand not as floats"
    with answering(http("200 OK", json.dumps({"context": note}).encode())) as (url, _):
        done = run("kiro", *form, FAISS_MEMORY_URL=url)
    assert (done.returncode, done.stdout.decode()) == (0, note)
    for unwanted in ({}, {"decision": "block"}, {"context": note, "decision": "block"}, {"context": 7}):
        with answering(http("200 OK", json.dumps(unwanted).encode())) as (url, _):
            assert run("kiro", *form, FAISS_MEMORY_URL=url).stdout == b""


def test_inside_another_assistant_it_answers_that_one():
    inside = ("--inside", "CURSOR_VERSION:cursor")
    answer = json.dumps({"additional_context": "x"}).encode()
    with answering(http("200 OK", answer)) as (url, received):
        theirs = run("claude-code", *FORM, *inside, FAISS_MEMORY_URL=url, CURSOR_VERSION="2.1")
        run("claude-code", *FORM, *inside, FAISS_MEMORY_URL=url)
    assert [line.split(b"?")[0] for line in received] == [
        b"POST /adapters/cursor/hook", b"POST /adapters/claude-code/hook",
    ]  # fmt: skip
    assert theirs.stdout == answer, "which is in its own form"


@pytest.mark.parametrize(
    "name", ["claude-code", "codex", "cursor", "gemini", "qwen", "opencode", "copilot", "kiro"]
)
def test_what_our_adapters_write_is_how_they_speak(name):
    adapter = PluginHost().adapters[name]
    context = InstallContext(project="p", url="http://x", hook_command="hook", scope="personal")
    arguments = hook_arguments(context, name, adapter.hook)
    _, options = faiss_memory_hook._arguments(arguments)
    assert faiss_memory_hook._is_context(options, dict(adapter.hook.context("event", "text")))
    assert not faiss_memory_hook._is_context(options, {"other": "text"})
    told = {adapter.hook.session_start: adapter.hook.notice} if adapter.hook.notice else {}
    assert faiss_memory_hook._notices(options) == told


@pytest.mark.parametrize("given", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_no_event_is_no_failure(closed_port, given):
    done = run("claude-code", given=given, FAISS_MEMORY_URL=f"http://127.0.0.1:{closed_port}")
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize(
    "arguments", [[], ["--project"], ["claude-code", "--url"], ["claude-code", "--url", "rubbish"]]
)
def test_no_argument_makes_it_fail(arguments):
    done = run(*arguments, patient=False, FAISS_MEMORY_URL="::::")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_closed_standard_output_is_no_failure():
    with answering(http("200 OK", json.dumps(ANSWER).encode())) as (url, _):
        process = subprocess.Popen(
            [str(PROGRAM), "claude-code"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin", "FAISS_MEMORY_URL": url},
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.write(json.dumps(PROMPT).encode())
        process.stdin.close()
        assert process.wait(60) == 0


def test_an_assistant_that_leaves_standard_input_open_is_not_waited_for():
    process = subprocess.Popen(
        [str(PROGRAM), "claude-code"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={"PATH": "/usr/bin", "FAISS_MEMORY_URL": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert process.wait(60) == 0
    process.communicate()


def test_it_finds_the_service_where_the_service_says_it_is(tmp_path, monkeypatch):
    for session in (str(tmp_path / "run"), None):
        if session is None:
            monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        else:
            monkeypatch.setenv("XDG_RUNTIME_DIR", session)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        assert str(runtime_folder()) in faiss_memory_hook.runtime_folders()


def test_it_looks_where_the_last_service_ran_and_then_at_the_usual_port(tmp_path, monkeypatch):
    monkeypatch.delenv("FAISS_MEMORY_URL", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("FAISS_MEMORY_TOKEN", "abc")
    (tmp_path / "faiss-memory").mkdir()
    file = tmp_path / "faiss-memory" / "service.json"
    file.write_text(json.dumps({"url": "http://127.0.0.1:12345", "pid": os.getpid(), "secret": "known"}))
    file.chmod(0o600)
    usual = ("http://127.0.0.1:8900", "abc", "abc")
    assert faiss_memory_hook.addresses() == [("http://127.0.0.1:12345", "known", "known"), usual]
    for rubbish in ("", "[]", "{}", "\x00"):
        file.write_text(rubbish)
        assert faiss_memory_hook.addresses() == [usual]


HEAVY = {"_hashlib", "ssl", "http", "urllib", "asyncio", "email", "subprocess", "logging", "typing", "pathlib",
         "dataclasses", "numpy", "faiss", "msgspec", "yaml", "click", "faiss_memory"}  # fmt: skip


def test_it_imports_nothing_heavy():
    folder = str(Path(faiss_memory_hook.__file__).parent)
    code = f"import sys; sys.path.insert(0, {folder!r}); import faiss_memory_hook; print(*sys.modules)"
    # Without site: what the test environment's own .pth files import is not the program's doing.
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "faiss_memory_hook" in loaded
    assert loaded & HEAVY == set()


def test_the_real_service_answers_it(real_service):
    # To see that the two speak with each other no adapter is needed: of an unknown one the service knows nothing.
    url = f"http://127.0.0.1:{real_service.port}"
    done = run("nobody", "--verbose", FAISS_MEMORY_URL=url)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"404" in done.stderr


def test_it_waits_as_long_as_a_hook_that_calls_the_address():
    assert faiss_memory_hook.DEADLINE == HOOK_SECONDS
