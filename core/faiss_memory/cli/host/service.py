"""The commands that let the system start the service by itself: at login, and again when it fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import CommandFailed, ReportingGroup
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.output import Output, open_output
from faiss_memory.cli.settings_options import overrides_of, settings_options
from faiss_memory.cli.writing import as_json, clean

if TYPE_CHECKING:
    from faiss_memory.autostart import Autostart

EXIT_NOT_RUNNING = 3
"""As systemctl has it."""
SECONDS = 20
"""How long a service may take until it answers; its model may still be loading then."""
LAST_WORDS = 3


@click.group(cls=ReportingGroup)
def service() -> None:
    """Let the system start the service by itself.

    Once installed it runs in the background, starts at login, and starts again when it fails.
    """


@service.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory service install",
        "faiss-memory service install --port 8901 --data-dir ~/memories",
    ],
)
@settings_options
def install(config: Path | None, others: Sequence[str], **given: Any) -> None:
    """Start the service now and at each login.

    The options and this shell's FAISS_MEMORY_… variables are written into what is installed. Install again to change
    them: a running service is started again only if something changed.
    """
    from faiss_memory.autostart import build_command, choose

    command = build_command(config, overrides_of(others, given))
    autostart, out = choose(), open_output()
    changed = autostart.install(command)
    out.say(
        f"Installed: {autostart.path}" if changed else f"Installed before, nothing changed: {autostart.path}"
    )
    for remark in (autostart.caution, autostart.advice):
        if remark and changed:
            out.remark(remark)
    _say_how_it_goes(autostart, out)


@service.command(cls=ExampleCommand, examples=["faiss-memory service uninstall"])
def uninstall() -> None:
    """Stop the service and start it no longer. Memories stay."""
    from faiss_memory.autostart import choose, report

    autostart, out = choose(), open_output()
    before = report(autostart)
    if not autostart.uninstall():
        out.say("It is not installed: nothing was done.")
        return
    out.say(f"Uninstalled: the service is stopped, and {before.file} is removed.")
    out.remark(
        f"Your memories stay in {before.memories or 'their folder'}. Its log stays in {before.log or 'its folder'}."
    )


@service.command(cls=ExampleCommand, examples=["faiss-memory service start"])
def start() -> None:
    """Start the installed service."""
    autostart = _installed()
    if autostart.state().running:
        open_output().say("It runs already.")
        return
    autostart.start()
    _say_how_it_goes(autostart, open_output())


@service.command(cls=ExampleCommand, examples=["faiss-memory service stop"])
def stop() -> None:
    """Stop the service until the next login, or until `start`."""
    autostart = _installed()
    running = autostart.state().running
    autostart.stop()
    open_output().say("Stopped." if running else "It was not running.")


@service.command(cls=ExampleCommand, examples=["faiss-memory service restart"])
def restart() -> None:
    """Stop and start the service, such as after a change of the configuration file."""
    autostart = _installed()
    autostart.restart()
    _say_how_it_goes(autostart, open_output())


@service.command(
    cls=ExampleCommand,
    examples=["faiss-memory service status", "faiss-memory service status --json | jq -r .address"],
)
@click.option("--json", "wants_json", is_flag=True, help="For scripts.")
def status(wants_json: bool) -> int:
    """Say whether the service is installed and runs. Exit code 0: it runs, 3: it does not."""
    from faiss_memory.autostart import choose, report

    found = report(choose())
    values = {
        "installed": found.installed,
        "running": found.running,
        "process": found.pid,
        "since": found.since or None,
        "address": found.address or None,
        "at_login": found.at_login,
        "kind": found.kind,
        "file": str(found.file),
        "log": str(found.log) if found.log else None,
        "memories": str(found.memories) if found.memories else None,
        "remark": found.remark or None,
    }
    if wants_json:
        click.echo(as_json(values))
    else:
        words = {True: "yes", False: "no"}
        open_output().fields(
            (name, words[value] if isinstance(value, bool) else value) for name, value in values.items()
        )
        if not found.installed:
            open_output().remark("`faiss-memory service install` installs it.")
    return 0 if found.running else EXIT_NOT_RUNNING


@service.command(
    cls=ExampleCommand, examples=["faiss-memory service logs -n 100", "faiss-memory service logs --follow"]
)
@click.option(
    "--lines", "-n", type=click.IntRange(min=0), default=50, metavar="LINES", help="How many lines [50]."
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what is added, until interrupted.")
def logs(lines: int, follow: bool) -> None:
    """Show the end of the background service's log."""
    from faiss_memory.autostart import choose, log_file_of
    from faiss_memory.log_tail import LogTail

    path = log_file_of(choose())
    try:
        with LogTail(path) as tail:
            for line in tail.last(lines):
                click.echo(clean(line))
            for line in tail.follow() if follow else ():
                click.echo(clean(line))
    except FileNotFoundError:
        raise CommandFailed(
            f"there is no log yet: {path}. The service writes it once `faiss-memory service install` was run, or "
            "the setting `log_file` names it."
        ) from None
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise CommandFailed(f"{path} cannot be read: {error.strerror}") from None


def _installed() -> Autostart:
    from faiss_memory.autostart import choose

    autostart = choose()
    if not autostart.installed:
        raise CommandFailed(
            "the service is not installed: `faiss-memory service install` does that. `faiss-memory serve` runs it "
            "here and now."
        )
    return autostart


def _say_how_it_goes(autostart: Autostart, out: Output) -> None:
    """Wait until the service answers; if it does not, end with its last words."""
    from faiss_memory.autostart import log_file_of, wait_until_settled

    state, found = wait_until_settled(autostart, SECONDS)
    if found:
        out.say(f"It answers on {found.url} (process {found.pid}).")
    elif state.running:
        out.say(
            f"It runs (process {state.pid}), and does not answer yet; `faiss-memory service logs` tells more."
        )
    else:
        last = _last_words(log_file_of(autostart))
        why = f" It {state.remark}." if state.remark else ""
        raise CommandFailed("\n".join([f"it is installed, and does not run.{why}", *last]))


def _last_words(log: Path) -> list[str]:
    from faiss_memory.log_tail import LogTail

    try:
        with LogTail(log) as tail:
            return [f"The end of {log}:", *(f"  {clean(line)}" for line in tail.last(LAST_WORDS))]
    except OSError:
        return []
