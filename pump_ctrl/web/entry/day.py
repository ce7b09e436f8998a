"""The day of a plan as a drawing: rate, boluses on top, dose since midnight, and the limits as lines.

Layer      web; draws what the overview worked out. Floats are fine here: nothing that is drawn is ever given.
Hazard     a picture of another day than the one that is signed.
Invariant  rate and dose have an axis each, on the left and on the right; nothing is told by colour alone.
Tests      tests/unit/web/test_day.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from pump_ctrl import figures
from pump_ctrl.bench import svg
from pump_ctrl.bench.svg import Point, Scale
from pump_ctrl.therapy.overview import EVERY_DAY, DayRow, DrugFigures, Overview
from pump_ctrl.units import MS_PER_DAY, MS_PER_HOUR

WIDTH: Final = 640
FONT: Final = 14  # the panel draws 640 units on 560 px at the least, so that is never under 12 px
_LEFT, _RIGHT, _TOP, _HEIGHT, _BELOW = 64, 570, 48, 190, 34
_WORDS: Final = 38  # over the highest line: room for the words of the limits
_APART: Final = 12  # the highest rate stays below the line of the 24 h limit, which would hide it
_TALL: Final = _TOP + _HEIGHT + _BELOW
_RATE, _BOLUS, _SUM, _LIMIT, _INK = "#0b4f6c", "#a34a00", "#3c4a55", "#a30b0b", "#16212b"
_NEAR: Final = 4  # a limit further off than so many times what is drawn stands at the upper edge, and says so


@dataclass(frozen=True, slots=True)
class _Bolus:
    """The part of a bolus that falls on one side of midnight."""

    days: frozenset[str]
    from_ms: int
    until_ms: int
    pg_per_h: float


@dataclass(frozen=True, slots=True)
class _Day:
    """What one group of weekdays looks like: pg/h from each instant on, and the boluses on top."""

    days: tuple[str, ...]
    rates: Sequence[Point]
    boluses: Sequence[_Bolus]

    def rate(self, ms: float) -> float:
        return [rate for at, rate in self.rates if at <= ms][-1]

    def peak(self, bolus: _Bolus) -> float:
        return self.rate(bolus.from_ms) + bolus.pg_per_h

    @property
    def tallest(self) -> float:
        return max([1.0, *(rate for _, rate in self.rates), *(self.peak(bolus) for bolus in self.boluses)])

    @property
    def same(self) -> bool:
        """Whether every bolus is given on every day of the group."""
        return all(bolus.days >= set(self.days) for bolus in self.boluses)

    def dose(self) -> list[Point]:
        """Dose since midnight, pg, at each bend."""
        bends = {0.0, float(MS_PER_DAY), *(at for at, _ in self.rates)}
        bends |= {float(ms) for bolus in self.boluses for ms in (bolus.from_ms, bolus.until_ms)}
        total, found = 0.0, [(0.0, 0.0)]
        for before, at in pairwise(sorted(bends)):
            on_top = sum(b.pg_per_h for b in self.boluses if b.from_ms <= before < b.until_ms)
            total += (self.rate(before) + on_top) * (at - before) / MS_PER_HOUR
            found.append((at, total))
        return found


def day_svg(view: Overview) -> str:
    """Draw the day of each group of weekdays, one under the other, as one inline picture."""
    drug, days = view.drugs[0], _days(view.day)
    words = f"Rate of {drug.name} through the day, boluses on top, dose since midnight as a dashed line"
    charts = [part for number, day in enumerate(days) for part in _chart(day, drug, number * _TALL + _TOP)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {len(days) * _TALL}" role="img" '
        f'aria-label="{svg.clean(words)}" font-size="{FONT}" fill="{_INK}" '
        f'font-family="Helvetica, Arial, sans-serif">{"".join(charts)}</svg>'
    )


def _days(rows: Sequence[DayRow]) -> list[_Day]:
    boluses = [part for row in rows if row.bolus for part in _parts(row)]
    groups = dict.fromkeys(row.days for row in rows if not row.bolus)
    return [
        _Day(
            days,
            _rates([row for row in rows if row.days == days and not row.bolus]),
            [bolus for bolus in boluses if bolus.days & set(days)],
        )
        for days in groups
    ]


def _parts(row: DayRow) -> Iterator[_Bolus]:
    """What is left of a bolus at midnight is given on the next day; one that is given once, on one day."""
    rate, days = float(row.pg_per_h), frozenset(row.days[:1] if row.once else row.days)
    yield _Bolus(days, row.from_ms, min(row.until_ms, MS_PER_DAY), rate)
    if row.until_ms > MS_PER_DAY:
        after = frozenset(EVERY_DAY[(EVERY_DAY.index(day) + 1) % 7] for day in days)
        yield _Bolus(after, 0, row.until_ms - MS_PER_DAY, rate)


def _rates(steps: Sequence[DayRow]) -> list[Point]:
    """pg/h from each instant of the day on; the last step of the day before reaches past midnight."""
    found = sorted((float(row.from_ms % MS_PER_DAY), float(row.pg_per_h)) for row in steps)
    return found if found[0][0] == 0 else [(0.0, found[-1][1]), *found]


# --- drawing --------------------------------------------------------------------------------------------------------


def _chart(day: _Day, drug: DrugFigures, top: float) -> Iterator[str]:
    per, dose = figures.PG_PER[drug.unit], day.dose()
    hour, whole = _shown(drug.caps.get(1), day.tallest), _shown(drug.caps.get(24), dose[-1][1])
    bottom = top + _HEIGHT
    x = Scale(0, MS_PER_DAY, _LEFT, _RIGHT)
    y = Scale(0, max(day.tallest, hour) / per, bottom, top + _WORDS + _APART, root=True)
    sums = Scale(0, max(1.0, dose[-1][1], whole) / per, bottom, top + _WORDS)
    yield from _titles(day, drug, dose[-1][1], top)
    yield from _axes(x, y, sums, top)
    curve = svg.step_path([(at, rate / per) for at, rate in day.rates], x, y, MS_PER_DAY)
    yield svg.group("rate", f'fill="none" stroke="{_RATE}" stroke-width="2.5"', svg.path(curve))
    yield from (_bolus(bolus, day, x, y, per) for bolus in day.boluses)
    sum_curve = svg.line_path([(at, pg / per) for at, pg in dose], x, sums)
    yield svg.group(
        "dose", f'fill="none" stroke="{_SUM}" stroke-width="2" stroke-dasharray="7 4"', svg.path(sum_curve)
    )
    for hours, at in ((1, y(hour / per) if hour else None), (24, sums(whole / per) if whole else None)):
        if hours in drug.caps:
            yield from _limit(hours, figures.mass(drug.caps[hours], drug.unit), at, top)


def _shown(cap: int | None, drawn: float) -> float:
    """A limit that is near enough to be drawn to scale; else 0."""
    return float(cap) if cap is not None and cap <= _NEAR * drawn else 0.0


def _titles(day: _Day, drug: DrugFigures, total: float, top: float) -> Iterator[str]:
    days = (
        "Every day" if len(day.days) == len(EVERY_DAY) else ", ".join(name.capitalize() for name in day.days)
    )
    dose = f"{figures.mass(round(total), drug.unit)} {'in all' if day.same else 'on the day that has most'}"
    yield svg.text(0, top - 32, f"{days}: {dose}", 'font-weight="bold"')
    yield svg.text(0, top - 12, f"{drug.name}, {drug.unit}/h (line)")
    yield svg.text(WIDTH, top - 12, f"since 00:00, {drug.unit} (dashed)", 'text-anchor="end"')


def _bolus(bolus: _Bolus, day: _Day, x: Scale, y: Scale, per: int) -> str:
    base, peak = day.rate(bolus.from_ms) / per, day.peak(bolus) / per
    left, right = x(bolus.from_ms), max(x(bolus.from_ms) + 3, x(bolus.until_ms))
    tip = y(peak)
    return (
        f'<g data-series="bolus"><title>bolus at {figures.clock(bolus.from_ms)}</title>'
        f'<rect x="{svg.px(left)}" y="{svg.px(tip)}" width="{svg.px(right - left)}" '
        f'height="{svg.px(max(1.0, y(base) - tip))}" fill="{_BOLUS}"/>'
        f'<path d="M{svg.px(left - 4)} {svg.px(tip - 9)}h8l-4 7z" fill="{_BOLUS}"/></g>'
    )


def _limit(hours: int, cap: str, at: float | None, top: float) -> Iterator[str]:
    """The hour's limit belongs to the rate on the left, that of 24 h to the dose on the right; None: above both."""
    dashes, place, x = (
        ("2 3", "", _LEFT + 4) if hours == 1 else ("10 3 2 3", ' text-anchor="end"', _RIGHT - 4)
    )
    look = f'fill="none" stroke="{_LIMIT}" stroke-width="2" stroke-dasharray="{dashes}"'
    words = f"limit of any {'hour' if hours == 1 else '24 h'} {cap}"
    line = top if at is None else at
    yield svg.group(f"limit-{hours}", look, f'<path d="M{_LEFT} {svg.px(line)}H{_RIGHT}"/>')
    halo = f'fill="{_LIMIT}" stroke="#fff" stroke-width="3" paint-order="stroke"{place}'
    yield svg.text(
        x,
        top + FONT + 3 if at is None else at - 6,
        f"▲ {words}" if at is None else words,
        halo,
    )


def _axes(x: Scale, y: Scale, sums: Scale, top: float) -> Iterator[str]:
    bottom = top + _HEIGHT
    frame = f"M{_LEFT} {svg.px(top)}V{svg.px(bottom)}H{_RIGHT}V{svg.px(top)}"
    yield f'<path d="{frame}" fill="none" stroke="{_INK}"/>'
    for hour in range(0, 25, 3):
        at = x(hour * MS_PER_HOUR)
        yield f'<path d="M{svg.px(at)} {svg.px(bottom)}v5" stroke="{_INK}"/>'
        yield svg.text(at, bottom + 20, f"{hour:02}:00", 'text-anchor="middle"')
    for at, words in _labels(y, 4):
        yield f'<path d="M{_LEFT} {svg.px(at)}H{_RIGHT}" stroke="#c9d1d7"/>'
        yield svg.text(_LEFT - 6, at + 5, words, 'text-anchor="end"')
    for at, words in _labels(sums, 4):
        yield f'<path d="M{_RIGHT} {svg.px(at)}h5" stroke="{_INK}"/>'
        yield svg.text(_RIGHT + 8, at + 5, words)


def _labels(scale: Scale, most: int) -> Iterator[tuple[float, str]]:
    """Ticks with room for their words, from the bottom up."""
    ticks = scale.ticks(most)
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    last = scale.start + FONT + 2
    for tick in ticks:
        if last - scale(tick) >= FONT + 1:
            last = scale(tick)
            yield last, svg.number(tick, step)
