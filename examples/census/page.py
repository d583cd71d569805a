"""The report as one HTML file without anything to fetch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from charts import Axis, Line, bar_chart, line_chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHOWN_FEATURES = 15
SHOWN_POINTS = 400
STYLE = """
body { margin: 0 auto; padding: 2rem 1.5rem 3rem; max-width: 1120px; color: #1d2430; background: #fff;
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 1.7rem; } h2 { margin: 0 0 .5rem; font-size: 1.05rem; }
.lead { margin: .25rem 0 1.5rem; color: #55606f; max-width: 46rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 1rem; margin: 0 0 1.5rem; }
.figures div { border: 1px solid #dce1e8; border-radius: 8px; padding: .8rem 1rem; }
.figures dt { color: #55606f; font-size: .85rem; } .figures dd { margin: 0; font-size: 1.6rem; font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1.5rem; }
.charts section { border: 1px solid #dce1e8; border-radius: 8px; padding: 1rem 1rem .5rem; }
svg { width: 100%; } svg text { font-size: 12px; fill: #3b4553; } polyline { fill: none; stroke-width: 2; }
.grid { stroke: #e8ebf0; } .mark { stroke: #8a94a3; stroke-dasharray: 4 4; }
table { border-collapse: collapse; margin-top: .5rem; } td { padding: .15rem 1.5rem .15rem 0; }
code { font-size: .9em; }
"""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the report shows.

    figures : headline to value, both as shown
    roc : false and true positive rates
    rounds : metric name such as `validation-auc` to one value a round
    kept_rounds : rounds of the model that was saved
    importance : feature to its share of the total gain
    """

    lead: str
    figures: Mapping[str, str]
    roc: tuple[Sequence[float], Sequence[float]]
    auc: float
    rounds: Mapping[str, Sequence[float]]
    kept_rounds: int
    importance: Mapping[str, float]
    hyperparameters: Mapping[str, str]


def html(findings: Findings) -> str:
    """Return the whole page."""
    figures = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in findings.figures.items()
    )
    charts = [
        (f"ROC curve on the test rows: AUC {findings.auc:.4f}", _roc(findings)),
        ("Feature importance", _importance(findings)),
        ("Learning curve: AUC", _learning(findings, "auc", "AUC")),
        ("Learning curve: log loss", _learning(findings, "logloss", "log loss")),
    ]
    sections = "".join(f"<section><h2>{escape(title)}</h2>{chart}</section>" for title, chart in charts)
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td><code>{escape(value)}</code></td></tr>"
        for name, value in findings.hyperparameters.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Census-Income with sagecask</title>'
        f"<style>{STYLE}</style></head><body><h1>Census-Income: who earns more than 50,000 dollars a year?</h1>"
        f'<p class="lead">{escape(findings.lead)}</p><dl class="figures">{figures}</dl>'
        f'<div class="charts">{sections}</div><h2 style="margin-top:1.5rem">Hyperparameters</h2>'
        f"<table>{rows}</table></body></html>\n"
    )


def _roc(findings: Findings) -> str:
    false_rate, true_rate = findings.roc
    step = max(1, len(false_rate) // SHOWN_POINTS)
    kept = [*range(0, len(false_rate) - 1, step), len(false_rate) - 1]
    lines = [
        Line("model", [false_rate[index] for index in kept], [true_rate[index] for index in kept]),
        Line("guessing", [0, 1], [0, 1], colour=1),
    ]
    return line_chart(lines, Axis("false positive rate", 0, 1), Axis("true positive rate", 0, 1))


def _learning(findings: Findings, metric: str, label: str) -> str:
    lines = []
    for colour, data in enumerate(("train", "validation")):
        values = findings.rounds[f"{data}-{metric}"]
        lines.append(Line(data, range(1, len(values) + 1), values, colour))
    every = [value for line in lines for value in line.y]
    margin = (max(every) - min(every)) * 0.05 or 0.01
    high = max(every) + margin
    unit = 10 ** math.floor(math.log10(high - min(every)))
    low = math.floor((min(every) - margin) / unit * 10) * unit / 10
    count = len(lines[0].y)
    mark = (findings.kept_rounds, f"model kept: round {findings.kept_rounds}")
    return line_chart(lines, Axis("round", 0, count), Axis(label, low, high), mark)


def _importance(findings: Findings) -> str:
    ranked = sorted(findings.importance.items(), key=lambda item: -item[1])[:SHOWN_FEATURES]
    return bar_chart(ranked, "share of the total gain of all splits")
