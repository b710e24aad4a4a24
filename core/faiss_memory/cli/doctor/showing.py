"""How the doctor's findings are shown."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory.cli.doctor.findings import Findings
from faiss_memory.cli.output import Output
from faiss_memory.cli.records import Cell, Column
from faiss_memory.cli.writing import counted

_SIGNS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "failed": ("✗", "red"), "skipped": ("-", "dim")}


def show(out: Output, groups: Sequence[Findings]) -> None:
    """Show what was found: for people group by group, for a pipe a line each."""
    columns = (
        Column("about", style="cyan"), Column("check"), Column(""), Column("ms", right=True, style="dim"),
        Column("found"), Column("what to do", style="yellow"),
    )  # fmt: skip
    rows = []
    for group in groups:
        for number, one in enumerate(group.found):
            sign, style = _SIGNS[one.state]
            rows.append((
                Cell(one.about, one.about if not number else ""),
                one.check,
                Cell(one.state, sign, style=style),
                one.milliseconds,
                one.said,
                one.advice,
            ))  # fmt: skip
    out.table(columns, rows)
    failed = sum(one.state == "failed" for group in groups for one in group.found)
    if failed:
        out.remark(f"{counted(failed, 'thing')} to be put right")
    elif len(groups) == 1:
        out.remark("All is well; no assistant is installed yet: faiss-memory install --all")
    else:
        out.remark("All is well")
