"""Commands that find memories: search, list, cues, show, is-novel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import EXIT_NO
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import (
    asks_service,
    complete_tag,
    given_only,
    metadata_option,
    project_option,
    projects_option,
    tag_option,
    text_argument,
    time_options,
)

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session

PAGE = 1000
"""The most memories the service lists at once."""


@click.command(
    cls=ExampleCommand,
    examples=[
        'faiss-memory search "How do we handle errors?"',
        "faiss-memory search -p '*' --tag fix -k 10 health checks",
        "faiss-memory search --json --min-relevance 0.5 which database",
        "faiss-memory search --all parking",
    ],
)
@text_argument("The query")
@projects_option("Where to look; may be given several times, `*` is everywhere [this folder's, and default].")
@click.option("--k", "-k", type=int, metavar="N", help="How many results [5].")
@click.option(
    "--mode", type=click.Choice(["hybrid", "semantic", "keyword"]), help="By meaning, by words, or both."
)
@click.option("--threshold", type=float, metavar="X", help="Least similarity of a result, 0 to 1.")
@click.option(
    "--min-relevance",
    type=float,
    metavar="X",
    help="Least chance that a result helps, 0 to 1 [setting min_relevance; with --json 0].",
)
@click.option("--all", "everything", is_flag=True, help="Also what hardly fits, and is hidden otherwise.")
@tag_option("Only with this tag; may be given several times.")
@click.option("--tags-mode", type=click.Choice(["any", "all"]), help="With any of the tags, or all [any].")
@click.option("--source", metavar="GLOB", help="Only from such sources, as 'docs/*.md'.")
@metadata_option("Only with this property; may be given several times.")
@time_options
@click.option("--include-superseded", is_flag=True, help="Also what a newer memory replaces.")
@asks_service
def search(
    session: Session,
    text: str,
    project: Sequence[str],
    tag: Sequence[str],
    everything: bool,
    **given: Any,
) -> None:
    """Search memories with a question in plain words.

    Without TEXT the question is read from standard input. What hardly fits is hidden, and its number said; --all shows
    it, and --json keeps it. Piped, each result is a line: id, similarity, relevance, project, source, time, tags, text.
    """
    from faiss_memory.cli import views

    if everything and given["min_relevance"] is not None:
        raise click.UsageError("--all shows everything, and --min-relevance not: give one of them.")
    body = given_only({"project": session.readable(project), "tags": list(tag), **given})
    if not everything and (not session.as_json or given["min_relevance"] is not None):
        body["only_relevant"] = True
    answer = session.call("POST", "/search", {"query": text, **body})
    if not session.prints_json(answer):
        views.show_results(session.out, answer)


@click.command(
    name="list",
    cls=ExampleCommand,
    examples=[
        "faiss-memory list --limit 10",
        "faiss-memory list -p '*' --tag decision --after 2026-01-01",
        "faiss-memory list --all --json",
    ],
)
@project_option("Whose memories; `*` is everyone's [this folder's].")
@click.option("--tag", "-t", metavar="TAG", help="Only with this tag.", shell_complete=complete_tag)
@click.option("--source", metavar="GLOB", help="Only from such sources, as 'docs/*.md'.")
@time_options
@click.option("--q", "-q", metavar="WORDS", help="Only whose text contains this.")
@click.option("--order", type=click.Choice(["newest", "oldest"]), help="Which come first [newest].")
@click.option("--limit", type=click.IntRange(min=1), default=50, metavar="N", help="How many at most [50].")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--include-superseded", is_flag=True, help="Also what a newer memory replaces.")
@asks_service
def list_memories(session: Session, project: str | None, limit: int, everything: bool, **given: Any) -> None:
    """List memories, the newest first.

    Piped, each memory is a line: id, time, project, source, tags, text.
    """
    params = given_only({"project": session.single(project), **given})
    if params.get("include_superseded"):
        params["include_superseded"] = "true"
    _show_pages(session, _pages(session, params, None if everything else limit))


def _show_pages(session: Session, pages: Iterator[dict[str, Any]]) -> None:
    from faiss_memory.cli import views

    if session.as_json:
        session.prints_json(_joined(pages))
    else:
        views.show_list(session.out, pages)


@click.command(
    cls=ExampleCommand, examples=["faiss-memory cues --limit 10", "faiss-memory cues -p '*' --all --json"]
)
@project_option("Whose memories; `*` is everyone's [this folder's].")
@click.option("--limit", type=click.IntRange(min=1), default=50, metavar="N", help="How many at most [50].")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@asks_service
def cues(session: Session, project: str | None, limit: int, everything: bool) -> None:
    """List the memories that have no cues yet, the newest first.

    A cue says when a memory should come up; `faiss-memory edit ID --cue PHRASE` gives it some. Piped, each memory is
    a line, as `list` prints it.
    """
    params = given_only({"project": session.single(project), "without_cues": "true"})
    _show_pages(session, _pages(session, params, None if everything else limit))


@click.command(cls=ExampleCommand, examples=["faiss-memory show 1", "faiss-memory show 1 --history"])
@click.argument("id", type=int)
@click.option("--history", is_flag=True, help="Also what it superseded, newest first.")
@asks_service
def show(session: Session, id: int, history: bool) -> None:
    """Show a memory in full, with all that is known of it.

    Piped, each field is a line: name and value.
    """
    from faiss_memory.cli import views

    answer = session.call("GET", f"/memory/{id}/history" if history else f"/memory/{id}")
    if not session.prints_json(answer):
        views.show_memories(session.out, answer["memories"] if history else [answer])


@click.command(
    name="is-novel",
    cls=ExampleCommand,
    examples=[
        'faiss-memory is-novel "We use Tailwind CSS for styling"',
        "faiss-memory is-novel --threshold 0.9 < notes.md && echo news",
    ],
)
@text_argument("The text")
@projects_option("Where to look; may be given several times, `*` is everywhere [this folder's, and default].")
@click.option("--threshold", type=float, metavar="X", help="From which similarity on it is known [0.85].")
@asks_service
def is_novel(session: Session, text: str, project: Sequence[str], threshold: float | None) -> None:
    """Say whether a text says something new.

    The exit code is 0 if it does, and 5 if it is known. Without TEXT it is read from standard input.
    """
    from faiss_memory.cli import views

    body = given_only({"project": session.readable(project), "threshold": threshold})
    answer = session.call("POST", "/memory/is-novel", {"text": text, **body})
    if not session.prints_json(answer):
        views.show_novelty(session.out, answer)
    if not answer["is_novel"]:
        click.get_current_context().exit(EXIT_NO)


def _pages(session: Session, params: Mapping[str, Any], limit: int | None) -> Iterator[dict[str, Any]]:
    """Ask for one page after the other, until there are `limit` memories or none are left."""
    cursor, left = None, limit
    while True:
        size = PAGE if left is None else min(left, PAGE)
        page = session.call("GET", "/memories", params={**params, "limit": size, "cursor": cursor})
        yield page
        cursor, left = page["next_cursor"], None if left is None else left - page["count"]
        if cursor is None or left == 0:
            return


def _joined(pages: Iterator[dict[str, Any]]) -> dict[str, Any]:
    joined = next(pages)
    for page in pages:
        joined["memories"] += page["memories"]
        joined["next_cursor"] = page["next_cursor"]
    return {**joined, "count": len(joined["memories"])}
