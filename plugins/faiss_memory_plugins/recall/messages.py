"""What a person asks of recall, and is answered."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from faiss_memory import Answer, EvidenceAnswer, Id, Message, ProjectName, Time

Why: TypeAlias = Annotated[
    str,
    Meta(
        description="`relevance`, `beside a better one`, `duplicate`, `replaced`, `budget`, `not for this`, "
        "`shown before`, `file changed`, `file gone`, or `no longer valid since` with the day."
    ),
]
Prompt: TypeAlias = Annotated[str, Meta(description="What somebody would write to an assistant.")]


class PreviewRequest(Message):
    """Ask what a prompt would bring now, at the beginning of a session."""

    prompt: Prompt
    project: ProjectName | None = None
    previous: Annotated[
        str, Meta(description="The prompt before it, which a short one may follow up on.")
    ] = ""
    k: (
        Annotated[int, Meta(ge=1, le=50, description="How many memories at most; else as it is set.")] | None
    ) = None
    min_relevance: (
        Annotated[float, Meta(ge=0, le=1, description="The bar, to try another one; else as it is set.")]
        | None
    ) = None


class RecalledMemory(Answer):
    """A memory that a prompt could bring; `text` is what would be shown of it."""

    id: int
    text: str
    date: str
    source: str
    project: str
    tags: list[str]
    relevance: float
    evidence: EvidenceAnswer | None


class WithheldMemory(RecalledMemory):
    """One that it does not bring."""

    why: Why


class PreviewAnswer(Answer):
    """What a prompt would bring, and what not; `bar` is the least relevance of what is shown."""

    project: str
    queries: list[str]
    bar: float
    shown: list[RecalledMemory]
    withheld: list[WithheldMemory]
    text: Annotated[
        str, Meta(description="The exact block that the assistant would get; empty where nothing is shown.")
    ]
    nothing: str
    took_ms: float


class RecallLogRequest(Message):
    """Choose from the log."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="How many rows at most.")] = 50
    project: ProjectName | None = None
    assistant: Annotated[str, Meta(description="An assistant, or the way that a search came.")] | None = None
    only: (
        Annotated[
            Literal["nothing", "shown"], Meta(description="Only where nothing was shown, or something.")
        ]
        | None
    ) = None


class LoggedMemory(Answer):
    """A memory in the log, by its id alone; `relevance` is null where nothing was asked."""

    id: int
    relevance: float | None = None
    why: Why | None = None


class RecallLogEntry(Answer):
    """What was shown for a prompt, or that a search found nothing; `nothing` says why nothing was shown."""

    assistant: str
    project: str
    event: str
    prompt: str
    shown: list[LoggedMemory]
    withheld: list[LoggedMemory]
    nothing: str
    took_ms: float
    late: bool
    at: Time = "1970-01-01T00:00:00+00:00"


class RecallLogAnswer(Answer):
    """The last recalls, and searches that found nothing, newest first."""

    recalls: list[RecallLogEntry]
    count: int


class OneMemory(Message):
    """Names a memory."""

    id: Id


class NeverFor(Message):
    """Names a prompt that a memory is not to be shown for."""

    prompt: Prompt
    forget: Annotated[bool, Meta(description="Takes the prompt away again.")] = False


class PinRequest(Message):
    """Return whether a memory is shown whenever a session of its project begins."""

    id: Id
    pinned: bool = True


class PinAnswer(Answer):
    """Whether it is, and all its tags."""

    id: int
    pinned: bool
    tags: list[str]


class NeverRequest(Message):
    """Say that a memory is not to be shown for prompts like this one."""

    id: Id
    prompt: Prompt
    forget: Annotated[bool, Meta(description="Takes the prompt away again.")] = False


class NeverAnswer(Answer):
    """The prompts that it is not shown for."""

    id: int
    not_for: list[str]
