"""The MT-SICS balance driver, by lines of the maker's manual and by what a line can do to them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pump_ctrl.drivers.balance import MtSicsBalance
from pump_ctrl.drivers.base import BalanceSettings, Outflow, SensorErrors, Unknown
from pump_ctrl.drivers.registry import balance_on
from pump_ctrl.errors import LinkError

ERRORS = SensorErrors(1_000, 10_000, 100, 1_000)
I4 = b'I4 A "1126493049"\r\n'
Said = Sequence[bytes | None]


class Line:
    """A link with a script: what comes in reply to each word; None breaks the line."""

    simulated = False

    def __init__(self, *replies: Said, waiting: Sequence[bytes] = ()) -> None:
        self.replies, self.coming = list(replies), list(waiting)  # type: list[Said], list[bytes | None]
        self.sent: list[bytes] = []
        self.now = 0
        self.closed = False

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        assert deadline_ms == self.now + 500
        self.sent.append(data)
        self.coming += self.replies.pop(0) if self.replies else []

    def read(self, *, deadline_ms: int) -> bytes:
        if self.coming:
            data = self.coming.pop(0)
            if data is None:
                raise LinkError("the cable is out")
            return data
        self.now = max(self.now, deadline_ms)
        return b""

    def now_ms(self) -> int:
        return self.now

    def close(self) -> None:
        self.closed = True


def balance(line: Line, density_ppm: int = 1_000_000) -> MtSicsBalance:
    return MtSicsBalance(line, BalanceSettings(ERRORS, density_ppm))


def read(*answer: bytes, density_ppm: int = 1_000_000) -> Outflow | Unknown:
    return balance(Line([I4], answer), density_ppm).read()


@pytest.mark.parametrize(("line", "nl"), [
    (b"S S     100.00 g\r\n", 100_000_000),
    (b"S D     129.07 g\r\n", 129_070_000),
    (b"S S    12.3456 g\r\n", 12_345_600),
    (b"S S    -0.0082 g\r\n", -8_200),
    (b"S S  220.00901 g\r\n", 220_009_010),
    (b"S S      12345 mg\r\n", 12_345_000),
    (b"S S     0.0001 kg\r\n", 100_000),
    (b"S D  0.0000015 g\r\n", 1),
    (b"S D -0.0000015 g\r\n", -1),
])  # fmt: skip
def test_a_weight_is_whole_micrograms_rounded_down_in_size(line: bytes, nl: int) -> None:
    assert read(line) == Outflow(nl, "balance 1126493049")


@pytest.mark.parametrize(("ppm", "nl"), [(1_000_000, 9_972), (997_200, 10_000), (997_201, 9_999)])
def test_the_density_turns_micrograms_into_nanolitres(ppm: int, nl: int) -> None:
    assert read(b"S S     0.009972 g\r\n", density_ppm=ppm) == Outflow(nl, "balance 1126493049")


@pytest.mark.parametrize(("line", "words"), [
    (b"S I\r\n", "busy"), (b"S +\r\n", "over its range"), (b"S -\r\n", "under its range"),
    (b"ES\r\n", "does not know"), (b"ET\r\n", "damaged"), (b"EL\r\n", "cannot carry out"),
    (b"S S     100.00 oz\r\n", "set its unit 1 to g"), (b"S S     1OO.00 g\r\n", "1OO.00"),
    (b"S S     100,00 g\r\n", "100,00"), (b"S S     1.2.3 g\r\n", "1.2.3"), (b"S S g\r\n", "S S g"),
    (b"S S     100.00\r\n", "100.00"), (b"S S \xb5\xb5 g\r\n", "S S"),
    (b"S A     100.00 g\r\n", "S A"),
    (b"x" * 100, "without an end"), (b"", "did not answer SI within 500 ms"), (b"S S     100.0", "did not answer"),
])  # fmt: skip
def test_what_is_no_weight_is_not_known(line: bytes, words: str) -> None:
    answer = read(line)
    assert isinstance(answer, Unknown)
    assert words in answer.detail


def test_an_answer_may_come_byte_by_byte() -> None:
    assert read(*[bytes([byte]) for byte in b"S S     100.00 g\r\n"]) == Outflow(
        100_000_000, "balance 1126493049"
    )


def test_the_questions_are_those_of_the_manual_and_the_serial_number_is_asked_once() -> None:
    line = Line([I4], [b"S S       1.00 g\r\n"], [b"S S       2.00 g\r\n"])
    sensor = balance(line)
    sensor.read()
    assert sensor.read() == Outflow(2_000_000, "balance 1126493049")
    assert line.sent == [b"I4\r\n", b"SI\r\n", b"SI\r\n"]


def test_an_old_answer_that_waited_is_no_answer() -> None:
    """It came too late for its own question: as the answer to the next it would be an old weight."""
    line = Line([I4], [b"S S       1.00 g\r\n"], [b"S S       3.00 g\r\n"])
    sensor = balance(line)
    sensor.read()
    line.coming.append(b"S S       2.00 g\r\n")
    assert sensor.read() == Outflow(3_000_000, "balance 1126493049")


def test_a_balance_that_was_switched_on_in_between_says_who_it_is() -> None:
    line = Line([I4], [b"S S       1.00 g\r\n"], [b"S S       0.00 g\r\n"])
    sensor = balance(line)
    sensor.read()
    line.coming.append(b'I4 A "OTHER"\r\n')
    assert sensor.read() == Outflow(0, "balance OTHER")


@pytest.mark.parametrize("answer", [b"I4 L\r\n", b"I4 I\r\n", b'I4 A ""\r\n'])
def test_a_balance_without_a_serial_number_is_taken_as_one_without(answer: bytes) -> None:
    sensor = balance(Line([answer], [b"S S       1.00 g\r\n"]))
    assert sensor.read() == Outflow(1_000_000, "balance no serial number")


def test_a_balance_that_does_not_say_who_it_is_is_not_asked_for_a_weight() -> None:
    line = Line([b"ES\r\n"])
    assert isinstance(balance(line).read(), Unknown)
    assert line.sent == [b"I4\r\n"]


def test_after_a_lost_line_it_is_asked_anew_who_answers() -> None:
    line = Line([I4], [None], [b'I4 A "OTHER"\r\n'], [b"S S       5.00 g\r\n"])
    sensor = balance(line)
    lost = sensor.read()
    assert isinstance(lost, Unknown)
    assert "cable is out" in lost.detail
    assert sensor.read() == Outflow(5_000_000, "balance OTHER")


def test_a_line_that_never_stops_talking_ends_with_its_deadline() -> None:
    class Babbler(Line):
        def read(self, *, deadline_ms: int) -> bytes:
            self.now += 10
            return b"S?\r\n"

    line = Babbler()
    assert isinstance(balance(line).read(), Unknown)
    assert line.now <= 600


def test_it_never_sets_to_zero_or_tares() -> None:
    line = Line([I4], [b"S S       1.00 g\r\n"], [b"S I\r\n"], [b"S +\r\n"])
    sensor = balance(line)
    for _ in range(5):
        sensor.read()
    assert set(line.sent) == {b"I4\r\n", b"SI\r\n"}
    sensor.close()
    assert line.closed


def test_the_registry_makes_it_with_the_errors_that_were_declared() -> None:
    assert balance_on(Line(), "mt-sics", BalanceSettings(ERRORS, 1)).errors == ERRORS
