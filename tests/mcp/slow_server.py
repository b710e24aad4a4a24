"""`python -m tests.mcp.slow_server KEY=VALUE …`: a service where an add ends when the service is about to stop."""

import sys
import threading

from faiss_memory import hookimpl
from faiss_memory.serve import serve
from faiss_memory.settings import load, prepare_process
from tests.fakes import FakeModel


class Slow:
    """Holds adds up until the service is about to stop."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    @hookimpl
    def before_add(self) -> None:
        print("an add has begun", file=sys.stderr, flush=True)
        self._stopping.wait(60)

    @hookimpl
    def service_stopping(self) -> None:
        self._stopping.set()


if __name__ == "__main__":
    prepare_process()
    given = dict(pair.split("=", 1) for pair in sys.argv[1:])
    sys.exit(serve(load(None, given).settings, [("fake", FakeModel()), ("slow", Slow())]))
