"""The public address: what it opens with its token, and that it opens nothing without, whatever proxy leads there."""

from __future__ import annotations

import json
from typing import NamedTuple

from faiss_memory.cli.doctor.entries import Entry
from faiss_memory.cli.doctor.findings import Findings, measured
from faiss_memory.cli.doctor.trial import NotRecalled, ask
from faiss_memory.settings import Settings

LEADS_ELSEWHERE = (
    "The tunnel leads elsewhere, or does not pass the name in `public_url` on as Host, or the service has other "
    "settings"
)
OPENS_TOO_MUCH = "The address opens more than it should: stop the tunnel"
START_AGAIN = "Start the service again: it runs with other settings than these"
_QUESTION = json.dumps({"query": "Does this address answer?", "k": 1}).encode()
_TWO_LENGTHS = (("Content-Length", "5"), ("Transfer-Encoding", "chunked"))


class _Asked(NamedTuple):
    """What is asked, and the status that it should be answered with."""

    check: str
    method: str
    path: str
    wanted: int
    advice: str
    with_token: bool = False
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


_BY_THE_ADDRESS = (
    _Asked("with token", "POST", "/search", 200, LEADS_ELSEWHERE, with_token=True, body=_QUESTION),
    _Asked("without token", "POST", "/search", 401, OPENS_TOO_MUCH, body=_QUESTION),
    _Asked("the rest", "GET", "/memories", 404, OPENS_TOO_MUCH, with_token=True),
)
_HERE = (
    # What a proxy sends that adds no headers.
    _Asked("a proxy without a sign", "GET", "/memories", 401, START_AGAIN),
    _Asked("two lengths", "POST", "/search", 400, START_AGAIN, body=b"0\r\n\r\n", headers=_TWO_LENGTHS),
)


def check_public(settings: Settings, here: str | None) -> Findings:
    """Ask by the public address, with the token, without one, and for what must not be there; then the service itself.

    `here` is where the service answers on this machine, None if it does not.
    """
    found = Findings("public address")
    for asked in _BY_THE_ADDRESS:
        _check(found, asked, settings.public_url.rstrip("/"), settings.public_token)
    for asked in _HERE if here else ():
        _check(found, asked, str(here), settings.public_token)
    return found


def _check(found: Findings, asked: _Asked, base: str, token: str) -> None:
    headers = (("Authorization", f"Bearer {token}"),) if asked.with_token else ()
    entry = Entry("context", "", url=base + asked.path, headers=headers + asked.headers)
    try:
        with measured() as watch:
            status, _ = ask(entry, asked.method, entry.url, asked.body, "")
    except NotRecalled as error:
        found.failed(asked.check, str(error), "Look whether the tunnel runs, and leads to this service")
        return
    if status == asked.wanted:
        found.ok(asked.check, f"{asked.path} answers {status}, as it should", watch.milliseconds)
    else:
        found.failed(
            asked.check, f"{asked.path} answers {status}, and {asked.wanted} was expected", asked.advice
        )
