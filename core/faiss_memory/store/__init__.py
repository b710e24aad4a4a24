"""The embedded store: SQLite is the truth, everything else in the data folder is derived from it."""

from faiss_memory.store.embedded import EmbeddedStore

__all__ = ["EmbeddedStore"]
