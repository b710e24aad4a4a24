"""The list of what can be read."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory import Importer, hookimpl
from faiss_memory_plugins.importers.basic_memory import BasicMemory
from faiss_memory_plugins.importers.chatgpt import ChatGpt, ChatGptConversations
from faiss_memory_plugins.importers.claude_ai import ClaudeAi, ClaudeAiConversations
from faiss_memory_plugins.importers.claude_code import ClaudeCode
from faiss_memory_plugins.importers.claude_mem import ClaudeMem
from faiss_memory_plugins.importers.codex import Codex
from faiss_memory_plugins.importers.copilot import Copilot
from faiss_memory_plugins.importers.engram import Engram
from faiss_memory_plugins.importers.mcp_memory_service import McpMemoryService
from faiss_memory_plugins.importers.mem0 import Mem0
from faiss_memory_plugins.importers.mempalace import MemPalace
from faiss_memory_plugins.importers.notes import Notes
from faiss_memory_plugins.importers.open_memory import OpenMemory
from faiss_memory_plugins.importers.ours import Ours
from faiss_memory_plugins.importers.rules import Rules
from faiss_memory_plugins.importers.server_memory import ServerMemory
from faiss_memory_plugins.importers.table import Table


@hookimpl
def register_importers() -> Sequence[Importer]:
    """Return every importer that comes along; the surest of its kind first, and what fits anything last."""
    return [
        Ours(), ClaudeMem(), McpMemoryService(), Engram(), OpenMemory(), MemPalace(), Mem0(), ServerMemory(), Table(),
        ChatGpt(), ClaudeAi(), ChatGptConversations(), ClaudeAiConversations(),
        ClaudeCode(), Codex(), Copilot(), BasicMemory(), Rules(), Notes(),
    ]  # fmt: skip
