"""Asking the person, by way of a client of the older revisions: in the middle of a call (MCP's `elicitation/create`).

By the newest revision the service itself asks, in its answer; see `server`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from faiss_memory_plugins.mcp import confirming

Message = dict[str, Any]

PATIENCE = 300.0
"""Seconds to wait for the person."""
_ID = "faiss-memory-ask"


class Asking:
    """The questions that one client was asked; `say` hands it a message."""

    def __init__(self, say: Callable[[Message], None]) -> None:
        self._say = say
        self._is_able = False
        self._answers: dict[str, Message] = {}
        self._changed = threading.Condition()
        self._asked = 0

    def meet(self, capabilities: Any) -> None:
        """Learn what the client can do."""
        self._is_able = isinstance(capabilities, dict) and isinstance(capabilities.get("elicitation"), dict)

    def refusal(self, message: Message) -> str:
        """Ask about a call that has to be asked about; gives what the model is told if the person does not agree."""
        params = message.get("params")
        if not self._is_able or message.get("method") != "tools/call" or not isinstance(params, dict):
            return ""
        count = len(confirming.asked_about(params.get("name"), params.get("arguments")))
        if not count:
            return ""
        answer = self._answered(confirming.question(count))
        # A client that promises it and cannot do it asks about calls in its own way.
        agreed = "error" in answer or answer.get("result", {}).get("action") == "accept"
        return "" if agreed else confirming.refusal(count)

    def take(self, message: Message) -> None:
        """Take what may be the answer to a question."""
        if str(message.get("id", "")).startswith(_ID):
            with self._changed:
                self._answers[str(message["id"])] = message
                self._changed.notify_all()

    def _answered(self, question: str) -> Message:
        with self._changed:
            self._asked += 1
            number = f"{_ID}-{self._asked}"
        params = {"message": question, "requestedSchema": confirming.NO_FIELDS}
        self._say({"id": number, "method": "elicitation/create", "params": params})
        with self._changed:
            self._changed.wait_for(lambda: number in self._answers, PATIENCE)
            return self._answers.pop(number, {})
