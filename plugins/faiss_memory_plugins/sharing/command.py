"""The command `faiss-memory share`.

Nothing is imported here that its `--help` does not need: the front door loads the rest when the command runs.
"""

from __future__ import annotations

import glob
import json
import time
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
    from faiss_memory import Session
    from faiss_memory_plugins.sharing.folder import SharedFile, SharedFolder

PATIENCE = 60.0
"""Seconds that a build of the same folder, begun by its watch, may take."""
_DISABLED = (
    "this service reads no folders: its plugin `ingest` is disabled, or not installed. Take it out of "
    "`plugins.disabled` in the configuration file and start the service again."
)


@click.command(
    cls=ExampleCommand,
    section="Files",
    examples=[
        "faiss-memory share 1",
        "faiss-memory share --tag decision --dry-run",
        "faiss-memory share --remove 1",
        "faiss-memory share --trust --read",
    ],
)
@click.argument("id", type=int, nargs=-1)
@click.option("--tag", "-t", multiple=True, metavar="TAG", help="Share those with this tag; several times.")
@click.option("--source", metavar="GLOB", help="Share those from such sources, as 'docs/*.md'.")
@project_option("Of this project [this repository's].")
@click.option("--dry-run", is_flag=True, help="Only say what would be written.")
@click.option(
    "--remove", multiple=True, metavar="ID", help="Share this one no more: an id, or a file's name."
)
@click.option("--trust", is_flag=True, help="Read what others share here, now and whenever it changes.")
@click.option("--untrust", is_flag=True, help="Read it no more; what was read stays.")
@click.option("--read", is_flag=True, help="Read it now, and forget what is not shared any more.")
@asks_service
def share(
    session: Session,
    id: Sequence[int],
    tag: Sequence[str],
    source: str | None,
    project: str | None,
    dry_run: bool,
    remove: Sequence[str],
    trust: bool,
    untrust: bool,
    read: bool,
) -> None:
    """Share memories with everybody who has the repository.

    They are written to its folder `.memory`, a Markdown file each: commit these, and the pull request is the review. A
    secret in one of them stops all. What others share is read only where you have said --trust, and as memories with
    the tag `shared`; what a commit removes is forgotten. Without arguments it lists what is shared here.

    Piped, each file is a line: what was done, file, and its title where they are listed.
    """
    from faiss_memory_plugins.sharing.folder import folder_here

    chooses = bool(id or tag or source)
    if chooses + bool(remove) + untrust + (trust or read) > 1:
        raise click.UsageError("Share, --remove, --untrust, and --trust or --read: one of them at once.")
    if id and (tag or source):
        raise click.UsageError("Give ids, or --tag and --source, not both.")
    if dry_run and not chooses:
        raise click.UsageError("--dry-run is for what is to be shared: give ids, --tag or --source.")
    folder = folder_here()
    if chooses:
        _share(session, folder, id, project, dry_run, given_only({"tags": list(tag), "source": source}))
    elif remove:
        _remove(session, folder, remove)
    elif untrust:
        _untrust(session, folder, project)
    elif trust or read:
        _take_in(session, folder, session.single(project) or "default", trust=trust, read=read)
    else:
        _tell(session, "shared", folder, folder.files())


def _share(
    session: Session,
    folder: SharedFolder,
    ids: Sequence[int],
    project: str | None,
    dry_run: bool,
    conditions: Mapping[str, Any],
) -> None:
    from faiss_memory_plugins.sharing.choosing import by_conditions, by_ids, chosen

    wanted = session.single(project) or "default"
    if ids:
        memories = by_ids(session, ids, wanted)
    else:
        asked = {name: json.dumps(value) if name == "tags" else value for name, value in conditions.items()}
        memories = by_conditions(session, {**asked, "project": wanted})
    there = folder.files()
    found = chosen(memories, there, folder.top, named=bool(ids))
    written = list(found.files) if dry_run else folder.write(found.files)
    removed = [one.name for one in there if one.name in found.replaced and one.name not in found.files]
    if removed and not dry_run:
        for name in removed:
            folder.remove(name)
        folder.write_index()
    answer = {
        "success": True,
        "folder": str(folder.path),
        "written": written,
        "kept": [name for name in found.files if name not in written],
        "removed": removed,
        "left_out": [{"memory": called, "reason": reason} for called, reason in found.left_out],
        "dry_run": dry_run,
    }
    if not session.prints_json(answer):
        _tell_shared(session, answer)


def _tell_shared(session: Session, answer: Mapping[str, Any]) -> None:
    rows = [(done, name, "") for done in ("written", "kept", "removed") for name in answer[done]]
    _show(session, rows)
    for one in answer["left_out"]:
        session.out.remark(f"{one['memory']} is left out: it {one['reason']}")
    if answer["dry_run"]:
        session.out.remark("Nothing was written: it was a dry run")
    elif answer["written"] or answer["removed"]:
        session.out.remark(f"Commit {answer['folder']}; who pulls it and trusts the folder has them")
    else:
        session.out.remark("Nothing has changed")


def _remove(session: Session, folder: SharedFolder, given: Sequence[str]) -> None:
    there = folder.files()
    gone = [_meant(session, there, one) for one in given]
    for file in gone:
        folder.remove(file.name)
    folder.write_index()
    _tell(session, "removed", folder, gone)
    if not session.as_json:
        session.out.remark(f"Commit {folder.path}; whoever read them forgets them with the next read")


def _meant(session: Session, there: Sequence[SharedFile], given: str) -> SharedFile:
    uid = session.call("GET", f"/memory/{given}")["uid"] if given.isdecimal() else given
    name = given.rpartition("/")[2]
    for file in there:
        if uid == file.uid or name == file.name:
            return file
    raise CommandFailed(
        f"{given} is not shared here. Give an id, a uid or a file's name; `faiss-memory share` lists them."
    )


def _untrust(session: Session, folder: SharedFolder, project: str | None) -> None:
    asked = {"path": str(folder.path), **given_only({"project": project})}
    answer = _call(session, "DELETE", "/index/watches", None, asked)
    if not session.prints_json(answer):
        session.out.say(f"{folder.path} is trusted no more; what was read of it stays")


def _take_in(session: Session, folder: SharedFolder, project: str, *, trust: bool, read: bool) -> None:
    watch = {"path": str(folder.path), "project": project}
    answer: dict[str, Any] = {"success": True, "folder": str(folder.path), "project": project}
    if trust:
        if not folder.is_there:
            raise CommandFailed(f"Nothing is shared here: there is no {folder.path} to be trusted.")
        _call(session, "POST", "/index/watches", watch)
    elif not _is_trusted(session, watch):
        raise CommandFailed(
            f"{folder.path} is not trusted. Whoever can write there would tell your assistants what to know: look at "
            "it, and then say `faiss-memory share --trust`."
        )
    if read:
        answer["read"] = _read(session, folder, project)
        folder.write_index()
    if session.prints_json(answer):
        return
    if trust:
        session.out.say(f"{folder.path} is trusted: what others share there is read into project {project}")
    if read:
        counts = answer["read"]["memories"]
        session.out.say(f"{counts['added']:,} added, {counts['kept']:,} kept, {counts['removed']:,} removed")
        for file in answer["read"]["files"]:
            if file.get("reason"):
                session.out.remark(f"{file['file']}: {file['reason']}")


def _is_trusted(session: Session, watch: Mapping[str, str]) -> bool:
    watches = _call(session, "GET", "/index/watches")["watches"]
    return any(each["path"] == watch["path"] and each["project"] == watch["project"] for each in watches)


def _read(session: Session, folder: SharedFolder, project: str) -> dict[str, Any]:
    """Build the folder; one that is gone with its last file has nothing to say any more."""
    place = glob.escape(str(folder.path))
    if not folder.is_there:
        conditions = {"project": project, "source": f"{place}/*", "tags": [faiss_memory.SHARED]}
        gone = session.call("POST", "/memory/forget", conditions)["count"]
        return {"memories": {"added": 0, "kept": 0, "removed": gone}, "files": []}
    until = time.monotonic() + PATIENCE
    while True:
        try:
            body = {"sources": [place], "project": project, "prune": "force"}
            return _call(session, "POST", "/index/build", body, endless=True)
        except Refused as error:
            if error.status != 409 or time.monotonic() > until:
                raise
            time.sleep(0.2)  # the watch builds it just now


def _call(
    session: Session,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    **how: bool,
) -> dict[str, Any]:
    try:
        return session.call(method, path, body, params, **how)
    except Refused as error:
        raise Refused(_DISABLED, 404) if error.is_no_such_call else error from None


def _tell(session: Session, done: str, folder: SharedFolder, files: Sequence[SharedFile]) -> None:
    listed = [{"file": one.name, "uid": one.uid, "title": one.title, "tags": list(one.tags)} for one in files]
    if session.prints_json({"folder": str(folder.path), done: listed, "count": len(listed)}):
        return
    _show(session, [(done, one.name, one.title) for one in files])
    session.out.remark(f"{faiss_memory.counted(len(files), 'file')} {done} in {folder.path}")


def _show(session: Session, rows: Sequence[tuple[str, str, str]]) -> None:
    columns = [
        faiss_memory.Column("done", style="green"),
        faiss_memory.Column("file", wide=True),
        faiss_memory.Column("title", most=60),
    ]
    session.out.table(columns, rows)
