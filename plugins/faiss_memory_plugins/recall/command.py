"""The commands `recall`, `pin`, `unpin` and `never`.

Nothing is imported here that their `--help` does not need: the front door loads the rest when a command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

import faiss_memory
from faiss_memory import ExampleCommand, Refused, asks_service, given_only, project_option

if TYPE_CHECKING:
    from faiss_memory import Session

_DISABLED = (
    "this service shows nothing by itself: its plugin `recall` is disabled, or not installed. Take it out of "
    "`plugins.disabled` in the configuration file and start the service again; `faiss-memory plugins` lists what there "
    "is."
)


@click.command(
    cls=ExampleCommand,
    section="Find",
    examples=[
        'faiss-memory recall "How do we handle errors?"',
        'faiss-memory recall "and for dates?" --previous "How do we parse numbers?"',
        "faiss-memory recall --log --only nothing",
    ],
)
@click.argument("prompt", nargs=-1)
@project_option("In which project the prompt is written [this folder's].")
@click.option("--previous", metavar="TEXT", help="The prompt before it, which a short one may follow up on.")
@click.option("--k", "-k", type=int, metavar="N", help="How many memories at most [5].")
@click.option(
    "--min-relevance", type=click.FloatRange(0, 1), metavar="X", help="Try another bar than `min_relevance`."
)
@click.option("--log", is_flag=True, help="Show the last recalls instead, and searches that found nothing.")
@click.option("--assistant", metavar="NAME", help="Of the log only this assistant's, or way's.")
@click.option(
    "--only",
    type=click.Choice(["nothing", "shown"]),
    help="Of the log only where nothing was shown, or something.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="How many rows of the log at most [50]."
)
@asks_service
def recall(
    session: Session,
    prompt: Sequence[str],
    project: str | None,
    log: bool,
    previous: str | None,
    k: int | None,
    min_relevance: float | None,
    **choice: Any,
) -> None:
    """Show what a prompt would bring, and what not.

    Without PROMPT it is read from standard input. Nothing is counted. Piped, each memory is a line: shown or the
    reason, id, relevance, similarity, share of words, project, source, date, text. Of the log each row is a line: time,
    assistant, project, event, what was shown, milliseconds, prompt.
    """
    if log:
        if prompt or previous or k or min_relevance is not None:
            raise click.UsageError(
                "--log shows what was asked already: it takes no prompt, --previous, -k or --min-relevance."
            )
        _show_log(session, given_only({"project": project, **choice}))
        return
    if given := [name for name, value in choice.items() if value]:
        raise click.UsageError(f"--{given[0]} chooses from the log: give --log as well.")
    asked = {"project": session.single(project), "previous": previous, "k": k, "min_relevance": min_relevance}
    answer = _call(session, "POST", "/recall/preview", {"prompt": _read(prompt), **given_only(asked)})
    if not session.prints_json(answer):
        _show_preview(session, answer)


def _read(words: Sequence[str]) -> str:
    if words and list(words) != ["-"]:
        return " ".join(words)
    if not words and sys.stdin.isatty():
        raise click.UsageError("The prompt is missing: give it as words, or pipe it in.")
    return faiss_memory.read_stdin("The prompt")


def _call(
    session: Session, method: str, path: str, body: Mapping[str, Any] | None, **how: Any
) -> dict[str, Any]:
    try:
        return session.call(method, path, body, **how)
    except Refused as error:
        # (A memory that is not there is said in other words.)
        raise Refused(_DISABLED, 404) if error.is_no_such_call else error from None


def _show_preview(session: Session, answer: Mapping[str, Any]) -> None:
    out, bar = session.out, answer["bar"]
    columns = [
        faiss_memory.Column("why", style="yellow"), faiss_memory.Column("id", right=True),
        faiss_memory.Column("relevance", right=True), faiss_memory.Column("similarity", right=True, spare=2),
        faiss_memory.Column("words", right=True, spare=2), faiss_memory.Column("project", most=20, spare=3),
        faiss_memory.Column("source", most=24, spare=1), faiss_memory.Column("date", spare=4),
        faiss_memory.Column("text", wide=True),
    ]  # fmt: skip
    rows = [_row("shown", one) for one in answer["shown"]]
    rows += [_row(_why(one, bar), one) for one in answer["withheld"]]
    if rows:
        out.table(columns, rows)
    if answer["nothing"]:
        out.remark(f"Nothing would be shown: {answer['nothing']}")
    else:
        count = faiss_memory.counted(len(answer["shown"]), "memory", "memories")
        out.remark(
            f"{count} would be shown in project {answer['project']}, {len(answer['withheld'])} withheld"
        )


def _why(one: Mapping[str, Any], bar: float) -> str:
    return f"relevance < {bar:.2f}" if one["why"] == "relevance" else str(one["why"])


def _row(why: str, one: Mapping[str, Any]) -> Sequence[Any]:
    judged = one["evidence"] or {}
    measured = [one["relevance"], judged.get("similarity"), judged.get("words")]
    shown = [None if value is None else f"{value:.2f}" for value in measured]
    return (why, one["id"], *shown, one["project"], one["source"], one["date"], one["text"])


def _show_log(session: Session, params: Mapping[str, Any]) -> None:
    answer = _call(session, "GET", "/recall/log", None, params=params)
    if session.prints_json(answer):
        return
    columns = [
        faiss_memory.Column("when"), faiss_memory.Column("assistant", most=20),
        faiss_memory.Column("project", most=20, spare=2), faiss_memory.Column("event", most=18, spare=3),
        faiss_memory.Column("shown", style="green", most=24), faiss_memory.Column("ms", right=True, spare=1),
        faiss_memory.Column("prompt", wide=True),
    ]  # fmt: skip
    session.out.table(columns, [_log_row(one) for one in answer["recalls"]])
    session.out.remark(faiss_memory.counted(answer["count"], "row"))


def _log_row(one: Mapping[str, Any]) -> Sequence[Any]:
    ids = " ".join(str(memory["id"]) for memory in one["shown"])
    shown = "too late" if one["late"] else ids or "nothing"
    when = faiss_memory.time_cell(one["at"])
    return (
        when,
        one["assistant"],
        one["project"],
        one["event"],
        shown,
        f"{one['took_ms']:.0f}",
        one["prompt"],
    )


@click.command(cls=ExampleCommand, section="Memories", examples=["faiss-memory pin 1"])
@click.argument("id", type=int)
@asks_service
def pin(session: Session, id: int) -> None:
    """Have a memory shown whenever a session of its project begins."""
    _pin(session, id, True)


@click.command(cls=ExampleCommand, section="Memories", examples=["faiss-memory unpin 1"])
@click.argument("id", type=int)
@asks_service
def unpin(session: Session, id: int) -> None:
    """Have a memory shown no more at every start of a session."""
    _pin(session, id, False)


def _pin(session: Session, memory_id: int, pinned: bool) -> None:
    answer = _call(session, "POST", "/recall/pin", {"id": memory_id, "pinned": pinned})
    if not session.prints_json(answer):
        session.out.say(f"Memory {memory_id} is {'pinned' if pinned else 'not pinned any more'}")


@click.command(
    cls=ExampleCommand,
    section="Memories",
    examples=[
        'faiss-memory never 1 "How do we handle errors?"',
        'faiss-memory never 1 --forget "How do we handle errors?"',
    ],
)
@click.argument("id", type=int)
@click.argument("prompt", nargs=-1)
@click.option("--forget", is_flag=True, help="Take this prompt away again.")
@asks_service
def never(session: Session, id: int, prompt: Sequence[str], forget: bool) -> None:
    """Have a memory never shown for prompts like this one.

    Without PROMPT it is read from standard input. Piped, each prompt that the memory is not shown for is a line.
    """
    body = {"id": id, "prompt": _read(prompt), "forget": forget}
    answer = _call(session, "POST", "/recall/never", body)
    if session.prints_json(answer):
        return
    session.out.table((faiss_memory.Column("prompt", wide=True),), [(one,) for one in answer["not_for"]])
    count = faiss_memory.counted(len(answer["not_for"]), "prompt")
    session.out.remark(
        f"Memory {id} is not shown for {count}" if answer["not_for"] else f"Memory {id} is shown for any"
    )
