"""Fixtures of the fault tests, and the record of what a full run did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.control import Control, compiled
from tests.faults.disks import in_memory
from tests.faults.journal import Acknowledged, Journal
from tests.faults.processes import Nursery
from tests.faults.record import INJECTED, Record


@pytest.fixture(scope="session")
def _nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nursery, str]]:
    folder = tmp_path_factory.mktemp("nursery")
    library, reason = compiled(folder)
    nursery = Nursery(folder, Control(folder, library))
    yield nursery, reason
    nursery.close()


@pytest.fixture
def nursery(_nursery: tuple[Nursery, str]) -> Iterator[Nursery]:
    """Where processes with a store come from; nothing is harmed in them unless a test says so."""
    with _nursery[0].control.resting():
        yield _nursery[0]


@pytest.fixture
def control(_nursery: tuple[Nursery, str], nursery: Nursery) -> Control:
    """What harms the calls to the disk of the nursery's processes."""
    if nursery.control.library is None:
        pytest.skip(_nursery[1])
    return nursery.control


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """As `tmp_path`, but in memory where that can be: for tests in which no real disk has a part."""
    with in_memory() as folder:
        yield folder


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal")
    yield made
    made.close()


@pytest.fixture
def acknowledged() -> Acknowledged:
    return Acknowledged()


# The record. What a test notes travels with its report, so that it arrives from other processes as well.


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Note how often a fault was injected: `tally(fault, count)`, with a result where the oracle's is not meant."""

    def note(fault: str, count: int = 1, result: str | None = None) -> None:
        request.node.user_properties.append((INJECTED, (fault, count, result)))

    return note


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record", metavar="FILE", help="after a full run of the fault tests, write what it did into FILE"
    )


def pytest_configure(config: pytest.Config) -> None:
    target = config.getoption("record")
    if target and not hasattr(
        config, "workerinput"
    ):  # (a process that only runs tests for another hears of few)
        config.pluginmanager.register(Recording(Path(target)))


class Recording:
    """Follows the reports of all processes, and writes the record when nothing was left out."""

    def __init__(self, target: Path) -> None:
        self._target, self._record = target, Record()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._record.ended(report)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        option = session.config.option
        chosen = option.keyword or option.markexpr or option.maxfail or option.lf or option.deselect
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if ended and not chosen and session.config.args == ["tests/faults"]:
            self._record.write(self._target)
