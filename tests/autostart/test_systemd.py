"""Linux: the unit's text, as systemd reads it, and what is asked of systemctl."""

from __future__ import annotations

import os
import shutil
import subprocess
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, strategies as st

from faiss_memory.autostart.choosing import choose
from faiss_memory.autostart.command import Command
from faiss_memory.autostart.systemd import UNIT, Systemd, quote, unquote
from faiss_memory.errors import AutostartError
from faiss_memory.http.server import DRAIN_SECONDS

COMMAND = Command(("/opt/x/python", "-P", "-m", "faiss_memory", "serve", "--set", "port=8901"))
OTHER = Command((*COMMAND.words[:-1], "port=8902"))
WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20) | st.text(
    '"\\$% ;ab', max_size=12
)
INSTALL = [
    "systemctl --user daemon-reload",
    f"systemctl --user reset-failed {UNIT}",
    f"systemctl --user enable --now {UNIT}",
]


@pytest.fixture
def systemd(tools):
    tools.add("systemctl")
    return Systemd()


# The text.


@given(st.lists(WORDS, max_size=6))
def test_words_are_read_as_they_were_written(words):
    assert unquote(" ".join(quote(word) for word in words)) == words


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("/usr/bin/python3.11", "/usr/bin/python3.11"),
        ("port=8900", "port=8900"),
        ("two words", '"two words"'),
        ("100%h", '"100%%h"'),
        ("${HOME}", '"$${HOME}"'),
        ('C:\\x "y"', '"C:\\\\x \\"y\\""'),
        ("", '""'),
        (";", '";"'),
    ],
)
def test_words_are_written_as_systemd_has_it(word, written):
    assert quote(word) == written


def test_the_unit_says_when_to_start_and_when_to_start_again():
    lines = Systemd().render(COMMAND).decode().splitlines()
    assert "ExecStart=/opt/x/python -P -m faiss_memory serve --set port=8901" in lines
    assert {"Restart=on-failure", "Type=exec", "WantedBy=default.target", "StartLimitBurst=5"} <= set(lines)
    (seconds,) = (int(line.partition("=")[2]) for line in lines if line.startswith("TimeoutStopSec="))
    assert seconds > 2 * DRAIN_SECONDS


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize(
    "folder", ["plain", "two words", "100%h", 'a"b', "it's", "back\\slash", "${HOME} $x"]
)
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path, folder):
    program = tmp_path / folder / "python"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    command = Command((str(program), "serve", "--set", 'data_dir=/m %h "x" \\ $y ${z}', ";", ""))
    unit = tmp_path / UNIT
    unit.write_bytes(Systemd().render(command))
    with TemporaryDirectory() as short:  # in which sockets of other units have room for their names
        environment = os.environ | {"XDG_RUNTIME_DIR": short}
        checked = subprocess.run(
            ["systemd-analyze", "--user", "verify", unit], capture_output=True, text=True, env=environment
        )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert Systemd().read(unit.read_bytes()) == command


@pytest.mark.parametrize("program", ["/a/python", "/a b/python", '/a"b/$x/${y}\\z/%h/python', "/it's/python"])
def test_the_unit_is_read_as_it_was_written(program):
    command = Command((program, "two words", "100%", "$x", ""))
    assert Systemd().read(Systemd().render(command)) == command


@pytest.mark.skipif(not shutil.which("sh"), reason="there is no shell")
def test_a_program_that_systemd_would_refuse_is_started_by_a_shell_with_the_same_words(tmp_path):
    program = tmp_path / "it's $x" / "show"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s|" "$0" "$@"\n')
    program.chmod(0o755)
    unit = Systemd().render(Command((str(program), "a b", "$x", "'"))).decode()
    line = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    ended = subprocess.run(unquote(line.removeprefix("ExecStart=")), capture_output=True, text=True)
    assert ended.stdout == f"{program}|a b|$x|'|"


# The calls.


def test_installing_writes_the_unit_and_starts_it_now_and_at_login(systemd, tools, home):
    assert systemd.install(COMMAND)
    assert systemd.path == home / ".config/systemd/user" / UNIT
    assert systemd.command() == COMMAND
    assert tools.calls() == INSTALL
    state = systemd.state()
    assert (state.running, state.pid, state.at_login, state.failed) == (True, os.getpid(), True, False)
    assert os.listdir(systemd.path.parent) == [UNIT]


def test_the_unit_follows_where_configuration_is_kept(tools, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "etc"))
    assert Systemd().path == tmp_path / "etc/systemd/user" / UNIT


def test_installing_again_restarts_only_what_changed(systemd, tools):
    systemd.install(COMMAND)
    before = systemd.path.stat()
    tools.calls()
    assert not systemd.install(COMMAND)
    assert systemd.path.stat().st_mtime_ns == before.st_mtime_ns
    assert not [call for call in tools.calls() if "restart" in call or "reload" in call]
    assert systemd.install(OTHER)
    assert tools.calls() == [
        *INSTALL,
        f"systemctl --user reset-failed {UNIT}",
        f"systemctl --user restart {UNIT}",
    ]
    assert systemd.command() == OTHER


def test_what_is_changed_while_it_is_stopped_is_started_once(systemd, tools):
    systemd.install(COMMAND)
    systemd.stop()
    tools.calls()
    systemd.install(OTHER)
    assert tools.calls() == INSTALL


def test_uninstalling_stops_it_and_leaves_nothing(systemd, tools, home):
    systemd.install(COMMAND)
    tools.calls()
    assert systemd.uninstall()
    assert tools.calls()[:2] == [f"systemctl --user disable --now {UNIT}", "systemctl --user daemon-reload"]
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert not tools.has("running")
    assert not systemd.uninstall()
    assert tools.calls() == []


@pytest.mark.parametrize("refused", ["daemon-reload", "enable"])
def test_a_refusal_leaves_nothing_behind(systemd, tools, home, refused):
    tools.set("fail", refused)
    with pytest.raises(AutostartError, match=f"{refused}.* failed .1.: refused: systemctl"):
        systemd.install(COMMAND)
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert systemd.command() is None


def test_a_refused_change_leaves_what_was_installed(systemd, tools):
    systemd.install(COMMAND)
    tools.set("fail", "enable")
    tools.calls()
    with pytest.raises(AutostartError):
        systemd.install(OTHER)
    assert systemd.command() == COMMAND
    assert tools.calls()[-2] == "systemctl --user daemon-reload"
    assert systemd.state().running


def test_without_a_session_nothing_is_done_and_the_way_out_is_said(systemd, tools, home):
    tools.set("fail", "--property=Version")
    with pytest.raises(AutostartError, match=r"cannot be reached, so nothing was done.*wsl.conf.*serve"):
        systemd.install(COMMAND)
    assert list(home.iterdir()) == []
    assert tools.calls() == []


def test_without_systemd_nothing_is_done_and_the_way_out_is_said(tools, home):
    with pytest.raises(AutostartError, match=r"no systemd here.*faiss-memory serve"):
        Systemd().install(COMMAND)
    assert list(home.iterdir()) == []


def test_a_folder_that_cannot_be_used_is_told(systemd, home):
    (home / ".config").write_text("in the way")
    with pytest.raises(AutostartError, match="cannot be read: Not a directory"):
        systemd.install(COMMAND)


def test_one_that_is_not_stopped_stays_installed(systemd, tools):
    systemd.install(COMMAND)
    tools.set("fail", "disable")
    with pytest.raises(AutostartError, match="disable"):
        systemd.uninstall()
    assert systemd.installed


def test_one_that_failed_says_how(systemd, tools):
    tools.set("dies")
    systemd.install(COMMAND)
    state = systemd.state()
    assert (state.running, state.failed, state.remark) == (False, True, "ended with exit code 2")
    tools.drop("dies")
    systemd.start()
    assert systemd.state().running


@pytest.mark.parametrize("text", ["", "ExecStart=\n", "[Service]\nExecStart=\xff"])
def test_a_unit_of_somebody_else_is_not_read(systemd, text):
    systemd.path.parent.mkdir(parents=True)
    systemd.path.write_text(text, encoding="latin-1")
    assert systemd.command() in (None, Command(()))


# Which way is taken.


def test_linux_takes_systemd_even_where_it_does_not_work(tools):
    assert isinstance(choose("linux"), Systemd)


def test_a_system_nothing_is_known_about_is_told():
    with pytest.raises(AutostartError, match=r"freebsd14.*faiss-memory serve"):
        choose("freebsd14")
