"""Memories as resources, where a client shows them: the caller's project first, then the shared one; newest first."""

from __future__ import annotations

import re
from collections.abc import Sequence

from faiss_memory import (
    DEFAULT_PROJECT,
    InvalidRequest,
    ListRequest,
    MemoryAnswer,
    MemoryNotFound,
    Service,
    convert,
)
from faiss_memory_plugins.mcp.caller import Caller

TEMPLATE = "faiss-memory://memory/{id}"
PAGE = 50


def uri_of(memory_id: int) -> str:
    """Write a memory's address."""
    return TEMPLATE.format(id=memory_id)


class Resources:
    """The memories that one caller can list and read: none on the public address, which has `search` and `fetch`."""

    def __init__(self, service: Service, caller: Caller) -> None:
        self._service = service
        self._caller = caller

    def page(self, cursor: str | None) -> tuple[Sequence[MemoryAnswer], str | None]:
        """List some, and say where the next page begins. Raises InvalidRequest for a cursor that is not ours."""
        if self._caller.public:
            return [], None
        projects = self._caller.readable() or [DEFAULT_PROJECT]
        project, _, within = (cursor or projects[0]).partition(" ")
        if project not in projects:
            raise InvalidRequest("the cursor is not one of ours; give the `nextCursor` of the page before")
        given = {"project": project, "limit": str(PAGE)} | ({"cursor": within} if within else {})
        answer = self._service.list_memories(convert(given, ListRequest), self._caller.rights)
        if answer.next_cursor:
            return answer.memories, f"{project} {answer.next_cursor}"
        later = projects[projects.index(project) + 1 :]
        return answer.memories, later[0] if later else None

    def read(self, uri: str) -> MemoryAnswer:
        """Read one. Raises MemoryNotFound."""
        found = re.fullmatch(re.escape(TEMPLATE).replace(r"\{id\}", "([0-9]{1,18})"), uri)
        if found is None or self._caller.public:
            raise MemoryNotFound(f"there is no resource {uri}; a memory's is {uri_of(12)}, with its own id")
        return self._service.get(int(found[1]), self._caller.rights_by_id)
