"""Completion in the shell, by click's own means."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from faiss_memory.cli.lazy import ExampleCommand

VARIABLE = "_FAISS_MEMORY_COMPLETE"
"""The name that click derives from the program's."""


@click.command(
    cls=ExampleCommand,
    examples=[
        'eval "$(faiss-memory completion bash)"',
        "faiss-memory completion zsh > ~/.faiss-memory.zsh",
        "faiss-memory completion fish > ~/.config/fish/completions/faiss-memory.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete commands, options and project names."""
    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(ctx.find_root().command, {}, "faiss-memory", VARIABLE).source())
