"""Which calls a person is asked about before they are done, and in which words: those that forget many memories."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import faiss_memory

MANY = 5
"""So many memories in one call are asked about."""


def asked_about(name: object, arguments: object) -> Collection[int]:
    """Return the ids of the memories that a call would forget, if the person is to be asked; else none.

    A call that will be refused is not asked about.
    """
    if name != "memory_forget" or not isinstance(arguments, Mapping):
        return ()
    # (Asked for by its module: tools are loaded when they are first needed.)
    (tool,) = (tool for tool in faiss_memory.TOOLS if tool.name == name)
    try:
        request: Any = tool.read(arguments)
    except faiss_memory.MemoryServiceError:
        return ()
    ids = frozenset(request.ids)
    return ids if len(ids) >= MANY and not request.dry_run else ()


def question(count: int) -> str:
    """Return what the person is asked."""
    return f"Forget {count} memories? An assistant wants to."


def refusal(count: int) -> str:
    """Return what the model is told if the person does not agree."""
    asked = f"The person was asked whether {count} memories are to be forgotten, and did not agree"
    return f"{asked}: nothing was forgotten."


NO_FIELDS: dict[str, Any] = {"type": "object", "properties": {}}
"""The form that the person fills in: agreeing is all."""
