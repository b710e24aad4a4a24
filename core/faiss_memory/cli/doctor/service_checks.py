"""What the doctor asks the service itself, and this machine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from faiss_memory.autostart import choose
from faiss_memory.cli.client import Client
from faiss_memory.cli.doctor.findings import Findings, measured
from faiss_memory.cli.failures import CommandFailed, NobodyThere, Refused, Unreachable
from faiss_memory.embedder import missing_packages
from faiss_memory.errors import AutostartError
from faiss_memory.peers import named_few, other_users
from faiss_memory.schema import MOST_LOOKED_THROUGH
from faiss_memory.settings import Settings

LEAST_FREE_BYTES = 200 * 1024 * 1024
MOST_CLOCK_SECONDS = 60


def check_service(client: Client, settings: Settings) -> tuple[Findings, Mapping[str, Any] | None]:
    """Look at everything that all assistants need; gives the stats too, None if the service is of no use."""
    found = Findings("service")
    health = _health(found, client)
    stats = None
    if health is not None:
        _check_version(found, health["version"])
        # Our own commands need no token; what assistants are given is the one of the settings.
        asking = replace(client.address, token=settings.token or client.address.token)
        stats = _answer(found, "token", Client(asking), "/stats")
    if stats is not None:
        found.ok("token", "is accepted" if settings.token else "none is asked for on this machine")
        _check_model(found, stats)
        _check_surroundings(found, client, stats)
        _check_stored_secrets(found, Client(asking), stats)
    _check_port(found, client, settings)
    _check_proxy(found, client)
    _check_others(found, settings)
    _check_secrets(found, settings)
    _check_packages(found)
    _check_autostart(found)
    return found, stats


def _health(found: Findings, client: Client) -> dict[str, Any] | None:
    try:
        with measured() as watch:
            health = client.call("GET", "/health", patient=False)
    except NobodyThere as error:
        found.failed(
            "running",
            error.message,
            "Start it: faiss-memory serve, or for good: faiss-memory service install",
        )
        return None
    except (Unreachable, Refused) as error:
        found.failed(
            "running",
            error.message,
            "Look what runs there; if it is ours, look into its log: faiss-memory service logs -n 50",
        )
        return None
    where = client.address
    found.ok("running", f"at {where.url} ({where.origin})", watch.milliseconds)
    for part in health["rebuilding"]:
        found.note(
            "rebuilding",
            f"{part['what']} of {part['project']}: {part['progress']:.0%}",
            "Wait until it is done",
        )
    for problem in health["problems"]:
        if problem["part"] != "model":  # which has a check of its own
            found.failed(
                "background",
                f"{problem['part']}: {problem['reason']}",
                "Look into the log: faiss-memory service logs -n 50; then start the service again",
            )
    return health


def _answer(found: Findings, check: str, client: Client, path: str) -> dict[str, Any] | None:
    try:
        return client.call("GET", path, patient=False)
    except CommandFailed as error:
        found.failed(
            check, error.message, "Set FAISS_MEMORY_TOKEN to the token that the service was started with"
        )
        return None


def _check_version(found: Findings, running: str) -> None:
    here = version("faiss-memory")
    if running == here:
        found.ok("version", here)
    else:
        found.failed(
            "version",
            f"{running} is running, and {here} is installed",
            "Start the service again: faiss-memory service stop, then faiss-memory service start",
        )


def _check_model(found: Findings, stats: Mapping[str, Any]) -> None:
    if stats["model_ready"]:
        found.ok("model", f"{stats['model']} answers, {stats['dimension']} dimensions")
    elif stats["model_error"]:
        found.failed(
            "model",
            stats["model_error"],
            "docs/TROUBLESHOOTING.md, The model; until then searches go by words alone",
        )
    else:
        found.note("model", f"{stats['model']} is being loaded", "Wait a moment, and ask again")


def _check_surroundings(found: Findings, client: Client, stats: Mapping[str, Any]) -> None:
    seen = client.call("GET", "/diagnosis", patient=False)
    folder = seen["data_folder"]
    if seen["not_writable"]:
        found.failed(
            "data folder",
            f"{folder} cannot be written: {seen['not_writable']}",
            "Look after its owner, and whether the disk is mounted read-only",
        )
    else:
        found.ok(
            "data folder", f"{folder}, {stats['total_memories']:,} memories, {stats['backup_count']} backups"
        )
    free = f"{seen['free_bytes'] / 1024**2:,.0f} MB free"
    if seen["free_bytes"] < LEAST_FREE_BYTES:
        found.failed(
            "disk", f"{free} where the memories are", "Free some room: a full disk refuses new memories"
        )
    else:
        found.ok("disk", free)
    _check_clock(found, datetime.fromisoformat(seen["time"]), datetime.fromisoformat(stats["last_updated"]))


def _check_clock(found: Findings, there: datetime, last_change: datetime) -> None:
    here = datetime.now(UTC)
    apart = abs((there - here).total_seconds())
    if apart > MOST_CLOCK_SECONDS:
        found.failed(
            "clock",
            f"the service's clock and this one are {apart:,.0f} s apart",
            "Set the clocks right; in Docker start its machine again",
        )
    elif last_change > here + timedelta(seconds=MOST_CLOCK_SECONDS):
        found.failed(
            "clock",
            f"memories were changed at {last_change:%Y-%m-%d %H:%M}, which is yet to come",
            "Set this machine's clock right",
        )
    else:
        found.ok("clock", f"{there:%Y-%m-%d %H:%M:%S} UTC")


def _check_port(found: Findings, client: Client, settings: Settings) -> None:
    port = urlsplit(client.address.url).port or 80
    wanted = settings.published_port or settings.port
    if port == wanted or client.address.origin.startswith(("--url", "environment")):
        found.ok("port", str(port))
    else:
        found.note(
            "port",
            f"the service answers on {port}, and the settings say {wanted}",
            "What is installed with --shared, and assistants in containers, will ask on the port of the settings",
        )


def _check_proxy(found: Findings, client: Client) -> None:
    proxies, address = getproxies(), urlsplit(client.address.url)
    if address.scheme in proxies and not proxy_bypass(address.hostname or ""):
        found.note(
            "proxy",
            f"this environment leads everything through {proxies[address.scheme]}: an assistant that is started in it "
            "may ask there for the service",
            f"export NO_PROXY={','.join([*filter(None, [proxies.get('no')]), 'localhost', '127.0.0.1'])}",
        )


def _check_others(found: Findings, settings: Settings) -> None:
    others = other_users()
    if not others:
        found.ok("other users", "nobody else can log in to this machine")
    elif settings.token or settings.others_need_token:
        found.ok("other users", f"{named_few(others)} need the token")
    else:
        found.note(
            "other users",
            f"{named_few(others)} can log in to this machine, and read and write your memories",
            "Set others_need_token: true, and start the service again; docs/security.md says what that does",
        )


def _check_secrets(found: Findings, settings: Settings) -> None:
    if settings.secrets == "off":
        found.note(
            "secrets",
            "what looks like a key or a password is stored as it is (secrets: off)",
            "Set secrets: mask, and start the service again; `faiss-memory scan` says what is stored already",
        )


def _check_stored_secrets(found: Findings, client: Client, stats: Mapping[str, Any]) -> None:
    """Say how many memories hold secrets, where looking does not take long."""
    if stats["total_memories"] > MOST_LOOKED_THROUGH:
        return
    try:
        count = client.call("POST", "/scan", {}, patient=False)["count"]
    except CommandFailed as error:
        found.note("stored secrets", error.message)
        return
    if count:
        found.note(
            "stored secrets",
            f"memories that hold what looks like a key or a password: {count:,}",
            "Look which: faiss-memory scan; and mask them in every file: faiss-memory scan --mask",
        )
    else:
        found.ok("stored secrets", "no memory holds what looks like a key or a password")


def _check_packages(found: Findings) -> None:
    if missing := missing_packages():
        found.ok(
            "packages",
            f"{', '.join(missing)} not installed here: only another model than the default one needs them, and "
            "faiss-memory compile MODEL installs them",
        )
    else:
        found.ok("packages", "everything is installed that compiles other models")


def _check_autostart(found: Findings) -> None:
    try:
        way = choose()
        installed = way.installed
    except AutostartError as error:
        found.note("start at login", str(error))
        return
    if installed:
        found.ok("start at login", way.kind)
    elif shutil.which("docker"):
        found.note("start at login", "is not set up", "faiss-memory service install, unless Docker starts it")
    else:
        found.note("start at login", "is not set up", "faiss-memory service install")
