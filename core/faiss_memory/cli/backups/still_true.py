"""Whether memories still hold, by their files and until when they are true: asked of the running service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import EXIT_FAILED
from faiss_memory.cli.options import opened
from faiss_memory.cli.records import Cell, Column
from faiss_memory.cli.views import MOST
from faiss_memory.cli.writing import as_json, excerpt

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session

WORDS = {
    "fresh": "its file says so, or is as it was",
    "changed": "its file says something else now",
    "gone": "its file is gone",
    "expired": "it was true until {}",
    "": "nothing is known against it",
}


def tell_whether_true(ids: Sequence[int], *, wants_json: bool) -> None:
    """Tell of each memory whether it holds; ends with a failure if one does not any more."""
    session = opened(url=None, timeout=None, wants_json=wants_json)
    _tell(session, [session.call("GET", f"/memory/{one}") for one in ids], wants_json=wants_json)


def say_still_true(ids: Sequence[int], until: str | None, *, wants_json: bool) -> None:
    """Let a person say that memories hold: until a time, or for good if they were over; then tell of them."""
    session = opened(url=None, timeout=None, wants_json=wants_json)
    given = {} if until is None else {"valid_until": until}
    _tell(
        session, [session.call("POST", f"/memory/{one}/confirm", given) for one in ids], wants_json=wants_json
    )


def _tell(session: Session, memories: Sequence[dict[str, Any]], *, wants_json: bool) -> None:
    if wants_json:
        click.echo(as_json({"memories": memories, "count": len(memories)}))
    else:
        columns = (
            Column("id", style="cyan", right=True), Column("state"), Column("project", most=24, spare=1),
            Column("source", most=32, style="blue"), Column("text", wide=True),
        )  # fmt: skip
        rows = []
        for one in memories:
            state = one.get("state", "")
            shown = Cell(one["text"], excerpt(one["text"], MOST))
            words = WORDS[state].format(one.get("valid_until", "")[:10])
            rows.append((one["id"], Cell(state, words), one["project"], one["source"], shown))
        session.out.table(columns, rows)
    if any(one.get("state") in ("changed", "gone", "expired") for one in memories):
        click.get_current_context().exit(EXIT_FAILED)
