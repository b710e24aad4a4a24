"""What a full run of the fault tests did, as a table for docs/durability.md."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

MARKER = "<!-- recorded -->"
NOTHING = "nothing lost, nothing came back, nothing wrong"
INJECTED = "injected"
"""The name of a property of a test's report: a fault, how often it was injected, and its result."""


@dataclass
class Row:
    count: int = 0
    results: dict[str, None] = field(default_factory=dict)
    tests: set[str] = field(default_factory=set)


class Record:
    """Counts by fault, noted by the tests themselves when they have injected them."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._failed: set[str] = set()
        self._remarks: dict[str, str] = {}

    def ended(self, report: pytest.TestReport) -> None:
        """Follow the tests, so that the table does not claim what did not happen."""
        if report.when == "teardown":
            for name, noted in report.user_properties:
                if name == INJECTED:
                    self._note(*noted, report.nodeid)
        if report.failed:
            self._failed.add(report.nodeid)
        if report.skipped and isinstance(report.longrepr, tuple):
            self._remarks[report.nodeid] = f"not run: {report.longrepr[2].removeprefix('Skipped: ')}"
        elif report.skipped:
            self._remarks[report.nodeid] = f"known not to hold: {getattr(report, 'wasxfail', '')}"

    def _note(self, fault: str, count: int, result: str | None, test: str) -> None:
        row = self.rows.setdefault(fault, Row())
        row.count += count
        row.results[result or NOTHING] = None
        row.tests.add(test)

    def table(self) -> str:
        lines = ["| fault | times | result |", "|---|--:|---|"]
        for fault, row in sorted(self.rows.items()):  # (several processes report in any order)
            broken = sorted(row.tests & self._failed)
            result = f"FAILED: {', '.join(broken)}" if broken else "; ".join(row.results)
            lines.append(f"| {fault} | {row.count:,} | {result} |")
        noted = {test for row in self.rows.values() for test in row.tests}
        lines += [f"| `{test}` | | FAILED |" for test in sorted(self._failed - noted)]
        lines += [f"| `{test}` | | {reason} |" for test, reason in sorted(self._remarks.items())]
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Put the table after the marker; what stands before it is written by hand, and stays."""
        head = path.read_text(encoding="utf-8").split(MARKER)[0] if path.exists() else ""
        path.write_text(
            f"{head}{MARKER}\n{date.today()}, {_machine()}:\n\n{self.table()}\n",
            encoding="utf-8",
        )


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}, "
        f"{_file_system(Path(tempfile.gettempdir()))}, Python {platform.python_version()}, SQLite "
        f"{sqlite3.sqlite_version}"
    )


def _file_system(folder: Path) -> str:
    """Name the file system of a folder."""
    best, kind = Path("/"), "an unknown file system"
    mounts = Path("/proc/self/mounts")
    for line in mounts.read_text(encoding="utf-8").splitlines() if mounts.exists() else ():
        _, point, name, *_ = line.split()
        if folder.resolve().is_relative_to(point) and len(Path(point).parts) >= len(best.parts):
            best, kind = Path(point), name
    return kind
