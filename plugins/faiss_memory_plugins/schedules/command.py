"""The commands `faiss-memory schedule …`: what the service does by itself, and when.

Nothing is imported here that their `--help` does not need: the front door loads the rest when a command runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

import faiss_memory
from faiss_memory import CommandGroup, ExampleCommand, Refused, asks_service, given_only

if TYPE_CHECKING:
    from faiss_memory import Session

_DISABLED = (
    "this service keeps no schedules: its plugin `schedules` is disabled, or not installed. Take it out of "
    "`plugins.disabled` in the configuration file and start the service again; `faiss-memory plugins` lists what there "
    "is."
)


@click.group(cls=CommandGroup, section="Service")
def schedule() -> None:
    """Have backups, builds and other jobs done at set times."""


@schedule.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory schedule add backup '30 3 * * *'",
        "faiss-memory schedule add build @hourly notes docs --name notes --set project=notes",
        "faiss-memory schedule add verify '0 4 * * 0' --zone Europe/Berlin",
    ],
)
@click.argument("job")
@click.argument("cron")
@click.argument("path", nargs=-1)
@click.option("--name", metavar="NAME", help="Its own name [the job's]; one that is there is replaced.")
@click.option("--zone", metavar="ZONE", help="Whose clock counts [this machine's].")
@click.option(
    "--set", "options", metavar="NAME=VALUE", multiple=True, help="What the job takes; several times."
)
@asks_service
def add(
    session: Session, job: str, cron: str, path: Sequence[str], options: Sequence[str], **given: Any
) -> None:
    """Do a job again and again: when CRON says so.

    CRON is minute, hour, day of the month, month and day of the week, or @hourly, @daily, @weekly or @monthly. Of what
    came due while the service was stopped, each job is done once when it starts. PATH is for `build`: what it reads.
    `faiss-memory schedule list` names the jobs.
    """
    taken = dict(_pair(option) for option in options)
    if path:
        taken["sources"] = [os.path.abspath(os.path.expanduser(each)) for each in path]
        taken.update(given_only({"project": session.single(taken.get("project"))}))
    answer = _call(session, "POST", "", {"job": job, "cron": cron, "options": taken, **given_only(given)})
    if not session.prints_json(answer):
        session.out.say(f"Schedule {answer['name']}: {_told(answer)}")


def _pair(written: str) -> tuple[str, Any]:
    name, equals, value = written.partition("=")
    if not equals:
        raise click.UsageError(f"--set takes NAME=VALUE, and {written} has no =.")
    return name, {"true": True, "false": False}.get(value, value)


@schedule.command("list", cls=ExampleCommand, examples=["faiss-memory schedule list"])
@asks_service
def list_schedules(session: Session) -> None:
    """List what is done when, how it ended the last time, and which jobs there are.

    Piped, each schedule is a line: name, job, cron expression, zone, next time, last time, how it ended, message.
    """
    answer = _call(session, "GET")
    if session.prints_json(answer):
        return
    columns = [
        faiss_memory.Column("name", style="cyan", most=20), faiss_memory.Column("job", spare=1),
        faiss_memory.Column("when", most=24, spare=2), faiss_memory.Column("zone", spare=4),
        faiss_memory.Column("next"), faiss_memory.Column("last", spare=3),
        faiss_memory.Column("ended"), faiss_memory.Column("message", wide=True),
    ]  # fmt: skip
    session.out.table(columns, [_row(each) for each in answer["schedules"]])
    jobs = "; ".join(f"{job['name']}: {job['summary']}" for job in answer["jobs"])
    session.out.remark(f"{faiss_memory.counted(answer['count'], 'schedule')}. Jobs: {jobs}")


def _row(each: Mapping[str, Any]) -> Sequence[Any]:
    last = each["last"] or {}
    ended = "running" if each["running"] else last.get("state")
    began = faiss_memory.time_cell(last["started_at"]) if last else None
    due = faiss_memory.time_cell(each["next_at"])
    return (each["name"], each["job"], each["cron"], each["zone"], due, began, ended, last.get("message"))


@schedule.command(cls=ExampleCommand, examples=["faiss-memory schedule run backup"])
@click.argument("name")
@asks_service
def run(session: Session, name: str) -> None:
    """Do a scheduled job now; its times stay."""
    answer = _call(session, "POST", f"/{_quoted(name)}/run")
    if not session.prints_json(answer):
        session.out.say(f"Schedule {answer['name']} begins; `faiss-memory schedule list` shows how it ends")


@schedule.command(cls=ExampleCommand, examples=["faiss-memory schedule remove backup"])
@click.argument("name")
@asks_service
def remove(session: Session, name: str) -> None:
    """Do a job no more."""
    answer = _call(session, "DELETE", f"/{_quoted(name)}")
    if not session.prints_json(answer):
        session.out.say(f"Schedule {answer['name']} is removed")


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _told(answer: Mapping[str, Any]) -> str:
    words, zone = faiss_memory.clean_line(answer["in_words"]), answer["zone"]
    return f"{words} ({zone}), next at {answer['next_at']}"


def _call(
    session: Session, method: str, below: str = "", body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    try:
        return session.call(method, f"/schedules{below}", body)
    except Refused as error:
        # (A schedule that is not there is said in other words.)
        raise Refused(_DISABLED, 404) if error.is_no_such_call else error from None
