"""Every fault at every exchange of a deliver: what the driver says, beside what the pump truly did.

The driver may know less than it could; it may never know something that is not so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.drivers import new_era_codec as codec
from pump_ctrl.drivers.base import (
    Acked,
    Given,
    Identity,
    NotGiven,
    Nothing,
    Outcome,
    PumpState,
    PumpStatus,
    Refused,
    StepKind,
    Unknown,
)
from pump_ctrl.drivers.new_era import NewEraDriver
from pump_ctrl.drivers.new_era_exchange import Conversation, Silence
from pump_ctrl.errors import LinkError
from tests.unit.new_era_kit import HOUR, MINUTE, SETTINGS, Meddle, OracleLink, OraclePump, basic, permit, safe

EXCHANGES = 40  # of this deliver
OLD = permit((40_000, HOUR), number=6)
NEW = permit((5_000, 10 * MINUTE), (25_000, HOUR), kind=StepKind.BOLUS, number=7)
Fault = Callable[[OraclePump, bytes], list[tuple[int, bytes]]]

FAULTS: dict[str, Fault] = {
    "reply lost": lambda pump, reply: [],
    "reply garbled": lambda pump, reply: [(10, bytes(b ^ 0x20 for b in reply))],
    "reply cut": lambda pump, reply: [(10, reply[:-3])],
    "reply late": lambda pump, reply: [(700, reply)],
    "reply doubled": lambda pump, reply: [(10, reply), (12, reply)],
    "reply doubled late": lambda pump, reply: [(10, reply), (40, reply)],
    "other address": lambda pump, reply: [(10, pump.frame("07S"))],
    "alarm unasked": lambda pump, reply: [(9, pump.frame(f"{pump.address:02d}A?E")), (10, reply)],
    "junk before": lambda pump, reply: [(10, b"\xff\x02\x02\x090" + reply)],
}
ERRORS = ("?", "?NA", "?OOR", "?COM", "?IGN")
for _error in ERRORS:
    FAULTS[f"answered {_error}"] = lambda pump, reply, error=_error: [  # type: ignore[misc]
        (10, pump.frame(f"{pump.address:02d}{pump.prompt}{error}"))
    ]


class Bench:
    """A driver whose pump runs an older permit, about to be told a new one."""

    def __init__(self, *, timed: bool, running: bool = True) -> None:
        self.pump = OraclePump()
        self.link = OracleLink(self.pump)
        self.settings = SETTINGS if timed else replace(SETTINGS, wire_timeout_s=None)
        self.driver = NewEraDriver(self.link, 5, self.settings)
        assert isinstance(self.driver.identify(), Identity)
        if running:
            assert isinstance(self.driver.deliver(OLD), Acked)
            self.link.wait(30_000)
        self.link.sent.clear()
        self.runs = self.pump.runs

    def deliver(self) -> Outcome:
        begun = self.link.now
        outcome = self.driver.deliver(NEW)
        assert self.link.now - begun <= 500 * (len(self.link.sent) + 1)
        assert self.link.sent.count("RUN") <= 1
        return outcome

    def heal(self) -> None:
        self.link.meddle, self.link.deaf = None, lambda number, text: False
        self.link.wait(1_000)

    @property
    def given(self) -> Fraction:
        """What the new permit truly gave, nL."""
        return self.pump.given_by.get(self.runs + 1, Fraction(0))


def check(bench: Bench, outcome: Outcome) -> None:
    """What was said is so, now and for the rest of the day."""
    pump, ran = bench.pump, bench.pump.runs - bench.runs
    if isinstance(outcome, Acked):
        assert ran == 1
        assert pump.prompt == "I"
        assert outcome.status.running_id == NEW.id
        assert [pump.phases[n].volume for n in (1, 2)] == ["5.000", "25.00"]
        assert [pump.phases[n].rate for n in (1, 2)] == ["30.00", "25.00"]
        assert (pump.phases[3].fun, pump.unit) == ("STP", "UL")
    elif isinstance(outcome, Refused):
        assert ran == 0
        if outcome.status is not None:
            assert pump.prompt == "S"
            assert outcome.status.state is not PumpState.RUNNING
    else:
        assert bench.link.sent.count("RUN") <= 1
    bench.heal()
    settle(bench, outcome)


def settle(bench: Bench, outcome: Outcome) -> None:
    pump, driver = bench.pump, bench.driver
    given_before = pump.given
    found = driver.evidence(NEW.id)
    if isinstance(found, Nothing) and pump.prompt == "I":  # the link was lost: it could be another pump
        assert isinstance(driver.stop(), Acked)
        found = driver.evidence(NEW.id)
    if isinstance(found, NotGiven):
        assert pump.runs == bench.runs
    elif isinstance(found, Given):
        assert found.lo_nl <= bench.given <= found.hi_nl
    else:
        assert isinstance(found, Nothing)
        assert not isinstance(outcome, Unknown), found.detail
    stopped = driver.stop()
    assert isinstance(stopped, Acked)
    assert pump.prompt == "S"
    given = pump.given
    bench.link.wait(3 * HOUR)
    assert pump.given == given
    assert given >= given_before
    assert pump.runs - bench.runs <= 1


def at_exchange(number: int, bench: Bench, fault: Fault) -> Meddle:
    def meddle(n: int, data: bytes, reply: bytes) -> list[tuple[int, bytes]] | None:
        return fault(bench.pump, reply) if n == number else None

    return meddle


def test_the_deliver_has_as_many_exchanges_as_are_tried_here() -> None:
    bench = Bench(timed=True)
    assert isinstance(bench.deliver(), Acked)
    assert len(bench.link.sent) == EXCHANGES


@pytest.mark.parametrize("timed", [True, False], ids=["safe", "basic"])
@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_at_any_exchange(fault: str, timed: bool) -> None:
    outcomes = []
    for number in range(EXCHANGES):
        bench = Bench(timed=timed)
        bench.link.meddle = at_exchange(number, bench, FAULTS[fault])
        outcome = bench.deliver()
        check(bench, outcome)
        outcomes.append(type(outcome).__name__)
    assert "Acked" in outcomes  # some exchanges can be repaired


@pytest.mark.parametrize("timed", [True, False], ids=["safe", "basic"])
def test_a_command_that_the_pump_does_not_get_at_any_exchange(timed: bool) -> None:
    for number in range(EXCHANGES):
        bench = Bench(timed=timed)
        bench.link.deaf = lambda n, text, at=number: n == at  # type: ignore[misc]
        check(bench, bench.deliver())


@pytest.mark.parametrize("fault", ["deaf", "mute"])
def test_a_line_that_dies_at_any_exchange(fault: str) -> None:
    for number in range(EXCHANGES):
        bench = Bench(timed=False)
        if fault == "deaf":
            bench.link.deaf = lambda n, text, at=number: n >= at  # type: ignore[misc]
        else:
            bench.link.meddle = lambda n, data, reply, at=number: [] if n >= at else None  # type: ignore[misc]
        outcome = bench.deliver()
        assert not isinstance(outcome, Acked)
        check(bench, outcome)


@pytest.mark.parametrize("timed", [True, False], ids=["safe", "basic"])
@pytest.mark.parametrize("letter", ["S", "E", "T", "R"])
def test_an_alarm_that_arises_at_any_exchange(letter: str, timed: bool) -> None:
    for number in range(EXCHANGES):
        bench = Bench(timed=timed)

        def arise(n: int, text: str, at: int = number, b: Bench = bench) -> bool:
            if n == at:
                b.pump.power_cycle() if letter == "R" else b.pump.fail(letter)
            return False

        bench.link.deaf = arise
        outcome = bench.deliver()
        check(bench, outcome)


@pytest.mark.parametrize("times", [1, 99])
@pytest.mark.parametrize(
    "wrong", [("VOL", "volume", "50.00"), ("RAT", "rate", "99.99"), ("FUN", "fun", "INC")]
)
@pytest.mark.parametrize("phase", [1, 2, 3, 41])
def test_a_phase_that_is_kept_otherwise_than_it_was_told_is_seen_or_put_right(
    phase: int, wrong: tuple[str, str, str], times: int
) -> None:
    """F-12: the pump says yes and keeps something else."""
    bench, left = Bench(timed=True), [times]
    for memory in bench.pump.phases.values():
        memory.fun = "JMP05"  # so that each function has to be set

    def spoil(number: int, data: bytes, reply: bytes) -> None:
        set_it = bench.link.sent[-1].startswith(wrong[0]) and len(bench.link.sent[-1]) > 3
        if set_it and bench.pump.chosen == phase and left[0]:
            left[0] -= 1
            setattr(bench.pump.phases[phase], *wrong[1:])

    bench.link.meddle = spoil
    outcome = bench.deliver()
    concerned = left[0] < times
    assert concerned or phase == 3  # the stop has neither rate nor volume
    if concerned and times == 99:
        assert isinstance(outcome, Refused)
        assert outcome.code == "read-back"
        assert outcome.status is not None
    else:
        assert isinstance(outcome, Acked)
    check(bench, outcome)


@pytest.mark.parametrize("phase", [1, 2, 41])
def test_a_direction_that_cannot_be_turned_back_is_refused(phase: int) -> None:
    bench = Bench(timed=True)
    bench.pump.phases[phase].direction = "WDR"
    bench.pump._dir = lambda value: "" if value else bench.pump.phases[bench.pump.chosen].direction  # type: ignore[method-assign]
    outcome = bench.deliver()
    assert isinstance(outcome, Refused)
    assert outcome.code == "read-back"
    check(bench, outcome)


def test_a_broken_link_is_unknown_or_refused_and_never_raised() -> None:
    for number in range(EXCHANGES):
        bench = Bench(timed=False)
        write = bench.link.write

        def broken(
            data: bytes,
            *,
            deadline_ms: int,
            at: int = number,
            b: Bench = bench,
            w: Callable[..., None] = write,
        ) -> None:
            if len(b.link.sent) >= at:
                raise LinkError("The port was lost.")
            w(data, deadline_ms=deadline_ms)

        bench.link.write = broken  # type: ignore[method-assign]
        outcome = bench.deliver()
        assert isinstance(outcome, Refused | Unknown)
        assert isinstance(outcome, Unknown) is (number >= EXCHANGES - 2)  # RUN, and the look behind it
        assert isinstance(bench.driver.read_status(), Unknown)
        assert isinstance(bench.driver.stop(), Unknown)
        assert bench.driver.notices() == ()
        bench.link.write = write  # type: ignore[method-assign]
        check(bench, outcome)


@pytest.mark.parametrize("fault", ["reply lost", "reply garbled", "reply late", "answered ?COM"])
def test_one_fault_at_any_exchange_of_a_stop_does_not_keep_it_from_stopping(fault: str) -> None:
    for number in range(6):
        bench = Bench(timed=False)
        bench.link.meddle = at_exchange(number, bench, FAULTS[fault])
        begun = bench.link.now
        assert isinstance(bench.driver.stop(), Acked)
        assert bench.pump.prompt == "S"
        assert bench.link.now - begun <= 2_000


def test_a_dead_line_is_given_up_within_two_seconds() -> None:
    bench = Bench(timed=True)
    bench.link.deaf = lambda number, text: True
    for ask in (bench.driver.stop, bench.driver.read_status):
        begun = bench.link.now
        assert isinstance(ask(), Unknown)
        assert bench.link.now - begun <= 2_000


def test_a_babbling_pump_is_silence_and_ends_in_time() -> None:
    bench = Bench(timed=False)
    bench.link.meddle = lambda number, data, reply: [(1, b"\x0200" * 30_000)]
    begun = bench.link.now
    status = bench.driver.read_status()
    assert isinstance(status, Unknown)
    assert "babbles" in status.detail
    assert bench.link.now - begun <= 1_000


def test_a_reply_in_pieces_is_put_together_and_a_pause_of_half_a_second_ends_it() -> None:
    bench = Bench(timed=True)
    bench.link.meddle = lambda number, data, reply: [(n, reply[n : n + 1]) for n in range(len(reply))]
    assert isinstance(bench.driver.read_status(), PumpStatus)
    bench.link.meddle = None
    bench.link.arrive(0, b"\x02\x2f0")  # the head of a frame that never comes
    bench.driver.notices()
    bench.link.wait(600)
    begun = bench.link.now
    assert isinstance(bench.driver.read_status(), PumpStatus)
    assert bench.link.now - begun < 100


def test_a_late_reply_is_not_taken_for_the_answer_to_the_next_question() -> None:
    bench = Bench(timed=False)
    bench.link.meddle = lambda number, data, reply: [(520, reply)] if number == 0 else None
    bench.driver.read_status()  # the late one comes while it is asked again
    bench.link.wait(15_000)
    status = bench.driver.read_status()
    assert isinstance(status, PumpStatus)
    assert abs(status.delivered_nl - bench.pump.given) < 20


def test_a_counter_reading_with_a_flipped_digit_is_read_again() -> None:
    bench = Bench(timed=False)
    flip = {b"I0.3": b"I9.3"}
    first = bench.driver.read_status()

    def once(number: int, data: bytes, reply: bytes) -> list[tuple[int, bytes]] | None:
        bench.link.meddle = None
        return [(10, reply.replace(*next(iter(flip.items()))).replace(b"W0.000", b"W0.000"))]

    bench.link.meddle = once
    bench.link.wait(1)
    status = bench.driver.read_status()
    assert isinstance(first, PumpStatus)
    assert isinstance(status, PumpStatus)
    assert abs(status.delivered_nl - bench.pump.given) < 20


def test_an_exchange_asks_once_and_leaves_asking_again_to_others() -> None:
    pump = OraclePump()
    link = OracleLink(pump)
    link.deaf = lambda number, text: True
    talk = Conversation(link, 0, lambda letter: None)
    assert talk.ask("DIS") == Silence("no usable reply within 500 ms")
    assert link.sent == ["DIS"]
    assert link.now == 1_500
    assert isinstance(talk.ask("RUN"), Silence)  # VER was not answered, so RUN has not left
    assert link.sent == ["DIS", "VER"]


class Recording:
    """A link on which bytes arrive at given times, whatever is asked."""

    simulated = True

    def __init__(self) -> None:
        self.now, self.arrivals, self.sent = 0, list[tuple[int, bytes]](), list[bytes]()

    def now_ms(self) -> int:
        return self.now

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        self.sent.append(data)

    def read(self, *, deadline_ms: int) -> bytes:
        soon = [at for at, _ in self.arrivals if at <= max(deadline_ms, self.now)]
        self.now = max(self.now, min(soon, default=deadline_ms))
        data = b"".join(piece for at, piece in self.arrivals if at <= self.now)
        self.arrivals = [row for row in self.arrivals if row[0] > self.now]
        return data

    def close(self) -> None:
        pass


COUNTED = "00II12.34W0.000UL"
PIECES = st.sampled_from(
    [safe(COUNTED), safe(COUNTED), safe("00SNE1000V3.923"), safe("00A?S"), safe("07S"), safe("00S?NA"), safe("00Z"),
     basic(COUNTED), safe(COUNTED)[:9], safe(COUNTED)[9:], safe(COUNTED) + safe("00A?R"), safe(COUNTED) + b"\r\n",
     b"\x02\x2f0", b"\xff"]
)  # fmt: skip
AFTER = st.sampled_from([-300, 0, 10, 499, 500, 501, 900])  # ms after the question
EXCHANGED = st.lists(st.lists(st.tuples(AFTER, PIECES), max_size=3), min_size=1, max_size=5)


def conversation(course: list[list[tuple[int, bytes]]], mode: bool | None) -> list[object]:
    """What comes of asking again and again, and of listening in between."""
    link, alarms, seen = Recording(), list[str](), list[object]()
    talk = Conversation(link, 0, alarms.append)
    talk._decoder.safe = mode
    for pieces in course:
        link.now += 300
        link.arrivals += [(link.now + after, data) for after, data in pieces]
        talk.listen()
        seen += [talk.ask("DIS", codec.COUNTER), list(alarms), talk.noise, talk.mean_ms, talk.at_ms, link.now]
    return [*seen, link.sent]


@given(EXCHANGED, st.sampled_from([True, False, None]))
def test_a_conversation_that_remembers_replies_is_the_one_that_decodes_each_of_them(
    course: list[list[tuple[int, bytes]]], mode: bool | None
) -> None:
    remembered = conversation(course, mode)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "only_reply", lambda data, mode, shape: None)
        assert remembered == conversation(course, mode)
