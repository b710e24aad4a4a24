"""Links to our commands, where programs are looked for."""

from __future__ import annotations

import os

import pytest

from faiss_memory.install.commands import drop_links, make_links, plan_link, script
from faiss_memory.install.record import Installed, Owner

ONE, TWO = Owner("one", "shared", "/x"), Owner("two", "shared", "/x")


@pytest.fixture
def installed():
    return Installed()


def test_a_link_goes_with_the_last_that_needs_it(installed, tmp_path):
    folder = tmp_path / "bin"
    assert plan_link(installed, "faiss-memory", ONE, folder) == ""
    assert make_links(installed) == []
    assert os.readlink(folder / "faiss-memory") == script("faiss-memory")
    plan_link(installed, "faiss-memory", TWO, folder)
    drop_links(installed, ONE)
    make_links(installed)
    assert (folder / "faiss-memory").is_symlink()
    drop_links(installed, TWO)
    make_links(installed)
    assert not (folder / "faiss-memory").is_symlink()
    assert installed.links == {}


def test_what_is_there_already_stays(installed, tmp_path):
    (tmp_path / "faiss-memory").write_text("mine")
    assert "is something else" in plan_link(installed, "faiss-memory", ONE, tmp_path)
    assert (tmp_path / "faiss-memory").read_text() == "mine"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/faiss-memory").symlink_to(script("faiss-memory"))
    assert plan_link(installed, "faiss-memory", ONE, tmp_path / "mine") == ""
    assert installed.links == {}


def test_a_command_that_is_not_there_is_not_linked(installed, tmp_path):
    assert "is not there" in plan_link(installed, "faiss-memory-nothing", ONE, tmp_path)


def test_a_link_that_somebody_has_replaced_stays(installed, tmp_path):
    plan_link(installed, "faiss-memory", ONE, tmp_path)
    make_links(installed)
    (tmp_path / "faiss-memory").unlink()
    (tmp_path / "faiss-memory").symlink_to("/bin/true")
    drop_links(installed, ONE)
    make_links(installed)
    assert os.readlink(tmp_path / "faiss-memory") == "/bin/true"
