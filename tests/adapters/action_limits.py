"""What ChatGPT's editor for Actions refuses, beyond what OpenAPI forbids; as OpenAI documents it, or as users found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

MOST_OPERATIONS = 30
LONGEST_SUMMARY, LONGEST_PARAMETER, LONGEST_DOCUMENT, LONGEST_INSTRUCTIONS = 300, 700, 100_000, 8_000
METHODS = ("get", "put", "post", "delete", "patch")


def problems(document: dict[str, Any]) -> list[str]:
    """Say in words what would be refused."""
    operations = [
        (f"{method.upper()} {path}", method, operation)
        for path, methods in document.get("paths", {}).items()
        for method, operation in methods.items()
        if method in METHODS
    ]
    found = [*_of_the_whole(document, operations)]
    for name, method, operation in operations:
        found += [f"{name}: {problem}" for problem in _of_an_operation(method, operation)]
    return found


def _of_the_whole(document: dict[str, Any], operations: list[Any]) -> Iterator[str]:
    if not re.match(r"3\.[01]\.\d+$", document.get("openapi", "")):
        yield "OpenAPI must be 3.0 or 3.1"
    servers = document.get("servers", [])
    if len(servers) != 1:
        yield f"{len(servers)} servers, not one"
    for server in servers:
        parts = urlsplit(server["url"])
        if parts.scheme != "https" or parts.port not in (None, 443) or "{" in server["url"]:
            yield f"the server {server['url']} is not https on port 443"
    if not 1 <= len(operations) <= MOST_OPERATIONS:
        yield f"{len(operations)} operations"
    ids = [operation.get("operationId") for _, _, operation in operations]
    yield from (f"operationId {one} is there twice" for one in set(ids) if ids.count(one) > 1)
    schemes = document.get("components", {}).get("securitySchemes", {}).values()
    if [(scheme["type"], scheme.get("scheme")) for scheme in schemes] != [("http", "bearer")]:
        yield "not one way of authentication, a bearer token"
    if not document.get("security") or {} in document["security"]:
        yield "the token is not required"
    if len(str(document)) > LONGEST_DOCUMENT:
        yield "too long to be pasted"


def _of_an_operation(method: str, operation: dict[str, Any]) -> Iterator[str]:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", operation.get("operationId", "")):
        yield "operationId is not the name of a function"
    if not operation.get("summary") and not operation.get("description"):
        yield "nothing says what it is for"
    for field in ("summary", "description"):
        if len(operation.get(field, "")) > LONGEST_SUMMARY:
            yield f"{field} is longer than {LONGEST_SUMMARY}"
    if method != "get" and not isinstance(operation.get("x-openai-isConsequential"), bool):
        yield "x-openai-isConsequential is not said, so it asks before every call"
    yield from _of_its_messages(operation)


def _of_its_messages(operation: dict[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", []):
        if parameter["in"] not in ("path", "query"):
            yield f"parameter {parameter['name']} is sent as {parameter['in']}"
        yield from _of_a_schema(parameter["schema"], parameter["name"])
    bodies = [operation.get("requestBody"), *operation.get("responses", {}).values()]
    for body in filter(None, bodies):
        if list(body["content"]) != ["application/json"]:
            yield "a body that is not JSON"
        for content in body["content"].values():
            yield from _of_a_schema(content.get("schema", {}), "body")


def _of_a_schema(schema: dict[str, Any], at: str) -> Iterator[str]:
    if "$ref" in schema:
        yield f"{at} refers elsewhere"
    if len(schema.get("description", "")) > LONGEST_PARAMETER:
        yield f"{at}: the description is longer than {LONGEST_PARAMETER}"
    if schema.get("type") == "object" and not schema.get("properties"):
        yield f"{at}: an object without properties"
    if isinstance(schema.get("type"), list):
        yield f"{at}: more than one type"
    for name, field in schema.get("properties", {}).items():
        yield from _of_a_schema(field, f"{at}.{name}")
    for part in [schema.get("items"), *schema.get("anyOf", []), *schema.get("oneOf", [])]:
        if part:
            yield from _of_a_schema(part, f"{at}[]")
