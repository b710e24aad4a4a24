"""The page's files over HTTP: each with its type, its ETag and what the browser may do with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from wsgiref.types import StartResponse, WSGIEnvironment

from faiss_memory_plugins.web.joining import joined

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".map": "application/json",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent."""

    content: bytes
    content_type: str
    tag: str


class Files:
    """A WSGI application: `/` is the page, `/ui/NAME` a file that it is made of. They are read at the first request.

    The page asks for the joined ones; the files that those were made of are what their source maps name.
    """

    @cached_property
    def _files(self) -> dict[str, File]:
        lying = {
            path.relative_to(STATIC).as_posix(): path.read_bytes()
            for path in sorted(STATIC.rglob("*"))
            if path.suffix in TYPES
        }
        return {
            "/" if name == "index.html" else f"/ui/{name}": _file(name, content)
            for name, content in {**lying, **joined(STATIC)}.items()
        }

    def paths(self) -> list[str]:
        """Return where there is something."""
        return list(self._files)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer 200, 304 if the browser has it already, or 404."""
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        file = self._files.get(path or "/")
        if file is None:
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"There is no such file.\n"]
        # `no-cache` means: keep it, and ask each time whether it is still the same. So no update is missed.
        headers = [
            ("ETag", file.tag),
            ("Cache-Control", "no-cache"),
            ("Content-Security-Policy", POLICY),
            ("Referrer-Policy", "no-referrer"),
        ]
        known = [tag.strip().removeprefix("W/") for tag in environ.get("HTTP_IF_NONE_MATCH", "").split(",")]
        if file.tag in known or "*" in known:
            start_response("304 Not Modified", headers)
            return []
        start_response("200 OK", [*headers, ("Content-Type", file.content_type)])
        return [file.content]


def _file(name: str, content: bytes) -> File:
    return File(content, TYPES[PurePath(name).suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')
