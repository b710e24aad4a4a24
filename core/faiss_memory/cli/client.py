"""Asking the running service over HTTP, with words for everything that can go wrong."""

from __future__ import annotations

import http.client
import json
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import SplitResult, urlencode, urlsplit

from faiss_memory.address import FILE, ServiceAddress
from faiss_memory.cli.failures import CommandFailed, NobodyThere, Refused, Unreachable
from faiss_memory.cli.writing import clean
from faiss_memory.errors import ConfigError
from faiss_memory.peers import is_loopback
from faiss_memory.proving import PATH, is_proven, new_nonce, place_of
from faiss_memory.settings import LOOPBACK

_JSON = "application/json"
_PIECE = 1 << 20
_MOST_OF_A_PROOF = 10_000
_UNASKED = 5.0
"""Seconds after which a file is sent although nobody has said whether it is wanted."""
TIMEOUT = 120.0
"""Seconds to wait for an answer; storing a large batch with a large model takes its time."""
PATIENCE = 15.0
"""Seconds to try again for while the service says that it is not ready."""


class Client:
    """Asks one service, once it has proved that it is the one that is meant.

    `explain` turns an error answer into the text that is shown; `note` tells of waiting.
    """

    def __init__(
        self,
        address: ServiceAddress,
        timeout: float = TIMEOUT,
        *,
        explain: Callable[[Mapping[str, Any]], str] = lambda answer: str(answer["description"]),
        note: Callable[[str], None] = lambda text: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.address = address
        self._parts = _checked(address)
        self._token = address.token
        if not self._token.isprintable():
            raise ConfigError(
                "setting `token`: it must be one line; a line break or control character is in it"
            )
        self._timeout = timeout
        self._explain = explain
        self._note = note
        self._sleep = sleep

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        patient: bool = True,
        endless: bool = False,
    ) -> dict[str, Any]:
        """Send one request; gives the parsed answer.

        `patient` tries again while the service is not ready, `endless` waits for the answer as long as it takes.
        Raises Refused with what the service says, and Unreachable where there is no answer of FAISS Memory.
        """
        target, sent, waited = self._target(path, params), _encoded(body), 0.0
        while True:
            status, headers, raw = self._exchange(
                method, target, sent, self._headers(None if sent is None else _JSON), endless=endless
            )
            answer = self._read(status, headers, raw)
            if status < 300:
                return answer
            pause = _pause(headers) if status == http.client.SERVICE_UNAVAILABLE and patient else None
            if pause is None or waited + pause > PATIENCE:
                raise Refused(self.words(status, answer), status)
            if not waited:
                self._note(f"{self._explain(answer)} (trying again for a few seconds)")
            waited += pause
            self._sleep(pause)

    def meet(self) -> None:
        """Let the service prove who it is, and ask nothing more. Raises Unreachable."""
        with self._asked("GET", endless=False):
            pass

    def send(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Post a body as it is; gives the answer's status and body, whatever they are.

        Raises NobodyThere if nothing was sent, and Unreachable where there is no answer of FAISS Memory.
        """
        sent = self._headers(_JSON) | dict(headers)
        status, _, raw = self._exchange("POST", self._target(path, None), body, sent)
        return status, raw

    def download(self, path: str, params: Mapping[str, Any], write: Callable[[bytes, int], object]) -> None:
        """Fetch a file; `write` is given each piece of it, and the size of the whole, or 0. Raises as `call` does."""
        with self._asked("GET", endless=False) as connection:
            connection.request("GET", self._target(path, params), headers=self._headers())
            response = connection.getresponse()
            self._check_server(response)
            if response.status >= 300:
                answer = self._read(response.status, response.headers, response.read())
                raise Refused(self.words(response.status, answer), response.status)
            size = int(response.headers.get("Content-Length", "0"))
            left = size
            while piece := response.read(_PIECE):
                left -= len(piece)
                write(piece, size)
            if size and left:
                raise http.client.IncompleteRead(b"", left)

    def upload(
        self, path: str, file: BinaryIO, size: int, media_type: str, note: Callable[[int], object]
    ) -> dict[str, Any]:
        """Send a file; `note` is told how much of it has gone. Waits for the answer as long as it takes.

        What the service refuses is not sent: it is asked first. Raises as `call` does.
        """
        with self._asked("POST", endless=True) as connection:
            connection.putrequest("POST", self._target(path, None), skip_accept_encoding=True)
            headers = self._headers(media_type) | {"Content-Length": str(size), "Expect": "100-continue"}
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            if _is_awaited(connection.sock):
                while piece := file.read(_PIECE):
                    connection.send(piece)
                    note(len(piece))
            status, received, raw = self._answered(connection)
        answer = self._read(status, received, raw)
        if status >= 300:
            raise Refused(self.words(status, answer), status)
        return answer

    def text(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        """Get a page, which is not JSON; raises as `call` does, and tries once."""
        status, headers, raw = self._exchange("GET", self._target(path, params), None, self._headers())
        if status >= 300:
            raise Refused(self.words(status, self._read(status, headers, raw)), status)
        return raw.decode("utf-8", "replace")

    def _exchange(
        self,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str | bytes],
        *,
        endless: bool = False,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send one request, once; return the answer's status, headers and body, whatever they say."""
        with self._asked(method, endless) as connection:
            connection.request(method, target, body, headers)
            return self._answered(connection)

    def _target(self, path: str, params: Mapping[str, Any] | None) -> str:
        query = urlencode({key: value for key, value in (params or {}).items() if value is not None})
        return f"{self._base}{path}{f'?{query}' if query else ''}"

    def _headers(self, media_type: str | None = None) -> dict[str, str | bytes]:
        headers: dict[str, str | bytes] = {"Accept": _JSON, "Connection": "close", "FAISS-Memory-By": "cli"}
        if media_type is not None:
            headers["Content-Type"] = media_type
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}".encode()
        return headers

    def _answered(self, connection: http.client.HTTPConnection) -> tuple[int, http.client.HTTPMessage, bytes]:
        response = connection.getresponse()
        self._check_server(response)
        return response.status, response.headers, response.read()

    @contextmanager
    def _asked(self, method: str, endless: bool) -> Iterator[http.client.HTTPConnection]:
        """Connect for one request; what goes wrong with the connection inside is told in words."""
        connection = self._connected(method)
        try:
            self._check_proof(connection)
            if endless and connection.sock is not None:
                connection.sock.settimeout(None)
            yield connection
        except TimeoutError:
            raise Unreachable(
                f"{self._place} gave no answer within {self._timeout:g} s.{_perhaps_done(method)} Its log may say "
                "why; --timeout waits longer."
            ) from None
        except (OSError, http.client.IncompleteRead) as error:
            raise Unreachable(
                f"the connection to {self._place} broke before the answer was there ({_reason(error)})."
                f"{_perhaps_done(method)} `faiss-memory health` tells whether it still runs."
            ) from None
        except http.client.HTTPException:
            raise Unreachable(self._somebody_else("what it says is not HTTP")) from None
        finally:
            connection.close()

    def _connected(self, method: str) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        try:
            connection = kind(self._parts.hostname or "", self._parts.port, timeout=self._timeout)
            connection.connect()
        except (OSError, http.client.InvalidURL, UnicodeError) as error:
            raise NobodyThere(self._nobody(error)) from None
        return connection

    def _check_proof(self, connection: http.client.HTTPConnection) -> None:
        """Let the service prove who it is, before it is told anything: on this machine anybody can take its port.

        Raises Unreachable. What is asked afterwards goes over the same connection, or not at all.
        """
        connection.auto_open = 0
        host, port = connection.sock.getpeername()[:2]
        if self._parts.scheme == "https" or not is_loopback(host):
            return
        if not self.address.secret:
            if self.address.is_guess:
                raise Unreachable(self._unknown())
            return
        nonce = new_nonce()
        connection.request("GET", f"{self._base}{PATH}?nonce={nonce}", headers={"Accept": _JSON})
        response = connection.getresponse()
        self._check_server(response)
        raw = response.read(_MOST_OF_A_PROOF)
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            answer = None
        if not is_proven(answer, self.address.secret, nonce, place_of(host, port)):
            raise Unreachable(self._unproven())
        if connection.sock is None:
            raise http.client.IncompleteRead(b"")  # it has closed, so that nothing can be asked any more

    def _unknown(self) -> str:
        return (
            f"something answers at {self._place}, and nothing tells that it is yours: a service of yours leaves "
            "service.json in your runtime folder. Start it with `faiss-memory serve`. If it runs in a container or as "
            "another user, name its address by --url or FAISS_MEMORY_URL, and its token by FAISS_MEMORY_TOKEN. Nothing "
            "was sent."
        )

    def _unproven(self) -> str:
        said = (
            f"what answers at {self._place} does not prove that it is your FAISS Memory, so nothing was sent."
        )
        if self.address.secret != self.address.token or not self.address.origin.endswith(FILE):
            return (
                f"{said} Either the token that is set (`token`, or FAISS_MEMORY_TOKEN) is not its token, or it is a "
                "program of somebody else. Behind a port of a container, `published_on` and `published_port` must say "
                "what that port is."
            )
        return f"{said} Look at what runs there, and start the service again."

    def _nobody(self, error: Exception) -> str:
        said = f"FAISS Memory does not answer at {self._place}: {_reason(error)}."
        if self.address.gone:
            said += f" ({clean(self.address.gone)}.)"
        if isinstance(error, ssl.SSLError):
            return f"{said} Check whether the address begins with http or https, and its certificate."
        if self._is_loopback:
            return (
                f"{said} Start it with `faiss-memory serve`, or for good with `faiss-memory service install`."
            )
        return f"{said} Check the address, and whether it runs there."

    def _check_server(self, response: http.client.HTTPResponse) -> None:
        server = response.headers.get("Server", "")
        # Elsewhere a proxy may stand between, and sign with its own name.
        if self._is_loopback and server != "faiss-memory":
            named = f"it calls itself {clean(server)[:60]}" if server else "it does not say what it is"
            raise Unreachable(self._somebody_else(named))

    def _read(self, status: int, headers: http.client.HTTPMessage, raw: bytes) -> dict[str, Any]:
        if status == http.client.NO_CONTENT:
            return {}
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            answer = None
        if isinstance(answer, dict) and (status < 300 or isinstance(answer.get("description"), str)):
            return answer
        if 300 <= status < 400 and headers.get("Location"):
            raise Unreachable(self._somebody_else(f"it points to {clean(headers['Location'])[:200]}"))
        raise Unreachable(self._somebody_else(f"its answer, status {status}, is not JSON of ours"))

    def words(self, status: int, answer: Mapping[str, Any]) -> str:
        """Return what an error answer means for a person."""
        said = self._explain(answer)
        if status != http.client.UNAUTHORIZED:
            return said
        if self._token:
            return (
                f"{self._place} does not accept the token that is set: check `token`, or FAISS_MEMORY_TOKEN."
            )
        return f"{self._place} wants a token. Set `token` in the configuration file, or FAISS_MEMORY_TOKEN."

    def _somebody_else(self, why: str) -> str:
        return (
            f"something answers at {self._place}, but it is not FAISS Memory: {why}. Look at what runs there, or give "
            "the right address with --url or FAISS_MEMORY_URL; `faiss-memory serve --port` takes another port."
        )

    @property
    def _place(self) -> str:
        return f"{clean(self.address.url)} ({clean(self.address.origin)})"

    @property
    def _base(self) -> str:
        return self._parts.path.rstrip("/")

    @property
    def _is_loopback(self) -> bool:
        return (self._parts.hostname or "") in LOOPBACK


def _checked(address: ServiceAddress) -> SplitResult:
    """Take an address apart. Raises ConfigError where it is not one."""
    try:
        parts = urlsplit(address.url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        fits = fits and parts.username is None and not parts.query and address.url.isascii()
        fits = fits and address.url.isprintable() and " " not in address.url
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError(
            f"{address.origin}: {clean(address.url)} is not an address; write one such as http://127.0.0.1:8900"
        )
    return parts


def _is_awaited(connection: socket.socket) -> bool:
    """Return whether to go on with a body, after its head was sent with `Expect: 100-continue`."""
    if isinstance(connection, ssl.SSLSocket):
        return True  # nothing can be looked at there before it is read
    ready, _, _ = select.select([connection], [], [], _UNASKED)
    return not ready or connection.recv(12, socket.MSG_PEEK).endswith(b" 100")


def _encoded(body: Mapping[str, Any] | None) -> bytes | None:
    try:
        return None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise CommandFailed("what you gave is not UTF-8 text") from None


def _pause(headers: http.client.HTTPMessage) -> float | None:
    """Read Retry-After, in seconds; None where it is not a number."""
    given = headers.get("Retry-After", "")
    return max(1.0, float(given)) if given.isdecimal() else None


def _perhaps_done(method: str) -> str:
    if method == "GET":
        return ""
    return " What was asked may have been done all the same: look before you do it again."


def _reason(error: Exception) -> str:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return clean(reason)
