"""The command that brings all memories to another store; it works on the stores, and asks no service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import EXIT_FAILED, CommandFailed
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.progress import shown_part
from faiss_memory.cli.settings_options import load_with_plugins, settings_options

if TYPE_CHECKING:
    from faiss_memory.cli.output import Output
    from faiss_memory.contracts.store import Store
    from faiss_memory.migrating.comparing import Compared
    from faiss_memory.migrating.copying import Copied
    from faiss_memory.settings import Settings

LEFT_BEHIND = (
    "ids are other ones there, in the same order; each memory keeps its uid",
    "what was forgotten or purged is not known there, and backups and archives stay here",
    "idempotency keys, positions of GET /changes, and when projects were made begin anew",
    "what lies beside the memories in the data folder stays there",
)
"""What does not come along, or not as it was."""


@click.command(
    cls=ExampleCommand,
    examples=["faiss-memory migrate --to ./elsewhere"],
)
@click.option("--to", "wanted", required=True, metavar="STORE", help="Where to: postgresql://…, or a folder.")
@click.option(
    "--searches",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="How many memories are searched for in both.",
)
@click.option("--json", "wants_json", is_flag=True, help="For scripts.")
@settings_options
def migrate(
    wanted: str, searches: int, wants_json: bool, config: Path | None, others: Sequence[str], **given: Any
) -> None:
    """Bring all memories to another store, and compare the two.

    From the store that the settings name. A service that works on a data folder must be stopped. Run it again after it
    was cut short: it goes on where it was. The store to migrate to must be empty, or hold nothing else than what was
    brought from here. At the end each memory is compared, and some are searched for in both; it ends with 1 if
    the two differ. Nothing changes here: afterwards let the setting `store`, or `data_dir`, name the other one.
    """
    from faiss_memory.cli.output import open_output
    from faiss_memory.cli.writing import as_json
    from faiss_memory.migrating.comparing import compare
    from faiss_memory.migrating.copying import copy
    from faiss_memory.private import keep_files_private

    keep_files_private()
    settings = load_with_plugins(config, others, **given).settings
    with _stores(settings, wanted) as (source, target), shown_part() as step:
        done = copy(source, target, step)
        found = compare(source, target, step, searches)
    if wants_json:
        click.echo(as_json(_answer(done, found)))
    else:
        _tell(open_output(), done, found)
    if not found.is_same:
        click.get_current_context().exit(EXIT_FAILED)


@contextmanager
def _stores(settings: Settings, wanted: str) -> Iterator[tuple[Store, Store]]:
    """Open the store that the settings name, and the other one."""
    import msgspec

    from faiss_memory.app import choose_store, embedded_store
    from faiss_memory.background import Problems
    from faiss_memory.plugin_host import PluginHost
    from faiss_memory.store import EmbeddedStore

    def failed(error: Exception) -> None:
        """Do nothing: the call that met the error raises it, too."""

    plugins = PluginHost(settings.plugins.disabled)

    def there() -> Store:
        if "://" in wanted:
            if wanted == settings.store:
                raise CommandFailed("--to: that is the store that the memories are in already")
            return choose_store(msgspec.structs.replace(settings, store=wanted), plugins, failed, Problems())
        _check_folder(Path(wanted))
        elsewhere = msgspec.structs.replace(settings, data_dir=str(Path(wanted).absolute()))
        if elsewhere.data_folder.resolve() == folder:
            raise CommandFailed("--to: that is the folder that the memories are in already")
        return embedded_store(elsewhere, failed, Problems())

    here = choose_store(settings, plugins, failed, Problems())
    folder = here.folder.resolve() if isinstance(here, EmbeddedStore) else None
    if folder is not None and not (folder / "memory.db").exists():
        raise CommandFailed(
            f"there are no memories in {folder}; --data-dir or --config name the right folder"
        )
    with _opened(here) as source, _opened(there()) as target:
        yield source, target


@contextmanager
def _opened(store: Store) -> Iterator[Store]:
    try:
        store.open()
        yield store
    finally:
        store.close()


def _check_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but memories: it would be closed to others, and files would come into it."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "memory.db").exists():
        raise CommandFailed(
            f"--to: {folder} is not empty, and no data folder; name one that is, or a new one"
        )
    if folder.exists() and not folder.is_dir():
        raise CommandFailed(f"--to: {folder} is a file; name a folder, or postgresql://…")


def _answer(done: Copied, found: Compared) -> dict[str, Any]:
    return {
        "stored": done.stored,
        "there_before": done.there,
        "replacing_lost": done.links_lost,
        "projects": found.there.projects,
        "digests": [found.here.digest, found.there.digest],
        "differing": found.differing,
        "searches": found.searches,
        "found_alike": found.alike,
        "same": found.is_same,
        "left_behind": list(LEFT_BEHIND),
    }


def _tell(out: Output, done: Copied, found: Compared) -> None:
    from faiss_memory.cli.writing import counted

    before = f", {done.there:,} were there before" if done.there else ""
    out.remark(f"{counted(done.stored, 'memory', 'memories')} stored there{before}")
    if done.links_lost:
        out.remark(f"{done.links_lost:,} replace a memory that is gone here: that is not known there")
    for what in LEFT_BEHIND:
        out.remark(what)
    out.fields(
        [
            ("memories", f"{sum(found.there.projects.values())} of {sum(found.here.projects.values())}"),
            ("projects", f"{len(found.there.projects)} of {len(found.here.projects)}"),
            ("digest here", found.here.digest),
            ("digest there", found.there.digest),
            ("searches", str(found.searches)),
            ("found alike", f"{found.alike:.1%}"),
        ]
    )
    if found.is_same:
        out.say("Both stores hold and find the same")
        return
    if found.differing:
        out.remark(
            f"{counted(len(found.differing), 'memory', 'memories')} differ, such as {', '.join(found.differing[:5])}"
        )
    out.remark(
        "The stores differ: was something written to one of them meanwhile? Go on using this one, and try again"
    )
