"""What a soak has seen, as a picture: a strip for each thing over the same minutes, all of which begin at zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bench.measure import percentile
from bench.svg import beginning, text

if TYPE_CHECKING:
    from bench.soak import Look

WIDTH, STRIP, LEFT, RIGHT, TOP = 720, 110, 60, 20, 44
GAP = 34
INK = "#0072b2"
Line = Sequence[tuple[float, float]]


def picture(looks: Sequence[Look], searches: Sequence[tuple[float, float]]) -> str:
    """Draw what was seen as SVG; `searches` are the minute and the seconds of each."""
    strips: list[tuple[str, Line]] = [
        ("resident memory, MB", [(one.minute, one.resident) for one in looks]),
        ("data folder with its backups, MB", [(one.minute, one.disk) for one in looks]),
        ("memories", [(one.minute, one.memories) for one in looks]),
        ("descriptors", [(one.minute, one.descriptors) for one in looks]),
        ("threads", [(one.minute, one.threads) for one in looks]),
        ("searches, p99 of each minute, ms", _slow(searches)),
    ]
    minutes = max((one.minute for one in looks), default=1.0)
    height = TOP + len(strips) * (STRIP + GAP)
    caption = f"{minutes:.0f} minutes of adding, searching, deleting, building and backing up"
    lines = beginning(WIDTH, height, caption, 22)
    for number, (name, line) in enumerate(strips):
        lines += _strip(name, line, TOP + number * (STRIP + GAP), minutes)
    return "\n".join([*lines, "</svg>", ""])


def _slow(searches: Sequence[tuple[float, float]]) -> Line:
    by_minute: dict[int, list[float]] = {}
    for minute, seconds in searches:
        by_minute.setdefault(int(minute), []).append(seconds)
    return [(minute + 0.5, percentile(found, 0.99)) for minute, found in sorted(by_minute.items())]


def _strip(name: str, line: Line, top: float, minutes: float) -> Iterator[str]:
    most = max((value for _, value in line), default=1.0) * 1.1 or 1.0
    bottom = top + STRIP

    def place(minute: float, value: float) -> str:
        return f"{LEFT + minute / minutes * (WIDTH - LEFT - RIGHT):.1f},{bottom - value / most * STRIP:.1f}"

    yield text(LEFT, top - 6, name, "start")
    for value in (0.0, most / 1.1):
        y = bottom - value / most * STRIP
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
        yield text(LEFT - 8, y + 4, f"{value:,.0f}", "end")
    points = " ".join(place(*one) for one in line)
    yield f'<polyline points="{points}" fill="none" stroke="{INK}" stroke-width="1.5"/>'
