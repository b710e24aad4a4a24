"""Applications of guests, for what a Route cannot speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from wsgiref.types import WSGIApplication


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A WSGI application of a guest's own at one path, for a protocol that a Route cannot speak.

    Who is let in, how large a body may be, the log and the draining are the host's, as for a Route. Besides what WSGI
    says, the environ has the whole body in `wsgi.input`, and in `faiss_memory.rights` the `Rights` of who asks, to be
    handed to the service's methods. The answer is collected before it is sent, so it has to end. InvalidRequest and the
    other errors of the service are answered as everywhere.
    """

    path: str
    app: WSGIApplication
    methods: tuple[Literal["GET", "POST", "PATCH", "DELETE"], ...] = ("POST",)
    public: bool = False
    """Whether it exists on the public address too."""
    takes_json: bool = False
    """Whether a body must be JSON, and say so; anything else is refused before the application sees it."""
