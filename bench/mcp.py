"""What a call by MCP costs more than the same call by REST, and what the first one costs."""

from __future__ import annotations

import json
from typing import Any

from bench.measure import percentile, resident_mb, timed
from bench.service import Service

ROUNDS, BLOCK = 6, 50
QUESTION = "How are amounts of money stored in the ledger?"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
REVISIONS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "2025-11-25": ({"MCP-Protocol-Version": "2025-11-25"}, {}),
    "2026-07-28": (
        {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "memory_search"},
        {"_meta": META},
    ),
}


def measure(service: Service) -> list[tuple[str, str, str]]:
    """Ask one question again and again, by turns over REST and in each revision of MCP."""
    first = timed(lambda: _call(service, "2025-11-25"))
    took: dict[str, list[float]] = {name: [] for name in ("rest", *REVISIONS)}
    for _ in range(ROUNDS):
        took["rest"] += [
            timed(lambda: service.call("POST", "/search", {"query": QUESTION})) for _ in range(BLOCK)
        ]
        for revision in REVISIONS:
            took[revision] += [timed(lambda r=revision: _call(service, r)) for _ in range(BLOCK)]
    rest = percentile(took["rest"], 0.5)
    more = {revision: percentile(took[revision], 0.5) - rest for revision in REVISIONS}
    return [
        ("the first call by MCP (imports the SDK)", f"{first:.2f} s", ""),
        *(
            (f"search by MCP {revision}, more than by REST, p50", f"{gap:.1f} ms", "≤ 8 ms")
            for revision, gap in more.items()
        ),
        ("resident memory after calls by MCP", f"{resident_mb(service.pid):.0f} MB", "≤ 300 MB"),
    ]


def _call(service: Service, revision: str) -> None:
    headers, params = REVISIONS[revision]
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    body["params"] = {**params, "name": "memory_search", "arguments": {"query": QUESTION}}
    given = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    service.connection.request("POST", "/mcp", json.dumps(body), given)
    answer = json.loads(service.connection.getresponse().read())
    if answer.get("result", {}).get("isError") is not False:
        raise SystemExit(f"MCP {revision}: {answer}")
