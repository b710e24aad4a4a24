"""The commands `faiss-memory watch …`: which folders build themselves, and how they are.

Nothing is imported here that their `--help` does not need: the front door loads the rest when a command runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

import faiss_memory
from faiss_memory import CommandGroup, ExampleCommand, Refused, asks_service, given_only, project_option

if TYPE_CHECKING:
    from faiss_memory import Session

_DISABLED = (
    "this service watches no folders: its plugin `ingest` is disabled, or not installed. Take it out of "
    "`plugins.disabled` in the configuration file and start the service again; `faiss-memory plugins` lists what there "
    "is."
)


@click.group(cls=CommandGroup, section="Files")
def watch() -> None:
    """Have folders build themselves whenever something in them changes."""


@watch.command(
    cls=ExampleCommand,
    examples=["faiss-memory watch add docs", "faiss-memory watch add notes --project notes"],
)
@click.argument("path", nargs=-1, required=True)
@project_option("Where it belongs [this folder's].")
@asks_service
def add(session: Session, path: Sequence[str], project: str | None) -> None:
    """Build folders now, and again whenever something in them changes.

    A restart of the service forgets none. What a file said is forgotten only when it has been gone for a while; never
    because a folder is not mounted or empty. Adding one again begins anew, on whatever it lies on now.
    """
    chosen = given_only({"project": session.single(project)})
    answers = [_call(session, "POST", {"path": _absolute(each), **chosen}) for each in path]
    if session.prints_json({"watches": answers, "count": len(answers)}):
        return
    for answer in answers:
        session.out.say(
            f"Watching {faiss_memory.clean_line(answer['path'])} for project {answer['project']}; "
            "`faiss-memory watch list` shows how it goes"
        )


@watch.command("list", cls=ExampleCommand, examples=["faiss-memory watch list"])
@asks_service
def list_watches(session: Session) -> None:
    """List the folders that build themselves, how they are, and what to do where something is wrong.

    Piped, each is a line: state, folder, project, how changes are found, files, time and result of the last build,
    message.
    """
    answer = _call(session, "GET")
    if session.prints_json(answer):
        return
    columns = [
        faiss_memory.Column("state", style="green"), faiss_memory.Column("folder", most=40),
        faiss_memory.Column("project", most=20, spare=1), faiss_memory.Column("by", spare=4),
        faiss_memory.Column("files", right=True, spare=2), faiss_memory.Column("built"),
        faiss_memory.Column("result", most=60, spare=3), faiss_memory.Column("message", wide=True),
    ]  # fmt: skip
    session.out.table(columns, [_row(each) for each in answer["watches"]])
    for each in answer["watches"]:
        if session.out.for_people and (each["message"] or each["unreadable"]):
            session.out.say(f"{each['path']}: {each['state']}", "yellow")
            for line in [each["message"], *each["unreadable"]]:
                if line:
                    session.out.remark(line)
    session.out.remark(faiss_memory.counted(answer["count"], "folder"))


def _row(each: Mapping[str, Any]) -> Sequence[Any]:
    last = each["last_build"] or {}
    wrong = "; ".join(filter(None, [each["message"], *each["unreadable"]]))
    built = faiss_memory.time_cell(last["ended_at"]) if last else None
    return (
        each["state"],
        each["path"],
        each["project"],
        each["how"],
        each["files"],
        built,
        last.get("message"),
        wrong,
    )


@watch.command(cls=ExampleCommand, examples=["faiss-memory watch remove docs"])
@click.argument("path", nargs=-1, required=True)
@project_option("Only where it is watched for this project [any].")
@asks_service
def remove(session: Session, path: Sequence[str], project: str | None) -> None:
    """Watch folders no more; what was built of them stays."""
    chosen = given_only({"project": project})
    answers = [_call(session, "DELETE", None, {"path": _absolute(each), **chosen}) for each in path]
    if session.prints_json({"removed": answers, "count": len(answers)}):
        return
    for answer in answers:
        session.out.say(
            f"{faiss_memory.clean_line(answer['path'])} is watched no more; what was built of it stays"
        )


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _call(
    session: Session,
    method: str,
    body: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    try:
        return session.call(method, "/index/watches", body, params)
    except Refused as error:
        # (A folder that is not watched is said in other words.)
        raise Refused(_DISABLED, 404) if error.is_no_such_call else error from None
