"""The command that goes from nothing to a recalled note, and the way back."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from faiss_memory.cli.failures import EXIT_FAILED, EXIT_NO, CommandFailed
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import complete_assistant, opened

if TYPE_CHECKING:
    from faiss_memory.cli.output import Output
    from faiss_memory.cli.session import Session
    from faiss_memory.cli.setup.record import SetUp
    from faiss_memory.install import Installer

SECONDS = 60
"""How long the service may take to answer, and its model to be ready."""
_PAUSE = 0.2
_ALL, _THIS = "all", "this"


@click.command(
    cls=ExampleCommand,
    examples=["faiss-memory setup", "faiss-memory setup claude-code --yes", "faiss-memory setup --undo"],
)
@click.argument("assistant", nargs=-1, shell_complete=complete_assistant)
@click.option(
    "--for",
    "where",
    type=click.Choice([_ALL, _THIS]),
    help="Connect them for all projects, or for this folder's alone [asked; else all].",
)
@click.option(
    "--login/--no-login",
    default=None,
    help="Start the service at login [asked; else if it can].",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--undo", is_flag=True, help="Take back what setup has done. Memories stay.")
def setup(assistant: Sequence[str], where: str | None, login: bool | None, yes: bool, undo: bool) -> int:
    """Start the service, connect your assistants, and try it: all in one.

    It asks which of the assistants it finds are to be connected, and shows what it would write. `--undo` takes away
    what it has done: the assistants' files are as they were, and the service is stopped. Memories stay.
    """
    from faiss_memory.cli.output import open_output

    out = open_output()
    if undo:
        return _undo(out)
    asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    if not yes and not asks:
        raise click.UsageError(
            "Nobody can be asked here: give --yes, and the assistants if not all are meant."
        )
    from faiss_memory.cli.setup.record import load_set_up

    done = load_set_up()
    _start(out, done, asks, login)
    session = _ready()
    names, installer = _assistants(assistant, where, asks)
    code = _connect(installer, names, done, out, asks)
    if code == EXIT_NO:
        return code
    _examine(session, names)
    _show_a_note(session, out, names)
    out.remark("`faiss-memory setup --undo` takes all of it back")
    return code


def _start(out: Output, done: SetUp, asks: bool, login: bool | None) -> None:
    """Have the service run: where the person has named one, as it does already, or from each login or from now on."""
    from faiss_memory.autostart import build_command, choose, default_log_file, find_service, start_detached
    from faiss_memory.cli.setup.record import save_set_up
    from faiss_memory.errors import AutostartError
    from faiss_memory.settings import address_in_environment

    if named := address_in_environment():
        out.say(f"The service is the one at {named}, which FAISS_MEMORY_URL names")
        return
    found = find_service()
    if found is not None:
        out.say(f"The service runs on {found.url}")
        return
    command = build_command(None, {})
    try:
        autostart = choose()
        autostart.check()
    except AutostartError as error:
        if login:
            raise
        out.remark(f"It cannot start by itself at login: {error}")
        login = False
    if login is None:
        login = not asks or click.confirm("Start the service at each login?", default=True, err=True)
    if login:
        was_there = autostart.installed  # then it is the person's own, and no undo takes it away
        autostart.install(command)
        done.at_login |= not was_there
        save_set_up(done)
        out.say(f"The service starts at each login: {autostart.path}")
        return
    started = start_detached(command.words, default_log_file(), SECONDS)
    done.process = started.pid
    save_set_up(done)
    out.say(f"The service runs on {started.url} until the machine is switched off")


def _ready() -> Session:
    """Wait until the service answers with its model. Raises CommandFailed with what it says then."""
    session = opened(url=None, timeout=None, wants_json=False)
    said = "it does not answer"
    for _ in range(max(1, round(SECONDS / _PAUSE))):
        try:
            if session.call("GET", "/health")["model_ready"]:
                return session
            said = "its model is still being prepared"
        except CommandFailed as error:
            said = str(error)
        time.sleep(_PAUSE)
    raise CommandFailed(f"the service is not ready: {said}. `faiss-memory service logs` may tell more")


def _assistants(given: Sequence[str], where: str | None, asks: bool) -> tuple[list[str], Installer]:
    """Find out which assistants are meant, and where they are connected."""
    from faiss_memory.cli.assistants.install import chosen
    from faiss_memory.cli.assistants.status import load_assistants
    from faiss_memory.cli.here import namer
    from faiss_memory.install import Installer

    settings, known = load_assistants()
    everywhere = Installer(settings, known, "user")
    names = list(dict.fromkeys(given)) or (chosen(everywhere) if asks else list(everywhere.found()))
    if not names:
        raise CommandFailed(
            "no assistant was found on this machine; name those that you will use: "
            f"faiss-memory setup {next(iter(everywhere.known()))}"
        )
    if where is None and asks:
        for_all = click.confirm("For all your projects? (n: for this folder alone)", default=True, err=True)
        where = _ALL if for_all else _THIS
    return names, everywhere if where != _THIS else Installer(
        settings, known, "personal", named=namer(settings)
    )


def _connect(installer: Installer, names: Sequence[str], done: SetUp, out: Output, asks: bool) -> int:
    from faiss_memory.cli.assistants.install import write_files
    from faiss_memory.cli.setup.record import Place, save_set_up

    before = set(installer.installed())
    code = write_files(installer, names, out, yes=not asks)
    ours = [name for name in installer.installed() if name in names and name not in before]
    if ours:
        done.connected(Place(ours, installer.scope, str(installer.folder or "")))
        save_set_up(done)
    return code


def _examine(session: Session, names: Sequence[str]) -> None:
    from faiss_memory.cli.doctor.command import examined
    from faiss_memory.cli.doctor.showing import show

    show(session.out, examined(session, names))


def _show_a_note(session: Session, out: Output, names: Sequence[str]) -> None:
    """Store a note for a moment, and show what an assistant would be given of it."""
    from faiss_memory.cli.doctor.trial import trial

    with trial(session.client, session.here) as memory:
        answer = session.call("POST", "/recall/preview", {"prompt": memory.text, "project": memory.project})
        shown = [one["text"] for one in answer["shown"] if one["id"] == memory.id]
    if shown:
        out.say("A note was stored, and this is what comes back by itself when it helps:")
        out.text(f"> {shown[0]}")
        out.remark(
            "It is forgotten again. Your first own: faiss-memory add 'We keep amounts in integer cents'"
        )


def _undo(out: Output) -> int:
    from faiss_memory.autostart import choose, find_service, stop_detached
    from faiss_memory.cli.assistants.install import remove_files
    from faiss_memory.cli.assistants.status import load_assistants
    from faiss_memory.cli.setup.record import SetUp, load_set_up, save_set_up
    from faiss_memory.install import Installer
    from faiss_memory.settings import address_in_environment

    done = load_set_up()
    if done == SetUp():
        out.say("Setup has done nothing that could be taken back.")
        return 0
    settings, known = load_assistants()
    left = []
    for place in done.places:
        installer = Installer(settings, known, place.scope, Path(place.folder) if place.folder else None)
        plan, problems = remove_files(installer, place.assistants, out)
        left += [place] if problems or plan.refusals else []
    if done.at_login and choose().uninstall():
        out.say("The service is stopped, and does not start at login any more.")
    elif done.process is not None:
        if stop_detached(done.process, SECONDS):
            out.say("The service is stopped.")
        elif (found := find_service()) is not None:
            out.remark(f"The service that runs (process {found.pid}) was not started by setup: it goes on.")
    save_set_up(SetUp(left))
    out.remark(f"Your memories stay in {address_in_environment() or settings.data_folder}.")
    return EXIT_FAILED if left else 0
