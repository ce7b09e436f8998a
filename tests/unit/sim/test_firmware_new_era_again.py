"""A question that is asked again and again: the answer that the pump keeps is the one that it would make anew.

A message that comes in two pieces is never answered from what is kept, so a pump that gets all its messages so says
what must be said.
"""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.fluid import Fluid
from tests.unit.sim.new_era_host import ML, Bench, safe


def power_off(bench: Bench) -> None:
    bench.firmware.power_off(bench.now)


def power_up(bench: Bench) -> None:
    bench.firmware.power_up(bench.now)


def go_on(bench: Bench) -> None:
    bench.firmware.reset_and_go_on(bench.now)


def run_wild(bench: Bench) -> None:
    if not bench.firmware.off:
        bench.firmware.run_unasked(bench.now, 1_000_000)


def show_another_volume(bench: Bench) -> None:
    bench.firmware.set_counter(bench.now, 12_345_678)


def pin(bench: Bench, level: int) -> None:
    bench.firmware.set_input(bench.now, 2, level)


def freeze(bench: Bench, on: bool) -> None:
    bench.firmware.freeze_status(bench.now, on=on)


def stall(bench: Bench) -> None:
    bench.mechanism.block(bench.now, silent=False)
    bench.firmware.elapse(bench.now)


def drift(bench: Bench) -> None:
    bench.mechanism.drift(bench.now, 50_000)
    bench.firmware.elapse(bench.now)


def run_away(bench: Bench) -> None:
    bench.mechanism.run_away(bench.now, 10)
    bench.firmware.elapse(bench.now)


def lie(bench: Bench) -> None:
    bench.firmware.ignore_stops("lie", 1)


def refill(bench: Bench) -> None:
    bench.mechanism.refill(bench.now, 10 * ML, Fluid())
    bench.firmware.filled(bench.now)


Act = Callable[[Bench], None]
Script = list[
    str | bytes | int | Act
]  # a command of Basic mode, bytes, ms to wait, what else befalls the pump


def play(script: Script, quirks: dict[str, object], *, cut: bool) -> list[object]:
    """All that a pump says, and when it says that something is due. `cut`: messages come in two pieces."""
    bench = Bench(quirks=quirks, fill_nl=300_000).infusion()
    said: list[object] = []
    for one in script:
        if isinstance(one, int):
            said.append(bench.wait(one).firmware.take_pushed())
        elif isinstance(one, str | bytes):
            data = one.encode() + b"\r" if isinstance(one, str) else one
            said.append(bench.raw(data[:1]) + bench.raw(data[1:]) if cut else bench.raw(data))
        else:
            one(bench)
        times = bench.firmware.next_ms, bench.firmware.alarm_ms
        said.append(times)
        if cut and times[0] > bench.now:  # nothing is to be done, and to do it changes nothing
            bench.firmware.elapse(bench.now)
            assert (bench.firmware.next_ms, bench.firmware.alarm_ms) == times
    return said


ASK, BAD, HALF = safe("0DIS"), safe("0DIS")[:-2] + b"\x00\x03", b"\x02\x10"
SCRIPTS: dict[str, Script] = {
    "time goes by": ["0RUN", "0DIS", 1_000, "0DIS", 1, "0DIS", 59_000, "0DIS"],
    "a command comes": ["0RUN", "0DIS", "0DIS", "0STP", "0DIS", "0DIS", 1_000, "0RUN", "0DIS", 1_000, "0DIS"],
    "its run ends": ["0VOL0.1", "0RUN", "0DIS", "0DIS", 59_999, "0DIS", 1, "0DIS", 1, "0DIS"],
    "it stalls": ["0RUN", "0DIS", "0DIS", stall, 1_000, "0DIS", "0DIS", "0DIS"],
    "a trigger": ["0RUN", "0DIS", "0DIS", partial(pin, level=0), "0DIS", 1_000, "0DIS"],
    "it runs unasked": ["0DIS", "0DIS", run_wild, "0DIS", 1_000, "0DIS"],
    "it resets": ["0RUN", 1_000, "0DIS", "0DIS", go_on, "0DIS", "0DIS", "0DIS"],
    "power goes and comes": ["0RUN", "0DIS", "0DIS", power_off, "0DIS", power_up, "0DIS", "0DIS", "0DIS"],
    "power comes back to a run": ["0PF1", "0RUN", "0DIS", "0DIS", power_up, 1_000, "0DIS", "0DIS", 1_000, "0DIS"],
    "its status is stuck": [
        "0RUN", "0DIS", 5_000, "0DIS", partial(freeze, on=True), 5_000, "0DIS", "0DIS", 5_000, "0DIS",
        partial(freeze, on=False), "0DIS", "0DIS",
    ],
    "its counter is another": ["0RUN", "0DIS", "0DIS", show_another_volume, "0DIS", "0DIS"],
    "its clock drifts": [safe("0SAF20"), safe("0RUN"), ASK, ASK, drift, ASK, 1_000, ASK, 15_000, ASK],
    "it runs away": ["0RUN", "0DIS", "0DIS", 1_000, run_away, "0DIS", 1_000, "0DIS", 100_000, "0DIS"],
    "its stop is a lie": [
        lie, "0VOL0.1", "0RUN", 1_000, "0STP", "0DIS", 1_000, "0DIS", 57_999, "0DIS", 1, "0DIS", 1, "0DIS",
    ],
    "it draws back": ["0RUN", 9_000, "0STP", "0STP", "0DIRWDR", "0RUN", "0DIS", 1_000, "0DIS", 1_000, "0DIS"],
    "it is filled": ["0RUN", "0DIS", "0DIS", 1_000, refill, "0DIS", 200_000, "0DIS", "0DIS"],
    "its unit is another": ["0RUN", 9_000, "0STP", "0DIS", "0DIS", "0VOLUL", "0DIS", "0DIS"],
    "its address is another": ["0DIS", "0DIS", "*ADR3", "0DIS", "0DIS", "3DIS", "3DIS"],
    "half a line before it": ["0RUN", "0DIS", "0DIS", b"0V", "0DIS", "0DIS", "0DIS"],
    "half a line before it, and an alarm": ["0RUN", stall, 1_000, b"0V", "0DIS", "0DIS", "0DIS"],
    "half a packet before it": ["0RUN", ASK, ASK, HALF, ASK, ASK, ASK],
    "a bad packet": ["0RUN", BAD, BAD, ASK, BAD, BAD, ASK],
    "a burst": ["0RUN", "0DIS*0STP", "0DIS*0STP", "0DIS*0STP"],
    "a Safe packet in Basic mode": [ASK, ASK, 1_000, ASK, "0DIS", "0DIS"],
    "Safe mode, and out of it": [ASK, safe("0SAF20"), ASK, ASK, "0DIS", "0DIS", ASK, safe("0SAF0"), ASK, ASK, "0DIS"],
    "a host that is heard": [
        safe("0SAF20"), safe("0RUN"), ASK, 15_000, ASK, 15_000, ASK, 15_000, ASK, 19_999, 1, ASK, ASK,
    ],
}  # fmt: skip
QUIRKS: tuple[dict[str, object], ...] = (
    {},
    {"text_in_safe_mode": True, "safe_reply_in_basic_mode": True, "burst_all": True},
    {"short_floats": True, "rounds": True, "late_prompt": True},
)


@pytest.mark.parametrize("quirks", QUIRKS, ids=("as read", "lenient", "odd numbers"))
@pytest.mark.parametrize("what", SCRIPTS)
def test_an_answer_that_is_kept_is_the_one_that_would_be_made_anew(
    what: str, quirks: dict[str, object]
) -> None:
    assert play(SCRIPTS[what], quirks, cut=False) == play(SCRIPTS[what], quirks, cut=True)


PIECES = [one for script in SCRIPTS.values() for one in script]


@given(st.lists(st.one_of(st.sampled_from(("0DIS", ASK)), st.sampled_from(PIECES)), max_size=30))
def test_nor_does_any_other_course_of_things_tell_them_apart(script: Script) -> None:
    assert play(script, {}, cut=False) == play(script, {}, cut=True)


def test_a_volume_that_shows_no_change_is_told_with_the_bytes_that_are_kept() -> None:
    bench = Bench().infusion()
    bench.raw(b"0DIS\r")
    assert bench.raw(b"0DIS\r") is bench.raw(b"0DIS\r")
