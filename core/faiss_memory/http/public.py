"""What a client on the public address means when it names no project, and which projects it may read.

Such a client has no folder that could say which project it works on: `read_projects` and `write_project` do.
"""

from __future__ import annotations

from typing import Any

from faiss_memory import schema
from faiss_memory.errors import NotAllowed
from faiss_memory.settings import Settings


def as_public(message: Any, settings: Settings) -> Any:
    """Fill in the projects of a message that came by the public address.

    Raises NotAllowed when it asks for a project outside `read_projects`.
    """
    if isinstance(message, schema.AddRequest):
        message.project = message.project or settings.write_project
    elif isinstance(message, (schema.SearchRequest, schema.NovelRequest, schema.ScopeRequest)):
        message.project = _readable(message.project, settings.read_projects)
    return message


def check_public_read(project: str, settings: Settings) -> None:
    """Let nobody on the public address read a memory of a project outside `read_projects`. Raises NotAllowed."""
    _readable(project, settings.read_projects)


def _readable(asked: str | list[str] | None, allowed: tuple[str, ...]) -> Any:
    if asked is None:
        return "*" if "*" in allowed else allowed[0] if len(allowed) == 1 else list(allowed)
    names = [asked] if isinstance(asked, str) else asked
    if "*" not in allowed and not set(names) <= set(allowed):
        raise NotAllowed(f"by this address only these projects can be read: {', '.join(allowed)}", "project")
    return asked
