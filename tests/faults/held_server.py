"""`python -m tests.faults.held_server PHASE SECONDS_TO_STOP KEY=VALUE …`: a service that stays in one phase for ever.

It writes `held in PHASE` when it has got there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Event
from typing import Any

from faiss_memory import serve
from faiss_memory.embedder import opening, processes
from faiss_memory.engine.models import Models
from faiss_memory.http import server
from faiss_memory.plugin_host import section_types
from faiss_memory.service.memories import MemoryService
from faiss_memory.settings import load, prepare_process
from faiss_memory.store import embedded, opening as store_opening
from faiss_memory.store.backup import restore
from faiss_memory.store.backup.snapshots import Chain
from faiss_memory.store.backup.timeline import History
from faiss_memory.store.purge import purge
from faiss_memory.store.records import database
from faiss_memory.store.swapping import Swapping
from faiss_memory_plugins.ingest.build import Build
from tests.fakes import FakeEmbedder, FakeModel

COMPILING = """
import os, sys, time
from faiss_memory.embedder.processes import end_with_parent
end_with_parent()
print("held in compile, process", os.getpid(), file=open(sys.argv[1], "a"), flush=True)
time.sleep(3600)
"""


def hold(phase: str) -> Callable[..., Any]:
    def held(*_: Any, **__: Any) -> Any:
        print(f"held in {phase}", file=sys.stderr, flush=True)
        Event().wait()

    return held


def _compile(log: str) -> None:
    def command(*_: Any) -> list[str]:
        return [sys.executable, "-c", COMPILING, log]

    processes.child_command = command
    opening._check_installed = lambda _: None


PLACES: dict[str, list[tuple[Any, str]]] = {
    "start": [(store_opening, "open_truth")],
    "migration": [(database, "configure")],
    "load": [(FakeModel, "open_embedder")],
    "settling": [(Models, "_settle_for")],
    "backlog": [(Models, "_fill")],
    "long batch": [(FakeEmbedder, "embed_documents")],
    "build": [(Build, "_plans")],
    "restore": [(restore, "build")],
    "restore, put in place": [(Swapping, "_swap")],
    "purge": [(purge, "rewrite_store")],
    "purge, put in place": [(purge.Purging, "_renew")],
    "roll": [(Chain, "roll")],
    "save": [(embedded.EmbeddedStore, "_save")],
    "commit": [(History, "log")],
    "publish": [(History, "publish")],
    "telling the plugins": [(MemoryService, "announce_stop")],
}

if __name__ == "__main__":
    phase, seconds, *pairs = sys.argv[1:]
    settings = dict(pair.split("=", 1) for pair in pairs)
    serve.SECONDS_TO_STOP = float(seconds)
    server.DRAIN_SECONDS = 2 * float(seconds) / 3
    prepare_process()
    if phase == "compile":
        _compile(settings.pop("log"))
    for owner, name in PLACES.get(phase, ()):
        setattr(owner, name, hold(phase))
    if phase == "load":
        FakeModel.open_embedder.faiss_memory_impl = {  # type: ignore[attr-defined]
            "wrapper": False, "hookwrapper": False, "optionalhook": False, "tryfirst": False, "trylast": False,
            "specname": None,
        }  # fmt: skip
    if phase == "roll":
        History.wants_roll = lambda _: True  # type: ignore[method-assign]
    plugins = [] if phase == "compile" else [("fake", FakeModel())]
    sys.exit(serve.serve(load(None, settings, None, section_types).settings, plugins))
