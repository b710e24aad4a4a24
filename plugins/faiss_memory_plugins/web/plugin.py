"""The plugin: the page at `/`, and its files below `/ui`."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory import Mount, hookimpl
from faiss_memory_plugins.web.serving import Files


@hookimpl
def register_mounts() -> Sequence[Mount]:
    """Hand in the page, and what it is made of. Both are the same whoever asks."""
    files = Files()
    return (
        Mount(path="/", app=files, methods=("GET",), static=True),
        Mount(path="/ui", app=files, methods=("GET",), below=True, static=True),
    )
