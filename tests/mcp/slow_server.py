"""`python -m tests.mcp.slow_server KEY=VALUE …`: the service on the stand-in embedder, where adding takes its time."""

import sys
import time

from faiss_memory import hookimpl
from faiss_memory.serve import serve
from faiss_memory.settings import load, prepare_process
from tests.fakes import FakeModel


class Slow:
    """Adds take two seconds."""

    @hookimpl
    def before_add(self) -> None:
        print("an add has begun", file=sys.stderr, flush=True)
        time.sleep(2)


if __name__ == "__main__":
    prepare_process()
    given = dict(pair.split("=", 1) for pair in sys.argv[1:])
    sys.exit(serve(load(None, given).settings, [("fake", FakeModel()), ("slow", Slow())]))
