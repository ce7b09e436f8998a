"""D-05, D-06, D-16: the pieces that a command is counted as, one at a time and in whole numbers."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Step
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.safety.basal import Basal, Parts, Tail
from pump_ctrl.safety.curve import FAR, FAR_PAST, ZL_PER_NL, Curve, content
from pump_ctrl.safety.doses import CAPS_ONLY, EVERYWHERE, Dose, Run, Terms, block, draft
from pump_ctrl.safety.lanes import Lanes
from pump_ctrl.safety.limits import Mix
from pump_ctrl.safety.trial import trial, weighed
from tests.safety.kit import basal, bolus, prime

MIX: Mix = (("baclofen", 1_000_000),)
OTHER: Mix = (("baclofen", 2_000_000),)


def run(number: int = 1, sent: int = 100, **fields: int | bool) -> Run:
    """3 zL/ms for 10 ms, a rest of 5 ms, 2 zL/ms for 20 ms; begun within 4 ms."""
    return Run(number, "a", sent, 4, ((0, 10, 3, MIX), (15, 35, 2, MIX)), **fields)  # type: ignore[arg-type]


def dose(
    number: int = 1, start: int = 100, end: int = 114, purpose: str = Purpose.SCHEDULED, **fields: int | bool
) -> Dose:
    """30 zL at 3 zL/ms somewhere within 14 ms; a stroke of 2 zL."""
    return Dose(number, ("a", MIX), purpose, 30, 3, start, end, 10, 2, **fields)  # type: ignore[arg-type]


def test_a_run_holds_its_steps_and_ends_with_the_last_of_them_and_its_doubt() -> None:
    assert (run().volume, run().end) == (70, 139)
    assert run(cut=120).end == 120
    assert (Run(1, "a", 100, 4, ()).volume, Run(1, "a", 100, 4, ()).end) == (0, 104)


@pytest.mark.parametrize(("since", "until", "settled", "flows"), [
    (0, FAR, True, [(100, 114, 3), (115, 139, 2)]),
    (110, FAR, True, [(110, 114, 3), (115, 139, 2)]),
    (114, FAR, True, [(115, 139, 2)]),
    (0, 120, True, [(100, 114, 3), (115, 120, 2)]),  # what is settled gives way to what comes then
    (0, 115, True, [(100, 114, 3)]), (0, 110, True, [(100, 110, 3)]),
    (0, 120, False, [(100, 114, 3), (115, 130, 2)]),  # what is not may go on, but for its own cut
])  # fmt: skip
def test_a_run_can_flow_from_its_sending_to_its_cut_and_each_step_for_the_doubt_longer(
    since: int, until: int, settled: bool, flows: list[tuple[int, int, int]]
) -> None:
    found = run(settled=settled, cut=130 if not settled else FAR).segments(since, until)
    assert [flow for _, flow in found] == flows


@pytest.mark.parametrize(("start", "end", "kept", "least"), [
    (0, 999, FAR, 18 + 32),  # of each step what flows whenever it began: 6 and 16 ms
    (105, 999, FAR, 15 + 32), (0, 108, FAR, 12), (0, 999, 125, 18 + 12), (0, 999, FAR_PAST, 0), (110, 119, FAR, 0),
])  # fmt: skip
def test_what_surely_flowed_of_a_run_is_what_flows_whenever_it_began_and_until_it_was_taken_over(
    start: int, end: int, kept: int, least: int
) -> None:
    assert run(kept=kept).surely(start, end) == least


def test_what_surely_flowed_of_a_dose_is_what_flows_whenever_it_began() -> None:
    spans = ((0, 999), (106, 999), (0, 107), (0, 104), (110, 999), (200, 999), (0, 50))
    assert [dose().surely(start, end) for start, end in spans] == [18, 12, 9, 0, 0, 0, 0]


def test_a_dose_that_was_cut_holds_what_its_time_allows_and_one_stroke() -> None:
    assert [dose(cut=cut).amount for cut in (90, 100, 103, 109, 110, FAR)] == [2, 2, 11, 29, 30, 30]
    long_stroke = dose(cut=100)
    long_stroke.stroke = 20
    assert long_stroke.ramps() == ([(100, 101, 20), (101, 102, 0)], [(99, 100, 0), (100, 101, 20)])


@pytest.mark.parametrize(("cut", "moved_cut"), [(149, -821), (150, -820), (151, 151), (FAR, FAR)])
@pytest.mark.parametrize(("kept", "moved_kept"), [(149, -851), (150, -850), (151, 151), (FAR, FAR)])
def test_what_was_sent_before_a_reboot_moves_back_by_the_time_off_and_ends_by_its_doubt_less(
    cut: int, moved_cut: int, kept: int, moved_kept: int
) -> None:
    """D-16: off for 1,000 ms, or up to 30 less. What had not come to an end by the edge is not over by it."""
    moved = run(cut=cut, kept=kept)
    moved.older(150, 1_000, 30)
    assert (moved.sent, moved.doubt, moved.cut, moved.kept) == (-900, 34, moved_cut, moved_kept)
    bolus_ = dose(cut=cut)
    bolus_.older(150, 1_000, 970)
    assert (bolus_.start, bolus_.end, bolus_.cut) == (-900, 114 - 970, moved_cut)


def test_what_was_sent_after_a_reboot_stays_where_it_is() -> None:
    moved, late = run(sent=151), dose(start=151, end=165, cut=140)
    moved.older(150, 1_000, 30)
    late.older(150, 1_000, 970)
    assert (moved.sent, moved.doubt, moved.cut, moved.kept) == (151, 4, FAR, FAR_PAST)
    assert (late.start, late.end, late.cut) == (151, 165, 140)
    edge, at_edge = run(sent=150), dose(start=150, end=164)
    edge.older(150, 1_000, 30)
    at_edge.older(150, 1_000, 970)
    assert (edge.sent, at_edge.start, at_edge.end) == (-850, -850, 164 - 970)


def pieces(*steps: Step) -> tuple[list[tuple[int, int]], list[tuple[str, int]]]:
    """Where the basal lies, and what the doses beside it are."""
    terms = Terms("a", "b", MIX, lambda volume: OTHER, (("baclofen", 10),), 100)
    drawn = draft(steps, Purpose.SCHEDULED, terms, permit_id=1, sent=0, doubt=4)
    assert {mix for _, _, _, mix in drawn.run.shape} <= {MIX}  # one fluid only: nobody asks for the tip
    return [(a, b) for a, b, _, _ in drawn.run.shape], [
        (d.key[0], d.volume // ZL_PER_NL) for d in drawn.doses
    ]


def test_a_rest_is_no_piece_of_basal_and_one_nanolitre_is() -> None:
    assert pieces(basal(0, 50), basal(1, 10), basal(0, 50)) == ([(50, 60)], [])


def test_a_bolus_counts_beside_its_share_of_basal_and_a_prime_in_no_account() -> None:
    assert pieces(bolus(1_000, 10, 400), bolus(300, 10)) == ([(0, 10)], [("b", 600), ("b", 300)])
    assert pieces(prime(500, 10)) == ([], [(CAPS_ONLY, 500)])


def test_a_bolus_may_lie_anywhere_from_its_sending_on_and_of_a_prime_a_quarter_is_dose() -> None:
    """D-06, D-12: 10 pg/mL, so 2.5, rounded up; 4 ms of doubt."""
    terms = Terms("a", "b", MIX, lambda volume: OTHER, (("baclofen", 10),), 100)
    (only,) = draft((bolus(600, 10),), Purpose.SCHEDULED, terms, permit_id=7, sent=50, doubt=4).doses
    assert (only.id, only.start, only.end, only.lasts, only.stroke) == (7, 50, 64, 10, 100 * ZL_PER_NL)
    (primed,) = draft((prime(600, 10),), Purpose.PRIME, terms, permit_id=7, sent=50, doubt=4).doses
    assert primed.key == (CAPS_ONLY, (("baclofen", 3),))


def test_a_volume_that_nobody_asked_for_is_settled_and_no_bolus_of_anybody() -> None:
    found = block((EVERYWHERE, MIX), 500, 20, 20)
    assert (found.start, found.end, found.amount, found.stop, found.settled) == (20, 21, 500, 21, True)
    assert not found.is_bolus
    assert found.cut == FAR


# --- runs of one pump ---------------------------------------------------------------------------------------


def sure(*runs: Run) -> list[int]:
    return [each.kept for each in runs]


def test_what_surely_began_is_kept_until_the_first_that_was_sent_after_it() -> None:
    basal_, before, it, after, last = Basal(), run(1, 50), run(2, 100), run(3, 200), run(4, 300)
    for each in (before, it, last, after):
        basal_.add(each)
    before.kept = after.kept = last.kept = FAR
    basal_.began(it)
    assert sure(before, it, after, last) == [100, 200, FAR, FAR]  # what was before is kept up to it


@pytest.mark.parametrize(
    ("sent", "kept"), [(99, 100), (100, 100), (101, FAR_PAST), (104, FAR_PAST), (105, FAR)]
)
def test_what_was_sent_before_another_had_to_begin_may_have_been_taken_over_at_once(
    sent: int, kept: int
) -> None:
    """The other was sent at 100 and begins by 104."""
    basal_, one, other = Basal(), run(1, sent, kept=FAR), run(2, 100)
    basal_.add(one)
    basal_.add(other)
    other.kept = 777
    basal_.may_begin(other)
    assert sure(one, other) == [kept, 777]


@pytest.mark.parametrize(("number", "sent", "settled", "cut", "becomes"), [
    (1, 100, True, FAR, 150), (1, 120, True, FAR, 150), (1, 121, True, FAR, FAR), (1, 100, False, FAR, FAR),
    (9, 100, True, FAR, FAR), (1, 100, True, 140, 140), (1, 100, True, 151, 150),
])  # fmt: skip
def test_a_stop_cuts_what_was_sent_by_then_and_surely_runs_and_never_makes_a_cut_later(
    number: int, sent: int, settled: bool, cut: int, becomes: int
) -> None:
    basal_, it = Basal(), run(number, sent, settled=settled, cut=cut)
    basal_.add(it)
    basal_.cut(120, 150, keep=9)
    assert it.cut == becomes


def test_whatever_changes_about_a_run_changes_what_is_drawn_of_it() -> None:
    basal_, it = Basal(), run()
    basal_.add(it)
    assert basal_.tail.end == 139
    basal_.end(it, 120)
    assert (it.kept, basal_.tail.end) == (FAR_PAST, 120)
    basal_.fix(110)
    assert basal_.tail.by_mix == {MIX: [(110, 114, 3), (115, 120, 2)]}
    assert (basal_.by_mix[MIX].total, basal_.base) == (30, 110)
    assert not basal_.settled
    basal_.settle(it, 0)
    assert basal_.settled
    assert basal_.tail.by_mix == {MIX: [(115, 120, 2)]}


def test_what_is_drawn_follows_each_command_that_comes_goes_ends_or_gets_older() -> None:
    basal_ = Basal()

    def ends() -> int:
        return basal_.tail.end

    assert ends() == FAR_PAST
    for each in (run(2, 110, settled=True), run(1, 100, settled=True), run(3, 120, settled=True)):
        basal_.add(each)
    assert (ends(), basal_.run(1).sent, basal_.run(3).sent) == (159, 100, 120)
    basal_.drop(2)
    assert [each.id for each in basal_.runs] == [1, 3]
    basal_.drop(3)
    assert ends() == 139
    basal_.cut(100, 120)
    assert ends() == 120
    basal_.fix(105)
    assert ends() == 120
    basal_.older(150, 1_000, 30)
    assert (basal_.base, basal_.run(1).sent, ends()) == (-895, -900, 120 - 970)
    basal_.fix(500)
    assert basal_.runs == []


def test_from_a_stop_on_nothing_is_sure_to_run_and_a_later_one_changes_nothing() -> None:
    basal_ = Basal()
    for each in (run(1, kept=FAR), run(2, kept=120)):
        basal_.add(each)
    basal_.may_stop(130)
    basal_.may_stop(140)
    assert sure(*basal_.runs) == [130, 120]


def test_of_what_is_past_only_what_a_window_can_still_see_is_kept() -> None:
    basal_ = Basal()
    basal_.add(Run(1, "a", 0, 0, ((0, 10, 1, MIX),), settled=True))
    basal_.add(Run(2, "b", 20, 0, ((0, 10, 1, OTHER),), settled=True))
    basal_.fix(30)
    assert not basal_.aged(10)
    assert basal_.aged(11)
    basal_.forget(11)
    assert (list(basal_.by_key), list(basal_.by_mix)) == ([("b", OTHER)], [OTHER])


def test_accounts_that_share_one_of_their_fluids_have_what_is_theirs_of_each() -> None:
    basal_ = Basal()
    basal_.add(Run(1, "a", 0, 0, ((0, 10, 1, MIX), (10, 20, 1, OTHER)), settled=True))
    basal_.add(Run(2, "b", 10, 0, ((0, 10, 1, OTHER),), settled=True))
    basal_.fix(30)
    own = {key: curve.total for key, curve in basal_.by_key.items()}
    assert own == {("a", MIX): 10, ("a", OTHER): 10, ("b", OTHER): 10}
    assert {mix: curve.total for mix, curve in basal_.by_mix.items()} == {MIX: 10, OTHER: 10}  # one motor


def test_two_runs_of_which_either_may_flow_count_no_more_than_their_volumes_where_the_curves_hold_more() -> (
    None
):
    """One that may begin within 100 ms flows at 3 zL/ms wherever that can be: 330 zL on the curve, 30 in the run."""
    basal_ = Basal()
    basal_.add(Run(1, "a", 0, 100, ((0, 10, 3, MIX),)))
    assert basal_.over(330, 0, 999) == 300
    assert basal_.over(330, 0, 20) == 60 - 30
    assert basal_.over(330, 0, 10) == 0
    assert basal_.over(30, 0, 10) == 0
    basal_.fix(50)
    assert basal_.over(330, 0, 999) == 180 - 30  # what is past cannot change any more
    assert basal_.over(330, 0, 20) == 0


def test_a_tail_ends_with_the_last_flow_of_any_fluid_and_long_ago_without_any() -> None:
    other = Run(2, "b", 100, 0, ((0, 5, 1, OTHER),))
    assert Tail([run(), other], 0).end == Tail([other, run()], 0).end == 139
    assert Tail([], 0).end == FAR_PAST


def test_two_accounts_with_one_fluid_have_a_tail_each_and_the_faster_of_them_over_all() -> None:
    fast = Run(2, "b", 105, 0, ((0, 5, 7, MIX),))
    tail = Tail([run(), fast], 0)
    assert tail.by_key == {("a", MIX): [(100, 114, 3), (115, 139, 2)], ("b", MIX): [(105, 110, 7)]}
    assert tail.by_mix == {MIX: [(100, 105, 3), (105, 110, 7), (110, 114, 3), (115, 139, 2)]}


# --- doses beside each other --------------------------------------------------------------------------------


def test_what_is_over_and_settled_is_not_alive_and_what_is_not_settled_always_is() -> None:
    lanes = Lanes()
    lanes.begin((dose(1, settled=True), dose(2), dose(3, 200, 214, settled=True)), 0)
    lanes.begin((), 113)
    assert [each.id for each in lanes.live] == [1, 2, 3]
    lanes.begin((dose(4, 300, 314),), 114)
    assert [each.id for each in lanes.live] == [2, 3, 4]
    assert [[each.id for each in lanes.of(number)] for number in (1, 2, 3)] == [[], [2], [3]]
    lanes.begin((), 999)
    assert [each.id for each in lanes.live] == [2, 4]


def test_a_dose_that_was_never_given_leaves_nothing_behind() -> None:
    lanes = Lanes()
    lanes.begin((dose(1, purpose=Purpose.PATIENT), dose(2)), 0)
    lanes.drop(1)
    assert ([each.id for each in lanes.doses], [each.id for each in lanes.live]) == ([2], [2])
    assert (lanes.bolus_ends, lanes.patient_ends) == ([114], [])
    assert content(lanes.terms(), 0, 999) == 30


@pytest.mark.parametrize(("number", "start", "settled", "stop"), [
    (1, 100, True, 105), (1, 101, True, 105), (1, 102, True, 116), (1, 100, False, 114), (9, 100, True, 114),
])  # fmt: skip
def test_a_stop_cuts_a_dose_that_was_sent_by_then_and_surely_flows(
    number: int, start: int, settled: bool, stop: int
) -> None:
    lanes, it = Lanes(), dose(number, start, start + 14, settled=settled)
    lanes.begin((it,), 0)
    lanes.cut(101, 105, keep=9)
    assert (it.stop, lanes.bolus_ends) == (stop, [stop])
    lanes.cut(101, 110, keep=9)  # a later STOP takes nothing back
    assert it.stop == stop or not settled or start == 102


def test_an_end_that_changes_twice_is_remembered_once() -> None:
    lanes, it = Lanes(), dose(purpose=Purpose.PATIENT)
    lanes.begin((it, dose(2, 100, 150)), 0)
    lanes.settle(1, 101)
    lanes.amend(it, cut=103)
    assert (lanes.bolus_ends, lanes.patient_ends) == ([103, 150], [103])
    assert [lanes.bolus_running(now) for now in (149, 150, 151)] == [True, False, False]
    assert lanes.last_bolus_end == 150
    assert [lanes.patient_boluses_since(time) for time in (102, 103)] == [1, 0]


def test_a_dose_whose_begin_becomes_known_moves_on_its_curves_and_in_the_list_of_ends() -> None:
    for latest, end, late in ((101, 111, 0), (110, 120, 15)):  # from 115 on, if it began as late as it can
        lanes, it = Lanes(), dose()
        lanes.begin((it,), 0)
        lanes.settle(1, latest)
        assert (it.end, it.settled, lanes.bolus_ends) == (end, True, [end])
        assert content(lanes.terms(), 115, 999) == late


def test_a_prime_is_no_bolus_that_anything_waits_for() -> None:
    lanes = Lanes()
    lanes.begin((dose(purpose=Purpose.PRIME),), 0)
    assert (lanes.bolus_ends, lanes.patient_ends, content(lanes.terms(), 0, 999)) == ([], [], 30)


def test_doses_from_before_a_reboot_lie_earlier_and_end_earlier_only_by_the_time_that_is_sure() -> None:
    lanes = Lanes()
    lanes.begin((dose(purpose=Purpose.PATIENT), dose(2, 200, 214)), 0)
    lanes.older(150, 1_000, 970)
    assert (lanes.bolus_ends, lanes.patient_ends) == ([-856, 214], [-856])
    assert [content(lanes.terms(), a, b) for a, b in ((-900, -890), (-866, -856), (-856, 200), (200, 999))] == [
        30, 30, 0, 30,
    ]  # fmt: skip


@pytest.mark.parametrize(("locked", "becomes"), [(149, -821), (150, -820), (151, 151)])
def test_a_lock_from_before_a_reboot_moves_back_only_by_the_time_that_is_sure(
    locked: int, becomes: int
) -> None:
    lanes = Lanes()
    lanes.lock(locked)
    lanes.lock(10)  # an earlier one takes nothing back
    lanes.older(150, 1_000, 970)
    assert lanes.last_bolus_end == becomes


def test_what_ended_before_is_forgotten_with_its_end_and_what_ended_later_is_not() -> None:
    lanes = Lanes()
    for start in (0, 100, 200):
        lanes.begin((dose(start + 1, start, start + 14, Purpose.PATIENT, settled=True),), start)
    lanes.forget(114)
    assert (lanes.bolus_ends, lanes.patient_ends) == ([214], [214])
    assert content(lanes.terms(), 114, 999) == 30
    lanes.forget(214)
    assert (lanes.bolus_ends, lanes.last_bolus_end) == ([], FAR_PAST)
    lanes.forget(215)
    assert lanes.curves == {}


def test_of_many_doses_those_that_can_still_matter_are_kept() -> None:
    lanes = Lanes()
    for number in range(40):
        lanes.begin((dose(number + 1, 100 * number, 100 * number + 14, settled=True),), 100 * number)
    assert not lanes.aged(1_100)
    assert lanes.aged(2_514)
    lanes.forget(2_514)
    [(early, late)] = lanes.curves.values()
    assert max(len(early.times), len(late.times)) < 40  # of 80
    assert [each.stop for each in lanes.doses][:2] == [2_514, 2_614]
    assert len(lanes.doses) == 15


# --- the request itself -------------------------------------------------------------------------------------


def test_a_trial_holds_of_the_other_accounts_what_counts_everywhere_and_no_basal_of_theirs() -> None:
    past, lanes = Basal(), Lanes()
    for number, key in enumerate(("0", "a", "z")):  # before and after it by name
        past.add(Run(number, key, 10 * number, 0, ((0, 10, 10**number, MIX),), settled=True))
    past.fix(30)
    lanes.add(block((EVERYWHERE, MIX), 5_000, 0, 10))
    lanes.add(block(("b", MIX), 70_000, 0, 10))
    terms = Terms("a", "b", MIX, lambda volume: MIX, MIX, 100)
    asked = draft((bolus(2, 10, 1),), Purpose.SCHEDULED, terms, permit_id=9, sent=30, doubt=0)
    tried = trial(past, lanes, asked, 30)

    def total(parts: dict[Mix, list[tuple[int, Curve, Curve]]]) -> int:
        return sum(content(term, -999, 999) for term in parts.values())

    one = ZL_PER_NL
    assert total(tried.basal()) == 100 + 5_000 + one
    assert total(tried.boluses()) == 75_000 + one
    assert total(tried.everything()) == 1_110 + 75_000 + 2 * one
    assert total(tried.own()) == 2 * one
    assert tried.last == 40


def test_a_trial_takes_of_what_may_still_flow_the_basal_of_its_own_account_alone() -> None:
    """Three that are not settled, each with a fluid of its own; the last window ends with the last of anything."""
    past, third = Basal(), (("baclofen", 3_000_000),)
    for number, (key, mix) in enumerate((("0", OTHER), ("a", MIX), ("z", third))):
        past.add(Run(number, key, 0, 0, ((0, 50, 10**number, mix),)))
    terms = Terms("a", "b", MIX, lambda volume: MIX, MIX, 100)
    for step, last in ((bolus(2, 10, 1), 50), (bolus(2, 90, 1), 120), (bolus(2, 90), 120)):
        asked = draft((step,), Purpose.SCHEDULED, terms, permit_id=9, sent=30, doubt=0)
        tried = trial(past, Lanes(), asked, 30)
        assert list(tried.basal()) == [MIX]
        assert set(tried.everything()) == {OTHER, MIX, third}
        assert (tried.first, tried.last) == (30, last)
    past.fix(50)
    tried = trial(past, Lanes(), asked, 30)
    assert list(tried.basal()) == [MIX]


def test_a_drug_is_weighed_by_its_own_concentration_and_one_that_is_not_there_by_none() -> None:
    flow = Curve([(0, 10, 1)])
    parts: Parts = {(("b", 2), ("d", 3)): [(1, flow, flow)]}
    assert [content(weighed(parts, drug), 0, 10) for drug in ("a", "b", "c", "d", "e")] == [0, 20, 0, 30, 0]
