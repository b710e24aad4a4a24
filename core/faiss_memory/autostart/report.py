"""How the background service is, from what is installed, what the system says, and what the service has left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from faiss_memory.autostart.base import Autostart, State
from faiss_memory.autostart.command import settings_of
from faiss_memory.autostart.running import find_service
from faiss_memory.errors import AutostartError, ConfigError
from faiss_memory.logs import default_log_file, log_path
from faiss_memory.settings import Settings, load


@dataclass(frozen=True, slots=True)
class Report:
    """What a person asks for; what is not known is empty."""

    installed: bool
    running: bool
    pid: int | None
    since: str
    address: str
    at_login: bool
    kind: str
    file: Path
    log: Path | None
    memories: Path | None
    remark: str


def report(autostart: Autostart) -> Report:
    """Put together what can be learnt; what keeps something from being learnt stands in the remark."""
    found = find_service()
    try:
        state = autostart.state() if autostart.installed else State()
    except AutostartError as error:
        state, found = State(remark=str(error)), None
    ours = found if found and state.running and state.pid in (None, found.pid) else None
    remark = state.remark
    if found and not ours:
        remark = f"one that was started by hand answers on {found.url} (process {found.pid})"
    settings = _settings(autostart)
    return Report(
        installed=autostart.installed,
        running=state.running,
        pid=state.pid,
        since=_local(ours.started) if ours else "",
        address=ours.url if ours else "",
        at_login=state.at_login,
        kind=autostart.kind,
        file=autostart.path,
        log=log_path(settings.log_file) if settings else None,
        memories=settings.data_folder if settings else None,
        remark=remark,
    )


def log_file_of(autostart: Autostart) -> Path:
    """Return where the log is: as installed, else as the settings have it, else where it would be."""
    settings = _settings(autostart) or load().settings
    return log_path(settings.log_file) or default_log_file()


def _settings(autostart: Autostart) -> Settings | None:
    command = autostart.command()
    try:
        return settings_of(command).settings if command else None
    except (ConfigError, ValueError):
        return None


def _local(time: str) -> str:
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return time
