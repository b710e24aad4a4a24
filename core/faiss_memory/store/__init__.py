"""The embedded store: SQLite is the truth, everything else in the data folder is derived from it.

It is loaded when it is first used: whoever needs another file of this package, such as a command or a plugin, does not
load FAISS with it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faiss_memory.store.embedded import EmbeddedStore

__all__ = ["EmbeddedStore"]


def __getattr__(name: str) -> Any:
    if name != "EmbeddedStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from faiss_memory.store.embedded import EmbeddedStore  # noqa: PLC0415

    return EmbeddedStore
