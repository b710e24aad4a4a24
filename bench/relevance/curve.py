"""What would be shown at each bar: foreign prompts with notes against hits, by the recall plugin's own choosing."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from bench.relevance.evidence import Asked
from bench.relevance.sets import Prompt
from faiss_memory.engine.relevance import Weights, relevance_of
from faiss_memory.schema import FoundMemory
from faiss_memory.settings import Settings
from faiss_memory_plugins.recall.finding import CANDIDATES, chosen
from faiss_memory_plugins.recall.settings import RecallSettings

BAR = Settings().min_relevance
"""The one in use, by default."""
BARS = (0.05, 0.1, 0.15, BAR, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
CERTAIN = 1.96
"""Standard deviations on each side, for 95 %."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The notes that a prompt brings: `wanted` of `notes` help."""

    prompt: Prompt
    notes: int
    wanted: int

    @property
    def is_hit(self) -> bool:
        """Whether it came out as it should for a prompt that a note helps with, or as it should not for another."""
        return bool(self.wanted if self.prompt.gold else self.notes)


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of n."""

    count: int
    n: int

    @property
    def share(self) -> float:
        """Return the share in [0, 1]; 0 of nothing."""
        return self.count / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Return Wilson's 95 % interval."""
        if not self.n:
            return 0.0, 1.0
        squared = CERTAIN**2
        middle = (self.count + squared / 2) / (self.n + squared)
        spread = self.count * (self.n - self.count) / self.n + squared / 4
        aside = CERTAIN / (self.n + squared) * math.sqrt(spread)
        return max(0.0, middle - aside), min(1.0, middle + aside)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.3f} [{low:.3f}, {high:.3f}]"


@dataclass(frozen=True, slots=True)
class Point:
    """What one bar brings."""

    bar: float
    foreign: Rate
    """Prompts that no note helps with, and that bring notes all the same."""
    hits: Rate
    """Prompts that bring a note that helps."""
    precision: Rate
    """Notes shown that help."""
    pasted: tuple[Rate, Rate]
    """Hits with something pasted beside, and of the same prompts without it."""
    kinds: dict[str, Rate]


def curve(asked: Sequence[Asked], weights: Weights, bars: Iterable[float] = BARS) -> list[Point]:
    """Return what each bar brings."""
    by_prompt = [_shown(one, weights, bars) for one in asked]
    return [_point(bar, [shown[bar] for shown in by_prompt]) for bar in bars]


def _shown(asked: Asked, weights: Weights, bars: Iterable[float]) -> dict[float, Shown]:
    """Choose as recall does: of several wordings the best counts, and only what reaches the bar."""
    best: dict[int, tuple[FoundMemory, str | None]] = {}
    for one in asked.candidates:
        relevance = relevance_of(one.evidence, weights)
        if one.found.id not in best or best[one.found.id][0].relevance < relevance:
            best[one.found.id] = (msgspec.structs.replace(one.found, relevance=relevance), one.note)
    ordered = sorted((found for found, _ in best.values()), key=lambda found: -found.relevance)[:CANDIDATES]
    by_number: dict[int, Shown] = {}
    shown = {}
    for bar in bars:
        enough = [found for found in ordered if found.relevance >= bar]
        if len(enough) not in by_number:
            notes, _ = chosen(ordered, bar, RecallSettings().k)
            wanted = sum(best[note.id][1] in asked.prompt.gold for note in notes)
            by_number[len(enough)] = Shown(asked.prompt, len(notes), wanted)
        shown[bar] = by_number[len(enough)]
    return shown


def _point(bar: float, shown: Sequence[Shown]) -> Point:
    plain = [one for one in shown if one.prompt.is_plain]
    by_kind = defaultdict(list)
    for one in shown:
        if not one.prompt.variant_of:
            by_kind[one.prompt.kind].append(one)
    variants = [one for one in shown if one.prompt.variant_of]
    originals = {one.prompt.variant_of for one in variants}
    return Point(
        bar=bar,
        foreign=_rate(one for one in plain if not one.prompt.gold),
        hits=_rate(one for one in plain if one.prompt.gold),
        precision=Rate(sum(one.wanted for one in plain), sum(one.notes for one in plain)),
        pasted=(_rate(variants), _rate(one for one in shown if one.prompt.id in originals)),
        kinds={kind: _rate(some) for kind, some in sorted(by_kind.items())},
    )


def _rate(some: Iterable[Shown]) -> Rate:
    hits = [one.is_hit for one in some]
    return Rate(sum(hits), len(hits))
