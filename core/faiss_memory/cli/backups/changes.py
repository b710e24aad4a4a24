"""What going back would change, told before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session

MOST = 200
"""Of each kind, as many as one answer has."""
_KINDS = ("added", "changed", "forgotten")


def told_changes(session: Session, moment: str, wanted: Mapping[str, str]) -> None:
    """Tell which memories were added, changed and forgotten since a moment; nothing is restored."""
    from faiss_memory.cli.records import Cell, Column
    from faiss_memory.cli.views import MOST as LONGEST
    from faiss_memory.cli.writing import counted, excerpt

    answer = session.call("GET", "/restore/changes", params={**wanted, "limit": MOST}, endless=True)
    if session.prints_json(answer):
        return
    columns = (
        Column("since then"), Column("id", style="cyan", right=True), Column("project", most=24, spare=1),
        Column("was", wide=True), Column("is", wide=True),
    )  # fmt: skip
    rows = []
    for one in answer["changes"]:
        memory = one["now"] or one["then"]
        texts = [_text(one[state]) for state in ("then", "now")]
        if texts[0] == texts[1]:
            texts[1] = "the same text, otherwise stored"
        shown = [Cell(text, excerpt(text, LONGEST)) for text in texts]
        rows.append((one["kind"], memory["id"], memory["project"], *shown))
    session.out.table(columns, rows)
    told = ", ".join(f"{answer[kind]:,} {kind}" for kind in _KINDS)
    session.out.remark(
        f"Since {moment}: {told}. Going back undoes that: {counted(answer['then'], 'memory', 'memories')} instead of "
        f"{answer['now']:,}"
    )
    if answer["more"]:
        session.out.remark(f"Of each kind {MOST} are shown")
    for one in answer["left_out"]:
        session.out.remark(f"Would stay away: memory {one['id']}, which is {one['reason']}")


def _text(memory: Mapping[str, Any] | None) -> str:
    return "" if memory is None else str(memory["text"])
