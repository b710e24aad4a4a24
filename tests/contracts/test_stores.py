"""The checks for stores pass on ours and on a stranger's, and find what is wrong with others."""

from __future__ import annotations

import inspect
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import faiss_memory
from faiss_memory import Feed, Found, Store, hookimpl, new_uid
from faiss_memory.app import build_service
from faiss_memory.errors import PluginError
from faiss_memory.settings import load
from faiss_memory_conformance import store_checks
from faiss_memory_conformance.store_home import Home
from tests.contracts import shelf_store
from tests.contracts.shelf_store import SHELVES, ShelfStore

CHECKS = {
    name: check
    for name, check in vars(store_checks).items()
    if name.startswith("test_") and inspect.signature(check).parameters.keys() == {"home"}
}
FIRST = next(iter(CHECKS))


class Forgetful(ShelfStore):
    """Loses the last write with a restart."""

    def close(self):
        memories = self.shelf.memories
        if memories:
            del memories[max(memories)]


class OneShort(ShelfStore):
    """Gives k - 1 results."""

    def search(self, asked, choose):
        return super().search(replace(asked, depth=max(1, asked.depth - 1)), choose)


class Stubborn(ShelfStore):
    """Leaves superseded memories in its answers."""

    def search(self, asked, choose):
        return super().search(replace(asked, where=replace(asked.where, include_superseded=True)), choose)


class Careless(ShelfStore):
    """Ignores the filter by tags."""

    def search(self, asked, choose):
        return super().search(replace(asked, where=replace(asked.where, tags=())), choose)


class Repeating(ShelfStore):
    """Gives an id a second time."""

    def forget(self, ids):
        gone = super().forget(ids)
        self.shelf.last_id = max(self.shelf.memories, default=0)
        return gone


class Mixed(ShelfStore):
    """Reads the texts of a search from another state than the one that it searched."""

    def search(self, asked, choose):
        chosen = []
        found = super().search(asked, lambda legs: chosen.append(legs) or ())
        return Found(found.legs, self.get(choose(chosen[0])))


class Stale(ShelfStore):
    """Keeps the vectors of the text before a change."""

    def change(self, memory_id, change, embedding):
        before = {model: dict(vectors) for model, vectors in self.shelf.vectors.items()}
        changed = super().change(memory_id, change, embedding)
        for model, vectors in before.items():
            if memory_id in vectors:
                self.shelf.vectors[model][memory_id] = vectors[memory_id]
        return changed


class Halfway(ShelfStore):
    """Keeps a part of what it refuses."""

    def _atomically(self, call):
        with self.lock:
            self.shelf.seq += 1
            return call()


class Amnesiac(ShelfStore):
    """Does not know a call that is repeated."""

    def add(self, drafts, embeddings, retry=None):
        return super().add(drafts, embeddings)


class Leaking(ShelfStore):
    """Shows a project's memories in another."""

    def search(self, asked, choose):
        return super().search(replace(asked, where=replace(asked.where, projects=None)), choose)


class Approximate(ShelfStore):
    """Misses every tenth of the nearest."""

    def _matches(self, asked, there, **how):
        chance = random.Random(7)
        return super()._matches(asked, [key for key in there if chance.random() > 0.1], **how)


class Comparing(ShelfStore):
    """Compares the vectors of one model with those of another."""

    def _matches(self, asked, there, **how):
        return super()._matches(replace(asked, model=store_checks.MODEL), there, **how)


class Mingling(ShelfStore):
    """Takes a cue for what a memory says."""

    def _matches(self, asked, there, *, by_angle=False):
        return super()._matches(asked, there)


class OneMetric(ShelfStore):
    """Compares the vectors of every model by the cosine."""

    def _matches(self, asked, there, **how):
        found = super()._matches(asked, there, **how)
        found = [one._replace(similarity=one.cosine) for one in found]
        return sorted(found, key=lambda one: (-one.similarity, one.memory_id))


class Silent(ShelfStore):
    """Tells nobody what was removed."""

    def changes(self, after=None, limit=1000):
        told = super().changes(after, limit)
        return Feed(told.position, told.stored, [], told.anew, told.more)


class Nameless(ShelfStore):
    """Gives all memories the same identity."""

    def _put(self, memory, embedding):
        super()._put(replace(memory, uid="01900000-0000-7000-8000-000000000001"), embedding)


class Renaming(ShelfStore):
    """Gives memories another identity after a restart."""

    def open(self):
        super().open()
        for key, memory in self.shelf.memories.items():
            self.shelf.memories[key] = replace(memory, uid=new_uid())


class Deaf(ShelfStore):
    """Does not tell of what was changed."""

    def change(self, memory_id, change, embedding):
        before = self.shelf.written.get(memory_id)
        changed = super().change(memory_id, change, embedding)
        self.shelf.written[memory_id] = before
        return changed


class Restarting(ShelfStore):
    """Takes no position that it gave before it was started again."""

    def changes(self, after=None, limit=1000):
        place, _, run = (after or "").partition("#")
        known = None if after is None else place if run == str(id(self)) else "gone@0"
        told = super().changes(known, limit)
        return replace(told, position=f"{told.position}#{id(self)}")


class Uncounted(ShelfStore):
    """Does not count a change of tags."""

    def change(self, memory_id, change, embedding):
        (before,) = self.get([memory_id])
        changed = super().change(memory_id, change, embedding)
        if change.tags is not None:
            self.shelf.memories[memory_id] = replace(changed, revision=before.revision)
        return changed


class Rising(ShelfStore):
    """Takes what was forgotten here over from elsewhere, however early a state it is."""

    def merge(self, arrivals, embeddings=(), *, dry_run=False):
        late = [
            replace(one, revision=9) if one.draft is not None and one.revision else one for one in arrivals
        ]
        return super().merge(late, embeddings, dry_run=dry_run)


class Loose(ShelfStore):
    """Forgets what replaces what where the older one arrives later."""

    def _take(self, arrival, here, embedding):
        known = arrival.supersedes in self.known([arrival.supersedes or ""])
        super()._take(arrival if known else replace(arrival, supersedes=None), here, embedding)


class Dirty(ShelfStore):
    """Lets readers see what is not committed yet."""

    def add(self, drafts, embeddings, retry=None):
        return [
            super(Dirty, self).add([one], [part], retry)[0]
            for one, part in zip(drafts, embeddings, strict=True)
        ]


FAULTS = [
    OneMetric, Mingling, Forgetful, OneShort, Stubborn, Careless, Repeating, Mixed, Stale, Halfway, Amnesiac, Leaking,
    Approximate, Comparing, Silent, Dirty, Uncounted, Rising, Loose, Nameless, Renaming, Deaf, Restarting,
]  # fmt: skip


def failures(kind):
    """The checks that a store does not pass, up to the first."""
    for name, check in CHECKS.items():
        place = f"{kind.__name__} {name}"
        home = Home(lambda place=place: kind(place))
        try:
            check(home)
        except (AssertionError, Exception) as error:  # noqa: BLE001  (a faulty store fails in its own way)
            return [name, repr(error)[:200]]
        finally:
            home.close()
            SHELVES.pop(place, None)
    return []


def test_the_checks_find_nothing_wrong_with_a_store_that_keeps_its_promises():
    assert failures(ShelfStore) == []


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_the_checks_find_what_is_wrong(kind):
    assert failures(kind) != [], f"nothing was found: {kind.__doc__}"


@pytest.mark.parametrize(
    ("chosen", "passed"),
    [
        (f"not shelf or {FIRST}", len(CHECKS) + 1),
        pytest.param("shelf", len(CHECKS), marks=pytest.mark.long),
    ],
    ids=["the embedded one", "the stranger's"],
)
def test_the_embedded_store_and_one_of_a_strangers_package_pass(tmp_path, chosen, passed):
    """(The stranger's passes in this process as well; here it is found by its name once.)"""
    (tmp_path / "shelf_store.py").write_text(Path(shelf_store.__file__).read_text(encoding="utf-8"))
    described = tmp_path / "shelf_store-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf_store\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[faiss_memory]\nshelf = shelf_store\n")
    ended = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "-rfE",
            "--faiss-memory-store=shelf", "--faiss-memory-store=embedded", "-k", chosen,
        ],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"\n{passed} passed" in ended.stdout


# What is brought is looked at when it is brought.


class Bringing:
    def __init__(self, make):
        self._make = make

    @hookimpl
    def open_store(self, settings):
        return self._make()


class Unfinished(ShelfStore):
    search = Store.search


class Stranger:
    def add(self):
        """Looks like a store, a little."""


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Unfinished("x"), r"plugin `theirs` failed in open_store: TypeError: .*Unfinished.*search"),
        (
            Stranger,
            r"plugin `theirs` gives in open_store, a `Stranger`, is no Store: it lacks allowed, busy, ",
        ),
    ],
)
def test_a_store_that_lacks_a_method_stops_the_start_and_is_named(make, told, tmp_path):
    settings = load(None, {"data_dir": str(tmp_path)}, {}).settings
    with pytest.raises(PluginError, match=told):
        build_service(settings, lambda _: None, [("theirs", Bringing(make))])


def test_all_that_the_contracts_speak_of_is_at_the_front_door():
    known, missing = set(dir(faiss_memory)), set()
    for contract in (faiss_memory.Store, faiss_memory.Backups, faiss_memory.Service, faiss_memory.Embedder):
        for _, member in inspect.getmembers(contract):
            call = member.fget if isinstance(member, property) else member
            for told in getattr(call, "__annotations__", {}).values():
                missing |= set(re.findall(r"\b[A-Z]\w+", told)) - known
    assert (
        missing
        - {
            "AbstractContextManager",
            "Any",
            "BinaryIO",
            "Callable",
            "Collection",
            "Iterator",
            "Literal",
            "Mapping",
            "None",
            "Path",
            "Sequence",
        }
        == set()
    )


def test_a_store_without_backups_says_so(make_service, client_of, tmp_path):
    client = client_of(make_service(Bringing(lambda: ShelfStore(str(tmp_path)))))
    client.post("/memory/add", {"text": "kept elsewhere"})
    assert client.post("/search", {"query": "kept elsewhere"}).json["results"][0]["text"] == "kept elsewhere"
    for answer in (client.get("/backups"), client.post("/backup", {})):
        assert (answer.status_code, "keeps no backups of its own" in answer.json["description"]) == (
            501,
            True,
        )
    assert client.get("/stats").json["backup_count"] == 0
