"""Examples of requests and answers, made of their schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

Schema = Mapping[str, Any]
DEEPEST = 6
_WORDS = {
    "query": "How do we handle authentication?", "prompt": "How do we handle authentication?",
    "text": "We use Tailwind CSS for all styling", "project": "default", "name": "default", "tag": "decision",
    "source": "decisions.md", "token": "the setting token", "sources": "/home/me/notes", "time": "2026-02-12T10:30:00Z",
}  # fmt: skip
"""What stands in fields that are named so, where their own schema has no example."""


class Samples:
    """Makes examples; `components` are the schemas that others refer to, by name."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components

    def resolved(self, schema: Schema) -> Schema:
        """Return a schema itself where another one only refers to it."""
        while "$ref" in schema:
            schema = self._components[schema["$ref"].rsplit("/", 1)[-1]]
        return schema

    def request(self, schema: Schema) -> dict[str, Any]:
        """Return a body with what is required, and at least one field."""
        schema = self.resolved(schema)
        properties = schema.get("properties", {})
        alternatives = schema.get("anyOf") or schema.get("oneOf") or [{}]
        names = [*schema.get("required", []), *alternatives[0].get("required", [])]
        names = names or list(properties)[: schema.get("minProperties", 0)]
        return {name: self.value(properties[name], name, required_only=True) for name in dict.fromkeys(names)}

    def value(self, schema: Schema, name: str = "", depth: int = 0, *, required_only: bool = False) -> Any:
        """Return a value that fits a schema."""
        schema = self.resolved(schema)
        if schema.get("examples"):
            return schema["examples"][0]
        options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
        if options:
            return self.value(options[0], name, depth, required_only=required_only)
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type")
        if kind == "array":
            return (
                [self.value(schema["items"], name, depth + 1, required_only=required_only)]
                if depth < DEEPEST
                else []
            )
        if kind == "object":
            return self._object(schema, depth, required_only=required_only)
        if kind == "string":
            return (
                "2026-02-12T10:30:00+00:00" if schema.get("format") == "date-time" else _WORDS.get(name, "…")
            )
        return {"integer": max(1, schema.get("minimum", 1)), "number": 0.5, "boolean": True}.get(kind or "")

    def _object(self, schema: Schema, depth: int, *, required_only: bool) -> dict[str, Any]:
        properties = schema.get("properties", {}) if depth < DEEPEST else {}
        wanted = schema.get("required", []) if required_only else properties
        return {
            name: self.value(properties[name], name, depth + 1, required_only=required_only)
            for name in wanted
        }

    def curl(self, address: str, method: str, path: str, operation: Mapping[str, Any]) -> str:
        """Return a call as one writes it in a shell."""
        given = operation.get("parameters", [])
        for part in given:
            if part["in"] == "path":
                path = path.replace(f"{{{part['name']}}}", str(self.value(part["schema"], part["name"])))
        query = {
            part["name"]: self.value(part["schema"], part["name"])
            for part in given
            if part["in"] == "query" and part["required"]
        }
        address = f"{address}{path}?{urlencode(query, doseq=True)}" if query else f"{address}{path}"
        lines = [f'curl "{address}"' if method == "GET" else f'curl -X {method} "{address}"']
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            lines.append(f'-H "Content-Type: {kind}"')
            body = (
                json.dumps(self.request(content["schema"]), ensure_ascii=False) if "schema" in content else ""
            )
            lines.append("-d '{}'".format(body.replace("'", "'\\''")) if body else "-T FILE")
        return " \\\n  ".join(lines)
