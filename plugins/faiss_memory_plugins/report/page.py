"""A report as one file for a browser: no scripts, nothing loaded, readable by day and by night."""

from __future__ import annotations

from html import escape
from itertools import groupby

from faiss_memory_plugins.report.card import Card, Row, rows

_STYLE = """\
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: .35rem .75rem .35rem 0; }
td:last-child { white-space: nowrap; width: 1%; }
meter { width: 6rem; vertical-align: middle; }
p { opacity: .8; }
"""


def page(card: Card) -> str:
    """Return the whole file."""
    about = "all projects" if card.project == "*" else f"project {card.project}"
    if card.of is not None:
        about = f"{card.of}, {about}"
    parts = "\n".join(_part(part, [*some]) for part, some in groupby(rows(card), lambda row: row.part))
    title = f"FAISS Memory: {about}"
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>
{_STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p>{card.memories:,} memories on {escape(card.made_at[:10])}; questions were made of {card.sampled:,} of them.</p>
{parts}
</body>
</html>
"""


def _part(part: str, some: list[Row]) -> str:
    lines = "\n".join(
        f"<tr><td>{escape(row.what)}</td><td>{escape(row.figure)}</td><td>{_meter(row)}</td></tr>"
        for row in some
    )
    return f"<h2>{escape(part.capitalize())}</h2>\n<table>\n{lines}\n</table>"


def _meter(row: Row) -> str:
    if row.share is None:
        return ""
    best = 'low=".5" high=".8" optimum="1"' if row.is_good else 'low=".05" high=".2" optimum="0"'
    return f'<meter value="{row.share:.3f}" {best}>{row.share:.0%}</meter>'
