"""The command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from faiss_memory.errors import ConfigError, MemoryServiceError, PluginError, StoreLocked

EXIT_FAILED, EXIT_CONFIG, EXIT_LOCKED = 1, 2, 3


class _Commands(click.Group):
    """Errors meant for people are printed in a line or two, never as a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MemoryServiceError as error:
            click.echo(f"faiss-memory: {error}", err=True)
            codes = {StoreLocked: EXIT_LOCKED, ConfigError: EXIT_CONFIG, PluginError: EXIT_CONFIG}
            ctx.exit(codes.get(type(error), EXIT_FAILED))


_config_options = [
    click.option("--config", type=click.Path(path_type=Path), help="The configuration file (yaml)."),
    click.option("--host", help="The address to listen on [127.0.0.1]."),
    click.option("--port", type=int, help="The port to listen on [8900]."),
    click.option("--data-dir", type=click.Path(path_type=Path), help="The folder of the memories."),
    click.option("--model", "model_name", help="The embedding model [all-MiniLM-L6-v2]."),
    click.option(
        "--set", "others", multiple=True, metavar="KEY=VALUE",
        help="Any other setting, such as limits.k=50; may be given several times.",
    ),
]  # fmt: skip


def _settings_options(command: Any) -> Any:
    for option in reversed(_config_options):
        command = option(command)
    return command


def _load(config: Path | None, others: Sequence[str], **given: Any) -> Any:
    from faiss_memory import settings

    overrides = {key: value for key, value in given.items() if value is not None}
    for pair in others:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair}: write KEY=VALUE, such as --set limits.k=50")
        overrides[key.strip()] = value.strip()
    return settings.load(config, overrides)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Local semantic memory for AI coding assistants.

    Start the service with `faiss-memory serve`, then open http://127.0.0.1:8900.
    """


@main.command()
@_settings_options
def serve(config: Path | None, others: Sequence[str], **given: Any) -> None:
    """Run the service until it is stopped.

    Example: faiss-memory serve --port 8901 --data-dir ./memories
    """
    loaded = _load(config, others, **given)
    from faiss_memory.settings import prepare_process

    prepare_process()
    from faiss_memory.serve import serve as run

    sys.exit(run(loaded.settings))


@main.command()
@_settings_options
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def config(config: Path | None, others: Sequence[str], as_json: bool, **given: Any) -> None:
    """Show the settings in force, and where each comes from.

    Example: faiss-memory config --config faiss-memory.yaml
    """
    import json

    from faiss_memory.settings import SECRETS

    loaded = _load(config, others, **given)
    rows = [
        (origin.key, "(set)" if origin.key in SECRETS and origin.value else origin.value, origin.origin)
        for origin in loaded.origins
    ]
    if as_json:
        click.echo(
            json.dumps({key: {"value": value, "origin": origin} for key, value, origin in rows}, indent=2)
        )
        return
    shown = [(key, json.dumps(value), origin) for key, value, origin in rows]
    width = max(len(key) for key, _, _ in shown)
    room = max(len(value) for _, value, _ in shown)
    for key, value, origin in shown:
        click.echo(f"{key:<{width}}  {value:<{room}}  {origin}")


@main.command(name="compile")
@click.argument("model", required=False)
@click.option("--cache-dir", type=click.Path(path_type=Path), help="Where compiled models are kept.")
def compile_model(model: str | None, cache_dir: Path | None) -> None:
    """Prepare a model now, so that the first start does not wait for it.

    MODEL is a name or a folder; without it the one from the settings is prepared.

    Example: faiss-memory compile all-mpnet-base-v2
    """
    import logging

    loaded = _load(None, (), model_name=model, cache_dir=cache_dir).settings
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from faiss_memory.embedder import open_embedder

    embedder = open_embedder(loaded.model_name, loaded.cache_folder)
    click.echo(f"{embedder.identity} is ready: {embedder.dimension} dimensions, {embedder.window} tokens")
    embedder.close()


@main.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    click.echo(installed("faiss-memory"))
