"""The command that makes a package for an assistant's own plugin system."""

from __future__ import annotations

from pathlib import Path

import click

from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import complete_assistant


@click.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory package claude-code --to claude-plugin",
        "faiss-memory package claude-code --to claude-plugin --shared",
    ],
)
@click.argument("assistant", shell_complete=complete_assistant)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    help="The package's folder; it is made, or an earlier package in it replaced.",
)
@click.option("--shared", is_flag=True, help="For other people: with nothing in it of where things are here.")
def package(assistant: str, folder: Path, shared: bool) -> None:  # fmt: skip
    """Make a package for an assistant's own plugin system, such as Claude Code's.

    It holds what `faiss-memory install ASSISTANT --user` would write, and the assistant itself adds and removes it. The
    service need not run. Piped, each file is a line.
    """
    from dataclasses import replace

    from faiss_memory.cli.failures import CommandFailed
    from faiss_memory.cli.output import open_output
    from faiss_memory.install import context_of
    from faiss_memory.install.commands import COMMAND, HOOK_COMMAND
    from faiss_memory.install.packages import package_files, write_package
    from faiss_memory.memory import DEFAULT_PROJECT
    from faiss_memory.plugin_host import PluginHost
    from faiss_memory.settings import load

    settings = load().settings
    context = context_of(settings, "user", "", DEFAULT_PROJECT)
    if shared:
        elsewhere = context_of(settings, "shared", "", DEFAULT_PROJECT)
        context = replace(context, url=elsewhere.url, command=COMMAND, hook_command=HOOK_COMMAND)
    files = package_files(PluginHost(settings.plugins.disabled), assistant, context)
    try:
        write_package(files, folder)
    except OSError as error:
        raise CommandFailed(f"{folder}: the package cannot be written: {error.strerror}") from None
    out = open_output()
    for name in files:
        out.say(str(folder / name))
    out.remark("Its README.md says how to add it")
