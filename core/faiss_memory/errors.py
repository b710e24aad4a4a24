"""Every error the service raises on purpose.

MemoryServiceError
├── InvalidRequest        the caller's input is wrong; names the field
│   └── NotAllowed        it is well formed, but this caller may not ask for it
├── MemoryNotFound        no such memory, project or backup
├── Conflict              the request contradicts what is there
├── NotReady              try again in a moment
├── NotSupported          what was brought into the service, such as a store, does not offer it
├── StoreError            the durable store cannot do it
│   ├── StoreCorrupt
│   │   └── BackupCorrupt   a backup or an archive, not the store itself
│   ├── StoreLocked       another process owns the data folder
│   └── DiskFull
├── EmbedderError         the model cannot be loaded or does not answer
├── ConfigError           a setting is unknown, mistyped or contradicts another
├── PluginError           a plugin cannot be loaded
├── AutostartError        the system does not keep the service running
└── InstallError          an assistant's files cannot be written, or not without harm
    └── CannotMerge       one file of them, with the reason
"""

from __future__ import annotations

from collections.abc import Sequence


class MemoryServiceError(Exception):
    """The root: `str(error)` says what is wrong and what to do next."""


class InvalidRequest(MemoryServiceError):
    """The input is malformed or not allowed; `field` names the culprit where there is one."""

    def __init__(self, description: str, field: str | None = None) -> None:
        super().__init__(description)
        self.field = field


class NotAllowed(InvalidRequest):
    """The request is well formed, but this caller may not ask for it."""


class MemoryNotFound(MemoryServiceError):
    """Nothing is stored under that id or name; `field` says which part of the request named it, if a field did."""

    def __init__(self, description: str, field: str | None = None) -> None:
        super().__init__(description)
        self.field = field


class Conflict(MemoryServiceError):
    """The request contradicts what is there, such as an idempotency key used with another body.

    `details` lists what it is about, where a sentence cannot.
    """

    def __init__(self, description: str, field: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(description)
        self.field = field
        self.details = list(details)


class NotReady(MemoryServiceError):
    """What the request needs is still starting; `retry_after` is in seconds."""

    def __init__(self, description: str, retry_after: int = 2) -> None:
        super().__init__(description)
        self.retry_after = retry_after


class NotSupported(MemoryServiceError):
    """The part that would have to do it, such as a store that a plugin brought, does not offer it."""


class StoreError(MemoryServiceError):
    """The store could not do what was asked; nothing of it was kept."""


class StoreCorrupt(StoreError):
    """The truth itself cannot be read."""


class BackupCorrupt(StoreCorrupt):
    """A backup cannot be restored: it is not whole, or holds what no request could have stored. Nothing was changed."""


class StoreLocked(StoreError):
    """Another process owns the data folder."""


class DiskFull(StoreError):
    """No room is left to store the write safely."""


class EmbedderError(MemoryServiceError):
    """The model cannot be found, compiled or asked."""


class ConfigError(MemoryServiceError):
    """A setting is unknown, of the wrong type, or contradicts another."""


class PluginError(MemoryServiceError):
    """A plugin cannot be loaded or broke its promise."""


class AutostartError(MemoryServiceError):
    """What starts programs at login is missing, or refused."""


class InstallError(MemoryServiceError):
    """An assistant's files cannot be written as asked."""


class CannotMerge(InstallError):
    """A file cannot be changed without harm: it is not readable as what it should be, or holds something else there."""
