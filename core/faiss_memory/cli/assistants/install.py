"""The commands that write assistants' files, and those that remove them again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.assistants.showing import entries_of, print_files, show_plan, show_refusal
from faiss_memory.cli.failures import EXIT_FAILED, EXIT_NO
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import complete_assistant

if TYPE_CHECKING:
    from faiss_memory.cli.output import Output
    from faiss_memory.contracts.config_files import Scope
    from faiss_memory.install import Installer, Plan

PATIENCE = 3.0
"""Seconds to wait for the service; whoever installs needs none."""
_WHERE = [
    click.option(
        "--project", "folder", type=click.Path(path_type=Path), metavar="DIR",
        help="The project's folder [the repository around this folder, or this folder].",
    ),
    click.option("--shared", is_flag=True, help="The files of a project that are committed, for everybody."),
    click.option("--user", is_flag=True, help="Your own files, for all projects."),
    click.option("--dry-run", is_flag=True, help="Only show what would change."),
    click.option("--force", is_flag=True, help="Also replace or remove what you have edited of ours."),
]  # fmt: skip


def _place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_WHERE):
        command = option(command)
    return command


@click.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory install",
        "faiss-memory install generic --dry-run --verbose",
        "faiss-memory install generic --yes",
        "faiss-memory install generic --shared --print",
    ],
)
@click.argument("assistant", nargs=-1, shell_complete=complete_assistant)
@click.option("--all", "everything", is_flag=True, help="Every assistant that is found on this machine.")
@_place_options
@click.option("--print", "prints", is_flag=True, help="Print the files, to be pasted, and write nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--name", metavar="PROJECT", help="The project's name [that of the repository's remote].")
@click.option("--verbose", "-v", is_flag=True, help="Also show what stands in files that are new.")
@click.option("--link", is_flag=True, help="Link our commands to where programs are looked for.")
def install(
    assistant: Sequence[str],
    everything: bool,
    folder: Path | None,
    shared: bool,
    user: bool,
    dry_run: bool,
    prints: bool,
    yes: bool,
    name: str | None,
    verbose: bool,
    **how: bool,
) -> int:
    """Connect assistants to this project's memory: write their files.

    Without a name it lists the assistants that are found here, and lets you choose. Shows what would change, and asks.
    By default the files are for yourself and this project, and git is told to leave out those that are new. Your own
    entries stay as they are, and `faiss-memory uninstall` removes exactly ours.
    """
    from faiss_memory.cli.output import open_output

    installer, out = _open(folder, shared, user), open_output()
    names = _named(assistant, everything, installer)
    if prints:
        print_files(installer, names, name)
        return 0
    if dry_run:
        return _only_show(installer.plan_install(names, name, **how), out, installer, names, verbose)
    return write_files(installer, names, out, name, yes=yes, verbose=verbose, **how)


def write_files(
    installer: Installer,
    names: Sequence[str],
    out: Output,
    project: str | None = None,
    *,
    yes: bool,
    verbose: bool = False,
    **how: bool,
) -> int:
    """Show what assistants' files would be, ask unless `yes`, write them, and say what is left to do.

    Returns the exit code. Raises click.UsageError where nobody can be asked.
    """
    with installer.at_work() as unfinished:
        plan = installer.plan_install(names, project, **how)
        code = show_plan(plan, entries_of(installer, plan, names), verbose)
        if plan.edits and not yes and not _agreed():
            return EXIT_NO
        problems = unfinished + installer.carry_out(plan)
    _tell(plan, out, problems)
    refused = {refusal.owner.assistant for refusal in plan.refusals}
    for done in (name for name in names if name not in refused):
        _conclude(installer, plan, done, out)
    return EXIT_FAILED if problems else code


def remove_files(
    installer: Installer, names: Sequence[str], out: Output, force: bool = False
) -> tuple[Plan, list[str]]:
    """Remove assistants' files, and say so. Returns what was planned, and what could not be done of it."""
    with installer.at_work() as unfinished:
        plan = installer.plan_uninstall(names, force)
        for refusal in plan.refusals:
            show_refusal(refusal.owner.assistant, refusal.path, refusal.reason)
        problems = unfinished + installer.carry_out(plan)
    _tell(plan, out, problems)
    return plan, problems


@click.command(
    cls=ExampleCommand,
    examples=["faiss-memory uninstall generic --dry-run", "faiss-memory uninstall generic"],
)
@click.argument("assistant", nargs=-1, shell_complete=complete_assistant)
@click.option("--all", "everything", is_flag=True, help="Every assistant that is installed there.")
@_place_options
def uninstall(
    assistant: Sequence[str],
    everything: bool,
    folder: Path | None,
    shared: bool,
    user: bool,
    dry_run: bool,
    force: bool,
) -> int:
    """Disconnect assistants: remove what `install` wrote, and nothing else.

    A file that was not edited since is given back byte for byte. Of one that was, exactly our part goes.
    """
    from faiss_memory.cli.output import open_output

    _check_choice(assistant, everything)
    installer, out = _open(folder, shared, user), open_output()
    names = list(dict.fromkeys(assistant)) or installer.installed()
    if dry_run:
        return _only_show(installer.plan_uninstall(names, force), out, installer, [], True)
    plan, problems = remove_files(installer, names, out, force)
    for name in names:
        for owner in installer.elsewhere(name):
            is_gone = owner.folder and not Path(owner.folder).is_dir()
            if is_gone:
                out.remark(
                    f"{name} is recorded for {owner.folder}, which is not there any more: "
                    "uninstall it with --project too"
                )
            elif not plan.edits:
                out.remark(f"{name} is installed elsewhere: {_in_words(owner.scope, owner.folder)}")
    return EXIT_FAILED if problems or plan.refusals else 0


def _check_choice(assistant: Sequence[str], everything: bool) -> None:
    if bool(assistant) == everything:
        raise click.UsageError("Name assistants, or give --all.")


def _open(folder: Path | None, shared: bool, user: bool) -> Installer:
    from faiss_memory.cli.assistants.status import load_assistants
    from faiss_memory.cli.here import namer
    from faiss_memory.install import Installer

    if user and (shared or folder is not None):
        raise click.UsageError("--user is for all projects: give it without --project and --shared.")
    settings, assistants = load_assistants()
    scope: Scope = "user" if user else "shared" if shared else "personal"
    return Installer(settings, assistants, scope, folder, named=namer(settings))


def _conclude(installer: Installer, plan: Plan, assistant: str, out: Output) -> None:
    """Fill what the service has more for, and say what is left to do."""
    from faiss_memory.safe_files import is_file

    for path, address in installer.to_be_filled(plan, assistant):
        if is_file(path):
            _fill(path, address)
    for remark in (*installer.steps(assistant, plan), *installer.troubles(assistant)):
        out.remark(f"{assistant}: {remark}")


def _fill(path: Path, address: str) -> None:
    """Write what the service has for a file into it. If it does not run, the file says itself what to do."""
    from faiss_memory.cli.failures import CommandFailed
    from faiss_memory.cli.session import open_session
    from faiss_memory.errors import ConfigError
    from faiss_memory.safe_files import write_file

    try:
        write_file(path, open_session(None, PATIENCE, False).client.text(address).encode())
    except (CommandFailed, ConfigError, OSError):
        return


def _named(assistant: Sequence[str], everything: bool, installer: Installer) -> list[str]:
    if assistant and everything:
        raise click.UsageError("Name assistants, or give --all.")
    return list(dict.fromkeys(assistant)) or (installer.detected() if everything else chosen(installer))


def chosen(installer: Installer) -> list[str]:
    """Return the assistants that the person names, of those that are found here. Raises click.UsageError."""
    found = installer.found()
    if not found:
        known = ", ".join(installer.known())
        raise click.UsageError(
            f"Name assistants, or give --all: none was found on this machine. There are {known}."
        )
    listed = "\n".join(f"  {name:14} {title}" for name, title in found.items())
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(
            f"Name assistants, or give --all. Found here:\n\n{listed}\n\n"
            f"For example: faiss-memory install {next(iter(found))} --yes"
        )
    click.echo(f"Found here:\n\n{listed}\n", err=True)
    while True:
        said = (
            click.prompt("Which ones? Names with spaces between, or `all`", err=True)
            .replace(",", " ")
            .split()
        )
        if said == ["all"]:
            return [*found]
        if said and all(name in installer.known() for name in said):
            return list(dict.fromkeys(said))
        click.echo(f"There are {', '.join(installer.known())}.", err=True)


def _only_show(plan: Plan, out: Output, installer: Installer, names: Sequence[str], verbose: bool) -> int:
    code = show_plan(plan, entries_of(installer, plan, names), verbose)
    if not plan.edits and not plan.refusals:
        out.say("Nothing would change.")
    for remark in dict.fromkeys(plan.remarks):
        out.remark(remark)
    return code


def _agreed() -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(
            "Nobody can be asked here: give --yes to write this, or --dry-run to see it only."
        )
    if click.confirm("Write this?", err=True):
        return True
    click.echo("Nothing was written", err=True)
    return False


def _tell(plan: Plan, out: Output, problems: Sequence[str]) -> None:
    from faiss_memory.cli.writing import clean_lines

    for edit in plan.edits:
        if not any(problem.startswith(f"{edit.path} ") for problem in problems):
            out.say(f"{'Removed' if edit.after.raw is None else 'Wrote'} {edit.path}")
    if not plan.edits and not plan.refusals:
        out.say("Nothing to do: everything is as it should be.")
    for remark in dict.fromkeys(plan.remarks):
        out.remark(remark)
    for problem in problems:
        click.echo(clean_lines(f"faiss-memory: {problem}"), err=True)


def _in_words(scope: str, folder: str) -> str:
    if scope == "user":
        return "for all projects (--user)"
    return f"{folder}{' (--shared)' if scope == 'shared' else ''}"
