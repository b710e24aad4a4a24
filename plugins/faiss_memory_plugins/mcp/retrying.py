"""An add that a client sends again because the answer took too long gets the first answer, and stores nothing twice.

MCP's clients give up after a time and try again, without a key that would say so. So what is sent makes the key.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import msgspec

from faiss_memory import AddAnswer, AddRequest, MemoryNotFound, Rights, Service

LATEST = timedelta(minutes=10)
"""After that the same text is no retry: somebody wants to keep it again."""


def add_once(service: Service, request: AddRequest, rights: Rights) -> AddAnswer:
    """Store a memory, unless the same client has just stored the same.

    An answer of before counts while its memory is there and is new; else the text is stored again, under the next key.
    What is asked to be news needs no key: the memory that a first try has stored makes it nothing new.
    """
    if request.if_novel is not None or request.idempotency_key is not None:
        return service.add(request, rights)
    key = hashlib.sha256(msgspec.json.encode([rights.by, request])).hexdigest()
    while True:
        request.idempotency_key = f"mcp-{key}"
        answer = service.add(request, rights)
        if answer.id is None or _is_new(service, answer.id):
            return answer
        key = hashlib.sha256(f"{key} {answer.id}".encode()).hexdigest()


def _is_new(service: Service, memory_id: int) -> bool:
    try:
        stored = datetime.fromisoformat(service.get(memory_id).timestamp)
    except MemoryNotFound:
        return False
    return datetime.now(UTC) - stored < LATEST
