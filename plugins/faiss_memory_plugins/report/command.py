"""The command `faiss-memory report`.

Nothing is imported here that its `--help` does not need: the front door loads the rest when the command runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import faiss_memory
from faiss_memory import CommandFailed, ExampleCommand, Refused, asks_service, project_option

if TYPE_CHECKING:
    from faiss_memory import Session
    from faiss_memory_plugins.report.card import Card


@click.command(
    cls=ExampleCommand,
    section="Find",
    examples=[
        "faiss-memory report",
        "faiss-memory report --html report.html",
        "faiss-memory report --of notes --sample 5",
    ],
)
@project_option("On this project [all].")
@click.option(
    "--sample",
    type=click.IntRange(1, 1000),
    default=50,
    metavar="N",
    help="Of how many memories questions are made, and how many foreign ones are asked [50].",
)
@click.option(
    "--html",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write it into this file, for a browser.",
)
@click.option(
    "--of",
    "of",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="On the memories of another program, which are only read.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@asks_service
def report(
    session: Session, project: str | None, sample: int, file: Path | None, of: Path | None, force: bool
) -> None:
    """Report how well memories are found, and what should not be there.

    Questions are made from the memories by rule, and asked in each mode of search. Then: how often a foreign question
    would bring something, duplicates and contradictions, what is stale, secrets, and what the start of a session costs.
    Nothing is changed, and none of it is counted as use. With --of the same is told of what another program has kept,
    whatever `faiss-memory import` can read: it is asked here in memory, needs no running service, and is gone
    afterwards. Piped, each figure is a line: part, what, figure.
    """
    from faiss_memory_plugins.report.page import page

    if file is not None and file.exists() and not force:
        raise CommandFailed(f"{file} is there; name another file, or give --force to write over it.")
    if of is None:
        card = _card(session, project or "*", sample)
    else:
        with faiss_memory.trial_of(of, session.out, as_json=session.as_json) as lent:
            card = _card(lent, project or "*", sample, str(of))
    if file is not None:
        try:
            faiss_memory.write_file(faiss_memory.located(file), page(card).encode())
        except OSError as error:
            raise CommandFailed(f"{file} cannot be written ({error.strerror or error}).") from None
    _tell(session, card, file)


def _card(session: Session, project: str, sample: int, of: str | None = None) -> Card:
    from faiss_memory_plugins.report.asking import Asking

    asking = Asking(session, project, sample, of)
    try:
        with faiss_memory.shown_progress(lambda: asking.step):
            return asking.card()
    except Refused as error:
        if error.is_no_such_call:
            raise Refused(
                "the report needs the plugin `recall`, which is disabled or not installed; `faiss-memory plugins` "
                "lists what there is.",
                404,
            ) from None
        raise


def _tell(session: Session, card: Card, file: Path | None) -> None:
    import msgspec

    from faiss_memory_plugins.report.card import rows

    if session.prints_json(msgspec.to_builtins(card)):
        return
    columns = [
        faiss_memory.Column("part", style="bold"),
        faiss_memory.Column("what", wide=True),
        faiss_memory.Column("figure", most=60),
    ]
    session.out.table(columns, [(row.part, row.what, row.figure) for row in rows(card)])
    counted = faiss_memory.counted(card.memories, "memory", "memories")
    session.out.remark(f"{counted}; questions were made of {card.sampled:,}")
    if file is not None:
        session.out.remark(f"{file} written")
