"""The records: what is stored, what is asked for, what is found. Plain values, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeAlias

DEFAULT_PROJECT = "default"
PROJECT_NAME = "[a-z0-9][a-z0-9._-]{0,63}"
"""A regular expression of what a project can be called."""
PROJECT_NAME_IN_WORDS = (
    "a name of at most 64 characters out of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit"
)
SHARED_FOLDER = ".memory"
"""The folder of a repository in which memories are shared, a file each."""
SHARED = "shared"
"""The tag of what was read there, and the way by which it came."""
OWNER = "owner"
"""What the owner of the service is called where members of the team are named."""
UNKNOWN_WAY = "unknown"
"""How the way is called by which a memory came that is older than this is noted."""
FOREVER = datetime.max.replace(tzinfo=UTC)
"""The `Change.valid_until` that takes the end of a memory's validity away."""

Metric: TypeAlias = Literal["cosine", "dot", "euclidean"]
"""How the vectors of a model are compared."""
COSINE: Metric = "cosine"
DOT: Metric = "dot"
EUCLIDEAN: Metric = "euclidean"
METRICS: tuple[Metric, ...] = (COSINE, DOT, EUCLIDEAN)

Metadata: TypeAlias = Mapping[str, Any]
Ranking: TypeAlias = list[tuple[int, float]]
"""Memory ids with their scores, best first, ties by id."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which part of which file a memory was built from, so that a later build knows it again."""

    file: str
    """The file's absolute path."""
    place: str
    """Where in the file: what follows the path in the memory's source."""
    text: str
    """Digest of the text as it was built; a person may have corrected the memory since."""
    details: str
    """Digest of the tags, the metadata and the cues as they were built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A memory that is not stored yet."""

    text: str
    project: str = DEFAULT_PROJECT
    source: str = ""
    tags: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    """Short phrases that say when it should come up: it is found by them as by its text."""
    metadata: Metadata = field(default_factory=dict)
    timestamp: datetime | None = None
    """When it was learnt; None means now."""
    supersedes: int | None = None
    """The id of the memory that this one replaces."""
    if_novel: float | None = None
    """Store only if no memory of the project is at least this similar."""
    origin: Origin | None = None
    """The file it was built from; None for what was added otherwise."""
    by: str | None = None
    """Which way it comes: `rest`, `cli`, `mcp:NAME` with the client's name, `hook`, `build`, `shared`, `import` or
    `page`."""
    actor: str | None = None
    """The member of the team who writes it; None for the owner of the service."""
    uid: str | None = None
    """The uid that it has elsewhere; None gives it a new one."""
    valid_until: datetime | None = None
    """When it stops being true; None where nobody knows of an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A stored record."""

    id: int
    text: str
    project: str
    source: str
    tags: tuple[str, ...]
    metadata: Metadata
    timestamp: datetime
    supersedes: int | None = None
    superseded_by: int | None = None
    cues: tuple[str, ...] = ()
    """Short phrases that say when it should come up."""
    uid: str = field(default="", compare=False)
    """A UUIDv7, given once: the same after every change, in every backup, archive and copy.

    Two records are equal that say the same.
    """
    by: str | None = field(default=None, compare=False)
    """Which way it was written, see `Draft.by`; None for a memory that is older than this is noted."""
    actor: str | None = field(default=None, compare=False)
    """The member of the team who wrote it first; None for the owner of the service."""
    valid_until: datetime | None = None
    """When it stops being true; None where nobody knows of an end."""
    revision: int = field(default=1, compare=False)
    """How often it was written: rises with each change of what it says or replaces, and when it is forgotten and
    comes back, by one each time."""
    changed: datetime | None = field(default=None, compare=False)
    """When it came to this revision; None where nobody has noted it."""
    supersedes_uid: str | None = field(default=None, compare=False)
    """The uid of the memory that it replaces, also where that one is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What to correct in a stored memory; None leaves a field as it is.

    Whoever gives a memory another `project` gives it to what it superseded and what supersedes it as well.
    """

    text: str | None = None
    source: str | None = None
    tags: tuple[str, ...] | None = None
    cues: tuple[str, ...] | None = None
    metadata: Metadata | None = None
    timestamp: datetime | None = None
    project: str | None = None
    supersedes: int | None = None
    """The id of the memory that it replaces; 0 for none any more."""
    origin: Origin | None = None
    valid_until: datetime | None = None
    """When it stops being true; `FOREVER` for no end any more."""


class Passage(NamedTuple):
    """The stretch `text[start:end]` of a memory that one vector stands for; offsets in characters."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which memories count. Every condition given must hold; None and empty mean no condition."""

    projects: tuple[str, ...] | None = (DEFAULT_PROJECT,)
    """None means every project."""
    tags: tuple[str, ...] = ()
    tags_mode: Literal["any", "all"] = "any"
    source: str | None = None
    """A glob: `*`, `?` and `[…]`; `*` also matches `/`. A source that is spelt like it matches as well."""
    metadata: Metadata = field(default_factory=dict)
    """Keys whose values must be equal, as JSON values."""
    after: datetime | None = None
    before: datetime | None = None
    include_superseded: bool = False
    expired_by: datetime | None = None
    """Only memories that had stopped being true by then, `valid_until` itself included."""
    without_cues: bool = False
    """Only memories that have no cues yet."""
    by: tuple[str, ...] = ()
    """Globs over the ways that memories came, one of which must fit; that of older ones is `UNKNOWN_WAY`."""
    actors: tuple[str, ...] = ()
    """Who has written them: members of the team, or `OWNER`."""

    @property
    def narrows(self) -> bool:
        """Whether anything but the project and superseded memories is asked about."""
        return bool(
            self.tags
            or self.source is not None
            or self.metadata
            or self.after
            or self.before
            or self.expired_by
            or self.without_cues
            or self.by
            or self.actors
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search as the engine and the ranking hooks see it."""

    text: str
    k: int = 5
    mode: Literal["hybrid", "semantic", "keyword"] = "hybrid"
    where: Filter = field(default_factory=Filter)
    threshold: float | None = None
    """Least similarity, by the model's metric."""
    min_relevance: float | None = None
    distinct: bool = False
    """Whether each text is found once, the best of those that are the same."""
    wordings: tuple[str, ...] = ()
    """Other ways to ask the same: what matches any of them best counts, by relevance."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a memory and against it."""

    similarity: float
    """Cosine of the query and the best passage or cue, less the penalty for many passages."""
    words: float
    """Which share of the query's words the memory holds, rare ones counting more, in [0, 1]."""
    generic: float
    """The cosine of the query and the generic prompt that it is most like."""
    specific: float
    """How much the query says: the sum of its words' rarity, each in [0, 1]."""
    memories: int
    """How many memories there are of those that count."""
    has_cues: bool
    query: str = ""
    """The query, or the wording of it, that the memory matched best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """One answer to a search."""

    memory: Memory
    similarity: float | None
    """Of query and best passage or cue, by the model's metric: see `comparing.similarities`; None only while the model
    cannot say."""
    score: float
    """The chosen mode's ranking score."""
    relevance: float
    """Chance in [0, 1] that the memory helps with the query."""
    passage: Passage | None
    """The best passage, the first where a cue is nearer; None when the memory is a single passage."""
    matched: Literal["passage", "cue"] | None = None
    """What of the memory was nearest to the query; None where nothing was compared."""
    evidence: Evidence | None = None
    """What its relevance is judged by; None where a plugin has made the result."""
    cue: int | None = None
    """Which of its cues was nearest to the query, counted from 0; None where a passage was."""
    semantic: float | None = None
    """Its similarity, less the penalty for many passages; None where nothing was compared."""
    keyword: float | None = None
    """Its score by words, BM25; None where it holds none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    """Sizes and states of a store."""

    created_at: datetime
    last_updated: datetime
    index_size_bytes: Mapping[str, int]
    """By project."""
    backups_stand_alone: bool = True
    """Whether each backup can be copied away as a folder of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """How many memories there are of each kind, among those that a filter lets through."""

    projects: Mapping[str, int]
    tags: Mapping[str, int]
    sources: Mapping[str, int]
    by: Mapping[str | None, int]
    """By the way that they came; None for those that are older than this is noted."""
    current: int
    superseded: int
    """Both counted whether or not the filter lets superseded ones through."""


class Standing(NamedTuple):
    """What is known of a uid: that of a memory that is there, that was forgotten, or that was purged."""

    state: Literal["there", "forgotten", "purged"]
    memory_id: int
    project: str = ""
    """Where it is, or was when it was forgotten; empty where that is not known, and of what was purged."""


class Match(NamedTuple):
    """A memory met by a query vector. (A tuple, like Passage: a search makes hundreds of them.)"""

    memory_id: int
    similarity: float
    """Of the query and the memory's best passage or cue, by the model's metric; see `comparing.similarities`."""
    passage: Passage
    """The best passage; the first one where a cue is nearer."""
    passages: int
    """How many passages the memory has: a long text has more chances to be near by accident. 1 where a cue is nearer,
    which was written to be."""
    cue: int | None = None
    """Which cue was nearest, counted from 0; None where a passage was."""
    angle: float | None = None
    """The cosine of the same vectors where the model's metric is another; None where the similarity is one."""

    @property
    def cosine(self) -> float:
        """The cosine of the query and the memory's best passage or cue, in [-1, 1], whatever the metric."""
        return self.similarity if self.angle is None else self.angle


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCount:
    """How much a project holds; times are None while it is empty."""

    name: str
    memories: int
    created_at: datetime
    last_updated: datetime
