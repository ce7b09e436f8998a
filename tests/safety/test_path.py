"""D-10, S-17, IT-04: each nL counts at the largest concentration that can stand at the tip."""

from __future__ import annotations

from typing import Any

import pytest

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.path import Front, Path
from tests.safety.kit import DAY, HOUR, Bench, account, basal, codes, limits, rows

OLD, NEW = (("morphine", 10_000),), (("morphine", 5_000),)
WIDE = (10**12,) * 3


def path() -> Path:
    """A path of 300 to 340 nL; the new fluid went in when 1,000 to 1,100 nL had left."""
    return Path(300, 340, (Front(OLD, 0, 0), Front(NEW, 1_000, 1_100)))


@pytest.mark.parametrize(("low", "high", "tip"), [
    (0, 200, OLD), (1_000, 1_100, OLD), (1_000, 1_300, OLD), (1_000, 1_301, OLD), (1_439, 2_000, OLD),
    (1_440, 2_000, NEW),
])  # fmt: skip
def test_the_stronger_fluid_counts_until_it_has_surely_left(low: int, high: int, tip: object) -> None:
    assert path().tip(low, high) == tip


@pytest.mark.parametrize(("high", "tip"), [(1_299, NEW), (1_300, NEW), (1_301, OLD)])
def test_a_stronger_fluid_counts_from_the_first_volume_that_may_leave_the_tip(high: int, tip: object) -> None:
    """Filled at 1,000 at the least: after 300 more it stands at the tip, after 301 some of it has left."""
    stronger = Path(300, 340, (Front(NEW, 0, 0), Front(OLD, 1_000, 1_100)))
    assert stronger.tip(1_000, high) == tip


def test_each_drug_takes_its_own_largest_concentration() -> None:
    mixed = Path(300, 340, (Front((("a", 5), ("b", 1)), 0, 0), Front((("b", 9), ("c", 2)), 0, 0)))
    assert mixed.tip(0, 1_000) == (("a", 5), ("b", 9), ("c", 2))


def test_what_has_surely_left_is_forgotten_and_the_same_fluid_again_is_no_front() -> None:
    assert path().settled(1_439) == path()
    assert path().settled(1_440).fronts == (Front(NEW, 1_000, 1_100),)
    assert path().filled(NEW, 2_000, 2_000) == path()
    assert path().filled(OLD, 2_000, 2_050).fronts[-1] == Front(OLD, 2_000, 2_050)
    assert path().newest == NEW


def test_a_path_keeps_its_bounds_whatever_comes_and_goes_and_says_when_one_fluid_is_alone() -> None:
    assert path().settled(1_440) == Path(300, 340, (Front(NEW, 1_000, 1_100),))
    assert path().settled(9_999) == path().settled(1_440)
    assert path().filled(OLD, 2_000, 2_050) == Path(300, 340, (*path().fronts, Front(OLD, 2_000, 2_050)))
    assert (path().only, path().settled(1_439).only, path().settled(1_440).only) == ((), (), NEW)
    weaker = (("morphine", 4_000),)
    assert [path().filled(mix, 2_000, 2_050).newest for mix in (OLD, weaker)] == [OLD, weaker]


def test_three_fluids_in_the_path_all_count() -> None:
    third = path().filled((("morphine", 20_000),), 1_150, 1_200)
    assert third.tip(1_000, 1_450) == OLD
    assert third.tip(1_000, 1_451) == (("morphine", 20_000),)
    assert third.tip(1_440, 1_450) == NEW


def fluids(path_pg: int, reservoir_pg: int) -> dict[str, object]:
    return {"fluids": {"path": {"baclofen": [0, path_pg]}, "reservoir": {"baclofen": [0, reservoir_pg]}}}


PATH = {"path": {"lo_nl": 10_000, "hi_nl": 12_000, "bridge_lo_nl": 8_000, "bridge_hi_nl": 14_000}}
CAPS = {"caps": [{"drug": "baclofen", "hours": 24, "pg": 10**12}]}


def test_old_fluid_twice_as_strong_counts_twice_until_the_path_is_surely_empty_of_it() -> None:
    """Path 10 to 12 uL, old fluid 2 pg/nL, new 1: E(1) = 20,000 pg (+ 400). 10,000 nL of the old are the
    limit.
    """
    data = limits(
        [account(rows=rows((20_000, 10**12, 10**12)))], **PATH, **CAPS, **fluids(2_000_000, 1_000_000)
    )
    bench = Bench(data).confirmed()
    assert codes(bench.ask(basal(10_800, HOUR))) == {"basal-window"}
    assert isinstance(bench.ask(basal(9_900, HOUR)), Acked)
    bench.at(HOUR)
    bench.guard.read_status()
    assert codes(bench.ask(basal(10_800, HOUR))) == {"basal-window"}  # 9,800 have surely left, not 12,000
    assert isinstance(bench.ask(basal(9_000, HOUR)), Acked)
    bench.at(2 * HOUR)
    bench.guard.read_status()
    bench.at(3 * HOUR + 1)
    assert isinstance(bench.ask(basal(20_000, HOUR)), Acked)  # 18,700 have: the new fluid alone


def test_a_new_stronger_fluid_counts_from_the_step_in_which_it_may_arrive() -> None:
    """Old 1 pg/nL, new 2: steps that end before 10 uL have left count 1, one that passes them counts 2."""
    data = limits(
        [account(rows=rows((15_000, 10**12, 10**12)))], **PATH, **CAPS, **fluids(1_000_000, 2_000_000)
    )
    one = Bench(data).confirmed()
    assert codes(one.ask(basal(10_100, HOUR))) == {"basal-window"}
    assert isinstance(one.ask(basal(9_900, HOUR)), Acked)
    two = Bench(data).confirmed()
    assert isinstance(two.ask(basal(9_900, HOUR), basal(7_400, HOUR)), Acked)
    three = Bench(data).confirmed()
    assert codes(three.ask(basal(9_900, HOUR), basal(7_900, HOUR))) == {"basal-window"}


def test_a_weak_refill_over_a_strong_residual_counts_the_upper_bound_of_the_mixture() -> None:
    """D-10: 1.4 mL of 10 mg/mL under 18.6 mL of 5: 5.35 mg/mL, so 3.21 mg/day against an E of 3.00."""
    mixture, strong = 5_350_000_000, 10_000_000_000
    for e, yes in ((3_210_000_000, True), (3_000_000_000, False)):
        data = limits(
            [account(rows=rows((10**12, 10**12, e)))], **PATH, **CAPS, **fluids(mixture, mixture),
            bolus_caps=[{"drug": "baclofen", "pg": strong}],
        )  # fmt: skip
        answer = Bench(data).confirmed().ask(basal(600_000, DAY))
        assert isinstance(answer, Acked) is yes


def test_a_bridge_counts_the_old_fluid_until_the_accuracy_of_the_pump_is_made_up_for() -> None:
    """D-11: with a bridge the path ends at 14 uL instead of 12: leaving it early counts the old fluid."""
    two = [account("bridge", rows=rows(WIDE)), account(rows=rows((10_000, 10**12, 10**12)))]
    data = limits(two, **PATH, **CAPS, **fluids(2_000_000, 1_000_000))
    bench = Bench(data).confirmed()
    bench.ask(basal(13_900, HOUR), account="bridge")
    bench.at(2 * HOUR)
    bench.guard.read_status()
    assert codes(bench.ask(basal(10_000, HOUR))) == {"basal-window"}
    bench.ask(basal(300, HOUR), account="bridge")
    bench.at(3 * HOUR)
    bench.guard.read_status()
    assert isinstance(bench.ask(basal(10_000, HOUR)), Acked)


def test_a_refill_with_another_fluid_is_a_front_and_one_with_the_same_is_none() -> None:
    data = limits([account(rows=rows((20_000, 10**12, 10**12)))], **PATH, **CAPS)
    bench = Bench(data).confirmed()
    bench.guard.refill(by="tester", fill_nl=40_000_000, fluid={"baclofen": 1_000_000})
    assert len(bench.guard._state.path.fronts) == 1
    bench.guard.refill(by="tester", fill_nl=40_000_000, fluid={"baclofen": 2_000_000})
    assert codes(bench.ask(basal(10_800, HOUR))) == {"basal-window"}
    assert isinstance(bench.ask(basal(9_900, HOUR)), Acked)


def test_a_refill_that_named_no_fluid_dates_the_fluid_of_the_next_limits() -> None:
    """The front begins at the refill, not at the load of the plan an hour and 9 uL later."""
    old = limits([account(rows=rows((20_000, 10**12, 10**12)))], **PATH, **CAPS)
    new = limits(
        [account(rows=rows((20_000, 10**12, 10**12)))], **PATH, **CAPS,
        plan={"id": "NEW", "sha256": "d" * 64},
        fluids={"path": {"baclofen": [0, 1_000_000]}, "reservoir": {"baclofen": [0, 2_000_000]}},
    )  # fmt: skip
    bench = Bench(old).confirmed()
    bench.guard.refill(by="tester", fill_nl=40_000_000)
    bench.ask(basal(9_000, HOUR))
    bench.at(2 * HOUR)
    bench.guard.load(new, by="tester", plan_ms=0)
    assert bench.guard._state.path.fronts[-1] == Front((("baclofen", 2_000_000),), 0, 0)
    assert codes(bench.ask(basal(10_800, HOUR))) == {"basal-window"}


def test_limits_that_name_a_fluid_in_the_path_that_nobody_knew_count_it() -> None:
    old = limits([account(rows=rows(WIDE))], **PATH, **CAPS)
    new = limits(
        [account(rows=rows(WIDE))],
        **PATH,
        **CAPS,
        plan={"id": "NEW", "sha256": "d" * 64},
        **fluids(3_000_000, 2_000_000),
    )
    bench = Bench(old).confirmed()
    bench.guard.load(new, by="tester", plan_ms=0)
    mixes = [dict(front.mix)["baclofen"] for front in bench.guard._state.path.fronts]
    assert mixes == [1_000_000, 3_000_000, 2_000_000]


def test_a_rotation_of_drugs_counts_each_one_where_it_can_stand_at_the_tip() -> None:
    """Baclofen in the path, morphine in the reservoir: 8 uL are baclofen alone, the step that passes 10 uL is both."""
    drugs: dict[str, Any] = {
        "fluids": {"path": {"baclofen": [0, 1_000_000]}, "reservoir": {"morphine": [0, 1_000_000]}},
        "caps": [{"drug": drug, "hours": 24, "pg": 10**12} for drug in ("baclofen", "morphine")],
        "bolus_caps": [{"drug": drug, "pg": 10**12} for drug in ("baclofen", "morphine")],
    }
    both = rows(WIDE, drug="baclofen") + rows((900, 10**12, 10**12), drug="morphine")
    bench = Bench(limits([account(rows=both)], **PATH, **drugs)).confirmed()
    assert isinstance(bench.ask(basal(8_000, HOUR)), Acked)
    bench.at(HOUR)
    assert bench.guard.worst("morphine", 1) == 0
    answer = bench.ask(basal(3_000, HOUR))
    assert codes(answer) == {"basal-window"}
    assert "morphine" in str(answer)
    assert isinstance(bench.ask(basal(900, HOUR)), Acked)
