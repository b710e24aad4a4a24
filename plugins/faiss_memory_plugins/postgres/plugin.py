"""The plugin: opens the store where an address of PostgreSQL is set, and costs nothing where none is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from faiss_memory import ConfigError, Problems, Settings, StoreError, hookimpl
from faiss_memory_plugins.postgres.settings import PostgresSettings

if TYPE_CHECKING:
    from faiss_memory import Store
    from faiss_memory_plugins.postgres.store import PostgresStore

SCHEMES = ("postgresql://", "postgres://")


class PostgresPlugin:
    """The plugin of one service."""

    def __init__(self) -> None:
        self._store: PostgresStore | None = None

    @hookimpl
    def register_settings(self) -> type[Struct]:
        """Bring the settings of the store."""
        return PostgresSettings

    @hookimpl
    def open_store(
        self, settings: Settings, on_failure: Callable[[StoreError], None], problems: Problems
    ) -> Store | None:
        """Make the store of the address that is set; None where none is, or it is not one of PostgreSQL."""
        chosen = settings.of(PostgresSettings)
        address = settings.store or chosen.address
        if not address.startswith(SCHEMES):
            if chosen.address and not settings.store:
                raise ConfigError("`plugins.postgres.address` must begin with `postgresql://`")
            return None
        try:
            from faiss_memory_plugins.postgres.store import PostgresStore
        except ImportError as error:
            if (error.name or "").split(".")[0] not in ("psycopg", "psycopg_pool", "psycopg_binary"):
                raise
            raise ConfigError(
                "a store on PostgreSQL needs more packages: pip install 'faiss-memory[postgres]'"
            ) from error
        settings.data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._store = PostgresStore(address, chosen, on_failure, problems)
        return self._store

    @hookimpl
    def register_stats(self) -> Mapping[str, Any]:
        """Show the approximate indexes of large projects, and what is being built."""
        if self._store is None:
            return {}
        return {"postgres": {"indexes": [asdict(one) for one in self._store.indexes()]}}
