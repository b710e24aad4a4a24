"""The list of what can be read."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory import Importer, hookimpl
from faiss_memory_plugins.importers.claude_mem import ClaudeMem
from faiss_memory_plugins.importers.engram import Engram
from faiss_memory_plugins.importers.mcp_memory_service import McpMemoryService
from faiss_memory_plugins.importers.notes import Notes
from faiss_memory_plugins.importers.ours import Ours
from faiss_memory_plugins.importers.server_memory import ServerMemory
from faiss_memory_plugins.importers.table import Table


@hookimpl
def register_importers() -> Sequence[Importer]:
    """Return every importer that comes along; the surest of its kind first."""
    return [Ours(), ClaudeMem(), McpMemoryService(), Engram(), ServerMemory(), Table(), Notes()]
