"""What the panels of a picture share: heading, strips with legend and frame, value and time axes.

Layer      bench. Standard library only.
Invariant  a time label is the plan's own local time, in which every day has 24 h; months are words.
Tests      tests/unit/test_plots.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from pump_ctrl.bench import svg
from pump_ctrl.bench.svg import Scale, px

WIDTH: Final = 1000
LEFT, RIGHT, TOP, GAP = 118, 976, 78, 32
SMALL: Final = 'font-size="11"'
_GREY: Final = "#d9d9d9"
_DAY: Final = 86_400
_LETTER: Final = 6.2  # mean width of a small letter, px


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands over the picture, and where its time axis begins (local time of the plan)."""

    plan_id: str
    title: str
    pump: str
    start_utc_ms: int
    utc_offset_ms: int
    duration_s: int

    def local(self, t_s: float) -> datetime:
        """Wall clock of the plan at ``t_s`` seconds from its start."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            milliseconds=self.start_utc_ms + self.utc_offset_ms, seconds=t_s
        )


@dataclass(frozen=True, slots=True)
class Panel:
    """One strip: its axis title, its height in pixels, what it shows and how its legend reads."""

    title: str
    height: int
    draw: Callable[[Scale, float, float], str]  # time scale, top and bottom in pixels -> markup
    legend: tuple[tuple[str, str], ...] = ()  # (look of the sample, words)


def sample(look: str) -> str:
    """A short stretch of a curve, for the legend."""
    return f'<g {look}><path d="M2 -4H26"/></g>'


def strip(panel: Panel, x: Scale, top: float) -> str:
    """One panel with its title and its legend over it, and its frame."""
    bottom = top + panel.height
    box = f'x="{LEFT}" y="{px(top)}" width="{RIGHT - LEFT}" height="{panel.height}"'
    frame = f'<rect {box} fill="none" stroke="#888"/>'
    words = svg.text(LEFT, top - 6, panel.title, SMALL)
    return words + panel.draw(x, top, bottom) + frame + _legend(panel.legend, top)


def _legend(entries: Sequence[tuple[str, str]], top: float) -> str:
    """One line over the panel, flush right."""
    place = RIGHT - sum(44 + _LETTER * len(words) for _, words in entries)
    parts = []
    for shown, words in entries:
        entry = shown + svg.text(31, 0, words, SMALL)
        parts.append(f'<g transform="translate({px(place)} {px(top - 5)})">{entry}</g>')
        place += 44 + _LETTER * len(words)
    return "".join(parts)


def value_grid(y: Scale, top: float, most: int = 5) -> str:
    """Horizontal rules with their values at the left."""
    ticks = y.ticks(most)
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    rules = "".join(f"M{LEFT} {px(y(tick))}H{RIGHT}" for tick in ticks)
    inside = [tick for tick in ticks if y(tick) >= top - 1]
    labels = "".join(svg.text(LEFT - 6, y(tick) + 4, svg.number(tick, step)) for tick in inside)
    return f'<path d="{rules}" stroke="{_GREY}"/><g font-size="11" text-anchor="end">{labels}</g>'


_HOURS: Final = (1, 2, 3, 6, 12)
_DAYS: Final = (1, 2, 7, 14, 28, 56, 91)


def _time_ticks(heading: Heading) -> tuple[list[int], bool]:
    """Seconds from the start that fall on round local times, and whether they are whole days."""
    steps = [3_600 * h for h in _HOURS] + [_DAY * d for d in _DAYS]
    step = next((s for s in steps if heading.duration_s / s <= 12), _DAY * 365)
    local = heading.local(0)
    since_midnight = local.hour * 3_600 + local.minute * 60 + local.second
    first = -since_midnight % min(step, _DAY)
    return list(range(first, heading.duration_s + 1, step)), step >= _DAY


def time_grid(x: Scale, heading: Heading, bottom: float) -> str:
    """Vertical rules through all panels, clock times or dates under them."""
    ticks, days = _time_ticks(heading)
    rules = "".join(f"M{px(x(t))} {TOP}V{px(bottom + 5)}" for t in ticks)
    labels = "".join(_time_label(x(t), bottom, heading.local(t), days, t == ticks[0]) for t in ticks)
    words = f'<g font-size="11" text-anchor="middle">{labels}</g>'
    look = f'{SMALL} text-anchor="middle"'
    title = svg.text((LEFT + RIGHT) / 2, bottom + 48, _time_title(heading), look)
    return f'<path d="{rules}" stroke="{_GREY}"/>{words}{title}'


def _time_label(place: float, bottom: float, at: datetime, days: bool, first: bool) -> str:
    """Clock over date where the axis shows hours, date over year where it shows days."""
    date = f"{at.day} {at.strftime('%b')}"
    upper, lower = (date, str(at.year)) if days else (at.strftime("%H:%M"), date)
    new = first or (at.month == 1 and at.day <= 7 if days else at.hour == 0)
    return svg.text(place, bottom + 18, upper) + (svg.text(place, bottom + 32, lower) if new else "")


def _time_title(heading: Heading) -> str:
    minutes = heading.utc_offset_ms // 60_000
    sign, minutes = "-" if minutes < 0 else "+", abs(minutes)
    return f"plan time (UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}), from {word_date(heading.local(0))}"


def word_date(at: datetime) -> str:
    """A date that no reader can take for another: the month is a word."""
    return f"{at.day} {at.strftime('%B')} {at.year}"
