"""Messages of looking for secrets in what is stored, and of masking them there."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from faiss_memory.schema.fields import Answer, Id, Message, Scope
from faiss_memory.schema.write import PurgeProof

MOST_LOOKED_THROUGH = 20_000
"""Memories that are looked through for secrets where nobody has asked for it: about a second's work."""

Place: TypeAlias = Annotated[
    Literal["there", "earlier", "forgotten"],
    Meta(
        description="`there`: the memory holds a secret; `earlier`: it did before it was corrected, and backups or the "
        "log still do; `forgotten`: it was forgotten, and they still hold it."
    ),
]


class ScanRequest(Message):
    """Look for secrets in a project, or in all."""

    project: Scope = "*"
    past: Annotated[
        bool,
        Meta(
            description="Look through backups and the log as well, for what was corrected or forgotten since."
        ),
    ] = False


class ScanFinding(Answer):
    """A memory that holds something with the shape of a secret; what it is, is not told."""

    id: int
    project: str
    fields: list[str]
    kinds: list[str]
    place: Place


class ScanAnswer(Answer):
    """The memories that hold secrets, the oldest first."""

    findings: list[ScanFinding]
    count: int
    scanned: int
    project: str | list[str]


class MaskRequest(Message):
    """Mask the secrets in what is stored, and take what was there out of every file."""

    ids: (
        Annotated[
            list[Id],
            Meta(
                min_length=1,
                extra_json_schema={"x-limit": "batch"},
                description="Only in these memories, of those that hold a secret.",
            ),
        ]
        | UnsetType
    ) = UNSET
    project: Scope = "*"
    past: Annotated[
        bool, Meta(description="Also what was corrected or forgotten since, in backups and the log.")
    ] = True
    dry_run: Annotated[bool, Meta(description="Only say what would be masked.")] = False
    proof: Annotated[
        bool, Meta(description="Search every file of the data folder for the texts afterwards.")
    ] = False


class MaskedMemory(ScanFinding):
    """A memory whose secrets were masked, or would be; `new_id` is the id that it has now.

    It is null for what was forgotten, which is purged, and in a dry run.
    """

    new_id: int | None


class MaskAnswer(Answer):
    """What was masked, or would be; how many files were rewritten, and which were removed, being unreadable."""

    success: bool
    masked: list[MaskedMemory]
    count: int
    rewritten: int
    removed: list[str]
    dry_run: bool
    project: str | list[str]
    proof: PurgeProof | UnsetType = UNSET
