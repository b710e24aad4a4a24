"""The plain page at `/`, which says what runs where no plugin has one, and what it has in common with `/docs`.

They are the same whoever asks, so that it does no harm who leads a browser to them.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

from faiss_memory.contracts.http import Page

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.55 system-ui, sans-serif; }
body { max-width: 58rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; }
pre { background: #8881; padding: 0.75rem 1rem; border-radius: 6px; overflow-x: auto; }
table { border-collapse: collapse; }
td, th { text-align: left; padding: 0.35rem 0.9rem 0.35rem 0; border-bottom: 1px solid #8883; vertical-align: top; }
a { color: inherit; }
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


def page(title: str, body: str, script: str = "", style: str = _STYLE) -> Page:
    """Return a document that runs this script, has this style, and asks nobody else for anything."""
    runs = f"script-src {_digest(script)}; connect-src 'self'; " if script else ""
    policy = (
        f"default-src 'none'; img-src data:; {runs}style-src {_digest(style)}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'"
    )
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{style}</style>'
    )
    ran = f"<script>{script}</script>" if script else ""
    html = f'<!doctype html><html lang="en"><head>{head}</head><body>{body}{ran}</body></html>'
    return Page(html.encode(), "text/html; charset=utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def home(address: str) -> Page:
    """Return where to go on, and have the browser ask what runs and how much it holds; it is served at `address`."""
    example = escape(
        f"curl -X POST {address}/search \\\n"
        '  -H "Content-Type: application/json" \\\n'
        '  -d \'{"query": "What did we decide about errors?"}\''
    )
    links = '<p><a href="/docs">API</a> · <a href="/openapi.json">OpenAPI</a> · <a href="/stats">Statistics</a></p>'
    return page(
        "FAISS Memory",
        f"<main><h1>FAISS Memory</h1><table></table>{links}<pre>{example}</pre></main>",
        _SCRIPT,
    )
