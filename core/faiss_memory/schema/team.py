"""The messages about who else may work with the memories."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from faiss_memory.schema.fields import PROJECT_PATTERN, Answer, GivenTime, Message, Scope, Time

MemberName: TypeAlias = Annotated[
    str, Meta(pattern=PROJECT_PATTERN, description="A member of the team.", examples=["ana"])
]
Can: TypeAlias = Annotated[
    Literal["read", "write", "admin"],
    Meta(description="What may be done in a project; each includes what stands before it."),
]
Subject: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1, max_length=400, description="What the issuer of sign-ins calls a person: claim `sub`."
    ),
]
TokenId: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{12}(?!\n)$", description="The first digits of a token's SHA-256.")
]


class MemberRequest(Message):
    """Add a member, who may do nothing yet."""

    name: MemberName


class ByMember(Message):
    """Names a member."""

    name: MemberName


class TokenRequest(Message):
    """Make a token for a member."""

    expires: (
        Annotated[GivenTime, Meta(description="Until when it is good; always, if this is left out.")] | None
    ) = None


class RevokeRequest(Message):
    """Revoke a member's tokens."""

    token: Annotated[TokenId, Meta(description="Only this one.")] | None = None


class GrantRequest(Message):
    """Say what a member may do in a project."""

    project: Scope
    can: Annotated[Can, Meta(description="Left out or null: nothing any more.")] | None = None


class SubjectRequest(Message):
    """Let who signs in elsewhere be a member."""

    subject: Subject
    unlink: Annotated[bool, Meta(description="Undo it.")] = False


class TeamLogRequest(Message):
    """Choose entries of the log."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    actor: (
        Annotated[str, Meta(max_length=200, description="Only what this one did; `owner` is the owner.")]
        | None
    ) = None
    before: (
        Annotated[str, Meta(max_length=64, description="Only entries before the one with this id.")] | None
    ) = None


class TokenFact(Answer):
    """What is known of a token."""

    id: TokenId
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None


class GrantFact(Answer):
    """What a member may do in a project."""

    project: str
    can: Can


class MemberAnswer(Answer):
    """A member of the team."""

    name: str
    created_at: Time
    grants: list[GrantFact]
    tokens: list[TokenFact]
    subjects: list[str]


class TeamAnswer(Answer):
    """The members of the team."""

    members: list[MemberAnswer]
    count: int


class NewTokenAnswer(Answer):
    """A fresh token, which is told this once."""

    name: str
    token: str
    id: TokenId
    expires_at: Time | None


class DoneAnswer(Answer):
    """It is done."""

    success: bool
    name: str


class RevokedAnswer(DoneAnswer):
    """Tokens were revoked."""

    revoked: Annotated[int, Meta(description="How many.")]


class TeamLogEntry(Answer):
    """Something that was done."""

    id: str
    time: Time
    actor: str
    action: str
    projects: list[str]
    ids: Annotated[list[int], Meta(description="The memories that it is about; of very many the first 1000.")]
    count: int
    about: str


class TeamLogAnswer(Answer):
    """What was done, the newest first."""

    entries: list[TeamLogEntry]
    count: int


class MeAnswer(Answer):
    """Who asks, and what may be done."""

    name: Annotated[str | None, Meta(description="The member; null for the owner.")]
    read: str | list[str]
    write: str | list[str]
    admin: str | list[str]
