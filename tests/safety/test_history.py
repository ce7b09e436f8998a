"""D-05, D-06, S-04: where each command counts, and what proof narrows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.drivers.base import Given, PumpStatus, Unknown
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.safety.curve import ZL_PER_NL, content
from pump_ctrl.safety.doses import BEYOND, EVERYWHERE
from pump_ctrl.safety.history import History
from tests.safety.kit import CAPABILITIES, DAY, HOUR, MINUTE, Bench, account, basal, bolus, limits, rows
from tests.safety.ledger import MIX

WIDE = (10**9,) * 3
LIMITS = limits(
    [account(rows=rows(WIDE, WIDE, bolus_max_pg_per_h=10**8), max_bolus_nl=90_000)],
    caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}],
)


def ready(**capabilities: object) -> Bench:
    return Bench(LIMITS, replace(CAPABILITIES, **capabilities)).confirmed()  # type: ignore[arg-type]


def held(bench: Bench, start: int, end: int) -> int:
    """Most between two instants, to the nearest nL."""
    history = bench.guard._state.history
    return (content(history._volume(), start, end) + ZL_PER_NL // 2) // ZL_PER_NL


def test_at_a_fall_of_the_rate_the_old_rate_lasts_for_the_doubt() -> None:
    """3,600,000 nL/h are 1 nL/ms; begun within 2 s: 3,600 nL step, then a rest."""
    bench = ready(max_nl_per_h=3_600_000)
    known = bench.guard._state.limits
    assert known is not None
    bench.guard._state.limits = replace(known, pump=replace(known.pump, max_nl_per_h=3_600_000))
    bench.pump.latency_ms = 2_000
    bench.ask(basal(3_600, 3_600), basal(0, HOUR))
    assert held(bench, 0, 3_600) == 3_600
    assert held(bench, 0, HOUR) == 5_600  # any window: it can lie anywhere within [0, 2 s]
    assert held(bench, 2_000, 5_600) == 3_600
    assert held(bench, 5_600, HOUR) == 0


def test_an_acknowledged_run_cuts_the_one_before_and_both_count_while_it_is_not_certain_which() -> None:
    bench = ready()
    bench.pump.latency_ms = 1_000
    bench.ask(basal(36_000, HOUR))  # 10 nL/s
    bench.at(HOUR // 2)
    bench.ask(basal(18_000, HOUR))  # 5 nL/s
    assert held(bench, HOUR // 2, HOUR // 2 + 1_000) == 10
    assert held(bench, HOUR // 2 + 1_000, HOUR // 2 + 2_000) == 5
    assert held(bench, 0, DAY) == 18_000 + 10 + 5 * 3_600


def test_an_unknown_run_counts_at_each_instant_as_the_larger_of_the_two() -> None:
    bench = ready(ttl_ms=0)
    bench.pump.latency_ms = 0
    bench.ask(basal(36_000, HOUR))
    bench.at(HOUR // 2)
    bench.pump.answers = ["lost"]
    assert isinstance(bench.ask(basal(9_000, HOUR // 4), basal(72_000, HOUR)), Unknown)
    assert held(bench, HOUR // 2, HOUR * 3 // 4) == 9_000
    assert held(bench, HOUR * 3 // 4, HOUR) == 18_000
    assert held(bench, HOUR, 2 * HOUR) == 54_000 + 40  # and 2 s of doubt at its end
    bench.guard.settle()
    assert held(bench, HOUR // 2, DAY) == 18_000


def test_evidence_that_it_runs_cuts_the_old_run_and_keeps_the_doubt_of_its_begin() -> None:
    bench = ready(ttl_ms=0)
    bench.pump.latency_ms = 0
    bench.ask(basal(36_000, HOUR))
    bench.at(HOUR // 2)
    bench.pump.answers = ["unheard"]
    bench.ask(bolus(6_000, 10 * MINUTE), basal(9_000, HOUR // 2), purpose=Purpose.SCHEDULED)
    bench.wait(MINUTE)
    assert isinstance(bench.guard.settle(), Given)
    begin = HOUR // 2
    assert held(bench, begin, begin + 2_000) == 20 + 20  # old basal, and the bolus at 10 nL/s
    assert held(bench, begin + 2_000, DAY) == 6_000 + 9_000 + 10
    assert bench.guard._state.history.last_bolus_end == begin + 2_000 + 10 * MINUTE


def test_evidence_of_an_ended_run_bounds_its_bolus_by_what_the_pump_tells_and_a_stroke() -> None:
    bench = ready(ttl_ms=0)
    bench.pump.latency_ms = 0
    bench.pump.answers = ["unheard"]
    bench.ask(bolus(6_000, 10 * MINUTE), basal(9_000, HOUR), purpose=Purpose.SCHEDULED)
    bench.wait(MINUTE)
    bench.pump._cut()
    bench.wait(MINUTE)
    assert isinstance(bench.guard.settle(), Given)
    assert held(bench, 0, DAY) == 600 + 100
    assert bench.guard._state.history.last_bolus_end == 2 * MINUTE


def test_a_person_who_resolves_leaves_the_upper_bound_and_a_later_answer_cuts_it() -> None:
    bench = ready(ttl_ms=0)
    bench.pump.latency_ms = 0
    bench.pump.answers = ["lost"]
    bench.ask(basal(36_000, HOUR))
    bench.guard.resolve(bench.pump.sent[0].id, "tester", "seen")
    assert held(bench, 0, DAY) == 36_020
    bench.at(HOUR // 2)
    bench.ask(basal(0, HOUR))
    assert held(bench, 0, DAY) == 18_000


def test_an_acknowledged_stop_does_not_cut_what_is_unsettled() -> None:
    """S-04: only proof of its own lowers it."""
    bench = ready(ttl_ms=0)
    bench.pump.latency_ms = 0
    bench.pump.answers = ["lost"]
    bench.ask(bolus(6_000, 10 * MINUTE), basal(36_000, HOUR), purpose=Purpose.SCHEDULED)
    bench.wait(MINUTE)
    bench.guard.stop("test")
    assert held(bench, 0, DAY) == 42_020


def test_a_bolus_stopped_before_it_can_have_begun_is_one_stroke() -> None:
    bench = ready()
    bench.pump.latency_ms = 0
    bench.ask(bolus(6_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    bench.guard.stop("test")
    assert held(bench, -HOUR, HOUR) == 100
    assert bench.guard._state.history.last_bolus_end == 1


def test_a_block_counts_whole_in_each_window_that_it_touches() -> None:
    history = History(DAY)
    history.block((EVERYWHERE, (("baclofen", 1_000_000),)), 500 * ZL_PER_NL, 100, 200)
    assert [history.flowed_nl(a, b) for a, b in ((0, 100), (0, 101), (150, 160), (199, 300), (200, 300))] == [
        0, 500, 500, 500, 0
    ]  # fmt: skip
    history.block((EVERYWHERE, ()), ZL_PER_NL, 300, 300)
    assert history.flowed_nl(250, 301) == 1


def test_the_largest_window_so_far_is_remembered_after_it_was_forgotten() -> None:
    bench = ready()
    bench.pump.latency_ms = 0
    bench.ask(basal(18_000, HOUR // 2))
    for hour in range(1, 60):
        bench.at(hour * HOUR)
        bench.ask(basal(900, HOUR))
    assert bench.guard.worst("baclofen", 1) == 18_000
    assert bench.guard.worst("baclofen", 4) == 18_000 + 3 * 900
    assert bench.guard.worst("morphine", 1) == 0


def test_what_a_counter_shows_beyond_all_that_was_permitted_counts_once() -> None:
    """F-22, at the very instant of the reading before: no time has gone by in which it could have flowed."""
    bench = ready()
    bench.pump.latency_ms = 0
    bench.guard.read_status()
    bench.pump.extra_nl = 300
    bench.guard.read_status()
    history = bench.guard._state.history
    assert history.beyond == 400 * ZL_PER_NL  # and the grain that a counter can be behind
    bench.guard.read_status()
    bench.ask(basal(0, HOUR))
    assert history.beyond == 400 * ZL_PER_NL


@pytest.mark.parametrize("latency_ms", [0, 20])
def test_what_a_pump_gives_beyond_explains_nothing_that_it_gives_beyond_later(latency_ms: int) -> None:
    """F-22, F-29: twice the same, an hour apart, with exchanges that take their time: each is found and counted."""
    bench = ready()
    plain = bench.pump.status

    def slow() -> PumpStatus:
        bench.wait(latency_ms)
        status = plain()
        bench.wait(latency_ms)
        return status

    bench.pump.status = slow  # type: ignore[method-assign]
    bench.guard.read_status()
    for found in range(1, 4):
        bench.wait(HOUR)
        bench.pump.extra_nl += 5_000
        bench.guard.read_status()
        assert bench.guard._state.history.beyond == found * 5_100 * ZL_PER_NL
        assert held(bench, 0, DAY) >= bench.pump.given()
    assert {account for account, _ in bench.guard._state.history._lanes} == {BEYOND}


def test_a_status_of_the_same_moment_with_another_counter_is_news_to_the_next_process() -> None:
    bench = ready()
    bench.guard.read_status()
    bench.pump.extra_nl = 5_000
    bench.restart()
    bench.guard.read_status()
    assert bench.guard.high_nl >= 5_000


def test_a_basal_counts_before_it_is_acknowledged_beside_what_was_looked_at_before() -> None:
    """S-03."""
    bench = ready()
    bench.ask(basal(3_600, HOUR))
    bench.wait(HOUR)
    before = bench.guard.high_nl
    seen: list[int] = []
    bench.pump.on_deliver = lambda: seen.append(bench.guard.high_nl)
    bench.ask(basal(36_000, HOUR))
    assert before + 36_000 <= seen[0] <= before + 36_001


def test_a_basal_that_nothing_bounds_may_begin_until_a_person_says_otherwise() -> None:
    """A pump behind a buffer: 36,000 nL in any hour to come, and after the resolve in those that have begun."""
    bench = ready(buffered=True, ttl_ms=None)
    bench.pump.answers = ["lost"]
    bench.ask(basal(36_000, HOUR))
    assert held(bench, DAY, DAY + HOUR) == 36_000
    bench.wait(HOUR)
    bench.guard.resolve(bench.pump.sent[0].id, "tester", "seen")
    assert held(bench, HOUR, 2 * HOUR) == 36_000
    assert held(bench, DAY, DAY + HOUR) == 0


def test_a_window_of_24_hours_is_whole_however_much_before_it_was_forgotten() -> None:
    """Three rates in turn, half an hour each, for three days: 48 commands in 24 h."""
    bench = ready(ttl_ms=0)
    bench.pump.latency_ms = 0
    rates = [1_800 * (1 + i % 3) for i in range(144)]  # whole zL/ms
    for i, nl in enumerate(rates):
        bench.at(i * HOUR // 2)
        bench.ask(basal(nl, HOUR // 2))
        now = i * HOUR // 2
        assert held(bench, now - DAY, now) == sum(rates[max(0, i - 48) : i])
    assert len(bench.guard._state.history._basal.by_mix[(("baclofen", 1_000_000),)].times) < 100


def test_the_worst_window_outlasts_what_it_was_made_of() -> None:
    """18,000 nL in the first half hour, then ten days of commands that are forgotten day by day."""
    bench = ready(ttl_ms=0)
    bench.pump.latency_ms = 0
    bench.ask(basal(18_000, HOUR // 2))
    for hour in range(1, 240):
        bench.at(hour * HOUR)
        bench.ask(basal(900 * (1 + hour % 3), HOUR))
    assert bench.guard.worst("baclofen", 1) == 18_000
    assert bench.guard.worst("baclofen", 4) == 18_000 + 1_800 + 2_700 + 900
    assert bench.guard.worst("baclofen", 24) == 18_000 + 1_800 + 2_700 + 7 * 5_400 - 900 + 900


@pytest.mark.parametrize(("start", "end", "least"), [
    (0, 20_000, 650), (0, 7_000, 0), (0, 8_000, 50), (10_000, 11_000, 50), (598_000, 610_000, 100 + 6),
])  # fmt: skip
def test_the_least_that_must_have_flowed_is_what_flows_whenever_the_command_began(
    start: int, end: int, least: int
) -> None:
    """A bolus of 50 nL/s for 10 min, begun up to 7 s late, over a basal of 10 nL/s that it may have ended, and
    then 2 nL/s.
    """
    bench = ready()
    bench.pump.latency_ms = 0
    bench.ask(basal(36_000, HOUR))
    bench.pump.answers = ["unheard"]
    bench.ask(bolus(30_000, 10 * MINUTE), basal(7_200, HOUR), purpose=Purpose.SCHEDULED)
    bench.wait(8_000)
    assert isinstance(bench.guard.settle(), Given)
    history = bench.guard._state.history
    assert history.surely_nl(start, end) == least
    assert history.flowed_nl(start, end) >= least


def test_the_worst_window_of_before_a_reboot_is_as_certain_as_it_was() -> None:
    """Boluses 60 min apart never met in one hour. The pump's tick tells 10 h only to 95 in 100, which is 30 min of
    doubt about them; but their windows had ended by the last command.
    """
    bench = ready()
    bench.pump.latency_ms = 0
    for minute in (0, 70):
        bench.at(minute * MINUTE)
        bench.ask(bolus(2_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    bench.wait(3 * HOUR)
    bench.ask(basal(0, HOUR))
    before = bench.guard.worst("baclofen", 1)
    assert before in (2_000, 2_001)
    bench.wait(10 * HOUR)
    bench.clock.reboot()
    bench.restart()
    bench.guard.read_status()
    assert bench.guard.elapsed_known
    assert bench.guard.worst("baclofen", 1) == before


def test_what_was_proven_before_any_fluid_was_known_counts_by_the_one_that_is_named_and_no_other_does() -> (
    None
):
    strong = (("baclofen", 2_000_000),)
    history = History(DAY)
    history.measured(400, 0, HOUR, ())
    history.measured(100, HOUR, 2 * HOUR, MIX)
    assert (history.held_pg("baclofen", 0, DAY), history.flowed_nl(0, DAY)) == (100, 500)
    history.named(strong)
    assert history.held_pg("baclofen", 0, HOUR) == 800
    assert history.held_pg("baclofen", HOUR, DAY) == 100
    assert (history.flowed_nl(0, HOUR), history.flowed_nl(HOUR, DAY), history.most_nl(DAY)) == (400, 100, 500)
    assert content(history._permitted(), 0, DAY) == 0, "and explains no more than before"
    history.unclocked(2 * HOUR)
    history.age(HOUR, 0, HOUR, 2 * HOUR)
    assert history.held_pg("baclofen", -HOUR, 0) == 800, "by that fluid also once it is older"
    history.named(MIX)
    assert history.held_pg("baclofen", -HOUR, 0) == 800
