"""The relay driver: all its bytes are data; an answer confirms only if it is the one that was expected."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import RelaySettings, Switched, Unknown
from pump_ctrl.drivers.registry import relay_on
from pump_ctrl.drivers.relay import SerialRelay
from tests.unit.test_balance import Line

CUT = bytes.fromhex("A0 01 01 A2")


def relay(line: Line, answer: bytes = b"") -> SerialRelay:
    return SerialRelay(line, RelaySettings(CUT, answer))


def test_a_relay_without_an_answer_is_told_and_confirms_nothing() -> None:
    line = Line([b"anything"])
    assert relay(line).cut() == Switched(confirmed=False)
    assert line.sent == [CUT]


@pytest.mark.parametrize("chunks", [[b"OK"], [b"O", b"K"], [b"xOK"]])
def test_the_expected_answer_confirms(chunks: list[bytes]) -> None:
    assert relay(Line(chunks), b"OK").cut() == Switched(confirmed=True)


@pytest.mark.parametrize(("chunks", "heard"), [([], "nothing"), ([b"NO"], "4e 4f"), ([b"O"], "4f")])
def test_another_answer_or_none_is_not_known(chunks: list[bytes], heard: str) -> None:
    line = Line(chunks)
    answer = relay(line, b"OK").cut()
    assert isinstance(answer, Unknown)
    assert f"answered {heard}, not 4f 4b" in answer.detail
    assert line.now == 500


def test_an_answer_that_waited_from_before_confirms_nothing() -> None:
    assert isinstance(relay(Line([], waiting=[b"OK"]), b"OK").cut(), Unknown)


def test_a_line_that_is_lost_is_not_known_and_every_cut_sends_its_bytes_again() -> None:
    line = Line([None], [b"OK"])
    board = relay(line, b"OK")
    assert isinstance(board.cut(), Unknown)
    assert board.cut() == Switched(confirmed=True)
    assert line.sent == [CUT, CUT]
    board.close()
    assert line.closed


def test_the_registry_makes_it() -> None:
    assert isinstance(relay_on(Line(), "bytes", RelaySettings(CUT, b"")), SerialRelay)
