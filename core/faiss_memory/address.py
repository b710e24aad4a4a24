"""Where the running service can be found, for whoever wants to ask it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from faiss_memory.safe_files import located, read_file
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
    left = left_address()
    if left is not None and is_alive(left.pid):
        return ServiceAddress(left.url, str(_path()))
    gone = ""
    if left is not None:
        gone = f"{_path()} names process {left.pid} at {left.url}, which has ended"
    elif _path().exists():
        gone = f"{_path()} should say where it runs, and cannot be read"
    return ServiceAddress(f"http://127.0.0.1:{settings.port}", "setting `port`", gone)


class LeftAddress(Struct, frozen=True):
    """What a running service says about itself in `service.json`."""

    url: str
    pid: Positive
    started: str = ""
    """ISO 8601."""


def left_address() -> LeftAddress | None:
    """Read what the last service left; its process may have ended since. None if there is nothing to be read."""
    try:
        return msgspec.json.decode(read_file(located(_path())), type=LeftAddress)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def is_alive(pid: int) -> bool:
    """Say whether a process is there."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # it is another user's
    return True


def _path() -> Path:
    return runtime_folder() / "service.json"
