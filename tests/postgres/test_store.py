"""The store on PostgreSQL keeps every promise of stores, on a real server."""

from __future__ import annotations

import inspect

import pytest

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
