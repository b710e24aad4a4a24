"""Where the running service can be found, for whoever wants to ask it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from faiss_memory.settings import Positive, Settings, address_in_environment, runtime_folder


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Where the service should answer, and what says so; `gone` tells of a service that ended without saying so."""

    url: str
    origin: str
    gone: str = ""


def service_address(settings: Settings) -> ServiceAddress:
    """Find the service: `FAISS_MEMORY_URL`, else what the running one has left, else the port of the settings."""
    named = address_in_environment()
    if named:
        return ServiceAddress(named, "environment FAISS_MEMORY_URL")
    path = runtime_folder() / "service.json"
    try:
        left = msgspec.json.decode(path.read_bytes(), type=_LeftAddress)
    except (OSError, ValueError, msgspec.MsgspecError):
        left = None
    if left is not None and _runs(left.pid):
        return ServiceAddress(left.url, str(path))
    gone = f"{path} names process {left.pid} at {left.url}, which has ended" if left is not None else ""
    return ServiceAddress(f"http://127.0.0.1:{settings.port}", "setting `port`", gone)


class _LeftAddress(Struct):
    """What is needed of `service.json`."""

    url: str
    pid: Positive


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # it is another user's
    return True
