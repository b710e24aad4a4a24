"""The command that purges memories: they leave every file, and it can show that they have."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import EXIT_FAILED, EXIT_NO
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.memories.forget import conditions_of, name_missing, told, which_memories
from faiss_memory.cli.options import asks_service

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session


@click.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory purge 1 --yes --proof",
        "faiss-memory purge --source 'old-notes/*' --dry-run",
    ],
)
@which_memories
@click.option("--dry-run", is_flag=True, help="Only say what would be purged.")
@click.option(
    "--proof", is_flag=True, help="Search every file for the texts afterwards, and say what was found."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@asks_service
def purge(
    session: Session,
    id: Sequence[int],
    project: str | None,
    tag: Sequence[str],
    dry_run: bool,
    proof: bool,
    yes: bool,
    **given: Any,
) -> None:
    """Purge memories by id or by a filter, from every file, backups too.

    There is no way back: older moments stay, but without them. By id, those go too that were forgotten before.
    """
    conditions = conditions_of("purge", ids=list(id), project=project, tags=list(tag), **given)
    if "ids" not in conditions and session.single(project):
        conditions["project"] = session.single(project)
    if not dry_run and not yes and not _agreed(session, conditions):
        return
    request = {**conditions, "dry_run": dry_run, "proof": proof}
    answer = session.call("POST", "/memory/purge", request, endless=True)
    if not session.prints_json(answer):
        _report(session, answer)
    if answer.get("proof", {}).get("found"):
        click.get_current_context().exit(EXIT_FAILED)


def _agreed(session: Session, conditions: Mapping[str, Any]) -> bool:
    """Return how many it would be, and ask; ends the command if the person says no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(
            "Nobody can be asked here: give --yes to purge, or --dry-run to see what it would be."
        )
    found = session.call("POST", "/memory/purge", {**conditions, "dry_run": True}, endless=True)
    if not found["count"]:
        if not session.prints_json(found):
            _report(session, found)
        return False
    if not click.confirm(f"Purge {told(found)}, from every file and backup?", err=True):
        click.echo("Nothing was purged", err=True)
        click.get_current_context().exit(EXIT_NO)
    return True


def _report(session: Session, answer: Mapping[str, Any]) -> None:
    from faiss_memory.cli.writing import counted

    if not answer["count"]:
        session.out.say(f"Nothing to purge: {told(answer)}", "yellow")
    elif answer["dry_run"]:
        session.out.say(f"{told(answer)} would be purged", "yellow")
    else:
        files = counted(answer["rewritten"], "file", "files")
        session.out.say(f"{told(answer)} purged: {files} written anew")
    show_traces(session, answer)
    name_missing(session, answer["missing"])


def show_traces(session: Session, answer: Mapping[str, Any]) -> None:
    """Tell which files a purge has removed, and what a search of every file for what was purged has found."""
    for name in answer["removed"]:
        session.out.remark(f"{name} could not be read, and was removed")
    if "proof" in answer:
        _show_proof(session, answer["proof"])


def _show_proof(session: Session, proof: Mapping[str, Any]) -> None:
    from faiss_memory.cli.writing import counted, size

    files, texts = counted(proof["files_searched"], "file", "files"), counted(proof["texts"], "text", "texts")
    if proof["found"]:
        session.out.say(f"Searched {files}: a part of {texts} is still in {', '.join(proof['found'])}", "red")
    else:
        session.out.say(f"Searched {files}, {size(proof['bytes_searched'])}, for {texts}: nothing was found")
    if proof["shared"]:
        named = ", ".join(map(str, proof["shared"][:10]))
        session.out.remark(f"These memories say the same in part, and stay: {named}")
    if proof["not_covered"]:
        session.out.remark(f"Not searched: {'; '.join(proof['not_covered'])}")
