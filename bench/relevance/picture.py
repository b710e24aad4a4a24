"""The curve as a picture: foreign prompts with notes against hits, a line for each number of memories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.relevance.curve import Point
from bench.svg import beginning, text

WIDTH, HEIGHT = 720, 480
LEFT, TOP, RIGHT, BOTTOM = 70, 50, 200, 60
FARTHEST = 0.4
"""Of foreign prompts with notes: nobody would want more."""
COLOURS = ("#0072b2", "#d55e00", "#009e73")
DASHES = {True: "", False: ' stroke-dasharray="6 4"'}


def picture(curves: Mapping[tuple[int, bool], Sequence[Point]], bar: float, caption: str) -> str:
    """Draw curves, by number of memories and whether they have cues, as SVG; a circle marks the bar in use."""
    sizes = sorted({size for size, _ in curves})
    colours = dict(zip(sizes, COLOURS, strict=False))
    lines = beginning(WIDTH, HEIGHT, caption, 24)
    lines += _axes()
    for (size, has_cues), points in sorted(curves.items()):
        places = [_place(one) for one in points if one.foreign.share <= FARTHEST]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        lines.append(
            f'<polyline points="{path}" fill="none" stroke="{colours[size]}" stroke-width="2"{DASHES[has_cues]}/>'
        )
        for x, y in (_place(one) for one in points if one.bar == bar):
            lines.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="white" stroke="{colours[size]}" stroke-width="2"/>'
            )
    lines += _legend(sizes, colours, bar)
    return "\n".join([*lines, "</svg>", ""])


def _place(point: Point) -> tuple[float, float]:
    return _across(point.foreign.share), _up(point.hits.share)


def _across(share: float) -> float:
    return LEFT + share / FARTHEST * (WIDTH - LEFT - RIGHT)


def _up(share: float) -> float:
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def _axes() -> Iterator[str]:
    for tenth in range(0, 11, 2):
        y = _up(tenth / 10)
        yield _line(LEFT, y, WIDTH - RIGHT, y)
        yield text(LEFT - 8, y + 4, f"{10 * tenth} %", "end")
    for tenth in range(5):
        x = _across(tenth / 10)
        yield _line(x, TOP, x, HEIGHT - BOTTOM)
        yield text(x, HEIGHT - BOTTOM + 20, f"{10 * tenth} %", "middle")
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, "foreign prompts that bring notes", "middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f' transform="rotate(-90 20 {middle:.0f})"'
    yield text(20, middle, "prompts that bring a right note", "middle", turned)


def _legend(sizes: Sequence[int], colours: Mapping[int, str], bar: float) -> Iterator[str]:
    x, y = WIDTH - RIGHT + 16, TOP + 10
    for size in sizes:
        yield f'<line x1="{x}" y1="{y}" x2="{x + 30}" y2="{y}" stroke="{colours[size]}" stroke-width="2"/>'
        yield text(x + 38, y + 4, f"{size:,} memories", "start")
        y += 22
    for has_cues, said in ((True, "with cues"), (False, "without cues")):
        yield f'<line x1="{x}" y1="{y}" x2="{x + 30}" y2="{y}" stroke="#555" stroke-width="2"{DASHES[has_cues]}/>'
        yield text(x + 38, y + 4, said, "start")
        y += 22
    yield f'<circle cx="{x + 15}" cy="{y}" r="5" fill="white" stroke="#555" stroke-width="2"/>'
    yield text(x + 38, y + 4, f"the bar in use, {bar}", "start")


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'
