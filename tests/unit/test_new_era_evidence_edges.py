"""Each row of the table in docs/adr/0009, on a pump that is played by a script: tag, counter, prompt, alarms."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from pump_ctrl.drivers import new_era_codec as codec
from pump_ctrl.drivers.base import (
    Evidence,
    Given,
    NotGiven,
    Nothing,
    PumpSettings,
    PumpState,
    PumpStatus,
    Unknown,
)
from pump_ctrl.drivers.new_era_evidence import evidence_of
from pump_ctrl.drivers.new_era_program import Tag
from pump_ctrl.drivers.new_era_pump import Course, Pump
from tests.unit.new_era_kit import SETTINGS

ID = (0xABCDEF << 32) + 20_000
OLDER, NEWER = ID - 1, ID + 1
FULL = 10_000_000  # nL, what the syringe of the settings holds
SENT = 1_000_000  # when RUN left
STANDS = PumpStatus(5, 1, 0, PumpState.IDLE, 0, None, 0, 0, None, None, frozenset())
COURSE = Course(ID, 60_000, SENT, 0, life=2, alarms=3)


@dataclass
class Meter:
    counter_nl: int = 0
    unit_nl: int = 10
    resets: int = 0
    lives: int = 2


@dataclass
class Script:
    """Stands for ``Pump`` and for its line; ``log`` tells what it was asked to do."""

    tag: Tag | None = None
    half: int | None = None  # the number of nL in the tag's phase, if it is not the tag's own
    meter: Meter = field(default_factory=Meter)
    looks: PumpStatus | Unknown = STANDS
    halts: list[PumpStatus | Unknown | Callable[[Script], PumpStatus]] = field(default_factory=list)
    course: Course | None = None
    ended: dict[int, tuple[int, int]] = field(default_factory=dict)
    absent: set[int] = field(default_factory=set)
    heard: int = 3
    now_ms: int = SENT
    settings: PumpSettings = SETTINGS
    log: list[str] = field(default_factory=list)

    @property
    def talk(self) -> Script:
        return self

    def look(self) -> PumpStatus | Unknown:
        self.log.append("look")
        return self.looks

    def halt(self) -> PumpStatus | Unknown:
        self.log.append("halt")
        told = self.halts.pop(0) if self.halts else STANDS
        return told(self) if callable(told) else told

    def be_silent(self, for_ms: int) -> None:
        self.log.append(f"silent {for_ms}")

    def bounds(self, course: Course) -> tuple[int, int]:
        assert course.id == ID
        return 70, 90

    def ask(self, command: str, shape: re.Pattern[str] = codec.NOTHING) -> codec.Reply:
        self.log.append(command)
        phase = None if self.tag is None else self.tag.phase
        rate, volume = (0, 0) if phase is None else (phase.nl_per_h, self.half or phase.volume_nl)
        data = {
            "PHN": "41",
            "FUN": "STP" if phase is None else "RAT",
            "RAT": f"{rate / 1_000:05.1f}UH",
            "VOL": f"{volume / 1_000:05.3f}UL",
        }.get(command, "")
        assert shape.fullmatch(data)
        return codec.Reply(0, "", "S", data)

    def evidence(self, *, buffered: bool = False) -> Evidence:
        return evidence_of(cast(Pump, self), ID, buffered=buffered)


def tag(permit_id: int = ID, *, armed: bool = True) -> Tag:
    return Tag.of(permit_id, armed=armed)


# ---- by the tag and the counter, in another session ----


@pytest.mark.parametrize("counter", [0, 5_000])
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    "held",
    [tag(armed=False), tag(OLDER), tag(OLDER, armed=False), tag(ID - 4_999)],
    ids=["prepared", "older", "older, prepared", "oldest"],
)
def test_a_tag_of_an_older_permit_or_a_prepared_one_proves_that_no_run_left(
    held: Tag, buffered: bool, counter: int
) -> None:
    found = Script(held, meter=Meter(counter)).evidence(buffered=buffered)
    assert isinstance(found, NotGiven)
    assert found.status is STANDS


def test_a_tag_whose_mark_is_written_and_whose_number_is_the_older_ones_proves_it_too() -> None:
    number_of_older = tag(OLDER).phase.volume_nl
    assert isinstance(Script(tag(armed=False), half=number_of_older).evidence(), NotGiven)
    stranger = Script(tag(armed=False), half=10_000).evidence()  # there was no tag before it
    assert isinstance(stranger, NotGiven)
    armed = Script(tag(armed=True), half=tag(NEWER).phase.volume_nl).evidence()
    assert armed == Nothing("the pump's program is another one", other=True)


@pytest.mark.parametrize("held", [tag(NEWER), tag(NEWER, armed=False), tag(ID - 5_000)])
def test_a_newer_tag_or_a_strange_one_proves_nothing(held: Tag) -> None:
    found = Script(held, meter=Meter(5_000)).evidence()
    assert isinstance(found, Nothing)
    assert found.other


def test_a_pump_without_a_tag_proves_nothing() -> None:
    found = Script(None).evidence()
    assert isinstance(found, Nothing)
    assert not found.other


@pytest.mark.parametrize(
    ("counter", "resets", "bounds"),
    [
        (5_000, 0, (4_990, 5_010)),
        (5, 0, (0, 15)),  # less than a unit
        (10, 0, (0, 20)),
        (0, 0, (0, FULL)),  # a power-up that somebody else has seen leaves the same
        (0, 1, (0, FULL)),
        (5_000, 1, (0, FULL)),  # what was before the power-up is not known
    ],
)
def test_an_armed_tag_of_another_session_is_counted_or_else_counted_in_full(
    counter: int, resets: int, bounds: tuple[int, int]
) -> None:
    for course in (None, replace(COURSE, id=OLDER), replace(COURSE, id=NEWER)):
        script = Script(tag(), meter=Meter(counter, resets=resets), course=course)
        assert script.evidence() == Given(*bounds, True, STANDS)


@pytest.mark.parametrize(("counter", "resets"), [(0, 0), (0, 1)])
def test_through_a_network_a_counter_of_nothing_proves_nothing(counter: int, resets: int) -> None:
    found = Script(tag(), meter=Meter(counter, resets=resets)).evidence(buffered=True)
    assert isinstance(found, Nothing)
    assert not found.other


def test_through_a_network_what_was_counted_is_proven_all_the_same() -> None:
    counted = Script(tag(), meter=Meter(5_000)).evidence(buffered=True)
    assert counted == Given(4_990, 5_010, True, STANDS)
    reset = Script(tag(), meter=Meter(5_000, resets=1)).evidence(buffered=True)
    assert reset == Given(0, FULL, True, STANDS)


# ---- this session's own RUN ----


def test_a_run_that_was_lost_is_proven_by_a_second_of_silence_and_for_good() -> None:
    script = Script(tag(), course=COURSE)
    assert isinstance(script.evidence(), NotGiven)
    assert script.log[-2:] == ["silent 1000", "halt"]
    assert (script.course, script.absent) == (None, {ID})
    assert isinstance(script.evidence(), NotGiven)
    assert script.log[-1] == "look"


@pytest.mark.parametrize(("after_ms", "proven"), [(0, True), (30_000, True), (30_001, False)])
def test_absence_is_proven_up_to_30_s_after_run_and_later_all_of_it_counts(
    after_ms: int, proven: bool
) -> None:
    script = Script(tag(), course=COURSE, now_ms=SENT + after_ms)
    found = script.evidence()
    assert isinstance(found, NotGiven) if proven else found == Given(0, 60_000, True, STANDS)
    assert (script.course is None) is proven


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    ("heard", "lives", "after_ms"),
    [(4, 2, 0), (4, 2, 99_000), (3, 3, 0), (3, 1, 0)],
    ids=["alarm", "alarm, late", "new life", "other life"],
)
def test_after_an_alarm_or_a_power_up_what_the_counter_leaves_open_counts(
    heard: int, lives: int, after_ms: int, buffered: bool
) -> None:
    script = Script(tag(), course=COURSE, heard=heard, meter=Meter(lives=lives), now_ms=SENT + after_ms)
    assert script.evidence(buffered=buffered) == Given(70, 90, True, STANDS)


def test_through_a_network_a_run_without_an_answer_may_still_be_on_its_way() -> None:
    script = Script(tag(), course=COURSE)
    assert isinstance(script.evidence(buffered=True), Nothing)
    assert script.course is COURSE
    assert not script.absent


def _moved(script: Script) -> PumpStatus:
    script.course = None
    return STANDS


def _alarmed(script: Script) -> PumpStatus:
    script.heard += 1
    return STANDS


def _reset(script: Script) -> PumpStatus:
    script.meter.lives += 1
    return STANDS


@pytest.mark.parametrize("meanwhile", [_moved, _alarmed, _reset, Unknown("it is deaf")])
def test_what_happens_during_the_second_of_silence_leaves_it_unproven(
    meanwhile: Callable[[Script], PumpStatus] | Unknown,
) -> None:
    script = Script(tag(), course=COURSE, halts=[STANDS, meanwhile])
    assert isinstance(script.evidence(), Nothing)
    assert "silent 1000" in script.log
    assert not script.absent


# ---- what this session has seen itself ----


def test_what_has_ended_in_this_session_is_told_without_a_further_question() -> None:
    script = Script(ended={ID: (100, 120)})
    assert script.evidence() == Given(100, 120, True, STANDS)
    assert script.log == ["look"]


def test_what_runs_is_told_by_its_counter_and_goes_on() -> None:
    runs = STANDS._replace(state=PumpState.RUNNING, running_id=ID)
    script = Script(looks=runs, course=COURSE)
    assert script.evidence() == Given(70, 90, False, runs)
    assert script.log == ["look"]


@pytest.mark.parametrize("running_id", [None, OLDER])
def test_of_what_runs_for_somebody_else_nothing_is_told_and_it_goes_on(running_id: int | None) -> None:
    runs = STANDS._replace(state=PumpState.RUNNING, running_id=running_id)
    script = Script(tag(), looks=runs, course=replace(COURSE, id=OLDER))
    assert isinstance(script.evidence(), Nothing)
    assert script.log == ["look"]


def test_what_ends_by_the_stop_that_was_needed_is_told() -> None:
    def ends(script: Script) -> PumpStatus:
        script.ended[ID] = (100, 120)
        return STANDS

    script = Script(tag(), halts=[ends])
    assert script.evidence() == Given(100, 120, True, STANDS)
    assert script.log == ["look", "halt"]


def test_a_pump_that_does_not_answer_or_does_not_stop_proves_nothing() -> None:
    deaf = Script(tag(armed=False), looks=Unknown("it is deaf"), ended={ID: (1, 2)})
    assert isinstance(deaf.evidence(), Nothing)
    assert deaf.log == ["look"]
    restless = Script(tag(armed=False), halts=[Unknown("it goes on")])
    assert isinstance(restless.evidence(), Nothing)
    assert restless.log == ["look", "halt"]
