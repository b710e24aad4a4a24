"""Messages of searching: queries, results, what is news."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from faiss_memory.memory import Metric
from faiss_memory.schema.fields import (
    NOT_BLANK,
    Actor,
    Actors,
    Answer,
    Chance,
    Expired,
    GivenTime,
    Hint,
    Message,
    Mode,
    Properties,
    Scopes,
    Similarity,
    State,
    Superseded,
    Tags,
    TagsMode,
    Text,
    Time,
    Uid,
    Ways,
    WrittenBy,
)


class SearchRequest(Message):
    """Search memories with a question in plain words."""

    query: Annotated[
        str,
        Meta(
            pattern=NOT_BLANK,
            description="What to look for.",
            examples=["How do we handle authentication?"],
            extra_json_schema={"x-limit": "text_bytes"},
        ),
    ]
    k: Annotated[int, Meta(ge=1, description="How many results.", extra_json_schema={"x-limit": "k"})] = 5
    threshold: (
        Annotated[
            float,
            Meta(
                description="Least similarity of a result, from 0 to 1; where the model's metric is `dot`, any number."
            ),
        ]
        | None
    ) = None
    mode: Mode = "hybrid"
    project: Scopes | None = None
    tags: Tags = msgspec.field(default_factory=list)
    tags_mode: TagsMode = "any"
    source: Annotated[str, Meta(description="A glob over sources, such as docs/*.md.")] | None = None
    metadata: Properties = msgspec.field(default_factory=dict)
    by: Ways = msgspec.field(default_factory=list)
    actor: Actors = msgspec.field(default_factory=list)
    after: GivenTime | None = None
    before: GivenTime | None = None
    min_relevance: Annotated[Chance, Meta(description="Least relevance of a result.")] | None = None
    only_relevant: Annotated[
        bool,
        Meta(
            description="Leave out what is hardly relevant (less than `min_relevance`, else than the setting of that "
            "name), and repeat no text."
        ),
    ] = False
    include_superseded: Superseded = False
    expired: Expired = False
    explain: Annotated[
        bool,
        Meta(description="Whether each result says why it is there, and what its relevance is judged by."),
    ] = False


class PassageText(Answer):
    """The stretch of a long memory that matched; `start` and `end` count characters of its text."""

    text: str
    start: int
    end: int


class EvidenceAnswer(Answer):
    """What a result's relevance is judged by."""

    query: Annotated[str, Meta(description="The query that the memory matched best.")]
    similarity: Annotated[
        float,
        Meta(description="The cosine of query and best passage or cue, less a penalty for many passages."),
    ]
    words: Annotated[
        float, Meta(description="Which share of the query's words it holds, rare ones counting more.")
    ]
    generic: Annotated[
        float, Meta(description="How like the query is to prompts that no memory is meant by.")
    ]
    specific: Annotated[float, Meta(description="How much the query says, by how rare its words are.")]
    memories: Annotated[int, Meta(description="How many memories could be near by accident.")]
    has_cues: bool


class LegScores(Answer):
    """What each leg of a search has given a result; null where it has not met it."""

    semantic: float | None
    keyword: float | None


class WhyAnswer(Answer):
    """Why a result is there."""

    similarity: float | None
    words: Annotated[
        list[str], Meta(description="The words of the query that it holds, as they were written.")
    ]
    passage: PassageText | None
    cue: Annotated[str, Meta(description="The cue that was nearest to the query.")] | None
    legs: LegScores


class FoundMemory(Answer):
    """One search result."""

    id: int
    text: str
    source: str
    similarity: float | None
    timestamp: Time
    score: float
    relevance: Chance
    project: str
    tags: list[str]
    cues: list[str]
    metadata: dict[str, Any]
    uid: Uid
    by: WrittenBy | None
    actor: Actor | None
    matched: (
        Annotated[
            Literal["passage", "cue"],
            Meta(description="What of it was nearest to the query: its text, or a cue."),
        ]
        | UnsetType
    ) = UNSET
    passage: PassageText | UnsetType = UNSET
    superseded_by: int | UnsetType = UNSET
    valid_until: Annotated[Time, Meta(description="When it stops being true.")] | UnsetType = UNSET
    state: State | UnsetType = UNSET
    evidence: EvidenceAnswer | UnsetType = UNSET
    why: WhyAnswer | UnsetType = UNSET


class SearchAnswer(Answer):
    """Search results, best first."""

    query: str
    results: list[FoundMemory]
    count: int
    mode: Mode
    project: str | list[str]
    took_ms: float
    withheld: int
    metric: Annotated[Metric, Meta(description="How `similarity` is measured.")] | None
    degraded: list[str] | UnsetType = UNSET
    hint: Hint | UnsetType = UNSET


class NovelRequest(Message):
    """Ask whether a text says something that is not stored yet."""

    text: Text
    threshold: Similarity = 0.85
    project: Scopes | None = None


class ClosestMatch(Answer):
    """The most similar memory that is stored."""

    id: int
    text: str
    source: str
    similarity: float


Differences = Annotated[
    list[str],
    Meta(
        description="What tells the text apart from `closest_match`, however similar: another number, date, name, "
        'identifier or symbol, or a "not", such as "8081, not 8080".'
    ),
]


class NovelAnswer(Answer):
    """Whether it is news, and what comes closest."""

    is_novel: bool
    closest_match: ClosestMatch | None
    project: str | list[str]
    differs_in: Differences | UnsetType = UNSET
