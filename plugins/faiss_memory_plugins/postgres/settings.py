"""What can be set for the store on PostgreSQL."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from faiss_memory import Positive, Secret


class PostgresSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings under `plugins.postgres`."""

    address: Secret = ""
    """Where the database is, `postgresql://…`; the setting `store` means the same and comes first."""
    schema: Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_]{0,62}(?!\n)$")] = "faiss_memory"
    """The schema in the database that holds the memories. One database can hold several."""
    connections: Annotated[int, Meta(ge=2, le=1000)] = 10
    """How many connections one service opens at most, besides the one that hears of changes."""
    connection_seconds: Annotated[float, Meta(gt=0, le=600)] = 5.0
    """How long a call waits for a free connection."""
    statement_seconds: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    """How long a statement may take."""
    start_seconds: Annotated[float, Meta(ge=0, le=3600)] = 30.0
    """How long a start waits for the database to be there."""
    index_above: Positive = 20_000
    """From so many passages of one project on, an approximate index answers by meaning."""
    kept_mb: Positive = 256
    """How much of the words of projects a service keeps in its own memory, so that it need not read them again."""
