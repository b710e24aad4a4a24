"""The plugin: the page at `/`, and its files below `/ui`."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory import Mount, hookimpl
from faiss_memory_plugins.web.serving import Files


@hookimpl
def register_mounts() -> Sequence[Mount]:
    """Hand in a mount for each file."""
    files = Files()
    return [Mount(path=path, app=files, methods=("GET",)) for path in files.paths()]
