"""A store with many projects is closed at once: what is derived need not be saved."""

from __future__ import annotations

from faiss_memory.memory import Draft, Filter
from faiss_memory.store.index.vector_files import VectorFiles
from tests.store.asking import nearest
from tests.store.oracle import add, embed_query, settled, until

PROJECTS = 40


def filled(home, monkeypatch):
    """Open a store with many projects, of which no index is saved yet; gives it and what is saved from now on."""
    saved, save = [], VectorFiles.save

    def noted(files, project, *more):
        saved.append(project)
        save(files, project, *more)

    monkeypatch.setattr(VectorFiles, "save", lambda *_: None)
    store = home.open()
    add(store, *(Draft(text=f"words of {number}", project=f"p{number}") for number in range(PROJECTS)))
    monkeypatch.setattr(VectorFiles, "save", noted)
    return store, saved


def all_found(store):
    settled(store)
    return all(
        nearest(store, embed_query(f"words of {number}"), Filter(projects=(f"p{number}",)), 1)
        for number in range(PROJECTS)
    )


def test_what_is_not_saved_in_time_is_read_from_the_records(home, monkeypatch):
    _, saved = filled(home, monkeypatch)
    monkeypatch.setattr("faiss_memory.store.index.follower.SECONDS_TO_SAVE", -1)
    saved.clear()
    home.close()
    assert saved == []
    assert all_found(home.open())


def test_a_stop_does_not_wait_until_the_keeper_has_saved_them_all(home, monkeypatch):
    store, saved = filled(home, monkeypatch)
    monkeypatch.setattr("faiss_memory.store.index.follower.SECONDS_TO_SAVE", -1)
    began = len(saved)

    def closing_after_one(files, project, *more):
        saved.append(project)
        store._opened.keeper.closing = True

    monkeypatch.setattr(VectorFiles, "save", closing_after_one)
    add(store, Draft(text="another", project="another"))
    until(lambda: len(saved) > began, "the keeper is at it")
    home.close()
    assert len(saved) - began <= 2


def test_with_time_everything_is_saved(home, monkeypatch):
    _, saved = filled(home, monkeypatch)
    home.close()
    assert len(set(saved)) == PROJECTS
