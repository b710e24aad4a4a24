"""How long the server waits for a client, and which connections go when there are too many of them.

A request that does not come to its end, or an answer that is not read, takes a connection and perhaps a thread from
everybody else. Whoever moves on at a moderate pace is waited for, however long it takes.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Collection, Iterable
from typing import Any

from waitress.channel import HTTPChannel

MOST_CONNECTIONS = 200
"""More than any one person's tools open. A further one takes the place of the one that has done nothing longest."""
SECONDS_FOR_A_HEAD = 15.0
SECONDS_OF_GRACE = 30.0
"""For a request's body, and for reading an answer; afterwards LEAST_BYTES_A_SECOND have to pass."""
LEAST_BYTES_A_SECOND = 1000
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_LINGER = 5.0
BYTES_TO_LINGER = 256 * 2**20
"""How long a client that was refused may go on sending, and how much, before its connection is closed.

It reads the answer only after it has sent. A connection that is closed before is reset, and what the client has not
read by then is lost (RFC 9112, 9.6).
"""


class PatientChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that knows what it waits for, and since when."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._free_since = time.monotonic()
        self._has_served = False
        self._answering_since: float | None = None
        self._sent = 0
        self._is_refused = False
        self._lingering_since: float | None = None
        self._read_away = 0
        self.heard_at = 0.0
        """When the loop last did something for it; see `turns`."""
        super().__init__(*arguments, **named)

    def service(self) -> None:
        """Answer one request. What waitress does not catch, such as a plugin's `sys.exit()`, ends the connection."""
        self._is_refused = self.requests[0].error is not None
        try:
            super().service()
        except BaseException:
            with self.requests_lock:
                self.close_when_flushed = True
                self.requests: list[Any] = []
            self.server.pull_trigger()
            raise
        finally:
            self._has_served, self._free_since = True, time.monotonic()

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send what the client takes; gives how many bytes that were."""
        sent: int = super().send(data, do_close)
        self._sent += sent
        return sent

    def handle_close(self) -> None:
        """Close the connection, and the file that a half sent body was written to; a refused one lingers before."""
        if self._is_refused and not self._stops_sending():
            return
        if self.request is not None:
            self.request.close()
        super().handle_close()

    def _stops_sending(self) -> bool:
        """Begin to linger, if the client is still there; returns whether it is not."""
        self._is_refused = False
        if not self.connected or self.total_outbufs_len:
            return True
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return True
        self._lingering_since, self.will_close = time.monotonic(), False
        return False

    def handle_read(self) -> None:
        """Read what came; of one that was refused it is thrown away."""
        if self._lingering_since is None:
            super().handle_read()
            return
        try:
            read = len(self.recv(self.adj.recv_bytes))  # closes the connection where nothing more comes
        except OSError:
            read = 0
        self._read_away += read
        if not read or self._read_away > BYTES_TO_LINGER:
            self.will_close = True

    @property
    def is_at_work(self) -> bool:
        """Whether a request of this connection is being answered, so that it is not the client that is waited for."""
        return bool(self.requests or self.total_outbufs_len)

    def is_too_slow(self, now: float) -> bool:
        """Return whether the client takes longer than any that means well. To be asked every moment."""
        if self._lingering_since is not None:
            return now - self._lingering_since > SECONDS_TO_LINGER
        if self.total_outbufs_len:
            if self._answering_since is None:
                self._answering_since, self._sent = now, 0
            return now - self._answering_since > SECONDS_OF_GRACE + self._sent / LEAST_BYTES_A_SECOND
        self._answering_since = None
        if self.requests:
            return False
        if self.request is None and self._has_served:
            return False  # it is kept open for the next request, which may take as long as `channel_timeout`
        begun = self.request is not None and self.request.head_at is not None
        return self.waited(now) > (SECONDS_OF_GRACE if begun else SECONDS_FOR_A_HEAD)

    def waited(self, now: float) -> float:
        """Return for how many seconds the client has been waited for, less what it may take for what it has sent."""
        if self.request is None:
            return now - self._free_since
        if self.request.head_at is None:
            return float(now - self.request.began)
        return float(now - self.request.head_at - self.request.body_bytes_received / LEAST_BYTES_A_SECOND)


class Patience:
    """Looks after the connections of a server; called between two turns of its loop."""

    def __init__(self) -> None:
        self._next_look = 0.0

    def look(self, parts: Collection[Any]) -> None:
        """Let go of connections, if it is time to look or there are too many; `parts` are all that the server watches.

        Each is closed in the server's next turn.
        """
        now = time.monotonic()
        crowded = len(parts) > MOST_CONNECTIONS
        if not crowded and now < self._next_look:
            return
        self._next_look = now + SECONDS_BETWEEN_LOOKS
        channels = [part for part in parts if isinstance(part, PatientChannel) and not part.will_close]
        for channel in channels:
            channel.will_close = channel.is_too_slow(now)
        if len(channels) > MOST_CONNECTIONS:
            _make_room(channels, now)


def _make_room(channels: Iterable[PatientChannel], now: float) -> None:
    """Close those that have waited longest for their client; never one that was just opened, or is at work.

    Nor one whose client has sent what the loop has not come to yet: it was opened before others were read, and would
    seem to have waited longer than they.
    """
    kept = [channel for channel in channels if not channel.will_close]
    unread = _unread(kept)
    waiting = [channel for channel in kept if not channel.is_at_work and channel not in unread]
    waiting.sort(key=lambda channel: channel.waited(now), reverse=True)
    for channel in waiting[: max(0, len(kept) - MOST_CONNECTIONS)]:
        channel.will_close = True


def _unread(channels: Iterable[PatientChannel]) -> set[PatientChannel]:
    """Return the connections from which something is there to be read."""
    by_descriptor = {channel.socket.fileno(): channel for channel in channels}
    poll = select.poll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    return {by_descriptor[descriptor] for descriptor, _ in poll.poll(0)}
