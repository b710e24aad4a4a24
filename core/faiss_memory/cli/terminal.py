"""What people see: tables and colours by rich. It is imported only where a terminal is there to show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from faiss_memory.cli.records import Cell, Column, Value, Verdict
from faiss_memory.cli.writing import clean

LEAST = 36
"""Cells that a text needs to be read."""
LEAST_OF_ALL = 16
"""Cells that it makes do with for the sake of the column that is spared last."""
WIDEST_NAME = 24
"""Cells for the names of verdicts; longer ones are folded."""


class TerminalOutput:
    """For people."""

    for_people = True

    def __init__(self) -> None:
        # Everything is printed as Text: no markup, emoji names or highlighting are looked for in what memories say.
        self._console = Console(markup=False, emoji=False, highlight=False)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> None:
        """Print records under their headings; columns that are empty throughout are left out."""
        found = [[_shown(value) for value in row] for row in rows]
        used = self._fitting(columns, found)
        if not used:
            return
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for at in used:
            column = columns[at]
            table.add_column(
                Text(column.name),
                style=column.style,
                justify="right" if column.right else "left",
                overflow="fold" if column.wide else "ellipsis",
                no_wrap=not column.wide,
                ratio=1 if column.wide else None,
                max_width=column.most or None,
            )
        for row in found:
            table.add_row(*(row[at] for at in used))
        self._console.print(table)

    def _fitting(self, columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> list[int]:
        """Choose the columns that are not empty, and leave the wide one room enough to be read."""
        used = [at for at in range(len(columns)) if any(row[at].plain for row in rows)]

        def width(at: int, text: int) -> int:
            if columns[at].wide:
                return text
            widest = max(
                cell_len(text.plain) for text in (Text(columns[at].name), *(row[at] for row in rows))
            )
            return min(widest, columns[at].most or widest)

        while spare := max((columns[at].spare for at in used), default=0):
            text = LEAST if spare > 1 else LEAST_OF_ALL
            if sum(width(at, text) + 2 for at in used) <= self._console.width:
                break
            used = [at for at in used if columns[at].spare < spare]
        return used

    def fields(self, pairs: Iterable[tuple[str, Value]]) -> None:
        """Print names and values side by side; empty values are left out."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in pairs:
            shown = _shown(value)
            if shown.plain:
                table.add_row(Text(clean(name)), shown)
        self._console.print(table)

    def verdicts(self, about: str, verdicts: Sequence[Verdict]) -> None:
        """Print them below each other: names in a column, words beside them, and below each what to do."""
        width = min(max((cell_len(verdict.name) for verdict in verdicts), default=0), WIDEST_NAME)
        self._console.print(Text(clean(about), style="bold cyan"))
        for verdict in verdicts:
            row = Table.grid(padding=(0, 2, 0, 0))
            row.add_column(width=1)
            row.add_column(width=width, overflow="fold")
            row.add_column(overflow="fold")
            row.add_row(_shown(verdict.sign), Text(clean(verdict.name)), Text(clean(verdict.said)))
            self._console.print(row)
            if verdict.advice:
                advice = Table.grid(padding=(0, 1, 0, 0))
                advice.add_row("   →", Text(clean(verdict.advice), overflow="fold"), style="yellow")
                self._console.print(advice)

    def text(self, text: str) -> None:
        """Print a text with its own lines, each with a margin that it cannot leave."""
        lines = Text("\n".join(clean(line) for line in text.splitlines()))
        self._console.print(Padding(lines, (1, 0, 1, 2)))

    def say(self, text: str, style: str = "green") -> None:
        """Print it in colour."""
        self._console.print(Text(clean(text), style=style))

    def remark(self, text: str) -> None:
        """Print it below the records, dimmed."""
        self._console.print(Text(clean(text), style="dim"))


def progress_bar() -> Progress:
    """Make the bar of work that the service does, on standard error; its tasks have the fields `file`."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[file]}", style="dim", markup=False),
        console=Console(stderr=True, markup=False, emoji=False, highlight=False),
        transient=True,
    )


def transfer_bar() -> Progress:
    """Make the bar of a file that comes or goes, on standard error."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True, markup=False, emoji=False, highlight=False),
        transient=True,
    )


def part_bar() -> Progress:
    """Make the bar of work that knows how far it is, on standard error."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        console=Console(stderr=True, markup=False, emoji=False, highlight=False),
        transient=True,
    )


def _shown(value: Value) -> Text:
    if value is None:
        return Text("")
    if not isinstance(value, Cell):
        return Text(clean(value))
    text = Text(clean(value.shown), style=value.style)
    if value.marked:
        text.highlight_words(value.marked, "bold yellow", case_sensitive=False)
    return text
