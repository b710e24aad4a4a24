"""The command that looks for secrets in what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from faiss_memory.cli.failures import EXIT_NO
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import asks_service, project_option

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session


@click.command(cls=ExampleCommand, examples=["faiss-memory scan", "faiss-memory scan --project website"])
@project_option("Which project [all].")
@asks_service
def scan(session: Session, project: str | None) -> None:
    """Look for secrets in what is stored: keys, tokens, private keys, passwords in addresses.

    What they are is not shown. Exits with 5 if there are some: change them where they are valid, and purge the
    memories, for backups hold them too.
    """
    from faiss_memory.cli.views import show_secrets
    from faiss_memory.cli.writing import counted

    answer = session.call("POST", "/scan", {"project": project or "*"}, endless=True)
    if not session.prints_json(answer):
        if answer["findings"]:
            show_secrets(session.out, answer["findings"])
            ids = " ".join(str(finding["id"]) for finding in answer["findings"][:20])
            session.out.say(
                f"{counted(answer['count'], 'memory holds', 'memories hold')} what looks like a secret, of "
                f"{answer['scanned']:,}. To take them out of every file, backups too: faiss-memory purge {ids}"
            )
        else:
            session.out.say(f"No secrets in {counted(answer['scanned'], 'memory', 'memories')}.", "green")
    if answer["findings"]:
        click.get_current_context().exit(EXIT_NO)
