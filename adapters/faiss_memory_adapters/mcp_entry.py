"""What several assistants' entries for the MCP server have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from faiss_memory import InstallContext, endpoint_address


def headers(context: InstallContext, token: str) -> dict[str, Any]:
    """Return the header that carries a token, where the service asks for one."""
    return {"headers": {"Authorization": f"Bearer {token}"}} if context.has_token else {}


def starts_us(context: InstallContext) -> bool:
    """Return whether an entry starts our command, which finds the service wherever it answers, for each of a team.

    The files for those who run only the container name an address: there is no command.
    """
    return bool(context.command)


def arguments(context: InstallContext) -> list[str]:
    """Return what our command is started with; in the user's own files it finds the project by the folder."""
    return ["mcp", *([] if context.scope == "user" else ["--project", context.project])]


def token_steps(context: InstallContext, title: str) -> Sequence[str]:
    """Return that the token must be set where the assistant is started from, if it is not."""
    if not context.has_token or context.token_variable in context.environment:
        return ()
    return (f"Set {context.token_variable} in the environment that {title} is started from.",)


def gemini_server(context: InstallContext) -> dict[str, Any]:
    """Return the MCP server as the settings of Gemini CLI have it, and those of what was made of it."""
    if starts_us(context):
        return {"command": context.command, "args": arguments(context), "timeout": 10_000}
    token = headers(context, f"${{{context.token_variable}}}")
    return {"httpUrl": endpoint_address(context, "/mcp"), "timeout": 10_000, **token}
