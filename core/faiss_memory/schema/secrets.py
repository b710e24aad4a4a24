"""Messages of looking for secrets in what is stored."""

from __future__ import annotations

from faiss_memory.schema.fields import Answer, Message, Scope


class ScanRequest(Message):
    """Look for secrets in a project, or in all."""

    project: Scope = "*"


class ScanFinding(Answer):
    """A memory that holds something with the shape of a secret; what it is, is not told."""

    id: int
    project: str
    fields: list[str]
    kinds: list[str]


class ScanAnswer(Answer):
    """The memories that hold secrets, the oldest first."""

    findings: list[ScanFinding]
    count: int
    scanned: int
    project: str | list[str]
