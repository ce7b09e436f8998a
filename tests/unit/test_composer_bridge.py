"""D-11: what is composed while the old fluid may still be in the path; figures worked out by hand.

The previous plan gave 2 nL/s, the new one gives 1 nL/s; from 10 000 nL on the new fluid may be at the tip, from
40 000 nL on the old one has surely left.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from pump_ctrl.controller.machine import State
from pump_ctrl.controller.prescription import Bridge
from tests.toy_pace import HOUR, ToyPace
from tests.unit.composer_kit import Alone, told

RUNNING, READY = State.RUNNING, State.READY
OLD = ToyPace((0, 172_800))


def bridged(old: ToyPace = OLD, *levels: tuple[int, int], **more: object) -> Alone:
    bridge = Bridge(old, 0, 10_000, 40_000, hold_rate=Fraction(1, 2_000))
    return Alone(*levels, bridge=bridge, **more)  # type: ignore[arg-type]


def test_the_old_flow_goes_on_until_the_new_fluid_may_be_at_the_tip_and_then_the_lower_one() -> None:
    """A pump step less than 10 000 nL, for the rounding that is carried: 4 950 s."""
    run = bridged().composer.basal(0)
    assert run.account == "bridge"
    assert told(run) == [(2_000, 4_952_000, 9_900), (4_952_000, 36_002_000, 31_000)]


@pytest.mark.parametrize(
    ("high", "change"),
    [(5_000, 2_452_000), (9_898, 3_000), (9_900, None), (12_000, None)],
)
def test_what_may_have_left_before_brings_the_lower_flow_sooner(high: int, change: int | None) -> None:
    alone = bridged()
    alone.composer.moved(0, high, 0)
    spans = told(alone.composer.basal(0))
    assert [span[1] for span in spans] == [*([change] if change else []), 36_002_000]
    assert spans[-1][2] == (33_500 if change == 2_452_000 else 36_000)


def test_where_a_lease_does_not_bring_it_there_the_old_flow_is_all_of_it() -> None:
    run = bridged(ToyPace((0, 8_640))).composer.basal(0)  # 0.1 nL/s: 3 600 nL in 10 h
    assert told(run) == [(2_000, 36_002_000, 3_600)]


def test_a_lease_of_a_bridge_does_not_end_with_a_stage() -> None:
    assert bridged(stage_until=HOUR).composer.basal(0).to_ms == 36_002_000


def test_the_counter_is_read_when_the_old_fluid_has_surely_left() -> None:
    """40 100 nL, at 2 nL/s until 4 952 s and at 1 nL/s then: 35 148 s, and the pump may have begun 30 s late."""
    alone = bridged()
    alone.begins()
    assert alone.composer.next_due(RUNNING) == 35_178_000
    assert not alone.composer.bridge_check_due(35_177_999)
    assert alone.composer.bridge_check_due(35_178_000)
    assert alone.composer.bridge_check_due(35_178_001)


def test_a_lease_that_ends_before_is_renewed_in_its_course() -> None:
    alone = bridged()
    alone.begins()
    alone.composer.moved(0, 0, 10_000_000)  # from then on 40 100 s: later than this lease
    assert alone.composer.next_due(RUNNING) == 35_198_710  # 31 000 nL in 31 050 s: a step each 100.161 s
    assert not alone.composer.bridge_check_due(36_001_999)
    assert alone.composer.bridge_check_due(36_002_000)


def test_what_has_surely_left_since_brings_the_look_at_the_counter_nearer() -> None:
    alone = bridged()
    alone.begins()
    assert alone.composer.next_due(RUNNING) == 35_178_000
    alone.composer.moved(39_990, 39_999, 20_000_000)
    assert alone.composer.next_due(RUNNING) == 20_000_000 + 110_000 + 30_000


def test_the_counter_is_not_read_again_within_a_minute() -> None:
    alone = bridged(ToyPace((0, 864_000)), (0, 864_000))  # 10 nL/s: 110 nL in 11 s
    alone.begins()
    alone.composer.moved(39_990, 39_999, 2_000_000)
    assert alone.composer.next_due(RUNNING) == 2_060_000


def test_without_a_bridge_and_without_a_run_no_counter_is_read_for_one() -> None:
    alone, still = Alone(), bridged()
    alone.begins()
    assert still.composer.next_due(READY) == 0
    assert not alone.composer.bridge_check_due(36_002_000)
    assert not still.composer.bridge_check_due(36_002_000)


def test_after_the_bridge_the_plans_own_flow_stages_and_hold_are_in_force() -> None:
    alone = bridged(stage_until=9 * HOUR)
    alone.begins()
    alone.books.end_bridge()
    alone.composer.renew_from(5 * HOUR)
    run = alone.composer.basal(5 * HOUR)
    assert (run.account, run.to_ms) == ("stage-0", 9 * HOUR)
    assert len(run.spans) == 1
    assert not alone.composer.bridge_check_due(36_002_000)
    hold = alone.composer.hold(5 * HOUR, 6 * HOUR)
    assert hold is not None
    assert hold.volume_nl == 3_500  # 3 593 s at 1 nL/s


def test_while_the_bridge_lasts_the_hold_is_the_lower_of_both_plans() -> None:
    hold = bridged().composer.hold(0, HOUR)
    assert hold is not None
    assert (hold.account, told(hold)) == ("bridge", [(2_000, 3_595_000, 1_700)])


def test_a_load_forgets_what_had_left_by_the_plan_before() -> None:
    alone = bridged()
    alone.begins()
    alone.composer.moved(39_990, 39_999, 20_000_000)
    alone.composer.loaded(1_000_000)
    alone.composer.renewed()
    run = alone.takes(alone.composer.basal(1_000_000))
    assert told(run)[0] == (1_002_000, 5_952_000, 9_900)
    assert not alone.composer.bridge_check_due(36_177_999)  # from there on 9 904 and 30 196 nL, and 30 s
    assert alone.composer.bridge_check_due(36_178_000)


def test_a_lease_of_a_bridge_is_renewed_in_its_course_though_a_bolus_is_due_at_its_end() -> None:
    """Boluses are off while it lasts."""
    alone = bridged(bolus=(10 * HOUR, 1_200_000, 6_000))
    alone.begins()
    assert not alone.composer.basal_due(35_198_709)
    assert alone.composer.basal_due(35_198_710)
