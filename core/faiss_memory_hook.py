"""The hook program: hands an assistant's event to the running service, and its answer back to the assistant.

    faiss-memory-hook NAME [--project PROJECT] [--context PLACE] [--print text] [--notice EVENT:FIELD]
                      [--inside VARIABLE:NAME] [--url URL] [--verbose]

Reads the event from standard input, and writes what the service answers, which the assistant adds to its context. An
assistant waits for it at every prompt. So it imports nothing of ours, gives up after 250 ms, and whatever goes wrong it
ends with 0 and without a word; only when a session begins it says that the service is not running. `--verbose` says on
standard error what went wrong.

How the assistant speaks is said by its adapter, in the arguments that it writes: `--context` where in an answer the
context stands, its keys joined by dots (empty: anywhere), `--print text` that the context is printed and not the answer
around it, `--notice` in which event's answer the person is told something, and in which field, `--inside` which
variable shows that another assistant fires these hooks, and which adapter answers then.

A session whose start nobody has answered is marked by an empty file in the user's own state folder: its first prompt
that is answered says so, and brings what the start would have brought.
"""

from __future__ import annotations

import _thread
import json
import os
import select
import socket
import stat
import sys
import time

try:
    from _blake2 import blake2b
except ImportError:  # another Python; this way OpenSSL is loaded, which costs every prompt some milliseconds
    from hashlib import blake2b

DEADLINE = 0.25
"""Seconds from the start to the end, whatever happens."""
MOST_BYTES = 1_000_000
"""Neither an event nor an answer is longer."""
MOST_OF_A_PROOF = 10_000
LONGEST_LINE = 40
PORT = 8900
STARTS = ("SessionStart", "sessionStart", "session.created")
"""How the assistants call the event by which a session begins."""
NOTICES = {"SessionStart": "systemMessage", "sessionStart": "user_message"}
CONTEXTS = ("hookSpecificOutput.additionalContext", "additional_context")
"""What holds where the arguments do not say: those that earlier versions wrote, and inside another assistant."""


class NoAnswer(Exception):
    """The service cannot be reached, has nothing to show, or says what is of no use; the text says why."""


def main() -> None:
    """Answer one event. Never fails."""
    if "--verbose" not in sys.argv:
        # Also what cannot be given a deadline, such as looking up a name, is not waited for.
        _thread.start_new_thread(_give_up, ())
    try:
        _answer(sys.argv[1:], time.monotonic() + DEADLINE)
    except BaseException as error:  # the assistant must go on, whatever this is
        if "--verbose" in sys.argv:
            print(f"faiss-memory-hook: {error}", file=sys.stderr)
    os._exit(0)  # not even a closed standard output may change the exit code


def _give_up() -> None:
    time.sleep(DEADLINE)
    os._exit(0)


def _answer(arguments: list[str], until: float) -> None:
    name, options = _arguments(arguments)
    event = _read_event(until)
    try:
        answer = _ask(name, options, event, until, _mark_of_missed(event))
    except (NoAnswer, OSError, ValueError):
        answer = _notice(options, event)
        if not answer:
            raise
    is_text = options.get("--print") == "text"
    said = str(_at(options["--context"], answer)) if is_text else json.dumps(answer)
    sys.stdout.buffer.write(said.encode())
    sys.stdout.buffer.flush()


def _arguments(arguments: list[str]) -> tuple[str, dict[str, str]]:
    name, *rest = (argument for argument in arguments if argument != "--verbose")
    options = dict(zip(rest[::2], rest[1::2], strict=False))
    variable, _, other = options.get("--inside", "").partition(":")
    if not other or not os.environ.get(variable):
        return name, options
    # It reads the answer in its own form.
    return other, {key: value for key, value in options.items() if key not in ("--context", "--notice")}


def _read_event(until: float) -> bytes:
    """Read standard input to its end, or as far as it comes in time."""
    read = b""
    source = sys.stdin.fileno()
    while len(read) < MOST_BYTES:
        # Elsewhere `select` takes sockets only.
        if os.name == "posix" and not select.select([source], [], [], max(0.0, until - time.monotonic()))[0]:
            break
        if not (part := os.read(source, 1 << 16)):
            break
        read += part
    return read


def _mark_of_missed(event: bytes) -> str:
    """Return the file that marks the event's session as one whose start nobody has answered; empty where it is none."""
    folder = os.path.join(runtime_folders()[-1], "missed-starts")
    if not (any(name.encode() in event for name in STARTS) or _has_files(folder)):
        return ""
    from faiss_memory_missed_starts import mark_of  # seldom needed, and every import costs a prompt

    return mark_of(event, folder, STARTS)


def _has_files(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


def _take_away(mark: str) -> None:
    """Take a mark away, if it can be and no other hook was quicker: what was answered is shown all the same."""
    try:
        if mark:
            os.unlink(mark)
    except OSError:
        return


def _ask(name: str, options: dict[str, str], event: bytes, until: float, missed: str) -> dict[str, object]:
    failure: Exception = ConnectionRefusedError("no service of yours runs, and FAISS_MEMORY_URL names none")
    for url, secret, token in [named(options["--url"])] if "--url" in options else addresses():
        try:
            path = f"/adapters/{name}/hook{_query(options, until, bool(missed))}"
            answer = _ask_at(url, path, event, secret, token, until)
        except (ConnectionRefusedError, _Unproven) as error:
            failure = error
        else:
            _take_away(missed)
            if not answer:
                raise _Refused(f"{url} has nothing to show")
            if not _is_context(options, answer):
                raise _Refused(f"{url} answers what {name} is not told: {str(answer)[:60]}")
            return answer
    raise failure


def _is_context(options: dict[str, str], answer: dict[str, object]) -> bool:
    """Return whether an answer brings context, and at most a line to the person: all else could stop the assistant."""
    places = (options["--context"],) if "--context" in options else CONTEXTS
    told = [field for field in _notices(options).values() if _is_line(answer.get(field))]
    alone = len(answer) - len(told) == 1
    return "" in places or (alone and any(isinstance(_at(place, answer), str) for place in places))


def _is_line(value: object) -> bool:
    """Return whether the person is told no more than how many notes were recalled."""
    return isinstance(value, str) and len(value) <= LONGEST_LINE


def _at(place: str, answer: object) -> object:
    for key in place.split("."):
        answer = answer.get(key) if isinstance(answer, dict) else None
    return answer


def _query(options: dict[str, str], until: float, missed: bool) -> str:
    # The service need not remember as shown what would come too late to be shown.
    left = max(1, int((until - time.monotonic()) * 1000))
    project = f"&project={options['--project']}" if "--project" in options else ""
    return f"?within_ms={left}{project}{'&missed_start=true' if missed else ''}"


def _ask_at(url: str, path: str, event: bytes, secret: str, token: str, until: float) -> dict[str, object]:
    scheme, _, rest = url.partition("://")
    place = rest.split("/")[0]
    host, port = _host_and_port(place, 443 if scheme == "https" else 80)
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {place}",
        "Content-Type: application/json",
        f"Content-Length: {len(event)}",
        "Connection: close",
    ]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    with socket.create_connection((host, port), timeout=_left(until)) as connection:
        if scheme == "https":
            connection = _secured(connection, host)
        elif secret and _is_loopback(connection.getpeername()[0]):
            _check_proof(connection, url, place, secret, until)
        connection.settimeout(_left(until))
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + event)
        return _parsed(_receive(connection, until))


def _check_proof(connection: socket.socket, url: str, place: str, secret: str, until: float) -> None:
    """Let the service prove that it knows the secret, before it is told anything, by the same connection.

    `faiss_memory.proving` says why, and makes the proofs.
    """
    nonce = os.urandom(16).hex()
    connection.settimeout(_left(until))
    connection.sendall(f"GET /proof?nonce={nonce} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
    received = b""
    while (whole := _is_whole(received)) is False and len(received) < MOST_OF_A_PROOF:
        connection.settimeout(_left(until))
        if not (part := connection.recv(MOST_OF_A_PROOF)):
            break
        received += part
    proofs = _parsed(received).get("proofs") if whole else None
    if not isinstance(proofs, list) or proof(secret, nonce, connection.getpeername()) not in proofs:
        raise _Unproven(f"{url} does not prove that it is your FAISS Memory")


def _is_whole(received: bytes) -> bool:
    """Return whether an answer has come to its end, as its Content-Length says."""
    head, ends, body = received.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if ends and line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False


def proof(secret: str, nonce: str, peer: tuple[str, int]) -> str:
    """Return the proof that whoever answers at an address knows the secret."""
    place = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
    key = blake2b(secret.encode("utf-8", "surrogateescape")).digest()
    return blake2b(f"{nonce} {place}".encode(), key=key, digest_size=32, person=b"faiss-memory").hexdigest()


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"


def _host_and_port(place: str, usual: int) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    if not host or port.endswith("]"):
        host, port = place, str(usual)
    return host.strip("[]"), int(port)


def _secured(connection: socket.socket, host: str) -> socket.socket:
    import ssl  # slow to load, and only a service elsewhere needs it

    return ssl.create_default_context().wrap_socket(connection, server_hostname=host)


def _receive(connection: socket.socket, until: float) -> bytes:
    received = b""
    while True:
        connection.settimeout(_left(until))
        if not (part := connection.recv(1 << 16)):
            return received
        received += part
        if len(received) > MOST_BYTES:
            raise NoAnswer("the answer is too long")


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise NoAnswer("no answer in time")
    return left


def _parsed(received: bytes) -> dict[str, object]:
    head, _, body = received.partition(b"\r\n\r\n")
    first = head.split(b"\r\n")[0]
    if first.split(b" ")[1:2] != [b"200"]:
        raise _Refused(f"the service answers {first[:60]!r}")
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise _Refused("the answer is not an object")
    return answer


class _Unproven(NoAnswer):
    """Somebody else answers, who was told nothing: the service may be at the next address."""


class _Refused(NoAnswer):
    """Something answers: to say that the service is not running would be wrong."""


def _notice(options: dict[str, str], event: bytes) -> dict[str, object]:
    """Return once a session that nothing is remembered in it."""
    error = sys.exc_info()[1]
    if not isinstance(error, OSError) or isinstance(error, TimeoutError):
        return {}
    given = json.loads(event)
    field = _notices(options).get(given.get("hook_event_name"), "")
    begins = bool(field) and given.get("source", "startup") == "startup"
    return {field: "FAISS Memory is not running; start it with: faiss-memory serve"} if begins else {}


def _notices(options: dict[str, str]) -> dict[str, str]:
    """Return which event's answer tells the person something, and in which field."""
    if "--context" not in options:
        return NOTICES
    event, _, field = options.get("--notice", "").partition(":")
    return {event: field} if field else {}


def addresses() -> list[tuple[str, str, str]]:
    """Return where the service may answer: where the environment says, else where the last one ran, else as usual.

    Each is an address, the secret that must be proved there (empty where nothing is known), and the token it is sent.
    """
    if url := os.environ.get("FAISS_MEMORY_URL"):
        return [named(url)]
    found = [(url, secret, secret) for url, secret in left_addresses()]
    token = os.environ.get("FAISS_MEMORY_TOKEN", "")
    # Nobody has named the usual port: what cannot prove itself there is not asked.
    return [*found, (f"http://127.0.0.1:{PORT}", token, token)] if token else found


def named(url: str) -> tuple[str, str, str]:
    """Take an address that the person has named: it must prove what is known of it."""
    token = os.environ.get("FAISS_MEMORY_TOKEN", "")
    left = {with_usual_host(one): secret for one, secret in left_addresses()}
    secret = left.get(with_usual_host(url), token)
    return url, secret, secret


def with_usual_host(url: str) -> str:
    """Return an address by one name for all the names of this machine's own loopback."""
    scheme, _, rest = url.rstrip("/").partition("://")
    place, slash, path = rest.partition("/")
    try:
        host, port = _host_and_port(place, 443 if scheme.lower() == "https" else 80)
    except ValueError:
        return url
    own = host.lower() == "localhost" or _is_loopback(host.lower())
    return f"{scheme.lower()}://{'127.0.0.1' if own else host.lower()}:{port}{slash}{path}"


def left_addresses() -> list[tuple[str, str]]:
    """Read the addresses, each with its secret, that running services of this user have left.

    Files that another user may have written or read are not believed, nor those of a process that is not this user's.
    """
    found = []
    for folder in runtime_folders():
        try:
            left = json.loads(_private_content(os.path.join(folder, "service.json")))
            url, secret = left["url"], left["secret"]
            if isinstance(url, str) and isinstance(secret, str) and secret and _is_ours(left["pid"]):
                found.append((url, secret))
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            continue
    return found


def _private_content(path: str) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    file = os.open(path, flags)
    try:
        seen = os.fstat(file)
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(f"{path} is not a file")
        if os.name == "posix" and (seen.st_uid != os.geteuid() or seen.st_mode & 0o077):
            raise OSError(f"{path} is not this user's alone")
        return os.read(file, MOST_OF_A_PROOF)
    finally:
        os.close(file)


def _is_ours(pid: object) -> bool:
    if os.name != "posix":
        return True  # asking would interrupt the process
    if not isinstance(pid, int) or pid < 1:
        return False
    os.kill(pid, 0)  # raises OSError where it has ended, or is another user's
    return sys.platform != "linux" or os.stat(f"/proc/{pid}").st_uid == os.geteuid()


def runtime_folders() -> list[str]:
    """Name the folders in which a running service leaves its address.

    A desktop application may start this without the variable that names the session's folder.
    """
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        return [os.path.join(home, "Library/Caches/TemporaryItems/faiss-memory")]
    if os.name == "nt":
        local = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
        return [os.path.join(local, "Temp", "faiss-memory")]
    session = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(home, ".local/state")
    return [os.path.join(session, "faiss-memory"), os.path.join(state, "faiss-memory")]


if __name__ == "__main__":
    main()
