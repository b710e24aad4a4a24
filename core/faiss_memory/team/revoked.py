"""Tokens that stay revoked: a database that is restored to an earlier state knows them as good again."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

_HASH = re.compile(r"[0-9a-f]{64}")


class RevokedTokens:
    """`revoked-tokens` in the data folder of each service: the SHA-256 of a token in each line."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "revoked-tokens"
        self._known: set[str] | None = None

    def all(self) -> Collection[str]:
        """Return those that are known here. Raises OSError."""
        if self._known is None:
            written = self._path.read_text("utf-8") if self._path.exists() else ""
            self._known = set(_HASH.findall(written))
        return self._known

    def add(self, hashes: Collection[str]) -> None:
        """Keep more of them, durably. Raises OSError."""
        fresh = sorted(set(hashes) - set(self.all()))
        if not fresh:
            return
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
        with open(os.open(self._path, flags, 0o600), "w", encoding="utf-8") as file:
            file.writelines(f"{one}\n" for one in fresh)
            file.flush()
            os.fsync(file.fileno())
        self._known = {*self.all(), *fresh}
