"""A kill between any two file operations leaves each file whole, and the next command finishes the job."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.install.assistants import FILES
from tests.install.places import Place, repository

OPERATIONS = ["open", "fsync", "replace", "unlink", "mkdir", "rmdir", "chmod"]


class Killed(BaseException):
    """The process is gone: nothing after it is done any more."""


@pytest.fixture
def kill_after(monkeypatch):
    """Let so many file operations pass, and none after them."""
    real = {name: getattr(os, name) for name in OPERATIONS}

    def arm(number):
        left = [number]

        def limited(name):
            def operate(*arguments, **named):
                if name == "open" and not (len(arguments) > 1 and arguments[1] & os.O_CREAT):
                    return real[name](*arguments, **named)  # reading changes nothing
                if left[0] <= 0:
                    raise Killed
                left[0] -= 1
                return real[name](*arguments, **named)

            return operate

        for name in OPERATIONS:
            monkeypatch.setattr(os, name, limited(name))

    def disarm():
        for name, function in real.items():
            monkeypatch.setattr(os, name, function)

    arm.off = disarm
    return arm


def made(folder):
    """A project with files of the person's, some of which ours go into."""
    place = Place(folder)
    place.write(
        {".one/settings.json": b'{\n  "a": 1\n}\n', "AGENTS.md": b"# Hello\n", "three.yml": b"read: a\n"}
    )
    repository(place.folder).write_bytes(b"*.log\n")
    return place


def contents(place):
    names = [*FILES, ".one/rules/faiss-memory.md", ".git/info/exclude"]
    return {
        name: (place.folder / name).read_bytes() if (place.folder / name).exists() else None for name in names
    }


def traces(place):
    return [path for path in place.folder.rglob("*") if path.name.endswith("faiss-memory-new")]


def run_through(tmp_path, kill_after, prepare, command, most):
    """Kill the command after each number of operations; each time all files are whole, and the next run finishes."""
    whole = made(tmp_path / "whole")
    prepare(whole)
    before = contents(whole)
    command(whole)
    after = contents(whole)
    assert before != after
    for number in range(most):
        place = made(tmp_path / str(number))
        prepare(place)
        kill_after(number)
        try:
            command(place)
            done = True
        except Killed:
            done = False
        kill_after.off()
        for name, raw in contents(place).items():
            assert raw in (before[name], after[name]), (number, name)
        command(place)
        assert contents(place) == after, number
        assert traces(place) == []
        shutil.rmtree(tmp_path / str(number))
        if done:
            return number
    pytest.fail("it never came to its end")


@pytest.mark.long
def test_an_install_that_is_killed_anywhere_is_finished_by_the_next(tmp_path, kill_after):
    number = run_through(
        tmp_path, kill_after, lambda place: None, lambda place: place.install("one", "three"), 200
    )
    assert number > 30


@pytest.mark.long
def test_an_uninstall_that_is_killed_anywhere_is_finished_by_the_next(tmp_path, kill_after):
    number = run_through(
        tmp_path,
        kill_after,
        lambda place: place.install("one", "three"),
        lambda place: place.uninstall("one", "three"),
        200,
    )
    assert number > 20


def test_after_a_kill_an_uninstall_gives_everything_back(tmp_path, kill_after):
    for number in range(0, 60, 4):
        place = made(tmp_path / str(number))
        before = place.seen()
        kill_after(number)
        with pytest.raises(Killed):
            place.install("one", "two", "three")
        kill_after.off()
        place.uninstall("one", "two", "three")
        assert place.seen() == before, number


def test_what_somebody_changed_after_a_kill_is_left_and_named(tmp_path, kill_after):
    place = made(tmp_path)
    number = 0
    while not place.records.path.exists():
        number += 1
        kill_after(number)
        with pytest.raises(Killed):
            place.install("one")
        kill_after.off()
    (place.folder / "AGENTS.md").write_text("# Changed meanwhile\n")
    with place.installer.at_work() as problems:
        pass
    assert any("AGENTS.md was left as it is: it was changed" in problem for problem in problems)
    assert place.read("AGENTS.md") == "# Changed meanwhile\n"
    assert "faiss-memory" in place.read(".one/settings.json")
    place.install("one")
    assert "faiss-memory:start" in place.read("AGENTS.md")
    place.uninstall("one")
    assert place.read("AGENTS.md") == "# Changed meanwhile\n"


def test_a_disk_that_fails_leaves_the_file_and_says_so(tmp_path, monkeypatch):
    place = made(tmp_path)
    real = os.replace

    def failing(source, target, **folders):
        if Path(target).name == "AGENTS.md":
            raise OSError(28, "No space left on device")
        real(source, target, **folders)

    monkeypatch.setattr(os, "replace", failing)
    _, problems = place.install("one")
    assert problems == [f"{place.folder / 'AGENTS.md'} was left as it is: No space left on device"]
    assert place.read("AGENTS.md") == "# Hello\n"
    monkeypatch.setattr(os, "replace", real)
    place.install("one")
    assert "faiss-memory:start" in place.read("AGENTS.md")
