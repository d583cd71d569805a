"""An inspection as one HTML file without anything to fetch: figures, a plot of each column, the first rows."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sagecask.datasets.columns import Column
    from sagecask.datasets.inspect import Histogram, Inspection

WIDTH, HEIGHT, FLOOR = 240, 72, 58
SHOWN_CELLS = 30
STYLE = """
:root { --ink: #1d2430; --soft: #55606f; --line: #dce1e8; --card: #fff; --page: #f6f7f9; --bar: #1f5fa8;
  --lead: #d1662b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #a0a9b6; --line: #343c48; --card: #1c222b;
  --page: #14181f; --bar: #6aa5e8; --lead: #ea9560; } }
body { margin: 0 auto; padding: 2rem 1.5rem 3rem; max-width: 1120px; color: var(--ink); background: var(--page);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 1.6rem; overflow-wrap: anywhere; } h2 { margin: 2rem 0 .75rem; font-size: 1.1rem; }
.lead { margin: .25rem 0 1.5rem; color: var(--soft); }
.figures, .columns { display: grid; gap: 1rem; margin: 0; }
.figures { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.columns { grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); }
.figures div, .columns section, .rows { background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
.figures div { padding: .7rem 1rem; } .columns section { padding: .7rem .9rem .6rem; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; font-size: 1.45rem; font-weight: 600; }
h3 { margin: 0; font-size: .95rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.columns p { margin: 0; color: var(--soft); font-size: .8rem; font-variant-numeric: tabular-nums; }
svg { width: 100%; display: block; } svg text { font-size: 10px; fill: var(--soft); }
rect { fill: var(--bar); } .label rect { fill: var(--lead); } line { stroke: var(--line); }
.rows { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .35rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; } tr:last-child td { border-bottom: 0; } td.label { color: var(--lead); }
"""


def html(found: Inspection) -> str:
    """Return the whole page."""
    name = escape(found.path.name)
    head = f"{escape(found.format.name)} ({escape(found.format.content_type)}), {found.bytes:,} bytes"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{STYLE}</style></head><body>\n"
        f'<h1>{name}</h1><p class="lead">{head}</p>\n<dl class="figures">{_figures(found)}</dl>\n'
        f'<h2>Columns</h2><div class="columns">{"".join(_cards(found))}</div>\n{_left_out(found)}'
        f'<h2>First rows</h2><div class="rows">{_first_rows(found)}</div>\n</body></html>\n'
    )


def _figures(found: Inspection) -> str:
    summary = found.summary
    figures = [
        ("rows", f"{summary.rows:,}"),
        (f"features, {'sparse' if summary.sparse else 'dense'}", f"{summary.features:,}"),
        ("missing values", f"{summary.missing:,}"),
        ("non-zero", f"{summary.non_zero:.1%}"),
    ]
    for each in summary.labels[:1]:
        if each.counts is not None and len(each.counts) > 1:
            rarest = min(each.counts, key=lambda value: each.counts[value] if each.counts else 0)
            figures.append(("label classes", f"{len(each.counts)}"))
            figures.append((f"rarest, {rarest:g}", f"{each.counts[rarest] / summary.rows:.1%}"))
        else:
            figures.append(("label range", f"{each.minimum:g} to {each.maximum:g}"))
    return "".join(f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>" for what, value in figures)


def _cards(found: Inspection) -> Iterable[str]:
    for place, (column, histogram) in enumerate(zip(found.columns, found.histograms, strict=False)):
        kind = ' class="label"' if place < found.lead else ""
        name = escape(column.name)
        yield (
            f'<section{kind}><h3 title="{name}">{name}</h3>{_plot(column, histogram)}'
            f"<p>{escape(_words(column, found.summary.rows))}</p></section>\n"
        )


def _words(column: Column, rows: int) -> str:
    shares = [("zero", column.zeros), ("missing", column.missing), ("infinite", column.infinite)]
    said = [f"{_percent(count / rows)} {what}" for what, count in shares if count]
    mean = [f"mean {column.mean:.4g}"] if column.finite else []
    return " · ".join([*mean, *said])


def _percent(share: float) -> str:
    return "< 0.1%" if share < 0.001 else f"{share:.1%}"


def _plot(column: Column, histogram: Histogram) -> str:
    if not column.finite:
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><text x="{WIDTH / 2}" y="{HEIGHT / 2}" '
            'text-anchor="middle">no finite value</text></svg>'
        )
    highest = max(histogram.counts)
    step = WIDTH / len(histogram.counts)
    # narrow enough that a few bars do not fill the card
    width = min(step - 1, 32)
    bars = []
    for place, count in enumerate(histogram.counts):
        if count:
            # a bin with a single row can be seen
            height = max(1.5, (FLOOR - 6) * count / highest)
            left = place * step + (step - width) / 2
            bars.append(
                f'<rect x="{left:.1f}" y="{FLOOR - height:.1f}" width="{width:.1f}" height="{height:.1f}">'
                f"<title>{escape(_bin(column, histogram, place))}: {count:,} rows</title></rect>"
            )
    texts = "".join(
        f'<text x="{at:.1f}" y="{HEIGHT - 2}" text-anchor="{side}">{value:.5g}</text>'
        for at, side, value in _ticks(column, histogram)
    )
    floor = f'<line x1="0" x2="{WIDTH}" y1="{FLOOR}" y2="{FLOOR}"/>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(bars)}{floor}{texts}</svg>'


def _ticks(column: Column, histogram: Histogram) -> list[tuple[float, str, float]]:
    """Return place, anchor and number of what stands below: each value where these are few, else the ends."""
    bins = len(histogram.counts)
    if bins <= 8 and histogram.edges[1] - histogram.edges[0] == 1:
        step = WIDTH / bins
        return [(step * (place + 0.5), "middle", histogram.edges[place] + 0.5) for place in range(bins)]
    return [(0, "start", column.minimum), (WIDTH, "end", column.maximum)]


def _bin(column: Column, histogram: Histogram, place: int) -> str:
    low, high = histogram.edges[place : place + 2]
    # bins of whole numbers are one wide and have the number in their middle
    return f"{(low + high) / 2:g}" if column.whole and high - low == 1 else f"{low:.5g} to {high:.5g}"


def _left_out(found: Inspection) -> str:
    left = found.summary.features + found.lead - len(found.histograms)
    return f'<p class="lead">{left:,} more columns have no plot here; --plots sets how many do.</p>\n' if left else ""


def _first_rows(found: Inspection) -> str:
    shown = found.columns[:SHOWN_CELLS]
    more = "<th>…</th>" if len(found.columns) > SHOWN_CELLS else ""
    names = "".join(f"<th>{escape(column.name)}</th>" for column in shown)
    rows = []
    for row in found.first_rows:
        marks = [' class="label"'] * found.lead + [""] * len(shown)
        cells = [f"<td{mark}>{_cell(value)}</td>" for mark, value in zip(marks, row[:SHOWN_CELLS], strict=False)]
        rows.append(f"<tr>{''.join(cells)}{more and '<td></td>'}</tr>")
    return f"<table><tr>{names}{more}</tr>{''.join(rows)}</table>"


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
