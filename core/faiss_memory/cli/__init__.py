"""The command line. Commands are imported when they are asked for, so that `--help` is quick."""

from __future__ import annotations

from typing import Any

import click

from faiss_memory.cli.failures import EXIT_CODES
from faiss_memory.cli.lazy import Home, LazyGroup

_PLACE = "faiss_memory.cli."

COMMANDS = {
    "add": Home(_PLACE + "memories.add:add", "Store a memory."),
    "search": Home(_PLACE + "memories.search:search", "Search memories with a question in plain words."),
    "list": Home(_PLACE + "memories.search:list_memories", "List memories, the newest first."),
    "cues": Home(
        _PLACE + "memories.search:cues", "List the memories that have no cues yet, the newest first."
    ),
    "show": Home(_PLACE + "memories.search:show", "Show a memory in full."),
    "edit": Home(_PLACE + "memories.add:edit", "Correct a memory."),
    "forget": Home(_PLACE + "memories.forget:forget", "Forget memories by id or by a filter."),
    "purge": Home(_PLACE + "memories.purge:purge", "Purge memories by id or by a filter, from every file."),
    "scan": Home(_PLACE + "memories.scan:scan", "Look for secrets in what is stored."),
    "is-novel": Home(_PLACE + "memories.search:is_novel", "Say whether a text says something new."),
    "tags": Home(_PLACE + "overview.stats:tags", "List the tags in use."),
    "projects": Home(_PLACE + "overview.stats:projects", "List the projects."),
    "stats": Home(_PLACE + "overview.stats:stats", "Show counts and sizes."),
    "backup": Home(_PLACE + "backups.restore:backup", "Make a backup of all projects now."),
    "backups": Home(_PLACE + "backups.restore:backups", "List the backups."),
    "restore": Home(_PLACE + "backups.restore:restore", "Go back to a backup or a time, or to an archive."),
    "verify": Home(
        _PLACE + "backups.verify:verify", "Check every file of the memories, and mend what is damaged."
    ),
    "health": Home(_PLACE + "overview.stats:health", "Say whether the service answers."),
    "serve": Home(_PLACE + "host.serve:serve", "Run the service until it is stopped."),
    "service": Home(_PLACE + "host.service:service", "Let the system start the service by itself."),
    "install": Home(_PLACE + "assistants.install:install", "Connect assistants to this project's memory."),
    "uninstall": Home(_PLACE + "assistants.install:uninstall", "Disconnect assistants."),
    "status": Home(_PLACE + "assistants.status:status", "Show what is installed for assistants."),
    "doctor": Home(
        _PLACE + "doctor.command:doctor", "Examine the service, and each installed assistant's way to it."
    ),
    "package": Home(
        _PLACE + "assistants.package:package", "Make a package for an assistant's own plugin system."
    ),
    "prompt": Home(_PLACE + "assistants.prompt:prompt", "Print what an assistant is told of the memory."),
    "config": Home(_PLACE + "host.serve:config", "Show the settings in force, and where each comes from."),
    "compile": Home(_PLACE + "host.serve:compile_model", "Prepare a model now."),
    "plugins": Home(_PLACE + "host.serve:plugins", "List the plugins and adapters that are installed."),
    "completion": Home(
        _PLACE + "host.completion:completion", "Print the script that makes a shell complete commands."
    ),
    "version": Home(_PLACE + "host.serve:version", "Print the version."),
}

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {words}" for code, words in EXIT_CODES)


@click.group(
    cls=LazyGroup,
    homes=COMMANDS,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--url", metavar="URL", help="The service's address; found by itself otherwise.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long to wait for an answer [120].",
)
def main(**for_all_commands: Any) -> None:
    """Local semantic memory for AI coding assistants.

    Start the service with `faiss-memory serve`, then open http://127.0.0.1:8900. Inside a git repository, commands work
    on the repository's own project.
    """
