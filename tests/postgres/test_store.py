"""The store on PostgreSQL keeps every promise of stores, on a real server."""

from __future__ import annotations

import inspect

import pytest

from faiss_memory import Draft, Filter, Glob
from faiss_memory_conformance import store_checks
from faiss_memory_conformance.store_home import Home

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
