"""The files that a memory speaks of, as the command line names them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click


def anchor_option(help: str) -> Callable[..., Any]:
    """Make `--anchor`, which may be given several times."""
    return click.option("--anchor", metavar="PATH", multiple=True, help=help)


def with_anchors(metadata: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Return metadata that names these files, with their digests as they are now; an empty path names none.

    A path counts from this folder, else from the root of its repository. Raises click.UsageError.
    """
    from faiss_memory.contracts.anchors import ANCHORS, MOST_ANCHORS

    rest = {name: value for name, value in metadata.items() if name != ANCHORS}
    if list(paths) == [""]:
        return rest
    if len(paths) > MOST_ANCHORS:
        raise click.UsageError(f"--anchor is given {len(paths)} times; the most is {MOST_ANCHORS}.")
    found = dict.fromkeys(_resolved(path) for path in paths)
    return {**rest, ANCHORS: [{"path": str(file), "sha256": digest_of(file)} for file in found]}


def _resolved(given: str) -> Path:
    from faiss_memory.project_name import find_repository

    here = Path.cwd()
    repository = find_repository(here)
    folders = [here] if repository is None else [here, repository.top]
    for folder in folders:
        file = folder / Path(given).expanduser()
        if file.is_file():
            return file.resolve()
    where = " or ".join(map(str, dict.fromkeys(folders)))
    raise click.UsageError(f"--anchor {given}: there is no such file in {where}.")


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hex. Raises CommandFailed."""
    from faiss_memory.cli.failures import CommandFailed
    from faiss_memory.safe_files import located, open_file

    digest = hashlib.sha256()
    try:
        with open_file(located(file)) as opened:
            while part := opened.read(1 << 20):
                digest.update(part)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read ({error.strerror or error}).") from None
    return digest.hexdigest()
