"""The commands `faiss-memory team …`: who else works with the memories, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.lazy import CommandGroup, ExampleCommand
from faiss_memory.cli.options import asks_service, given_only

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session

_DAYS = r"[1-9][0-9]{0,4}d"


@click.group(cls=CommandGroup, section="Service")
def team() -> None:
    """Let others work with the memories, with rights of their own."""


@team.command(cls=ExampleCommand, examples=["faiss-memory team add ben"])
@click.argument("name")
@asks_service
def add(session: Session, name: str) -> None:
    """Add a member, who may do nothing yet."""
    answer = session.call("POST", "/team", {"name": name})
    if not session.prints_json(answer):
        session.out.say(
            f"Added {name}; `faiss-memory team grant {name} PROJECT write` says what {name} may do"
        )


@team.command(
    cls=ExampleCommand,
    examples=["faiss-memory team token ana", "faiss-memory team token ana --expires 90d"],
)
@click.argument("name")
@click.option(
    "--expires", metavar="TIME", help="Until when it is good: 90d, or 2027-01-31T00:00:00Z [always]."
)
@asks_service
def token(session: Session, name: str, expires: str | None) -> None:
    """Make a token for a member, and print it this once."""
    body = given_only({"expires": None if expires is None else _time(expires)})
    answer = session.call("POST", f"/team/{_quoted(name)}/token", body)
    if session.prints_json(answer):
        return
    click.echo(answer["token"])
    until = f"good until {answer['expires_at']}" if answer["expires_at"] else "good until it is revoked"
    session.out.remark(f"Token {answer['id']} of {name}, {until}. It is kept nowhere: give it to {name} now")


def _time(written: str) -> str:
    import re
    from datetime import UTC, datetime, timedelta

    if re.fullmatch(_DAYS, written):
        return (datetime.now(UTC) + timedelta(days=int(written[:-1]))).isoformat()
    return written


@team.command(
    cls=ExampleCommand,
    examples=["faiss-memory team revoke ana"],
)
@click.argument("name")
@click.option("--token", metavar="ID", help="Only this one; `faiss-memory team list` shows the ids.")
@asks_service
def revoke(session: Session, name: str, token: str | None) -> None:
    """Revoke a member's tokens, at once and everywhere."""
    answer = session.call("POST", f"/team/{_quoted(name)}/revoke", given_only({"token": token}))
    if not session.prints_json(answer):
        from faiss_memory.cli.writing import counted

        session.out.say(f"Revoked {counted(answer['revoked'], 'token')} of {name}")


@team.command(
    cls=ExampleCommand,
    examples=["faiss-memory team grant ana website write", "faiss-memory team grant ana '*' read"],
)
@click.argument("name")
@click.argument("where", metavar="PROJECT")
@click.argument("can", metavar="CAN", type=click.Choice(["read", "write", "admin", "nothing"]))
@asks_service
def grant(session: Session, name: str, where: str, can: str) -> None:
    """Say what a member may do in a project: read, write, admin or nothing.

    PROJECT is `*` for all of them. Each right includes the one before it; admin purges, renames and drops the project,
    and grants rights in it.
    """
    body = {"project": where, "can": None if can == "nothing" else can}
    answer = session.call("POST", f"/team/{_quoted(name)}/grant", body)
    if not session.prints_json(answer):
        session.out.say(f"{name}: {can} in {'every project' if where == '*' else f'project {where}'}")


@team.command(
    cls=ExampleCommand,
    examples=["faiss-memory team link ana 'auth0|6712'", "faiss-memory team link ana 'auth0|6712' --undo"],
)
@click.argument("name")
@click.argument("subject")
@click.option("--undo", is_flag=True, help="Take it back.")
@asks_service
def link(session: Session, name: str, subject: str, undo: bool) -> None:
    """Let who signs in by OAuth as SUBJECT be a member."""
    answer = session.call("POST", f"/team/{_quoted(name)}/subject", {"subject": subject, "unlink": undo})
    if not session.prints_json(answer):
        session.out.say(f"{subject} is {'no more ' if undo else ''}{name}")


@team.command(cls=ExampleCommand, examples=["faiss-memory team remove ana"])
@click.argument("name")
@asks_service
def remove(session: Session, name: str) -> None:
    """Remove a member, with tokens and rights; the memories stay."""
    answer = session.call("DELETE", f"/team/{_quoted(name)}")
    if not session.prints_json(answer):
        session.out.say(f"Removed {name}")


@team.command("list", cls=ExampleCommand, examples=["faiss-memory team list"])
@asks_service
def list_members(session: Session) -> None:
    """List the members with their rights and tokens.

    Piped, each member is a line: name, rights, tokens that are good, subjects.
    """
    from faiss_memory.cli.records import Column
    from faiss_memory.cli.writing import counted

    answer = session.call("GET", "/team")
    if session.prints_json(answer):
        return
    columns = (
        Column("name", style="cyan"),
        Column("rights", spare=1),
        Column("tokens", spare=2),
        Column("subjects"),
    )
    session.out.table(columns, [_row(one) for one in answer["members"]])
    session.out.remark(counted(answer["count"], "member"))


def _row(one: Mapping[str, Any]) -> tuple[str, str, str, str]:
    rights = ", ".join(f"{grant['project']} {grant['can']}" for grant in one["grants"])
    good = [
        f"{token['id']} until {token['expires_at'][:10]}" if token["expires_at"] else token["id"]
        for token in one["tokens"]
        if not token["revoked_at"]
    ]
    return one["name"], rights or "none", ", ".join(good) or "none", ", ".join(one["subjects"])


@team.command(
    cls=ExampleCommand, examples=["faiss-memory team log", "faiss-memory team log --actor ana --limit 20"]
)
@click.option("--actor", metavar="NAME", help="Only what this one did; `owner` is the owner.")
@click.option("--limit", type=click.IntRange(1, 1000), metavar="COUNT", help="How many entries [100].")
@asks_service
def log(session: Session, actor: str | None, limit: int | None) -> None:
    """Show who did what, the newest first.

    Piped, each entry is a line: time, who, what, projects, ids, details.
    """
    from faiss_memory.cli.records import Column, time_cell
    from faiss_memory.cli.writing import counted

    answer = session.call("GET", "/team/log", params=given_only({"actor": actor, "limit": limit}))
    if session.prints_json(answer):
        return
    columns = (
        Column("time"), Column("who", style="cyan"), Column("what"), Column("projects", spare=1),
        Column("memories", spare=2), Column("about", wide=True),
    )  # fmt: skip
    rows = [
        (
            time_cell(one["time"]), one["actor"], one["action"], ", ".join(one["projects"]),
            ", ".join(str(memory) for memory in one["ids"][:10]) + (" …" if one["count"] > 10 else ""), one["about"],
        )
        for one in answer["entries"]
    ]  # fmt: skip
    session.out.table(columns, rows)
    session.out.remark(counted(answer["count"], "entry", "entries"))


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")
