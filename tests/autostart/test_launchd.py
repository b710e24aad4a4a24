"""macOS: the property list, and what is asked of launchctl. None of it was tried on a Mac."""

from __future__ import annotations

import os
import plistlib

import pytest

from faiss_memory.autostart.choosing import choose
from faiss_memory.autostart.command import Command
from faiss_memory.autostart.launchd import LABEL, Launchd
from faiss_memory.errors import AutostartError
from faiss_memory.http.server import DRAIN_SECONDS

COMMAND = Command(("/opt/a b/python", "-P", "-m", "faiss_memory", "serve", "--set", "data_dir=/<&>é"))
OTHER = Command((*COMMAND.words[:-1], "port=8902"))
DOMAIN = f"gui/{os.getuid()}"
TARGET = f"{DOMAIN}/{LABEL}"


@pytest.fixture
def launchd(tools):
    tools.add("launchctl")
    return choose("darwin")


def test_the_property_list_says_when_to_start_and_when_to_start_again():
    found = plistlib.loads(Launchd().render(COMMAND))
    assert found["ProgramArguments"] == list(COMMAND.words)
    assert found["Label"] == LABEL
    assert found["RunAtLoad"] is True
    assert found["KeepAlive"] == {"SuccessfulExit": False}
    assert found["ThrottleInterval"] >= 10
    assert found["ProcessType"] == "Interactive"
    assert found["ExitTimeOut"] > 2 * DRAIN_SECONDS


def test_installing_writes_the_agent_and_hands_it_to_launchd(launchd, tools, home):
    assert launchd.install(COMMAND)
    assert launchd.path == home / "Library/LaunchAgents" / f"{LABEL}.plist"
    assert launchd.command() == COMMAND
    assert tools.calls() == [f"launchctl enable {TARGET}", f"launchctl bootstrap {DOMAIN} {launchd.path}"]
    state = launchd.state()
    assert (state.running, state.pid, state.at_login) == (True, os.getpid(), True)
    assert "not been tested on macOS" in launchd.caution


def test_installing_again_restarts_only_what_changed(launchd, tools, monkeypatch):
    monkeypatch.setattr("faiss_memory.autostart.launchd._PAUSE", 0)
    launchd.install(COMMAND)
    tools.calls()
    assert not launchd.install(COMMAND)
    assert tools.calls() == []
    tools.set("stopping", "2")
    assert launchd.install(OTHER)
    bootstrap = f"launchctl bootstrap {DOMAIN} {launchd.path}"
    # It is refused as long as the old one has not ended.
    assert tools.calls() == [f"launchctl bootout {TARGET}", f"launchctl enable {TARGET}", *[bootstrap] * 3]
    assert launchd.command() == OTHER


def test_it_is_stopped_started_and_restarted(launchd, tools):
    launchd.install(COMMAND)
    tools.calls()
    launchd.restart()
    launchd.stop()
    assert not launchd.state().running
    assert launchd.state().at_login
    launchd.stop()
    assert tools.calls() == [f"launchctl kickstart -k {TARGET}", f"launchctl bootout {TARGET}"]
    launchd.start()
    launchd.start()
    assert launchd.state().running
    assert [call.split()[1] for call in tools.calls()] == ["enable", "bootstrap"]
    tools.drop("running")
    launchd.start()
    assert tools.calls() == [f"launchctl kickstart {TARGET}"]


def test_uninstalling_stops_it_and_leaves_nothing(launchd, tools):
    launchd.install(COMMAND)
    tools.calls()
    assert launchd.uninstall()
    assert tools.calls() == [f"launchctl bootout {TARGET}"]
    assert not launchd.installed
    assert not tools.has("loaded")
    assert not launchd.uninstall()


@pytest.mark.parametrize("refused", ["bootstrap", "enable"])
def test_a_refusal_leaves_nothing_behind(launchd, tools, refused):
    tools.set("fail", refused)
    with pytest.raises(AutostartError, match=f"{refused}.*refused"):
        launchd.install(COMMAND)
    assert not launchd.installed


def test_without_a_graphical_session_nothing_is_done_and_the_way_out_is_said(launchd, tools):
    tools.set("fail", f"print {DOMAIN}")
    with pytest.raises(AutostartError, match=r"nothing was done.*faiss-memory serve"):
        launchd.install(COMMAND)
    assert not launchd.installed
    assert tools.calls() == []


def test_a_file_that_is_not_ours_is_not_read(launchd):
    launchd.path.parent.mkdir(parents=True)
    for content in (b"", b"no list", plistlib.dumps({"Label": "x"}), plistlib.dumps([])):
        launchd.path.write_bytes(content)
        assert launchd.command() is None
