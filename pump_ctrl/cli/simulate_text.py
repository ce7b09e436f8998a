"""What ``simulate`` prints: the first day dose by dose, days, totals, windows, boluses, alarms, violations.

Layer      cli. Prints a finished run; works nothing out but sums of what is printed.
Tests      tests/unit/test_cli_simulate.py
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, Protocol

from pump_ctrl.cli.text import indented, pairs, table
from pump_ctrl.figures import brief, date, local, mass, ml, rounded
from pump_ctrl.safety.alarms import ROWS
from pump_ctrl.safety.ask import readable
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.plan import DosingPlan

Row = dict[str, Any]
_DAY: Final = 86_400
_DAILY: Final = 31  # days that are listed one by one; after them, weeks
_EVENTS: Final = 60  # lines of the first day
_WIDTH: Final = 150
_NAMED_TWICE: Final = re.compile(r"\b([a-z-]+): \1: ")  # a rule, and the reason that begins with it
_RANGE: Final = re.compile(r"\b([0-9]+) to ([0-9]+) (nL|pg)\b")
_WAITS: Final = {  # states in which nothing new is given, and what ends them
    "WAITING": "waits until a person has confirmed what was given",
    "UNCERTAIN": "the outcome of a command is unknown; nothing new is given until the pump has told it",
    "PAUSED": "paused; nothing new is given until a person resumes (--request TIME=resume)",
    "STOPPED": "stopped by a person; nothing new is given until a person resumes (--request TIME=resume)",
    "FAULT": "an alarm forbids delivery; nothing new is given until a person acknowledges (--request TIME=ack), "
    "looks where only a person can (--request TIME=resolve), and resumes (--request TIME=resume)",
}
_MOST: Final = 12  # rows of a list that may be long; --json has all of them


class Curves(Protocol):
    """What of the run's trace is printed: events, and volume curves as (s, nL)."""

    @property
    def events(self) -> Sequence[tuple[int, str]]:
        """What happened, dose by dose, in order of time."""

    @property
    def planned(self) -> Sequence[tuple[float, float]]:
        """Planned volume since the start."""

    @property
    def delivered(self) -> Sequence[tuple[float, float]]:
        """What truly left the pump since the start."""

    @property
    def labels(self) -> Sequence[tuple[float, Mapping[str, int]]]:
        """From when on (s) which label was in force: pg/mL of each drug."""


class Times:
    """Seconds from the start as the plan's wall clock."""

    def __init__(self, plan: DosingPlan) -> None:
        self._plan = plan

    def full(self, t_s: int) -> str:
        """``Friday 20 November 2026 08:00:00``."""
        at = local(self._plan.start_utc_ms + t_s * 1_000, self._plan.utc_offset_ms)
        return f"{date(at)} {at:%H:%M:%S}"

    def short(self, t_s: int) -> str:
        """``20 Nov 08:00:00``."""
        at = local(self._plan.start_utc_ms + t_s * 1_000, self._plan.utc_offset_ms)
        return f"{at.day:>2} {at:%b %H:%M:%S}"

    def day(self, t_s: int) -> str:
        """``20 Nov 2026``."""
        at = local(self._plan.start_utc_ms + t_s * 1_000, self._plan.utc_offset_ms)
        return f"{at.day:>2} {at:%b %Y}"


def summary(run: Row, curves: Curves, plan: DosingPlan, formulary: Formulary, refill: str) -> list[str]:
    """Every part of a run's summary. ``run`` is the object of ``simulate --json``."""
    times = Times(plan)
    units = {drug["name"]: formulary.drug(drug["name"]).unit for drug in run["drugs"]}
    parts = (
        ("First day, dose by dose", first_day(curves.events, times)),
        ("Day by day", days(run, curves, plan, units)),
        ("Volume", volumes(run["volume_nl"])),
        ("Drugs", drugs(run["drugs"], units)),
        ("Worst windows against the limits", windows(run["drugs"], units)),
        ("Boluses", boluses(run["boluses"], times)),
        ("Alarms", alarms(run["alarms"], times)),
        ("Violations", violations(run["violations"], times)),
        ("At the end", at_the_end(run["states"], times)),
        ("Refill", [refill]),
    )
    return [line for title, lines in parts if lines for line in ("", title, *indented(lines))]


def first_day(events: Iterable[tuple[int, str]], times: Times) -> list[str]:
    """What happened in the first 24 hours; a long day is cut short, the journal has it all."""
    lines = [f"{times.short(t_s)}  {_clipped(text)}" for t_s, text in events if t_s < _DAY]
    more = len(lines) - _EVENTS
    return [*lines[:_EVENTS], f"and {more} more; --journal keeps all"] if more > 0 else lines


def _clipped(text: str) -> str:
    text = _NAMED_TWICE.sub(r"\1: ", text)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def days(run: Row, curves: Curves, plan: DosingPlan, units: Mapping[str, str]) -> list[str]:
    """Planned and delivered of each day (of each week after a month), by the primary drug's label."""
    if run["duration_s"] <= _DAY:
        return []
    primary, labels = plan.primary.name, curves.labels
    times, unit = Times(plan), units[primary]
    rows = []
    for begin, end in _spans(run["duration_s"]):
        both = (curves.planned, curves.delivered)
        doses = (mass(_pg_between(curve, labels, primary, begin, end), unit) for curve in both)
        delivered = _between(curves.delivered, begin, end)
        given, asked = _counted(run["boluses"], begin, end)
        raised = sum(begin <= alarm["raised_at_s"] < end for alarm in run["alarms"])
        rows.append(
            (
                _number(begin, end),
                times.day(begin),
                *doses,
                ml(round(delivered)),
                f"{given} of {asked}",
                str(raised),
            )
        )
    head = ("day", "from", f"planned {primary}", "delivered", "volume", "boluses", "alarms")
    return table(head, rows, left=2)


def _spans(duration_s: int) -> Iterator[tuple[int, int]]:
    begin = 0
    while begin < duration_s:
        end = min(begin + (_DAY if begin < _DAILY * _DAY else 7 * _DAY), duration_s)
        yield begin, end
        begin = end


def _number(begin: int, end: int) -> str:
    first, last = begin // _DAY + 1, -(-end // _DAY)
    return str(first) if first == last else f"{first}-{last}"


def _pg_between(
    curve: Sequence[tuple[float, float]],
    labels: Sequence[tuple[float, Mapping[str, int]]],
    drug: str,
    begin: int,
    end: int,
) -> Fraction:
    """Volume between two times as mass, each part by the label in force; for print only."""
    total = Fraction(0)
    for n, (since, label) in enumerate(labels):
        first = max(float(begin), since)
        last = min(float(end), labels[n + 1][0]) if n + 1 < len(labels) else float(end)
        if first < last:
            total += round(_between(curve, first, last)) * Fraction(label.get(drug, 0), 10**6)
    return total


def _between(curve: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    return _at(curve, end) - _at(curve, begin)


def _at(curve: Sequence[tuple[float, float]], t_s: float) -> float:
    """Value of a piecewise linear curve; for print only."""
    n = bisect_right(curve, t_s, key=lambda point: point[0])
    if n == 0:
        return 0.0
    (t0, v0) = curve[n - 1]
    if n == len(curve):
        return v0
    t1, v1 = curve[n]
    return v0 + (v1 - v0) * (t_s - t0) / (t1 - t0)


def _counted(boluses: Iterable[Row], begin: int, end: int) -> tuple[int, int]:
    found = [bolus["outcome"] for bolus in boluses if begin <= bolus["requested_at_s"] < end]
    return found.count("delivered"), len(found)


def volumes(found: Row) -> list[str]:
    """Planned, commanded, missed, delivered, ledger."""
    planned = found["planned"]
    rows = [
        (name, ml(found[name]), _share(found[name], planned))
        for name in ("planned", "commanded", "missed", "delivered")
    ]
    ledger = f"{ml(found['ledger_low'])} to {ml(found['ledger_high'])}"
    return [*table(("", "volume", "of planned"), rows), f"safety ledger: {ledger}"]


def _share(part: int, whole: int) -> str:
    return f"{rounded(Fraction(part * 100, whole), 2)} %" if whole else ""


def _ng(value: int, unit: str) -> str:
    return mass(value * 1_000, unit)


def drugs(found: Iterable[Row], units: Mapping[str, str]) -> list[str]:
    """What each drug did: planned, out of the pump, out of the catheter."""
    keys = ("planned_ng", "delivered_ng", "at_tip_ng")
    rows = [(drug["name"], *(_ng(drug[key], units[drug["name"]]) for key in keys)) for drug in found]
    return table(("drug", "planned", "left the pump", "left the catheter"), rows)


def windows(found: Iterable[Row], units: Mapping[str, str]) -> list[str]:
    """The worst window of each length: by the ledger, in truth, and the limit."""
    rows = [
        (drug["name"], f"{w['hours']} h", *_window(w, units[drug["name"]]))
        for drug in found
        for w in drug["windows"]
    ]
    return table(("drug", "window", "ledger", "truth", "limit", "of limit"), rows)


def _window(window: Row, unit: str) -> tuple[str, ...]:
    limit = window["limit_ng"]
    share = f"{rounded(Fraction(window['worst_ng'] * 100, limit), 0)} %" if limit else ""
    cap = "none" if limit is None else _ng(limit, unit)
    return (_ng(window["worst_ng"], unit), _ng(window["truth_ng"], unit), cap, share)


def boluses(found: Sequence[Row], times: Times) -> list[str]:
    """How many of each kind had which outcome; then those that were not delivered, with the reason."""
    if not found:
        return ["none"]
    counts = Counter((bolus["kind"], bolus["outcome"]) for bolus in found)
    lines = [f"{kind}: {count} {outcome}" for (kind, outcome), count in sorted(counts.items())]
    rest = [bolus for bolus in found if bolus["outcome"] != "delivered"]
    return lines + _few(
        [f"{times.short(b['requested_at_s'])}  {b['kind']} {b['outcome']}{_why(b)}" for b in rest]
    )


def _why(bolus: Row) -> str:
    rule, reason = bolus["rule"] or "", bolus["reason"] or ""
    why = reason if reason.startswith(rule) else f"{rule}: {reason}"  # most reasons begin with their rule
    given = (
        f" ({ml(bolus['delivered_nl'])} of {ml(bolus['volume_nl'])} given)" if bolus["delivered_nl"] else ""
    )
    return given + (f"; {why}" if why else "")


def alarms(found: Sequence[Row], times: Times) -> list[str]:
    """Every alarm code: how often it was raised, when first, and when it went last."""
    if not found:
        return ["none"]
    by_code: dict[tuple[str, str], list[Row]] = {}
    for alarm in found:
        by_code.setdefault((alarm["code"], alarm["priority"]), []).append(alarm)
    rows = [
        (*key, str(len(group)), times.short(group[0]["raised_at_s"]), _gone(group, times))
        for key, group in by_code.items()
    ]
    conditions = {code: ROWS[code].condition for code, _ in by_code}
    told = table(("alarm", "priority", "times", "first raised", "last gone"), rows, left=2)
    return [*told, "", *pairs(conditions.items())]


def _gone(alarms: Sequence[Row], times: Times) -> str:
    cleared = [alarm["cleared_at_s"] for alarm in alarms]
    return "still there" if None in cleared else times.short(max(cleared))


def violations(found: Sequence[Row], times: Times) -> list[str]:
    """What the oracle found in the truth; nothing is left out."""
    if not found:
        return ["none: what truly happened is within what was signed, at the accuracy that the pump declares"]
    told = (readable(_RANGE.sub(r"\1 \3 to \2 \3", v["detail"])) for v in found)
    return [f"{v['id']} at {times.short(v['t_s'])}: {words}" for v, words in zip(found, told, strict=True)]


def at_the_end(states: Sequence[Row], times: Times) -> list[str]:
    """Why nothing is given any more, where that is so; else nothing."""
    if not states or states[-1]["state"] not in _WAITS:
        return []
    state, since = states[-1]["state"], times.full(states[-1]["t_s"])
    return [f"{state} since {since}: {_WAITS[state]}"]


def _few(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST
    return [*lines[:_MOST], f"and {more} more; --json lists all"] if more > 0 else lines


def heading(run: Row, plan: DosingPlan, notice: str) -> list[str]:
    """What ran, on what, for how long."""
    hours = Fraction(run["duration_s"], 3_600)
    lasted = f"{brief(hours / 24, 2)} days" if hours > 48 else f"{brief(hours, 2)} h"
    lines = [
        f"{plan.id}: {plan.title}",
        f"{lasted} from {Times(plan).full(0)} on {run['pump']['name']}",
        notice,
    ]
    return [*lines, *pairs((("sha256", plan.sha256),))]
