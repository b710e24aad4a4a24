"""One server for all tests here, and a store on an empty schema for each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from faiss_memory_plugins.postgres.settings import PostgresSettings
from faiss_memory_plugins.postgres.store import PostgresStore
from tests.postgres.servers import PostgresServer, running_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def schema() -> str:
    """A schema that nobody uses."""
    return f"place{next(_numbers)}"


@pytest.fixture
def make_store(server: PostgresServer, schema: str) -> Iterator[Callable[..., PostgresStore]]:
    """Make stores, not opened, in the same schema; they are closed at the end."""
    made = []

    def make(**settings: object) -> PostgresStore:
        chosen = PostgresSettings(schema=schema, connections=4, **settings)
        made.append(PostgresStore(server.uri, chosen))
        return made[-1]

    yield make
    for store in made:
        store.close()
