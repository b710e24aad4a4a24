"""The public address: what it opens with its token, and that it opens nothing without."""

from __future__ import annotations

import json

from faiss_memory.cli.doctor.entries import Entry
from faiss_memory.cli.doctor.findings import Findings, measured
from faiss_memory.cli.doctor.trial import NotRecalled, ask
from faiss_memory.settings import Settings

LEADS_ELSEWHERE = "The tunnel leads elsewhere, or the service has other settings"
OPENS_TOO_MUCH = "The address opens more than it should: stop the tunnel"
_ASKED = (
    ("with token", "POST", "/search", True, 200, LEADS_ELSEWHERE),
    ("without token", "POST", "/search", False, 401, OPENS_TOO_MUCH),
    ("the rest", "GET", "/memories", True, 404, OPENS_TOO_MUCH),
)
"""What is asked, with or without the token, and the status that it should be answered with."""


def check_public(settings: Settings) -> Findings:
    """Ask by the public address, with the token, without one, and for what must not be there."""
    found = Findings("public address")
    base = settings.public_url.rstrip("/")
    body = json.dumps({"query": "Does this address answer?", "k": 1}).encode()
    for check, method, path, with_token, wanted, advice in _ASKED:
        headers = (("Authorization", f"Bearer {settings.public_token}"),) if with_token else ()
        entry = Entry("context", "", url=base + path, headers=headers)
        try:
            with measured() as watch:
                status, _ = ask(entry, method, base + path, body if method == "POST" else None, "")
        except NotRecalled as error:
            found.failed(check, str(error), "Look whether the tunnel runs, and leads to this service")
            continue
        if status == wanted:
            found.ok(check, f"{path} answers {status}, as it should", watch.milliseconds)
        else:
            found.failed(check, f"{path} answers {status}, and {wanted} was expected", advice)
    return found
