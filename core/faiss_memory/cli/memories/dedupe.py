"""The command that finds memories that say the same, and lets one stand for the others."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import EXIT_NO
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import asks_service, project_option

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session

PAGE = 200
"""Pairs that are asked for at once."""
SHOWN = 50
"""Pairs that are shown where no number is given."""


@click.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory dedupe",
        "faiss-memory dedupe --join identical --dry-run",
        "faiss-memory dedupe --class differs --limit 20",
    ],
)
@click.argument("id", type=int, nargs=-1)
@project_option("Of this project [this folder's]; `*` for all.")
@click.option(
    "--class", "kind", type=click.Choice(["identical", "differs", "similar"]), help="Only such pairs."
)
@click.option(
    "--limit", "-n", type=click.IntRange(min=1), default=SHOWN, help=f"Show at most so many [{SHOWN}]."
)
@click.option(
    "--join",
    type=click.Choice(["identical", "similar"]),
    multiple=True,
    help="Let the newest of such pairs stand for the other; may be given twice.",
)
@click.option("--keep", type=int, metavar="ID", help="Let this memory stand for those named.")
@click.option("--undo", type=int, metavar="ID", help="Undo what this memory stands for, or for those named.")
@click.option("--dry-run", is_flag=True, help="Only say what would be joined.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@asks_service
def dedupe(
    session: Session,
    id: Sequence[int],
    project: str | None,
    kind: str | None,
    limit: int,
    join: Sequence[str],
    keep: int | None,
    undo: int | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Find memories that say the same, and join them.

    Three classes: `identical` texts; `similar` ones, that nothing tells apart; and such as `differ` in a value: perhaps
    one of them is out of date. Those are never joined by --join; --keep lets the right one replace the other. Whatever
    is joined is kept, and left out of searches; --undo brings it back.
    """
    if sum((keep is not None, undo is not None, bool(join))) > 1:
        raise click.UsageError("Give one of --join, --keep and --undo.")
    if id and keep is None and undo is None:
        raise click.UsageError(
            "Ids go with --keep, which names the memory that stands for them, or with --undo."
        )
    if undo is not None:
        _undo(session, undo, id)
    elif keep is not None:
        _keep(session, keep, id, dry_run=dry_run)
    elif join:
        _join(session, session.single(project), join, dry_run=dry_run, yes=yes)
    else:
        _show(session, session.single(project), kind, limit)


def _pages(session: Session, project: str | None, kind: str | None) -> Iterator[Mapping[str, Any]]:
    """Yield answers until all memories are compared, telling meanwhile how far that is."""
    from faiss_memory.cli.progress import Step, shown_progress

    asked = {"project": project, "class": kind, "limit": PAGE}
    step = Step("comparing memories", 0, 0, "")
    with shown_progress(lambda: step):
        while True:
            given = {name: value for name, value in asked.items() if value is not None}
            answer = session.call("GET", "/duplicates", params=given, endless=True)
            done = step.done + answer["compared"]
            step = Step(step.phase, done, done + answer["left"], "")
            yield answer
            if answer["next_cursor"] is None:
                return
            asked["cursor"] = answer["next_cursor"]


def _show(session: Session, project: str | None, kind: str | None, limit: int) -> None:
    from faiss_memory.cli.views import show_pairs

    pairs: list[Mapping[str, Any]] = []
    answer: Mapping[str, Any] = {}
    compared = 0
    for answer in _pages(session, project, kind):
        pairs += answer["pairs"]
        compared += answer["compared"]
        if len(pairs) >= limit:
            break
    more = len(pairs) > limit or bool(answer["next_cursor"])
    pairs = pairs[:limit]
    whole = {**answer, "pairs": pairs, "count": len(pairs), "compared": compared}
    if not session.prints_json(whole):
        show_pairs(session.out, whole, more=more)


def _join(session: Session, project: str | None, kinds: Sequence[str], *, dry_run: bool, yes: bool) -> None:
    from faiss_memory.cli.writing import counted

    if not (dry_run or yes or (sys.stdin.isatty() and sys.stderr.isatty())):
        raise click.UsageError(
            "Nobody can be asked here: give --yes to join, or --dry-run to see what it would be."
        )
    groups = _groups([pair for answer in _pages(session, project, None) for pair in answer["pairs"]], kinds)
    superseded = sum(map(len, groups.values()))
    told = f"{counted(superseded, 'memory', 'memories')} by {len(groups)} of the same content"
    if groups and not dry_run:
        if not yes and not click.confirm(f"Supersede {told}?", err=True):
            click.echo("Nothing was joined", err=True)
            click.get_current_context().exit(EXIT_NO)
        for keep, ids in groups.items():
            session.call("POST", "/memory/merge", {"keep": keep, "ids": ids})
    joined = [{"keep": keep, "ids": ids} for keep, ids in groups.items()]
    if session.prints_json({"success": True, "dry_run": dry_run, "joined": joined, "superseded": superseded}):
        return
    session.out.table((), [(keep, " ".join(map(str, ids))) for keep, ids in groups.items()])
    if not groups:
        session.out.say("Nothing to join", "yellow")
    else:
        session.out.say(
            f"{told} {'would be ' if dry_run else ''}superseded", "yellow" if dry_run else "green"
        )
        session.out.remark("To undo it: faiss-memory dedupe --undo ID, with an id of the first column")


def _groups(pairs: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> dict[int, list[int]]:
    """Return which memory stands for which: the newest, for those that are of such a pair with it itself.

    What is identical to another is as it is: that one's pairs are its own.
    """
    stands: dict[int, tuple[int, bool]] = {}
    groups: dict[int, list[int]] = {}
    newest = sorted(pairs, key=lambda pair: (pair["one"]["timestamp"], pair["one"]["id"]), reverse=True)
    for pair in sorted(newest, key=lambda pair: pair["class"] != "identical"):
        keep, other = pair["one"]["id"], pair["other"]["id"]
        is_same = pair["class"] == "identical"
        if pair["class"] not in kinds or other in stands or other in groups:
            continue
        if keep in stands:
            keep, still = stands[keep]
            if not (still and is_same):
                continue
        stands[other] = keep, is_same
        groups.setdefault(keep, []).append(other)
    return groups


def _keep(session: Session, keep: int, ids: Sequence[int], *, dry_run: bool) -> None:
    if not ids:
        raise click.UsageError("Name the memories that it is to stand for, after its own: --keep 2 3")
    answer = session.call("POST", "/memory/merge", {"keep": keep, "ids": list(ids), "dry_run": dry_run})
    if not session.prints_json(answer):
        named = ", ".join(map(str, answer["superseded"]))
        session.out.say(
            f"Memory {keep} {'would supersede' if dry_run else 'supersedes'} {named}",
            "yellow" if dry_run else "green",
        )
        if not dry_run:
            session.out.remark(f"To undo it: faiss-memory dedupe --undo {keep}")


def _undo(session: Session, keep: int, ids: Sequence[int]) -> None:
    answer = session.call("POST", "/memory/unmerge", {"keep": keep, **({"ids": list(ids)} if ids else {})})
    if not session.prints_json(answer):
        session.out.say(f"Current again: {', '.join(map(str, answer['current']))}")
