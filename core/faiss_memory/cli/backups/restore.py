"""Commands that make backups, list them, and go back to one."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import EXIT_NO
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import asks_service, given_only

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session


@click.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory backup",
        'faiss-memory backup --label "before the move"',
        "faiss-memory backup --to memories.tar --force",
    ],
)
@click.option("--label", metavar="TEXT", help="A note for you, kept with the backup.")
@click.option(
    "--to", "file", type=click.Path(path_type=Path), metavar="FILE",
    help="Write it to one file; - is standard output.",
)  # fmt: skip
@click.option("--of", "name", metavar="NAME", help="With --to: an earlier backup instead of the present.")
@click.option("--force", is_flag=True, help="With --to: write over a file that is there.")
@asks_service
def backup(session: Session, label: str | None, file: Path | None, name: str | None, force: bool) -> None:
    """Make a backup of all projects now, while the service goes on.

    With --to it is not kept in the data folder, but written to one file, an archive to take away. `faiss-memory restore
    FILE` brings it back, here or on another machine.
    """
    from faiss_memory.cli.backups.archives import taken_away
    from faiss_memory.cli.writing import counted, size

    if file is not None:
        taken_away(session, file, given_only({"backup": name, "label": label}), force=force)
        return
    if name is not None or force:
        raise click.UsageError("--of and --force go with --to, which names the file to write.")
    answer = session.call("POST", "/backup", given_only({"label": label}))
    if session.prints_json(answer):
        return
    count = counted(answer["memories"], "memory", "memories")
    session.out.say(f"Backup {answer['backup']} made: {count} of all projects, {size(answer['size_bytes'])}")
    session.out.remark(answer["message"])


@click.command(cls=ExampleCommand, examples=["faiss-memory backups", "faiss-memory backups --json"])
@asks_service
def backups(session: Session) -> None:
    """List the backups, the oldest first.

    Piped, each backup is a line: name, time, memories, bytes, label.
    """
    from faiss_memory.cli.records import Cell, Column, time_cell
    from faiss_memory.cli.writing import counted, size

    answer = session.call("GET", "/backups")
    if session.prints_json(answer):
        return
    columns = (
        Column("name", style="cyan"), Column("when", style="dim"), Column("memories", right=True),
        Column("size", right=True, spare=1), Column("label", wide=True),
    )  # fmt: skip
    rows = [
        (
            entry["name"], time_cell(entry["created_at"]), entry["memories"],
            Cell(entry["size_bytes"], size(entry["size_bytes"])), entry["label"],
        )
        for entry in answer["backups"]
    ]  # fmt: skip
    session.out.table(columns, rows)
    session.out.remark(counted(answer["count"], "backup"))


@click.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory restore auto_20260212_120000 --yes",
        "faiss-memory restore '2026-02-12 11:59' --yes",
        "faiss-memory restore memories.tar --yes",
        "faiss-memory restore --memory 1",
        "faiss-memory restore auto_20260212_120000 --changes",
    ],
)
@click.argument("moment", metavar="NAME|TIME|FILE", required=False)
@click.option(
    "--memory", type=int, metavar="ID", help="Bring back one memory that was forgotten, and nothing else."
)
@click.option("--changes", is_flag=True, help="Only tell what was added, changed and forgotten since then.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@asks_service
def restore(session: Session, moment: str | None, memory: int | None, changes: bool, yes: bool) -> None:
    """Go back to a backup or a time, or to an archive: to a name, to any moment since the oldest backup, to a file.

    All projects go back. The state before is set aside in the data folder. A time without an offset is UTC. A FILE is
    one that `faiss-memory backup --to` has written, on this machine or another. With --memory nothing else changes: a
    memory that was forgotten comes back under its id, as the newest backup that holds it has it. With --changes nothing
    is restored; piped, each change is a line: added, changed or forgotten, id, project, the text then, the text now.
    """
    from faiss_memory.cli.backups.archives import brought_back
    from faiss_memory.cli.backups.changes import told_changes

    if (moment is None) == (memory is None):
        raise click.UsageError("Name what to go back to (NAME, TIME or FILE), or one memory: --memory ID.")
    if moment is None:
        if changes:
            raise click.UsageError("--changes goes with what to go back to: a NAME or a TIME.")
        _undo(session, memory)
        return
    wanted = _wanted(moment)
    if changes:
        if isinstance(wanted, Path):
            raise click.UsageError(
                "--changes goes with the NAME of a backup or a TIME; an archive is not there yet."
            )
        told_changes(session, moment, wanted)
        return
    if not yes and not _agreed(moment):
        return
    if isinstance(wanted, Path):
        answer = brought_back(session, wanted)
    else:
        answer = session.call("POST", "/restore", wanted, endless=True)
    if not session.prints_json(answer):
        _tell_restored(session, answer)


def _tell_restored(session: Session, answer: dict[str, Any]) -> None:
    from faiss_memory.cli.writing import counted
    from faiss_memory.framing import clean_line

    count = counted(answer["memories"], "memory", "memories")
    session.out.say(f"Restored {answer['restored']}: {count} of all projects")
    for one in answer["left_out"]:
        session.out.say(f"Left out: memory {one['id']}, which is {one['reason']}")
    for said in answer["left_behind"]:
        session.out.say(f"Left behind: {clean_line(said)}")
    session.out.remark(answer["message"])


def _undo(session: Session, memory: int | None) -> None:
    """Bring back one memory. What the service answers besides that it did so is the memory, if anything."""
    answer = session.call("POST", f"/memory/{memory}/restore")
    if not session.prints_json(answer):
        project = answer.get("project")
        session.out.say(f"Memory {memory}{f' of project {project}' if project else ''} is there again")


def _wanted(moment: str) -> dict[str, str] | Path:
    from faiss_memory.safe_files import is_file

    path = Path(moment)
    if is_file(path):
        return path
    if moment.startswith(("auto_", "manual_")) and not moment.endswith(".tar"):
        return {"backup": moment}
    if path.name != moment or path.suffix == ".tar":
        raise click.UsageError(f"{moment} is not there, or is not a file.")
    try:
        time = datetime.fromisoformat(moment)
    except ValueError:
        raise click.UsageError(
            f"{moment} is neither the name of a backup nor a time such as '2026-02-12 11:59', nor a file that is "
            "there; `faiss-memory backups` lists the names."
        ) from None
    return {"time": (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()}


def _agreed(moment: str) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("This takes every project back; add --yes to do it without being asked.")
    if click.confirm(f"Take every project back to {moment}?", err=True):
        return True
    click.get_current_context().exit(EXIT_NO)
