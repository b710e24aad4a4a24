"""Asking the person, by way of the client, before many memories are forgotten at once (MCP's elicitation)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]

MANY = 5
"""So many ids in one call are asked about."""
PATIENCE = 300.0
"""Seconds to wait for the person."""
REFUSED = "The person was asked whether {count} memories are to be forgotten, and did not agree: nothing was forgotten."
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
        count = _to_forget(message)
        if not self._is_able or count < MANY:
            return ""
        answer = self._answered(f"Forget {count} memories? An assistant wants to.")
        # A client that promises it and cannot do it asks about calls in its own way.
        agreed = "error" in answer or answer.get("result", {}).get("action") == "accept"
        return "" if agreed else REFUSED.format(count=count)

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
        params = {"message": question, "requestedSchema": {"type": "object", "properties": {}}}
        self._say({"id": number, "method": "elicitation/create", "params": params})
        with self._changed:
            self._changed.wait_for(lambda: number in self._answers, PATIENCE)
            return self._answers.pop(number, {})


def _to_forget(message: Message) -> int:
    """Return how many memories a call would forget."""
    params = message.get("params")
    if message.get("method") != "tools/call" or not isinstance(params, dict):
        return 0
    given = params.get("arguments")
    if params.get("name") != "memory_forget" or not isinstance(given, dict) or given.get("dry_run") is True:
        return 0
    ids = given.get("ids")
    return len(ids) if isinstance(ids, list) else 0
