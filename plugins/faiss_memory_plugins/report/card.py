"""The figures of a report, and how each is put into words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from faiss_memory_plugins.report.questions import RULES, Rule


class FoundBy(Struct, kw_only=True):
    """How well one mode finds memories by one kind of question; the figures are shares in [0, 1]."""

    rule: Rule
    mode: str
    questions: int
    first: float
    """Of the questions whose memory comes first."""
    among_five: float


class Foreign(Struct, kw_only=True):
    """How often something would be shown for questions that no memory of the project answers."""

    kind: str
    asked: int
    shown: int


class Duplicates(Struct, kw_only=True):
    """Pairs of memories that say nearly the same; `differs` may contradict each other."""

    identical: int = 0
    similar: int = 0
    differs: int = 0


class Stale(Struct, kw_only=True):
    """Memories whose files are gone or say something else by now; at most `most` of them are counted."""

    gone: int
    changed: int
    never_recalled: int | None
    """None where no uses are counted: of another program's memories."""
    since: str
    most: int


class Start(Struct, kw_only=True):
    """What the start of a session brings; `tokens` is null where it could not be asked."""

    project: str
    tokens: int | None


class Card(Struct, kw_only=True):
    """A report."""

    made_at: str
    of: str | None = None
    """Where the memories are, if they are another program's."""
    project: str
    memories: int
    sampled: int
    found: list[FoundBy]
    foreign: list[Foreign]
    duplicates: Duplicates
    stale: Stale
    secrets: dict[str, int]
    """Memories by the kind of secret that they hold."""
    session_start: Start


class Row(NamedTuple):
    """A figure in words; `share` where it is one, and whether much of it is good."""

    part: str
    what: str
    figure: str
    share: float | None = None
    is_good: bool = True


def rows(card: Card) -> Iterator[Row]:
    """Yield every figure, in words."""
    for one in card.found:
        figure = f"{one.first:.0%} first, {one.among_five:.0%} among five, of {one.questions:,}"
        yield Row("finds", f"{one.mode}, asked by {RULES[one.rule]}", figure, one.among_five)
    for each in card.foreign:
        share = each.shown / each.asked
        figure = f"{share:.0%} bring something, {each.shown:,} of {each.asked:,}"
        yield Row("foreign questions", each.kind, figure, share, is_good=False)
    for name, count in (
        ("identical", card.duplicates.identical),
        ("similar", card.duplicates.similar),
        ("differ in a value, so perhaps contradict each other", card.duplicates.differs),
    ):
        yield Row("duplicates", name, f"{count:,} pairs")
    stale = card.stale
    for name, some in (
        ("their file is gone", stale.gone),
        ("their file has changed", stale.changed),
        (f"older than three months, and found by nothing since {stale.since}", stale.never_recalled),
    ):
        if some is not None:
            yield Row("stale", name, f"{some:,}{' or more' if some >= stale.most else ''}")
    for kind, count in card.secrets.items() or [("of known shapes", 0)]:
        yield Row("secrets", kind, f"{count:,}")
    start = card.session_start
    tokens = "not known: no assistant with hooks is loaded" if start.tokens is None else f"{start.tokens:,}"
    yield Row("start of a session", f"tokens in project {start.project}", tokens)
