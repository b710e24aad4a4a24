"""Large bodies: whose are read, how large they may be, and where one larger than memory waits until it is whole.

The server reads a body before it lets the application see the request. So it is decided here, as soon as the request's
head is there and by the same rules, whether it will be let in; what will not is refused before it is sent, but for a
small body, which is read and forgotten so that the client gets to read why. Where a database or an issuer has to be
asked for that, a thread asks (`Parser.decide`), and the connection alone waits: the server's loop never does.
"""

from __future__ import annotations

import io
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import falcon
from waitress.buffers import FileBasedBuffer
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver, FixedStreamReceiver
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge, RequestHeaderFieldsTooLarge

from faiss_memory.errors import MemoryServiceError, NotAllowed
from faiss_memory.http.access import AccessControl, check_owner, rights_of
from faiss_memory.rights import set_seen
from faiss_memory.settings import Settings

log = logging.getLogger("faiss_memory.http")

MOST_OF_A_HEAD = 64 * 1024
"""Bytes of a request's head."""
MOST_LINES_OF_A_HEAD = 200
"""Each is read by the server's loop, while everybody waits; a browser behind two proxies sends some 40."""
MOST_OF_A_CHUNK_HEAD = 16 * 1024
"""Bytes of the line that says how long a chunk is, and of what may follow the last chunk."""


MOST_OF_WHO_IS_NOT_LET_IN = 64 * 1024
"""Bytes of a body that are read although its request will be refused."""
# Made once: they hold readers of each kind of body, which take longer to make than to decide who is let in.
_REQUEST_OPTIONS, _RESPONSE_OPTIONS = falcon.RequestOptions(), falcon.ResponseOptions()


class Refusal(Error):  # type: ignore[misc]
    """An answer instead of reading on; `body` says why."""

    def __init__(self, status: str, body: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(body)
        self.code, self.reason = int(status[:3]), status[4:]
        self.headers = headers


class Uploads:
    """The calls whose body is a file. It is written into the data folder, without a name: a crash leaves nothing."""

    def __init__(self, settings: Settings, paths: Collection[str], access: AccessControl) -> None:
        self._paths = paths
        self._limit = settings.limits.archive_bytes
        self._settings = settings
        self._access = access

        self.most_of_a_body = settings.limits.body_bytes
        """Of a body that is no file."""

    def too_large(self) -> Refusal:
        """Return how a body that is no file is refused where it is too large to be read."""
        return Refusal(
            falcon.HTTP_413,
            f"the body is larger than {self.most_of_a_body:,} bytes (setting limits.body_bytes); send less at once",
        )

    @property
    def _folder(self) -> Path:
        """Where it is written: with all that this process writes down for a while, which is where the memories are."""
        return Path(tempfile.gettempdir())

    def meant(self, method: str, path: str) -> bool:
        """Return whether a request is to bring a file."""
        return method == "POST" and path in self._paths

    def decides_at_once(self, environment: Mapping[str, Any]) -> bool:
        """Return whether `not_let_in` asks nobody who may keep it waiting."""
        return self._access.decides_at_once(falcon.Request(dict(environment), options=_REQUEST_OPTIONS))

    def not_let_in(self, environment: Mapping[str, Any]) -> Refusal | None:
        """Return why a request will be refused, if it will, whatever its body is. Never raises."""
        try:
            request = falcon.Request(dict(environment), options=_REQUEST_OPTIONS)
            self._access.process_request(request, falcon.Response(options=_RESPONSE_OPTIONS))
            if self.meant(request.method, request.path):
                check_owner(rights_of(request))
        except falcon.HTTPError as error:
            status = falcon.code_to_http_status(error.status)
            return Refusal(status, error.description or "", dict(error.headers or {}))
        except NotAllowed as error:
            return Refusal(falcon.HTTP_403, str(error))
        except Exception as error:
            if not isinstance(error, MemoryServiceError):
                log.exception("whether a request is let in could not be told")
            return Refusal(
                falcon.HTTP_503,
                "the service cannot tell just now whether you are let in; send it again in a moment",
                {"Retry-After": "1"},
            )
        finally:
            set_seen(None)
        return None

    def refusal(self, size: int | None) -> Refusal | None:
        """Return why a file is not read, if it is not."""
        if size is None:
            return Refusal(falcon.HTTP_411, "say how long the file is, with Content-Length")
        if size > self._limit:
            return Refusal(
                falcon.HTTP_413,
                f"the file is larger than {self._limit:,} bytes (setting limits.archive_bytes)",
            )
        if size > shutil.disk_usage(self._folder).free:
            return Refusal(
                falcon.HTTP_507,
                f"{self._folder} has no room for {size:,} bytes; free some, and send it again",
            )
        return None

    def receiver(self, size: int) -> Any:
        """Make what writes a body down."""
        return FixedStreamReceiver(size, FileBasedBuffer(tempfile.TemporaryFile()))


class _Chunks(ChunkedReceiver):  # type: ignore[misc]
    """Reads a body in chunks. What stands between them is read again with each piece that comes, so it is short."""

    control_line: bytes
    trailer: bytes

    def received(self, data: bytes) -> int:
        """Read a piece; gives how many bytes of it are the body's."""
        consumed: int = super().received(data)
        if not self.completed and len(self.control_line) + len(self.trailer) > MOST_OF_A_CHUNK_HEAD:
            self.error = BadRequest(
                f"what stands between the chunks of a body is at most {MOST_OF_A_CHUNK_HEAD:,} bytes long"
            )
        return consumed


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Reads one request, as waitress does, and lets files be larger than other bodies."""

    adj: Any
    body_rcv: Any
    error: Error | None

    def __init__(
        self,
        adjustments: Any,
        uploads: Uploads,
        client: tuple[Any, ...],
        asked: tuple[Any, ...],
        leave: Callable[[bytes], None],
    ) -> None:
        """`leave` takes what came behind this request, and is the next one's."""
        super().__init__(adjustments)
        self._leave = leave
        self.began = time.monotonic()
        self.head_at: float | None = None
        """When the head was there."""
        self._uploads, self._client, self._asked = uploads, client, asked
        self.undecided: Mapping[str, Any] | None = None
        """The head's environment, until `decide` and `settle` have said whether the body is to be read."""
        self._refusal: Refusal | None = None
        self._held = b""
        """What came of the body meanwhile."""

    def received(self, data: bytes) -> int:
        """Read a piece; gives how many bytes of it are this request's."""
        if self.undecided is not None:
            self._held += data
            return len(data)
        if self._refusal is not None:
            return len(data)  # nobody reads on where a body was refused
        consumed: int = super().received(data)
        if isinstance(self.error, RequestEntityTooLarge):
            self.error = self._uploads.too_large()
        if self.completed and consumed < len(data):
            self._leave(data[consumed:])
            return len(data)
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request's head. Raises what waitress raises, and ParsingError for one that has two ends.

        By which of the two a proxy goes is not known: what it takes for a body, another may take for a request.
        """
        if header_plus.count(b"\r\n") > MOST_LINES_OF_A_HEAD:
            super().parse_header(b"GET / HTTP/1.0\r\n")
            self.error = RequestHeaderFieldsTooLarge(
                f"a request's head has at most {MOST_LINES_OF_A_HEAD} lines"
            )
            self.completed = True
            return
        names = {line.partition(b":")[0].strip().lower() for line in header_plus.split(b"\r\n")[1:]}
        coded = b"transfer-encoding" in names
        if coded and b"content-length" in names:
            raise ParsingError("send either Content-Length or Transfer-Encoding, not both")
        super().parse_header(header_plus)
        self.head_at = time.monotonic()
        if self.chunked:
            self.body_rcv = _Chunks(self.body_rcv.getbuf())
        if coded and self.version != "1.1":
            raise ParsingError("Transfer-Encoding needs HTTP/1.1")
        if not self.chunked and not self.content_length:
            if self._uploads.meant(self.command, self.path):
                self.expect_continue = False  # waitress would wait for the body for ever
            return
        environment = self._environment()
        if not self.chunked:
            self.adj = _Limited(self.adj, sys.maxsize)  # `settle` looks at how long it says to be
        self._continues, self.expect_continue = self.expect_continue, False
        self.undecided = environment
        if self._uploads.decides_at_once(environment):
            self.decide()
            self.settle()

    def decide(self) -> None:
        """Find out whether the body is to be read. May wait, so it is for a thread where it does not decide at once."""
        if self.undecided is not None:
            self._refusal = self._uploads.not_let_in(self.undecided)

    def settle(self) -> bytes:
        """Keep to what was decided; returns what came of the body meanwhile, which is to be read now."""
        refusal, self.undecided = self._refusal, None
        if self._uploads.meant(self.command, self.path):
            refusal = refusal or self._uploads.refusal(None if self.chunked else self.content_length)
            if refusal is None:
                self.body_rcv.getbuf().close()
                self.body_rcv = self._uploads.receiver(self.content_length)
        elif refusal is not None and self.content_length <= MOST_OF_WHO_IS_NOT_LET_IN:
            self.adj = _Limited(self.adj, MOST_OF_WHO_IS_NOT_LET_IN + 1)  # also of a body in chunks
            refusal = None
        elif refusal is None and self.content_length > self._uploads.most_of_a_body:
            refusal = self._uploads.too_large()
        self._refusal = refusal
        if refusal is not None:
            self.error, self.completed = refusal, True
        else:
            self.expect_continue = self._continues
        held, self._held = self._held, b""
        return held

    def _environment(self) -> dict[str, Any]:
        """Return as much of the WSGI environment as is needed to decide who is let in."""
        headers = {f"HTTP_{name}": value for name, value in self.headers.items()}
        return headers | {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "REMOTE_ADDR": str(self._client[0]),
            "REMOTE_PORT": str(self._client[1]),
            "faiss_memory.address": self._asked,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "",
            "SERVER_PROTOCOL": f"HTTP/{self.version}",
            "wsgi.url_scheme": self.url_scheme,
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
        }


class _Limited:
    """The server's adjustments with another limit to a body."""

    def __init__(self, adjustments: Any, most: int) -> None:
        self._adjustments = adjustments
        self.max_request_body_size = most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adjustments, name)
