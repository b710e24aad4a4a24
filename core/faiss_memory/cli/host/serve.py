"""Commands that run the service or tell about the installation; none of them asks the service."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.settings_options import load_with_plugins, overrides_of, settings_options


def _load(config: Path | None, others: Sequence[str], **given: Any) -> Any:
    from faiss_memory import settings

    return settings.load(config, overrides_of(others, given))


@click.command(cls=ExampleCommand, examples=["faiss-memory serve --data-dir ./memories"])
@settings_options
def serve(config: Path | None, others: Sequence[str], **given: Any) -> None:
    """Run the service until it is stopped."""
    import gc

    gc.disable()  # what is imported stays: to search it for garbage again and again would be a tenth of a start
    from faiss_memory.settings import prepare_process

    prepare_process()
    loaded = load_with_plugins(config, others, **given)
    from faiss_memory.serve import serve as run

    sys.exit(run(loaded.settings, origins=loaded.origins))


@click.command(name="compile", cls=ExampleCommand, examples=["faiss-memory compile"])
@click.argument("model", required=False)
@click.option("--cache-dir", type=click.Path(path_type=Path), help="Where compiled models are kept.")
def compile_model(model: str | None, cache_dir: Path | None) -> None:
    """Prepare a model now, so that the first start does not wait for it.

    MODEL is a name or a folder; without it the one from the settings is prepared. Any model but the default one has to
    be compiled; what that needs is installed first, where it is missing and this is a virtual environment.
    """
    import logging

    loaded = _load(None, (), model_name=model, cache_dir=cache_dir).settings
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from faiss_memory.cli.host import packages
    from faiss_memory.embedder import MissingPackages, open_embedder
    from faiss_memory.private import keep_files_private

    keep_files_private()

    try:
        embedder = open_embedder(loaded.model_name, loaded.cache_folder, metric=loaded.metric or None)
    except MissingPackages as error:
        if not packages.can_install():
            raise
        click.echo(
            f"{loaded.model_name} has to be compiled, which needs {', '.join(error.names)}: installing them into "
            f"{sys.prefix} (about 1.2 GB)",
            err=True,
        )
        packages.install(error.names)
        embedder = open_embedder(loaded.model_name, loaded.cache_folder, metric=loaded.metric or None)
    click.echo(f"{embedder.identity} is ready: {embedder.dimension} dimensions, {embedder.window} tokens")
    embedder.close()


@click.command(cls=ExampleCommand, examples=["faiss-memory plugins"])
@click.option("--json", "wants_json", is_flag=True, help="For scripts.")
def plugins(wants_json: bool) -> None:
    """List the plugins and adapters that are installed, and say which are disabled.

    The service need not run. Piped, each is a line: name, package, version, in use or disabled, place.
    """
    from faiss_memory.cli.output import open_output
    from faiss_memory.cli.records import Cell, Column
    from faiss_memory.cli.writing import as_json

    disabled = _load(None, ()).settings.plugins.disabled
    found = _installed_plugins(disabled)
    if wants_json:
        click.echo(as_json({"plugins": found, "count": len(found)}))
        return
    columns = (Column("name", style="cyan"), Column("package"), Column("version"), Column("state"),
               Column("place", style="dim", spare=1))  # fmt: skip
    rows = []
    for entry in found:
        state = "disabled" if entry["disabled"] else "in use"
        shown = Cell(state, state, style="yellow" if entry["disabled"] else "green")
        rows.append((entry["name"], entry["package"], entry["version"], shown, entry["place"]))
    out = open_output()
    out.table(columns, rows)
    for name in sorted(set(disabled) - {entry["name"] for entry in found}):
        out.remark(
            f"`{name}` is disabled in the settings, but there is no such plugin; the service will not start"
        )


def _installed_plugins(disabled: Sequence[str]) -> list[dict[str, Any]]:
    from importlib.metadata import entry_points

    from faiss_memory.contracts.hooks import PROJECT

    return [
        {
            "name": point.name,
            "package": point.dist.name if point.dist else "",
            "version": point.dist.version if point.dist else "",
            "disabled": point.name in disabled,
            "place": point.value,
        }
        for point in sorted(entry_points(group=PROJECT), key=lambda point: point.name)
    ]


@click.command(cls=ExampleCommand, examples=["faiss-memory version"])
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def version(as_json: bool) -> None:
    """Print the version."""
    import json
    from importlib.metadata import version as installed

    found = installed("faiss-memory")
    click.echo(json.dumps({"version": found}) if as_json else found)
