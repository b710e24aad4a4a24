"""The public address: what it opens with its token, and that it opens nothing without."""

from __future__ import annotations

import json

from faiss_memory.cli.doctor.entries import Entry
from faiss_memory.cli.doctor.findings import Findings, measured
from faiss_memory.cli.doctor.trial import NotRecalled, ask
from faiss_memory.settings import Settings


def check_public(settings: Settings) -> Findings:
    """Ask by the public address, with the token, without one, and for what must not be there."""
    found = Findings("public address")
    base = settings.public_url.rstrip("/")
    given = (("Authorization", f"Bearer {settings.public_token}"),)
    body = json.dumps({"query": "Does this address answer?", "k": 1}).encode()
    asked = (
        (
            "with token",
            "POST",
            "/search",
            given,
            200,
            "The tunnel leads elsewhere, or the service has other settings",
        ),
        (
            "without token",
            "POST",
            "/search",
            (),
            401,
            "Whoever knows the address reads your memories: stop the tunnel",
        ),
        (
            "the rest",
            "GET",
            "/memories",
            given,
            404,
            "The address opens more than it should: stop the tunnel",
        ),
    )
    for check, method, path, headers, wanted, advice in asked:
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
