"""Commands that tell what there is: tags, projects, stats, health."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import asks_service, given_only, project_option

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session


@click.command(cls=ExampleCommand, examples=["faiss-memory tags", "faiss-memory tags --project '*'"])
@project_option("Whose tags; `*` is everyone's [this folder's].")
@asks_service
def tags(session: Session, project: str | None) -> None:
    """List the tags in use, the most frequent first.

    Piped, each tag is a line: tag and count.
    """
    from faiss_memory.cli.records import Column
    from faiss_memory.cli.writing import counted, projects_in_words

    answer = session.call("GET", "/tags", params=given_only({"project": session.single(project)}))
    if session.prints_json(answer):
        return
    columns = (Column("tag", style="magenta"), Column("memories", right=True))
    session.out.table(columns, [(entry["tag"], entry["count"]) for entry in answer["tags"]])
    session.out.remark(f"{counted(answer['count'], 'tag')} in {projects_in_words(answer['project'])}")


@click.command(cls=ExampleCommand, examples=["faiss-memory projects"])
@asks_service
def projects(session: Session) -> None:
    """List the projects, and say which one this folder belongs to.

    Piped, each project is a line: name, memories, created, last change.
    """
    from faiss_memory.cli import views

    answer = session.call("GET", "/projects")
    if not session.prints_json(answer):
        views.show_projects(session.out, answer, session.here)


@click.command(cls=ExampleCommand, examples=["faiss-memory stats", "faiss-memory stats --json"])
@project_option("Of this project only [all of them].")
@asks_service
def stats(session: Session, project: str | None) -> None:
    """Show counts and sizes.

    Piped, each figure is a line: name and value.
    """
    from faiss_memory.cli import views

    answer = session.call("GET", "/stats", params=given_only({"project": project}))
    if not session.prints_json(answer):
        views.show_stats(session.out, answer)


@click.command(cls=ExampleCommand, examples=["faiss-memory health", "faiss-memory health --json"])
@asks_service
def health(session: Session) -> None:
    """Say whether the service answers, and where.

    The exit code is 0 if it does, 1 if it cannot use its memories, and 4 if there is none.
    """
    from faiss_memory.cli import views

    answer = session.call("GET", "/health", patient=False)
    if not session.prints_json(answer):
        views.show_health(session.out, answer, session.client.address.url)
