"""Stands in for the models of all clients: it asks for the tools that it is told to, and then says that it is done."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Call = tuple[str, dict[str, Any]]
"""A pattern that a tool's name must fit, and what the tool is given."""
DONE = "done"


class StubModel:
    """What the model was asked, in order, and which tools it still asks for."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        self._looked_up: set[str] = set()
        self.port = 0

    def asks_for(self, calls: Sequence[Call]) -> None:
        """Say which tools it asks for from now on, one after the other."""
        with self._lock:
            self._calls = list(calls)
            self._looked_up.clear()
            self.requests.clear()

    def next_call(self, body: dict[str, Any]) -> tuple[str, str, dict[str, Any]] | None:
        """Choose a tool among those offered: its name, its namespace, and what it is given."""
        with self._lock:
            self.requests.append(json.dumps(body, ensure_ascii=False))
            names = [*_offered(body)]
            if not self._calls or not names:
                return None
            pattern, arguments = self._calls[0]
            for name, space in names:
                if re.search(pattern, name):
                    del self._calls[0]
                    return name, space, arguments
            return self._look_up(pattern, {name for name, _ in names})

    def _look_up(self, pattern: str, names: set[str]) -> tuple[str, str, dict[str, Any]] | None:
        """Ask for a tool that is listed by name alone, where a client has a tool for that."""
        lookup = names & {"ToolSearch", "tool_search"}
        if not lookup or pattern in self._looked_up:
            return None
        self._looked_up.add(pattern)
        name = pattern.strip("^$")
        found = re.findall(rf"mcp__[\w-]*{name}", self.requests[-1])
        query = f"select:{found[0]}" if found else name.replace("_", " ")
        return lookup.pop(), "", {"query": query}


def _offered(body: Any) -> Iterator[tuple[str, str]]:
    """Yield the tools of a request, however it names them."""
    told = [*body.get("tools", []), *(item for item in body.get("input", []) if _is_found(item))]
    for tool in told:
        if tool.get("type") == "tool_search_output":
            yield from _offered({"tools": tool["tools"]})
        elif tool.get("type") == "namespace":
            yield from ((inner["name"], tool["name"]) for inner in tool["tools"])
        elif "functionDeclarations" in tool:
            yield from ((inner["name"], "") for inner in tool["functionDeclarations"])
        else:
            yield tool.get("name") or tool.get("function", {}).get("name") or tool.get("type", ""), ""


def _is_found(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "tool_search_output"


class _Handler(BaseHTTPRequestHandler):
    model: StubModel

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        self._answer({"data": [], "models": [], "object": "list"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        path = self.path.partition("?")[0]
        if "count_tokens" in path or "countTokens" in path:
            return self._answer({"input_tokens": 10, "totalTokens": 10})
        call = self.model.next_call(body)
        if path.endswith("/messages"):
            return self._events(_anthropic(body, call), body.get("stream"))
        if path.endswith("/responses"):
            return self._events(_responses(body, call), body.get("stream"))
        if path.endswith("/chat/completions"):
            return self._events(_chat(body, call), body.get("stream"))
        return self._events([("", _google(body, call))], "stream" in path)

    def _events(self, events: Sequence[tuple[str, dict[str, Any]]], stream: Any) -> None:
        if not stream:
            return self._answer(events[-1][1].get("whole") or events[-1][1])
        lines = []
        for name, event in events:
            event.pop("whole", None)
            lines.append((f"event: {name}\n" if name else "") + f"data: {json.dumps(event)}\n\n")
        if self.path.partition("?")[0].endswith("/chat/completions"):
            lines.append("data: [DONE]\n\n")
        self._send("".join(lines).encode(), "text/event-stream")

    def _answer(self, value: dict[str, Any]) -> None:
        self._send(json.dumps(value).encode(), "application/json")

    def _send(self, raw: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@contextmanager
def stub_model() -> Iterator[StubModel]:
    """Serve a model on a port of its own, by the wire of Anthropic, OpenAI and Google alike."""
    model = StubModel()
    handler = type("Handler", (_Handler,), {"model": model})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        model.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield model
        finally:
            server.shutdown()
            thread.join()


Chosen = tuple[str, str, dict[str, Any]] | None
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def _anthropic(body: dict[str, Any], call: Chosen) -> list[tuple[str, dict[str, Any]]]:
    part = {"type": "text", "text": DONE}
    if call:
        part = {"type": "tool_use", "id": f"toolu_{id(body)}", "name": call[0], "input": call[2]}  # type: ignore[dict-item]
    stop = "tool_use" if call else "end_turn"
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body.get("model"), "content": [part],
               "stop_reason": stop, "stop_sequence": None, "usage": USAGE}  # fmt: skip
    delta = {"type": "text_delta", "text": DONE}
    if call:
        delta = {"type": "input_json_delta", "partial_json": json.dumps(call[2])}
    begun = {**part, "input": {}} if call else {**part, "text": ""}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": begun},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": USAGE},
        {"type": "message_stop", "whole": message},
    ]
    return [(event["type"], event) for event in events]


def _responses(body: dict[str, Any], call: Chosen) -> list[tuple[str, dict[str, Any]]]:
    item: dict[str, Any] = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                            "content": [{"type": "output_text", "text": DONE, "annotations": []}]}  # fmt: skip
    if call and call[0] == "tool_search":
        item = {"type": "tool_search_call", "id": "ts_1", "call_id": f"call_{id(body)}", "execution": "client",
                "arguments": {**call[2], "limit": 8}, "status": "completed"}  # fmt: skip
    elif call:
        item = {"type": "function_call", "id": "fc_1", "call_id": f"call_{id(body)}", "name": call[0],
                "arguments": json.dumps(call[2]), "status": "completed"}  # fmt: skip
        item |= {"namespace": call[1]} if call[1] else {}
    whole = {"id": "resp_1", "object": "response", "created_at": 0, "status": "completed", "model": body.get("model"),
             "output": [item], "usage": USAGE}  # fmt: skip
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress"}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole, "whole": whole},
    ]
    return [(event["type"], {**event, "sequence_number": number}) for number, event in enumerate(events)]


def _chat(body: dict[str, Any], call: Chosen) -> list[tuple[str, dict[str, Any]]]:
    message: dict[str, Any] = {"role": "assistant", "content": DONE}
    if call:
        function = {"name": call[0], "arguments": json.dumps(call[2])}
        one = {"index": 0, "id": f"call_{id(body)}", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [one]}
    why = "tool_calls" if call else "stop"
    base = {"id": "chatcmpl-1", "created": 0, "model": body.get("model")}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    whole = {**base, "object": "chat.completion", "usage": usage,
             "choices": [{"index": 0, "message": message, "finish_reason": why}]}  # fmt: skip
    base |= {"object": "chat.completion.chunk"}
    return [
        ("", {**base, "choices": [{"index": 0, "delta": message, "finish_reason": None}]}),
        ("", {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": why}]}),
        ("", {**base, "choices": [], "usage": usage, "whole": whole}),
    ]


def _google(body: dict[str, Any], call: Chosen) -> dict[str, Any]:
    part: dict[str, Any] = {"text": DONE}
    if call:
        part = {"functionCall": {"name": call[0], "args": call[2]}}
    elif "responseMimeType" in body.get("generationConfig", {}):  # which model to take, and who speaks next
        chosen = {
            "reasoning": "x",
            "next_speaker": "user",
            "complexity_score": 1,
            "complexity_reasoning": "x",
        }
        part = {"text": json.dumps({**chosen, "model_choice": "flash"})}
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 3, "totalTokenCount": 13}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "stub"}
