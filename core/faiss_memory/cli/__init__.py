"""The command line. Commands are imported when they are asked for, so that `--help` is quick."""

from __future__ import annotations

from typing import Any

import click

from faiss_memory.cli.failures import EXIT_CODES
from faiss_memory.cli.lazy import Home, LazyGroup

_PLACE = "faiss_memory.cli."

COMMANDS = {
    "add": Home(_PLACE + "memories.add:add", "Store a memory.", "Memories"),
    "show": Home(_PLACE + "memories.search:show", "Show a memory in full.", "Memories"),
    "edit": Home(_PLACE + "memories.add:edit", "Correct a memory.", "Memories"),
    "forget": Home(_PLACE + "memories.forget:forget", "Forget memories by id or by a filter.", "Memories"),
    "purge": Home(
        _PLACE + "memories.purge:purge", "Purge memories by id or by a filter, from every file.", "Memories"
    ),
    "scan": Home(
        _PLACE + "memories.scan:scan", "Look for secrets in what is stored, and mask them.", "Memories"
    ),
    "dedupe": Home(
        _PLACE + "memories.dedupe:dedupe", "Find memories that say the same, and join them.", "Memories"
    ),
    "cues": Home(
        _PLACE + "memories.search:cues",
        "List the memories that have no cues yet, the newest first.",
        "Memories",
    ),
    "search": Home(
        _PLACE + "memories.search:search", "Search memories with a question in plain words.", "Find"
    ),
    "list": Home(_PLACE + "memories.search:list_memories", "List memories, the newest first.", "Find"),
    "is-novel": Home(_PLACE + "memories.search:is_novel", "Say whether a text says something new.", "Find"),
    "tags": Home(_PLACE + "overview.stats:tags", "List the tags in use.", "Find"),
    "projects": Home(_PLACE + "overview.stats:projects", "List the projects.", "Find"),
    "import": Home(
        _PLACE + "memories.importing:import_memories", "Take over memories from a file or a folder.", "Files"
    ),
    "export": Home(
        _PLACE + "memories.export:export", "Write memories in a format that others read.", "Files"
    ),
    "backup": Home(_PLACE + "backups.restore:backup", "Make a backup of all projects now.", "Backups"),
    "backups": Home(_PLACE + "backups.restore:backups", "List the backups.", "Backups"),
    "restore": Home(
        _PLACE + "backups.restore:restore", "Go back to a backup or a time, or to an archive.", "Backups"
    ),
    "verify": Home(
        _PLACE + "backups.verify:verify",
        "Check every file of the memories, and mend what is damaged.",
        "Backups",
    ),
    "setup": Home(
        _PLACE + "setup.command:setup",
        "Start the service, connect your assistants, and try it.",
        "Assistants",
    ),
    "install": Home(
        _PLACE + "assistants.install:install", "Connect assistants to this project's memory.", "Assistants"
    ),
    "uninstall": Home(_PLACE + "assistants.install:uninstall", "Disconnect assistants.", "Assistants"),
    "status": Home(
        _PLACE + "assistants.status:status", "Show what is installed for assistants.", "Assistants"
    ),
    "doctor": Home(
        _PLACE + "doctor.command:doctor",
        "Examine the service, and each installed assistant's way to it.",
        "Assistants",
    ),
    "package": Home(
        _PLACE + "assistants.package:package",
        "Make a package for an assistant's own plugin system.",
        "Assistants",
    ),
    "prompt": Home(
        _PLACE + "assistants.prompt:prompt", "Print what an assistant is told of the memory.", "Assistants"
    ),
    "health": Home(_PLACE + "overview.stats:health", "Say whether the service answers.", "Service"),
    "stats": Home(_PLACE + "overview.stats:stats", "Show counts and sizes.", "Service"),
    "serve": Home(_PLACE + "host.serve:serve", "Run the service until it is stopped.", "Service"),
    "service": Home(
        _PLACE + "host.service:service", "Let the system start the service by itself.", "Service"
    ),
    "config": Home(
        _PLACE + "host.config:config", "Show the settings in force, and where each comes from.", "Service"
    ),
    "migrate": Home(
        _PLACE + "host.migrate:migrate",
        "Bring all memories to another store, and compare the two.",
        "Service",
    ),
    "team": Home(
        _PLACE + "team.command:team",
        "Let others work with the memories, with rights of their own.",
        "Service",
    ),
    "compile": Home(_PLACE + "host.serve:compile_model", "Prepare a model now.", "Service"),
    "completion": Home(
        _PLACE + "host.completion:completion",
        "Print the script that makes a shell complete commands.",
        "Service",
    ),
    "version": Home(_PLACE + "host.serve:version", "Print the version.", "Service"),
    "plugins": Home(
        _PLACE + "host.serve:plugins", "List the plugins and adapters that are installed.", "Extend"
    ),
}

ALIASES = {"delete": "forget", "rm": "forget", "ls": "list"}
"""What people type for a command, by that."""

_OTHER_NAMES = (
    "\b\nAlso understood:\n" + "\n".join(f"  {name:<7} {meant}" for name, meant in ALIASES.items()) + "\n\n"
)
_EPILOG = _OTHER_NAMES + "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {words}" for code, words in EXIT_CODES)


@click.group(
    cls=LazyGroup,
    homes=COMMANDS,
    aliases=ALIASES,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(
    None, "-V", "--version", package_name="faiss-memory", message="%(version)s", help="Print the version."
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
