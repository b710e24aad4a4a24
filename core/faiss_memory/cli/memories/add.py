"""Commands that write memories: add and edit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.memories.anchoring import anchor_option, with_anchors
from faiss_memory.cli.options import (
    asks_service,
    cue_option,
    given_only,
    metadata_option,
    project_option,
    read_stdin,
    tag_option,
    text_argument,
    time_option,
)

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session


@click.command(
    cls=ExampleCommand,
    examples=[
        'faiss-memory add "We keep amounts in integer cents" --source decisions.md --tag decision',
        "echo 'Health checks use 127.0.0.1' | faiss-memory add --metadata kind=fix --if-novel 0.9",
        "faiss-memory add --supersedes 1 The ledger is in Postgres 17",
        'faiss-memory add "Retries are in the client alone" --anchor docs/a.md',
        'faiss-memory add "Uploads go through the CDN" --cue "an upload fails with 413" --cue "adding a file field"',
    ],
)
@text_argument("The text")
@project_option("Where it belongs [this folder's].")
@click.option("--source", metavar="TEXT", help="Where it comes from, such as a file name.")
@tag_option("A word to group by; may be given several times.")
@cue_option("When it should come up: a task, a symptom or a question; may be given several times.")
@metadata_option("A property of your own; the value may be JSON. May be given several times.")
@anchor_option("A file that it speaks of: it counts as stale once that changes. May be given several times.")
@time_option("--timestamp", "When it was learnt [now].")
@time_option("--valid-until", "When it stops being true.")
@click.option("--supersedes", type=int, metavar="ID", help="The memory that this one replaces.")
@click.option(
    "--if-novel", type=float, metavar="X", help="Only if no memory is at least this similar, -1 to 1."
)
@click.option(
    "--idempotency-key", metavar="KEY", help="A retry with the same key changes nothing, for a day."
)
@click.option("--keep-secrets", is_flag=True, help="Store what looks like a secret as it is.")
@asks_service
def add(
    session: Session,
    text: str,
    project: str | None,
    tag: Sequence[str],
    cue: Sequence[str],
    anchor: Sequence[str],
    keep_secrets: bool,
    **given: Any,
) -> None:
    """Store a memory: one or two sentences that stand alone work best.

    Without TEXT it is read from standard input.
    """
    from faiss_memory.cli import views

    if anchor:
        given["metadata"] = with_anchors(given.get("metadata") or {}, anchor)
    body = given_only({"project": session.single(project), "tags": list(tag), "cues": list(cue), **given})
    answer = session.call("POST", "/memory/add", {"text": text, **body, **_wish(keep_secrets)})
    if session.prints_json(answer):
        return
    where = f"project {answer['project']}"
    if answer["success"]:
        session.out.say(f"Memory {answer['id']} added to {where}")
        views.tell_masked(session.out, answer)
        if answer.get("differs_in"):
            views.show_difference(session.out, answer)
        return
    session.out.say(f"Nothing added to {where}: this is known.", "yellow")
    if "closest_match" in answer:
        views.show_match(session.out, answer["closest_match"])


@click.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory edit 1",
        'faiss-memory edit 1 --text "The ledger is in Postgres 18" --tag decision --tag database',
        "faiss-memory edit 1 --metadata reviewed=true",
        'faiss-memory edit 1 --cue "which database to use" --cue "adding a migration"',
    ],
)
@click.argument("id", type=int)
@click.option("--text", metavar="TEXT", help="The new text; `-` reads it from standard input.")
@click.option("--source", metavar="TEXT", help="Where it comes from.")
@tag_option("The new tags, in place of all others; an empty one takes all away.")
@cue_option("The new cues, in place of all others; an empty one takes all away.")
@metadata_option("The new properties, in place of all others; an empty one takes all away.")
@anchor_option("The files that it speaks of, as they are now; an empty one takes all away.")
@time_option("--timestamp", "When it was learnt.")
@time_option("--valid-until", "When it stops being true.")
@click.option("--forever", is_flag=True, default=None, help="Take the end of its validity away.")
@click.option("--keep-secrets", is_flag=True, help="Store what looks like a secret as it is.")
@asks_service
def edit(
    session: Session,
    id: int,
    text: str | None,
    tag: Sequence[str],
    cue: Sequence[str],
    anchor: Sequence[str],
    keep_secrets: bool,
    **given: Any,
) -> None:
    """Correct a memory. What is not given stays.

    With no option at all the text opens in your editor ($EDITOR), or is read from standard input if that is not a
    terminal.
    """
    from faiss_memory.cli.views import tell_masked

    changes = {key: value for key, value in given.items() if value is not None}
    for name, values in (("tags", tag), ("cues", cue)):
        if values:
            changes[name] = [] if list(values) == [""] else list(values)
    if text == "-" or (text is None and not (changes or anchor) and not sys.stdin.isatty()):
        text = read_stdin("The text")
    memory = session.call("GET", f"/memory/{id}")
    if anchor:
        changes["metadata"] = with_anchors(changes.get("metadata", memory["metadata"]), anchor)
    if text is None and not changes:
        text = _edited(memory["text"])
    if text is not None:
        changes["text"] = text
    if all(memory.get(key) == value for key, value in changes.items()):
        if not session.prints_json(memory):
            session.out.say(f"Memory {id} says that already; nothing was changed", "yellow")
        return
    changes |= _wish(keep_secrets)
    answer = session.call("PATCH", f"/memory/{id}", changes)
    if not session.prints_json(answer):
        session.out.say(f"Memory {id} of project {answer['project']} corrected")
        tell_masked(session.out, answer)


def _wish(keep_secrets: bool) -> dict[str, str]:
    return {"secrets": "keep"} if keep_secrets else {}


def _edited(text: str) -> str:
    """Let the person edit a text; a file that was not saved leaves it as it is."""
    written = click.edit(text, extension=".md")
    if written is None:
        return text
    if not written.strip():
        raise click.UsageError(
            "The text is empty, so nothing was changed; `faiss-memory forget` forgets a memory."
        )
    # Editors end the last line with a break of their own.
    return written if text.endswith("\n") else written.rstrip("\n")
