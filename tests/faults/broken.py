"""Stores that break a promise on purpose: each test of a fault must notice them."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

from faiss_memory.store import EmbeddedStore


def _loses_what_was_added(store: Any) -> None:
    add = store.add

    def lose(drafts: Any, embeddings: Any, retry: Any = None) -> Any:
        added = add(drafts, embeddings, retry)
        if added[-1].id % 5 == 0:
            store.forget([added[-1].id])
        return added

    store.add = lose


def _forgets_nothing(store: Any) -> None:
    store.forget = lambda ids: [memory.id for memory in store.get(ids)]


def _keeps_the_old_text(store: Any) -> None:
    store.change = lambda memory_id, change, embedding: store.get([memory_id])[0]


def _stores_half_a_batch(store: Any) -> None:
    add = store.add

    def halve(drafts: Any, embeddings: Any, retry: Any = None) -> Any:
        if len(drafts) == 1:
            return add(drafts, embeddings, retry)
        add(drafts[:2], embeddings[:2], retry)
        os.kill(os.getpid(), signal.SIGKILL)

    store.add = halve


def _purges_answers_alone(store: Any) -> None:
    store.purge = store.forget


SPOILT: dict[str, Callable[[Any], None]] = {
    "loses what was added": _loses_what_was_added,
    "forgets nothing": _forgets_nothing,
    "keeps the old text": _keeps_the_old_text,
    "stores half a batch": _stores_half_a_batch,
    "purges answers alone": _purges_answers_alone,
}


def _syncs_nothing() -> None:
    """synchronous=OFF, and a Python that never syncs."""
    os.fsync = os.fdatasync = lambda _: None
    connect = sqlite3.connect

    class Careless(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> Any:  # type: ignore[override]
            return super().execute(sql.replace("synchronous=FULL", "synchronous=OFF"), *values)

    sqlite3.connect = lambda *arguments, **options: connect(*arguments, **{"factory": Careless} | options)  # type: ignore[assignment]


def _checks_nothing() -> None:
    """No checksum of a row says anything."""
    for name in [name for name in sys.modules if name.startswith("faiss_memory.store.")]:
        if hasattr(sys.modules[name], "checksum"):
            sys.modules[name].checksum = lambda *_: 0  # type: ignore[attr-defined]


PREPARED: dict[str, Callable[[], None]] = {"syncs nothing": _syncs_nothing, "checks nothing": _checks_nothing}


def prepare(name: str | None) -> None:
    """Break what is broken before a store is made."""
    if name in PREPARED:
        PREPARED[name]()


def spoilt(store: EmbeddedStore, name: str | None) -> EmbeddedStore:
    """Break a store that is open."""
    if name in SPOILT:
        SPOILT[name](store)
    return store
