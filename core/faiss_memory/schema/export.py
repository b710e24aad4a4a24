"""Messages of taking memories away as a file."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from faiss_memory.schema.fields import (
    Actors,
    Expired,
    GivenTime,
    Message,
    Properties,
    Scopes,
    Tags,
    TagsMode,
    Ways,
)

Format: TypeAlias = Annotated[
    Literal["jsonl", "json", "csv", "markdown"],
    Meta(description="A memory a line; one document; a table; or a zip of Markdown files, one for each."),
]


class ExportRequest(Message):
    """Choose the memories that are taken away, as a search does, and how they are written."""

    format: Format = "jsonl"
    project: Annotated[Scopes, Meta(description="A project, a list of projects, or `*` for all of them.")] = (
        "*"
    )
    tags: Tags = msgspec.field(default_factory=list)
    tags_mode: TagsMode = "any"
    source: Annotated[str, Meta(description="A glob over sources, such as docs/*.md.")] | None = None
    metadata: Properties = msgspec.field(default_factory=dict)
    by: Ways = msgspec.field(default_factory=list)
    actor: Actors = msgspec.field(default_factory=list)
    after: GivenTime | None = None
    before: GivenTime | None = None
    include_superseded: Annotated[
        bool, Meta(description="Whether what a newer memory replaces comes along.")
    ] = True
    expired: Expired = False
