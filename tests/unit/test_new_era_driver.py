"""The New Era driver on a healthy line: what it sends, in which order, and what it makes of the answers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from pump_ctrl.drivers.base import (
    Given,
    Identity,
    Nothing,
    Permit,
    PumpDriver,
    PumpState,
    PumpStatus,
    Refused,
    Step,
    StepKind,
    Unknown,
)
from pump_ctrl.drivers.new_era import NewEraDriver
from pump_ctrl.drivers.new_era_program import FIRST, grid_of
from pump_ctrl.errors import LinkError
from tests.unit.new_era_kit import HOUR, MINUTE, OracleLink, OraclePump, basic, permit, safe
from tests.unit.new_era_met import UNTIMED, acked, met

# ---- delivering ----

RATES, PAUSES = ((25_000, 30 * MINUTE),) * 39, ((25_000, 30 * MINUTE), (0, 100_000)) * 13


@pytest.mark.parametrize(
    ("before", "then", "first", "second"),
    [
        (RATES[:1], RATES, 44, 410),
        (RATES, RATES[:1], 424, 32),
        (PAUSES, RATES, 294, 386),
        (RATES, PAUSES, 424, 256),
    ],
    ids=["longer", "shorter", "rates", "pauses"],
)
def test_no_deliver_takes_more_exchanges_than_it_is_reckoned_with_nor_far_fewer_where_all_is_written_anew(
    before: tuple[tuple[int, int], ...], then: tuple[tuple[int, int], ...], first: int, second: int
) -> None:
    """ADR 0013. Seen: 388 for 39 rate phases on a pump that never had a program, where there are 424: a permit that
    lasted just between the two stopped the pump and was given up before RUN.
    """
    driver, link = met(OraclePump())
    told = grid_of(UNTIMED).exchanges
    for number, steps, sent, anew in ((7, before, first, FIRST), (8, then, second, 0)):
        link.sent.clear()
        order = permit(*steps, number=number)
        acked(driver.deliver(order))
        reckoned = told(order.steps) + anew
        assert len(link.sent) == sent <= reckoned
        assert reckoned - sent <= 3 or number == 8


def test_a_deliver_is_stop_write_read_back_clear_arm_and_one_run() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    order: PumpDriver = driver
    acked(order.deliver(permit((5_000, 10 * MINUTE), (25_000, HOUR), kind=StepKind.BOLUS)))
    phases = [
        "PHN1", "PHN", "FUN", "FUNRAT", "FUN", "DIR", "RAT30.00UH", "RAT", "VOL5.000", "VOL",
        "PHN2", "PHN", "FUN", "FUNRAT", "FUN", "DIR", "RAT25.00UH", "RAT", "VOL25.00", "VOL",
        "PHN3", "PHN", "FUN",  # the stop is there
    ]  # fmt: skip
    tag = ["PHN41", "PHN", "FUN", "DIR", "RAT248.1UH", "RAT", "VOL0.008", "VOL"]
    assert link.sent == [
        "STP", "DIS",  # stands still already
        "DIS",  # in uL
        "PHN41", "PHN", "FUN",  # no tag yet: it is written first
        "PHN41", "PHN", "FUN", "FUNRAT", "FUN", *tag[3:],
        *phases,
        *tag,
        "CLDINF", "DIS",
        "PHN", "RAT698.1UH", "RAT",  # armed
        "RUN", "DIS",
    ]  # fmt: skip
    link.sent.clear()
    acked(order.deliver(permit((5_000, 10 * MINUTE), (25_000, HOUR), kind=StepKind.BOLUS)))
    assert link.sent == [
        "STP", "STP", "DIS",  # ran
        "DIS",
        "PHN1", "PHN", "FUN", "DIR", "RAT30.00UH", "RAT", "VOL5.000", "VOL",
        "PHN2", "PHN", "FUN", "DIR", "RAT25.00UH", "RAT", "VOL25.00", "VOL",
        "PHN3", "PHN", "FUN",
        *tag,
        "CLDINF", "DIS",
        "PHN", "RAT698.1UH", "RAT",
        "RUN", "DIS",
    ]  # fmt: skip
    assert pump.runs == 2


def test_the_frames_of_a_run_in_safe_mode_are_those_of_the_specification() -> None:
    pump = OraclePump()
    driver, link = met(pump, timed=True)
    acked(driver.deliver(permit((25_000, HOUR))))
    raw = [data.hex(" ") for data in link.raw]
    assert raw[1] == "02 08 30 56 45 52 48 09 03"  # VER
    assert "02 08 30 53 54 50 b3 f9 03" in raw  # STP
    assert raw[-2] == "02 08 30 52 55 4e 44 07 03"  # RUN


@pytest.mark.parametrize("late_prompt", [False, True])
@pytest.mark.parametrize("timed", [False, True])
def test_what_is_delivered_flows_in_its_time_and_ends_by_itself(timed: bool, late_prompt: bool) -> None:
    pump = OraclePump(late_prompt=late_prompt)
    driver, link = met(pump, timed=timed)
    asked = permit((5_000, 10 * MINUTE), (0, 20 * MINUTE), (12_300, HOUR), kind=StepKind.BOLUS)
    told = acked(driver.deliver(asked))
    assert (told.state, told.running_id, told.delivered_nl) == (PumpState.RUNNING, asked.id, 0)
    seen = []
    for _ in range(7 * 60):  # polls every 15 s are the heartbeat
        link.wait(15_000)
        told = driver.read_status()  # type: ignore[assignment]
        assert isinstance(told, PumpStatus)
        seen.append((told.state, told.delivered_nl, told.running_id))
    assert pump.given == 17_300
    assert seen[39] == (PumpState.RUNNING, 5_000, asked.id)
    assert seen[100] == (PumpState.RUNNING, 5_000, asked.id)  # in the rest
    assert seen[-1] == (PumpState.IDLE, 17_300, None)
    assert driver.evidence(asked.id) == Given(17_290, 17_310, True, driver._pump.picture())


def test_in_safe_mode_a_host_that_is_lost_stops_the_pump_after_the_time_out() -> None:
    pump = OraclePump()
    driver, link = met(pump, timed=True)
    acked(driver.deliver(permit((60_000, HOUR))))
    link.wait(HOUR)
    assert 1_000 <= pump.given <= 1_001  # a minute
    status = driver.read_status()
    assert isinstance(status, PumpStatus)
    assert (status.state, "timeout" in status.alarms) == (PumpState.IDLE, True)


def test_in_basic_mode_the_pump_goes_on_to_the_end_of_its_steps() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    acked(driver.deliver(permit((60_000, HOUR))))
    link.wait(2 * HOUR)
    assert pump.given == 60_000


def test_a_new_permit_replaces_what_runs_and_what_the_old_one_gave_is_known() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    old, new = permit((60_000, HOUR), number=1), permit((6_000, HOUR), number=2)
    acked(driver.deliver(old))
    link.wait(HOUR // 2)
    told = acked(driver.deliver(new))
    assert told.running_id == new.id
    assert link.sent[45:49] != []
    found = driver.evidence(old.id)
    assert isinstance(found, Given)
    assert found.ended
    assert found.lo_nl <= pump.given <= found.hi_nl
    link.wait(2 * HOUR)
    status = driver.read_status()
    assert isinstance(status, PumpStatus)
    assert 0 <= pump.given - status.delivered_nl < 20
    assert driver.unit_nl == 1  # 6.000 uL since the counter was cleared


def test_a_phase_that_somebody_had_turned_round_is_turned_back() -> None:
    pump = OraclePump()
    pump.phases[1].direction = "WDR"
    driver, link = met(pump)
    acked(driver.deliver(permit((25_000, HOUR))))
    assert "DIRINF" in link.sent
    assert pump.phases[1].direction == "INF"


def test_a_pump_in_millilitres_is_told_microlitres_and_its_counter_goes_on() -> None:
    pump = OraclePump(unit="ML")
    driver, _ = met(pump)
    acked(driver.deliver(permit((25_000, HOUR))))
    assert pump.unit == "UL"


@pytest.mark.parametrize(
    "steps",
    [
        (),
        ((25_000, 0),),
        ((-1, HOUR),),
        ((True, HOUR),),
        ((25_000.0, HOUR),),
        ((0, 65 * MINUTE),),
        tuple([(25_000, HOUR // 2)] * 40),
        ((25_000, 24 * HOUR + 1),),
        ((9_999_000, HOUR), (100_000, HOUR)),
    ],
    ids=["none", "no time", "negative", "bool", "float", "long rest", "40", "lease", "roll-over"],
)
def test_what_the_pump_cannot_be_told_is_refused_and_what_runs_goes_on(
    steps: tuple[tuple[int, int], ...],
) -> None:
    pump = OraclePump()
    driver, link = met(pump)
    acked(driver.deliver(permit((25_000, HOUR), number=1)))
    link.sent.clear()
    made = tuple(Step(StepKind.BASAL, volume, duration) for volume, duration in steps)
    assert driver.deliver(Permit(9, made, 10**12)) == Refused("range")
    assert link.sent == []
    assert pump.prompt == "I"


def test_a_bolus_that_is_not_first_or_shrinks_to_nothing_is_refused() -> None:
    driver, link = met(OraclePump())
    basal, bolus = Step(StepKind.BASAL, 25_000, HOUR), Step(StepKind.BOLUS, 5_000, HOUR)
    for steps in ((basal, bolus), (replace(bolus, volume_nl=0), basal)):
        assert driver.deliver(Permit(9, steps, 10**12)) == Refused("range")
    assert link.sent == []


def test_a_permit_that_cannot_be_sent_in_its_time_stops_nothing() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    acked(driver.deliver(permit((25_000, HOUR), number=1)))
    link.sent.clear()
    late = replace(permit((25_000, HOUR)), expires_ms=link.now + 200)
    assert driver.deliver(late) == Refused("expired")
    assert (link.sent, pump.prompt) == ([], "I")


def test_a_permit_that_expires_on_the_way_starts_nothing() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    link.meddle = lambda number, data, reply: [(60, reply)]
    outcome = driver.deliver(replace(permit((25_000, HOUR)), expires_ms=link.now + 1_000))
    assert isinstance(outcome, Refused)
    assert outcome.code == "expired"
    assert outcome.status is not None
    assert outcome.status.state is PumpState.IDLE
    assert (pump.runs, "RUN" in link.sent) == (0, False)


@pytest.mark.parametrize("after", range(1, 43))
def test_a_stop_that_is_asked_for_between_any_two_exchanges_leaves_run_unsent(after: int) -> None:
    pump = OraclePump()
    link = OracleLink(pump)
    driver = NewEraDriver(link, 5, UNTIMED, stop_requested=lambda: len(link.sent) >= after + known)
    known = 10**9
    driver.identify()
    known = len(link.sent)
    outcome = driver.deliver(permit((25_000, HOUR)))
    assert isinstance(outcome, Refused)
    assert outcome.code == "stop-requested"
    assert outcome.status is not None
    assert pump.runs == 0
    more = 3 if after == 38 else 2  # the STOP or CLD in hand is looked at, then STOP is proven once more
    assert len(link.sent) == known + max(after, 2) + more
    assert link.sent[-2:] == ["STP", "DIS"]


def test_a_pump_that_begins_to_move_while_it_is_written_to_is_stopped_and_gets_no_run() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    link.meddle = lambda number, data, reply: [(10, basic("00I"))] if data == b"0PHN1\r" else None
    outcome = driver.deliver(permit((25_000, HOUR)))
    assert isinstance(outcome, Refused)
    assert outcome.code == "not-stopped"
    assert "RUN" not in link.sent


# ---- before and after a power-up ----


def test_before_identify_nothing_is_delivered_and_nothing_is_known() -> None:
    driver = NewEraDriver(OracleLink(OraclePump()), 5, UNTIMED)
    assert driver.deliver(permit((25_000, HOUR))) == Refused("not-identified")
    assert isinstance(driver.evidence(7), Nothing)
    with pytest.raises(LinkError, match="Call identify first"):
        _ = driver.capabilities


@pytest.mark.parametrize("timed", [False, True])
def test_a_power_up_is_a_new_epoch_and_wants_a_new_identify(timed: bool) -> None:
    pump = OraclePump()
    driver, link = met(pump, timed=timed)
    asked = permit((60_000, HOUR))
    epoch = acked(driver.deliver(asked)).epoch
    link.wait(30_000)
    driver.read_status()
    link.wait(15_000)
    pump.power_cycle()
    link.wait(1_000)
    status = driver.read_status()
    assert isinstance(status, PumpStatus)
    assert (status.epoch, status.delivered_nl, status.state) == (epoch + 1, 0, PumpState.IDLE)
    assert "reset" in status.alarms
    assert driver.deliver(permit((25_000, HOUR), number=8)) == Refused("not-identified")
    found = driver.evidence(asked.id)
    assert isinstance(found, Given)
    assert found.ended
    assert found.lo_nl <= pump.given <= found.hi_nl
    assert (found.lo_nl, found.hi_nl) == (499, 60_000)
    identity = driver.identify()
    assert isinstance(identity, Identity)
    assert identity.epoch == epoch + 1  # one power-up, though it was told twice in Safe mode
    told = acked(driver.deliver(permit((25_000, HOUR), number=8)))
    assert told.alarms == frozenset()


def test_after_a_line_that_was_lost_the_pump_has_to_be_met_again() -> None:
    """F-19: it may be another one."""
    pump = OraclePump()
    driver, link = met(pump)
    acked(driver.deliver(permit((60_000, HOUR))))
    write = link.write

    def lost(data: bytes, *, deadline_ms: int) -> None:
        raise LinkError("The port was lost.")

    link.write = lost  # type: ignore[method-assign]
    assert isinstance(driver.read_status(), Unknown)
    link.write = write  # type: ignore[method-assign]
    assert driver.deliver(permit((25_000, HOUR), number=8)) == Refused("not-identified")
    assert pump.runs == 1


def test_a_counter_that_somebody_cleared_is_a_new_epoch_and_no_credit() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    epoch = acked(driver.deliver(permit((60_000, HOUR)))).epoch
    link.wait(HOUR // 2)
    driver.read_status()
    pump.counter -= pump.counter
    status = driver.read_status()
    assert isinstance(status, PumpStatus)
    assert (status.epoch, status.delivered_nl, status.running_id) == (epoch + 1, 0, None)


# ---- alarms and notices ----


@pytest.mark.parametrize("pause_after", [False, True])
@pytest.mark.parametrize("timed", [False, True])
def test_a_stall_is_told_until_the_pump_runs_again(timed: bool, pause_after: bool) -> None:
    pump = OraclePump(pause_after_alarm=pause_after)
    driver, link = met(pump, timed=timed)
    asked = permit((60_000, HOUR))
    acked(driver.deliver(asked))
    link.wait(30_000)
    pump.fail("S")
    link.wait(1_000)
    status = driver.read_status()
    assert isinstance(status, PumpStatus)
    assert (status.state, status.alarms) == (PumpState.STALLED, frozenset({"stall"}))
    assert acked(driver.stop()).state is PumpState.STALLED
    found = driver.evidence(asked.id)
    assert isinstance(found, Given)
    assert found.lo_nl <= pump.given <= found.hi_nl
    told = acked(driver.deliver(permit((25_000, HOUR), number=8)))
    assert (told.state, told.alarms) == (PumpState.RUNNING, frozenset())


def test_an_alarm_that_comes_unasked_is_a_notice_with_the_old_tick() -> None:
    pump = OraclePump()
    driver, link = met(pump, timed=True)
    acked(driver.deliver(permit((60_000, HOUR))))
    link.wait(10_000)
    last = driver.read_status()
    assert isinstance(last, PumpStatus)
    assert driver.notices() == ()
    pump.fail("S")
    (told,) = driver.notices()
    assert (told.state, told.tick, told.epoch) == (PumpState.STALLED, last.tick, last.epoch)
    assert driver.notices() == ()
    pump.power_cycle()
    (told,) = driver.notices()
    assert (told.epoch, told.delivered_nl) == (last.epoch + 1, 0)


def test_a_stop_that_an_alarm_answers_is_sent_again() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    acked(driver.deliver(permit((60_000, HOUR))))
    pump.alarm = "E"  # an alarm that left it running
    link.sent.clear()
    assert acked(driver.stop()).state is PumpState.IDLE
    assert link.sent[:3] == ["STP", "STP", "STP"]
    assert pump.prompt == "S"


def test_fluid_that_the_pump_drew_in_is_told() -> None:
    """F-32."""
    pump = OraclePump()
    driver, _ = met(pump)
    pump._dis = lambda: "I0.000W1.000UL"  # type: ignore[method-assign]
    status = driver.read_status()
    assert isinstance(status, PumpStatus)
    assert (status.delivered_nl, status.alarms) == (0, frozenset({"withdrawn"}))
    pump._dis = lambda: "I0.000W0.000UL"  # type: ignore[method-assign]  # somebody cleared it
    status = driver.read_status()
    assert isinstance(status, PumpStatus)
    assert status.alarms == frozenset()


@pytest.mark.parametrize(("letter", "word"), [("E", "program"), ("O", "phase-range"), ("X", "alarm-X")])
def test_an_alarm_is_told_until_the_pump_has_obeyed_a_stop(letter: str, word: str) -> None:
    """Who may give nothing meanwhile would never see it go by a new run."""
    pump = OraclePump()
    driver, _ = met(pump)
    driver._pump._heard(letter)
    status = driver.read_status()
    assert isinstance(status, PumpStatus)
    assert status.alarms == {word}
    assert acked(driver.stop()).alarms == frozenset()


def test_a_stall_is_told_until_the_motor_has_been_seen_to_run() -> None:
    driver, _ = met(OraclePump())
    driver._pump._heard("S")
    status = acked(driver.stop())
    assert (status.state, status.alarms) == (PumpState.STALLED, {"stall"})
    assert acked(driver.deliver(permit((60_000, HOUR)))).alarms == frozenset()


def test_ticks_grow_and_the_counter_never_falls_within_an_epoch() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    seen = [acked(driver.deliver(permit((60_000, HOUR), number=1)))]
    for number in range(2, 5):
        link.wait(10 * MINUTE)
        status = driver.read_status()
        assert isinstance(status, PumpStatus)
        seen += [status, acked(driver.deliver(permit((60_000, HOUR), number=number)))]
    assert all(a.tick < b.tick and a.delivered_nl <= b.delivered_nl for a, b in pairwise(seen))
    assert {status.epoch for status in seen} == {5 << 16}


# ---- stopping ----


@pytest.mark.parametrize("before", ["S", "P", "I", "T"])
@pytest.mark.parametrize("late_prompt", [False, True])
def test_stop_is_proven_in_every_state_and_nothing_flows_after_it(before: str, late_prompt: bool) -> None:
    pump = OraclePump(late_prompt=late_prompt)
    driver, link = met(pump)
    if before != "S":
        steps = ((0, 20 * MINUTE), (60_000, HOUR)) if before == "T" else ((60_000, HOUR),)
        acked(driver.deliver(permit(*steps)))
        link.wait(MINUTE)
    if before == "P":
        pump.handle(b"0STP\r")
    assert pump.prompt == before
    for _ in range(2):
        assert acked(driver.stop()).state is PumpState.IDLE
    given = pump.given
    link.wait(3 * HOUR)
    assert (pump.prompt, pump.given) == ("S", given)


@pytest.mark.parametrize("safe_s", [0, 200])
@pytest.mark.parametrize("takes_safe_frames", [True, False])
def test_a_pump_that_nobody_has_identified_is_stopped_too(safe_s: int, takes_safe_frames: bool) -> None:
    pump = OraclePump()
    driver, link = met(pump)
    acked(driver.deliver(permit((60_000, HOUR))))
    pump.safe_s = safe_s
    handle = pump.handle
    if not takes_safe_frames and not safe_s:
        pump.handle = lambda data: b"" if data[0] == 2 else handle(data)  # type: ignore[method-assign]
    fresh = NewEraDriver(link, 6, UNTIMED)
    assert acked(fresh.stop()).state is PumpState.IDLE
    assert pump.prompt == "S"
    assert isinstance(fresh.read_status(), PumpStatus)
    assert isinstance(fresh.identify(), Identity)


def test_a_pump_that_does_not_stop_is_unknown_and_not_asked_for_ever() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    acked(driver.deliver(permit((60_000, HOUR))))
    pump._stop = lambda: ""  # type: ignore[method-assign]
    link.sent.clear()
    assert isinstance(driver.stop(), Unknown)
    assert link.sent.count("STP") == 6


# ---- replies that are not ours ----


def test_replies_of_other_pumps_and_junk_are_counted_and_not_believed() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    link.meddle = lambda number, data, reply: [(1, basic("07S") + b"\x00junk" + basic("00Z")), (10, reply)]
    acked(driver.deliver(permit((25_000, HOUR))))
    assert driver.link_noise > 40


def test_stray_line_ends_and_short_numbers_are_taken() -> None:
    pump = OraclePump()
    driver, link = met(pump, timed=True)

    def shorten(number: int, data: bytes, reply: bytes) -> list[tuple[int, bytes]]:
        text = reply[2:-3].decode().replace("25.00", "25.0").replace("0.000", "0.").replace("5.0", "5")
        return [(10, b"\r\n" + safe(text) + b"\r\n")]

    link.meddle = shorten
    acked(driver.deliver(permit((25_000, HOUR))))


def test_a_counter_that_is_not_cleared_is_refused() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    acked(driver.deliver(permit((60_000, HOUR))))
    link.wait(MINUTE)
    pump._clear = lambda: ""  # type: ignore[method-assign]
    outcome = driver.deliver(permit((60_000, HOUR), number=8))
    assert isinstance(outcome, Refused)
    assert outcome.code == "read-back"
    assert pump.runs == 1
