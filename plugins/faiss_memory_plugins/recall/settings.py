"""What can be set: `plugins.recall` in the configuration file."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class RecallSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an assistant's hooks are answered with."""

    k: Annotated[int, Meta(ge=1, le=50)] = 5
    tokens: Annotated[int, Meta(ge=1, le=4000)] = 1200
    digest_tokens: Annotated[int, Meta(ge=0, le=4000)] = 400
    keep_summaries: bool = False
    tell: bool = False
    """Whether the person is told in a line how many notes a prompt has brought."""
    suggest: bool = False
    """Whether the person is told what of an assistant's last words might be stored."""
    log: Annotated[int, Meta(ge=0, le=100_000)] = 500
    """The most rows; 0 keeps none."""
