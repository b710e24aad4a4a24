"""`/docs`: the API as a page that one can use. It is made of the OpenAPI document, so the two cannot contradict.

It holds nothing of the person's, so that it does no harm who leads a browser to it; what is tried out asks by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import Any, TypeAlias

from faiss_memory.contracts.http import Page, Route
from faiss_memory.http.pages import page
from faiss_memory.http.samples import Samples, Schema
from faiss_memory.openapi import operation_id
from faiss_memory.schema import Choice

_OTHERS = "Of plugins"
Field: TypeAlias = tuple[str, str, bool, Schema]
"""Its name, where it stands, whether it is required, and what it is."""


@cache
def _static(name: str) -> str:
    return (files("faiss_memory.http") / "static" / name).read_text(encoding="utf-8")


def docs(document: Mapping[str, Any], routes: Sequence[Route], address: str) -> Page:
    """Return every call with its fields, answers and examples, and the messages that they are made of.

    `address` is where they are served.
    """
    groups = list(dict.fromkeys(route.group or _OTHERS for route in routes))
    ordered = sorted(routes, key=lambda route: groups.index(route.group or _OTHERS))
    body = "".join(
        (
            _contents(ordered),
            '<main><h1>FAISS Memory: API</h1><p>Served at <code id="address">',
            escape(address),
            '</code>. As a machine reads it: <a href="/openapi.json">/openapi.json</a>. ',
            '<a href="/">The page</a></p><p class="quiet">Errors say what is wrong and what to do: ',
            '<a href="#message-ErrorAnswer">ErrorAnswer</a>. Where a token is set, a call that is tried out asks for ',
            "it.</p>",
            *_Calls(document, address).all(ordered),
            "</main>",
        )
    )
    return page("FAISS Memory: API", body, _static("docs.js"), _static("docs.css"))


def _contents(routes: Sequence[Route]) -> str:
    parts = []
    for group, calls in groupby(routes, key=lambda route: route.group or _OTHERS):
        entries = "".join(
            f'<li data-words="{escape(f"{one.method} {one.path} {one.summary}".lower())}">'
            f'<a href="#{operation_id(one)}">{one.method} {escape(one.path)}</a></li>'
            for one in calls
        )
        parts.append(f'<div class="part"><p class="group">{escape(group)}</p><ul>{entries}</ul></div>')
    find = '<p hidden><label for="find">Find a call</label><input id="find" type="search"></p>'
    listed = f'<div tabindex="0" role="group" aria-label="All calls">{"".join(parts)}</div>'
    return f'<nav aria-label="Calls">{find}{listed}</nav>'


class _Calls:
    """Writes the calls and the messages of a document."""

    def __init__(self, document: Mapping[str, Any], address: str) -> None:
        self._document = document
        self._components: Mapping[str, Schema] = document["components"]["schemas"]
        self._samples = Samples(self._components)
        self._address = address

    def all(self, routes: Sequence[Route]) -> Iterator[str]:
        """Yield the calls, group by group, and then what their messages are made of."""
        for group, calls in groupby(routes, key=lambda route: route.group or _OTHERS):
            yield f'<p class="group-title">{escape(group)}</p>'
            yield from map(self._call, calls)
        yield '<p class="group-title">Messages</p>'
        for name, schema in self._components.items():
            yield (
                f'<section class="message" id="message-{name}"><h2>{name}</h2>'
                f"<p>{escape(schema.get('description', ''))}</p>{self._table(_of_message(schema))}</section>"
            )

    def _call(self, route: Route) -> str:
        operation = self._document["paths"][route.path][route.method.lower()]
        name = operation_id(route)
        title = f'<span class="method">{route.method}</span> <code>{escape(route.path)}</code>'
        fields = self._request_fields(operation)
        request = self._table(fields) if fields else '<p class="quiet">No fields.</p>'
        curl = self._samples.curl(self._address, route.method, route.path, operation)
        return (
            f'<section class="call"><h2 id="{name}">{title}<a class="anchor" href="#{name}" '
            f'aria-label="Link to {route.method} {escape(route.path)}">#</a></h2><p>{escape(route.summary)}</p>'
            f"<h3>Request</h3>{request}<h3>Example</h3>{_block(curl)}{self._answers(operation)}"
            f"{self._try(route, operation)}</section>"
        )

    def _request_fields(self, operation: Mapping[str, Any]) -> list[Field]:
        fields: list[Field] = [
            (
                part["name"],
                part["in"],
                part["required"],
                {"description": part.get("description", ""), **part["schema"]},
            )
            for part in operation.get("parameters", [])
        ]
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            if "schema" in content:
                fields += _of_message(self._samples.resolved(content["schema"]))
            else:
                fields.append(("the body", "body", True, {"type": "file", "description": kind}))
        return fields

    def _answers(self, operation: Mapping[str, Any]) -> str:
        parts = ["<h3>Answer</h3>"]
        for status, answer in operation["responses"].items():
            if status == "default":
                continue
            for kind, content in answer["content"].items():
                schema = content.get("schema")
                what = self._type(schema) if schema else f"<code>{escape(kind)}</code>"
                parts.append(f"<p><strong>{status}</strong> {what}: {escape(answer['description'])}</p>")
                if schema:
                    example = json.dumps(self._samples.value(schema), indent=2, ensure_ascii=False)
                    parts.append(
                        f"<details><summary>An answer, with made-up values</summary>{_block(example)}</details>"
                    )
        return "".join(parts)

    def _try(self, route: Route, operation: Mapping[str, Any]) -> str:
        fields = "".join(
            f"<label>{escape(part['name'])}{' (required)' if part['required'] else ''}"
            f'<input name="{escape(part["name"])}" data-in="{part["in"]}"{" required" if part["required"] else ""}'
            f'{" data-many" if _is_list(part["schema"]) else ""} autocomplete="off"></label>'
            for part in operation.get("parameters", [])
        )
        parts = [f'<div class="fields">{fields}</div>' if fields else ""]
        kind = ""
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            if "schema" in content:
                body = json.dumps(self._samples.request(content["schema"]), indent=2, ensure_ascii=False)
                rows = body.count("\n") + 2
                parts.append(
                    f'<label class="block">Body, as JSON<textarea rows="{rows}" spellcheck="false">'
                    f"{escape(body)}</textarea></label>"
                )
            else:
                parts.append(
                    f'<label class="block">File<input type="file" required accept="{escape(kind)}"></label>'
                )
        if (
            route.method == "DELETE"
            or route.upload
            or (route.body is not None and issubclass(route.body, Choice))
        ):
            parts.append(
                '<label><input type="checkbox" required> It takes away, moves or brings back memories: that is meant'
                "</label>"
            )
        return (
            f'<details class="try"><summary>Try it</summary><form data-method="{route.method}" '
            f'data-path="{escape(route.path)}" data-type="{escape(kind)}">{"".join(parts)}'
            '<button type="submit">Send</button></form><output></output></details>'
        )

    def _table(self, fields: Sequence[Field]) -> str:
        if not fields:
            return ""
        rows = "".join(
            f"<tr><td><code>{escape(name)}</code></td><td>{escape(where)}</td><td>{self._type(schema)}</td>"
            f"<td>{'required' if required else escape(_default(schema))}</td><td>{escape(_said(schema))}</td></tr>"
            for name, where, required, schema in fields
        )
        heads = "".join(
            f'<th scope="col">{name}</th>' for name in ("Field", "In", "Type", "Default", "Meaning")
        )
        return (
            '<div class="table" tabindex="0" role="group" aria-label="Fields"><table>'
            f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        )

    def _type(self, schema: Schema) -> str:
        """Return what a value is, as HTML, with links to messages."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            return f'<a href="#message-{name}">{name}</a>'
        if "enum" in schema:
            return escape(" | ".join(str(value) for value in schema["enum"]))
        if "anyOf" in schema:
            options = [self._type(option) for option in schema["anyOf"]]
            return " or ".join(dict.fromkeys(options))
        if schema.get("type") == "array":
            return f"list of {self._type(schema['items'])}"
        return escape(str(schema.get("format") or schema.get("type") or "any"))


def _of_message(schema: Schema) -> list[Field]:
    required = schema.get("required", [])
    return [(name, "body", name in required, part) for name, part in schema.get("properties", {}).items()]


def _options(schema: Schema) -> list[Schema]:
    return [schema, *(option for option in schema.get("anyOf", []) if option != {"type": "null"})]


def _is_list(schema: Schema) -> bool:
    return any(option.get("type") == "array" for option in _options(schema))


def _default(schema: Schema) -> str:
    return (
        json.dumps(schema["default"], ensure_ascii=False)
        if schema.get("default") not in (None, [], {})
        else ""
    )


def _said(schema: Schema) -> str:
    """Return what a field means, and its bounds."""
    parts = [next((one["description"] for one in _options(schema) if one.get("description")), "")]
    for one in _options(schema):
        low, high = one.get("minimum"), one.get("maximum")
        if low is not None and high is not None and high < 2**53:
            parts.append(f"{low:,} to {high:,}.")
        elif low is not None:
            parts.append(f"At least {low:,}.")
        elif high is not None:
            parts.append(f"At most {high:,}.")
        if "maxLength" in one:
            parts.append(f"At most {one['maxLength']:,} characters.")
        if "maxItems" in one:
            parts.append(f"At most {one['maxItems']:,}.")
    return " ".join(dict.fromkeys(part for part in parts if part))


def _block(text: str) -> str:
    return f'<pre tabindex="0" role="group" aria-label="Example">{escape(text)}</pre>'
