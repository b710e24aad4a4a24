"""Windows: the task's XML, and what is asked of schtasks. None of it was tried on Windows."""

from __future__ import annotations

import os
import subprocess
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st

from faiss_memory.autostart.choosing import choose
from faiss_memory.autostart.command import Command
from faiss_memory.autostart.systemd import Systemd
from faiss_memory.autostart.task_scheduler import TASK, TaskScheduler, split_windows
from faiss_memory.errors import AutostartError

COMMAND = Command(("/opt/a b/python", "-P", "-m", "faiss_memory", "serve", "--set", 'data_dir=/<&>é "x"\\'))
OTHER = Command((*COMMAND.words[:-1], "port=8902"))
IN_TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


@pytest.fixture
def wsl(tools, monkeypatch):
    """Inside WSL, without systemd."""
    tools.add("schtasks.exe", "whoami.exe", "wslpath")
    monkeypatch.setenv("WSL_DISTRO_NAME", "Debian")
    return choose("linux")


@pytest.fixture
def native(tools):
    tools.add("schtasks", "whoami")
    return choose("win32")


def facts(content):
    """The task's elements by name."""
    root = ElementTree.fromstring(content.decode("utf-16"))
    return {element.tag.removeprefix(IN_TASK): element.text for element in root.iter()}


def test_inside_wsl_windows_starts_it_only_where_systemd_does_not(wsl, tools):
    assert isinstance(wsl, TaskScheduler)
    tools.add("systemctl")
    assert isinstance(choose("linux"), Systemd)
    tools.set("fail", "--property=Version")
    assert isinstance(choose("linux"), TaskScheduler)
    (tools.path / "schtasks.exe").unlink()
    assert isinstance(choose("linux"), Systemd)


def test_the_task_says_when_to_start_and_when_to_start_again(native):
    content = native.render(COMMAND)
    assert content[:2] in (b"\xff\xfe", b"\xfe\xff")
    found = facts(content)
    assert found["UserId"] == "PC\\ann & co"
    assert "LogonTrigger" in found
    assert (found["Interval"], found["Count"]) == ("PT1M", "5")
    assert (found["Hidden"], found["ExecutionTimeLimit"]) == ("true", "PT0S")
    assert (found["DisallowStartIfOnBatteries"], found["StopIfGoingOnBatteries"]) == ("false", "false")
    assert found["Command"] == "/opt/a b/python"
    assert found["Arguments"] == '-P -m faiss_memory serve --set "data_dir=/<&>é \\"x\\"\\\\"'


def test_from_wsl_the_task_starts_the_service_in_the_same_distribution(wsl):
    found = facts(wsl.render(COMMAND))
    assert found["Command"] == "wsl.exe"
    assert found["Arguments"].startswith('-d Debian -e "/opt/a b/python" -P -m faiss_memory serve')


@pytest.mark.parametrize("way", ["wsl", "native"])
def test_the_task_is_read_as_it_was_written(way, request):
    scheduler = request.getfixturevalue(way)
    assert scheduler.read(scheduler.render(COMMAND)) == COMMAND


@given(st.lists(st.text('ab \t"\\', max_size=8), max_size=5))
def test_words_are_split_as_windows_splits_them(words):
    assert split_windows(subprocess.list2cmdline(words)) == words


def test_installing_from_wsl_makes_the_task_and_starts_it(wsl, tools):
    assert wsl.install(COMMAND)
    windows = "\\\\wsl.localhost\\Debian" + str(wsl.path).replace("/", "\\")
    create, run = (call for call in tools.calls() if call.startswith("schtasks"))
    assert create == f"schtasks.exe /Create /F /TN {TASK} /XML {windows}"
    assert run == f"schtasks.exe /Run /TN {TASK}"
    assert wsl.command() == COMMAND
    state = wsl.state()
    assert (state.running, state.pid, state.at_login) == (True, os.getpid(), True)
    assert "not been tested on Windows" in wsl.caution
    assert "systemd=true" in wsl.caution


def test_installing_again_restarts_only_what_changed(wsl, tools):
    wsl.install(COMMAND)
    tools.calls()
    assert not wsl.install(COMMAND)
    assert [call for call in tools.calls() if call.startswith("schtasks")] == []
    assert wsl.install(OTHER)
    verbs = [call.split()[1] for call in tools.calls() if call.startswith("schtasks")]
    assert verbs == ["/Create", "/End", "/Run"]


def test_it_is_stopped_started_and_uninstalled(wsl, tools):
    wsl.install(COMMAND)
    wsl.stop()
    assert not wsl.state().running
    wsl.start()
    wsl.restart()
    assert wsl.state().running
    assert wsl.uninstall()
    assert (tools.has("task"), tools.has("running"), wsl.installed) == (False, False, False)


@pytest.mark.parametrize("refused", ["schtasks.exe /Create", "whoami", "wslpath", "/?"])
def test_a_refusal_leaves_nothing_behind(wsl, tools, refused):
    tools.set("fail", refused)
    with pytest.raises(AutostartError, match="refused"):
        wsl.install(COMMAND)
    assert not wsl.installed
    assert not tools.has("task")


def test_natively_it_says_that_windows_is_not_supported(native):
    assert "does not run on Windows" in native.caution
