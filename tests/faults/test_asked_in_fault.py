"""D-18: while an alarm forbids delivery the pump is asked often, for most alarms end by what it says alone.

Seen: an implant that is asked every 6 h had repeated itself for some minutes and was well again; for hours no ack, no
STOP and no resume let its plan go on.
"""

from __future__ import annotations

from tests.faults.state_stand import StateStand
from tests.whole_stack import MINUTE


def test_a_pump_whose_alarm_forbids_delivery_is_asked_at_once_and_every_five_minutes() -> None:
    stand = StateStand("implant-40", "RUNNING", ())
    stand.stack.begin()
    stand._run_to(12 * MINUTE)
    before = stand.sent.count("status")
    stand.stack.runner.raise_alarm("flow", "from outside")
    stand._run_to(stand.now + 1_000)
    assert stand.sent.count("status") == before + 1
    stand._run_to(stand.now + 30 * MINUTE)
    assert stand.sent.count("status") in (before + 6, before + 7)


def test_a_pump_that_is_well_is_asked_with_its_own_poll_only() -> None:
    stand = StateStand("implant-40", "RUNNING", ())
    stand.stack.begin()
    stand._run_to(12 * MINUTE)
    before = stand.sent.count("status")
    stand._run_to(28 * MINUTE)
    assert stand.sent.count("status") == before
