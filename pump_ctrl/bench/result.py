"""What a simulated run gives back: the contract of ``simulate --json`` and the curves for the plot.

Layer      bench. Reads the journal, the guard's bounds and the simulator's truth after the run.
Tests      tests/unit/test_simulate.py

Times are s from the plan's start (rounded down), volumes nL, masses ng (the worst windows rounded up).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, NamedTuple

from pump_ctrl.bench.oracle import Violation, Window
from pump_ctrl.controller.books import BOLUSES
from pump_ctrl.safety.alarms import ROWS
from pump_ctrl.safety.ask import readable
from pump_ctrl.units import Volume
from sim.truth import Truth

WORTH_TELLING_NL = 50  # smaller gaps are in the journal and in the sum, not in the list of events
Row = dict[str, Any]
CurvePoint = tuple[float, float]


class Fill(NamedTuple):
    """The reservoir was filled with ``filled_nl`` at ``t_s``, when ``left_nl`` had left the pump."""

    t_s: float
    left_nl: float
    filled_nl: float


@dataclass(frozen=True, slots=True)
class DrugResult:
    """One drug of the run: planned, out of the pump, out of the tip (ng) and its worst windows."""

    name: str
    planned_ng: int
    delivered_ng: int
    at_tip_ng: int
    windows: tuple[Window, ...]

    def as_json(self) -> Row:
        """The contract's object."""
        return {
            "name": self.name,
            "planned_ng": self.planned_ng,
            "delivered_ng": self.delivered_ng,
            "at_tip_ng": self.at_tip_ng,
            "windows": [
                {"hours": w.hours, "worst_ng": w.worst_ng, "truth_ng": w.truth_ng, "limit_ng": w.limit_ng}
                for w in self.windows
            ],
        }


@dataclass(frozen=True, slots=True)
class Trace:
    """Curves for the plot, breakpoints in s; the lists are those of the JSON.

    ``labels``: from when on which plan was in force, s, and what its label says of each drug, pg/mL.
    """

    rate: list[CurvePoint]
    planned: list[CurvePoint]
    delivered: list[CurvePoint]
    reservoir: list[CurvePoint]
    tip: Mapping[str, list[CurvePoint]]
    boluses: list[Row]
    alarms: list[Row]
    states: list[Row]
    events: list[tuple[int, str]]
    labels: list[tuple[float, Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """A finished run. ``refusals``: what people asked for and were refused, but for boluses, in words."""

    plan_id: str
    plan_sha256: str
    pump_name: str
    protocol: str
    duration_s: int
    volume_nl: Mapping[str, int]
    drugs: tuple[DrugResult, ...]
    boluses: list[Row]
    alarms: list[Row]
    states: list[Row]
    violations: tuple[Violation, ...]
    trace: Trace
    counts: Mapping[str, int]
    refusals: tuple[str, ...] = ()

    def as_json(self) -> Row:
        """One JSON object of the contract ``pump-ctrl/simulate/1``."""
        return {
            "schema": "pump-ctrl/simulate/1",
            "plan": {"id": self.plan_id, "sha256": self.plan_sha256},
            "pump": {"name": self.pump_name, "protocol": self.protocol},
            "duration_s": self.duration_s,
            "volume_nl": dict(self.volume_nl),
            "drugs": [drug.as_json() for drug in self.drugs],
            "boluses": self.boluses,
            "alarms": self.alarms,
            "states": self.states,
            "violations": [{"id": v.id, "t_s": v.t_s, "detail": v.detail} for v in self.violations],
        }


def bolus_rows(records: Iterable[Any]) -> list[Row]:
    """Every bolus that was asked for, in order, with what became of it last."""
    rows: dict[str, Row] = {}
    for data, shift_ms in _of_kind("bolus", records):
        rows[data["id"]] = {
            "id": data["id"],
            "kind": data["kind"],
            "requested_at_s": (data["requested_ms"] - shift_ms) // 1_000,
            "outcome": data["outcome"],
            "rule": data["rule"] or None,
            "reason": data["reason"] or None,
            "volume_nl": data["volume_nl"],
            "delivered_nl": data["delivered_nl"],
        }
    return list(rows.values())


def state_rows(records: Iterable[Any]) -> list[Row]:
    """The controller's states from the start on."""
    of_kind = _of_kind("state", records)
    changes = [((data["plan_ms"] - shift_ms) // 1_000, data["state"]) for data, shift_ms in of_kind]
    return [{"t_s": t_s, "state": state} for t_s, state in [(0, "WAITING"), *changes]]


def _of_kind(kind: str, records: Iterable[Any]) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Data of each record of that kind, and plan time in it minus plan time of the first plan, ms."""
    shift_ms = 0
    for record in records:
        if record.kind == kind:
            yield record.data, shift_ms
        elif record.kind == "loaded":
            shift_ms += record.data["shift_ms"]


def alarm_rows(records: Iterable[Any], start_utc_ms: int) -> list[Row]:
    """Every alarm, with when its condition arose and when it was gone."""
    rows: list[Row] = []
    active: dict[str, Row] = {}
    for record in records:
        if record.kind != "alarm":
            continue
        code, t_s = record.data["code"], (record.utc_ms - start_utc_ms) // 1_000
        if record.data["what"] == "raised":
            active[code] = {
                "code": code,
                "priority": ROWS[code].priority.value,
                "raised_at_s": t_s,
                "cleared_at_s": None,
            }
            rows.append(active[code])
        elif record.data["what"] == "gone" and code in active:
            active.pop(code)["cleared_at_s"] = t_s
    return rows


def kind_counts(records: Iterable[Any]) -> dict[str, int]:
    """How many records of each kind."""
    return dict(Counter(record.kind for record in records))


def event_list(records: Iterable[Any], start_utc_ms: int) -> list[tuple[int, str]]:
    """What happened, one line each, s from the start."""
    told: list[tuple[int, str]] = []
    for record in records:
        tell = _TOLD.get(record.kind)
        if tell is not None and (text := tell(record.data)):
            told.append(((record.utc_ms - start_utc_ms) // 1_000, text))
    return told


def _asked(data: Mapping[str, Any]) -> str:
    """A bolus and the basal that the pump was told with it are told apart."""
    spans, purpose = data["spans"], data["purpose"]
    if purpose not in BOLUSES:
        return f"{purpose}: {_in_steps(sum(span[3] for span in spans), spans)}"
    _, begins, ends, volume, beside = spans[0][:5]
    told = f"{purpose} bolus: {Volume(volume - beside)} over {readable(f'{ends - begins} ms')}"
    basal = beside + sum(span[3] for span in spans[1:])
    return f"{told}; basal: {_in_steps(basal, spans)}" if basal else told


def _in_steps(volume_nl: int, spans: Sequence[Sequence[Any]]) -> str:
    steps, length = len(spans), readable(f"{spans[-1][2] - spans[0][1]} ms")
    return f"{Volume(volume_nl)} in {steps} step{'' if steps == 1 else 's'} over {length}"


def _bolus(data: Mapping[str, Any]) -> str:
    why = f" ({data['rule']}: {data['reason']})" if data["rule"] else ""
    return f"{data['kind']} bolus {data['outcome']}: {Volume(data['delivered_nl'])}{why}"


def _missed(data: Mapping[str, Any]) -> str:
    nl = Fraction(data["nl"])
    return "" if nl < WORTH_TELLING_NL else f"missed {float(nl) / 1_000:.3f} uL: {data['why']}"


def _alarm(data: Mapping[str, Any]) -> str:
    return f"alarm {data['code']} {data['what']}" + (
        f": {readable(data['detail'])}" if data["detail"] else ""
    )


_TOLD: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "asked": _asked,
    "bolus": _bolus,
    "missed": _missed,
    "alarm": _alarm,
    "state": lambda data: f"state {data['state']}",
    "stop": lambda data: f"STOP: {data['why']} ({data['what']})",
    "power-cut": lambda data: f"power cut: {data['why']} ({data['what']})",
    "seen": lambda data: f"the sensor proves {Volume(data['extra'])} more" if data["extra"] else "",
    "confirm": lambda data: f"confirmed by {data['by']}",
    "request": lambda data: f"request {data['kind']}",
    "filling": lambda data: f"at the refill {data['check']}" if "check" in data else "",
    "refill": lambda data: f"refilled by {data['by']}: {Volume(data['fill_nl'])} at the most",
    "vouched": lambda data: f"{data['by']} vouches that {data['code']} is over: {data['reason']}",
    "loaded": lambda data: f"plan {data['plan'][:16]} loaded by {data['by']}",
}


def delivered_curve(truth: Truth) -> list[CurvePoint]:
    """What truly left the pump."""
    return [(t / 1_000, pl / 1_000) for t, pl in truth.corners()]


def reservoir_curve(
    delivered: Iterable[CurvePoint], filled_nl: float, fills: Iterable[Fill]
) -> Iterator[CurvePoint]:
    """What is in the reservoir, nL."""
    left_at_fill, coming = 0.0, deque(fills)
    for t, nl in delivered:
        while coming and coming[0].t_s <= t:
            fill = coming.popleft()
            yield fill.t_s, filled_nl - (fill.left_nl - left_at_fill)
            yield fill.t_s, fill.filled_nl
            left_at_fill, filled_nl = fill.left_nl, fill.filled_nl
        yield t, filled_nl - (nl - left_at_fill)


def rate_curve(delivered: list[CurvePoint]) -> list[CurvePoint]:
    """The flow between the corners, nL/h; each keeps until the next."""
    return [(t0, (v1 - v0) * 3_600 / (t1 - t0)) for (t0, v0), (t1, v1) in pairwise(delivered) if t1 > t0]


def tip_curves(truth: Truth, drugs: Iterable[str]) -> dict[str, list[CurvePoint]]:
    """Mean concentration at the tip between the corners, pg/mL; no point where nothing flows."""
    points = truth.points
    curves: dict[str, list[CurvePoint]] = {drug: [] for drug in drugs}
    for before, after in pairwise(points):
        volume = after.delivered_pl - before.delivered_pl
        for drug, curve in curves.items():
            if volume > 1_000_000:  # whole pg over less than a microlitre would be noise
                level = (after.tip_pg[drug] - before.tip_pg[drug]) * 1_000_000_000 / volume
                curve += [(before.t_ms / 1_000, level), (after.t_ms / 1_000, level)]
    return curves
