"""The service in the background, from login on: a file for the system's own manager of services, and its commands.

Only Linux was tried. What is made for macOS and Windows is tested as text, and says itself that it is untested.
"""

from __future__ import annotations

from faiss_memory.autostart.base import Autostart, State
from faiss_memory.autostart.choosing import choose
from faiss_memory.autostart.command import Command, build_command
from faiss_memory.autostart.report import Report, log_file_of, report
from faiss_memory.autostart.running import wait_until_settled

__all__ = [
    "Autostart",
    "Command",
    "Report",
    "State",
    "build_command",
    "choose",
    "log_file_of",
    "report",
    "wait_until_settled",
]
