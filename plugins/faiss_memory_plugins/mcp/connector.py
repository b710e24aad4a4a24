"""`search` and `fetch` in the shapes that ChatGPT asks for, on the public address only.

Elsewhere they would be a second search beside the first. A source is cited only if it has a URL, so each has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from faiss_memory import (
    Answer,
    MemoryNotFound,
    Message,
    SearchRequest,
    Service,
    Tool,
    clean_line,
    clean_text,
    title_of,
)
from faiss_memory_plugins.mcp.caller import Caller
from faiss_memory_plugins.mcp.calls import Call

MOST = 10


class FetchRequest(Message):
    """Names one document."""

    id: str


class Hit(Answer):
    """A document that was found."""

    id: str
    title: str
    url: str


class Hits(Answer):
    """What was found, best first."""

    results: list[Hit]


class Document(Answer):
    """A memory in full."""

    id: str
    title: str
    text: str
    url: str
    metadata: dict[str, Any]


SEARCH = Tool(
    name="search",
    title="Search",
    description="Search the person's memories: decisions, conventions, bugs and their fixes, preferences. Gives ids "
    "and titles; read what fits with fetch.",
    message=SearchRequest,
    fields=("query",),
    required=("query",),
    reads_only=True,
    repeatable=True,
)
FETCH = Tool(
    name="fetch",
    title="Read a memory",
    description="Read one memory in full, by an id that search has given.",
    message=FetchRequest,
    fields=("id",),
    required=("id",),
    reads_only=True,
    repeatable=True,
)


def connector_calls(service: Service, caller: Caller) -> Mapping[str, Call]:
    """Return the two calls by name; none to who does not come by the public address."""
    url = service.settings.public_url.rstrip("/")

    def search(request: SearchRequest) -> tuple[str, Answer]:
        request.k = min(MOST, service.settings.limits.k)
        found = service.search(caller.with_projects(request), caller.rights).results
        return _as_json(
            Hits(
                results=[
                    Hit(id=str(one.id), title=title_of(one), url=f"{url}/memory/{one.id}") for one in found
                ]
            )
        )

    def fetch(request: FetchRequest) -> tuple[str, Answer]:
        if not re.fullmatch("[0-9]{1,18}", request.id):
            raise MemoryNotFound(f"there is no memory {request.id}")
        memory = service.get(int(request.id), caller.rights)
        facts = {"source": clean_line(memory.source), "date": memory.timestamp, "project": memory.project}
        return _as_json(
            Document(
                id=request.id,
                title=title_of(memory),
                text=clean_text(memory.text),
                url=f"{url}/memory/{memory.id}",
                metadata=facts,
            )
        )

    if not caller.public:
        return {}
    return {"search": Call(SEARCH, Hits, search), "fetch": Call(FETCH, Document, fetch)}


def _as_json(answer: Answer) -> tuple[str, Answer]:
    """These clients read the text as JSON."""
    return msgspec.json.encode(answer).decode(), answer
