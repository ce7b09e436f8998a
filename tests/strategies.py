"""Hypothesis strategies for whole dosing plans: few values, at the edges, nothing that a review would block.

``approved_plans()`` gives plans in every form the file format has, for an implant or for any pump of the package;
``approved_changes()`` gives a plan with the one before it, with and without another concentration. Doses stay well
inside the formulary, flows inside the pump's range, so that plans drawn can be compiled, approved and run. The shapes
sit on the edges: steps a minute apart or at midnight, 1, 12 or 13 of them, boluses at the very start,
lateness of a second or an hour, volumes that are no whole pump step, stages that begin a minute after a full
day.

All flows are nL/h, all masses pg; the text of a plan is made from them exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Any, Final

from hypothesis import assume
from hypothesis import strategies as st

from pump_ctrl.therapy.plan import DosingPlan, plan_from
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.review import blocked, review
from tests.whole_stack import HOUR, formulary, profile

MODES: Final = ("simple", "flex", "weekdays", "minimum", "stopped")
LEAST: Final = 2_000  # nL/h: 0.048 mL/day, the implant's lowest flow
WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
STARTS: Final = ("2026-11-20T08:00", "2026-11-22T23:59", "2026-11-23T00:00", "2028-02-28T22:00")
OFFSETS: Final = ("+01:00", "-11:30", "+00:00")
TIMES: Final = (
    "00:00", "00:01", "02:52", "03:00", "05:59", "06:00", "07:59", "08:00", "09:00", "12:00",
    "12:01", "15:30", "18:00", "21:59", "22:00", "22:20", "23:00", "23:59",
)  # fmt: skip
# More than two hours apart, so that within + over of every choice below leaves room for the next one.
SLOTS: Final = ("00:00", "02:30", "08:00", "12:00", "15:00", "21:30")
WITHIN: Final = ("1 s", "5 min", "1 h")
OVER_MS: Final = (600_000, 601_000, 1_200_000, 4_800_000)
AFTER: Final = ("48 h", "2881 min", "7 d")
SOON: Final = ("1441 min", "1502 min", "48 h")  # for a pump that is looked at for a few days only
CHANGES: Final = {
    "+20 %": Fraction(6, 5),
    "+10 %": Fraction(11, 10),
    "-10 %": Fraction(9, 10),
    "-20 %": Fraction(4, 5),
}


LOSSES: Final[tuple[object, ...]] = ("stop", {"hold": "1 h"}, {"hold": "4 h"}, {"hold": "24 h"})
IMPLANT: Final = ("implant-40",)
LOWEST: Final = Fraction(4, 5)  # of the first dose: the pump's lowest flow is never far away


@dataclass(frozen=True)
class Mixture:
    """Drugs with their strengths (pg/nL, the first is the primary), flows and bolus volumes well in range."""

    drugs: tuple[tuple[str, int], ...]
    flows: tuple[int, ...]
    bolus_nl: tuple[int, ...]
    on_loss: object
    over_ms: tuple[int, ...] = OVER_MS

    @property
    def strength(self) -> int:
        """Of the primary drug, pg/nL."""
        return self.drugs[0][1]

    def on(self, pump: PumpProfile) -> Mixture:
        """The same drugs on a bench pump: its lowest flow and those that leave a syringe some days, and boluses from
        the least on that it can be told.
        """
        if pump.kind == "implant":
            return self
        slowest, most = ceil(pump.least_nl(HOUR)), pump.capacity.nl // 96
        own = sorted({slowest, slowest + 1, *(flow for flow in self.flows if slowest < flow < most)})
        over_ms = tuple(over for over in OVER_MS if over <= pump.lease.ms)
        bolus = ceil(pump.least_nl(over_ms[-1]))
        bolus_nl = (bolus, min(3 * bolus, bolus + pump.capacity.nl // 50))
        return replace(self, flows=tuple(own), bolus_nl=bolus_nl, over_ms=over_ms)


# Filled, and the alarm, as shares of what the pump holds.
FILLS: Final = {
    "implant": (Fraction(19, 20), Fraction(1, 20)),
    "syringe": (Fraction(1), Fraction(1, 10)),
}
MIXTURES: Final = (
    Mixture((("baclofen", 1_000),), (LEAST, 2_001, 12_521, 25_000), (20_000, 60_000), {"hold": "4 h"}),
    Mixture((("baclofen", 2_000),), (LEAST, 4_000, 12_500), (12_500, 30_000), {"hold": "24 h"}),
    Mixture((("morphine", 10_000),), (LEAST, 6_250, 20_000), (10_000, 40_000), "stop"),
    Mixture(
        (("morphine", 15_000), ("bupivacaine", 20_000), ("clonidine", 200)),
        (LEAST, 11_111, 15_000),
        (6_667, 26_667),
        {"hold": "4 h"},
    ),
    Mixture((("ziconotide", 25),), (LEAST, 3_333), (2_700, 4_000), "stop"),
)


@st.composite
def _levels(draw: st.DrawFn, mixture: Mixture, least: int, times: Sequence[str]) -> list[dict[str, str]]:
    """Basal steps at ``times``, each written as a rate or as a dose; the first one is not a rest."""
    flows = [max(least, flow) for flow in mixture.flows]
    steps = []
    for i, at in enumerate(times):
        pg_per_h = draw(st.sampled_from(flows if i == 0 else [*flows, 0])) * mixture.strength
        if draw(st.booleans()):
            steps.append({"from": at, "rate": f"{pg_per_h} pg/h"})
        else:
            minutes = _minutes(times[(i + 1) % len(times)]) - _minutes(at)
            minutes = minutes if minutes > 0 else minutes + 1_440
            steps.append({"from": at, "dose": f"{ceil(Fraction(pg_per_h * minutes, 60))} pg"})
    return steps


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


@st.composite
def _times(draw: st.DrawFn, first: str | None = None) -> list[str]:
    count = draw(st.sampled_from((1, 2, 3, 12, 13)))
    pool = [at for at in TIMES if at != first]
    rest = draw(st.lists(st.sampled_from(pool), min_size=count - 1, max_size=count - 1, unique=True))
    return sorted(
        [first, *rest] if first else [*rest, draw(st.sampled_from([t for t in pool if t not in rest]))]
    )


@st.composite
def _basal(draw: st.DrawFn, mode: str, mixture: Mixture, least: int) -> dict[str, Any]:
    if mode in ("minimum", "stopped"):
        return {"mode": mode}
    if mode == "simple":
        flow = max(least, draw(st.sampled_from(mixture.flows)))
        return {"rate": f"{flow * mixture.strength * 24} pg/day"}
    if mode == "flex":
        return {"steps": draw(_levels(mixture, least, draw(_times())))}
    split = draw(st.sampled_from((1, 5, 6)))
    groups = (WEEK[:split], WEEK[split:])
    steps = [draw(_levels(mixture, least, draw(_times("00:00")))) for _ in groups]
    return {"days": [{"days": list(days), "steps": own} for days, own in zip(groups, steps, strict=True)]}


@st.composite
def _titration(draw: st.DrawFn, after: Sequence[str]) -> tuple[list[dict[str, str]], Fraction]:
    """Up to three steps, and the least factor on the basal that they ever reach: 4/5 to 1."""
    changes: list[str] = []
    factor = lowest = Fraction(1)
    for _ in range(draw(st.sampled_from((1, 2, 3)))):
        possible = sorted(name for name, by in CHANGES.items() if factor * by >= LOWEST)
        changes.append(draw(st.sampled_from(possible)))
        factor *= CHANGES[changes[-1]]
        lowest = min(lowest, factor)
    return [{"after": draw(st.sampled_from(after)), "change": change} for change in changes], lowest


@st.composite
def _bolus(draw: st.DrawFn, mixture: Mixture, at: str) -> dict[str, Any]:
    own: dict[str, Any] = {
        "at": at,
        "dose": _dose(draw, mixture),
        "over": f"{draw(st.sampled_from(mixture.over_ms))} ms",
        "within": draw(st.sampled_from(WITHIN)),
    }
    when = draw(st.sampled_from(("daily", "daily", "once", "sat")))
    return own | ({"once": True} if when == "once" else {"days": ["sat", "mon"]} if when == "sat" else {})


def _dose(draw: st.DrawFn, mixture: Mixture) -> str:
    """A bolus; one picogram more makes its volume a fraction of a nanolitre and of a pump step."""
    return f"{draw(st.sampled_from(mixture.bolus_nl)) * mixture.strength + draw(st.sampled_from((0, 1)))} pg"


@st.composite
def _patient(draw: st.DrawFn, mixture: Mixture) -> dict[str, Any]:
    return {
        "dose": f"{mixture.bolus_nl[0] * mixture.strength} pg",
        "over": f"{draw(st.sampled_from(mixture.over_ms[:2]))} ms",
        "lockout": draw(st.sampled_from(("15 min", "3 h", "12 h"))),
        "max_per_day": draw(st.sampled_from((1, 2, 4))),
    }


def _head(mixture: Mixture, residual: list[str], pump: str = IMPLANT[0]) -> dict[str, Any]:
    drugs = [{"name": name, "concentration": f"{strength} ug/mL"} for name, strength in mixture.drugs]
    filled, alarm = FILLS[profile(pump).kind]
    capacity = profile(pump).capacity.nl
    return {
        "schema": 1,
        "id": "DRAWN-1",
        "title": "Drawn",
        "patient": "BENCH-0",
        "prescriber": "nobody",
        "pump": pump,
        "on_loss": mixture.on_loss,
        "reservoir": {
            "filled": f"{int(capacity * filled)} nL",
            "residual": residual,
            "alarm": f"{int(capacity * alarm)} nL",
            "drugs": drugs,
        },
        "catheter": {"volume": ["0.190 mL", "0.202 mL"]},
    }


@st.composite
def approved_plans(
    draw: st.DrawFn,
    *,
    modes: Sequence[str] = MODES,
    mixtures: Sequence[Mixture] = MIXTURES,
    boluses: bool = True,
    patient: bool = True,
    titration: bool = True,
    prime: bool = False,
    pumps: Sequence[str] = IMPLANT,
) -> DosingPlan:
    """A first plan that a review would not block.

    Args:
        draw: given by Hypothesis.
        modes: forms of the basal to draw from, see ``MODES``.
        mixtures: drugs to draw from, see ``MIXTURES``.
        boluses: whether there may be scheduled boluses (up to three; daily, on two weekdays, once).
        patient: whether there may be a patient bolus.
        titration: whether there may be stages (up to four).
        prime: whether there may be a prime of an empty path.
        pumps: profiles to draw from. On any but ``implant-40`` a review filters what is drawn, ``on_loss`` is drawn
            too, and stages are short.
    """
    pump = profile(draw(st.sampled_from(pumps)))
    bench, usual = pump.kind == "syringe", pump.name in IMPLANT
    mixture = draw(st.sampled_from(mixtures)).on(pump)
    mode = draw(st.sampled_from([mode for mode in modes if not bench or mode != "minimum"]))
    if not usual:
        mixture = replace(mixture, on_loss=draw(st.sampled_from(LOSSES)))
    left = "1.4 mL" if not bench else f"{pump.capacity.nl // 20} nL"
    values = _head(mixture, ["0 mL", draw(st.sampled_from(("0 mL", left)))], pump.name)
    values["start"], values["utc_offset"] = draw(st.sampled_from(STARTS)), draw(st.sampled_from(OFFSETS))
    least = mixture.flows[0]
    if titration and mode not in ("minimum", "stopped") and draw(st.booleans()):
        steps, lowest = draw(_titration(AFTER if usual else SOON))
        values["titration"], least = {"step": steps}, ceil(least / lowest)
    values["basal"] = draw(_basal(mode, mixture, least))
    if boluses:
        slots = sorted(draw(st.lists(st.sampled_from(SLOTS), max_size=3, unique=True)))
        values["bolus"] = [draw(_bolus(mixture, at)) for at in slots]
    if patient and draw(st.booleans()):
        values["patient_bolus"] = draw(_patient(mixture))
    if prime and draw(st.booleans()):
        values["prime"] = {"volume": "0.196 mL" if bench else "0.336 mL", "path": "empty"}
    plan = plan_from(values)
    assume(usual or not blocked(review(plan, formulary(), pump)))
    return plan


@st.composite
def approved_changes(draw: st.DrawFn) -> tuple[DosingPlan, DosingPlan]:
    """(the plan before, the plan): baclofen, the same hours, another dose, another concentration bridged."""
    flows = draw(st.sampled_from(((6_000,), (6_000, 12_000), (24_000, 6_000, 12_500))))
    starts = ("2026-11-20T08:00", "2026-11-20T22:30"), ("2026-12-01T08:00", "2026-12-04T00:00")
    bolus = draw(st.booleans())  # may end with the new plan, but not begin: that would be too large a step
    before = _flex("DRAWN-1", 1_000, flows, draw(st.sampled_from(starts[0])), bolus)
    strength, factor = (
        draw(st.sampled_from((500, 1_000, 2_000))),
        draw(st.sampled_from(sorted(CHANGES.values()))),
    )
    changed = tuple(flow * 1_000 // strength for flow in flows)
    values = _flex(
        "DRAWN-2", strength, changed, draw(st.sampled_from(starts[1])), bolus and draw(st.booleans())
    )
    first = plan_from(before)
    values["previous"] = first.sha256
    values["reservoir"]["residual"] = ["0 mL", draw(st.sampled_from(("0 mL", "1.4 mL")))]
    for step in values["basal"]["steps"]:
        step["rate"] = f"{ceil(int(step['rate'].split()[0]) * factor)} pg/h"
    if strength != 1_000:
        values["bridge"] = {}
    return first, plan_from(values)


def _flex(name: str, strength: int, flows: Sequence[int], start: str, bolus: bool) -> dict[str, Any]:
    mixture = Mixture((("baclofen", strength),), (), (), {"hold": "4 h"})
    hours = ("00:00", "06:00", "22:00")
    steps = [{"from": at, "rate": f"{flow * strength} pg/h"} for at, flow in zip(hours, flows, strict=False)]
    values = _head(mixture, ["0 mL", "0 mL"]) | {"id": name, "start": start, "utc_offset": "+01:00"}
    values["basal"] = {"steps": steps}
    if bolus:
        values["bolus"] = [{"at": "22:00", "dose": "60 ug", "over": "20 min"}]
    return values
