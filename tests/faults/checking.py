"""Whether a store holds and answers what its journal says."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.disks import in_memory
from tests.faults.journal import Acknowledged, Journal
from tests.store.asking import matching, nearest
from tests.store.oracle import EVERYTHING, EmbeddedHome, Oracle, assert_same, embed, embed_query, settled


def texts_of(store: Any, also: Any = ()) -> dict[int, str]:
    """Give every text that is listed, and check that nothing else can be read."""
    listed = store.matching_ids(EVERYTHING)
    found = {memory.id: memory.text for memory in store.get(sorted({*listed, *also}))}
    assert sorted(found) == listed, "what is listed and what can be read are not the same"
    return found


def check_store(store: Any, acknowledged: Acknowledged, journal: Journal) -> dict[int, str]:
    """Check an open store against the journal, and its indexes against its records; gives what it holds."""
    settled(store)
    content = texts_of(store, acknowledged.states)
    acknowledged.check(journal, content)
    check_indexes(store, content)
    return content


def check_indexes(store: Any, content: dict[int, str]) -> None:
    """Every leg finds every memory and no other; all texts of the fault tests hold `shared`."""
    query = embed_query("shared words")
    near = [match.memory_id for match in nearest(store, query, EVERYTHING, len(content) + 10)]
    found = [memory_id for memory_id, _ in matching(store, "shared", EVERYTHING, len(content) + 10)]
    assert sorted(near) == sorted(content), "search by meaning finds other memories than are there"
    assert sorted(found) == sorted(content), "search by words finds other memories than are there"
    assert sum(project.memories for project in store.projects()) == len(content)
    assert store.count_unembedded() == {}


def check_wholly(store: Any) -> None:
    """Compare everything a store can be asked with an oracle that is given its texts: slow, for now and then."""
    oracle = Oracle()
    for memory in store.get(store.matching_ids(EVERYTHING)):
        oracle.memories[memory.id], oracle.embeddings[memory.id] = (
            memory,
            embed(memory.text, cues=memory.cues),
        )
    assert_same(store, oracle, searches=2)


@contextmanager
def looking_at_a_copy(data: Path) -> Iterator[Any]:
    """Open a copy of a data folder that was left by a kill; the folder itself stays as it is."""
    with in_memory() as folder:
        subprocess.run(["cp", "-a", data, folder / "data"], check=True)  # with the hard links between backups
        with looking_at(folder / "data") as store:
            yield store


@contextmanager
def looking_at_what_the_log_says(data: Path) -> Iterator[Any]:
    """Open a copy of a data folder that has lost its records: they are built anew from the log."""
    with in_memory() as folder:
        subprocess.run(["cp", "-a", data, folder / "data"], check=True)
        for records in (folder / "data").glob("memory.db*"):
            records.unlink()
        with looking_at(folder / "data") as store:
            yield store


@contextmanager
def looking_at(data: Path) -> Iterator[Any]:
    """Open a data folder, and close it in order."""
    home = EmbeddedHome(data)
    try:
        yield home.open()
        assert home.failures == []
    finally:
        home.close()


def visible_backups(data: Path, kind: str = "") -> list[Path]:
    """Give the folders of backups whose names begin so, oldest first."""
    return sorted(path for path in (data / "backups").glob(f"{kind or '[!.]'}*") if path.is_dir())


@contextmanager
def restored(backup: Path) -> Iterator[Any]:
    """Restore a backup into an empty folder, as a person does: copy what is in it, and start."""
    with in_memory() as folder:
        for file in backup.iterdir():
            shutil.copyfile(file, folder / file.name)
        with looking_at(folder) as store:
            yield store


def check_backup(backup: Path) -> dict[int, str]:
    """A backup restores to what its manifest says; gives what that is."""
    manifest = json.loads((backup / "manifest.json").read_bytes())
    with restored(backup) as store:
        settled(store)
        content = texts_of(store)
        assert len(content) == manifest["memories"], f"{backup.name} does not hold what its manifest says"
        check_indexes(store, content)
    return content


def check_backups(data: Path, names: Iterable[str]) -> int:
    """All these backups restore to what their manifests say; manual ones then go. Gives their number."""
    chosen = sorted(names)
    for name in chosen:
        check_backup(data / "backups" / name)
        if name.startswith("manual"):
            shutil.rmtree(data / "backups" / name)
    return len(chosen)
