"""What HTTP offers a guest: a call of the interface, an application of its own, and answers that are not JSON."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from wsgiref.types import WSGIApplication


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that is not JSON."""

    content: bytes
    content_type: str


class Pieces(Protocol):
    """Bytes that are read while they are sent; closed when they were, or cannot be any more."""

    def __iter__(self) -> Iterator[bytes]:
        """Return the pieces, one by one."""

    def close(self) -> None:
        """Give back what is held for them."""


@dataclass(frozen=True, slots=True)
class Download:
    """An answer too large to be held at once, for keeping under a name; `size` in bytes, None if it is not known."""

    pieces: Pieces
    size: int | None
    content_type: str
    file_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call of the HTTP interface: validated, documented and let in by the host alone.

    `handler` is called with the parameters (path and query) if `params` is given, then the body if `body` is,
    each as the named struct; it answers with a struct, a Page, a Download, or a (status, struct) pair.
    With `upload` the body is given as a file that is open for reading. Where `public` or `open` is set, whoever asks
    may not be the person: then it also gets `rights=`, the `Rights` to be handed to the service's methods. A handler of
    the host's own that is about HTTP itself has arguments `http_request` and `http_response`, and gets falcon's.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    summary: str
    handler: Callable[..., Any]
    params: type[Any] | None = None
    body: type[Any] | None = None
    upload: str = ""
    """The media type of a body that may be larger than memory, up to the setting `limits.archive_bytes`."""
    answer: type[Any] | None = None
    """The struct of the answer, or `list[…]` of one; None for a Page or a Download."""
    status: int = 200
    other_statuses: Mapping[int, type[Any]] = field(default_factory=dict)
    """Further successful statuses, with their structs."""
    other_content: tuple[str, ...] = ()
    """Further content types that it can answer with, as a Page."""
    group: str = ""
    """The heading that it is described under, such as `Finding`."""
    public: bool = False
    """Whether the call exists on the public address too."""
    open: bool = False
    """Whether it needs no token; for answers without private detail only."""
    static: bool = False
    """Whether it is a page that holds nothing of the person's: then it needs no token, and links on other web pages may
    lead to it."""

    @property
    def wanted(self) -> set[str]:
        """What the handler is given beside the messages: what it asks for, and who asks where that may be anybody."""
        asked = _parameters(self.handler) & {"rights", "http_request", "http_response"}
        return asked | ({"rights"} if self.public or self.open else set())

    @property
    def for_members(self) -> bool:
        """Whether members of a team may make the call: it goes by the rights of who asks, or holds nothing private."""
        return "rights" in self.wanted or self.static


def _parameters(handler: Callable[..., object]) -> set[str]:
    """Name what a handler takes. A function's code says so in a hundredth of the time that its signature takes."""
    code = getattr(handler, "__code__", None)
    if code is None or hasattr(handler, "__wrapped__"):
        return set(inspect.signature(handler).parameters)
    return set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A WSGI application of a guest's own at one path, for what a Route cannot speak: another protocol, files.

    Who is let in, how large a body may be, the log and the draining are the host's, as for a Route. Besides what WSGI
    says, the environ has the whole body in `wsgi.input`, and in `faiss_memory.rights` the `Rights` of who asks, to be
    handed to the service's methods. The answer is collected before it is sent, so it has to end. InvalidRequest and the
    other errors of the service are answered as everywhere. A browser keeps no answer that does not say by
    `Cache-Control` that it may be kept.

    One at `/` takes the place of the host's own page.
    """

    path: str
    app: WSGIApplication
    methods: tuple[Literal["GET", "POST", "PATCH", "DELETE"], ...] = ("POST",)
    public: bool = False
    """Whether it exists on the public address too."""
    below: bool = False
    """Whether everything below `path` is its as well; `PATH_INFO` then has the rest, such as `/app.js`. Calls that have
    a path of their own there stay what they are."""
    open: bool = False
    """Whether it needs no token; for answers without private detail only."""
    static: bool = False
    """Whether it holds nothing of the person's, such as files that came with the program: then it needs no token, and
    links on other web pages may lead to it."""
    takes_json: bool = False
    """Whether a body must be JSON, and say so; anything else is refused before the application sees it."""
