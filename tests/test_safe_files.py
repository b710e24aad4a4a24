"""Files at places that others chose: only regular ones, no link that leads out, nothing that is waited for."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from contextlib import suppress

import pytest

from faiss_memory import NotAFile, entries_of, is_file, located, open_file, read_file, write_file
from faiss_memory.private import make_private
from tests import odd_files
from tests.odd_files import EVERY_KIND, LEADING_OUT, NOT_FILES, SECRET

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders")


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


@pytest.fixture
def inside(tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    return folder


def test_a_file_is_read_and_one_that_is_too_long_refused(inside):
    (inside / "a.txt").write_text("hello")
    assert read_file(located(inside / "a.txt", inside)) == b"hello"
    with pytest.raises(NotAFile, match="larger than 4 bytes"):
        read_file(inside / "a.txt", most=4)
    with pytest.raises(FileNotFoundError):
        read_file(inside / "b.txt")


@pytest.mark.parametrize("make", EVERY_KIND)
def test_what_is_no_file_is_neither_read_nor_written(inside, outside, make):
    make(inside / "x", outside)
    for do in (open_file, read_file, lambda place: write_file(place, b"mine")):
        with pytest.raises(NotAFile, match="not a file"):
            do(inside / "x")
    assert not is_file(inside / "x", within=inside)
    assert sorted(path.name for path in inside.iterdir()) == ["x"]


@pytest.mark.parametrize("make", LEADING_OUT)
def test_a_place_that_leads_out_is_not_found(inside, outside, make):
    make(inside / "x", outside)
    with pytest.raises(NotAFile, match="leads out"):
        located(inside / "x", inside)


def test_a_link_inside_is_followed_and_so_is_one_above(inside, tmp_path):
    (inside / "real.txt").write_text("hello")
    (inside / "x").symlink_to("real.txt")
    (tmp_path / "way").symlink_to(inside)
    assert read_file(located(tmp_path / "way" / "x", tmp_path / "way")) == b"hello"
    write_file(located(tmp_path / "way" / "x", inside), b"changed")
    assert (inside / "real.txt").read_bytes() == b"changed"
    assert (inside / "x").is_symlink()


@pytest.mark.parametrize("gone", ["sub", "sub/deeper"])
def test_a_folder_that_has_become_a_link_is_not_entered(inside, outside, gone):
    (inside / "sub/deeper").mkdir(parents=True)
    (inside / "sub/deeper/a.txt").write_text("hello")
    (outside / "deeper").mkdir()
    for folder in (outside, outside / "deeper"):
        (folder / "a.txt").write_text(SECRET)
    place = located(inside / "sub/deeper/a.txt", inside)
    (inside / gone).rename(inside / "moved")
    (inside / gone).symlink_to(outside)
    for do in (open_file, read_file, lambda place: write_file(place, b"mine")):
        with pytest.raises(NotAFile, match="is a link"):
            do(place)
    with pytest.raises(NotAFile), entries_of(place.parent):
        pass
    assert {file.read_text() for file in outside.rglob("*.txt")} == {SECRET}


def test_whoever_swaps_a_folder_for_a_link_all_the_time_gets_nothing_out_and_nothing_written_there(
    inside, outside
):
    (inside / "sub").mkdir()
    (inside / "sub/a.txt").write_text("hello")
    (outside / "a.txt").write_text(SECRET)
    place, ended = located(inside / "sub/a.txt", inside), threading.Event()

    def swap():
        while not ended.is_set():
            (inside / "sub").rename(inside / "moved")
            with suppress(FileExistsError):  # a write makes the folder anew
                (inside / "sub").symlink_to(outside)
                (inside / "sub").unlink()
            while (inside / "moved").exists():
                with suppress(OSError):
                    (inside / "moved").rename(inside / "sub")
                if (inside / "moved").exists():
                    shutil.rmtree(inside / "sub", ignore_errors=True)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        read = set()
        for _ in range(300):
            try:
                read.add(read_file(place))
                write_file(place, b"hello")
            except OSError:
                continue
    finally:
        ended.set()
        swapping.join()
    assert read <= {b"hello"}
    assert (outside / "a.txt").read_text() == SECRET
    assert [path.name for path in outside.iterdir()] == ["a.txt"]


def test_what_is_written_keeps_its_mode_and_makes_its_folders(inside):
    write_file(inside / "a/b/new.txt", b"one")
    (inside / "a/b/new.txt").chmod(0o640)
    write_file(inside / "a/b/new.txt", b"two")
    assert stat.S_IMODE((inside / "a/b/new.txt").stat().st_mode) == 0o640
    write_file(inside / "a/private.txt", b"three", private=True)
    assert stat.S_IMODE((inside / "a/private.txt").stat().st_mode) == 0o600
    assert sorted(path.name for path in (inside / "a").rglob("*.*")) == ["new.txt", "private.txt"]


def test_a_link_in_the_place_of_the_copy_that_is_written_first_is_not_followed(inside, outside):
    odd_files.link_out(inside / ".a.txt.faiss-memory-new", outside)
    write_file(inside / "a.txt", b"one")
    assert (inside / "a.txt").read_bytes() == b"one"
    assert (outside / "secret.txt").read_text() == SECRET


def test_descriptors_are_let_go_of(inside, outside):
    for make in NOT_FILES:
        make(inside / make.__name__, outside)
    (inside / "a.txt").write_text("hello")
    before = len(os.listdir("/dev/fd"))
    for name in (*(make.__name__ for make in NOT_FILES), "a.txt", "sub/none.txt"):
        for do in (read_file, lambda place: write_file(place, b"hello")):
            try:
                do(inside / name)
            except OSError:
                continue
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps no rights of this kind")
def test_a_folder_that_a_link_leads_to_is_closed_and_said_to_be(tmp_path, caplog):
    folder = tmp_path / "there"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    (tmp_path / "link").symlink_to(folder)
    with caplog.at_level("INFO"):
        make_private(tmp_path / "link")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "now it cannot" in caplog.text
    assert "cannot be changed" not in caplog.text
