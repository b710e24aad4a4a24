"""The OpenAPI 3.1 document, derived from the routes and their messages."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from functools import cache
from typing import Any, get_args, get_origin

import msgspec

from faiss_memory import schema
from faiss_memory.contracts.http import Route
from faiss_memory.settings import Limits, Settings

IDEMPOTENCY_PATTERN = "^[!-~]{1,200}$"
IDEMPOTENCY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A retry with the same key returns the first answer, for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": IDEMPOTENCY_PATTERN},
}


def document(routes: Sequence[Route], settings: Settings, version: str) -> dict[str, Any]:
    """Describe the whole API; sizes are the limits in force."""
    references, components = _described(_messages(routes))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, references, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "FAISS Memory",
            "version": version,
            "description": "Local semantic memory for AI coding assistants.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _with_limits(components, settings.limits),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # The token is asked for only where one is configured, or off this machine.
        "security": [{}, {"token": []}],
    }


def check(routes: Sequence[Route], known: Container[str]) -> None:
    """Raise TypeError, as msgspec does, for a guest's message that cannot be described.

    Those of the `known` packages are tried by the tests: to describe them all takes as long as all else in a start.
    """
    _described(tuple(one for one in _messages(routes) if one.__module__.partition(".")[0] not in known))


def message_schema(message: type[Any], limits: Limits) -> dict[str, Any]:
    """Return one message as a JSON Schema that stands alone, for a tool's parameters."""
    described = msgspec.json.schema(message)
    definitions = described.get("$defs", {})
    inlined = _inlined({"$ref": described["$ref"]} if "$ref" in described else described, definitions)
    found: dict[str, Any] = _with_limits(inlined, limits)
    return found


@cache
def _described(messages: Sequence[type[Any]]) -> tuple[Mapping[type[Any], Any], Mapping[str, Any]]:
    """Return a reference to each message, and the schemas by name; these are not to be changed."""
    schemas, components = msgspec.json.schema_components(messages, ref_template="#/components/schemas/{name}")
    for message, extra in schema.EXTRA.items():
        if message.__name__ in components:
            components[message.__name__] |= extra
    return dict(zip(messages, schemas, strict=True)), components


def _messages(routes: Sequence[Route]) -> tuple[type[Any], ...]:
    found: dict[type[Any], None] = {schema.ErrorAnswer: None}
    for route in routes:
        for message in (route.params, route.body, route.answer, *route.other_statuses.values()):
            if message is not None:
                found[message] = None
    return tuple(found)


def _operation(
    route: Route, references: Mapping[type[Any], Any], components: Mapping[str, Any]
) -> dict[str, Any]:
    responses = {str(route.status): _response(route.answer, references)}
    responses[str(route.status)]["content"] |= {kind: {} for kind in route.other_content}
    for status, message in route.other_statuses.items():
        responses[str(status)] = _response(message, references)
    error = _response(schema.ErrorAnswer, references)
    error["description"] = "What is wrong, and what to do"
    responses["default"] = error
    operation: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "responses": responses,
    }
    if not route.for_members:
        operation["x-owner-only"] = True  # whatever a member of the team may do elsewhere
    if route.group:
        operation["tags"] = [route.group]
    parameters = _parameters(route, references, components)
    if route.body is not None:
        fields = msgspec.structs.fields(route.body)
        operation["requestBody"] = {
            "required": route.body in schema.EXTRA or any(field.required for field in fields),
            "content": {"application/json": {"schema": references[route.body]}},
        }
        if any(field.name == "idempotency_key" for field in fields):
            parameters.append(IDEMPOTENCY_HEADER)
    if route.upload:
        operation["requestBody"] = {"required": True, "content": {route.upload: {}}}
    if parameters:
        operation["parameters"] = parameters
    return operation


def operation_id(route: Route) -> str:
    """Name an operation after its method and path: `post_memory_add`."""
    words = re.findall(r"[A-Za-z0-9]+", route.path) or ["root"]
    return "_".join([route.method.lower(), *words])


def _parameters(
    route: Route, references: Mapping[type[Any], Any], components: Mapping[str, Any]
) -> list[dict[str, Any]]:
    if route.params is None:
        return []
    # Not by the class's own name: two guests may have chosen the same one.
    described = components[references[route.params]["$ref"].rsplit("/", 1)[-1]]
    in_path = re.findall(r"{(\w+)}", route.path)
    return [
        {
            "name": name,
            "in": "path" if name in in_path else "query",
            "required": name in in_path or name in described.get("required", []),
            "schema": _without_null(parameter),
        }
        for name, parameter in described.get("properties", {}).items()
    ]


def _without_null(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter in a URL is there or not; null cannot be written."""
    kept = [option for option in parameter.get("anyOf", []) if option != {"type": "null"}]
    if not kept:
        return dict(parameter)
    rest = {key: value for key, value in parameter.items() if key not in ("anyOf", "default")}
    return {**rest, **kept[0]} if len(kept) == 1 else {**rest, "anyOf": kept}


def _response(message: type[Any] | None, references: Mapping[type[Any], Any]) -> dict[str, Any]:
    if message is None:
        return {"description": "A document", "content": {"*/*": {}}}
    one = get_args(message)[0] if get_origin(message) is list else message
    description = (one.__doc__ or one.__name__).strip().splitlines()[0]
    return {"description": description, "content": {"application/json": {"schema": references[message]}}}


def _with_limits(node: Any, limits: Limits) -> Any:
    """Replace each `x-limit` by the keyword that says it: JSON Schema counts characters, not bytes."""
    if isinstance(node, list):
        return [_with_limits(inner, limits) for inner in node]
    if not isinstance(node, dict):
        return node
    found = {key: _with_limits(value, limits) for key, value in node.items() if key != "x-limit"}
    name = node.get("x-limit")
    if isinstance(name, str):  # a field may be called so too
        keyword = {"string": "maxLength", "array": "maxItems", "integer": "maximum"}.get(node.get("type", ""))
        if keyword is not None:
            found[keyword] = getattr(limits, name)
    return found


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(inner, definitions) for inner in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    return {key: _inlined(value, definitions) for key, value in node.items() if key != "$defs"}
