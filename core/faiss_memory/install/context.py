"""What generated files may speak of on this machine, and parts by the file they are declared for."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Literal

from faiss_memory.address import service_address, settled_address
from faiss_memory.contracts.config_files import InstallContext, Scope
from faiss_memory.install.commands import COMMAND, HOOK_COMMAND, command_for
from faiss_memory.install.formats import Part
from faiss_memory.install.places import stands_alone
from faiss_memory.settings import Settings, environment_with

System = Literal["linux", "darwin", "windows"]


def context_of(settings: Settings, scope: Scope, folder: str, project: str) -> InstallContext:
    """Return what generated files may speak of. Others' services are where the settings say, one's own where it is."""
    url = settled_address(settings) if scope == "shared" else service_address(settings).url
    return InstallContext(
        url=url,
        project=project,
        scope=scope,
        folder=folder,
        stands_alone=stands_alone(folder),
        command=command_for(COMMAND, scope),
        hook_command=command_for(HOOK_COMMAND, scope),
        has_token=bool(settings.token),
        public_url=settings.public_url,
        system=system(),
        environment=environment_with({}),
    )


def system() -> System:
    """Name the operating system."""
    named: dict[str, System] = {"darwin": "darwin", "win32": "windows"}
    return named.get(sys.platform, "linux")


def by_path(parts: Iterable[Part]) -> dict[str, list[Part]]:
    """Group parts by the path they are declared with."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.path, []).append(part)
    return found
