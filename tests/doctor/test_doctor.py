"""The doctor passes what works, and of what does not it names the culprit and what to do."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path

import click
import pytest

from faiss_memory.cli import main
from faiss_memory.cli.doctor import assistants, service_checks
from faiss_memory.cli.doctor.public_way import check_public
from faiss_memory.install import commands
from faiss_memory.settings import Settings
from tests.running import RunningService

PATIENT_HOOK = """#!{python}
import faiss_memory_hook
faiss_memory_hook.DEADLINE = 15.0
faiss_memory_hook.main()
"""
"""The hook program for a machine too busy for its quarter of a second."""
CLAUDE, CODEX, CURSOR = ".claude/settings.local.json", ".codex/hooks.json", ".cursor/hooks.json"


class Person:
    """Somebody with a home, a project, and a service that runs."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.home, self.project = folder / "home", folder / "home" / "till"
        self._patch, self._capsys = monkeypatch, capsys
        (self.project / ".git").mkdir(parents=True)
        (self.project / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        # One repository for all tests, as they share a service.
        (self.project / ".git" / "config").write_text('[remote "origin"]\nurl = git@host:till.git\n')
        for name in [
            name
            for name in os.environ
            if name.startswith(("FAISS_MEMORY_", "XDG_", "CLAUDE_", "CURSOR_", "CODEX_"))
            or name.lower().endswith("_proxy")
        ]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.chdir(self.project)
        hook = folder / "faiss-memory-hook"
        hook.write_text(PATIENT_HOOK.format(python=sys.executable))
        hook.chmod(0o755)
        script = commands.script
        monkeypatch.setattr(
            commands, "script", lambda name: str(hook) if name == commands.HOOK_COMMAND else script(name)
        )

    def uses(self, service: RunningService) -> None:
        """Let everything find this service, as it would the one that runs."""
        left = json.loads((service.data.parent / "faiss-memory" / "service.json").read_text())
        self.leaves(left["url"], left["secret"])

    def leaves(self, url: str, secret: str = "known") -> None:
        """Say where the last service ran, as it does itself."""
        state = self.home / ".local/state/faiss-memory"
        state.mkdir(parents=True, exist_ok=True)
        file = state / "service.json"
        file.write_text(json.dumps({"url": url, "pid": os.getpid(), "secret": secret}))
        file.chmod(0o600)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command; gives exit code and output."""
        try:
            code = main(list(arguments), standalone_mode=False)
        except click.ClickException as error:
            code = error.exit_code
            error.show()
        said = self._capsys.readouterr()
        return code or 0, said.out + said.err

    def installs(self, *assistants: str) -> None:
        code, said = self.run("install", *assistants, "--yes")
        assert code == 0, said

    def trusts(self) -> None:
        """Accept what the assistants ask about a folder, as they note it."""
        state = self.home / ".claude.json"
        known = json.loads(state.read_text()) if state.exists() else {}
        known.setdefault("projects", {}).setdefault(str(self.project), {})["hasTrustDialogAccepted"] = True
        state.write_text(json.dumps(known))
        (self.home / ".codex").mkdir(exist_ok=True)
        hooks = "".join(
            f'[hooks.state."{self.project / CODEX}:{event}:0:0"]\ntrusted_hash = "x"\n'
            for event in ("session_start", "user_prompt_submit", "post_tool_use")
        )
        (self.home / ".copilot").mkdir(exist_ok=True)
        (self.home / ".copilot" / "config.json").write_text(
            json.dumps({"trustedFolders": [str(self.project)]})
        )
        (self.home / ".gemini").mkdir(exist_ok=True)
        noted = self.home / ".gemini" / "trustedFolders.json"
        noted.write_text(json.dumps({str(self.project): "TRUST_FOLDER"}))
        trusted = f'[projects."{self.project}"]\ntrust_level = "trusted"\n'
        (self.home / ".codex" / "config.toml").write_text(trusted + hooks)

    def sees_the_doctor(self, *arguments: str) -> tuple[int, list[dict[str, str]]]:
        """Run the doctor; gives the exit code and what failed."""
        code, said = self.run("doctor", *arguments, "--json")
        found = json.loads(said)
        failed = [finding for finding in found["findings"] if finding["state"] == "failed"]
        assert found["ok"] == (not failed) == (code == 0)
        assert all(finding["advice"] for finding in failed), "each failure comes with what to do"
        return code, failed

    def edits(self, file: str, before: str, after: str) -> None:
        path = self.project / file
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with RunningService(tmp_path_factory.mktemp("doctor") / "data", fake=True) as running:
        yield running


@pytest.fixture
def person(tmp_path, monkeypatch, capsys, service):
    somebody = Person(tmp_path, monkeypatch, capsys)
    somebody.uses(service)
    return somebody


def failures(failed: list[dict[str, str]]) -> str:
    return "\n".join(f"{one['about']} {one['check']}: {one['said']} -> {one['advice']}" for one in failed)


class Another:
    """Stands in for the hook program in Cursor's files, an event each: a script of its own."""

    def __init__(self, person: Person, **scripts: str) -> None:
        hooks = json.loads((person.project / CURSOR).read_text())
        for event, script in scripts.items():
            path = person.home / event / "faiss-memory-hook"
            path.parent.mkdir()
            path.write_text(script)
            path.chmod(0o755)
            (entry,) = hooks["hooks"][event]
            entry["command"] = f"{path} {entry['command'].split(' ', 1)[1]}"
        (person.project / CURSOR).write_text(json.dumps(hooks))


# What works.


@pytest.mark.long
def test_a_good_set_up_passes_for_every_assistant(person, service):
    person.installs(
        "claude-code",
        "codex",
        "cursor",
        "gemini",
        "qwen",
        "opencode",
        "copilot",
        "kiro",
        "vscode",
        "aider",
        "continue",
        "generic",
    )
    person.trusts()
    before = service.call("GET", "/stats")[1]
    code, failed = person.sees_the_doctor()
    assert (code, failed) == (0, [])
    after = service.call("GET", "/stats")[1]
    assert after["total_memories"] == before["total_memories"], "what was stored to be recalled is gone again"
    assert "till" not in {project["name"] for project in after["projects"]}
    assert after["plugins"].get("recall") == before["plugins"].get("recall"), (
        "the doctor's own hooks are not counted"
    )


def test_each_way_of_an_assistant_is_tried_and_timed(person):
    person.installs("claude-code")
    person.trusts()
    found = json.loads(person.run("doctor", "claude-code", "--json")[1])["findings"]
    tried = {one["check"]: one for one in found if one["check"].startswith(("mcp", "hook"))}
    assert tried.keys() == {
        "mcp", "hook SessionStart", "hook UserPromptSubmit", "hook SubagentStart", "hook PreToolUse",
        "hook PostToolUseFailure",
    }  # fmt: skip
    # On a busy machine a hook may be late once.
    assert all(one["state"] == "note" or one["milliseconds"] > 0 for one in tried.values())


def test_a_plugin_is_known_and_the_files_are_not_added_beside_it(person):
    settings = person.home / ".claude/settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        json.dumps({"enabledPlugins": {"faiss-memory@faiss-memory-local": True, "x@y": True}})
    )
    for command in ("status", "doctor"):
        code, said = person.run(command)
        assert code == 0
        assert "`faiss-memory@faiss-memory-local` is enabled in" in said
        assert "faiss-memory install" not in said
    code, said = person.run("install", "claude-code", "--yes")
    assert code == 1
    assert "has us already, as its plugin" in said
    assert "no assistant was found" in person.run("install", "--all", "--dry-run")[1]
    settings.write_text(json.dumps({"enabledPlugins": {"faiss-memory@faiss-memory-local": False}}))
    person.installs("claude-code")


def test_without_assistants_it_looks_at_the_service_alone(person):
    code, said = person.run("doctor")
    assert code == 0
    assert "no assistant is installed yet" in said


def test_when_its_hook_fired_last_is_told(person, service):
    person.installs("codex")
    person.trusts()
    event = {"hook_event_name": "UserPromptSubmit", "prompt": "hello", "session_id": "1"}
    service.call("POST", "/adapters/codex/hook?project=till", event)
    assert "UserPromptSubmit at 20" in person.run("doctor", "codex")[1]


def test_one_that_is_not_installed_is_refused(person):
    code, said = person.run("doctor", "cursor")
    assert code == 1
    assert "faiss-memory install cursor" in said


def test_a_hook_that_answers_now_and_then_is_not_told_as_working(person):
    person.installs("cursor")
    program = json.loads((person.project / CURSOR).read_text())["hooks"]["sessionStart"][0][
        "command"
    ].split()[0]
    once = f'#!/bin/sh\nmkdir {person.home}/once 2>/dev/null && exec {program} "$@"\n'
    Another(person, sessionStart=once, beforeSubmitPrompt="#!/bin/sh\n")
    found = json.loads(person.run("doctor", "--json")[1])["findings"]
    told = {one["check"]: (one["state"], one["said"]) for one in found}
    # On a busy machine not even the one answer may come in time.
    assert told["hook sessionStart"][0] in ("note", "failed")
    assert told["hook sessionStart"][0] == "failed" or "answered 1 of 3 tries" in told["hook sessionStart"][1]
    assert told["hook beforeSubmitPrompt"][0] == "failed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(person, service, monkeypatch, number):
    person.installs("cursor")
    before = service.call("GET", "/stats")[1]["total_memories"]

    def interrupted(*_: object) -> None:
        assert service.call("GET", "/stats")[1]["total_memories"] == before + 1
        signal.raise_signal(number)

    monkeypatch.setattr(assistants, "try_mcp", interrupted)
    with pytest.raises(click.Abort):
        person.run("doctor")
    assert service.call("GET", "/stats")[1]["total_memories"] == before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_takes_away_what_a_killed_run_has_left_and_nothing_of_anybody_else(person, service, monkeypatch):
    person.installs("cursor")

    def used_meanwhile(*_: object) -> None:
        service.call("POST", "/memory/add", {"text": "Money is in cents", "project": "till"})

    monkeypatch.setattr(assistants, "try_mcp", used_meanwhile)
    left = {"source": "faiss-memory doctor", "project": "till"}
    service.call("POST", "/memory/add", {**left, "text": "killed", "timestamp": "2026-01-01T00:00:00Z"})
    service.call("POST", "/memory/add", {**left, "text": "runs beside this"})
    for stays in ({"runs beside this", "Money is in cents"}, {"Money is in cents"}):
        person.run("doctor")
        listed = service.call("GET", "/memories?project=till")[1]["memories"]
        assert {memory["text"] for memory in listed} == stays
        service.call("DELETE", "/projects/till")


def test_settings_that_cannot_be_read(person):
    config = person.home / ".config/faiss-memory/faiss-memory.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("plugins:\n  disabled: [recal]\n")
    _, failed = person.sees_the_doctor()
    assert "there is no plugin `recal`; did you mean `recall`?" in failures(failed)


def test_a_proxy_is_told_of_and_not_asked(person, closed_port, monkeypatch):
    person.installs("cursor")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    code, said = person.run("doctor")
    assert code == 0, said
    assert "export NO_PROXY=localhost,127.0.0.1" in said


# The service.


def test_a_service_that_is_down(person, closed_port):
    person.installs("claude-code")
    person.trusts()
    person.leaves(f"http://127.0.0.1:{closed_port}")
    _, failed = person.sees_the_doctor()
    assert "does not answer" in failures(failed)
    assert "faiss-memory serve" in failures(failed)


def test_something_else_on_the_port(person):
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<h1>It works!</h1>")

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        person.leaves(f"http://127.0.0.1:{other.server_address[1]}")
        _, failed = person.sees_the_doctor()
        other.shutdown()
        thread.join()
    assert "it is not FAISS Memory" in failures(failed)


def test_files_that_ask_at_another_port(person, monkeypatch, closed_port):
    monkeypatch.setenv("FAISS_MEMORY_URL", f"http://127.0.0.1:{closed_port}")
    person.installs("continue")
    monkeypatch.delenv("FAISS_MEMORY_URL")
    _, failed = person.sees_the_doctor()
    assert "is not as it would be written now" in failures(failed)
    assert "has moved to another address" in failures(failed)


@pytest.mark.long
def test_a_service_that_has_moved_is_found_by_every_way_that_can(person, locked_service):
    person.installs("claude-code", "cursor", "codex", "continue")
    person.trusts()
    person.uses(locked_service)
    found = json.loads(person.run("doctor", "--json")[1])["findings"]
    said = {
        (one["about"].split(",")[0], one["check"]): (one["state"], one["said"])
        for one in found
        if one["check"] in ("mcp", "context", "address")
    }
    here = f"http://127.0.0.1:{locked_service.port}"
    for title in ("Claude Code", "Cursor", "OpenAI Codex"):
        assert said[title, "mcp"][0] == "ok"
        assert {"hook", "mcp"} == set(said[title, "address"][1].split(":")[0].split(", "))
        assert f": {here}, found by {person.home}/.local/state" in said[title, "address"][1]
    # Its context provider takes an address and nothing else.
    assert said["Continue", "context"][0] == "failed"
    assert "does not follow the service" in said["Continue", "address"][1]


def test_an_older_service(person, monkeypatch):
    monkeypatch.setattr(service_checks, "version", lambda _: "9.9.9")
    _, failed = person.sees_the_doctor()
    assert "9.9.9 is installed" in failures(failed)


@pytest.mark.parametrize("hours", [24, -24])
def test_a_clock_that_is_wrong(person, monkeypatch, service, hours):
    service.call("POST", "/memory/add", {"text": "so that there is a last change"})

    class Clock(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime.now(zone) + timedelta(hours=hours)

    monkeypatch.setattr(service_checks, "datetime", Clock)
    _, failed = person.sees_the_doctor()
    assert [one["check"] for one in failed] == ["clock"]


@pytest.fixture(scope="module")
def locked_service(tmp_path_factory):
    with RunningService(tmp_path_factory.mktemp("locked") / "data", fake=True, token="right") as running:
        yield running


def test_a_wrong_token(person, locked_service, monkeypatch):
    person.uses(locked_service)
    monkeypatch.setenv("FAISS_MEMORY_TOKEN", "wrong")
    _, failed = person.sees_the_doctor()
    assert "does not accept the token" in failures(failed)


def test_no_token(person, locked_service, monkeypatch):
    (person.home / ".local/state/faiss-memory/service.json").unlink()
    monkeypatch.setenv("FAISS_MEMORY_URL", f"http://127.0.0.1:{locked_service.port}")
    _, failed = person.sees_the_doctor()
    assert "wants a token" in failures(failed)


def test_a_token_that_the_assistant_does_not_get(person, locked_service):
    person.uses(locked_service)
    config = person.home / ".config/faiss-memory/faiss-memory.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("token: right\n")
    person.installs("continue")
    _, failed = person.sees_the_doctor()
    assert "401" in failures(failed)
    assert "Set FAISS_MEMORY_TOKEN in the environment that the assistant is started from" in failures(failed)


def test_a_model_that_is_missing(person, tmp_path):
    running = RunningService(
        tmp_path / "data", cache=tmp_path / "cache", model_name=str(tmp_path / "nowhere")
    )
    try:
        running.start(ready=False)
        person.uses(running)
        while not running.call("GET", "/stats")[1].get("model_error"):
            pass
        _, failed = person.sees_the_doctor()
    finally:
        running.kill()
    assert "there is no model in the folder" in failures(failed)


def test_what_a_light_installation_goes_without_is_named_and_no_failure(person, monkeypatch):
    said = []
    for hidden in ((), ("torch", "onnx")):
        for name in hidden:
            monkeypatch.setitem(sys.modules, name, None)
        findings = json.loads(person.run("doctor", "--json")[1])["findings"]
        said += [each for each in findings if each["check"] == "packages"]
    assert [each["state"] for each in said] == ["ok", "ok"]
    assert "torch, onnx not installed here" in said[1]["said"]


def test_a_data_folder_that_cannot_be_written(person, tmp_path):
    with RunningService(tmp_path / "data", fake=True) as running:
        person.uses(running)
        if os.getuid():
            running.data.chmod(0o500)
        elif not shutil.which("chattr") or subprocess.run(["chattr", "+i", running.data]).returncode:
            pytest.skip("nothing can be made read-only for root here")
        try:
            _, failed = person.sees_the_doctor()
        finally:
            running.data.chmod(0o700) if os.getuid() else subprocess.run(
                ["chattr", "-i", running.data], check=True
            )
    assert "cannot be written" in failures(failed)


def test_a_disk_that_is_full(person, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if os.getuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", small]).returncode:
        pytest.skip("no small disk can be made here")
    try:
        with RunningService(small / "data", fake=True) as running:
            person.uses(running)
            person.installs("codex")
            person.trusts()
            with pytest.raises(OSError, match="No space"):
                (small / "ballast").write_bytes(b"x" * (64 << 20))
            _, failed = person.sees_the_doctor()
    finally:
        subprocess.run(["umount", "-l", small], check=True)
    assert "MB free" in failures(failed)


# An assistant's files.


def test_a_hook_that_was_removed(person):
    person.installs("claude-code")
    person.trusts()
    settings = person.project / CLAUDE
    kept = json.loads(settings.read_text())
    del kept["hooks"]["UserPromptSubmit"]
    settings.write_text(json.dumps(kept))
    _, failed = person.sees_the_doctor()
    assert f"{settings} is missing, or our part of it is" in failures(failed)
    assert "faiss-memory install claude-code" in failures(failed)


def test_a_file_that_names_another_project(person):
    person.installs("cursor")
    person.edits(CURSOR, "--project till", "--project shop")
    _, failed = person.sees_the_doctor()
    assert "was edited" in failures(failed)
    assert "it asks for project `shop`, and this folder's is `till`" in failures(failed)


def test_a_server_that_names_another_project(person):
    person.installs("cursor")
    person.edits(".cursor/mcp.json", '"till"', '"shop"')
    _, failed = person.sees_the_doctor()
    assert "names project `shop`, and this folder's is `till`" in failures(failed)


@pytest.mark.parametrize(
    "url", ["http://[x/mcp", "http://127.0.0.1:abc/mcp", "http://a b/mcp", "http:///mcp"]
)
def test_an_address_that_is_none_is_said_to_be_none(person, monkeypatch, url):
    monkeypatch.setenv("FAISS_MEMORY_TOKEN", "some")
    person.installs("cursor")
    (person.project / ".cursor/mcp.json").write_text(
        json.dumps({"mcpServers": {"faiss-memory": {"url": url}}})
    )
    _, failed = person.sees_the_doctor()
    assert f"{url} is no address that can be asked" in failures(failed)


def test_a_file_that_the_assistant_cannot_read(person):
    person.installs("claude-code")
    person.trusts()
    person.edits(CLAUDE, "{", "{ // mine\n")
    _, failed = person.sees_the_doctor()
    assert "cannot be read as what it should be" in failures(failed)


def test_a_command_that_is_not_there(person):
    person.installs("cursor")
    text = (person.project / CURSOR).read_text()
    command = json.loads(text)["hooks"]["sessionStart"][0]["command"].split()[0]
    person.edits(CURSOR, command, "/nowhere/faiss-memory-hook")
    _, failed = person.sees_the_doctor()
    assert "/nowhere/faiss-memory-hook" in failures(failed)
    assert "--link" in failures(failed)


def test_a_command_that_a_desktop_app_does_not_find(person):
    if shutil.which("faiss-memory-hook", path="/usr/local/bin:/usr/bin:/bin"):
        pytest.skip("it is found there")
    code, said = person.run("install", "codex", "--shared", "--yes")
    assert code == 0, said
    person.trusts()
    _, failed = person.sees_the_doctor()
    assert "it is not found where a desktop app looks" in failures(failed)
    assert "--link" in failures(failed)


def test_a_folder_that_is_not_trusted(person):
    person.installs("claude-code", "codex")
    _, failed = person.sees_the_doctor()
    assert f"Claude Code does not trust {person.project} yet" in failures(failed)
    assert f"Codex does not trust {person.project} yet" in failures(failed)


def test_hooks_that_were_not_reviewed(person):
    person.installs("codex")
    person.trusts()
    config = person.home / ".codex" / "config.toml"
    config.write_text(config.read_text().split("[hooks")[0])
    _, failed = person.sees_the_doctor()
    assert "were not reviewed" in failures(failed)


def test_hooks_that_are_switched_off(person):
    person.installs("claude-code")
    person.trusts()
    settings = person.home / ".claude" / "settings.json"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text('{"disableAllHooks": true}')
    _, failed = person.sees_the_doctor()
    assert "switches all hooks off" in failures(failed)


def test_plugins_that_are_disabled(person, tmp_path):
    with RunningService(tmp_path / "data", fake=True, **{"plugins.disabled": "recall,mcp"}) as running:
        person.uses(running)
        person.installs("claude-code")
        person.trusts()
        _, failed = person.sees_the_doctor()
    events = ("SessionStart", "UserPromptSubmit", "SubagentStart", "PreToolUse", "PostToolUseFailure")
    assert [one["check"] for one in failed] == ["mcp", *(f"hook {event}" for event in events)]
    assert all("disabled (setting plugins.disabled)" in one["advice"] for one in failed)


def test_a_program_that_cannot_be_run(person):
    person.installs("cursor")
    Another(person, sessionStart="", beforeSubmitPrompt="#!/nowhere/python3\n")
    program = person.home / "sessionStart" / "faiss-memory-hook"
    program.chmod(0o644)
    _, failed = person.sees_the_doctor()
    assert f"chmod +x {program}" in failures(failed)
    assert "or the Python that it names, is not there" in failures(failed)


@pytest.mark.long
def test_a_hook_that_asks_another_service(person, tmp_path, monkeypatch):
    person.installs("cursor")
    with RunningService(tmp_path / "data", fake=True) as other:
        monkeypatch.setenv("FAISS_MEMORY_URL", f"http://127.0.0.1:{other.port}")
        _, failed = person.sees_the_doctor()
    assert "-> If it asked another service than this one" in failures(failed)


def test_a_project_that_has_moved(person):
    person.installs("cursor")
    there = person.project.rename(person.home / "elsewhere")
    _, failed = person.sees_the_doctor()
    assert [(one["check"], one["said"]) for one in failed] == [("folder", f"{person.project} is not there")]
    code, said = person.run("uninstall", "cursor", "--project", str(person.project))
    assert code == 0, said
    assert person.run("install", "cursor", "--project", str(person.project), "--yes")[0] == 1
    os.chdir(there)
    assert person.sees_the_doctor() == (0, [])


def test_the_name_is_the_one_that_the_service_gives(person, service):
    (person.project / ".git" / "config").write_text('[remote "origin"]\nurl = git@host:two/shops.git\n')
    for owner in ("elsewhere/two/shops", "host/two/shops"):
        claimed = service.call("POST", "/projects/claim", {"name": "two.shops", "owner": owner})[1]["project"]
    person.installs("cursor")
    assert f"--project {claimed} " in (person.project / CURSOR).read_text()
    assert person.sees_the_doctor() == (0, [])


def test_a_remote_that_gives_the_folder_another_name(person):
    person.installs("cursor")
    (person.project / ".git" / "config").write_text('[remote "origin"]\nurl = git@host:owner/repo.git\n')
    assert "and the command line calls this folder `owner.repo`" in person.run("doctor")[1]


# The public address.


def test_a_tunnel_that_leads_nowhere(person, monkeypatch, closed_port):
    monkeypatch.setenv("FAISS_MEMORY_PUBLIC_URL", f"https://localhost:{closed_port}")
    monkeypatch.setenv("FAISS_MEMORY_PUBLIC_TOKEN", "public")
    monkeypatch.setenv("FAISS_MEMORY_TOKEN", "mine")
    _, failed = person.sees_the_doctor()
    assert {one["about"] for one in failed} == {"public address"}
    assert "Look whether the tunnel runs" in failures(failed)


@pytest.mark.parametrize("service_token", ["mine", ""])
def test_the_service_itself_is_asked_as_a_proxy_without_a_sign_would_ask(tmp_path, service_token):
    settings = Settings(public_url="https://localhost:1", public_token="public", token="mine")
    with RunningService(tmp_path / "data", fake=True, token=service_token) as running:
        found = check_public(settings, f"http://127.0.0.1:{running.port}").found
    states = {one.check: one.state for one in found}
    assert states["two lengths"] == "ok"
    assert states["a proxy without a sign"] == ("ok" if service_token else "failed")
