"""Draws the spans of one trace: `python docs/img/trace.py trace.json > docs/img/trace.svg`.

`CHIRP_TRACE=trace.json make test T=tests/e2e/test_traces.py` writes them down as they arrive.
"""

import json
import sys
from html import escape
from pathlib import Path
from typing import Any

COLOURS = {
    "edge": "#7c5cbf",
    "router": "#b8468a",
    "auth": "#3f7fbf",
    "tweets": "#2f9e6e",
    "notifier": "#d07a2d",
}
HIDDEN = ("compute_job",)
"""Spans of the router about its own threads."""
ROW, LABEL, WIDTH, TOP = 18, 330, 620, 46

Span = dict[str, Any]


def in_order(spans: list[Span]) -> list[tuple[int, Span]]:
    """Each span with its depth, below the one that it is part of."""
    ids = {span["id"] for span in spans}
    children: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span["start"]):
        parent = span["parent"] if span["parent"] in ids else ""
        children.setdefault(parent, []).append(span)

    def below(parent: str, depth: int) -> list[tuple[int, Span]]:
        found = []
        for span in children.get(parent, []):
            found.append((depth, span))
            found += below(span["id"], depth + 1)
        return found

    return below("", 0)


def draw(spans: list[Span]) -> str:
    rows = in_order([span for span in spans if not span["name"].startswith(HIDDEN)])
    start = min(span["start"] for _, span in rows)
    length = max(span["end"] for _, span in rows) - start
    height = TOP + ROW * len(rows) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LABEL + WIDTH + 90} {height}" '
        'font-family="system-ui, sans-serif" font-size="11">',
        f'<rect width="100%" height="{height}" fill="#ffffff"/>',
    ]
    for index, (service, colour) in enumerate(COLOURS.items()):
        x = 12 + index * 90
        parts.append(f'<rect x="{x}" y="10" width="10" height="10" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{x + 15}" y="19" fill="#333">{service}</text>')
    for step in range(5):
        x = LABEL + WIDTH * step / 4
        parts.append(
            f'<line x1="{x:.0f}" y1="{TOP - 6}" x2="{x:.0f}" y2="{height - 8}" stroke="#e4e4e4"/>'
            f'<text x="{x:.0f}" y="{TOP - 10}" fill="#777" text-anchor="middle">'
            f"{length * step / 4 / 1e6:.0f} ms</text>"
        )
    for index, (depth, span) in enumerate(rows):
        y = TOP + ROW * index
        x = LABEL + WIDTH * (span["start"] - start) / length
        width = max(2.0, WIDTH * (span["end"] - span["start"]) / length)
        milliseconds = (span["end"] - span["start"]) / 1e6
        parts.append(
            f'<text x="{12 + 9 * depth}" y="{y + 12}" fill="#222">{escape(span["name"])}</text>'
            f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 7}" rx="2" '
            f'fill="{COLOURS.get(span["service"], "#888")}"/>'
            f'<text x="{x + width + 5:.1f}" y="{y + 12}" fill="#666">{milliseconds:.1f}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(draw(json.loads(Path(sys.argv[1]).read_text())))
