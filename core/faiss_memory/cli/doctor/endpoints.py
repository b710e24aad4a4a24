"""Trying an MCP entry as a client would."""

from __future__ import annotations

from faiss_memory.cli.doctor.entries import Entry
from faiss_memory.cli.doctor.trial import TestMemory


def try_mcp(entry: Entry, memory: TestMemory, folder: str, token: str) -> None:
    """Search by the tool. Raises NotRecalled."""
