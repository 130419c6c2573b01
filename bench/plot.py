"""A picture of results: one bar a figure, on a logarithmic scale, as SVG.

Rows of a label, a value and a word about it enter; the text of the picture leaves. Every bar has its figure beside it,
so that nothing has to be read off the scale.
"""

import math
from collections.abc import Sequence
from html import escape

ROW = 22
LABEL, BAR, WIDTH = 430, 360, 1000
_INK, _BAR = "#1a1a1a", "#3b6ea5"


def picture(title: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """Return the SVG; values are above 0."""
    low = 10 ** math.floor(math.log10(min(value for _, value, _ in rows)))
    high = 10 ** math.ceil(math.log10(max(value for _, value, _ in rows)) + 1e-9)
    decades = max(round(math.log10(high / low)), 1)
    height = ROW * (len(rows) + 3)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif"'
        f' font-size="12" fill="{_INK}" role="img"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="#ffffff"/><text x="8" y="{ROW}" font-size="14">{escape(title)}</text>'
    )
    parts = [head]
    for decade in range(decades + 1):
        x = LABEL + BAR * decade / decades
        parts.append(
            f'<path d="M{x:.1f} {1.5 * ROW} V{height - ROW}" stroke="#d0d0d0"/>'
            f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{low * 10**decade:,.6g}</text>'
        )
    for number, (label, value, word) in enumerate(rows, 2):
        y, length = ROW * number, max(BAR * math.log10(value / low) / decades, 1)
        parts.append(
            f'<text x="{LABEL - 8}" y="{y}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{LABEL}" y="{y - 12}" width="{length:.1f}" height="14" fill="{_BAR}"/>'
            f'<text x="{LABEL + length + 6:.1f}" y="{y}">{escape(word)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])
