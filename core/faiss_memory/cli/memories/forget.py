"""The command that forgets memories, and asks before it does; and what it shares with the one that purges them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import EXIT_NO
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import (
    Command,
    asks_service,
    given_only,
    metadata_option,
    project_option,
    tag_option,
    time_options,
)

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session

MOST_MISSING = 10
"""Ids that are not there are named up to this many."""


def which_memories(command: Command) -> Command:
    """Return a command with the options that say which memories it is about."""
    for option in reversed(
        (
            click.argument("id", type=int, nargs=-1),
            project_option("Of this project [this folder's]; alone it means all of them."),
            tag_option("With this tag; may be given several times."),
            click.option(
                "--tags-mode", type=click.Choice(["any", "all"]), help="With any of the tags, or all [any]."
            ),
            click.option("--source", metavar="GLOB", help="From such sources, as 'docs/*.md'."),
            metadata_option("With this property; may be given several times."),
            time_options,
        )
    ):
        command = option(command)
    return command


def conditions_of(what: str, **given: Any) -> dict[str, Any]:
    """Return the conditions as the API takes them; without one nothing is done."""
    conditions = given_only(given)
    if not conditions.keys() - {"tags_mode"}:
        raise click.UsageError(f"Say what to {what}: ids, or a condition such as --source or --tag.")
    return conditions


@click.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory forget 1",
        "faiss-memory forget --source 'old-notes/*' --before 2025-01-01 --dry-run",
        "faiss-memory forget --project website --tag draft --yes",
    ],
)
@which_memories
@click.option("--dry-run", is_flag=True, help="Only say what would be forgotten.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@asks_service
def forget(
    session: Session,
    id: Sequence[int],
    project: str | None,
    tag: Sequence[str],
    dry_run: bool,
    yes: bool,
    **given: Any,
) -> None:
    """Forget memories by id or by a filter: those that meet every condition given.

    Backups made before still hold them, and `faiss-memory restore --memory ID` brings one back. For more than
    one memory you are asked first.
    """
    conditions = conditions_of("forget", ids=list(id), project=project, tags=list(tag), **given)
    if len(id) == 1 and conditions.keys() == {"ids"} and not dry_run:
        _forget_one(session, id[0])
        return
    if "ids" not in conditions and session.single(project):
        conditions["project"] = session.single(project)
    if not dry_run and not yes and not _agreed(session, conditions):
        return
    answer = session.call("POST", "/memory/forget", {**conditions, "dry_run": dry_run})
    if not session.prints_json(answer):
        _report(session, answer)


def _forget_one(session: Session, id: int) -> None:
    answer = session.call("DELETE", f"/memory/{id}")
    if not session.prints_json(answer):
        session.out.say(
            f"Memory {id} of project {answer['project']} forgotten; backups made before still hold it"
        )
        _tell_the_way_back(session, str(id))


def _agreed(session: Session, conditions: Mapping[str, Any]) -> bool:
    """Return how many it would be, and ask; ends the command if the person says no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(
            "Nobody can be asked here: give --yes to forget, or --dry-run to see what it would be."
        )
    found = session.call("POST", "/memory/forget", {**conditions, "dry_run": True})
    if not found["count"]:
        if not session.prints_json(found):
            _report(session, found)
        return False
    if not click.confirm(f"Forget {told(found)}?", err=True):
        click.echo("Nothing was forgotten", err=True)
        click.get_current_context().exit(EXIT_NO)
    return True


def _report(session: Session, answer: Mapping[str, Any]) -> None:
    verb = "would be forgotten" if answer["dry_run"] else "forgotten; backups made before still hold them"
    if answer["count"]:
        session.out.say(f"{told(answer)} {verb}", "yellow" if answer["dry_run"] else "green")
    else:
        session.out.say(f"Nothing to forget: {told(answer)}", "yellow")
    name_missing(session, answer["missing"])
    if answer["ids"] and not answer["dry_run"]:
        _tell_the_way_back(session, str(answer["ids"][0]) if len(answer["ids"]) == 1 else "ID")


def _tell_the_way_back(session: Session, id: str) -> None:
    session.out.remark(f"While a backup holds it, this brings one back: faiss-memory restore --memory {id}")


def name_missing(session: Session, missing: Sequence[int]) -> None:
    """Name the ids that are not there, if there are any."""
    if missing:
        named = ", ".join(str(id) for id in missing[:MOST_MISSING])
        session.out.remark(f"Not there: {named}{' …' if len(missing) > MOST_MISSING else ''}")


def told(answer: Mapping[str, Any]) -> str:
    """Return how many memories an answer is about, and of where."""
    from faiss_memory.cli.writing import counted, projects_in_words

    anywhere = answer["project"] == "*"  # ids without a project are looked for everywhere
    where = "in any project" if anywhere else f"of {projects_in_words(answer['project'])}"
    return f"{counted(answer['count'], 'memory', 'memories')} {where}"
