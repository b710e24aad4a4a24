"""Who asks, and which project is meant where a call names none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from faiss_memory import (
    DEFAULT_PROJECT,
    AddRequest,
    InvalidRequest,
    Message,
    NotAllowed,
    ProjectName,
    SearchRequest,
    Settings,
    as_public,
    check_public_read,
    convert,
)

M = TypeVar("M")


class Place(Message):
    """What the address may carry: `/mcp?project=NAME`."""

    project: ProjectName | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """One client, as its request shows it: `project` is what its configuration carries."""

    settings: Settings
    project: str | None = None
    public: bool = False

    def with_projects(self, request: M) -> M:
        """Fill in the projects of a request that names none. Raises NotAllowed on the public address."""
        if isinstance(request, SearchRequest) and request.project is None:
            request.project = self.readable()
        elif isinstance(request, AddRequest) and request.project is None:
            request.project = self.project
        return as_public(request, self.settings) if self.public else request

    def readable(self) -> list[str] | None:
        """Say which projects are read: the client's own and the shared one. None if it has none of its own."""
        if self.project in (None, DEFAULT_PROJECT):
            return None if self.project is None else [DEFAULT_PROJECT]
        return [str(self.project), *([DEFAULT_PROJECT] if self.may_read(DEFAULT_PROJECT) else [])]

    def may_read(self, project: str) -> bool:
        """Say whether a memory of a project may be shown."""
        if self.public:
            try:
                check_public_read(project, self.settings)
            except NotAllowed:
                return False
        return True


def caller_of(environ: Mapping[str, Any], settings: Settings) -> Caller:
    """Read who asks. Raises InvalidRequest for an address that carries anything but one project."""
    pairs = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    given = dict(pairs)
    if len(given) < len(pairs):
        raise InvalidRequest("the address of /mcp names `project` twice; give it once", "project")
    place = convert(given, Place)
    return Caller(settings, place.project, bool(environ.get("faiss_memory.public")))
