"""S-22, S-23, S-31, F-15, F-17, F-21, F-26 to F-29: each condition by a hit and by a near miss.

Poll 15 s, silent after more than 3 polls, stale after 3 equal ticks, disagreement over max(2 steps, 15 %)
once there are 4 steps of 100 nL to compare, under-delivery after 4 h.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pump_ctrl.drivers import harvard_memory, new_era_codec, reference_codec
from pump_ctrl.drivers.base import PumpState, PumpStatus
from pump_ctrl.safety.alarms import ROWS
from pump_ctrl.safety.watchdog import Action, Remedy, Watch, Watchdog

HOUR = 3_600_000


def status(
    tick: int, nl: int = 0, epoch: int = 7, state: PumpState = PumpState.RUNNING, *alarms: str
) -> PumpStatus:
    return PumpStatus(epoch, tick, 0, state, nl, alarms=frozenset(alarms))


def dog() -> Watchdog:
    return Watchdog(Watch(), 100, 0)


def held(actions: Sequence[Action]) -> dict[str, Remedy]:
    return {action.code: action.remedy for action in actions if action.holds}


@pytest.mark.parametrize(("now", "alarm"), [(44_999, False), (45_000, False), (45_001, True)])
def test_silence_longer_than_three_polls_and_three_questions(now: int, alarm: bool) -> None:
    watchdog = dog()
    assert held(watchdog.silent(now)) == held(watchdog.silent(now)) == {}
    assert held(watchdog.silent(now)) == ({"silence": Remedy.HOLD} if alarm else {})


def test_an_answer_ends_the_silence() -> None:
    watchdog = dog()
    for _ in range(3):
        watchdog.silent(50_000)
    assert Action("silence", False, "") in watchdog.status(status(1), 60_000, None)
    for now in (105_000, 105_001, 105_000):
        assert held(watchdog.silent(now)) == {}
    assert held(watchdog.silent(105_001)) == {"silence": Remedy.HOLD}


def test_the_third_equal_tick_is_stale_and_does_not_count_as_an_answer() -> None:
    watchdog = dog()
    watchdog.status(status(5), 0, None)
    assert watchdog.status(status(4), 2, None) == []
    assert held(watchdog.status(status(5), 3, None)) == {"stale": Remedy.STOP}
    for _ in range(3):
        silence = watchdog.silent(45_001)
    assert held(silence) == {"silence": Remedy.HOLD}
    assert held(watchdog.status(status(5), 4, None)) == {"stale": Remedy.STOP}, "and goes on to be"
    assert Action("stale", False, "") in watchdog.status(status(6), 4, None)
    assert watchdog.status(status(6), 5, None) == []


@pytest.mark.parametrize("epoch", [6, 8])
def test_a_new_epoch_is_a_reset_and_its_low_tick_is_not_stale(epoch: int) -> None:
    """Epochs are drawn, not counted: the new one may be the smaller."""
    watchdog = dog()
    watchdog.status(status(9, 500), 0, None)
    actions = watchdog.status(status(1, 0, epoch), 1_000, 600)
    assert [a.holds for a in actions if a.code == "pump-reset"] == [True, False]
    assert "disagreement" not in held(actions)


@pytest.mark.parametrize(("commanded", "counted", "alarms"), [
    (400, 400, set()), (400, 600, set()), (400, 601, {"disagreement", "over-delivery"}), (400, 200, set()),
    (400, 199, {"disagreement"}), (399, 0, set()), (0, 399, set()),
    (0, 400, {"disagreement", "over-delivery"}), (0, 500, {"disagreement", "over-delivery"}),
    (10_000, 11_500, set()), (10_000, 11_501, {"disagreement", "over-delivery"}), (10_000, 8_500, set()),
    (10_000, 8_499, {"disagreement"}), (10_000, 0, {"disagreement"}),
])  # fmt: skip
def test_a_counter_that_does_not_follow_its_command(commanded: int, counted: int, alarms: set[str]) -> None:
    watchdog = dog()
    watchdog.status(status(1, 1_000), 0, None)
    assert watchdog.compares_from == 0
    found = held(watchdog.status(status(2, 1_000 + counted), HOUR, commanded))
    assert set(found) == alarms
    if alarms:
        over = counted > commanded
        assert found["disagreement"] is (Remedy.STOP if over else Remedy.HOLD)


def test_small_amounts_are_gathered_until_there_is_enough_to_compare() -> None:
    watchdog = dog()
    watchdog.status(status(1, 0), 0, None)
    assert held(watchdog.status(status(2, 100), 1_000, 300)) == {}
    assert watchdog.compares_from == 0
    assert held(watchdog.status(status(3, 100), 2_000, 400)) == {"disagreement": Remedy.HOLD}
    assert watchdog.compares_from == 2_000


def test_an_agreement_clears_and_begins_anew() -> None:
    watchdog = dog()
    watchdog.status(status(1, 0), 0, None)
    assert Action("disagreement", False, "") in watchdog.status(status(2, 400), 1_000, 400)
    assert watchdog.compares_from == 1_000
    assert watchdog.compares_at == (800, 400), "counter 400 and four steps, or four steps commanded since"


def test_while_it_is_not_certain_what_was_commanded_nothing_is_compared() -> None:
    watchdog = dog()
    watchdog.status(status(1, 0), 0, None)
    assert held(watchdog.status(status(2, 9_000), 1_000, None)) == {}
    assert watchdog.compares_from == 1_000


@pytest.mark.parametrize("began", [0, HOUR])
@pytest.mark.parametrize(("ms", "alarm"), [(4 * HOUR - 1, False), (4 * HOUR, True), (4 * HOUR + 1, True)])
def test_under_delivery_after_four_hours_without_flow(ms: int, alarm: bool, began: int) -> None:
    watchdog = dog()
    watchdog.status(status(1, 0), began, None)
    actions = watchdog.status(status(2, 0), began + ms, 10_000)
    assert f"in {ms} ms" in next(action.detail for action in actions if action.code == "disagreement")
    found = held(actions)
    assert ("under-delivery" in found) is alarm
    assert found["disagreement"] is Remedy.HOLD
    if alarm:
        assert found["under-delivery"] is Remedy.NOTHING
    assert Action("under-delivery", False, "") in watchdog.status(status(3, 500), began + ms + 1, 10_500)


def test_a_pump_that_gives_nothing_is_compared_from_where_it_last_gave_something() -> None:
    """Else each look that found it wrong would begin the four hours anew, and the next one find too little to tell."""
    watchdog = dog()
    watchdog.status(status(1, 1_000), 0, None)
    assert held(watchdog.status(status(2, 1_000), HOUR, 400)) == {"disagreement": Remedy.HOLD}
    assert (watchdog.compares_from, watchdog.compares_at) == (0, (1_400, 400))
    assert set(held(watchdog.status(status(3, 1_000), 4 * HOUR, 1_600))) == {"disagreement", "under-delivery"}
    assert Action("under-delivery", False, "") in watchdog.status(status(4, 1_001), 5 * HOUR, 2_000)
    assert watchdog.compares_from == 5 * HOUR, "the least that it counts is flow"


def test_a_counter_that_falls_back_shows_no_flow_and_what_it_lost_is_not_credited_when_it_comes_back() -> (
    None
):
    """S-24: without another epoch no reset explains it."""
    watchdog = dog()
    watchdog.status(status(1, 1_000), 0, None)
    found = held(watchdog.status(status(2, 100), 4 * HOUR, 400))
    assert found == {"disagreement": Remedy.HOLD, "under-delivery": Remedy.NOTHING}
    assert watchdog.compares_from == 0
    found = held(watchdog.status(status(3, 1_000), 4 * HOUR + 1_000, 400))
    assert found == {"disagreement": Remedy.HOLD, "under-delivery": Remedy.NOTHING}, "900 nL have not flowed"


@pytest.mark.parametrize(("state", "alarms", "code"), [
    (PumpState.STALLED, (), "stalled"), (PumpState.EMPTY, (), "empty"), (PumpState.FAILED, (), "failed"),
    (PumpState.RUNNING, ("stall",), "stalled"), (PumpState.IDLE, ("low_battery",), "battery-low"),
    (PumpState.IDLE, ("end_of_service",), "failed"), (PumpState.RUNNING, ("low_reservoir",), "reservoir-low"),
    (PumpState.IDLE, ("empty",), "empty"),
])  # fmt: skip
def test_the_pumps_own_alarms_are_ours_while_it_tells_them(
    state: PumpState, alarms: tuple[str, ...], code: str
) -> None:
    watchdog = dog()
    found = watchdog.status(status(1, 0, 7, state, *alarms), 0, None)
    assert held(found) == {code: Remedy.NOTHING}
    assert {action.detail for action in found} == {"told by the pump", ""}
    assert all(action.holds is bool(action.detail) for action in found), "what does not hold says nothing"
    assert held(watchdog.status(status(2, 0, 7, PumpState.IDLE, "reset"), 0, None)) == {}


WORDS = {
    *reference_codec.ALARMS,
    *new_era_codec.ALARMS.values(),
    new_era_codec.WITHDRAWN,
    *harvard_memory.ALARMS,
}
MEANS = {
    "reset": None, "stall": "stalled", "empty": "empty", "low_battery": "battery-low", "end_of_service": "failed",
    "low_reservoir": "reservoir-low", "withdrawn": "withdrawn", "timeout": "pump-timeout",
    "program": "pump-program", "phase-range": "pump-program",
}  # fmt: skip


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_that_a_driver_can_tell_is_an_alarm_of_the_table(word: str) -> None:
    """``reset`` alone is told better by the epoch, which outlasts it."""
    found = held(dog().status(status(1, 0, 7, PumpState.IDLE, word), 0, None))
    assert found == ({} if word == "reset" else {MEANS[word]: Remedy.NOTHING})
    assert set(found) <= set(ROWS)


def test_a_word_that_nobody_knows_is_an_alarm_of_its_own_with_the_word() -> None:
    watchdog = dog()
    found = watchdog.status(status(1, 0, 7, PumpState.RUNNING, "bit-9", "stall", "alarm-X"), 0, None)
    assert Action("pump-alarm", True, "alarm-X, bit-9") in found
    assert set(held(found)) == {"pump-alarm", "stalled"}
    assert Action("pump-alarm", False, "") in watchdog.status(status(2), 1, None)


def test_a_status_that_was_overtaken_tells_only_its_alarms() -> None:
    assert held(dog().overtaken(status(1, 0, 7, PumpState.STALLED))) == {"stalled": Remedy.NOTHING}
    assert dog().overtaken(status(1)) == []


@pytest.mark.parametrize(("least", "alarm"), [(0, False), (399, False), (400, True), (10_000, True)])
def test_less_than_the_most_is_a_disagreement_only_where_enough_must_have_flowed(
    least: int, alarm: bool
) -> None:
    """10,000 nL may have flowed and none was counted: under-delivery by what must have, four steps at the least."""
    watchdog = dog()
    watchdog.status(status(1, 0), 0, None)
    found = held(watchdog.status(status(2, 0), 4 * HOUR, 10_000, lambda *_: least))
    assert found == ({"disagreement": Remedy.HOLD, "under-delivery": Remedy.NOTHING} if alarm else {})


@pytest.mark.parametrize(("counted", "alarm"), [(850, False), (1_000, False), (849, True), (11_500, False)])
def test_between_the_least_and_the_most_nothing_disagrees(counted: int, alarm: bool) -> None:
    """Least 1,050: 201 less are over two steps; most 10,000: 15 % more are not."""
    watchdog = dog()
    watchdog.status(status(1, 0), 0, None)
    found = held(watchdog.status(status(2, counted), HOUR, 10_000, lambda *_: 1_050))
    assert found == ({"disagreement": Remedy.HOLD} if alarm else {})


def test_a_counter_is_compared_with_all_that_can_have_flowed_since_the_question_before() -> None:
    """The pump reads its counter somewhere between question and answer, which take long where the flow is fast."""
    watchdog = dog()
    watchdog.status(status(1), 500, 0, asked=0)
    assert watchdog.compares_from == 0
    watchdog.status(status(2, 5_000), 1_000, 5_000, asked=700)
    assert watchdog.compares_from == 700


@pytest.mark.parametrize(("asked", "alarm"), [(499, False), (500, False), (900, True)])
def test_too_little_is_held_against_what_must_have_flowed_between_answer_and_question(
    asked: int, alarm: bool
) -> None:
    watchdog, spans = dog(), []

    def least(start: int, end: int) -> int:
        spans.append((start, end))
        return 10 * (end - start)

    watchdog.status(status(1), 500, 0, asked=0)
    found = held(watchdog.status(status(2), 1_000, 10_000, least, asked))
    assert found == ({"disagreement": Remedy.HOLD} if alarm else {})
    assert spans == ([(500, asked)] if alarm else [])
