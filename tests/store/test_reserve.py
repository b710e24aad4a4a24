"""On a disk that is full to the brim memories can still be forgotten, with room that was kept for it."""

import subprocess
from contextlib import suppress

import pytest

from faiss_memory.errors import DiskFull
from faiss_memory.store import reserve
from tests.store.oracle import EmbeddedHome, add


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 32 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder):
    """Write until not a byte goes in any more."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def add_many(store):
    for _ in range(10_000):
        add(store, "y" * 5000)


def test_on_a_full_disk_memories_can_be_forgotten_and_then_added_again(small_disk, caplog):
    home = EmbeddedHome(small_disk / "data")
    store = home.open()
    ids = add(store, *(f"ledger {number} {'x' * 500}" for number in range(50)))
    assert (home.folder / "reserve.bin").stat().st_size == reserve.BYTES
    fill(small_disk)
    with pytest.raises(DiskFull):
        add_many(store)
    assert store.forget(ids[:10]) == ids[:10]
    assert "used to forget memories" in caplog.text
    assert not (home.folder / "reserve.bin").exists()
    assert store.forget(ids[10:20]) == ids[10:20]
    assert home.failures == []
    (small_disk / "ballast").unlink()
    (fresh,) = add(store, "the disk has room again")
    store = home.reopen()
    assert (home.folder / "reserve.bin").exists()
    assert {memory.id for memory in store.get(ids)} == set(ids[20:])
    assert store.get([fresh])[0].text == "the disk has room again"
    home.close()


def test_on_a_nearly_full_disk_no_room_is_kept(small_disk):
    (small_disk / "ballast").write_bytes(bytes(24 << 20))
    home = EmbeddedHome(small_disk / "data")
    add(home.open(), "ledger")
    assert not (home.folder / "reserve.bin").exists()
    home.close()


def test_room_that_a_kill_has_left_short_is_made_whole(tmp_path):
    home = EmbeddedHome(tmp_path / "data")
    home.open()
    home.close()
    (home.folder / "reserve.bin").write_bytes(b"x")
    home.open()
    assert (home.folder / "reserve.bin").stat().st_size == reserve.BYTES
    home.close()


def test_a_folder_in_its_place_keeps_nobody_out(tmp_path):
    (tmp_path / "reserve.bin").mkdir()
    home = EmbeddedHome(tmp_path)
    assert add(home.open(), "ledger") == [1]
    assert not reserve.Reserve(tmp_path).give_up()
    home.close()
