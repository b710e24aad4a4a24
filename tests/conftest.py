"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from falcon.testing import Result, TestClient

from faiss_memory.app import build_service, create_app
from faiss_memory.plugin_host import PluginHost
from faiss_memory.service.memories import MemoryService
from faiss_memory.settings import load, prepare_process
from faiss_memory.store import reserve
from tests import forking, routing
from tests.fakes import FakeModel
from tests.running import RunningService, closed_port as closed_port_while

prepare_process()
routing.share()

# What was started in the background of a shell ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, however slow the machine is; `make long` and `make installs` look for new ones.
hypothesis.settings.register_profile(
    "tests",
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "long", hypothesis.settings.get_profile("tests"), max_examples=300, derandomize=False
)
hypothesis.settings.load_profile("tests")


LONGEST = [
    "test_prepared", "test_knowing_the_service", "test_short",
    "test_kill", "test_growth", "test_guides", "test_conformance", "test_shell_examples", "test_patience",
    "test_strangers", "test_at_terminals", "test_examples", "test_stores", "test_model", "test_installing",
    "test_others", "test_damage", "test_brief", "test_rights", "test_troubleshooting", "test_purge", "test_network",
    "test_help", "test_doctor", "test_service_command", "test_relay", "test_rest", "test_change_of_model",
    "test_verifying", "test_store", "test_settings", "test_openapi",
]  # fmt: skip
"""The files that take longest. They are begun first, so that none of them is left to one worker alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


def pytest_collection_finish() -> None:
    gc.freeze()  # what was collected stays to the end: no search for garbage has to go through it again


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled models lie; kept between runs where TEST_MODEL_CACHE says so."""
    kept = os.environ.get("TEST_MODEL_CACHE")
    return Path(kept) if kept else tmp_path_factory.mktemp("models")


@cache
def _types_of_ours() -> Mapping[str, Any]:
    return PluginHost().section_types()


def _types(disabled: Sequence[str], extra: Sequence[tuple[str, object]]) -> Mapping[str, Any]:
    """What plugins can be set; asked once of those that come along, for thousands of services."""
    return PluginHost(disabled, extra).section_types() if disabled or len(extra) > 1 else _types_of_ours()


@pytest.fixture
def make_service(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., MemoryService]]:
    """Build services on the stand-in embedder, started and ready unless not `started`; they are stopped at the end."""
    made: list[MemoryService] = []
    monkeypatch.setattr(reserve, "BYTES", 64 * 1024)  # thousands are made, and none of them fills a disk

    def make(*plugins: object, started: bool = True, **settings: Any) -> MemoryService:
        # What the stand-in finds alike says nothing about relevance: that is tried with the real model.
        given = {
            "data_dir": str(tmp_path / "data"),
            "cache_dir": str(tmp_path_factory.getbasetemp() / "cache"),
            "min_relevance": 0,
            **settings,
        }
        extra = [
            ("fake", FakeModel()),
            *((f"test-{number}", plugin) for number, plugin in enumerate(plugins)),
        ]
        loaded = load(None, given, {}, lambda disabled: _types(disabled, extra))
        service = build_service(loaded.settings, lambda _: None, extra)
        made.append(service)
        if started:
            service.start()
        while started and not service.engine.model_ready:
            assert service.engine.model_error is None
            time.sleep(0.001)
        return service

    yield make
    for service in made:
        service.stop()


@pytest.fixture
def service(make_service: Callable[..., MemoryService]) -> MemoryService:
    """A service with the default settings on the stand-in embedder."""
    return make_service()


class Client:
    """The application without a socket: `post("/search", {...})` gives a falcon Result."""

    def __init__(self, service: MemoryService) -> None:
        self._client = TestClient(create_app(service))

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Result:
        options.setdefault("host", "localhost")
        options.setdefault("remote_addr", "127.0.0.1")
        if body is not None:
            options["json"] = body
        return self._client.simulate_request(method, path, **options)

    def raw(self, path: str, body: bytes, content_type: str = "application/json") -> Result:
        """Post a body as it is."""
        return self._client.simulate_post(
            path, body=body, content_type=content_type, host="localhost", remote_addr="127.0.0.1"
        )

    def get(self, path: str, **options: Any) -> Result:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Result:
        return self.request("POST", path, body, **options)


@pytest.fixture
def client(service: MemoryService) -> Client:
    """A client of `service`."""
    return Client(service)


@pytest.fixture
def client_of() -> Callable[[MemoryService], Client]:
    """Make a client of any service."""
    return Client


@pytest.fixture(scope="session", autouse=True)
def _forks() -> Iterator[None]:
    """Whatever forks commands for the tests ends with them."""
    yield
    forking.end()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port where nobody listens."""
    with closed_port_while() as port:
        yield port


@pytest.fixture(scope="session")
def real_service(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[RunningService]:
    """One running service with the real model, shared by the whole session: use a project of your own."""
    with RunningService(tmp_path_factory.mktemp("real") / "data", cache=model_cache) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what was left out, a line for each reason."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple)
    )
    if reasons:
        terminalreporter.section(f"left out: {reasons.total()} tests")
        for reason, count in sorted(reasons.items(), key=lambda each: (-each[1], each[0])):
            terminalreporter.line(f"{count:5}  {reason}")
