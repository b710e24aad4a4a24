"""Which user of this machine has opened a connection to the service, and who else uses the machine."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

if sys.platform != "win32":
    import pwd

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_NO_LOGIN = ("nologin", "false", "sync", "shutdown", "halt")
_NAMED = 5
_SYSTEMS_OWN = 60_000
"""From here on systemd and others make users of their own; `nobody` is among them."""


@lru_cache(maxsize=1024)
def is_loopback(address: str) -> bool:
    """Return whether an IP address is this machine's own; false for anything that is not an IP address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    # `::ffff:127.0.0.1` is how a socket for both kinds of addresses names one of the older kind.
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def is_users(client: tuple[str, int], server: tuple[str, int]) -> bool:
    """Return whether the user who runs this process, or root, holds the client's end of a connection on this machine.

    Only Linux tells. Elsewhere, and where the end cannot be found, as behind the port of a container, it is false.
    """
    if sys.platform != "linux" or not (is_loopback(client[0]) and is_loopback(server[0])):
        return False
    return _uid_of(_written(*client), _written(*server)) in (os.geteuid(), 0)


def _uid_of(local: str, remote: str) -> int | None:
    for table in _TABLES:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            # An end that its program has closed belongs to nobody: it has no inode, and is shown as root's.
            if fields[1:3] == [local, remote] and fields[9] != "0":
                return int(fields[7])
    return None


def _written(host: str, port: int) -> str:
    """Write an address as the kernel's tables have it: words of four bytes in the machine's order, in hexadecimal."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    raw = socket.inet_pton(family, host)
    words = [int.from_bytes(raw[place : place + 4], sys.byteorder) for place in range(0, len(raw), 4)]
    return f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"


def other_users() -> list[str]:
    """Name the other people who can log in to this machine, as far as its list of users has them."""
    if sys.platform == "win32":
        return []
    first = 501 if sys.platform == "darwin" else 1000
    return sorted(
        entry.pw_name
        for entry in pwd.getpwall()
        if first <= entry.pw_uid != os.geteuid()
        and entry.pw_uid < _SYSTEMS_OWN
        and entry.pw_shell.rpartition("/")[2] not in _NO_LOGIN
    )


def named_few(names: Sequence[str]) -> str:
    """Write the first of some names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
