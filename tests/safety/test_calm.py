"""Most statuses are not looked at in full, as they lie within bounds in which nothing could be found. So whatever
the pump says and whoever does what meanwhile, a guard that looks at each of them knows, writes and does the same.

36,000 nL/h are 10 nL/s; a counter and a step of 100 nL, so the watchdog compares every 40 s: 400 nL. A counter is
written down every 15 min, if it has moved.
"""

# ruff: noqa: ANN401 - values of every kind are handed in on purpose

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import PumpState, PumpStatus, Unknown
from pump_ctrl.safety.curve import FAR, ZL_PER_NL, Curve, content, growth
from pump_ctrl.safety.intake import Intake
from pump_ctrl.safety.watchdog import Watchdog
from tests.safety.kit import CAPABILITIES, HOUR, MINUTE, Bench, account, basal, bolus, limits, rows

WIDE = (10**9,) * 3
FAST = account(
    rows=rows(WIDE, WIDE, bolus_max_pg_per_h=10**9), max_bolus_nl=90_000, hold={"nl": 6_000, "per_ms": HOUR}
)
LIMITS = limits([FAST], caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}], max_hold_ms=4 * HOUR)
WITHOUT_TIME = replace(
    CAPABILITIES, tells_time=False, stops_first=True, ttl_ms=None, dedup=False, ahead_nl=100, hidden_nl=100
)
Thing = tuple[str, Any]


class Life:
    """A guard, and a pump that says what it is told to say. ``in_full``: every status is looked at in full."""

    def __init__(self, *, in_full: bool, tells_time: bool = False) -> None:
        self.bench = Bench(LIMITS, CAPABILITIES if tells_time else WITHOUT_TIME).confirmed()
        self.says: dict[str, Any] = {}
        self.silent, self.heard, self.pushes = False, list[object](), list[PumpStatus]()
        self.bench.pump.read_status = self._says  # type: ignore[method-assign]
        self.bench.pump.notices = self._pushed  # type: ignore[method-assign]
        self._looks = (lambda intake, status, since: False) if in_full else Intake._goes_on

    def _says(self) -> PumpStatus | Unknown:
        self.bench.clock.advance(20)
        said = self.bench.pump.status()._replace(**self.says)
        return Unknown("silence") if self.silent else said

    def _pushed(self) -> tuple[PumpStatus, ...]:
        pushed, self.pushes = tuple(self.pushes), []
        return pushed

    def do(self, what: str, value: Any) -> None:
        """One thing that happens: one of the methods below."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Intake, "_goes_on", self._looks)
            getattr(self, what)(value)

    def polls(self, value: tuple[int, int]) -> None:
        for _ in range(value[0]):
            self.bench.wait(value[1])
            self.heard.append(self.bench.guard.read_status())

    def counts(self, nl: int) -> None:
        self.bench.pump.extra_nl += nl

    def said(self, fields: dict[str, Any]) -> None:
        self.says = fields

    def is_silent(self, value: bool) -> None:
        self.silent = value

    def pushed(self, fields: dict[str, Any]) -> None:
        self.pushes.append(self.bench.pump.status()._replace(**fields))
        self.heard.append(self.bench.guard.notices())

    def repeats(self, ticks: int) -> None:
        self.bench.pump.tick -= ticks

    def power(self, _: None) -> None:
        self.bench.pump.epoch, self.bench.pump.booted = self.bench.pump.epoch + 1, self.bench.pump.now

    def told(self, answer: str) -> None:
        self.bench.pump.answers = [answer]
        self.heard.append(self.bench.ask(basal(36_000, HOUR)))

    def bolus(self, _: None) -> None:
        self.heard.append(self.bench.ask(bolus(30_000, 10 * MINUTE), basal(3_600, HOUR)))

    def settled(self, _: None) -> None:
        self.heard.append(self.bench.guard.settle())

    def stopped(self, _: None) -> None:
        self.heard.append(self.bench.guard.stop("test"))

    def alarm(self, code: str) -> None:
        self.bench.guard.raise_alarm(code, "test")

    def gone(self, code: str) -> None:
        self.bench.guard.clear_alarm(code)

    def seen(self, _: None) -> None:
        for alarm in self.bench.guard.alarms if not self.bench.log.broken else ():
            self.bench.guard.acknowledge(alarm.row.code, "tester")

    def reboot(self, _: None) -> None:
        self.bench.clock.reboot()

    def started_again(self, _: None) -> None:
        self.bench.restart()
        self.bench.confirmed(plan_ms=0, given=None)

    def lags(self, ms: int) -> None:
        """The controller is started again, with a clock that was set back."""
        self.bench.clock = self.bench.pump.clock = VirtualClock(boot_ms=self.bench.clock.boot_ms() - ms)
        self.started_again(None)

    def disk(self, broken: bool) -> None:
        self.bench.log.broken = broken

    def picture(self) -> dict[str, object]:
        """All that is known, inside too."""
        guard, intake = self.bench.guard, self.bench.guard._intake
        return {
            "heard": self.heard,
            "written": [(record.kind, record.data) for record in self.bench.log.records],
            "alarms": guard.alarms,
            "news": (guard.last_status, intake.heard_ms, intake._asked_at, intake._counted),
            "bounds": (guard.low_nl, guard.high_nl, guard.left_by_now_nl, guard.plan_ms, guard.stop_open),
            "watchdog": None if intake._watchdog is None else vars(intake._watchdog),
        }


def both(course: Iterable[Thing], *, tells_time: bool = False) -> Life:
    """Both lives of that course, which have to be one; the one whose guard is calm."""
    calm, full = Life(in_full=False, tells_time=tells_time), Life(in_full=True, tells_time=tells_time)
    for what, value in course:
        calm.do(what, value)
        full.do(what, value)
        assert calm.picture() == full.picture(), (what, value)
    return calm


SETTLING: tuple[Thing, ...] = (("polls", (1, 0)), ("told", "ok"), ("polls", (4, 1_000)))
SEEN: dict[str, Any] = {"state": PumpState.STALLED}
THINGS: st.SearchStrategy[Thing] = st.one_of(
    st.tuples(st.just("polls"), st.tuples(st.integers(1, 9), st.sampled_from([14_980, 40_000, 10 * MINUTE, HOUR]))),
    st.tuples(st.just("counts"), st.sampled_from([-300, -100, 100, 200, 300, 400, 500, 2_000])),
    st.tuples(st.just("said"), st.sampled_from([{}, SEEN, {"state": PumpState.IDLE}, {"delivered_nl": 0}])),
    st.tuples(st.just("said"), st.sampled_from([{"alarms": frozenset({"low_battery"})}, {"alarms": frozenset({"x"})}])),
    st.tuples(st.just("is_silent"), st.booleans()),
    st.tuples(st.just("pushed"), st.sampled_from([{}, {"tick": 1}, {"alarms": frozenset({"stall"})}, {"epoch": 9}])),
    st.tuples(st.just("repeats"), st.sampled_from([1, 2, 4])),
    st.just(("power", None)),
    st.tuples(st.just("told"), st.sampled_from(["ok", "ok", "lost", "unheard", "no"])),
    st.sampled_from([("bolus", None), ("settled", None), ("stopped", None), ("seen", None), ("reboot", None)]),
    st.tuples(st.sampled_from(["alarm", "gone"]), st.sampled_from(["stuck-key", "refused", "silence"])),
    st.tuples(st.just("disk"), st.booleans()),
)  # fmt: skip


@given(st.lists(THINGS, max_size=9), st.booleans())
def test_whatever_happens_a_guard_that_looks_at_each_status_in_full_knows_no_more(
    things: list[Thing], tells_time: bool
) -> None:
    course = [part for thing in things for part in (thing, ("polls", (3, 1_000)))]
    both([*SETTLING, *course], tells_time=tells_time)


@pytest.mark.parametrize(
    "thing",
    [("said", SEEN), ("said", {"alarms": frozenset({"low_battery"})}), ("said", {"epoch": 8}), ("said", {"tick_ms": 0}),
     ("repeats", 2), ("is_silent", True), ("pushed", {"alarms": frozenset({"stall"})}), ("counts", 150),
     ("counts", -150), ("told", "lost"), ("told", "ok"), ("bolus", None), ("stopped", None), ("reboot", None),
     ("power", None), ("disk", True), ("alarm", "stuck-key")],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("tells_time", [False, True])
def test_what_happens_while_all_is_calm_is_seen_by_the_next_status(thing: Thing, tells_time: bool) -> None:
    both(
        [*SETTLING, thing, ("polls", (3, 1_000)), ("disk", False), ("polls", (3, 20_000))],
        tells_time=tells_time,
    )


BEHIND: Thing = (
    "counts",
    -100,
)  # a counter that is behind, so that time alone tells when enough was commanded
BOLUS_OVER: tuple[Thing, ...] = (
    ("polls", (1, 0)),
    ("bolus", None),
    ("polls", (2, 11 * MINUTE)),
    ("polls", (2, 1_000)),
)
IN_TIME: tuple[Thing, ...] = (
    ("polls", (1, 14 * MINUTE + 35_000)),
    ("polls", (2, 1_000)),
)  # then comes a record


@pytest.mark.parametrize(
    ("before", "end"),
    [((), 39_921), (BOLUS_OVER, None), (IN_TIME, 900_040)],
    ids=["enough", "bolus", "record"],
)  # 399 nL have flowed since 20 ms, when the counter was asked for that came with the acknowledgement
@pytest.mark.parametrize("off", [-2, -1, 0, 1])
def test_the_calm_ends_in_the_ms_in_which_more_than_time_has_to_be_looked_at(
    before: tuple[Thing, ...], end: int | None, off: int
) -> None:
    course: list[Thing] = [*SETTLING, BEHIND, *before]
    life = both(course)
    calm = life.bench.guard._intake._calm
    assert calm is not None
    ends = calm.boot_ms + calm.for_ms
    assert end in (None, ends)
    left = ends - life.bench.clock.boot_ms() - 20
    assert left > 0
    both([*course, ("polls", (1, left + off)), ("polls", (2, 1_000))])


def test_the_watchdog_hears_a_calm_pump_at_guard_time_also_after_a_reboot() -> None:
    course = [*SETTLING, ("reboot", None), ("started_again", None), *SETTLING]
    calm = both(course).bench.guard._intake._calm
    assert calm is not None
    assert calm.ahead_ms > 0


@pytest.mark.parametrize("late_ms", [-1, 0, 1, 1_000, 3_000])
def test_a_run_that_has_ended_covers_no_more(late_ms: int) -> None:
    course: list[Thing] = [*SETTLING, ("polls", (1, HOUR - 12_000)), ("polls", (1, 0))]
    life = both(course)
    calm = life.bench.guard._intake._calm
    assert calm is not None
    assert calm.boot_ms + calm.for_ms == HOUR + 40  # it is the end of the run
    covered = (calm.covered_zl + calm.rate * calm.for_ms) // ZL_PER_NL
    assert covered + 1 < calm.compared_nl
    says: Thing = ("said", {"delivered_nl": covered + 1})
    ended = both([*course, says, ("polls", (1, calm.for_ms - 20 + late_ms))])
    assert [data.data["counter"] for data in ended.bench.log.records if data.kind == "counter"][
        -1
    ] == covered + 1


@pytest.mark.parametrize("off", [-1, 0, 1, 2])
def test_the_calm_ends_at_the_counter_that_has_to_be_looked_at(off: int) -> None:
    """First 200 nL more than was permitted by then, then the 400 nL that the watchdog compares."""
    life = both(SETTLING)
    calm = life.bench.guard._intake._calm
    assert calm is not None
    at = life.bench.clock.boot_ms() + 1_020
    covered = (calm.covered_zl + calm.rate * (at - calm.boot_ms)) // ZL_PER_NL
    assert covered < calm.compared_nl
    both([*SETTLING, ("said", {"delivered_nl": covered + off}), ("polls", (1, 1_000)), ("polls", (1, 1_000))])
    later = ("polls", (1, 25_000))  # so much more is permitted by then
    both([*SETTLING, ("said", {"delivered_nl": calm.compared_nl - 1 + off}), later, later])


def test_a_clock_that_lags_behind_the_journal_is_never_calm() -> None:
    course = [*SETTLING, ("lags", 10 * MINUTE), *SETTLING, ("counts", 150), ("polls", (9, 10_000))]
    assert both(course).bench.guard._intake._calm is None


def test_what_nobody_permitted_or_may_have_flowed_unseen_is_never_calm() -> None:
    for things in ([("counts", 900)], [("reboot", None), ("alarm", "stuck-key")]):
        life = both([*SETTLING, *things, ("polls", (3, 1_000))])
        guard = life.bench.guard
        assert guard._state.history.covered(guard._now(), 100) is None
        assert guard._intake._calm is None


RAMPS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20), st.integers(1, 3)), min_size=1, max_size=4)


@given(st.lists(RAMPS, max_size=3), st.integers(-2, 60))
def test_until_the_next_kink_a_content_grows_evenly(parts: list[list[tuple[int, int, int]]], at: int) -> None:
    curves = [Curve([(start, start + ms, rate) for start, ms, rate in ramps]) for ramps in parts]
    terms = [(1, curve, curve) for curve in curves]
    rate, until = growth(terms, at)
    kinks = [time for curve in curves for time in curve.times if time > at]
    assert until == min(kinks, default=FAR)
    for end in range(at, min(until, at + 30) + 1):
        assert content(terms, -5, end) == content(terms, -5, at) + rate * (end - at)


def test_an_hour_of_polls_is_looked_at_in_full_only_to_compare_and_to_write() -> None:
    life, looked = Life(in_full=False), list[PumpStatus]()
    for thing in SETTLING:
        life.do(*thing)
    look: Callable[..., Any] = Watchdog.status

    def counting(watchdog: Watchdog, status: PumpStatus, *rest: Any) -> Any:
        looked.append(status)
        return look(watchdog, status, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watchdog, "status", counting)
        life.do("polls", (3_500, 980))
    assert 80 <= len(looked) < 200  # 3,500 s at 10 nL/s are 87 times 400 nL
    assert not life.bench.guard.alarms
