"""An archive as a file of this machine: written whole or not at all, and sent to the service."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faiss_memory.cli.downloads import STANDARD_OUTPUT, downloaded, shown
from faiss_memory.cli.failures import CommandFailed
from faiss_memory.cli.writing import clean, size
from faiss_memory.safe_files import located, open_file

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session

MEDIA_TYPE = "application/x-tar"


def taken_away(session: Session, file: Path, wanted: Mapping[str, Any], *, force: bool) -> None:
    """Write an archive to a file, or to standard output if that is `-`. Raises CommandFailed."""
    if file.is_dir():
        file = file / "faiss-memory.tar"
    written = downloaded(session, "/archive", wanted, file, force=force)
    if file == STANDARD_OUTPUT:
        return
    if session.as_json:
        session.prints_json({"success": True, "file": str(file), "size_bytes": written})
        return
    session.out.say(f"Archive {clean(file)} written: {size(written)}")
    session.out.remark(f"To go to what it holds, here or elsewhere: faiss-memory restore {clean(file)}")


def brought_back(session: Session, file: Path) -> dict[str, Any]:
    """Send an archive to the service, which goes to the state in it; gives the answer. Raises CommandFailed."""
    try:
        with open_file(located(file)) as source:
            whole = os.fstat(source.fileno()).st_size
            with shown("sending", whole) as step:
                return session.client.upload(
                    "/restore/archive", source, whole, MEDIA_TYPE, lambda sent: step(sent, None)
                )
    except OSError as error:
        raise CommandFailed(f"{clean(file)} cannot be read ({error.strerror}).") from None
