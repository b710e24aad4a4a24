"""Our commands as they stand in config files, and whether an assistant that was not started from a shell finds them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from faiss_memory.contracts.config_files import Scope
from faiss_memory.install.record import Installed, Link, Owner

COMMAND, HOOK_COMMAND = "faiss-memory", "faiss-memory-hook"
BARE_PATH = "/usr/local/bin:/usr/bin:/bin"
"""The PATH that a desktop app has."""
_SECONDS = 30


def script(name: str) -> str:
    """Return the absolute path of a console script: the one beside this Python, else what the PATH has."""
    beside = Path(sys.executable).parent / (f"{name}.exe" if os.name == "nt" else name)
    found = str(beside) if beside.exists() else shutil.which(name)
    return found or str(beside)


def command_for(name: str, scope: Scope) -> str:
    """Return how a config file starts a command: others have it elsewhere, so what is shared has the bare name."""
    return name if scope == "shared" else script(name)


def trouble_with(command: str) -> str:
    """Try a command as a desktop app would start it; gives what is wrong, or an empty text."""
    if os.name == "nt":
        return "" if shutil.which(command) else f"`{command}` is not found on the PATH"
    found = shutil.which(command, path=BARE_PATH)
    if found is None:
        if os.path.isabs(command):
            return f"{command} is not there, or cannot be run; install FAISS Memory again where it stays"
        return (
            f"`{command}` is not found by an app that was not started from a shell, whose PATH is {BARE_PATH}; "
            "--link puts a link to it where it is found"
        )
    if Path(found).name.startswith(HOOK_COMMAND):
        return ""  # it answers questions of an assistant, and has nothing to say to us
    try:
        environment = {"PATH": BARE_PATH, "HOME": str(Path.home())}
        ended = subprocess.run([found, "version"], env=environment, capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"`{command}` cannot be run with PATH={BARE_PATH}: {error}"
    said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
    if ended.returncode == 0:
        return ""
    return f"`{command}` fails with PATH={BARE_PATH}: {said[-1] if said else ended.returncode}"


def link_folder() -> Path:
    """Choose where links to commands are put: for all where that is allowed, else for oneself."""
    everybody = Path("/usr/local/bin")
    return everybody if os.access(everybody, os.W_OK) else Path.home() / ".local" / "bin"


def plan_link(installed: Installed, name: str, owner: Owner, folder: Path | None = None) -> str:
    """Record a link to a command, which `make_links` makes; gives what keeps it from being made, or an empty text."""
    if os.name == "nt":
        return "--link: Windows finds programs by the PATH; add the folder of faiss-memory.exe to it"
    path = (folder or link_folder()) / name
    target = script(name)
    if not Path(target).exists():
        return f"--link: {target} is not there"
    link = installed.links.get(str(path))
    if link is None and os.path.lexists(path) and os.path.realpath(path) != os.path.realpath(target):
        return f"--link: {path} is there already, and is something else"
    if link is None and os.path.lexists(path):
        return ""  # somebody has made it: it stays when we go
    owners = sorted({*(link.owners if link else ()), owner})
    installed.links[str(path)] = Link(target, owners)
    return ""


def drop_links(installed: Installed, owner: Owner) -> None:
    """Record that an owner needs no link any more."""
    for link in installed.links.values():
        link.owners = [other for other in link.owners if other != owner]


def make_links(installed: Installed) -> list[str]:
    """Make the links that are recorded, and remove those that nobody needs; gives what could not be done."""
    problems = []
    for path, link in list(installed.links.items()):
        there = os.readlink(path) if os.path.islink(path) else None
        try:
            if link.owners and there != link.target:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                _replace_link(path, link.target)
            elif not link.owners:
                if there == link.target:
                    os.unlink(path)
                del installed.links[path]
        except OSError as error:
            problems.append(f"{path} cannot be linked: {error.strerror}")
            installed.links.pop(path, None)
    return problems


def _replace_link(path: str, target: str) -> None:
    fresh = f"{path}.faiss-memory-new"
    with suppress(FileNotFoundError):
        os.unlink(fresh)
    os.symlink(target, fresh)
    os.replace(fresh, path)
