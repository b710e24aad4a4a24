"""What can be set: `plugins.mcp` in the configuration file."""

from __future__ import annotations

from msgspec import Struct

from faiss_memory import Positive


class McpSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model is answered by MCP."""

    answer_tokens: Positive = 2000
