"""The answers of calls that may be retried, kept for a day in the same transaction as what they stored."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict

from faiss_memory.contracts.store import Added, Retry
from faiss_memory.errors import Conflict
from faiss_memory.store.records.changes import Changes
from faiss_memory.store.records.database import Truth
from faiss_memory.store.records.operations import RETRY_SECONDS, PutRetry
from faiss_memory.store.records.rows import to_json


def remember(truth: Truth, retry: Retry, answer: Sequence[Added], changes: Changes) -> None:
    """Keep the answer of a call."""
    kept = to_json([asdict(one) for one in answer])
    truth.write(PutRetry(retry.key, retry.digest, kept, int(time.time())), changes)


def remembered(truth: Truth, retry: Retry) -> list[Added] | None:
    """Return the first answer of a retried call. Raises Conflict when it was another request."""
    row = truth.connection.execute(
        "SELECT digest, answer FROM retries WHERE key = ? AND made >= ?",
        (retry.key, int(time.time()) - RETRY_SECONDS),
    ).fetchone()
    if row is None:
        return None
    if row[0] != retry.digest:
        raise Conflict(
            "this idempotency key was used with another request in the last 24 hours; use a new key",
            "idempotency_key",
        )
    kept = json.loads(row[1])
    return [Added(one["id"], tuple(one["twin"]) if one["twin"] else None, repeated=True) for one in kept]
