"""Controllers on perfect pumps for the tests of people's and the pump's side: an implant, and a syringe pump."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.effects import Effect, Halt
from pump_ctrl.controller.events import Event, Settled, Tick, Waiting
from pump_ctrl.controller.prescription import Prescription, Timing
from pump_ctrl.controller.runs import Limits
from pump_ctrl.drivers.base import Evidence, Given, Grid, Nothing, PumpStatus, Unknown
from pump_ctrl.safety.ask import Denial, Denied, Purpose
from tests.toy_pace import HOUR
from tests.unit.fake_bench import LIMITS, TIMING, FakeBench, ToySchedule, ToyTerms

BASAL: Final = (0, 312_000)  # 13 uL/h; a pump step of 100 nL takes 27.7 s
NIGHT: Final = (22 * HOUR, 1_200_000, 60_000)
TERMS: Final = ToyTerms(600_000, Fraction(26_666, 1))
# Of a pump that is stopped before it is told anything, and stands still in a rest.
SYRINGE: Final = Limits(
    100, 1_000_000, 13, Grid(lambda most, _: most // 100 * 100, len, lambda _: 2, rests=False)
)
SYRINGE_TIMING: Final = replace(TIMING, stop_ms=10_000)
LOST: Final = Unknown("no reply")
NO_WORD: Final = Nothing("no reply")


def denied(rule: str, *more: str) -> Denied:
    return Denied(tuple(Denial(each, None, 1, 2, 3, 24, "test") for each in (rule, *more)))


class LifeBench(FakeBench):
    """A bench whose process can be killed; ``syringe``: on a pump that is stopped before it is told anything."""

    def __init__(
        self,
        schedule: ToySchedule,
        *,
        syringe: bool = False,
        limits: Limits | None = None,
        timing: Timing | None = None,
        **changes: object,
    ) -> None:
        usual = (SYRINGE, SYRINGE_TIMING) if syringe else (LIMITS, TIMING)
        prescription = Prescription(schedule, 4 * HOUR, **changes)  # type: ignore[arg-type]
        self.made = prescription, limits or usual[0], timing or usual[1]
        super().__init__(schedule, prescription=self.made[0])
        self.controller = Controller(*self.made)

    def _do(self, effect: Effect) -> list[Event]:
        if isinstance(effect, Halt):
            assert self.controller.halting, (
                "until the pump says that it has stopped nothing else may be asked"
            )
            self.records.append(("stop", {"why": effect.why}))  # the guard's own
        return super()._do(effect)

    def killed(self) -> None:
        """Another process has read the journal; nobody has met the pump yet."""
        self.controller = Controller(*self.made)
        for kind, data in self.records:
            self.controller.replay(kind, data)

    def wakes(
        self, evidence: Evidence | None = None, *, runs_on: bool = False, hold_ms: int | None = None
    ) -> None:
        """It meets the pump; ``hold_ms``: how long from now it may hold."""
        plan = self.plan
        until = None if hold_ms is None else plan + hold_ms
        self.feed(Waiting(plan, self.status(), evidence, runs_on, until))

    def restart(
        self, evidence: Evidence | None = None, *, runs_on: bool = False, hold_ms: int | None = None
    ) -> None:
        self.killed()
        self.wakes(evidence, runs_on=runs_on, hold_ms=hold_ms)

    def learns(self, evidence: Evidence | None) -> None:
        self.feed(Settled(evidence))

    def tick(self, after_ms: int = 0) -> None:
        self.now += after_ms
        self.feed(Tick())

    def wait(self, ms: int) -> None:
        self.run_to(self.plan + ms)

    @property
    def purposes(self) -> list[Purpose]:
        return [ask.purpose for _, ask in self.asks]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Of each request that was answered, how: ``done``, ``refused`` or ``dropped``."""
        words = [(d["request"], d["text"]) for kind, d in self.records if kind == "answer"]
        return [(request, text.replace(",", ":").partition(":")[0]) for request, text in words]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for name, data in self.records if name == kind]


def bench(
    until_ms: int = HOUR,
    *,
    syringe: bool = False,
    timing: Timing | None = None,
    levels: Sequence[tuple[int, int]] = (BASAL,),
    bolus: tuple[int, int, int] | None = None,
    patient: ToyTerms | None = None,
    **changes: object,
) -> LifeBench:
    """Begun, and run to ``until_ms``; the basal alone unless boluses are given."""
    schedule = ToySchedule(*levels, bolus=bolus, patient=patient)
    made = LifeBench(schedule, syringe=syringe, timing=timing, **changes)  # type: ignore[arg-type]
    made.start()
    made.run_to(until_ms)
    return made


def status_of(b: FakeBench, **changes: object) -> PumpStatus:
    """What the pump says of itself, with some of it changed."""
    return b.status()._replace(**changes)  # type: ignore[arg-type]


def dry(left_nl: int, *more: Denial) -> Denied:
    return Denied((Denial("reservoir", None, 9, 1_000, 1_000 + left_nl, None, "nL"), *more))


def taken(b: LifeBench) -> Given:
    """The pump had taken it."""
    b.replace(b.asks[-1][1].steps)
    b.now += 60_000
    given = b.counter() - b.base
    return Given(given, given, False, b.status())
