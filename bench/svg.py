"""What the pictures of the benchmarks share: how an SVG begins, and a word in it."""

from __future__ import annotations

from html import escape


def beginning(width: float, height: float, caption: str, top: float) -> list[str]:
    """Return the lines with which a picture begins, its caption as title and in writing; "</svg>" ends it."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="13" role="img">',
        f"<title>{escape(caption)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        text(width / 2, top, caption, "middle"),
    ]


def text(x: float, y: float, said: str, anchor: str, more: str = "") -> str:
    """Return a text; `anchor` says which end of it stands at `x`, `more` are further attributes."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222"{more}>{escape(said)}</text>'
