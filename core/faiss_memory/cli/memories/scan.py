"""The command that looks for secrets in what is stored, and masks them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import EXIT_FAILED, EXIT_NO
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import asks_service, project_option

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session


@click.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory scan",
        "faiss-memory scan --project website --past",
        "faiss-memory scan --mask --yes --proof",
    ],
)
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@project_option("Which project [all].")
@click.option(
    "--past", is_flag=True, help="Look through backups and the log too, for what was corrected or forgotten."
)
@click.option("--mask", is_flag=True, help="Mask them, those of the past too, so that no file holds them.")
@click.option(
    "--proof", is_flag=True, help="With --mask: search every file for the texts, and say what was found."
)
@click.option("--yes", "-y", is_flag=True, help="With --mask: do not ask.")
@asks_service
def scan(
    session: Session,
    ids: Sequence[int],
    project: str | None,
    past: bool,
    mask: bool,
    proof: bool,
    yes: bool,
) -> None:
    """Look for secrets in what is stored, and mask them: keys, tokens, private keys, passwords in addresses.

    What they are is not shown. Exits with 5 if there are some. With --mask, what kind each was takes its place, in all
    memories that hold one or in those that are named, and what was there leaves every file, backups too: each memory
    gets another id, and has no past any more. What was forgotten is purged. Change the secrets where they are valid,
    all the same.
    """
    if mask:
        _mask(session, ids, project, proof=proof, agreed=yes)
        return
    if ids or proof or yes:
        raise click.UsageError("IDs, --proof and --yes go with --mask.")
    _scan(session, project, past=past)


def _scan(session: Session, project: str | None, *, past: bool) -> None:
    from faiss_memory.cli.views import show_secrets
    from faiss_memory.cli.writing import counted

    answer = session.call("POST", "/scan", {"project": project or "*", "past": past}, endless=True)
    if not session.prints_json(answer):
        if answer["findings"]:
            show_secrets(session.out, answer["findings"])
            session.out.say(
                f"{counted(answer['count'], 'memory holds', 'memories hold')} what looks like a secret, of "
                f"{answer['scanned']:,}. To mask them in every file, backups too: faiss-memory scan --mask"
            )
        else:
            session.out.say(f"No secrets in {counted(answer['scanned'], 'memory', 'memories')}.", "green")
    if answer["findings"]:
        click.get_current_context().exit(EXIT_NO)


def _mask(session: Session, ids: Sequence[int], project: str | None, *, proof: bool, agreed: bool) -> None:
    request = {"project": project or "*", **({"ids": list(ids)} if ids else {})}
    if not agreed and not _agreed(session, request):
        return
    answer = session.call("POST", "/memory/mask", {**request, "proof": proof}, endless=True)
    if not session.prints_json(answer):
        _report(session, answer)
    if answer.get("proof", {}).get("found"):
        click.get_current_context().exit(EXIT_FAILED)


def _agreed(session: Session, request: Mapping[str, Any]) -> bool:
    """Show what it would be, and ask; false if it is nothing. Ends the command if the person says no."""
    from faiss_memory.cli.views import show_secrets
    from faiss_memory.cli.writing import counted

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("Nobody can be asked here: give --yes to mask, or leave --mask out to look.")
    found = session.call("POST", "/memory/mask", {**request, "dry_run": True}, endless=True)
    if not found["count"]:
        if not session.prints_json(found):
            _report(session, found)
        return False
    show_secrets(session.out, found["masked"])
    memories = counted(found["count"], "memory", "memories")
    if not click.confirm(f"Mask the secrets in {memories}, in every file and backup?", err=True):
        click.echo("Nothing was masked", err=True)
        click.get_current_context().exit(EXIT_NO)
    return True


def _report(session: Session, answer: Mapping[str, Any]) -> None:
    from faiss_memory.cli.memories.purge import show_traces
    from faiss_memory.cli.views import show_secrets
    from faiss_memory.cli.writing import counted

    if not answer["count"]:
        session.out.say("No secrets to mask.", "green")
        return
    show_secrets(session.out, answer["masked"])
    memories = counted(answer["count"], "memory", "memories")
    session.out.say(
        f"Masked the secrets in {memories}: {counted(answer['rewritten'], 'file', 'files')} written anew"
    )
    show_traces(session, answer)
