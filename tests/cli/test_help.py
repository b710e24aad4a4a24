"""Help, its examples, and completion."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import click
import pytest

from faiss_memory.cli import COMMANDS, main
from tests.cli.conftest import environment
from tests.cli.stub import stub
from tests.cli.terminals import SCRIPT, CommandLine
from tests.cli.test_building import build, status
from tests.running import RunningService

CONTEXT = click.Context(main)
HEAVY = [
    "rich",
    "msgspec",
    "numpy",
    "yaml",
    "http.client",
    "faiss",
    "pluggy",
    "falcon",
    "faiss_memory.settings",
]


def every_command(group=main, before=()):
    """Every command that does something, with the words that call it."""
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        words = (*before, name)
        if isinstance(command, click.Group):
            yield from every_command(command, words)
        else:
            yield words, command


EVERY = dict(every_command())
EXAMPLES = [
    example for words, command in EVERY.items() if words[0] != "service" for example in command.examples
]


# Help.


def test_the_help_lists_every_command_and_the_exit_codes(alone):
    ended = alone("--help")
    assert ended.code == 0
    for name, home in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(home.help)}$", ended.out, re.MULTILINE)
    for code in ("0", "1", "2", "3", "4", "5", "74", "130"):
        assert re.search(rf"^    {code} +\w", ended.out, re.MULTILINE)
    assert alone("-h").out == ended.out


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_has_help_with_an_example(alone, words):
    ended = alone(*words, "--help")
    assert ended.code == 0
    assert "Example" in ended.out
    examples = re.findall(r"^  (.*faiss-memory .+)$", ended.out.split("Example", 1)[1], re.MULTILINE)
    assert tuple(examples) == EVERY[words].examples
    assert any(" ".join(words) in example for example in examples)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_list_is_what_the_command_says_of_itself(name):
    said = main.get_command(CONTEXT, name).help
    assert " ".join(said.split()).startswith(COMMANDS[name].help.rstrip("."))


MODULES_OF_HELP = """\
import os, sys
from faiss_memory.cli import main
for line in sys.stdin:
    if not os.fork():
        try: main([*line.split(), "--help"])
        finally:
            print("@", *sys.modules, flush=True)
            os._exit(0)
    os.wait()
"""
"""Asks for help in a process for each line, and tells the modules that are loaded then."""


def test_help_imports_nothing_heavy():
    asked = "".join(" ".join(words) + "\n" for words in ((), *EVERY))
    ended = subprocess.run(
        [sys.executable, "-c", MODULES_OF_HELP], input=asked, capture_output=True, text=True, check=True
    )
    told = re.findall(r"^@ (.+)$", ended.stdout, re.MULTILINE)
    assert len(told) == len(EVERY) + 1
    for words, modules in zip(((), *EVERY), told, strict=True):
        loaded = modules.split()
        assert "click" in loaded
        assert [name for name in HEAVY if name in loaded] == [], words


def test_help_of_all_imports_no_command():
    script = "import sys\nfrom faiss_memory.cli import main\ntry: main(['--help'])\nfinally: print('@', *sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    loaded = [name for name in ended.stdout.split("@")[-1].split() if name.startswith("faiss_memory")]
    light = {"", ".errors", ".cli", ".cli.docstrings", ".cli.failures", ".cli.lazy"}
    assert set(loaded) == {f"faiss_memory{name}" for name in light}


def test_through_a_pipe_rich_is_not_imported(cli):
    script = "import sys\nfrom faiss_memory.cli import main\ntry: main(['list'])\nfinally: print('@', *sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=dict(cli.environment), check=True
    )
    assert "rich" not in ended.stdout.split("@")[-1].split()


def test_shared_options_mean_the_same_everywhere():
    asking = [
        command for command in EVERY.values() if any(param.name == "timeout" for param in command.params)
    ]
    assert len(asking) == 44
    for command in asking:
        options = {option for param in command.params for option in param.opts}
        assert {"--url", "--timeout", "--json"} <= options
        short = {param.name: param.opts for param in command.params}
        assert short.get("project", ["--project", "-p"]) == ["--project", "-p"]
        assert short.get("tag", ["--tag", "-t"]) == ["--tag", "-t"]


# Every example is run.


@pytest.fixture(scope="module")
def somebody(tmp_path_factory, model_cache):
    """A person with some notes, in a folder with what the examples name, while the service runs."""
    home = tmp_path_factory.mktemp("somebody")
    folder = home / "folder"
    (folder / "notes").mkdir(parents=True)
    (folder / "docs").mkdir()
    (home / ".config" / "fish" / "completions").mkdir(parents=True)
    for name in ("notes.md", "notes/a.md", "docs/a.md", "README.md", "memories.tar"):
        (folder / name).write_text("Health checks use 127.0.0.1\n")
    (home / "bin").mkdir()
    (home / "bin" / "aider").write_text("#!/bin/sh\nexit 0\n")
    (home / "bin" / "aider").chmod(0o755)
    with RunningService(home / "data", fake=True) as service:
        given = {
            **environment(home, home),
            "PATH": f"{home}/bin{os.pathsep}{os.environ['PATH']}",
            "FAISS_MEMORY_CACHE_DIR": str(model_cache),
            "EDITOR": "true",
            "VISUAL": "true",
        }
        cli = CommandLine(folder, given)
        yield cli, service


@pytest.fixture
def prepared(somebody):
    """The same, with a memory 1 and a schedule, whatever the examples before did to them."""
    cli, service = somebody
    if service.call("GET", "/memory/1")[0] == 404:
        service.kill()
        shutil.rmtree(service.data)
        service.start()
        assert cli.added("The ledger is in Postgres 16") == 1
    service.call("POST", "/schedules", {"job": "backup", "cron": "@daily"})
    service.call("POST", "/team", {"name": "ana"})
    service.call("POST", "/team/ana/subject", {"subject": "auth0|6712"})
    return cli


@pytest.mark.parametrize("example", [example for example in EXAMPLES if " serve " not in example])
def test_every_example_runs_as_it_is_written(prepared, example):
    if "faiss-memory build" in example:
        answer = {"POST": build(), "GET": status()}
        with stub(lambda method, *_: (200, answer[method])) as service:
            given = {**prepared.environment, "FAISS_MEMORY_URL": service.url}
            ended = CommandLine(prepared.folder, given).shell(example)
    elif " restore" in example and "--changes" in example:
        answer = {"now": 1, "then": 1, "added": 0, "changed": 0, "forgotten": 0}
        told = {**answer, "backup": "then", "changes": [], "more": False, "left_out": []}
        with stub(lambda *_: (200, told)) as service:
            given = {**prepared.environment, "FAISS_MEMORY_URL": service.url}
            ended = CommandLine(prepared.folder, given).shell(example)
    elif " restore" in example:
        answer = {
            "success": True,
            "restored": "then",
            "memories": 1,
            "left_behind": [],
            "set_aside": "before",
            "left_out": [],
            "message": "Done",
        }
        with stub(lambda *_: (200, answer)) as service:
            given = {**prepared.environment, "FAISS_MEMORY_URL": service.url}
            ended = CommandLine(prepared.folder, given).shell(example)
    elif " share" in example:
        ended = _shared(prepared, example)
    elif example.startswith("faiss-memory verify 1"):
        ended = prepared.shell(example)
    elif " verify" in example or " migrate" in example:
        if not (prepared.folder / "memories").exists():
            with RunningService(prepared.folder / "memories", fake=True) as service:
                service.stop()
        given = {**prepared.environment, "FAISS_MEMORY_DATA_DIR": str(prepared.folder / "memories")}
        ended = CommandLine(prepared.folder, given).shell(example)
    elif example == "faiss-memory edit 1":
        ended = prepared.seen("edit", "1")
    elif example.startswith("faiss-memory ") and not set(example) & set("|<>$&;*?~`"):
        ended = prepared(
            *shlex.split(example)[1:], input=None
        )  # as a shell would, which then has nothing else to do
    else:
        ended = prepared.shell(example)
    known = " is-novel" in example and ended.code == 5
    # (Where nobody can be asked, it lists what there is to choose from.)
    chooses = example == "faiss-memory install" and ended.code == 2 and "Found here" in ended.err
    chooses |= example == "faiss-memory setup" and ended.code == 2 and "give --yes" in ended.err
    assert ended.code == 0 or known or chooses, ended.err
    assert chooses or "Error" not in ended.err


def _shared(prepared, example):
    """Run it in a repository where memory 1 is shared already, and its folder trusted."""
    folder = prepared.folder / "repository"
    (folder / ".git").mkdir(parents=True, exist_ok=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    watch = {"path": str(folder / ".memory"), "project": "repository"}
    memory = {
        "id": 1, "text": "The ledger is in Postgres 16", "project": "repository", "source": "", "tags": [], "cues": [],
        "metadata": {}, "timestamp": "2026-02-12T10:30:00+00:00", "supersedes": None, "superseded_by": None,
        "uid": "01920000-0000-7000-8000-000000000001", "by": "cli", "watches": [watch], "files": [],
    }  # fmt: skip

    def answered(method, path, body):
        listed = [] if path.startswith("/export") else {"added": 1, "kept": 0, "removed": 0}
        return 200, {**memory, "memories": listed}

    with stub(answered) as service:
        line = CommandLine(folder, {**prepared.environment, "FAISS_MEMORY_URL": service.url})
        assert line("share", 1).code == 0
        return line.shell(example)


@pytest.mark.parametrize("example", [example for example in EXAMPLES if " serve " in example])
def test_every_example_that_serves_answers(prepared, tmp_path, example):
    words = example.split()
    assert words[0] == "faiss-memory"
    own = {**prepared.environment, "PORT": "0", "XDG_RUNTIME_DIR": str(tmp_path)}
    with subprocess.Popen(
        [SCRIPT, *words[1:]], cwd=prepared.folder, env=own, stderr=subprocess.PIPE, text=True
    ) as process:
        assert any("answers on http" in line for line in process.stderr)
        assert CommandLine(prepared.folder, own)("health").code == 0
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    assert process.returncode == 0


# Completion.


def completed(cli, line, **given):
    """What click's bash script would be told for a line that ends where the cursor is."""
    words = line.split(" ")
    ended = cli(
        _FAISS_MEMORY_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), **given
    )
    assert ended.err == ""
    return [line.partition(",")[2] for line in ended.out.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_printed(alone, shell):
    ended = alone("completion", shell)
    assert (ended.code, ended.err) == (0, "")
    assert f"_FAISS_MEMORY_COMPLETE={shell}_complete" in ended.out
    assert alone.seen("completion", shell).shown.strip() == ended.out.strip()


def test_commands_and_options_are_completed(alone):
    assert completed(alone, "faiss-memory proj") == ["projects"]
    assert set(COMMANDS) <= set(completed(alone, "faiss-memory "))
    assert completed(alone, "faiss-memory search --thr") == ["--threshold"]
    assert completed(alone, "faiss-memory search --mode k") == ["keyword"]


def test_projects_are_completed_from_the_running_service(cli):
    cli.added("x", "-p", "completed.one")
    cli.added("x", "-p", "completed.two")
    for command in ("search --project", "add -p", "list -p", "build x --project"):
        assert completed(cli, f"faiss-memory {command} completed.") == ["completed.one", "completed.two"]


def test_without_a_service_there_is_nothing_to_complete(alone):
    assert completed(alone, "faiss-memory search --project x", PORT="1") == []
    assert completed(alone, "faiss-memory search --project x", PORT="many") == []
    with stub(lambda *_: (200, ["rubbish"])) as other:
        assert completed(alone, "faiss-memory search --project x", FAISS_MEMORY_URL=other.url) == []
    with stub(lambda *_: (200, {"projects": "rubbish"})) as other:
        assert completed(alone, "faiss-memory search --project x", FAISS_MEMORY_URL=other.url) == []


@pytest.mark.long
def test_bash_completes_with_the_script(cli):
    cli.added("x", "-p", "completed.one")
    ended = cli.shell(
        'eval "$(faiss-memory completion bash)"\n'
        "COMP_WORDS=(faiss-memory search -p comp); COMP_CWORD=3\n"
        "_faiss_memory_completion faiss-memory comp -p\n"
        'echo "${COMPREPLY[@]}"'
    )
    assert "completed.one" in ended.out.split()
