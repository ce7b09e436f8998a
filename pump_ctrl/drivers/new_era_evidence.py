"""What became of a permit, on a pump that knows no ids: concluded from the tag, the counter and the prompt.

Layer      drivers; imports codec, phases, pump and program. Sends no more than questions, PHN and STP.
Hazard     F-01, F-02, F-08, F-21, F-68, S-04: a dose taken for not given that was, and given again.
Invariant  ``NotGiven`` only where no RUN can have been carried out: a tag that was never armed, or a RUN of this
           session, on a direct line, after a second of silence, with the counter at zero and no power-up
           possible; what cannot be told apart is counted in full.
Source     docs/adr/0009, where each row of its table is one branch here. No physical pump was attached.
Tests      tests/unit/test_new_era_cuts.py, test_new_era_evidence.py, test_new_era_evidence_edges.py
"""

from __future__ import annotations

from typing import Final

from pump_ctrl.drivers.base import Evidence, Given, NotGiven, Nothing, PumpState, PumpStatus, Unknown
from pump_ctrl.drivers.new_era_phases import Programmer
from pump_ctrl.drivers.new_era_pump import Course, Pump

SILENCE_MS: Final = 1_000  # D-15: so long without a word before absence proves anything
PROOF_MS: Final = 30_000  # later than this after RUN a power cycle and a key press may have gone unseen


def evidence_of(pump: Pump, permit_id: int, *, buffered: bool) -> Evidence:
    """Conclude what ADR 0009 allows, no more.

    Raises:
        WireError: a question was not answered, or by nonsense.
    """
    if isinstance(status := pump.look(), Unknown):
        return Nothing(status.detail)
    if (known := _known(pump, permit_id, status)) is not None:
        return known
    if status.state is PumpState.RUNNING:
        return Nothing("the pump runs; what it runs can be told only when it stands still")
    if isinstance(status := pump.halt(), Unknown):
        return Nothing(status.detail)
    return _known(pump, permit_id, status) or _by_tag(pump, permit_id, status, buffered=buffered)


def _known(pump: Pump, permit_id: int, status: PumpStatus) -> Evidence | None:
    """What this session has seen itself."""
    if permit_id in pump.ended:
        return Given(*pump.ended[permit_id], True, status)
    if permit_id in pump.absent:
        return NotGiven("RUN was lost", status)
    if pump.course is not None and status.running_id == permit_id:
        return Given(*pump.bounds(pump.course), False, status)
    return None


def _by_tag(pump: Pump, permit_id: int, status: PumpStatus, *, buffered: bool) -> Evidence:
    tag = Programmer(pump.talk).read_tag()
    if tag is None:
        return Nothing("the pump's program has no tag")
    if tag.is_begun_for(permit_id) or (tag.is_of(permit_id) and not tag.armed):
        return NotGiven("its program was written, and never armed", status)
    if tag.is_of(permit_id):
        course = pump.course
        if course is not None and course.id == permit_id:
            return _of_course(pump, course, status, buffered=buffered)
        return _of_another_session(pump, status, buffered=buffered)
    if tag.is_before(permit_id):
        return NotGiven("the pump's program is an older one", status)
    return Nothing("the pump's program is another one", other=True)


def _of_another_session(pump: Pump, status: PumpStatus, *, buffered: bool) -> Evidence:
    """The permit may have been run by a process that is no more; the counter was cleared for it.

    A counter of zero is also what a power-up leaves, and somebody else may have seen the alarm that told of it:
    then all may have been given, which is at most what the syringe holds.
    """
    counted, unit = pump.meter.counter_nl, pump.meter.unit_nl
    if counted and not pump.meter.resets:
        return Given(max(0, counted - unit), counted + unit, True, status)
    if buffered and not counted:
        return Nothing("RUN may still be on its way through the network")
    return Given(0, pump.settings.capacity_nl, True, status)


def _of_course(pump: Pump, course: Course, status: PumpStatus, *, buffered: bool) -> Evidence:
    """RUN has left in this session, was not acknowledged, and nothing has been seen to flow."""
    if course.life != pump.meter.lives:
        return Given(*pump.bounds(course), True, status)
    if pump.heard != course.alarms:
        return Given(*pump.bounds(course), True, status)  # it may have moved by less than the counter shows
    if buffered:
        return Nothing("RUN may still be on its way through the network")
    if pump.now_ms - course.sent_ms > PROOF_MS:
        return Given(0, course.volume_nl, True, status)
    pump.talk.be_silent(SILENCE_MS)
    if isinstance(again := pump.halt(), Unknown):
        return Nothing(again.detail)
    if pump.course is not course or pump.heard != course.alarms or course.life != pump.meter.lives:
        return Nothing("the pump moved, or was reset, meanwhile")
    pump.course = None
    pump.absent.add(course.id)
    return NotGiven("RUN was lost: the pump stands still and its counter is clear", again)
