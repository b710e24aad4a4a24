"""`python -m tests.fake_server KEY=VALUE …`: the real service on the stand-in embedder."""

import sys

from faiss_memory.serve import serve
from faiss_memory.settings import load, prepare_process
from tests.fakes import FakeModel

if __name__ == "__main__":
    prepare_process()
    sys.exit(
        serve(load(None, dict(pair.split("=", 1) for pair in sys.argv[1:])).settings, [("fake", FakeModel())])
    )
