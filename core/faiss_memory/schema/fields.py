"""The types of fields, and the two kinds of message. `x-limit` names the setting that bounds a field."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from faiss_memory.memory import PROJECT_NAME
from faiss_memory.uids import CANONICAL

# `(?!\n)$` because Python's `$` also matches before a last line break.
# At least one character that is no white space as JavaScript counts it, which is what JSON Schema's patterns mean:
# Python's `\S` leaves out a few more.
NOT_BLANK = "[^\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
CURSOR_PATTERN = r"^-?[0-9]{1,18}\.[0-9]{1,18}(?!\n)$"
PROJECT_PATTERN = rf"^{PROJECT_NAME}(?!\n)$"
SCOPE_PATTERN = rf"^(\*|{PROJECT_NAME})(?!\n)$"
TIME_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?(?!\n)$"
)

ProjectName: TypeAlias = Annotated[
    str, Meta(pattern=PROJECT_PATTERN, description="A project: a separate index.", examples=["default"])
]
Scope: TypeAlias = Annotated[
    str, Meta(pattern=SCOPE_PATTERN, description="A project, or `*` for all of them.")
]
Scopes: TypeAlias = Annotated[
    Scope | Annotated[list[ProjectName], Meta(min_length=1)],
    Meta(description="A project, a list of projects, or `*` for all of them."),
]
Text: TypeAlias = Annotated[
    str,
    Meta(
        pattern=NOT_BLANK,
        description="What to remember, in plain words.",
        extra_json_schema={"x-limit": "text_bytes"},
    ),
]
Source: TypeAlias = Annotated[
    str,
    Meta(max_length=4096, description="Where it comes from, such as a file name.", examples=["decisions.md"]),
]
Tag: TypeAlias = Annotated[str, Meta(pattern=NOT_BLANK, max_length=128)]
Tags: TypeAlias = Annotated[
    list[Tag], Meta(description="Words to group memories by.", extra_json_schema={"x-limit": "tags"})
]
LONGEST_CUE = 200
Cue: TypeAlias = Annotated[str, Meta(pattern=NOT_BLANK, max_length=LONGEST_CUE)]
Cues: TypeAlias = Annotated[
    list[Cue],
    Meta(
        description="Short phrases that say when it should come up, as tasks, symptoms and questions.",
        examples=[["adding a migration", "an upload fails with 413", "which HTTP client to use"]],
        extra_json_schema={"x-limit": "cues"},
    ),
]
TagsMode: TypeAlias = Annotated[
    Literal["any", "all"], Meta(description="Whether a memory must bear any of the tags, or all of them.")
]
Superseded: TypeAlias = Annotated[bool, Meta(description="Whether to show what a newer memory replaces.")]
Expired: TypeAlias = Annotated[
    bool, Meta(description="Only memories that have stopped being true: those whose `valid_until` is past.")
]
Properties: TypeAlias = Annotated[
    dict[str, Any],
    Meta(description="Properties of your own.", extra_json_schema={"x-limit": "metadata_bytes"}),
]
Similarity: TypeAlias = Annotated[
    float, Meta(ge=0, le=1, description="Cosine of two embeddings, from which they count as similar.")
]
State: TypeAlias = Annotated[
    Literal["fresh", "changed", "gone", "expired"],
    Meta(
        description="Whether it still holds: `expired` once `valid_until` is past, otherwise how the file stands "
        "that it was built of; absent where that is not known."
    ),
]
Chance: TypeAlias = Annotated[
    float, Meta(ge=0, le=1, description="Least chance that a result answers the query.")
]
Id: TypeAlias = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Uid: TypeAlias = Annotated[
    str,
    Meta(
        description="A UUID, the same in every backup, archive and copy.",
        examples=["01890a5d-ac96-774b-bcce-b302099a8057"],
        extra_json_schema={"format": "uuid", "pattern": f"^{CANONICAL}$"},
    ),
]
WrittenBy: TypeAlias = Annotated[
    str, Meta(description="Which way a memory came, such as `cli` or `mcp:cursor`.")
]
Ways: TypeAlias = Annotated[
    list[Annotated[str, Meta(pattern=NOT_BLANK, max_length=128)]],
    Meta(
        max_length=32,
        description="Globs over the ways that memories came, one of which must fit: `cli`, or `mcp:*` for all "
        "assistants that use tools; `unknown` where it is not known.",
    ),
]
Actor: TypeAlias = Annotated[
    str, Meta(description="The member of the team who wrote it; null for the owner.", examples=["ana"])
]
Actors: TypeAlias = Annotated[
    list[Annotated[str, Meta(pattern=NOT_BLANK, max_length=64)]],
    Meta(max_length=32, description="Only what one of these has written: members of the team, or `owner`."),
]
Time: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
GivenTime: TypeAlias = Annotated[
    datetime,
    Meta(
        description="A time; without an offset it is UTC.",
        extra_json_schema={"format": "date-time", "pattern": TIME_PATTERN},
    ),
]
ValidUntil: TypeAlias = Annotated[
    GivenTime, Meta(description="When it stops being true; left out where nobody knows of an end.")
]
Mode: TypeAlias = Annotated[
    Literal["hybrid", "semantic", "keyword"], Meta(description="By meaning, by words, or by both fused.")
]
IdempotencyKey: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="A retry with the same key returns the first answer, for a day.",
    ),
]

Hint: TypeAlias = Annotated[
    str, Meta(description="Which projects and tags that were asked for there are not, and what comes near.")
]


class Message(Struct, kw_only=True, forbid_unknown_fields=True):
    """A request: fields it does not know are refused by name."""


class Choice(Message):
    """A request that takes away, moves or brings back what it names: nothing empty in it may pass for left out."""


class Answer(Struct, kw_only=True):
    """An answer: fields may be added."""
