"""The two pages for people: `/`, which says what runs, and `/docs`, the API made readable.

Both are the same whoever asks, so that it does no harm who leads a browser to them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from typing import Any

from faiss_memory.contracts.http import Page, Route
from faiss_memory.openapi import operation_id

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.55 system-ui, sans-serif; }
body { max-width: 58rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; }
pre { background: #8881; padding: 0.75rem 1rem; border-radius: 6px; overflow-x: auto; }
table { border-collapse: collapse; display: block; max-width: 100%; overflow-x: auto; }
code { overflow-wrap: anywhere; } nav ul { columns: 18rem; padding-left: 1.2rem; }
td, th { text-align: left; padding: 0.35rem 0.9rem 0.35rem 0; border-bottom: 1px solid #8883; vertical-align: top; }
.method { font-weight: 600; display: inline-block; min-width: 4.2rem; }
.quiet { opacity: 0.8; } a { color: inherit; }
"""


_SCRIPT = """
const table = document.querySelector("table");
function row(name, value) {
  const line = table.insertRow();
  line.append(Object.assign(document.createElement("th"), { textContent: name }));
  line.insertCell().textContent = value;
}
async function ask(path) {
  const answer = await fetch(path);
  return [answer.ok, await answer.json()];
}
async function show() {
  const [well, health] = await ask("/health");
  if (!well) return row("State", health.description);
  row("Version", health.version);
  row("State", health.status);
  for (const part of health.rebuilding)
    row("Rebuilding", `${part.project}: ${part.what}, ${Math.round(part.progress * 100)}%`);
  for (const problem of health.problems) row("Problem", `${problem.part}: ${problem.reason}`);
  const [told, stats] = await ask("/stats");
  if (!told) return row("Statistics", stats.description);
  const model = stats.model_ready ? "ready" : "not ready; keyword search answers";
  row("Memories", stats.total_memories.toLocaleString("en"));
  row("Model", `${stats.model} (${model})`);
  row("Last change", stats.last_updated);
  row("Backups", stats.backup_count);
  for (const project of stats.projects)
    row(`Project ${project.name}`, `${project.memories.toLocaleString("en")} memories`);
}
show().catch(() => row("State", "does not answer"));
"""
"""Asks for what the page shows, so that the page itself, which a link may lead to, holds nothing of the person's."""


def _page(title: str, body: str, script: str = "") -> Page:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    runs = f"script-src 'sha256-{digest}'; connect-src 'self'; " if script else ""
    policy = f"default-src 'none'; {runs}style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    ran = f"<script>{script}</script>" if script else ""
    html = f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main>{ran}</body></html>'
    return Page(html.encode(), "text/html; charset=utf-8")


def home(address: str) -> Page:
    """Return where to go on, and have the browser ask what runs and how much it holds; it is served at `address`."""
    example = escape(
        f"curl -X POST {address}/search \\\n"
        '  -H "Content-Type: application/json" \\\n'
        '  -d \'{"query": "What did we decide about errors?"}\''
    )
    links = '<p><a href="/docs">API</a> · <a href="/openapi.json">OpenAPI</a> · <a href="/stats">Statistics</a></p>'
    return _page("FAISS Memory", f"<h1>FAISS Memory</h1><table></table>{links}<pre>{example}</pre>", _SCRIPT)


def docs(document: Mapping[str, Any], routes: tuple[Route, ...], address: str) -> Page:
    """List every call with its fields, in the order of the routes; `address` is where they are served."""
    parts = [
        "<h1>FAISS Memory: API</h1>",
        f"<p>Served at <code>{escape(address)}</code></p>",
        '<p>As a machine reads it: <a href="/openapi.json">/openapi.json</a></p>',
        _contents(routes),
    ]
    for route in routes:
        operation = document["paths"][route.path][route.method.lower()]
        title = f'<span class="method">{route.method}</span> <code>{escape(route.path)}</code>'
        parts.append(f'<h2 id="{operation_id(route)}">{title}</h2>')
        parts.append(f"<p>{escape(route.summary)}</p>")
        parts.append(_fields(_request_fields(operation, document)))
    return _page("FAISS Memory: API", "".join(parts))


def _contents(routes: tuple[Route, ...]) -> str:
    entries = "".join(
        f'<li><a href="#{operation_id(route)}">{route.method} {escape(route.path)}</a></li>'
        for route in routes
    )
    return f'<nav aria-label="Calls"><ul>{entries}</ul></nav>'


def _request_fields(operation: Mapping[str, Any], document: Mapping[str, Any]) -> list[tuple[str, bool, Any]]:
    fields = [(part["name"], part["required"], part["schema"]) for part in operation.get("parameters", [])]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        reference = body["schema"]["$ref"]
        message = document["components"]["schemas"][reference.rsplit("/", 1)[-1]]
        required = message.get("required", [])
        fields += [(name, name in required, part) for name, part in message["properties"].items()]
    return fields


def _fields(fields: list[tuple[str, bool, Any]]) -> str:
    if not fields:
        return '<p class="quiet">No fields.</p>'
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_type(part))}</td>"
        f"<td>{'required' if required else escape(_default(part))}</td>"
        f"<td>{escape(_description(part))}</td></tr>"
        for name, required, part in fields
    )
    return f"<table>{rows}</table>"


def _type(part: Mapping[str, Any]) -> str:
    if "enum" in part:
        return " | ".join(str(value) for value in part["enum"])
    if "anyOf" in part:
        return " or ".join(_type(option) for option in part["anyOf"] if option != {"type": "null"})
    if part.get("type") == "array":
        return f"list of {_type(part['items'])}"
    return str(part.get("format") or part.get("type") or part.get("$ref", "any").rsplit("/", 1)[-1])


def _default(part: Mapping[str, Any]) -> str:
    return f"default {json.dumps(part['default'])}" if part.get("default") not in (None, [], {}) else ""


def _description(part: Mapping[str, Any]) -> str:
    own = part.get("description", "")
    return str(
        own
        or next((option["description"] for option in part.get("anyOf", []) if "description" in option), "")
    )
