"""The command that takes over memories from a file or a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from faiss_memory.cli.failures import EXIT_NO, CommandFailed
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import asks_service, project_option

if TYPE_CHECKING:
    from faiss_memory.cli.memories.taking_over import TakingOver
    from faiss_memory.cli.session import Session
    from faiss_memory.contracts.importing import Importer
    from faiss_memory.globs import Glob


@click.command(
    name="import",
    cls=ExampleCommand,
    examples=["faiss-memory import notes --dry-run", "faiss-memory import notes --from markdown --yes"],
)
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--from", "kind", metavar="NAME", help="What has written it [found out by itself].")
@click.option("--only", metavar="GLOB", help="Only what comes from such files or conversations, as 'Work*'.")
@project_option("Take all of it into this project [each its own, else this folder's].")
@click.option("--dry-run", is_flag=True, help="Only say what would be taken over.")
@click.option("--fingerprint", metavar="TEXT", help="Only if it is still what a dry run has seen.")
@click.option("--keep-secrets", is_flag=True, help="Store what looks like a secret as it is.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@asks_service
def import_memories(
    session: Session,
    path: Path,
    kind: str | None,
    only: str | None,
    project: str | None,
    dry_run: bool,
    fingerprint: str | None,
    keep_secrets: bool,
    yes: bool,
) -> None:
    """Take over memories from a file or a folder.

    What has written it, this or another program, is found out, and you are told what would be done before anything is.
    Times and tags are kept, secrets are masked. Each memory is known again: doing it twice brings nothing twice, also
    after it was cut short.

    A bundle of ours (`faiss-memory export`) is merged: of each memory the later state counts, there or here. What was
    forgotten or purged there is forgotten or purged here as well, what was purged never comes back, and two machines
    that exchange bundles come to the same.

    Of what assistants on the web export, saved memories and instructions are taken; what you wrote in conversations
    only with --from chatgpt-conversations or claude-ai-conversations.
    """
    from faiss_memory.cli.memories.taking_over import TakingOver

    if not (dry_run or yes or (sys.stdin.isatty() and sys.stderr.isatty())):
        raise click.UsageError(
            "Nobody can be asked here: give --yes to import, or --dry-run to see what it would be."
        )
    with read_errors(path):
        taking = TakingOver(
            session, importer_for(path, kind), path, project, _glob(only), keep_secrets=keep_secrets
        )
        _take(taking, fingerprint, dry_run=dry_run, yes=yes)


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Raise CommandFailed for what goes wrong where a path is read."""
    from faiss_memory.errors import InvalidRequest

    try:
        yield
    except InvalidRequest as error:
        raise CommandFailed(str(error)) from None
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read ({error.strerror or error}).") from None


def _take(taking: TakingOver, fingerprint: str | None, *, dry_run: bool, yes: bool) -> None:
    """Look at what is there, and do just what that comes to if the person agrees."""
    from faiss_memory.contracts.merging import WRITTEN

    file, plan, preview = taking.preview()
    seen = f"{file}-{plan}"
    if fingerprint is not None and fingerprint != seen:
        what = "what would be done with it" if fingerprint.startswith(f"{file}-") else str(taking.path)
        raise CommandFailed(f"{what} is not what the fingerprint stands for; look again with --dry-run.")
    if dry_run or not any(preview.outcomes[one] for one in WRITTEN):
        taking.tell(preview, seen, dry_run=dry_run)
    elif yes or _agreed(taking.in_words(preview)):
        if taking.fingerprint() != file:
            raise CommandFailed(f"{taking.path} has changed meanwhile, and nothing was stored; do it again.")
        taking.tell(taking.apply(), seen, dry_run=False)


def _agreed(preview: str) -> bool:
    if not click.confirm(f"{preview}. Do that?", err=True):
        click.echo("Nothing was imported", err=True)
        click.get_current_context().exit(EXIT_NO)
    return True


def _glob(only: str | None) -> Glob | None:
    """Read a glob over sources. Raises click.BadParameter."""
    from faiss_memory.globs import Glob, InvalidGlob

    try:
        return None if only is None else Glob(only)
    except InvalidGlob as error:
        raise click.BadParameter(f"{only}: {error}", param_hint="--only") from None


def importer_for(path: Path, kind: str | None) -> Importer:
    """Choose what can read a place: by its name, or the first that fits."""
    from faiss_memory.plugin_host import PluginHost
    from faiss_memory.settings import load_settings

    host = PluginHost(load_settings().plugins.disabled)
    importers = [one for some in host.hook.register_importers() for one in some or ()]
    fitting: list[Importer] = [one for one in importers if (one.name == kind if kind else one.fits(path))]
    if not fitting:
        said = f"There is no importer `{kind}`" if kind else f"Nothing here knows what {path} is"
        names = ", ".join(sorted(one.name for one in importers))
        raise CommandFailed(f"{said}; --from takes one of: {names}.")
    return fitting[0]
