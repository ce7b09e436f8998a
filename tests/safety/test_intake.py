"""F-15, F-16, D-01: what the guard takes from each status, and what it writes down of it.

36,000 nL/h are 10 nL/s; a counter is written down every 15 min if it has moved; a pump's step is 100 nL, and four of
them are compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import Acked, PumpState, PumpStatus, Refused, Unknown
from tests.safety.kit import CAPABILITIES, HOUR, MINUTE, Bench, account, basal, limits, rows

WIDE = (10**9,) * 3
LIMITS = limits(
    [account(rows=rows(WIDE), hold={"nl": 6_000, "per_ms": HOUR})],
    caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}],
    max_hold_ms=4 * HOUR,
)
WITHOUT_TIME = replace(CAPABILITIES, tells_time=False)
RUN = basal(36_000, HOUR)


def ready(**can: Any) -> Bench:  # noqa: ANN401 - of any capability
    bench = Bench(LIMITS, replace(WITHOUT_TIME, **can)).confirmed()
    bench.pump.latency_ms = 0
    return bench


def pushes(bench: Bench, *said: PumpStatus) -> tuple[PumpStatus, ...]:
    bench.pump.notices = lambda: said  # type: ignore[method-assign]
    return bench.guard.notices()


def counters(bench: Bench) -> list[dict[str, Any]]:
    return [dict(record.data) for record in bench.log.records if record.kind == "counter"]


def active(bench: Bench) -> set[str]:
    return {alarm.row.code for alarm in bench.guard.alarms}


# --- which status is news -------------------------------------------------------------------------------------------


def test_a_status_older_than_one_that_was_heard_is_no_answer_however_many_of_them_come() -> None:
    """F-15: a push overtook two answers, which come late; the second is later than the first."""
    bench = ready()
    bench.ask(RUN)
    old = []
    for _ in range(2):
        bench.wait(MINUTE)
        old.append(bench.pump.status())
    bench.wait(MINUTE)
    latest = bench.pump.status()
    assert pushes(bench, latest) == (latest,)
    bench.pump.read_status = lambda: old.pop(0)  # type: ignore[method-assign]
    assert isinstance(bench.guard.read_status(), Unknown)
    assert bench.guard.last_status == (latest, 0)
    assert isinstance(bench.guard.read_status(), Unknown)


def test_older_statuses_with_the_answers_to_commands_prove_nothing_about_what_was_given() -> None:
    """S-24. Seen: the second one's counter was taken for one that began anew, and 2,400 nL for surely given twice."""
    bench = ready()
    bench.ask(RUN)
    old = []
    for _ in range(2):
        bench.wait(MINUTE)
        old.append(bench.pump.status())
    bench.wait(4 * MINUTE)
    bench.guard.refill(by="tester", fill_nl=18_000_000)
    told = bench.pump.status
    bench.pump.status = lambda: old.pop(0) if old else told()  # type: ignore[method-assign]
    for _ in range(2):
        assert isinstance(bench.ask(RUN), Acked)
    assert [record.data["counter"] for record in bench.log.records if record.kind == "outcome"] == [
        0,
        None,
        None,
    ]
    assert [record.data["counter"] for record in bench.log.records if record.kind == "stop"] == [3_600]
    assert bench.guard.low_nl <= bench.pump.given() == 3_600


@pytest.mark.parametrize("epoch", [6, 8])
def test_a_pump_that_counts_its_answers_anew_since_it_lost_power_is_heard(epoch: int) -> None:
    """F-24: fewer ticks than before, in another epoch."""
    bench = ready()
    for _ in range(5):
        bench.guard.read_status()
    bench.wait(MINUTE)
    bench.pump.epoch, bench.pump.tick = epoch, 0
    status = bench.guard.read_status()
    assert isinstance(status, PumpStatus)
    assert bench.guard.last_status == (status, 0)
    assert counters(bench)[-1]["epoch"] == epoch
    bench.wait(MINUTE)
    assert bench.guard.read_status() == status._replace(tick=2, tick_ms=2 * MINUTE)


@pytest.mark.parametrize("epoch", [6, 8])
def test_an_answer_of_another_epoch_with_the_same_tick_is_heard_now(epoch: int) -> None:
    bench = ready()
    bench.guard.read_status()
    bench.wait(MINUTE)
    bench.pump.epoch, bench.pump.tick = epoch, bench.pump.tick - 1
    status = bench.guard.read_status()
    assert bench.guard.last_status == (status, 0)


def test_a_status_that_is_repeated_is_as_old_as_it_was() -> None:
    bench = ready()
    said = bench.guard.read_status()
    assert isinstance(said, PumpStatus)
    bench.wait(MINUTE)
    bench.pump.read_status = lambda: said  # type: ignore[method-assign]
    assert isinstance(bench.guard.read_status(), Unknown)
    assert bench.guard.last_status == (said, MINUTE)


def test_a_push_that_was_overtaken_only_raises_its_alarms() -> None:
    """It takes none back, is no answer, and its counter is not written down."""
    bench = ready()
    bench.ask(RUN)
    old = [bench.pump.status()._replace(alarms=alarms) for alarms in (frozenset({"stall"}), frozenset[str]())]
    bench.wait(20 * MINUTE)
    latest = bench.guard.read_status()
    written = len(counters(bench))
    for _ in range(2):
        assert pushes(bench, *old) == ()
        assert active(bench) == {"stalled"}
    assert bench.guard._state.board.holds("stalled")
    assert bench.guard.last_status == (latest, 0)
    assert len(counters(bench)) == written


def test_what_an_old_status_said_of_the_pump_is_not_what_the_next_one_is_compared_with() -> None:
    """It ran, stands still, and runs again; one of before comes between. The last is looked at in full: it has gone."""
    bench = ready()
    bench.ask(RUN)
    for _ in range(3):
        bench.wait(1_000)
        bench.guard.read_status()
    old = bench.pump.status()
    stalled = bench.pump.status()._replace(state=PumpState.STALLED)
    bench.pump.read_status = lambda: stalled  # type: ignore[method-assign]
    bench.guard.read_status()
    assert bench.guard._state.board.holds("stalled")
    bench.pump.read_status = lambda: old  # type: ignore[method-assign]
    assert isinstance(bench.guard.read_status(), Unknown)
    bench.pump.read_status = lambda: bench.pump.status()._replace(state=old.state)  # type: ignore[method-assign]
    bench.guard.read_status()
    assert not bench.guard._state.board.holds("stalled")


def test_two_repeats_after_one_that_was_written_down_make_it_stale_and_one_does_not() -> None:
    bench = ready()
    bench.ask(RUN)
    bench.wait(16 * MINUTE)
    said = bench.guard.read_status()
    assert isinstance(said, PumpStatus)
    assert bench.log.kinds()[-1] == "counter"
    bench.pump.read_status = lambda: said  # type: ignore[method-assign]
    bench.guard.read_status()
    assert active(bench) == set()
    bench.guard.read_status()
    assert active(bench) == {"stale"}


def test_commands_whose_answers_repeat_one_status_make_it_stale() -> None:
    bench = ready()
    old = bench.guard.read_status()
    bench.pump.status = lambda: old  # type: ignore[method-assign, assignment, return-value]
    bench.ask(RUN)
    assert active(bench) == set()
    bench.ask(RUN)
    assert active(bench) == {"stale"}


def test_a_status_that_lags_is_none_also_where_guard_time_is_ahead_of_boot_time() -> None:
    """F-16: after a reboot; it was said, but not heard, ten seconds ago."""
    bench = Bench(LIMITS).confirmed()
    bench.ask(RUN)
    bench.wait(10 * MINUTE)
    bench.guard.raise_alarm("wall-clock", "the last record of this boot")
    bench.clock.reboot()
    bench.restart()
    bench.guard.read_status()
    bench.confirmed(plan_ms=10 * MINUTE, given=None)
    for _ in range(3):
        bench.wait(1_000)
        assert isinstance(bench.guard.read_status(), PumpStatus)
    calm = bench.guard._intake._calm
    assert calm is not None
    assert calm.ahead_ms > 10 * MINUTE
    stale_ms = bench.pump.status().tick_ms
    bench.wait(10_000)
    said = bench.pump.status()._replace(tick_ms=stale_ms)
    bench.pump.read_status = lambda: said  # type: ignore[method-assign]
    assert isinstance(bench.guard.read_status(), Unknown)


@pytest.mark.parametrize("boot_id", ["a-boot", "z-boot"])
def test_nothing_is_calm_in_another_boot_whatever_its_name(
    boot_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same process, which a host does not reboot under; its guard time stands all the same."""
    bench = ready()
    bench.ask(RUN)
    for _ in range(3):
        bench.wait(1_000)
        bench.guard.read_status()
    assert bench.guard._intake._calm is not None
    monkeypatch.setattr(VirtualClock, "boot_id", lambda clock: boot_id)
    bench.wait(1_000)
    bench.guard.read_status()
    assert bench.guard._intake._calm is None


# --- what is written down -------------------------------------------------------------------------------------------


def test_without_limits_a_status_is_heard_and_not_written_down() -> None:
    bench = Bench(LIMITS)
    bench.guard.stop("before the first confirm")
    for _ in range(3):
        bench.wait(20 * MINUTE)
        assert isinstance(bench.guard.read_status(), PumpStatus)
    assert counters(bench) == []


def test_a_pump_that_was_not_identified_is_stopped_and_its_word_taken_with_care() -> None:
    """Whether it tells time, or stops for a command, is not known."""
    bench = ready(stops_first=True)
    bench.ask(RUN)
    guard = bench._guard()
    guard.replay(bench.log.records)
    status = bench.pump.status()._replace(state=PumpState.RUNNING)
    bench.pump.stop = lambda: Acked(status)  # type: ignore[method-assign]
    guard.stop("to look")
    data = bench.log.records[-1].data
    assert (data["what"], data["tick_ms"], "runs" in data) == ("acked", None, False)
    guard = bench._guard()
    refused = Refused("range", bench.pump.status()._replace(state=PumpState.IDLE))
    assert "stands" not in guard._intake.told(refused, 0)


def test_each_outcome_is_written_down_with_its_code_or_detail_and_what_the_counter_said() -> None:
    bench = ready(tells_time=True)
    for answer in ("ok", "no", "lost"):
        bench.pump.answers = [answer]
        bench.wait(1_000)
        bench.ask(RUN)
    told = [dict(record.data) for record in bench.log.records if record.kind == "outcome"]
    for data in told:
        del data["id"]
    counter = {"counter": 0, "epoch": 7}
    assert told == [
        {"at": 1_000, "what": "acked", **counter, "tick_ms": 1_000, "since": 1_000},
        {"at": 2_000, "what": "refused", "code": "range", "counter": 0, "epoch": 7, "tick_ms": 2_000, "since": 2_000},
        {"at": 3_000, "what": "unknown", "detail": "silence", "counter": None, "epoch": None, "tick_ms": None,
         "since": 3_000},
    ]  # fmt: skip


def test_a_refill_writes_the_counter_down_first() -> None:
    """What left before it left the fluid that was there before."""
    bench = ready()
    bench.ask(RUN)
    bench.wait(10 * MINUTE)
    bench.guard.refill(by="tester", fill_nl=18_000_000)
    assert bench.log.kinds()[-2:] == ["counter", "refill"]
    assert counters(bench)[-1]["counter"] == 6_000


def test_what_a_pump_pushes_is_written_down_if_it_tells_more_and_was_said_since_the_last_news_was_asked_for() -> (
    None
):
    """Not since a question that it answered with an old status."""
    bench = ready()
    bench.ask(RUN)
    bench.wait(MINUTE)
    news = bench.guard.read_status()
    bench.wait(MINUTE)
    bench.pump.read_status = lambda: news  # type: ignore[method-assign]
    assert isinstance(bench.guard.read_status(), Unknown)
    bench.wait(MINUTE)
    bench.pump.extra_nl = 5_000
    assert len(pushes(bench, bench.pump.status())) == 1
    assert (counters(bench)[-1]["counter"], counters(bench)[-1]["since"]) == (6_800, MINUTE)
    assert {"disagreement", "over-delivery"} <= active(bench)


def test_what_a_pump_pushes_before_it_was_asked_anything_may_have_been_said_at_any_time() -> None:
    bench = ready()
    bench.restart()
    bench.wait(MINUTE)
    pushes(bench, bench.pump.status())
    assert counters(bench)[-1]["since"] == 0


def test_the_counter_of_an_old_status_is_not_written_down_however_long_ago_the_last_one_was() -> None:
    bench = ready()
    bench.ask(RUN)
    old = []
    for _ in range(2):
        bench.wait(20 * MINUTE)
        old.append(bench.pump.status())
    pushes(bench, old.pop())
    assert [data["counter"] for data in counters(bench)] == [24_000]
    bench.wait(20 * MINUTE)
    bench.pump.read_status = lambda: old[0]  # type: ignore[method-assign]
    bench.guard.read_status()
    assert [data["counter"] for data in counters(bench)] == [24_000]


def test_a_counter_that_fell_is_written_down_like_one_that_rose() -> None:
    bench = ready()
    bench.ask(RUN)
    bench.wait(10 * MINUTE)
    bench.guard.refill(by="tester", fill_nl=18_000_000)
    bench.guard.stop("to look")
    bench.pump.extra_nl = -1_000
    for _ in range(2):
        bench.wait(15 * MINUTE)
        bench.guard.read_status()
    assert [data["counter"] for data in counters(bench)][-2:] == [6_000, 5_000]


def test_a_counter_that_moves_is_written_down_every_15_minutes_also_where_guard_time_is_ahead_of_boot_time() -> (
    None
):
    bench = ready()
    bench.ask(basal(36_000, HOUR), basal(36_000, HOUR))
    bench.wait(30 * MINUTE)
    bench.guard.raise_alarm("wall-clock", "the last record of this boot")
    bench.clock.reboot()
    bench.restart()
    bench.guard.read_status()
    bench.confirmed(plan_ms=30 * MINUTE, given=None)
    before = len(counters(bench))
    for _ in range(60):
        bench.wait(MINUTE)
        bench.guard.read_status()
    assert len(counters(bench)) == before + 4


# --- what the watchdog makes of it ----------------------------------------------------------------------------------


def polls(bench: Bench, times: int, every_ms: int = 15_000) -> None:
    for _ in range(times):
        bench.wait(every_ms)
        bench.guard.read_status()


@pytest.mark.parametrize(("took_ms", "since_ms"), [(0, 0), (300, 300), (500, 500), (700, 500)])
def test_what_was_commanded_is_summed_up_from_the_question_which_one_exchange_is_not_longer_ago_than(
    took_ms: int, since_ms: int
) -> None:
    """D-01: an exchange lasts 500 ms at the most; what took longer was several."""
    bench = ready()
    told = bench.pump.status

    def slowly() -> PumpStatus:
        bench.wait(took_ms)
        return told()

    bench.pump.read_status = slowly  # type: ignore[method-assign]
    bench.wait(MINUTE)
    bench.guard.read_status()
    watchdog = bench.guard._intake._watchdog
    assert watchdog is not None
    assert watchdog.compares_from == bench.guard._now() - since_ms


def test_while_an_outcome_is_unknown_nothing_is_due() -> None:
    """The rest was carried out and its answer lost: nothing flows any more, and nobody knows that yet."""
    bench = ready()
    bench.ask(RUN)
    polls(bench, 4)
    bench.pump.answers = ["unheard"]
    assert isinstance(bench.ask(basal(0, HOUR)), Unknown)
    polls(bench, 40)
    assert active(bench) == set()


def test_while_elapsed_time_is_not_known_nothing_is_due() -> None:
    """The host was off until long after the end of the run; the pump tells no time."""
    bench = ready()
    bench.ask(RUN)
    bench.wait(10 * MINUTE)
    bench.guard.read_status()
    bench.clock.reboot()
    bench.wait(5 * HOUR)
    bench.restart()
    polls(bench, 40)
    assert not bench.guard.elapsed_known
    assert active(bench) == set()


def test_a_process_without_limits_of_its_own_compares_in_the_steps_of_those_in_force() -> None:
    bench = ready()
    bench.ask(RUN)
    bench.limits = None
    bench.restart()
    polls(bench, 40, every_ms=3_000)
    assert active(bench) == set()


def test_a_process_that_is_given_its_first_limits_later_compares_in_their_steps_from_then_on() -> None:
    """Seen: it went on to compare in single nL, and called a healthy pump one that disagrees."""
    bench = Bench(None, WITHOUT_TIME)
    bench.pump.latency_ms = 0
    bench.guard.read_status()
    assert bench.guard.load(LIMITS, by="tester", plan_ms=0) is None
    bench.confirmed()
    bench.ask(RUN)
    polls(bench, 40, every_ms=3_000)
    assert active(bench) == set()


def test_without_any_limits_silence_is_found_all_the_same() -> None:
    """S-22: more than 45 s after the first question that was not answered."""
    bench = Bench(None, WITHOUT_TIME)
    bench.pump.read_status = lambda: Unknown("silence")  # type: ignore[method-assign]
    polls(bench, 4)
    assert active(bench) == set()
    polls(bench, 1)
    assert active(bench) == {"silence"}


def test_without_any_limits_a_pump_that_gives_nothing_gives_what_it_should() -> None:
    """For longer than the 4 h after which one that stands still is told."""
    bench = Bench(None, WITHOUT_TIME)
    polls(bench, 20, every_ms=15 * MINUTE)
    assert active(bench) == set()


def test_a_pump_that_lost_power_while_no_controller_ran_is_told_once_and_one_that_did_not_is_not() -> None:
    bench = ready(tells_time=True)
    bench.ask(RUN)
    bench.restart()
    polls(bench, 2)
    assert "pump-reset" not in active(bench)
    bench.pump.epoch, bench.pump.booted = 8, bench.clock.true_ms
    bench.restart()
    polls(bench, 3)
    raised = [
        record.data["detail"]
        for record in bench.log.records
        if record.kind == "alarm" and (record.data["code"], record.data["what"]) == ("pump-reset", "raised")
    ]
    assert raised == ["while no controller ran; what it gave by then is not counted by it any more"]
    assert "pump-reset" in active(bench)
    assert not bench.guard._state.board.holds("pump-reset"), "it is over; it stays until somebody has seen it"


def test_a_loss_of_power_that_a_process_sees_is_not_told_as_one_before_it() -> None:
    bench = ready(tells_time=True)
    bench.ask(RUN)
    polls(bench, 2)
    bench.pump.epoch, bench.pump.booted = 8, bench.clock.true_ms
    polls(bench, 2)
    raised = [
        record.data["detail"]
        for record in bench.log.records
        if record.kind == "alarm" and (record.data["code"], record.data["what"]) == ("pump-reset", "raised")
    ]
    assert raised == ["epoch 8"]
