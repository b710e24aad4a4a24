"""What may lie where a file is expected, and is none: pipes, sockets, folders, devices, and links that lead out."""

from __future__ import annotations

import os
import socket
from pathlib import Path

SECRET = "the secret that lies outside"


def pipe(path: Path, outside: Path) -> None:
    """A pipe that nobody writes into: whoever opens it waits for ever."""
    os.mkfifo(path)


def unix_socket(path: Path, outside: Path) -> None:
    """A socket; it is bound by a short name, because a long one is refused."""
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(".", os.O_RDONLY)
        try:
            os.chdir(path.parent)
            listener.bind(path.name)
        finally:
            os.fchdir(here)
            os.close(here)


def folder(path: Path, outside: Path) -> None:
    """A folder."""
    path.mkdir()


def link_to_device(path: Path, outside: Path) -> None:
    """A link to what never ends."""
    path.symlink_to("/dev/zero")


def link_to_process(path: Path, outside: Path) -> None:
    """A link to what the kernel says about whoever reads it."""
    path.symlink_to("/proc/self/environ")


def link_out(path: Path, outside: Path) -> None:
    """A link to a file in another folder."""
    target = outside / "secret.txt"
    target.write_text(SECRET)
    path.symlink_to(target)


NOT_FILES = [pipe, unix_socket, folder, link_to_device]
LEADING_OUT = [link_to_device, link_to_process, link_out]
EVERY_KIND = [pipe, unix_socket, folder, *LEADING_OUT]
