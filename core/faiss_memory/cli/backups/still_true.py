"""Whether memories still say what the files say that they were built of: asked of the running service."""

from __future__ import annotations

from collections.abc import Sequence

import click

from faiss_memory.cli.failures import EXIT_FAILED
from faiss_memory.cli.options import opened
from faiss_memory.cli.records import Cell, Column
from faiss_memory.cli.views import MOST
from faiss_memory.cli.writing import as_json, excerpt

WORDS = {
    "fresh": "its file says so",
    "changed": "its file says something else now",
    "gone": "its file is gone",
    "": "it was built of no file that can be read",
}


def tell_whether_true(ids: Sequence[int], *, wants_json: bool) -> None:
    """Tell of each memory how its file stands; ends with a failure if one does not say it any more."""
    session = opened(url=None, timeout=None, wants_json=wants_json)
    memories = [session.call("GET", f"/memory/{one}") for one in ids]
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
            rows.append((one["id"], Cell(state, WORDS[state]), one["project"], one["source"], shown))
        session.out.table(columns, rows)
    if any(one.get("state") in ("changed", "gone") for one in memories):
        click.get_current_context().exit(EXIT_FAILED)
