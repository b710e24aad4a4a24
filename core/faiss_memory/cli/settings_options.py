"""The options by which settings are given on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.errors import ConfigError

if TYPE_CHECKING:
    from faiss_memory.settings import Loaded

_OPTIONS = [
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


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command with `--config`, the options for the usual settings, and `--set` for the others."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def overrides_of(others: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Put the options together, by dotted key. Raises ConfigError for a `--set` without a value."""
    overrides = {key: value for key, value in given.items() if value is not None}
    for pair in others:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair}: write KEY=VALUE, such as --set limits.k=50")
        overrides[key.strip()] = value.strip()
    return overrides


def load_with_plugins(config: Path | None, others: Sequence[str], **given: Any) -> Loaded:
    """Load the settings, those of the plugins as well, which takes loading the plugins. Raises ConfigError."""
    from faiss_memory.plugin_host import section_types
    from faiss_memory.settings import load

    return load(config, overrides_of(others, given), section_types=section_types)
