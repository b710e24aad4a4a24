"""The service in the background, from login on: a file for the system's own manager of services, and its commands.

Only Linux was tried. What is made for macOS and Windows is tested as text, and says itself that it is untested.
"""

from __future__ import annotations

from faiss_memory.autostart.base import Autostart, State
from faiss_memory.autostart.choosing import choose
from faiss_memory.autostart.command import Command, build_command
from faiss_memory.autostart.detached import start_detached, stop_detached
from faiss_memory.autostart.report import Report, log_file_of, report
from faiss_memory.autostart.running import find_service, wait_until_settled
from faiss_memory.logs import default_log_file

__all__ = [
    "Autostart",
    "Command",
    "Report",
    "State",
    "build_command",
    "choose",
    "default_log_file",
    "find_service",
    "log_file_of",
    "report",
    "start_detached",
    "stop_detached",
    "wait_until_settled",
]
