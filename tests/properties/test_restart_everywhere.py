"""The controller dies at every record of two busy days, and another one takes up what is there (D-13, D-18).

Twice at each boundary: just after a record became durable, and just before it would have, so that what
was done in between is known to the pump alone. A person confirms five minutes later and the plan goes on.
Then the journal has to add up: planned is what was signed, every slot has one end, no request began twice,
the ledger holds the truth, every gap has its name, and what is booked is what the pump counted.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from pump_ctrl.errors import LinkError, NotAllowed
from pump_ctrl.journal import MemoryJournal
from pump_ctrl.therapy.plan import DosingPlan, load_plan, plan_from
from pump_ctrl.therapy.schedule import Schedule
from sim.faults import Fault
from tests.spies import Killed
from tests.whole_stack import DAY, HOUR, MINUTE, STEP, check_ledger, check_sums, formulary, profile, sums_now

END = 2 * DAY
AFTER = 27 * HOUR  # the plan goes on so long after the last mishap, with one more night in it
PATIENT: Final = {"dose": "20 ug", "over": "10 min", "lockout": "1 h", "max_per_day": 3}
EXAMPLES = Path("examples")

# What happens on the way (true ms from the start): requests, and frames that are lost.
BUSY: Final[tuple[tuple[int, str], ...]] = (
    (HOUR, "patient-bolus"),
    (HOUR + 5 * MINUTE, "patient-bolus"),  # refused: one is running
    (3 * HOUR, "pause"),
    (3 * HOUR + 10 * MINUTE, "resume"),
    (5 * HOUR, "lose-reply:type=commit,count=1"),
    (5 * HOUR, "patient-bolus"),
    (13 * HOUR + 50 * MINUTE, "lose-reply:type=commit,count=1"),  # A's night bolus begins, unheard of
    (14 * HOUR + 30 * MINUTE, "lose-request:type=status,count=1"),
    (18 * HOUR, "stop"),
    (18 * HOUR + 20 * MINUTE, "resume"),
    (26 * HOUR, "patient-bolus"),
    (26 * HOUR + 4 * MINUTE, "stop"),  # in the middle of the bolus
    (26 * HOUR + 20 * MINUTE, "resume"),
    (37 * HOUR + 50 * MINUTE, "lose-request:type=commit,count=1"),  # A's next night bolus is not heard
)


class MortalJournal(MemoryJournal):
    """Kills its writer before or after its record number ``at``."""

    def __init__(self, clock: VirtualClock, when: str, at: int) -> None:
        self._when, self._left = when, 0
        super().__init__(clock)
        self._left = at

    def append(self, kind: str, data: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the record
        self._left -= 1
        if self._left == 0 and self._when == "before":
            raise Killed(kind)
        record = super().append(kind, data)
        if self._left == 0:
            raise Killed(kind)
        return record


@cache
def example(letter: str, policy: str) -> tuple[DosingPlan, DosingPlan | None]:
    """Worked plan A (with patient boluses), C or E, under a policy of our choice."""
    name = {"A": "a-flex-night-bolus", "C": "c-patient-bolus", "E": "e-bridge"}[letter]
    values = tomllib.loads((EXAMPLES / f"{name}.toml").read_text())
    values["on_loss"] = "stop" if policy == "stop" else {"hold": policy}
    if letter == "A":
        values["patient_bolus"] = PATIENT
    return plan_from(values), load_plan(EXAMPLES / "e-bridge-before.toml") if letter == "E" else None


class Life:
    """One run of the two busy days, in which the controller dies once."""

    def __init__(self, letter: str, policy: str, when: str, at: int) -> None:
        self.plan, previous = example(letter, policy)
        clock = VirtualClock(utc_ms=self.plan.start_utc_ms)
        self.journal = MortalJournal(clock, when, at)
        self.stack = SimulatedStack(
            self.plan,
            profile(self.plan.pump),
            formulary(),
            previous=previous,
            clock=clock,
            journal=self.journal,
        )
        self.clock, self.died, self.presses = clock, False, 0

    @property
    def confirmed(self) -> bool:
        return self.state is not State.WAITING

    @property
    def state(self) -> State:
        return self.stack.controller.state

    def go(self) -> Life:
        """Live through it, dying on the way if there is such a record."""
        try:
            self.stack.begin()
        except Killed:
            self._rise()
        for at, what in BUSY:
            self._to(at)
            self._happens(what)
        self._to(END)
        self._tend()
        self._to(END + AFTER)
        return self

    def _tend(self) -> None:
        """A person looks at what the mishaps have left; alarms that are gone are acknowledged."""
        try:
            self.stack.runner.acknowledge("a person")
        except Killed:
            self._rise()
        if self.state in (State.PAUSED, State.STOPPED):
            self._happens("resume")

    def _to(self, at: int) -> None:
        try:
            self.stack.run_to(at)
        except Killed:
            self._rise()
            self.stack.run_to(at)

    def _happens(self, what: str) -> None:
        if ":" in what:
            name, _, params = what.partition(":")
            self.stack.wire.inject(Fault.parse(f"{name}@{self.clock.true_ms}ms:{params}"))
            return
        self.presses += 1
        try:
            self.stack.ask(f"{what}-{self.presses}", RequestKind(what))
        except Killed:
            self._rise()

    def _rise(self) -> None:
        """Another process takes up the journal; a person confirms 5 minutes later, again if need be."""
        self.died = True
        self.stack.restart()
        assert self.state is State.WAITING
        check_ledger(self.stack)
        check_sums(self.stack)
        for _ in range(4):
            self.stack.run_to(self.clock.true_ms + 5 * MINUTE)
            try:
                if any(True for _ in self._of("confirm")):
                    self.stack.confirm()
                else:
                    self.stack.begin()
            except (LinkError, NotAllowed):
                continue
            break
        assert self.confirmed, "nobody can confirm"
        check_ledger(self.stack)
        check_sums(self.stack)

    # What has to be true afterwards.

    def check(self) -> None:
        check_ledger(self.stack)
        check_sums(self.stack)
        assert self.state is State.RUNNING
        self._every_request_began_once()
        self._every_slot_has_one_end()
        self._every_gap_has_a_name()
        self._booked_is_what_was_signed()
        self._booked_is_what_the_pump_counted()

    def _of(self, kind: str) -> list[Mapping[str, Any]]:
        return [record.data for record in self.journal.records() if record.kind == kind]

    def _every_request_began_once(self) -> None:
        told = (*self._of("outcome"), *self._of("evidence"))
        dead = {data["id"] for data in told if data["what"] in ("refused", "not-given")}
        began = Counter(data["request"] for data in self._of("intent") if data["id"] not in dead)
        assert max(began.values()) == 1, began

    def _every_slot_has_one_end(self) -> None:
        due = {slot.id for slot in Schedule(self.plan, self.stack.profile).slots(0, END + AFTER - HOUR)}
        ended = Counter(data["id"] for data in self._of("bolus") if data["kind"] == "scheduled")
        assert ended == dict.fromkeys(due, 1)

    def _every_gap_has_a_name(self) -> None:
        run, totals = self.stack.controller.run, self.stack.controller.totals
        assert run is not None
        named = sum((Fraction(data["nl"]) for data in self._of("missed")), Fraction(0))
        assert named + run.missed_until(run.to_ms) == totals.missed

    def _booked_is_what_was_signed(self) -> None:
        if self.plan.bridge is not None:
            return  # then planned follows what has left, not the clock
        schedule, now = Schedule(self.plan, self.stack.profile), self.stack.elapsed_ms
        signed = schedule.planned_basal_nl(0, now)
        signed += sum((slot.volume_nl for slot in schedule.slots(0, now)), Fraction(0))
        asked = [
            data for data in self._of("bolus") if data["kind"] == "patient" and data["outcome"] != "refused"
        ]
        signed += len(asked) * schedule.patient.volume_nl if schedule.patient is not None else 0
        assert sums_now(self.stack)[0] == signed

    def _booked_is_what_the_pump_counted(self) -> None:
        counted, commanded = self.stack.world.truth.counted_nl(), sums_now(self.stack)[1]
        assert abs(counted - commanded) <= 2 * STEP, f"counted {counted}, booked {float(commanded)} nL"


CASES = [(letter, policy) for letter in "ACE" for policy in ("stop", "4 h")]


@pytest.mark.parametrize(("letter", "policy"), CASES)
def test_without_a_death_the_busy_days_add_up(letter: str, policy: str) -> None:
    life = Life(letter, policy, "after", 100_000).go()
    life.check()


def die_at(letter: str, policy: str, when: str, at: int) -> bool:
    """Whether there was such a record to die at; everything that has to be true afterwards is."""
    life = Life(letter, policy, when, at).go()
    try:
        life.check()
    except AssertionError as error:
        raise AssertionError(f"killed {when} record {at}: {error}") from error
    return life.died


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("letter", "policy"), CASES)
def test_a_death_at_one_record_in_nine_loses_nothing_and_doubles_nothing(
    letter: str, policy: str, when: str
) -> None:
    at = 1 + (CASES.index((letter, policy)) + 4 * (when == "after")) % 9  # the cases share the records out
    while die_at(letter, policy, when, at):
        at += 9
    assert at > 70


@pytest.mark.deep
@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("letter", "policy"), CASES)
def test_a_death_at_any_record_loses_nothing_and_doubles_nothing(letter: str, policy: str, when: str) -> None:
    at = 1
    while die_at(letter, policy, when, at):
        at += 1
    assert at > 70
