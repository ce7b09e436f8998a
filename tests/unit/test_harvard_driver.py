"""What the Harvard driver sends, and when a dose is acked, refused or unknown."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pump_ctrl.drivers.base import (
    Acked,
    Given,
    Link,
    NotGiven,
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
from pump_ctrl.drivers.harvard import HarvardDriver
from tests.unit.harvard_kit import MARK, SETTINGS, V, acked, fresh, met, permit
from tests.unit.harvard_page import HOUR, PaperLink, PaperPump, lost_reply, lost_request

PREPARED, ARMED = "wrate 1.00009 ul/min", "wrate 5.00009 ul/min"  # of permit 9
DELIVER = [
    "stop", "status", PREPARED, "cttime", "ctvolume", "civolume", "irate 20 ul/hr", "tvolume 20 ul", "diameter",
    "irate", "ttime", "tvolume", "status", ARMED, "wrate", "irun", "status", "tvolume",
]  # fmt: skip


def status(driver: HarvardDriver) -> PumpStatus:
    told = driver.read_status()
    assert isinstance(told, PumpStatus)
    return told


def test_the_driver_and_the_paper_link_have_the_shape_of_the_contract() -> None:
    link = PaperLink(PaperPump())
    pipe: Link = link
    driver: PumpDriver = HarvardDriver(pipe, 5, SETTINGS)
    driver.close()
    driver.close()
    assert link.closed
    assert link.sent == []


def test_what_it_declares() -> None:
    _, link, driver = fresh()
    can = driver.capabilities
    assert (can.protocol, can.max_steps, can.step_nl, can.counter_unit_nl) == ("harvard", 1, 20, 20)
    assert (can.max_nl_per_h, can.max_lease_ms, can.ttl_ms) == (1_560_000_000, HOUR, None)
    assert not any((can.dedup, can.tells_time, can.buffered, can.simulated))
    assert can.keeps_outcomes
    assert not fresh(has_wrate=False)[2].capabilities.keeps_outcomes
    link.buffered = link.simulated = True
    other = met(link).capabilities
    assert other.buffered
    assert other.simulated


# ---- deliver -----------------------------------------------------------------------------------


def test_a_deliver_stops_clears_sets_reads_back_and_runs_once() -> None:
    pump, link, driver = fresh()
    told = acked(driver.deliver(permit()))
    assert link.sent == DELIVER
    assert (told.state, told.running_id) == (PumpState.RUNNING, MARK + 9)
    assert (pump.target, pump.irate, pump.starts) == ("20 ul", "20 ul/hr", 1)


def test_the_target_ends_the_run_without_the_host() -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.wait(HOUR // 2)
    assert (status(driver).delivered_nl, pump.given_nl) == (10_000, 10_000)
    link.wait(10 * HOUR)
    told = status(driver)
    assert (told.state, told.running_id, told.delivered_nl, pump.given_nl) == (PumpState.IDLE, None, V, V)
    assert driver.evidence(MARK + 9) == Given(V, V, True, told._replace(tick=told.tick + 2, tick_ms=link.now))


def test_a_pump_without_a_rate_of_withdrawal_is_set_without_marks() -> None:
    _, link, driver = fresh(has_wrate=False)
    acked(driver.deliver(permit()))
    assert link.sent == [command for command in DELIVER if not command.startswith("wrate")]


def test_a_rest_is_a_pump_that_was_stopped() -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.wait(HOUR // 2)
    link.sent.clear()
    told = acked(driver.deliver(permit(10, 0)))
    assert link.sent == ["stop", "status"]
    assert (told.state, told.running_id, told.delivered_nl) == (PumpState.IDLE, None, pump.given_nl)
    link.wait(HOUR)
    assert pump.given_nl == told.delivered_nl
    assert pump.starts == 1
    found = driver.evidence(MARK + 9)
    assert isinstance(found, Given)
    assert found.ended


def test_a_new_permit_replaces_what_runs_and_the_counter_goes_on() -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.wait(HOUR // 2)
    before = status(driver).delivered_nl
    told = acked(driver.deliver(permit(10, 600, 600_000, kind=StepKind.BOLUS)))
    assert told.running_id == MARK + 10
    replaced = driver.evidence(MARK + 9)
    assert isinstance(replaced, Given)
    assert replaced.ended
    assert before <= replaced.lo_nl <= replaced.hi_nl <= before + 2
    link.wait(HOUR)
    told = status(driver)
    assert told.delivered_nl == pump.given_nl == replaced.lo_nl + 600
    assert isinstance(driver.evidence(MARK + 10), Given)


def test_each_status_has_a_greater_tick_and_no_smaller_counter() -> None:
    _, link, driver = fresh()
    seen = [acked(driver.deliver(permit()))]
    for number in range(10, 14):
        link.wait(500_000)
        seen += [status(driver), acked(driver.deliver(permit(number)))]
    assert all(
        a.tick < b.tick and a.delivered_nl <= b.delivered_nl and a.epoch == b.epoch for a, b in pairwise(seen)
    )


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (Step(StepKind.BASAL, V, HOUR), Step(StepKind.BASAL, V, HOUR)),
        (Step(StepKind.BASAL, V + 1, HOUR),),
        (Step(StepKind.BASAL, -20, HOUR),),
        (Step(StepKind.BASAL, V, 0),),
        (Step(StepKind.BASAL, V, HOUR + 1),),
        (Step(StepKind.BASAL, 10_000_020, HOUR),),
        (Step(StepKind.BASAL, 1_300_000, 2_500),),  # faster than the pump
        (Step(StepKind.BASAL, 20, HOUR),),  # slower than its motor
        (Step(StepKind.BASAL, 1_000_020, 7),),
        (Step(StepKind.BASAL, True, HOUR),),
        (Step(StepKind.BASAL, V, 3.6e6),),  # type: ignore[arg-type]
    ],
)
def test_what_the_pump_cannot_do_is_refused_before_anything_is_sent(steps: tuple[Step, ...]) -> None:
    pump, link, driver = fresh()
    assert driver.deliver(Permit(MARK + 9, steps, 10**12)) == Refused("range")
    assert link.sent == []
    assert not pump.runs


@pytest.mark.parametrize("number", [0, -1, 2**64, True, "9"])
def test_what_is_no_id_is_refused(number: int) -> None:
    _, link, driver = fresh()
    assert driver.deliver(Permit(number, permit().steps, 10**12)) == Refused("range")
    assert isinstance(driver.evidence(number), Nothing)
    assert "irun" not in link.sent


def test_before_it_has_met_the_pump_nothing_is_delivered_but_stop_works() -> None:
    link = PaperLink(PaperPump(poll=True))
    driver = HarvardDriver(link, 5, SETTINGS)
    assert driver.deliver(permit()) == Refused("not-identified")
    assert isinstance(driver.evidence(9), Nothing)
    assert link.sent == []
    assert isinstance(driver.stop(), Acked)
    assert link.sent == ["stop", "status"]


def test_the_same_permit_is_never_run_twice() -> None:
    pump, _, driver = fresh()
    acked(driver.deliver(permit()))
    assert isinstance(driver.deliver(permit()), Unknown)
    assert pump.starts == 1


# ---- between the exchanges ---------------------------------------------------------------------


@pytest.mark.parametrize("after", range(16))
def test_a_stop_that_is_asked_for_between_two_exchanges_leaves_the_irun_unsent(after: int) -> None:
    pump, link, _ = fresh()
    driver = HarvardDriver(link, 5, SETTINGS, stop_requested=lambda: len(link.sent) >= after)
    link.pump.log.clear()
    driver.identify()
    link.sent.clear()
    told = driver.deliver(permit())
    assert isinstance(told, Refused) is (after < 16)
    assert isinstance(told, Refused)
    assert told.code == "stop-requested"
    assert link.sent == DELIVER[:after] + (["status"] if after else [])
    assert not pump.starts
    if after:
        assert told.status is not None
        assert told.status.state is PumpState.IDLE


def test_a_stop_that_is_asked_for_after_the_irun_does_not_hide_that_it_left() -> None:
    pump, link, _ = fresh()
    driver = HarvardDriver(link, 5, SETTINGS, stop_requested=lambda: "irun" in link.sent)
    driver.identify()
    link.sent.clear()
    assert isinstance(driver.deliver(permit()), Acked)
    assert pump.starts == 1


@pytest.mark.parametrize("left_ms", [0, 1, 20, 21, 150, 299, 300, 301, 340])
def test_a_permit_is_looked_at_before_the_irun_and_not_after(left_ms: int) -> None:
    pump, link, driver = fresh()
    told = driver.deliver(permit(expires_ms=link.now + left_ms))
    if left_ms > 300:  # 15 exchanges of 20 ms come before the irun
        assert isinstance(told, Acked)
    else:
        assert isinstance(told, Refused)
        assert told.code == "expired"
        assert (told.status is None) == (left_ms == 0)
    assert pump.starts == (left_ms > 300)


# ---- what is read back -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "told", "code"),
    [
        ("diameter", "8.5850 mm", "read-back"),
        ("irate", "20.0001 ul/hr", "read-back"),
        ("irate", "20 ml/hr", "read-back"),
        ("tvolume", "20.0001 ul", "read-back"),
        ("tvolume", "Target volume not set", "no-answer"),
        ("ttime", "30 seconds", "no-answer"),
        ("wrate", "5.0001 ul/min", "read-back"),
    ],
)
def test_what_does_not_read_back_as_it_was_set_is_never_run(asked: str, told: str, code: str) -> None:
    pump, _, driver = fresh()
    pump.lies[asked] = told
    outcome = driver.deliver(permit())
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert outcome.status is not None
    assert outcome.status.state is PumpState.IDLE
    assert "irun" not in pump.log


def test_the_other_way_to_say_the_same_value_is_the_same() -> None:
    pump, _, driver = fresh()
    pump.lies |= {"irate": "0.02 ml/hr", "tvolume": "20000 nl"}
    assert isinstance(driver.deliver(permit()), Acked)


def test_a_counter_that_does_not_clear_is_never_run() -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.wait(60_000)
    link.on["civolume"] = lambda _link, _request: [(20, b"\n:\x11")]
    outcome = driver.deliver(permit(10))
    assert isinstance(outcome, Refused)
    assert outcome.code == "not-cleared"
    assert pump.starts == 1
    link.on.clear()
    acked(driver.deliver(permit(11)))
    assert status(driver).delivered_nl == pump.given_nl  # a clear that failed is not counted as one


@pytest.mark.parametrize(
    "word", ["wrate", "cttime", "ctvolume", "civolume", "irate", "tvolume", "diameter", "ttime", "irun"]
)
def test_what_the_pump_objects_to_is_refused_in_its_words(word: str) -> None:
    pump, _, driver = fresh()
    pump.refuse[word] = "Argument error: 9999|   Out of range"
    outcome = driver.deliver(permit())
    assert isinstance(outcome, Refused)
    assert outcome.code.startswith(f"objection: {word}")
    assert outcome.code.endswith("Argument error: 9999 Out of range")
    assert outcome.status is not None
    assert pump.starts == 0
    pump.refuse.clear()
    acked(driver.deliver(permit(10)))


def test_a_pump_that_objects_to_irun_and_runs_all_the_same_is_unknown() -> None:
    pump, link, driver = fresh()
    link.on["irun"] = lambda link, request: (
        [(20, b"\nCommand error:\r\n   ?\r\n>\x11")] if link.well(request) else []
    )
    assert isinstance(driver.deliver(permit()), Unknown)
    assert pump.runs


# ---- after the irun ----------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", [b":", b"T*", b"*", b"<", b">*"])
def test_another_prompt_than_infusing_after_irun_is_unknown_and_the_pump_is_stopped(prompt: bytes) -> None:
    pump, link, driver = fresh()
    link.on["irun"] = lambda link, request: [(20, b"\n" + prompt + b"\x11")] if link.well(request) else []
    assert isinstance(driver.deliver(permit()), Unknown)
    assert link.sent[16:] == ["stop"]
    assert not pump.runs


@pytest.mark.parametrize(
    ("line", "stopped"),
    [
        (b"0 60000 0 i...I.", True),  # not running
        (b"5555555 60000 0 W...I.", True),  # the wrong way
        (b"5555555 60000 0 I.S.I.", True),
        (b"5555555 60000 0 I...I", False),  # no line of an Elite: silence
    ],
)
def test_a_status_that_does_not_agree_is_unknown(line: bytes, stopped: bool) -> None:
    pump, link, driver = fresh()

    def answer(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
        if "irun" not in link.sent:
            return link.well(request)
        link.pump.advance(link.now)
        return [(20, b"\n" + line + b"\r\n>\x11")]

    link.on["status"] = answer
    assert isinstance(driver.deliver(permit()), Unknown)
    assert (not pump.runs) is stopped
    assert link.sent.count("irun") == 1


@pytest.mark.parametrize("target", ["Target volume not set", "9 ml"])
def test_a_run_whose_target_is_gone_is_stopped_at_once(target: str) -> None:
    pump, link, driver = fresh()

    def answer(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
        told = link.well(request)
        return told if "irun" not in link.sent else [(20, f"\n{target}\r\n>\x11".encode())]

    link.on["tvolume"] = answer
    assert isinstance(driver.deliver(permit()), Unknown)
    assert not pump.runs
    found = driver.evidence(MARK + 9)
    assert isinstance(found, Given)
    assert found.ended


def test_a_dose_that_is_over_before_it_can_be_looked_at_is_acked() -> None:
    pump, link, driver = fresh()
    told = acked(driver.deliver(permit(9, 20, 5, kind=StepKind.BOLUS)))
    assert (told.state, told.delivered_nl, pump.given_nl) == (PumpState.IDLE, 20, 20)
    assert isinstance(driver.evidence(MARK + 9), Given)
    assert link.sent.count("irun") == 1


# ---- stop --------------------------------------------------------------------------------------


def test_stop_is_acked_when_prompt_and_status_say_so() -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.wait(60_000)
    link.sent.clear()
    for _ in range(2):
        told = acked(driver.stop())
        assert told.state is PumpState.IDLE
        assert told.delivered_nl == pump.given_nl
    assert link.sent == ["stop", "status"] * 2


@pytest.mark.parametrize("lost", [lost_request, lost_reply])
@pytest.mark.parametrize("times", [1, 2])
def test_a_stop_that_is_not_answered_is_sent_again(times: int, lost: object) -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit()))
    began = len(link.sent)
    link.faults = dict.fromkeys(range(began + 1, began + times + 1), lost)  # type: ignore[arg-type]
    assert isinstance(driver.stop(), Acked)
    assert link.sent[began:] == ["stop"] * (times + 1) + ["status"]
    assert not pump.runs


def test_a_pump_that_does_not_stop_is_unknown_after_three_times() -> None:
    _, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.on["stop"] = lambda _link, _request: [(20, b"\n>\x11")]
    began, before = link.now, len(link.sent)
    told = driver.stop()
    assert isinstance(told, Unknown)
    assert "3 times" in told.detail
    assert link.sent[before:] == ["stop"] * 3
    assert link.now - began == 1_500


def test_a_prompt_at_rest_over_a_status_that_runs_proves_no_stop() -> None:
    _, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.on["stop"] = lambda _link, _request: [(20, b"\n:\x11")]
    before = len(link.sent)
    assert driver.stop() == Unknown("the pump was told to stop 3 times: its status says that it runs")
    assert link.sent[before:] == ["stop", "status"] * 3


# ---- the pump in trouble -----------------------------------------------------------------------


def test_a_stall_is_found_by_asking_and_ends_the_run() -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.wait(HOUR // 2)
    pump.stall()
    assert driver.notices() == ()
    told = status(driver)
    assert (told.state, told.running_id) == (PumpState.STALLED, None)
    assert told.alarms == {"stall"}
    found = driver.evidence(MARK + 9)
    assert isinstance(found, Given)
    assert (found.lo_nl, found.ended) == (pump.given_nl, True)
    link.wait(HOUR)
    acked(driver.deliver(permit(10)))


def test_a_stall_that_stop_does_not_clear_is_refused() -> None:
    pump, link, driver = fresh()

    def stop(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
        link.well(request)
        link.pump.stall()
        return [(20, b"\n*\x11")]

    link.on["stop"] = stop
    told = driver.deliver(permit())
    assert isinstance(told, Refused)
    assert told.code == "stalled"
    assert told.status is not None
    assert told.status.state is PumpState.STALLED
    assert isinstance(driver.stop(), Acked)  # it stands still
    assert pump.starts == 0


@pytest.mark.parametrize(
    ("prompt", "state", "alarms"), [(b">*", PumpState.EMPTY, {"empty"}), (b"<*", PumpState.IDLE, set())]
)
def test_a_limit_switch_is_told(prompt: bytes, state: PumpState, alarms: set[str]) -> None:
    _, link, driver = fresh()
    link.on["status"] = lambda _link, _request: [(20, b"\n0 60000 0 iI..I.\r\n" + prompt + b"\x11")]
    told = status(driver)
    assert (told.state, told.alarms) == (state, alarms)


@pytest.mark.parametrize("forgets", [(), ("target",), ("wrate", "target"), ("wrate", "target", "poll")])
def test_a_power_cut_in_a_run_is_a_new_epoch_and_wants_a_new_meeting(forgets: tuple[str, ...]) -> None:
    pump, link, driver = fresh()
    epoch = acked(driver.deliver(permit())).epoch
    link.wait(HOUR // 2)
    status(driver)
    pump.power_cut(forgets=forgets)
    told = status(driver)
    assert told.epoch == epoch + 1
    assert (told.state, told.delivered_nl, told.alarms) == (PumpState.IDLE, 0, {"reset"})
    assert driver.deliver(permit(10)) == Refused("not-identified")
    found = driver.evidence(MARK + 9)
    assert isinstance(found, Given)
    assert (found.lo_nl, found.hi_nl, found.ended) == (0, V, True)
    assert driver.identify().epoch == epoch + 1  # type: ignore[union-attr]
    acked(driver.deliver(permit(11)))
    link.wait(HOUR)
    assert status(driver).delivered_nl == V


@pytest.mark.parametrize("forgets", [(), ("poll",), ("wrate", "target", "poll")])
def test_a_power_cut_that_a_deliver_comes_upon_refuses_it(forgets: tuple[str, ...]) -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.wait(HOUR // 2)
    status(driver)
    pump.power_cut(forgets=forgets)
    told = driver.deliver(permit(10))
    assert isinstance(told, Refused)
    assert told.code == "reset"
    assert driver.deliver(permit(10)) == Refused("not-identified")
    assert pump.starts == 1
    driver.identify()
    acked(driver.deliver(permit(10)))


def test_a_pump_that_stops_to_send_xon_in_a_deliver_is_not_started() -> None:
    pump, link, driver = fresh()

    def forgets(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
        link.pump.poll = False
        return link.well(request)

    link.on["ttime"] = forgets
    told = driver.deliver(permit())
    assert isinstance(told, Refused)
    assert told.code == "reset"
    assert pump.starts == 0
    assert isinstance(driver.stop(), Acked)  # slower, but it works


def test_a_counter_that_somebody_cleared_on_the_screen_is_a_new_epoch() -> None:
    pump, link, driver = fresh()
    epoch = acked(driver.deliver(permit())).epoch
    link.wait(HOUR // 2)
    status(driver)
    pump.rest()
    pump.base = 0
    assert status(driver).epoch == epoch + 1
    assert pump.given_nl == 10_000  # what had flowed, flowed: the guard keeps it


def test_a_pump_that_stands_in_the_other_direction_tells_what_it_infused() -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.wait(HOUR // 3)
    before = acked(driver.stop())
    pump.way = "w"
    told = status(driver)
    assert link.sent[-2:] == ["status", "ivolume"]
    assert (told.epoch, told.delivered_nl) == (before.epoch, before.delivered_nl)
    acked(driver.deliver(permit(10)))


def test_a_pump_that_withdraws_runs_and_is_none_of_ours() -> None:
    pump, link, driver = fresh()
    pump.runs, pump.way = True, "w"
    told = status(driver)
    assert (told.state, told.running_id) == (PumpState.RUNNING, None)
    assert isinstance(driver.stop(), Acked)
    assert link.sent.count("irun") == 0


def test_a_pump_that_begins_by_itself_while_it_is_set_is_stopped_and_the_permit_refused() -> None:
    pump, link, driver = fresh()

    def begins(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
        link.well(request)
        link.pump.handle("irun")
        return [(20, b"\n>\x11")]

    link.on["cttime"] = begins
    told = driver.deliver(permit())
    assert isinstance(told, Refused)
    assert told.code == "not-stopped"
    assert told.status is not None
    assert told.status.state is PumpState.IDLE
    assert not pump.runs
    assert isinstance(driver.evidence(MARK + 9), NotGiven)


def test_a_closed_link_gives_values() -> None:
    _, link, driver = fresh()

    def broken(_: PaperLink, __: str) -> list[tuple[int, bytes]]:
        raise OSError("closed")

    link.on = dict.fromkeys(["stop", "status", "", "poll"], broken)
    assert isinstance(driver.read_status(), Unknown)
    assert driver.deliver(permit()) == Refused("not-stopped")
    assert isinstance(driver.stop(), Unknown)
    assert isinstance(driver.identify(), Unknown)
    assert isinstance(driver.evidence(MARK + 9), Nothing)
    assert driver.notices() == ()
