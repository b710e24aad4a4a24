"""What PostgreSQL says, in the words of this service: what is wrong, and what to do about it.

No message of ours quotes the address, which may hold a password.
"""

from __future__ import annotations

import psycopg
import psycopg_pool
from psycopg import errors

from faiss_memory import DiskFull, MemoryServiceError, NotReady, StoreError

ROLLED_BACK = (errors.SerializationFailure, errors.DeadlockDetected)
"""Errors after which a transaction may be run again: the server has undone it, and another one has gone first."""
GONE = (
    psycopg.InterfaceError,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
)


def is_lost(error: BaseException, connection: psycopg.Connection[tuple[object, ...]] | None) -> bool:
    """Return whether an error means that the connection is gone, and not that the server has refused something."""
    if isinstance(error, GONE):
        return True
    # (Without an SQLSTATE it was not the server that said it.)
    return (
        isinstance(error, psycopg.OperationalError)
        and not isinstance(error, psycopg_pool.PoolTimeout)
        and (error.sqlstate is None or (connection is not None and connection.closed))
    )


def in_our_words(error: psycopg.Error) -> MemoryServiceError:
    """Return the error of this service that stands for one of the database."""
    said = _first_line(error)
    if isinstance(error, psycopg_pool.PoolTimeout):
        return NotReady(
            "all connections to the database are in use, or it cannot be reached; try again in a moment. More "
            "connections: plugins.postgres.connections"
        )
    if isinstance(error, psycopg_pool.PoolClosed):
        return StoreError("the service is stopping; send the request again when it is back")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return StoreError(
            "the database takes no writes: it is a replica, or was made read-only. Let `store` name the primary "
            "(several hosts and target_session_attrs=read-write find it)"
        )
    if isinstance(error, errors.QueryCanceled):
        return StoreError(
            f"the database did not answer in time ({said}); nothing was changed. More time: "
            "plugins.postgres.statement_seconds"
        )
    if isinstance(error, (errors.DiskFull, errors.OutOfMemory)):
        return DiskFull(f"the database has no room left ({said}); give it more, and send the request again")
    if isinstance(error, ROLLED_BACK):
        return NotReady("other writes came in between too often; nothing was changed: try again in a moment")
    if isinstance(error, errors.TooManyConnections):
        return NotReady("the database has no connection left for this service; try again in a moment")
    if is_lost(error, None):
        return NotReady(
            f"the database cannot be reached ({said}); nothing was changed: try again in a moment", 5
        )
    return StoreError(f"the database refused ({said}); nothing was changed. Its log says more")


def unknown_outcome() -> StoreError:
    """Return the error for a write whose answer was lost with the connection, and that nobody can tell about."""
    return StoreError(
        "the connection to the database was lost while it stored this, and it cannot be told whether it has. Look "
        "whether it is there before you send it again; with an `idempotency_key` it may be sent again at once"
    )


def _first_line(error: psycopg.Error) -> str:
    told = error.diag.message_primary or str(error) or type(error).__name__
    return told.strip().splitlines()[0] if told.strip() else type(error).__name__
