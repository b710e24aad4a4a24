"""The plugin: one mount."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory import Mount, Service, hookimpl
from faiss_memory_plugins.mcp.endpoint import Endpoint
from faiss_memory_plugins.mcp.settings import McpSettings


@hookimpl
def register_settings() -> type[McpSettings]:
    """Hand in `plugins.mcp`."""
    return McpSettings


@hookimpl
def register_mounts(service: Service) -> Sequence[Mount]:
    """Hand in `/mcp`. There is no stream to GET and no session to DELETE: both are answered 405, as MCP has it."""
    return (Mount(path="/mcp", app=Endpoint(service), methods=("POST",), public=True, takes_json=True),)
