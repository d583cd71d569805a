"""Line and bar charts as SVG text, so that the report needs no plotting library."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 520, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 48
COLOURS = ("#1f5fa8", "#d1662b", "#4a8f3c")
TICKS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; `colour` counts in COLOURS."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis with its label and the interval that it shows."""

    label: str
    low: float
    high: float

    def ticks(self) -> list[float]:
        """Return round numbers inside the interval, about `TICKS` of them."""
        rough = (self.high - self.low) / TICKS
        magnitude = 10 ** math.floor(math.log10(rough))
        step = magnitude * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - first
        return [round((first + index) * step, 10) for index in range(count + 1)]

    def share(self, value: float) -> float:
        """Return where a value lies, 0 at the low end and 1 at the high end."""
        return (value - self.low) / (self.high - self.low)


def line_chart(lines: Sequence[Line], x: Axis, y: Axis, mark: tuple[float, str] | None = None) -> str:
    """Return a chart of lines over a grid; `mark` is a vertical line at an x with its caption."""
    parts = [*_grid(x, y)]
    if mark is not None:
        at = _x(x, mark[0])
        parts.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(_text(at - 6, HEIGHT - BOTTOM - 10, mark[1], "end"))
    for line in lines:
        points = " ".join(f"{_x(x, a):.1f},{_y(y, b):.1f}" for a, b in zip(line.x, line.y, strict=True))
        parts.append(f'<polyline points="{points}" stroke="{COLOURS[line.colour]}"/>')
    # above lines that end low, below lines that end high
    start = HEIGHT - BOTTOM - 76 if y.share(lines[0].y[-1]) > 0.5 else TOP + 20
    for row, line in enumerate(lines):
        top = start + 20 * row
        parts.append(f'<rect x="{WIDTH - 160}" y="{top - 9}" width="14" height="4" fill="{COLOURS[line.colour]}"/>')
        parts.append(_text(WIDTH - 140, top - 2, line.name, "start"))
    return _svg(parts, HEIGHT)


def bar_chart(bars: Sequence[tuple[str, float]], label: str) -> str:
    """Return horizontal bars from the top down, each with its name and its value in percent."""
    row, start, room = 19, 170, WIDTH - 170 - 60
    height = TOP + row * len(bars) + BOTTOM
    largest = max(value for _, value in bars)
    parts = []
    for index, (name, value) in enumerate(bars):
        top = TOP + row * index
        width = room * value / largest
        parts.append(_text(start - 8, top + 13, name, "end"))
        parts.append(f'<rect x="{start}" y="{top + 3}" width="{width:.1f}" height="{row - 6}" fill="{COLOURS[0]}"/>')
        parts.append(_text(start + width + 6, top + 13, f"{value:.1%}", "start"))
    parts.append(_text(start + room / 2, height - 8, label, "middle"))
    return _svg(parts, height)


def _grid(x: Axis, y: Axis) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick in x.ticks():
        at = _x(x, tick)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(_text(at, bottom + 18, f"{tick:g}", "middle"))
    for tick in y.ticks():
        at = _y(y, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(_text(LEFT - 8, at + 4, f"{tick:g}", "end"))
    parts.append(_text((LEFT + right) / 2, HEIGHT - 8, x.label, "middle"))
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">{escape(y.label)}</text>'
    )
    return parts


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], height: float) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>'
