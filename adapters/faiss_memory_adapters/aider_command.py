"""The command `faiss-memory aider`: refreshes what aider reads about the project, and starts it.

Nothing is imported here that its `--help` does not need: the front door loads the rest when the command runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

import faiss_memory
from faiss_memory import ExampleCommand
from faiss_memory_adapters.texts import template

FOLDER, CONTEXT, LOAD, CONFIG = ".faiss-memory", "context.md", "load.aider", ".aider.conf.yml"
LONGEST = 1000
"""Characters of what is searched for: a model reads little more than that."""
PATIENCE = 5.0
"""Seconds to wait for the service before aider starts with what was there."""


@click.command(
    cls=ExampleCommand,
    section="Assistants",
    examples=[
        'faiss-memory aider -- --message "How do we keep amounts of money?"',
        "faiss-memory aider --tokens 800 -- README.md --yes-always",
        "faiss-memory aider --refresh",
    ],
)
@click.option("--project", "-p", metavar="PROJECT", help="The project to read [the folder's].")
@click.option("--tokens", type=click.IntRange(300, 100_000), default=1500, show_default=True,
              metavar="NUMBER", help="The most that the memories may cost.")  # fmt: skip
@click.option("--refresh", is_flag=True, help="Only refresh the file, for a chat that is open.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]...")
def aider(project: str | None, tokens: int, refresh: bool, arguments: Sequence[str]) -> None:
    """Start aider with what the memory says about the work at hand.

    What is searched for is the message, if the arguments have one, else the repository's name, and the branch's. The
    memories are written to .faiss-memory/context.md, which aider reads beside whatever else it is told to read. If the
    service does not run, aider starts all the same, with the file as it was.
    """
    program = shutil.which("aider")
    if program is None and not refresh:
        raise faiss_memory.CommandFailed(
            "there is no aider on the PATH; https://aider.chat says how to install it"
        )
    here = Path.cwd()
    repository = faiss_memory.find_repository(here)
    top = here if repository is None else repository.top
    message, _ = taken(arguments, "--message", "--msg", "-m")
    asked = {
        "query": _query(top.name, "" if repository is None else _branch(), message),
        "project": project or _project_at(here),
        "tokens": str(tokens),
    }
    try:
        folder = faiss_memory.located(top) / FOLDER  # which is ours, and no link
        _prepare(folder)
        _refresh(folder / CONTEXT, asked, must=refresh)
        command = [str(program), *_with_load_file(folder, arguments)]
    except OSError as error:
        raise faiss_memory.CommandFailed(
            f"{top / FOLDER} cannot be written: {error.filename}: {error.strerror}"
        ) from None
    if not refresh:
        _start(command)


def _project_at(folder: Path) -> str:
    client = faiss_memory.Client(faiss_memory.find_service(None, faiss_memory.load_settings()))
    return faiss_memory.project_here(client, folder, is_root=True).project


def taken(arguments: Sequence[str], *names: str) -> tuple[str, list[str]]:
    """Take an option with a value out of arguments: gives the last value, and the other arguments."""
    value, rest, waiting = "", [], iter(arguments)
    for argument in waiting:
        name, equals, given = argument.partition("=")
        if name in names:
            value = given if equals else next(waiting, "")
        else:
            rest.append(argument)
    return value, rest


def _query(name: str, branch: str, message: str) -> str:
    words = "" if branch in ("main", "master", "trunk", "develop") else re.sub(r"[^\w]+|_", " ", branch)
    return f"{message or name} {words}".strip()[:LONGEST]


def _branch() -> str:
    try:
        ended = subprocess.run(
            ["git", "branch", "--show-current"], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""


def _prepare(folder: Path) -> None:
    """Make the folder, as an installation would, where it is not there yet."""
    for name, text in ((".gitignore", "aider/gitignore"), (LOAD, "aider/load.aider")):
        if not os.path.lexists(folder / name):
            faiss_memory.write_file(folder / name, template(text).encode())


def _refresh(file: Path, asked: Mapping[str, str], must: bool) -> None:
    """Write the file anew. If the service does not answer, say so, and leave what is there or make an empty one."""
    try:
        text = faiss_memory.open_session(None, PATIENCE, False).client.text(
            "/adapters/aider/context.md", asked
        )
    except (faiss_memory.CommandFailed, faiss_memory.ConfigError) as error:
        if must:
            raise
        otherwise = "aider starts without memories"
        there = faiss_memory.is_file(file, within=file.parent)
        if there:
            otherwise = "aider reads what was found the last time"
        click.echo(
            f"faiss-memory: {faiss_memory.clean_text(str(error))}\nfaiss-memory: {otherwise}", err=True
        )
        if there:
            return
        text = "Nothing was found yet: the service of faiss-memory did not run.\n"
    faiss_memory.write_file(file, text.encode())


def _with_load_file(folder: Path, arguments: Sequence[str]) -> list[str]:
    """Return the arguments with our load file, which runs the person's own after it: aider takes one only.

    A load file adds to what aider reads. `--read` would put the lists of its configuration files out of force. What a
    load file says is run, and a repository may bring one: that is told of, and not carried on.
    """
    config, named = _configured_load_file(folder.parent)
    is_ours = os.path.normpath(named) == os.path.join(FOLDER, LOAD)
    is_foreign = bool(named) and not is_ours and config.parent != Path.home()
    if not is_foreign and _is_read_anyway(folder.parent, arguments):
        return list(arguments)
    own, rest = taken(arguments, "--load")
    if is_foreign and not own:
        shown = faiss_memory.clean_line(named)
        click.echo(
            f"faiss-memory: {config} names the load file {shown}, which is not run: a repository may bring it. Where "
            f"you trust it, name it yourself: faiss-memory aider -- --load {shown}",
            err=True,
        )
    own = own or ("" if is_ours or is_foreign else named)
    commands = template("aider/load.aider") + (f"/load {own}\n" if own else "")
    faiss_memory.write_file(folder / LOAD, commands.encode())
    return ["--load", str(folder / LOAD), *rest]


def _is_read_anyway(top: Path, arguments: Sequence[str]) -> bool:
    """Return whether aider's own configuration names the file; paths there are taken from the current folder."""
    if faiss_memory.located(Path.cwd()) != top or taken(arguments, "--read", "--config", "-c")[0]:
        return False
    return (
        re.search(rf"^[^#\n]*{re.escape(f'{FOLDER}/{CONTEXT}')}", _text(top / CONFIG), re.MULTILINE)
        is not None
    )


def _configured_load_file(top: Path) -> tuple[Path, str]:
    """Read the key `load` of the configuration file that has the last word, and name that file; empty without any."""
    for folder in dict.fromkeys((Path.cwd(), top, Path.home())):
        found = re.search(r"""^load:[ \t]*["']?([^"'#\s][^"'#\n]*)""", _text(folder / CONFIG), re.MULTILINE)
        if found:
            return folder / CONFIG, found[1].strip()
    return top / CONFIG, ""


def _text(file: Path) -> str:
    try:
        return faiss_memory.read_file(faiss_memory.located(file)).decode()
    except (OSError, ValueError):
        return ""


def _start(command: Sequence[str]) -> None:
    """Become aider, so that the terminal, signals and the exit code are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform == "win32":  # where a process cannot become another
        sys.exit(subprocess.call(command))
    os.execv(command[0], list(command))
