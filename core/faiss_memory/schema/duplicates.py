"""Messages of finding memories that say the same, and of joining them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from faiss_memory.schema.fields import Answer, Choice, Id, Message, Scope
from faiss_memory.schema.write import MemoryAnswer

Kind: TypeAlias = Literal["identical", "differs", "similar"]
PLACE_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}:[0-9]{1,18}(?!\n)$"


class DuplicatesRequest(Message):
    """Choose where memories that say the same are looked for."""

    project: Scope | None = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="About how many pairs at once.")] = 50
    kind: Annotated[Kind, Meta(description="Pairs of this class alone.")] | None = msgspec.field(
        default=None, name="class"
    )
    cursor: (
        Annotated[str, Meta(pattern=PLACE_PATTERN, description="`next_cursor` of the answer before.")] | None
    ) = None


class DuplicatePair(Answer):
    """Two memories that say nearly the same: `one` is the newer, and `differs_in` tells them apart."""

    one: MemoryAnswer
    other: MemoryAnswer
    similarity: float
    relevance: float
    kind: Kind = msgspec.field(name="class")
    differs_in: list[str]


class DuplicatesAnswer(Answer):
    """Pairs of memories, the surest first; and how far the memories are compared."""

    pairs: list[DuplicatePair]
    count: int
    compared: int
    left: int
    next_cursor: str | None
    project: str | list[str]


class MergeRequest(Choice):
    """Let one memory stand for others that say the same: it supersedes them, and bears their tags as well."""

    keep: Id
    ids: Annotated[list[Id], Meta(min_length=1, extra_json_schema={"x-limit": "batch"})]
    dry_run: Annotated[bool, Meta(description="Only say what it would be like.")] = False


class MergeAnswer(Answer):
    """The memory that stands for the others, as it is or would be."""

    success: bool
    kept: MemoryAnswer
    superseded: list[int]
    dry_run: bool
    project: str


class UnmergeRequest(Choice):
    """Undo that memories were joined: all that one stands for, or some of them."""

    keep: Id
    ids: (
        Annotated[list[Id], Meta(min_length=1, extra_json_schema={"x-limit": "batch"})] | msgspec.UnsetType
    ) = msgspec.UNSET


class UnmergeAnswer(Answer):
    """The memory as it is without the others, and which of them are current again."""

    success: bool
    kept: MemoryAnswer
    current: list[int]
    project: str
