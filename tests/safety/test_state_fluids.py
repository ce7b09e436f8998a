"""S-17, S-32, D-10, D-12: what limits and refills tell of reservoir and path, record by record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pump_ctrl.safety.ask import Ask, Purpose
from tests.safety.kit import CAPABILITIES, DAY, HOUR, MINUTE, Bench, basal, limits
from tests.safety.told import STAGE, Told, told

DUMB = replace(CAPABILITIES, tells_time=False)
STRONG, WEAK = {"baclofen": [0, 2_000_000]}, {"baclofen": [0, 1_000_000]}
STRONG_MIX, WEAK_MIX = (("baclofen", 2_000_000),), (("baclofen", 1_000_000),)


def holds(bench: Bench, code: str) -> bool:
    return code in {alarm.row.code for alarm in bench.guard.alarms if alarm.holds}


def test_when_a_time_off_makes_more_have_left_the_reservoir_is_looked_at_again() -> None:
    """The counter showed that 12,000 of 24,000 nL had left by the refill. By a person's word the run was over before:
    12,101 nL of the 20,000 may have left since then, where 5,000 make an alarm.
    """
    bench = Bench(limits([STAGE], fill_nl=100_000, alarm_nl=15_000), DUMB).confirmed()
    bench.pump.latency_ms = 0
    bench.ask(basal(24_000, 4 * HOUR))
    bench.at(2 * HOUR)
    bench.clock.reboot()
    bench.restart()
    bench.guard.read_status()
    bench.guard.stop("waiting")
    bench.guard.refill(by="tester", fill_nl=20_000)
    bench.clock.reboot()
    bench.restart()
    bench.guard.read_status()
    assert bench.guard.left_by_now_nl == (0, 200)
    bench.confirmed(plan_ms=0, given=None, off_ms=DAY)
    assert bench.guard.left_by_now_nl == (0, 12_101)
    bench.pump.stop_answers = ["lost"]
    bench.guard.stop("to look")
    bench.guard.read_status()
    assert holds(bench, "reservoir-low")


def fronts(made: Told) -> list[tuple[object, int, int]]:
    return [(front.mix, front.low_nl, front.high_nl) for front in made.state.path.fronts]


def given(nl: int) -> Told:
    """6,000 nL in the first hour, of which the counter shows ``nl`` by 30 minutes."""
    made = told().counter(0, 0).run(0, 6_000, HOUR)
    return made.counter(30 * MINUTE, nl)


def test_a_refill_counts_from_the_bounds_of_what_had_left_by_then() -> None:
    made = given(3_000)
    assert made.state.left_by(30 * MINUTE) == (2_900, 3_001)
    made.tell("refill", 40 * MINUTE, fill_nl=50_000, fluid=None, new_path=False)
    assert made.state.fill == (50_000, 2_900, 4_001)
    assert made.state.left_by(HOUR) == (0, 6_001 - 2_900)
    made.counter(HOUR, 6_000)
    assert made.state.left_by(HOUR) == (5_900 - 4_001, 6_001 - 2_900)


def test_a_fluid_that_a_refill_names_follows_from_its_bounds_on() -> None:
    made = given(3_000).tell("refill", 40 * MINUTE, fill_nl=9, fluid={"baclofen": 2_000_000}, new_path=False)
    assert fronts(made) == [(WEAK_MIX, 0, 0), (STRONG_MIX, 2_900, 4_001)]


def test_the_fluid_of_the_limits_went_in_at_the_refill_that_named_none_before_them() -> None:
    """The next plan's limits name it; an hour later all 6,000 nL have gone, and 4,001 at the most by the refill."""
    made = given(3_000).tell("refill", 40 * MINUTE, fill_nl=9, fluid=None, new_path=False)
    made.limits(HOUR, fluids={"path": WEAK, "reservoir": STRONG})
    assert fronts(made) == [(WEAK_MIX, 0, 0), (STRONG_MIX, 2_900, 4_001)]
    made.limits(2 * HOUR, fluids={"path": WEAK, "reservoir": WEAK})
    assert fronts(made)[-1] == (WEAK_MIX, 2_900, 6_001), "and was not refilled since"


def test_without_a_refill_the_fluid_of_new_limits_goes_in_when_they_come_into_force() -> None:
    made = given(3_000).limits(HOUR, fluids={"path": WEAK, "reservoir": STRONG})
    assert fronts(made) == [(WEAK_MIX, 0, 0), (STRONG_MIX, 2_900, 6_001)]


def test_a_refill_that_names_its_fluid_leaves_nothing_to_be_named_by_the_limits() -> None:
    made = given(3_000).tell("refill", 40 * MINUTE, fill_nl=9, fluid=None, new_path=False)
    made.tell("refill", 45 * MINUTE, fill_nl=9, fluid={"baclofen": 1_000_000}, new_path=False)
    made.limits(HOUR, fluids={"path": WEAK, "reservoir": STRONG})
    assert fronts(made) == [(WEAK_MIX, 0, 0), (STRONG_MIX, 2_900, 6_001)]


def test_the_first_limits_say_what_path_and_reservoir_hold_and_how_much() -> None:
    made = Told().limits(0, fluids={"path": WEAK, "reservoir": STRONG}, fill_nl=70_000)
    assert fronts(made) == [(WEAK_MIX, 0, 0), (STRONG_MIX, 0, 0)]
    assert made.state.fill == (70_000, 0, 0)
    assert fronts(Told().limits(0, fluids={"path": {}, "reservoir": STRONG})) == [(STRONG_MIX, 0, 0)]


def test_later_limits_change_no_fill_and_bring_a_path_fluid_only_if_it_is_another() -> None:
    made = given(3_000).limits(HOUR, fluids={"path": STRONG, "reservoir": WEAK}, fill_nl=70_000)
    assert made.state.fill == (40_000_000, 0, 0)
    assert fronts(made) == [(WEAK_MIX, 0, 0), (STRONG_MIX, 2_900, 6_001), (WEAK_MIX, 2_900, 6_001)]
    made.limits(HOUR, fluids={"path": STRONG, "reservoir": WEAK})
    assert len(fronts(made)) == 3
    bounds = {"lo_nl": 200_000, "hi_nl": 210_000, "bridge_lo_nl": 180_000, "bridge_hi_nl": 230_000}
    made.limits(HOUR, fluids={"path": STRONG, "reservoir": WEAK}, path=bounds)
    assert (made.state.path.lo_nl, made.state.path.hi_nl) == (200_000, 210_000)


def test_only_another_plan_forgets_the_plans_time_and_is_a_load() -> None:
    made = told().confirm(0).limits(1_000)
    assert (made.state.plan_ms(1_000), made.state.loaded_at < -DAY) == (1_000, True)
    made.limits(2_000, plan={"id": "NEXT", "sha256": "d" * 64})
    assert (made.state.plan_ms(2_000), made.state.loaded_at) == (None, 2_000)
    made.limits(3_000, plan_ms=70, plan={"id": "NEXT", "sha256": "d" * 64})
    assert (made.state.plan_ms(3_001), made.state.loaded_at) == (71, 2_000)
    made.limits(4_000, plan={"id": "THIRD", "sha256": "0" * 64})
    assert (made.state.plan_ms(4_000), made.state.loaded_at) == (None, 4_000)


def test_a_weaker_fluid_in_the_path_is_another_one_too() -> None:
    made = Told().limits(0, fluids={"path": STRONG, "reservoir": STRONG})
    made.limits(1, fluids={"path": WEAK, "reservoir": STRONG})
    assert [front[0] for front in fronts(made)] == [STRONG_MIX, WEAK_MIX, STRONG_MIX]


@pytest.mark.parametrize("fluid", [None, {"baclofen": 1_000_000}, {"baclofen": 5_000_000}])
def test_a_refill_that_is_told_before_the_first_confirm_is_not_forgotten_by_it(
    fluid: dict[str, int] | None,
) -> None:
    """S-32, D-10. Seen: 20 uL were filled, then the limits' 40 mL counted as filled, and their fluid alone."""
    bench = Bench(limits([STAGE]))
    bench.guard.refill(by="tester", fill_nl=20_000, fluid=fluid)
    bench.confirmed()
    assert bench.guard.filled_nl == 20_000
    bench.restart()
    assert bench.guard.filled_nl == 20_000
    strong = [(("baclofen", 5_000_000),), WEAK_MIX] if fluid == {"baclofen": 5_000_000} else []
    made = bench.guard._state.path.fronts
    assert [(front.mix, front.low_nl, front.high_nl) for front in made] == [
        (m, 0, 0) for m in (WEAK_MIX, *strong)
    ]


def test_an_empty_path_is_filled_with_what_a_refill_has_named_before_the_first_limits() -> None:
    made = Told().tell("refill", 0, fill_nl=9, fluid={"baclofen": 2_000_000}, new_path=True)
    made.limits(1, fluids={"path": {}, "reservoir": WEAK}, fill_nl=70_000)
    assert fronts(made) == [(STRONG_MIX, 0, 0), (WEAK_MIX, 0, 0)]
    assert made.state.fill == (9, 0, 0)


@pytest.mark.parametrize(
    ("path", "reservoir", "factor"), [(WEAK, WEAK, 1), (STRONG, WEAK, 2), (WEAK, STRONG, 2), ({}, STRONG, 2)]
)
@pytest.mark.parametrize("refilled", [None, {"baclofen": 500_000}])
def test_what_a_sensor_proves_before_the_first_limits_counts_by_the_strongest_fluid_that_they_name(
    path: dict[str, Any], reservoir: dict[str, Any], factor: int, refilled: dict[str, int] | None
) -> None:
    """S-03, S-17. Seen: it counted as volume, and as no drug, or as what a refill had named alone."""
    made = Told()
    if refilled is not None:
        made.tell("refill", 0, fill_nl=9, fluid=refilled, new_path=False)
    made.seen(HOUR, extra=400_000, extra_from=0).limits(
        2 * HOUR, fluids={"path": path, "reservoir": reservoir}
    )
    history = made.state.history
    assert history.held_pg("baclofen", 0, HOUR) == 400_000 * factor
    assert history.held_pg("baclofen", HOUR, DAY) == 0
    assert (history.low_nl, history.high_nl) == (0, 400_000)
    made.limits(3 * HOUR, fluids={"path": path, "reservoir": {"baclofen": [0, 9_000_000]}})
    assert history.held_pg("baclofen", 0, DAY) == 400_000 * factor, "later ones name nothing anew"


def test_and_is_as_much_earlier_as_the_host_was_off_before_them() -> None:
    made = Told().seen(HOUR, extra=400_000, extra_from=0)
    made.boot = "b"
    made.limits(0).confirm(1, off_ms=DAY)
    history, edge = made.state.history, HOUR
    assert history.held_pg("baclofen", -DAY, edge - DAY) == 400_000
    assert history.held_pg("baclofen", edge - DAY + 1, DAY) == 0


def test_another_plan_makes_a_path_new_that_nobody_has_told_of() -> None:
    other = {"id": "NEXT", "sha256": "d" * 64}
    assert given(3_000).limits(HOUR, plan=other).state.in_path(HOUR) == 0
    made = given(3_000).tell("refill", 40 * MINUTE, fill_nl=9, fluid=None, new_path=True)
    assert made.limits(HOUR, plan=other).state.in_path(HOUR) == 6_001 - 4_001
    made.run(HOUR, 9_000, HOUR, purpose="prime", kind="prime").limits(
        3 * HOUR, plan={**other, "sha256": "e" * 64}
    )
    assert (made.state.in_path(3 * HOUR), made.state.primes) == (0, {}), (
        "it was primed, and is told to be new again"
    )


def test_a_path_that_a_person_tells_of_twice_is_new_from_the_second_time_on() -> None:
    made = given(3_000).tell("refill", 40 * MINUTE, fill_nl=9, fluid=None, new_path=True)
    made.tell("refill", HOUR, fill_nl=9, fluid=None, new_path=True)
    assert made.state.in_path(HOUR) == 0


# Path of 300,000 to 340,000 nL; a run of 1 nL/ms.


def filling(path: dict[str, Any], reservoir: dict[str, Any]) -> Told:
    return Told().limits(0, fluids={"path": path, "reservoir": reservoir})


def at_tip(made: Told, at: int, nl: int) -> object:
    ask = Ask("x", Purpose.BASAL, "stage-0", (basal(nl, HOUR),))
    ((_, _, _, mix),) = made.state.drafted(ask, at, doubt=0).run.shape
    return mix


@pytest.mark.parametrize(("nl", "mix"), [(8_000, WEAK_MIX), (8_001, STRONG_MIX)])
def test_a_command_counts_by_the_strongest_fluid_that_can_reach_the_tip_before_its_end(
    nl: int, mix: object
) -> None:
    """290,000 nL have left, and 2,000 more while what runs is cut."""
    assert at_tip(filling(WEAK, STRONG).run(0, 3_600_000, HOUR), 290_000, nl) == mix


@pytest.mark.parametrize(("nl", "mix"), [(1_000, WEAK_MIX), (1_001, STRONG_MIX)])
def test_of_a_command_that_is_not_settled_all_may_have_left_before_the_next(nl: int, mix: object) -> None:
    assert at_tip(filling(WEAK, STRONG).intent(0, 299_000, 299_000), 0, nl) == mix


def test_the_old_fluid_counts_until_it_has_surely_left_and_no_command_forgets_it_before() -> None:
    """S-17. 340,000 nL may have left, and nobody knows; then a counter shows it."""
    made = filling(STRONG, WEAK).counter(0, 0).intent(0, 340_000, HOUR).intent(1, 100, HOUR)
    assert at_tip(made, 1, 100) == STRONG_MIX
    assert len(fronts(made)) == 2
    made.acked(1).counter(2 * HOUR, 340_099)
    assert at_tip(made, 2 * HOUR, 100) == STRONG_MIX
    made.counter(2 * HOUR, 340_100)
    assert at_tip(made, 2 * HOUR, 100) == WEAK_MIX
    assert fronts(made.intent(2 * HOUR, 100, HOUR)) == [(WEAK_MIX, 0, 0)]


@pytest.mark.parametrize(("path", "reservoir", "surely", "factor"), [
    (WEAK, STRONG, 0, 2),  # by its own volume the new one may have come to the tip
    (STRONG, WEAK, 339_999, 2), (STRONG, WEAK, 340_000, 1),  # until the old one has surely left it
])  # fmt: skip
@pytest.mark.parametrize("teller", ["sensor", "counter", "evidence"])
def test_what_nobody_permitted_counts_by_the_strongest_fluid_that_has_not_surely_left(
    path: dict[str, Any], reservoir: dict[str, Any], surely: int, factor: int, teller: str
) -> None:
    """S-17. Seen: 400 uL that ran away counted by the weak fluid in a path of 300 uL, the strong one behind it."""
    made = (
        filling(path, reservoir).counter(0, 0).run(0, surely + 100, surely + 100).counter(HOUR, surely + 100)
    )
    if teller == "sensor":
        made.seen(3 * HOUR, since=2 * HOUR, extra=400_000, extra_from=2 * HOUR)
    elif teller == "counter":
        made.counter(2 * HOUR, surely + 100).counter(3 * HOUR, surely + 400_000)
    else:
        made.intent(2 * HOUR, 100, 100).counter(2 * HOUR + 1, 0, epoch=8)
        found = {"id": 2, "what": "given", "lo": 400_300, "hi": 400_300, "ended": True}
        made.tell("evidence", 3 * HOUR, **found)
    least = 400_000 * factor
    assert least <= made.state.history.held_pg("baclofen", 2 * HOUR, DAY) <= least + 3_000 * factor


# The reservoir's alarm: 100,000 nL were filled, 20,000 of them are the alarm volume.


def low() -> Told:
    return Told().limits(0, fill_nl=100_000, alarm_nl=20_000)


def test_a_reservoir_that_ran_low_stays_so_until_the_next_fill_whatever_is_found() -> None:
    made = (
        low()
        .counter(0, 0)
        .intent(0, 80_000, HOUR)
        .tell("resolve", 10_000, id=1)
        .counter(2 * HOUR, 0, runs=True)
    )
    assert made.state.runs_low
    made.counter(2 * HOUR, 0)
    assert made.state.left_by(2 * HOUR) == (0, 100)
    assert made.state.runs_low
    made.tell("refill", 2 * HOUR, fill_nl=100_000, fluid=None, new_path=False)
    assert not made.state.runs_low


def test_a_pump_that_may_be_ahead_of_its_flow_runs_low_so_much_sooner() -> None:
    made = low().counter(0, 0).run(0, 79_900, 79_900, ahead_nl=100)
    assert not made.state.runs_low
    made.tell("stop", HOUR, what="acked", since=HOUR)
    assert made.state.left_by(HOUR)[1] == 80_000
    assert made.state.runs_low


@pytest.mark.parametrize("kind", ["outcome", "evidence", "seen", "counter", "stop"])
def test_each_record_that_tells_of_flow_finds_that_the_reservoir_runs_low(kind: str) -> None:
    """By then 80,000 nL may have left."""
    made = low().intent(0, 80_000, HOUR)
    if kind == "outcome":
        made.tell(kind, 2 * HOUR, id=1, what="unknown")
    elif kind == "evidence":
        made.tell(kind, 2 * HOUR, id=1, what="given", lo=0, hi=80_000, ended=False)
    elif kind == "seen":
        made.seen(2 * HOUR)
    elif kind == "counter":
        made.counter(2 * HOUR, 0)
    else:
        made.tell(kind, 2 * HOUR, what="unknown", since=2 * HOUR)
    assert made.state.runs_low


@pytest.mark.parametrize("refilled", [False, True])
@pytest.mark.parametrize(("nl", "runs_low"), [(79_899, False), (79_900, True)])
def test_it_runs_low_by_the_most_that_may_have_left_since_the_last_fill(
    nl: int, runs_low: bool, refilled: bool
) -> None:
    """49,900 nL had surely left before that fill, and 50,000 at the most; or 100 nL since the only one."""
    made = low()
    if refilled:
        made.counter(0, 0).run(0, 50_000, 50_000).counter(HOUR, 50_000)
        made.tell("refill", HOUR, fill_nl=100_000, fluid=None, new_path=False)
        assert made.state.fill == (100_000, 49_900, 50_000)
    else:
        made.run(0, 100, 100)
    made.run(2 * HOUR, nl, nl).counter(4 * HOUR, None)
    assert made.state.runs_low is runs_low


def test_what_nobody_permitted_makes_it_low_before_the_commands_do() -> None:
    made = low().seen(0).seen(1_000, since=0, extra=80_000, extra_from=0)
    assert made.state.runs_low


def test_without_limits_no_reservoir_runs_low() -> None:
    made = Told().tell("refill", 0, fill_nl=9, fluid=None, new_path=False)
    assert not made.state.runs_low


def test_what_has_left_since_a_path_was_new_is_what_surely_or_at_most_has_whichever_is_more() -> None:
    made = given(3_000).tell("refill", 40 * MINUTE, fill_nl=9, fluid=None, new_path=True)
    assert made.state.in_path(40 * MINUTE) == 0
    assert made.state.in_path(HOUR) == 6_001 - 4_001
    assert made.counter(HOUR, 6_000).state.in_path(HOUR) == 5_900 - 2_900
