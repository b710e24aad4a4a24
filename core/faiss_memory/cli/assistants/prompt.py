"""The command that prints the text which tells an assistant when to search and when to store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import asks_service, complete_assistant, given_only, project_option

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session


@click.command(cls=ExampleCommand, examples=["faiss-memory prompt generic >> NOTES.md"])
@click.argument("name", shell_complete=complete_assistant)
@project_option("The project it should speak of [this folder's].")
@asks_service
def prompt(session: Session, name: str, project: str | None) -> None:
    """Print what an assistant is told of the memory: when to search, and what to store.

    NAME is that of an adapter, as `faiss-memory plugins` lists them. The text is printed as it is, for you to paste.
    """
    from urllib.parse import quote

    from faiss_memory.cli.writing import clean_lines

    asked = given_only({"project": session.single(project)})
    answer = session.call("GET", f"/adapters/{quote(name, safe='')}/prompt", params=asked)
    if not session.prints_json(answer):
        click.echo(clean_lines(answer["text"]), nl=not answer["text"].endswith("\n"))
