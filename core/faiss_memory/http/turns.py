"""One turn of the server's loop: who is heard, in which order, and for how long before others are looked at again.

waitress' own loop takes one new connection a turn, and hears whoever has sent something to the end before it looks
again. So the more connections send what takes long to read, the longer a new one waits, `/health` as well.
"""

from __future__ import annotations

import select
import time
from collections.abc import MutableMapping
from functools import partial
from typing import Any

from waitress import wasyncore
from waitress.server import TcpWSGIServer

SECONDS_TO_HEAR = 0.02
"""Whoever was not heard in so long is heard in a later turn, before those that were."""


def turn(parts: MutableMapping[int, Any], timeout: float) -> None:
    """Wait for at most `timeout` seconds until there is something to do for `parts`, by descriptor, and do it.

    What is no connection goes first, then new connections, then who was heard longest ago.
    """
    poll = select.poll()
    for descriptor, part in list(parts.items()):
        flags = (select.POLLIN | select.POLLPRI) if part.readable() else 0
        if part.writable() and not part.accepting:
            flags |= select.POLLOUT
        if flags:
            poll.register(descriptor, flags)
    # (a signal does not end the wait, but what it does pulls the trigger)
    ready = [
        (parts[descriptor], flags)
        for descriptor, flags in poll.poll(int(timeout * 1000))
        if descriptor in parts
    ]
    ready.sort(key=lambda one: getattr(one[0], "heard_at", -1.0))
    until = time.monotonic() + SECONDS_TO_HEAR
    for part, flags in ready:
        wasyncore.readwrite(part, flags)
        now = time.monotonic()
        if hasattr(part, "heard_at"):
            part.heard_at = now
        if now > until:
            return


def accept_all(listener: TcpWSGIServer) -> None:
    """Have a listener take all connections that wait for it in one turn, as far as its limit goes."""
    listener.handle_accept = partial(_accept_waiting, listener, listener.handle_accept)


def _accept_waiting(listener: TcpWSGIServer, accept_one: Any) -> None:
    before = -1
    while listener.readable() and len(listener.active_channels) > before:
        before = len(listener.active_channels)
        accept_one()
