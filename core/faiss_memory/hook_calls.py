"""The call that an assistant's hooks make, the same for every assistant."""

from __future__ import annotations

from msgspec import Struct

from faiss_memory import schema
from faiss_memory.parts import Route
from faiss_memory.service import MemoryService


class HookRequest(schema.Message):
    """Names the project that the assistant's configuration carries."""

    project: schema.ProjectName | None = None


class HookCall(Struct):
    """What an assistant sends when a hook fires: an object of its own making, whose fields vary with its version."""


class HookAnswer(schema.Answer):
    """What the assistant is told; empty when there is nothing to tell."""


def hook_route(service: MemoryService, name: str) -> Route:
    """Give the call that answers the hooks of an assistant, by its adapter's name."""

    def answer(params: HookRequest, call: HookCall) -> HookAnswer:
        return HookAnswer()

    return Route(
        method="POST",
        path=f"/adapters/{name}/hook",
        summary="Answer a hook of the assistant",
        params=HookRequest,
        body=HookCall,
        answer=HookAnswer,
        handler=answer,
    )
