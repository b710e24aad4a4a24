"""Who asks, and which project is meant where a call names none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from msgspec import DecodeError, Struct, field
from msgspec.json import decode

from faiss_memory import (
    DEFAULT_PROJECT,
    AddRequest,
    InvalidRequest,
    Message,
    ProjectName,
    Rights,
    SearchRequest,
    Service,
    convert,
    cut_before_secret,
)

M = TypeVar("M")

_MOST_OF_A_NAME = 64

TEXT_ALONE = ("claude-code", "codex-mcp-client", "copilot-cli")
"""Clients, as they call themselves, that would hand the structure of an answer to their model, or both of its forms."""


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
        return self.rights.is_outside

    @property
    def reads_structure(self) -> bool:
        """Whether an answer comes as a structure too: some hand that to their model, others both at twice the cost."""
        return not self.rights.by.startswith(tuple(f"mcp:{name}" for name in TEXT_ALONE))

    @property
    def rights_by_id(self) -> Rights:
        """What it may reach by an id, which names no project: its own project and the shared one alone."""
        return self.rights.within(self.readable())

    def with_projects(self, request: M) -> M:
        """Fill in the client's own projects where a request names none."""
        if isinstance(request, SearchRequest) and request.project is None:
            request.project = self.readable()
        elif isinstance(request, AddRequest) and request.project is None:
            request.project = self.project
        return request

    def readable(self) -> list[str] | None:
        """Return which projects are read: the client's own and the shared one. None if it has none of its own."""
        if self.project in (None, DEFAULT_PROJECT):
            return None if self.project is None else [DEFAULT_PROJECT]
        shared = [DEFAULT_PROJECT] if self.rights.may_read(DEFAULT_PROJECT) else []
        return [str(self.project), *shared]


class _ClientInfo(Struct):
    name: str


class _Meta(Struct):
    client: _ClientInfo | None = field(default=None, name="io.modelcontextprotocol/clientInfo")


class _Params(Struct):
    meta: _Meta | None = field(default=None, name="_meta")


class _Message(Struct):
    params: _Params | None = None


def client_of(environ: Mapping[str, Any], body: bytes) -> str:
    """Return the name of the client that has sent a message: as the message says it, or else the User-Agent.

    It is noted with what the client stores, and decides nothing.
    """
    name = environ.get("HTTP_USER_AGENT", "").partition("/")[0]
    with suppress(DecodeError, UnicodeDecodeError, RecursionError):
        message = decode(body, type=_Message)
        if message.params and message.params.meta and message.params.meta.client:
            name = message.params.meta.client.name
    return cut_before_secret(re.sub(r"[^\w.+ -]", "", name), _MOST_OF_A_NAME).strip()


def caller_of(environ: Mapping[str, Any], body: bytes, service: Service) -> Caller:
    """Read who asks. Raises InvalidRequest for an address that carries anything but one project."""
    pairs = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    given = dict(pairs)
    if len(given) < len(pairs):
        raise InvalidRequest("the address of /mcp names `project` twice; give it once", "project")
    rights: Rights = environ["faiss_memory.rights"]
    place = convert(given, Place, partial(service.project_named, rights=rights))
    client = client_of(environ, body)
    return Caller(replace(rights, by=f"mcp:{client}" if client else "mcp"), place.project)
