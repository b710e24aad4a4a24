"""A list of a guest's in a file of the data folder, which outlives a restart and goes along with backups."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from faiss_memory.errors import StoreError
from faiss_memory.safe_files import located, read_file, write_file
from faiss_memory.schema.strict_json import decode_strictly

T = TypeVar("T")


class KeptList(ABC, Generic[T]):
    """The list, checked whenever it is read; a companion of backups (`register_companions`).

    Raises StoreError where the file cannot be read or written.
    """

    name: ClassVar[str]
    """What the file is called in the data folder."""
    called: ClassVar[str]
    """What the list is called in an error."""
    kind: ClassVar[Any]
    """The type of the whole list, as msgspec understands it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / self.name
        self.in_use: Callable[[Sequence[T], bool], Sequence[str]] | None = None
        """Who goes on with what is restored, as soon as somebody goes by the list; else it is merged into the file."""

    def check(self, content: bytes) -> None:
        """Raise ValueError for what is no such list."""
        self._read(content)

    def take_over(self, content: bytes, *, is_own: bool) -> Sequence[str]:
        """Go on with what a restored backup says beside what is there; returns what stays behind, with reasons."""
        restored = self._read(content)
        if self.in_use is not None:
            return self.in_use(restored, is_own)
        found, left = self.merged(restored, is_own=is_own)
        self.save(found)
        return left

    @abstractmethod
    def merged(self, restored: Sequence[T], *, is_own: bool) -> tuple[Sequence[T], Sequence[str]]:
        """Put restored items beside those in the file; returns all of them, and what stays behind, with reasons."""

    def check_items(self, items: Sequence[T]) -> None:
        """Raise ValueError for items that a type cannot tell from good ones."""

    def load(self) -> list[T]:
        """Return what is in the file; nothing where there is none."""
        try:
            return self._read(read_file(located(self._path)))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self._path}, {self.called}, cannot be read ({error}). Remove it and add them again"
            ) from error

    def save(self, items: Sequence[T]) -> None:
        """Write the file, durably."""
        try:
            write_file(located(self._path), msgspec.json.format(msgspec.json.encode(items)), private=True)
        except OSError as error:
            raise StoreError(
                f"{self._path}, {self.called}, cannot be written ({error.strerror or error}). Nothing was changed"
            ) from error

    def _read(self, content: bytes) -> list[T]:
        found: list[T] = decode_strictly(content, self.kind)
        self.check_items(found)
        return found
