"""The command that shows the settings in force, and the paths that follow from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.settings_options import load_with_plugins, settings_options

if TYPE_CHECKING:
    from faiss_memory.settings import Loaded

Setting = tuple[str, Any, str]
"""A name, its value, and where that comes from."""


@click.command(
    cls=ExampleCommand, examples=["faiss-memory config", "faiss-memory config --json --set limits.k=50"]
)
@settings_options
@click.option("--json", "wants_json", is_flag=True, help="For scripts.")
def config(config: Path | None, others: Sequence[str], wants_json: bool, **given: Any) -> None:
    """Show the settings in force, and where each comes from.

    First come the paths in force: of the configuration file, the memories, compiled models, the log, and the file in
    which the running service leaves its address. Piped, each is a line: name, value as JSON, origin.
    """
    from faiss_memory.cli.output import open_output
    from faiss_memory.cli.records import Cell
    from faiss_memory.cli.writing import as_json

    loaded = load_with_plugins(config, others, **given)
    paths = _paths(config, loaded)
    settings = [
        (origin.key, "(set)" if origin.is_secret and origin.value else origin.value, origin.origin)
        for origin in loaded.origins
    ]
    if wants_json:
        found = {name: {"value": value, "origin": origin} for name, value, origin in (*paths, *settings)}
        click.echo(as_json(found))
        return
    out = open_output()
    if not out.for_people:
        out.table((), [(name, json.dumps(value), origin) for name, value, origin in (*paths, *settings)])
        return
    out.fields(
        [
            (name.removeprefix("paths.").replace("_", " "), _path_in_words(value, origin))
            for name, value, origin in paths
        ]
    )
    out.remark("")
    out.fields(
        [
            (name, Cell(value, f"{json.dumps(value)}{'' if origin == 'default' else f'  ({origin})'}"))
            for name, value, origin in settings
        ]
    )
    out.remark("What names no source is the default.")


def _paths(given: Path | None, loaded: Loaded) -> list[Setting]:
    """Return the paths in force; a value is None for a file that there is not, and its origin then says more."""
    from faiss_memory.address import FILE
    from faiss_memory.logs import default_log_file, log_path
    from faiss_memory.settings import config_path, runtime_folder, user_config_file

    origins = {origin.key: origin.origin for origin in loaded.origins}
    file, log, settings = config_path(given), log_path(loaded.settings.log_file), loaded.settings
    none_yet = f"there is none; it would be {user_config_file()}"
    no_log = f"standard error; of a service in the background {default_log_file()}"
    return [
        ("paths.config_file", file and str(file), "in use" if file else none_yet),
        ("paths.data_folder", str(settings.data_folder), origins["data_dir"]),
        ("paths.cache_folder", str(settings.cache_folder), origins["cache_dir"]),
        ("paths.log_file", log and str(log), origins["log_file"] if log else no_log),
        ("paths.runtime_file", str(runtime_folder() / FILE), "while the service runs"),
    ]


def _path_in_words(value: str | None, origin: str) -> str:
    if value is None:
        return origin
    return value if origin in ("default", "in use") else f"{value}  ({origin})"
