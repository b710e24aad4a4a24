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
    ProjectName,
    Rights,
    SearchRequest,
    convert,
)

M = TypeVar("M")


class Place(Message):
    """What the address may carry: `/mcp?project=NAME`."""

    project: ProjectName | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """One client, as its request shows it: `project` is what its configuration carries."""

    rights: Rights
    project: str | None = None

    @property
    def public(self) -> bool:
        """Whether it has fewer tools, and `search` and `fetch`: it is not on the person's machine."""
        return not self.rights.is_person

    def with_projects(self, request: M) -> M:
        """Fill in the client's own projects where a request names none."""
        if isinstance(request, SearchRequest) and request.project is None:
            request.project = self.readable()
        elif isinstance(request, AddRequest) and request.project is None:
            request.project = self.project
        return request

    def readable(self) -> list[str] | None:
        """Say which projects are read: the client's own and the shared one. None if it has none of its own."""
        if self.project in (None, DEFAULT_PROJECT):
            return None if self.project is None else [DEFAULT_PROJECT]
        shared = [DEFAULT_PROJECT] if self.rights.may_read(DEFAULT_PROJECT) else []
        return [str(self.project), *shared]


def caller_of(environ: Mapping[str, Any]) -> Caller:
    """Read who asks. Raises InvalidRequest for an address that carries anything but one project."""
    pairs = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    given = dict(pairs)
    if len(given) < len(pairs):
        raise InvalidRequest("the address of /mcp names `project` twice; give it once", "project")
    place = convert(given, Place)
    return Caller(environ["faiss_memory.rights"], place.project)
