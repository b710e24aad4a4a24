"""The command `faiss-memory build`: has the service read folders, and shows how far it is.

Nothing is imported here that its `--help` does not need: the front door loads the rest when the command runs.
"""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

import faiss_memory
from faiss_memory import (
    CommandFailed,
    ExampleCommand,
    Refused,
    asks_service,
    given_only,
    project_option,
)

if TYPE_CHECKING:
    from faiss_memory import Client, Output, Session, Step

MOST_FILES = 20
"""Files that a summary names of each kind, unless all are asked for."""


@click.command(
    cls=ExampleCommand,
    section="Files",
    examples=[
        "faiss-memory build docs",
        "faiss-memory build 'notes/*.md' README.md --project website --dry-run",
        "faiss-memory build --status",
    ],
)
@click.argument("path", nargs=-1)
@project_option("Where it belongs [this folder's].")
@click.option("--no-prune", is_flag=True, help="Keep what was made from files that are gone.")
@click.option(
    "--force-prune", is_flag=True, help="Forget what was made from files that are gone, even if it is much."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is done.")
@click.option("--status", is_flag=True, help="Show what runs, and how the last one ended.")
@click.option("--verbose", "-v", is_flag=True, help="Name every file.")
@asks_service
def build(
    session: Session,
    path: Sequence[str],
    project: str | None,
    status: bool,
    no_wait: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Read files, folders or globs of notes into a project.

    Only what has changed is read again.

    Piped, each file is a line: outcome, file, memories added, kept and removed, reason.
    """
    if status:
        _show_status(session)
        return
    if not path:
        raise click.UsageError("Say what to read: files, folders or globs, such as docs or 'notes/*.md'.")
    if given["no_prune"] and given["force_prune"]:
        raise click.UsageError("--no-prune and --force-prune contradict each other.")
    body = {
        "sources": [absolute(each) for each in path],
        "prune": "force" if given["force_prune"] else not given["no_prune"],
        "dry_run": given["dry_run"],
        "wait": not no_wait,
        **given_only({"project": session.single(project)}),
    }
    answer = _build(session, body)
    if not session.prints_json(answer):
        _show_answer(session.out, answer, verbose)
    if answer["state"] in ("failed", "stopped"):
        raise CommandFailed(_failure(answer))


def absolute(path: str) -> str:
    """Make a path or a glob absolute from the current folder, so that it means the same to the service.

    Characters of a glob in the current folder's own name, or in a path that exists as it is written, stand for
    themselves.
    """
    home = os.path.expanduser(path)
    if os.path.lexists(home):
        return glob.escape(os.path.abspath(home))
    if os.path.isabs(home):
        return os.path.normpath(home)
    return os.path.normpath(os.path.join(glob.escape(os.getcwd()), home))


def _build(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    def look() -> Step | None:
        return _step(session.client, body["sources"])

    try:
        if not body["wait"]:
            return session.call("POST", "/index/build", body)
        with faiss_memory.shown_progress(look):
            return session.call("POST", "/index/build", body, endless=True)
    except KeyboardInterrupt:
        click.echo(
            "\nThe build goes on in the service; `faiss-memory build --status` shows how far it is.", err=True
        )
        raise click.Abort from None
    except Refused as error:
        raise _with_a_way_out(error) from None


def _step(client: Client, sources: Sequence[str]) -> Step | None:
    """Ask how far the build of these sources is; whatever is wrong, the build's own answer will say."""
    try:
        running = client.call("GET", "/index/build", patient=False)["running"]
    except (CommandFailed, KeyError):
        return None
    own = [build for build in running if build["sources"] == list(sources)]
    at = own[0].get("progress") if own else None
    return faiss_memory.Step(at["phase"], at["done"], at["total"], at["file"]) if at else None


def _with_a_way_out(error: Refused) -> Refused:
    if error.status == 404:
        return Refused(_DISABLED, 404)
    if error.status == 409 and "\n" in error.message:
        head, *files = error.message.splitlines()
        more = [f"  … and {len(files) - MOST_FILES:,} more"] if len(files) > MOST_FILES else []
        hint = "If that is meant, give --force-prune; --no-prune keeps them."
        return Refused("\n".join([head, *files[:MOST_FILES], *more, hint]), 409)
    return error


_DISABLED = (
    "this service does not read folders: its plugin `ingest` is disabled, or not installed. Take it out of "
    "`plugins.disabled` in the configuration file and start the service again; `faiss-memory plugins` lists what there "
    "is."
)


def _show_status(session: Session) -> None:
    try:
        answer = session.call("GET", "/index/build")
    except Refused as error:
        raise _with_a_way_out(error) from None
    if session.prints_json(answer):
        return
    for running in answer["running"]:
        session.out.fields(_described(running))
    if not answer["running"]:
        session.out.remark("No build is running")
    if answer["last"] is not None:
        session.out.say("The last one:", "bold")
        session.out.fields(_described(answer["last"]))
    elif not answer["running"]:
        session.out.remark("None has run since the service was started")


def _described(build: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
    progress = build.get("progress") or {}
    far = f"{progress['phase']}, {progress['done']:,} of {progress['total']:,}" if progress else ""
    return (
        ("state", build["state"]),
        ("project", build["project"]),
        ("sources", ", ".join(build["sources"])),
        ("started", faiss_memory.time_cell(build["started_at"])),
        ("progress", far if build["state"] == "running" else ""),
        ("file", progress.get("file", "") if build["state"] == "running" else ""),
        ("dry run", "yes" if build["dry_run"] else ""),
        ("files", _counts(build)),
        ("memories", _memory_counts(build)),
        ("message", build["message"]),
    )


def _show_answer(out: Output, answer: Mapping[str, Any], verbose: bool) -> None:
    if answer["state"] == "running":
        out.say(
            f"The build of project {answer['project']} has begun; `faiss-memory build --status` shows how far it is"
        )
        return
    if answer["state"] == "done":
        would = "Dry run for" if answer["dry_run"] else "Done in"
        took = answer["took_ms"] / 1000
        out.say(f"{would} project {answer['project']}: {_counts(answer)} ({took:.1f} s)")
        out.remark(f"Memories: {_memory_counts(answer)}")
    _show_files(out, answer.get("files") or [], verbose)


def _show_files(out: Output, files: Sequence[Mapping[str, Any]], verbose: bool) -> None:
    if not out.for_people:
        rows = [
            (each["outcome"], each["file"], each["added"], each["kept"], each["removed"], each.get("reason"))
            for each in files
        ]
        out.table((), rows)
        return
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for each in files:
        if each["outcome"] != "kept" or verbose:
            groups[each["outcome"], each.get("reason", "") or ""].append(each)
    hidden = 0
    for outcome, reason in sorted(groups, key=lambda group: (_ORDER.get(group[0], 0), group[1])):
        found = groups[outcome, reason]
        shown = found if verbose else found[:MOST_FILES]
        hidden += len(found) - len(shown)
        out.say(f"{outcome}{f': {reason}' if reason else ''} ({len(found):,})", _STYLE.get(outcome, ""))
        out.table((faiss_memory.Column("file", wide=True),), [(each["file"],) for each in shown])
    if hidden:
        out.remark(f"… and {hidden:,} more files; --verbose shows all")


_STYLE = {"changed": "yellow", "added": "green", "removed": "red", "skipped": "magenta", "kept": "dim"}
_ORDER = {outcome: place for place, outcome in enumerate(_STYLE)}


def _counts(build: Mapping[str, Any]) -> str:
    return ", ".join(f"{build[name]:,} {name}" for name in ("added", "changed", "kept", "removed", "skipped"))


def _memory_counts(build: Mapping[str, Any]) -> str:
    told = [f"{build['memories'][name]:,} {name}" for name in ("added", "kept", "removed")]
    masked = [f"masked: {' and '.join(build['masked'])}"] if build.get("masked") else []
    return ", ".join([*told, f"{faiss_memory.counted(build['embedded'], 'passage')} embedded", *masked])


def _failure(answer: Mapping[str, Any]) -> str:
    what = "failed" if answer["state"] == "failed" else "was stopped"
    said = faiss_memory.clean_line(answer["message"] or "the service's log may say why")
    return f"the build of project {answer['project']} {what}: {said}"
