"""The store on PostgreSQL keeps every promise of stores, on a real server."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from faiss_memory import Change, Draft, Filter, Glob
from faiss_memory_conformance import store_checks
from faiss_memory_conformance.store_home import Home
from tests.store.asking import legs

CHECKS = {
    name: check
    for name, check in vars(store_checks).items()
    if name.startswith("test_") and inspect.signature(check).parameters.keys() == {"home"}
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_a_promise_of_stores_is_kept(check, make_store):
    home = Home(make_store)
    try:
        check(home)
    finally:
        home.close()


@pytest.mark.parametrize("kind", ["forgotten", "changed"])
def test_two_services_write_to_parts_of_one_file_that_have_a_neighbour_in_common(make_store, kind):
    one, other = make_store(), make_store()
    one.open()
    other.open()
    drafts = [Draft(text=f"part {number} of it", source=f"notes.md#{number}") for number in range(5)]
    keys = [added.id for added in one.add(drafts, [None] * 5)]
    write = {
        "forgotten": lambda: other.forget([keys[3]]),
        "changed": lambda: other.change(keys[3], Change(text="part that is another"), None),
    }[kind]
    with ThreadPoolExecutor(1) as pool:

        def forget(run):
            one._writer.forget(run, [keys[1]])
            later = pool.submit(write)
            wait([later], 0.2)  # (it waits for this transaction)
            return later

        one._database.write(forget).result()
    found = dict(legs(one, text="part", where=Filter(projects=None), depth=9).words)
    assert found.keys() == {keys[0], keys[2], keys[4]} | ({keys[3]} if kind == "changed" else set())


SOURCES = ["a%b", "aXb", "a_b", "a\\b", "a\nb", "ab", "[a]b", "é/ä.md", "a*b", "100%"]


@pytest.mark.parametrize(
    "glob", ["a%b", "a_b", "a\\b", "a?b", "*b", "a[%_]b", "[[]a]b", "?/*.md", "a*b", "*%", "[!a]*", "["]
)
def test_a_glob_means_the_same_to_the_database(make_store, glob):
    store = make_store()
    store.open()
    added = store.add([Draft(text="x", source=source) for source in SOURCES], [None] * len(SOURCES))
    fitting = [
        one.id
        for one, source in zip(added, SOURCES, strict=True)
        if source == glob or Glob(glob).fits(source)
    ]
    assert store.matching_ids(Filter(source=glob)) == fitting
