"""What an assistant is told while the service does not run: that it does not, and which tools there will be.

An assistant lists the tools once, at its start. So they are listed all the same: a call says what is wrong, and works
as soon as the service runs.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import faiss_memory

Message = dict[str, Any]

HANDSHAKES = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
METHOD_NOT_FOUND, SERVICE_ERROR = -32601, -32000
EMPTY = {
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
TELL = "Tell the person so, once, and go on without memory."


def offline_result(message: Message, said: str, limits: faiss_memory.Limits, *, modern: bool) -> Message:
    """Answer a request in place of the service; `said` is why it cannot. Gives the `result` or the `error`."""
    method = message["method"]
    if method == "server/discover":
        # Whoever asks this settles for the handshake then, which can be answered without knowing the newest revision.
        return _error(METHOD_NOT_FOUND, said)
    if method == "initialize":
        return {"result": _introduction(message, said)}
    if method == "tools/call":
        return {"result": failed_call(f"{said} {TELL}", modern=modern)}
    if method == "ping":
        return {"result": {}}
    if method != "tools/list" and method not in EMPTY:
        return _error(SERVICE_ERROR, said)
    listed = {"tools": _tools(limits)} if method == "tools/list" else {EMPTY[method]: []}
    return {
        "result": {**listed, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        if modern
        else listed
    }


def failed_call(said: str, *, modern: bool) -> Message:
    """Return the result of a call that failed: the model reads it, and can tell the person."""
    result = {"content": [{"type": "text", "text": said}], "isError": True}
    return {**result, "resultType": "complete"} if modern else result


def _introduction(message: Message, said: str) -> Message:
    params = message.get("params")
    asked = params.get("protocolVersion") if isinstance(params, dict) else None
    return {
        "protocolVersion": asked if asked in HANDSHAKES else HANDSHAKES[-1],
        "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
        "serverInfo": {"name": "faiss-memory", "title": "FAISS Memory", "version": version("faiss-memory")},
        "instructions": f"{said} {TELL} The tools work as soon as it runs.\n\n{faiss_memory.INSTRUCTIONS}",
    }


def _tools(limits: faiss_memory.Limits) -> list[Message]:
    return [
        {
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": tool.listed_schema(limits),
            "annotations": tool.annotations,
        }
        for tool in faiss_memory.TOOLS
    ]


def _error(code: int, said: str) -> Message:
    return {"error": {"code": code, "message": said}}
