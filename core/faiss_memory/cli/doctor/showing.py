"""How the doctor's findings are shown."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory.cli.doctor.findings import Finding, Findings
from faiss_memory.cli.output import Output
from faiss_memory.cli.records import Cell, Verdict
from faiss_memory.cli.writing import counted

_SIGNS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "failed": ("✗", "red"), "skipped": ("-", "dim")}


def show(out: Output, groups: Sequence[Findings]) -> None:
    """Show what was found: for people group by group, for a pipe a line each."""
    for group in groups:
        out.verdicts(group.about, [_verdict(one) for one in group.found])
    failed = sum(one.state == "failed" for group in groups for one in group.found)
    if failed:
        out.remark(f"{counted(failed, 'thing')} to be put right")
    elif len(groups) == 1:
        out.remark("All is well; no assistant is installed yet: faiss-memory install --all")
    else:
        out.remark("All is well")


def _verdict(one: Finding) -> Verdict:
    sign, style = _SIGNS[one.state]
    took = "" if one.milliseconds is None else f" ({one.milliseconds:,.0f} ms)"
    return Verdict(
        plain=(one.about, one.check, one.state, one.milliseconds, one.said, one.advice),
        sign=Cell(one.state, sign, style=style),
        name=one.check,
        said=f"{one.said}{took}",
        advice=one.advice,
    )
