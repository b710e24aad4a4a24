"""`python -m tests.fake_server KEY=VALUE …`: the real service on the stand-in embedder, or on one named `words-…`."""

import os
import sys

from faiss_memory.plugin_host import section_types
from faiss_memory.serve import serve
from faiss_memory.settings import load, prepare_process
from tests.fakes import FakeModel, WordsModels

if __name__ == "__main__":
    prepare_process()
    # What the stand-in finds alike says nothing about relevance: that is tried with the real model.
    given = {"min_relevance": "0"} | dict(pair.split("=", 1) for pair in sys.argv[1:])
    settings = load(None, given, None, section_types).settings
    words = WordsModels(os.environ.get("WORDS_HELD", ""))
    sys.exit(serve(settings, [("fake", FakeModel()), ("words", words)]))
