"""One browser for a file, and one service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.running import RunningService
from tests.web.browsing import Visit, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def running(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("web") / "data", fake=True) as service:
        yield service


@pytest.fixture
def visit(browser: Any, running: RunningService) -> Iterator[Visit]:
    """A page of its own; what it should not have done is looked at in the end."""
    visit = Visit(browser, running)
    yield visit
    visit.close()
