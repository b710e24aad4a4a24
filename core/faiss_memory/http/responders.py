"""From a route or a mount to what falcon calls: bodies are read and checked, and answers written."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import falcon
import msgspec

from faiss_memory import errors, openapi, schema
from faiss_memory.contracts.http import Download, Mount, Page, Route
from faiss_memory.http.access import check_owner, rights_of
from faiss_memory.service.memories import MemoryService


def _guard(response: falcon.Response) -> None:
    """Tell a browser to keep nothing, and to show nothing within another page."""
    response.set_header("Cache-Control", "no-store")
    response.set_header("X-Content-Type-Options", "nosniff")
    response.set_header("X-Frame-Options", "DENY")
    response.set_header("Cross-Origin-Resource-Policy", "same-origin")
    response.set_header("Cross-Origin-Opener-Policy", "same-origin")


def responder(route: Route, service: MemoryService) -> Callable[..., None]:
    """Make what answers a call: it reads the messages, asks the handler, and writes the answer."""
    wanted, for_members, settings = route.wanted, route.for_members, service.settings

    def respond(request: falcon.Request, response: falcon.Response, **in_path: str) -> None:
        messages = []
        rights = rights_of(request)
        if not for_members:
            check_owner(rights)
        names = partial(service.project_named, rights=rights)
        if route.params is not None:
            messages.append(schema.convert({**request.params, **in_path}, route.params, names))
        elif request.params:
            raise errors.InvalidRequest(
                f"`{next(iter(request.params))}` is not a parameter of {route.path}, which takes none",
                next(iter(request.params)),
            )
        if route.body is not None:
            messages.append(_body(request, route.body, settings.limits.body_bytes, names))
        if route.upload:
            messages.append(_upload(request, route.upload, settings.limits.archive_bytes))
        _guard(response)
        given = {"rights": rights, "http_request": request, "http_response": response}
        answer = route.handler(*messages, **{name: given[name] for name in wanted})
        status, answer = answer if isinstance(answer, tuple) else (route.status, answer)
        response.status = falcon.code_to_http_status(status)
        if isinstance(answer, Page):
            response.data, response.content_type = answer.content, answer.content_type
        elif isinstance(answer, Download):
            response.content_type = answer.content_type
            if answer.size is not None:
                response.content_length = answer.size
            response.downloadable_as = answer.file_name
            response.stream = answer.pieces
        else:
            response.data = msgspec.json.encode(answer)

    return respond


def mounted(mount: Mount, limit: int) -> Callable[..., None]:
    """Make what answers at a mount; `limit` is the most bytes of a body."""
    place = mount.path.rstrip("/")
    for_members = mount.public or mount.open or mount.static

    def respond(request: falcon.Request, response: falcon.Response, **_below: str) -> None:
        if not for_members:
            check_owner(rights_of(request))
        body = _read(request, limit)
        if body and mount.takes_json:
            _check_json(request)
        environ = {
            **request.env,
            "SCRIPT_NAME": f"{request.env.get('SCRIPT_NAME', '')}{place}",
            "PATH_INFO": request.env["PATH_INFO"].removeprefix(place),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "faiss_memory.rights": rights_of(request),
        }
        _guard(response)

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            response.status = status
            response.content_type = None  # falcon's own default, where the application gives none
            for name, value in headers:
                if name.lower() == "cache-control":  # in the place of ours
                    response.set_header(name, value)
                else:
                    response.append_header(name, value)

        chunks = mount.app(environ, start_response)
        try:
            response.data = b"".join(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()

    return respond


def _body(request: falcon.Request, message: type[Any], limit: int, names: schema.NameProject) -> Any:
    raw = _read(request, limit)
    fields = schema.fields_of(message)
    if not raw and not any(field.required for field in fields.values()):
        raw = b"{}"
    else:
        _check_json(request)
    body = schema.decode(raw, message, names)
    key = request.get_header("Idempotency-Key")
    if key is not None and "idempotency_key" in fields:
        if not re.fullmatch(openapi.IDEMPOTENCY_PATTERN, key):
            raise errors.InvalidRequest(
                "`Idempotency-Key` must have 1 to 200 visible ASCII characters", "Idempotency-Key"
            )
        if body.idempotency_key not in (None, key):
            raise errors.Conflict("the header and the field `idempotency_key` differ", "idempotency_key")
        body.idempotency_key = key
    return body


def _check_json(request: falcon.Request) -> None:
    if _media_type(request) != falcon.MEDIA_JSON:
        raise falcon.HTTPUnsupportedMediaType(description="send JSON, with Content-Type: application/json")


def _media_type(request: falcon.Request) -> str:
    return (request.content_type or "").partition(";")[0].strip().lower()


def _upload(request: falcon.Request, media_type: str, limit: int) -> Any:
    """Return a body as a file. The server has refused what is too large before it was sent; see `server`."""
    if _media_type(request) != media_type:
        raise falcon.HTTPUnsupportedMediaType(description=f"send the file, with Content-Type: {media_type}")
    if (request.content_length or 0) > limit:
        raise falcon.HTTPContentTooLarge(
            description=f"the file is larger than {limit:,} bytes (setting limits.archive_bytes)"
        )
    return request.bounded_stream


def _read(request: falcon.Request, limit: int) -> bytes:
    raw: bytes = b""
    if (request.content_length or 0) <= limit:
        raw = request.bounded_stream.read(limit + 1)
    if (request.content_length or 0) > limit or len(raw) > limit:
        raise falcon.HTTPContentTooLarge(
            description=f"the body is larger than {limit:,} bytes (setting limits.body_bytes); send less at once"
        )
    return raw
