"""Fixtures of the fault tests, and the record of what a full run did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.control import Control, compiled
from tests.faults.disks import in_memory
from tests.faults.journal import Acknowledged, Journal
from tests.faults.processes import Nursery
from tests.faults.record import Record

RECORD = pytest.StashKey[Record]()


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


# The record.


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Note how often a fault was injected: `tally(fault, count)`, with a result where the oracle's is not meant."""
    record = request.config.stash[RECORD]

    def note(fault: str, count: int = 1, result: str | None = None) -> None:
        record.note(fault, count, result, request.node.nodeid)

    return note


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record", metavar="FILE", help="after a full run of the fault tests, write what it did into FILE"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RECORD] = Record()


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        if "faults" in item.path.parts:
            item.config.stash[RECORD].is_full = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    item.config.stash[RECORD].ended(report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    target = session.config.getoption("record", default=None)
    record = session.config.stash[RECORD]
    everything = record.is_full and session.config.args == ["tests/faults"]
    if target and everything and len(record.ran) == session.testscollected:
        record.write(Path(target))
