"""The command that writes memories in a format that others read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import (
    asks_service,
    given_only,
    metadata_option,
    projects_option,
    tag_option,
    time_options,
)

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session

FORMATS = {".jsonl": "jsonl", ".json": "json", ".csv": "csv", ".zip": "markdown"}
"""The format that the end of a file's name stands for; a folder is one of Markdown files."""


@click.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory export --to memories.jsonl",
        "faiss-memory export --to exported --format markdown",
        "faiss-memory export --project website --tag decision --format csv > decisions.csv",
    ],
)
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write to this file, or for Markdown to this folder [standard output].",
)
@click.option(
    "--format",
    type=click.Choice(["jsonl", "json", "csv", "markdown"]),
    help="How they are written [as the file's name ends, else jsonl].",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@projects_option("Of this project; may be given several times [all].")
@tag_option("Only with this tag; may be given several times.")
@click.option("--tags-mode", type=click.Choice(["any", "all"]), help="With any of the tags, or all [any].")
@click.option("--source", metavar="GLOB", help="Only from such sources, as 'docs/*.md'.")
@metadata_option("Only with this property; may be given several times.")
@time_options
@click.option("--current", is_flag=True, help="Without what a newer memory replaces.")
@asks_service
def export(
    session: Session,
    file: Path | None,
    format: str | None,
    force: bool,
    project: Sequence[str],
    tag: Sequence[str],
    metadata: Mapping[str, Any] | None,
    current: bool,
    **given: Any,
) -> None:
    """Write memories in a format that others read: the oldest first, however many there are.

    `jsonl` has a memory in each line, after one that says what the file is; `json` is one document, `csv` a table for
    spreadsheets, and `markdown` a folder, or a zip, with a file for each memory.
    """
    from faiss_memory.cli.downloads import STANDARD_OUTPUT, downloaded
    from faiss_memory.cli.writing import clean, size

    target = file or STANDARD_OUTPUT
    wanted = format or FORMATS.get(target.suffix.lower(), "jsonl")
    lists = _as_json(project=list(project), tags=list(tag), metadata=metadata)
    asked = given_only({"format": wanted, **given, **lists})
    if current:
        asked["include_superseded"] = "false"
    if wanted == "markdown" and file is not None and file.suffix.lower() != ".zip":
        written = _into_folder(session, asked, file)
    else:
        written = downloaded(session, "/export", asked, target, force=force, is_text=wanted != "markdown")
    if target == STANDARD_OUTPUT:
        return
    if not session.prints_json({"success": True, "file": str(target), "size_bytes": written}):
        session.out.say(f"{clean(target)} written: {size(written)}")


def _as_json(**values: Any) -> dict[str, str | None]:
    """Return parameters that are lists and objects as an address carries them."""
    return {name: json.dumps(value) if value else None for name, value in values.items()}


def _into_folder(session: Session, asked: Mapping[str, Any], folder: Path) -> int:
    """Write Markdown files into a folder that is new or empty: all of them, or none."""
    import tempfile
    from zipfile import ZipFile

    from faiss_memory.cli.downloads import downloaded
    from faiss_memory.cli.failures import CommandFailed
    from faiss_memory.cli.writing import clean

    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CommandFailed(f"{clean(folder)} is there and is not an empty folder; name another one.")
        with tempfile.TemporaryDirectory(dir=folder.absolute().parent, prefix=f".{folder.name}.") as beside:
            archive, whole = Path(beside) / "memories.zip", Path(beside) / "memories"
            downloaded(session, "/export", asked, archive, force=False)
            whole.mkdir()
            with ZipFile(archive) as opened:
                opened.extractall(whole)  # (it leaves out what would lead out of the folder)
                written = sum(entry.file_size for entry in opened.infolist())
            whole.replace(folder)
    except OSError as error:
        raise CommandFailed(f"{clean(folder)} cannot be written ({error.strerror}).") from None
    return written
