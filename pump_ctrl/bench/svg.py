"""Small parts of a drawing: scales with round ticks, curves thinned to what a pixel can show, escaped text.

Layer      bench. Standard library only. Floats are fine here: nothing that is drawn is ever given.
Invariant  a thinned curve still touches every extreme of the curve; a text from outside cannot become markup.
Tests      tests/unit/test_plots.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor, log10
from typing import Final
from xml.sax.saxutils import escape

Point = tuple[float, float]

_MOST_DIGITS: Final = 9  # decimals of a tick
_NOT_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: object) -> str:
    """Make any text safe inside an element or a quoted attribute."""
    return escape(_NOT_XML.sub("\ufffd", str(text)), {'"': "&quot;", "'": "&#39;"})


def px(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps ``[low, high]`` of a quantity to ``[start, end]`` in pixels; ``root`` draws square roots instead.

    A square-root axis shows a basal of 13 uL/h beside a bolus of 180 uL/h; both ends are then at or above 0.
    """

    low: float
    high: float
    start: float
    end: float
    root: bool = False

    def __call__(self, value: float) -> float:
        """Pixel of ``value``; a value outside the range is drawn at its border."""
        low, high, value = (_root(v) if self.root else v for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.0
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))

    def ticks(self, most: int) -> list[float]:
        """Round values from ``low`` to ``high``, ``most`` of them at the most (a few more on a root axis)."""
        if self.root:
            return _root_ticks(self.high)
        step = round_step((self.high - self.low) / max(1, most))
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [step * n for n in range(first, last + 1)]


def _root(value: float) -> float:
    return float(max(0.0, value) ** 0.5)


def _root_ticks(high: float) -> list[float]:
    """Round values that a square root spreads evenly."""
    step = round_step(high / 2)
    return [0.0, *(t for t in (step / 10, step / 4, step / 2, step, 2 * step) if t <= high * 1.001)]


def round_step(raw: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is at least ``raw``."""
    if raw <= 0:
        return 1.0
    power = 10.0 ** floor(log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))


def number(value: float, step: float) -> str:
    """A tick's label with just the decimals that its step needs, and never another value than the tick's."""
    digits = max(0, -floor(log10(step) + 1e-9)) if step > 0 else 0
    while digits < _MOST_DIGITS and abs(float(f"{value:.{digits}f}") - value) > abs(value) * 1e-9:
        digits += 1
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _column(points: Sequence[Point]) -> Iterator[Point]:
    """First, lowest, highest and last of the points of one pixel column, in order of time."""
    keep = {0, len(points) - 1}
    keep.add(min(range(len(points)), key=lambda i: points[i][1]))
    keep.add(max(range(len(points)), key=lambda i: points[i][1]))
    yield from (points[i] for i in sorted(keep))


def thin(points: Sequence[Point], x: Scale, columns_per_px: int = 2) -> list[Point]:
    """Leave at most four points in each half pixel, the extremes always among them."""
    kept: list[Point] = []
    for _, column in groupby(points, key=lambda p: floor(x(p[0]) * columns_per_px)):
        kept += _column(list(column))
    return kept


def line_path(points: Sequence[Point], x: Scale, y: Scale) -> str:
    """Path data of straight lines from point to point."""
    return _path((px(x(t)), px(y(v))) for t, v in thin(points, x))


def step_path(points: Sequence[Point], x: Scale, y: Scale, until: float) -> str:
    """Path data of a value that keeps until the next point, the last one until ``until``."""
    thinned = thin(points, x)
    if thinned and thinned[-1][0] < until:
        thinned.append((until, thinned[-1][1]))
    corners: list[tuple[str, str]] = []
    for t, v in thinned:
        corner = px(x(t)), px(y(v))
        if corners:
            corners.append((corner[0], corners[-1][1]))
        corners.append(corner)
    return _path(iter(corners))


def _path(corners: Iterator[tuple[str, str]]) -> str:
    unique = [corner for corner, _ in groupby(corners)]
    return " ".join(f"{'L' if n else 'M'}{a} {b}" for n, (a, b) in enumerate(unique))


def text(x: float, y: float, words: object, look: str = "") -> str:
    """One line of text, escaped; ``look`` is raw attributes."""
    return f'<text x="{px(x)}" y="{px(y)}"{" " + look if look else ""}>{clean(words)}</text>'


def group(name: str, look: str, *parts: str) -> str:
    """Parts that share a look, under a name that a reader of the file can search for."""
    return f'<g data-series="{clean(name)}" {look}>{"".join(parts)}</g>'


def path(d: str) -> str:
    """One path; what it looks like is its group's matter."""
    return f'<path d="{d}"/>' if d else ""
