"""A simulated run as one SVG: stacked panels over a common time axis.

Layer      bench. Standard library only; reads a finished run, decides nothing.
Hazard     a picture that hides an excursion: curves are thinned, but never past a minimum or maximum.
Tests      tests/unit/test_plots.py

No style sheet and no script, so that the picture may stand inside a page with a strict content policy. Series
differ by dashes, markers and hatching as well as by colour (Okabe and Ito's, for colour-blind readers).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Protocol

from pump_ctrl.bench import axes, svg
from pump_ctrl.bench.axes import LEFT, RIGHT, SMALL, TOP, Heading, Panel, sample, value_grid
from pump_ctrl.bench.svg import Point, Scale, px

NOTICE: Final = "bench simulation, not a medical device"
_BLUE, _RED, _GREEN, _PURPLE, _INK = "#0072b2", "#d55e00", "#009e73", "#8e4585", "#222"
_CURVE: Final = 'fill="none" stroke-width="1.6" stroke-linejoin="round"'
_HATCH: Final = (
    '<defs><pattern id="pump-ctrl-hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
    f'patternTransform="rotate(45)"><path d="M0 0V5" stroke="{_RED}" stroke-width="4"/></pattern></defs>'
)
_LANE: Final = 18
_ROW: Final = 11  # height of a row of bolus marks
_MOST_LANES: Final = 16
_SHORT_S: Final = 60

Row = Mapping[str, Any]  # one object of the lists of ``simulate --json``


class Traced(Protocol):
    """The curves and lists of a run that are drawn. Times are seconds from the plan's start.

    Curves are breakpoints: ``rate`` (nL/h) keeps until the next one, ``tip`` (pg/mL) and the volumes (nL) are
    joined by straight lines. Boluses, alarms and states are those of ``simulate --json``.
    """

    @property
    def rate(self) -> Sequence[Point]:
        """Flow out of the pump, nL/h."""

    @property
    def planned(self) -> Sequence[Point]:
        """Planned volume since the start, nL."""

    @property
    def delivered(self) -> Sequence[Point]:
        """What truly left the pump since the start, nL."""

    @property
    def reservoir(self) -> Sequence[Point]:
        """What is in the reservoir, nL."""

    @property
    def tip(self) -> Mapping[str, Sequence[Point]]:
        """Drug -> concentration at the catheter tip, pg/mL."""

    @property
    def boluses(self) -> Sequence[Row]:
        """Every bolus asked for."""

    @property
    def alarms(self) -> Sequence[Row]:
        """Every alarm raised."""

    @property
    def states(self) -> Sequence[Row]:
        """Every state of the controller, from ``t_s`` on."""


def draw(trace: Traced, heading: Heading) -> str:
    """Draw a run.

    Returns:
        A complete SVG document of at most a few hundred kilobytes, whatever the length of the run.
    """
    x = Scale(0, max(1, heading.duration_s), LEFT, RIGHT)
    panels = list(_panels(trace, heading))
    bottom = TOP + sum(panel.height + axes.GAP for panel in panels) - axes.GAP
    parts = [axes.time_grid(x, heading, bottom)]
    top = float(TOP)
    for panel in panels:
        parts.append(axes.strip(panel, x, top))
        top += panel.height + axes.GAP
    return _document(heading, bottom + 58, parts)


def _document(heading: Heading, height: float, parts: Iterable[str]) -> str:
    title = f"{heading.plan_id}: {heading.title}"
    start = axes.word_date(heading.local(0)) + heading.local(0).strftime(" %H:%M")
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {axes.WIDTH} {px(height)}" ',
            f'width="{axes.WIDTH}" height="{px(height)}" font-family="Helvetica, Arial, sans-serif" ',
            f'font-size="12" fill="{_INK}" role="img"><title>{svg.clean(title)} ({NOTICE})</title>',
            _HATCH,
            f'<rect width="{axes.WIDTH}" height="{px(height)}" fill="#fff"/>',
            svg.text(16, 24, title, 'font-size="16" font-weight="bold"'),
            svg.text(16, 43, f"{NOTICE} · pump {heading.pump} · from {start}, plan time", SMALL),
            *parts,
            "</svg>\n",
        )
    )


# --- the panels ---------------------------------------------------------------------------------------------


def _panels(trace: Traced, heading: Heading) -> Iterator[Panel]:
    yield _rate_panel(trace, heading)
    yield _volume_panel(trace)
    yield _difference_panel(trace)
    yield _curve_panel("reservoir, mL", "reservoir", _in(trace.reservoir, 1e6), _look(_GREEN, ""))
    looks = [_look(_PURPLE, ""), _look(_BLUE, "7 3"), _look(_RED, "2 3"), _look(_GREEN, "7 3 2 3")]
    for (drug, points), look in zip(trace.tip.items(), looks * len(trace.tip), strict=False):
        unit, factor = ("mg/mL", 1e9) if max((v for _, v in points), default=0) >= 5e9 else ("ug/mL", 1e6)
        yield _curve_panel(f"{drug} at the catheter tip, {unit}", f"tip-{drug}", _in(points, factor), look)
    yield _lanes_panel(trace, heading)


def _in(points: Sequence[Point], factor: float) -> list[Point]:
    return [(float(t), float(v) / factor) for t, v in points]


def _axis(points: Iterable[Point], top: float, bottom: float, *, root: bool = False) -> Scale:
    """A value axis with some air above the curve; it begins at 0 unless the curve goes below."""
    values = [v for _, v in points] or [0.0]
    low, high = min(0.0, *values), max(values)
    air = (high - low) * 0.08 or max(abs(high) * 0.08, 1.0)
    return Scale(low - (air if low < 0 else 0), high + air, bottom, top, root)


def _look(colour: str, dashes: str) -> str:
    return f'{_CURVE} stroke="{colour}"' + (f' stroke-dasharray="{dashes}"' if dashes else "")


def _rate_panel(trace: Traced, heading: Heading) -> Panel:
    points = _without_short_dips(_in(trace.rate, 1e3))
    root = _needs_root(points, heading.duration_s)
    marks = [m for m in _MARKS if any(m.fits(bolus) for bolus in trace.boluses)]

    def strip(x: Scale, top: float, bottom: float) -> str:
        y = _axis(points, top + _ROW * len(marks), bottom, root=root)
        curve = svg.group("rate", _look(_BLUE, ""), svg.path(svg.step_path(points, x, y, heading.duration_s)))
        rows = (mark.draw(trace.boluses, x, top + _ROW * n) for n, mark in enumerate(marks, 1))
        return value_grid(y, top) + curve + "".join(rows)

    legend = ((sample(_look(_BLUE, "")), "flow out of the pump"), *((m.legend(), m.words) for m in marks))
    return Panel("rate, uL/h" + (" (square-root scale)" if root else ""), 190, strip, legend)


def _without_short_dips(points: Sequence[Point]) -> list[Point]:
    """The flow without dips of less than a minute: where one run takes over from another a motor step waits.

    On the scale of months each would be a line down to zero. A peak is never left out, however short.
    """
    kept: list[Point] = []
    for (t, flow), after in zip(points, [*points[1:], None], strict=False):
        before = kept[-1][1] if kept else flow
        if after is None or after[0] - t >= _SHORT_S or flow > min(before, after[1]):
            kept.append((t, flow))
    return kept


def _needs_root(points: Sequence[Point], duration_s: float) -> bool:
    """Whether the highest rate is so far above the usual one that a linear axis would flatten the latter."""
    ends = [t for t, _ in points[1:]] + [duration_s] * bool(points)
    running = sorted((v, end - t) for (t, v), end in zip(points, ends, strict=True) if v > 0)
    half = sum(length for _, length in running) / 2
    for value, length in running:
        half -= length
        if half <= 0:
            return running[-1][0] > 6 * value
    return False


def _volume_panel(trace: Traced) -> Panel:
    delivered, planned = _in(trace.delivered, 1e6), _in(trace.planned, 1e6)
    looks = {"delivered": _look(_BLUE, ""), "planned": _look(_INK, "6 4")}

    def strip(x: Scale, top: float, bottom: float) -> str:
        y = _axis(delivered + planned, top, bottom)
        curves = (("delivered", delivered), ("planned", planned))
        drawn = (svg.group(n, looks[n], svg.path(svg.line_path(points, x, y))) for n, points in curves)
        return value_grid(y, top) + "".join(drawn)

    return Panel(
        "volume since the start, mL", 130, strip, tuple((sample(look), name) for name, look in looks.items())
    )


def _difference_panel(trace: Traced) -> Panel:
    settled = [point for point in trace.planned if not _in_bolus(trace.states, point[0])]
    points = [(t, v / 1e3) for t, v in _difference(_in(trace.delivered, 1), _in(settled, 1))]

    def strip(x: Scale, top: float, bottom: float) -> str:
        y = _axis(points, top, bottom)
        curve = svg.group("difference", _look(_RED, ""), svg.path(svg.line_path(points, x, y)))
        return value_grid(y, top, most=4) + curve

    return Panel("delivered − planned, uL", 80, strip, ())


def _in_bolus(states: Sequence[Row], t_s: float) -> bool:
    """Whether a bolus or a prime runs: it is planned in full from its start on, so no difference is one."""
    n = bisect_right(states, t_s, key=lambda state: state["t_s"])
    return n > 0 and states[n - 1]["state"] in {"BOLUS", "PRIMING"}


def _difference(one: Sequence[Point], other: Sequence[Point]) -> list[Point]:
    """``one`` minus ``other`` where ``other`` is known: between its points a straight line is a guess."""
    times = [t for t, _ in other]
    return [(t, a - b) for t, a, (_, b) in zip(times, _at(one, times), other, strict=True)]


def _at(points: Sequence[Point], times: Sequence[float]) -> Iterator[float]:
    """Values of a piecewise linear curve at rising times; level before its first and after its last point."""
    if not points:
        yield from (0.0 for _ in times)
        return
    n = 0
    for t in times:
        while n + 1 < len(points) and points[n + 1][0] <= t:
            n += 1
        (t0, v0), (t1, v1) = points[n], points[min(n + 1, len(points) - 1)]
        yield v0 if t <= t0 or t1 <= t0 else v0 + (v1 - v0) * (t - t0) / (t1 - t0)


def _curve_panel(title: str, name: str, points: Sequence[Point], look: str) -> Panel:
    def strip(x: Scale, top: float, bottom: float) -> str:
        y = _axis(points, top, bottom)
        return value_grid(y, top, most=4) + svg.group(name, look, svg.path(svg.line_path(points, x, y)))

    return Panel(title, 90, strip, ((sample(look), name.removeprefix("tip-")),))


# --- boluses ----------------------------------------------------------------------------------------------

_SHAPES: Final = {  # drawn at (0, 0), the point that touches the time
    "scheduled": "l-4 -8h8z",
    "patient": "m-3.5 -4a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
    "prime": "m-3.5 0v-7h7v7z",
    "refused": "m-3.5 -7l7 7m0 -7l-7 7",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """How boluses of one kind and outcome are marked: the shape is the kind, a filled one was given."""

    kind: str
    outcomes: frozenset[str]
    shape: str
    filled: bool
    words: str

    def fits(self, bolus: Mapping[str, Any]) -> bool:
        """Whether this mark is the one of ``bolus``."""
        return bolus["kind"] == self.kind and bolus["outcome"] in self.outcomes

    def _look(self) -> str:
        colour = _RED if self.shape == _SHAPES["refused"] else _INK
        return f'stroke="{colour}" stroke-width="1.4" fill="{colour if self.filled else "#fff"}"'

    def draw(self, boluses: Iterable[Mapping[str, Any]], x: Scale, y: float) -> str:
        """All boluses that fit, at most one in each 3 pixels."""
        places = [x(bolus["requested_at_s"]) for bolus in boluses if self.fits(bolus)]
        seen = {round(place / 3): place for place in places}
        shapes = "".join(f"M{px(place)} {px(y)}{self.shape}" for place in seen.values())
        return svg.group(f"{self.words} bolus", self._look(), svg.path(shapes))

    def legend(self) -> str:
        """The mark as it stands in the legend."""
        return f'<g {self._look()}><path d="M14 -1{self.shape}"/></g>'


_GIVEN, _NO = frozenset({"delivered"}), frozenset({"refused"})
_PART = frozenset({"interrupted", "missed", "unknown"})
_MARKS: Final = tuple(
    mark
    for kind in ("scheduled", "patient", "prime")
    for mark in (
        Mark(kind, _GIVEN, _SHAPES[kind], True, kind),
        Mark(kind, _PART, _SHAPES[kind], False, f"{kind}, not all given"),
        Mark(kind, _NO, _SHAPES["refused"], False, f"{kind}, refused"),
    )
)


# --- alarms and states ------------------------------------------------------------------------------------

_SHADES: Final = {
    "RUNNING": "#cfe3f1",
    "BOLUS": "#7fb2d9",
    "PRIMING": "#b9dcc9",
    "UNCERTAIN": "#f3dfa2",
    "FAULT": "#f2b79a",
    "STOPPED": "#d5d5d5",
}
_OTHER_SHADE: Final = "#f7f7f7"
_BARS: Final = {
    "high": f'fill="{_RED}" stroke="{_RED}"',
    "medium": f'fill="url(#pump-ctrl-hatch)" stroke="{_RED}"',
    "low": f'fill="#fff" stroke="{_RED}"',
}


def _lanes_panel(trace: Traced, heading: Heading) -> Panel:
    alarms = sorted(trace.alarms, key=lambda a: (a["code"], a["raised_at_s"]))
    lanes = [(code, list(found)) for code, found in groupby(alarms, key=lambda a: str(a["code"]))]
    shown, left_out = lanes[:_MOST_LANES], len(lanes) - _MOST_LANES
    until = heading.duration_s

    def strip(x: Scale, top: float, bottom: float) -> str:
        rows = [_state_lane(trace.states, x, top, until)]
        rows += [_alarm_lane(*lane, x, top + _LANE * n, until) for n, lane in enumerate(shown, 1)]
        if left_out > 0:
            rows.append(svg.text(LEFT + 4, bottom - 5, f"and {left_out} more alarm codes", SMALL))
        return "".join(rows)

    legend = (*_state_legend(trace.states), *_alarm_legend(alarms))
    height = _LANE * (1 + len(shown) + (left_out > 0))
    return Panel("state and alarms" if alarms else "state; no alarms", height, strip, legend)


def _state_legend(states: Iterable[Row]) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys(str(state["state"]) for state in states):
        shade = _SHADES.get(name, _OTHER_SHADE)
        yield f'<rect x="2" y="-9" width="24" height="10" fill="{shade}" stroke="#999"/>', name.lower()


def _alarm_legend(alarms: Sequence[Row]) -> Iterator[tuple[str, str]]:
    for priority, look in _BARS.items():
        if any(alarm["priority"] == priority for alarm in alarms):
            yield f'<rect x="2" y="-8" width="24" height="8" {look}/>', f"{priority} alarm"


def _visible(spans: Iterable[tuple[float, float, Row]], least: float) -> Iterator[tuple[float, float, Row]]:
    """Spans (start, end, row) in pixels, ``least`` wide at least, without what adds under half a pixel."""
    last = -1.0
    for start, raw_end, row in spans:
        end = max(raw_end, start + least)
        if end - last >= 0.5:
            last = end
            yield start, end, row


def _state_lane(states: Sequence[Row], x: Scale, top: float, until: float) -> str:
    ends = [state["t_s"] for state in states[1:]] + [until] * bool(states)
    spans = ((x(s["t_s"]), x(end), s) for s, end in zip(states, ends, strict=True))
    parts = [_lane_label("state", top)]
    for start, end, state in _visible(spans, 0.5):
        name = str(state["state"])
        shade = _SHADES.get(name, _OTHER_SHADE)
        box = f'x="{px(start)}" y="{px(top)}" width="{px(end - start)}" height="16"'
        parts.append(f'<rect {box} fill="{shade}" stroke="#999"/>')
        if end - start > 8 * len(name):
            parts.append(svg.text(start + 4, top + 12, name.lower(), SMALL))
    return svg.group("state", 'stroke-width="0.5"', *parts)


def _alarm_lane(code: str, alarms: Iterable[Row], x: Scale, top: float, until: float) -> str:
    spans = ((x(a["raised_at_s"]), x(_or(a["cleared_at_s"], until)), a) for a in alarms)
    bars = []
    for start, end, alarm in _visible(spans, 2.0):
        box = f'x="{px(start)}" y="{px(top + 2)}" width="{px(end - start)}" height="12"'
        bars.append(f"<rect {box} {_BARS[alarm['priority']]}/>")
    return svg.group(f"alarm-{code}", 'stroke-width="1"', _lane_label(code, top), *bars)


def _or(time: float | None, until: float) -> float:
    """An alarm that is still there lasts to the end of the picture."""
    return until if time is None else time


def _lane_label(words: str, top: float) -> str:
    return svg.text(LEFT - 8, top + 12, words, f'{SMALL} text-anchor="end"')
