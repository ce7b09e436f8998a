"""The relay board that switches a pump's mains: its frames, and that no pump runs without power."""

import pytest

from sim.fault_registry import Fault
from sim.faults import FaultyWire
from sim.firmware.relay import Quirks, RelayFirmware
from sim.pumps import read_quirks
from sim.world import World
from tests.unit.sim.beside_kit import MIN, H, S, infusing, resting
from tests.unit.sim.test_pumps import RUN, STOP, SYRINGE_PUMPS, TWINS, running, say, setup

ON, OFF = bytes.fromhex("A00101A2"), bytes.fromhex("A00100A1")
FRAMES, TEXT = Quirks(answers="frames"), Quirks(answers="text")


def delivered(world: World, at_ms: int) -> int:
    world.advance(at_ms)
    return world.truth.delivered_nl()


# Frames


def test_the_sellers_own_frames_take_the_power_and_give_it_and_are_not_answered() -> None:
    world = infusing()
    relay = RelayFirmware(world)
    assert delivered(world, MIN) == 100_000
    assert relay.handle(OFF, MIN) == b""
    assert world.firmware.off
    assert delivered(world, 2 * MIN) == 100_000
    assert relay.handle(ON, 2 * MIN) == b""
    assert not world.firmware.off
    assert delivered(world, 3 * MIN) == 100_000  # it does not go on by itself


def test_a_frame_that_changes_nothing_does_not_reset_the_pump() -> None:
    world = infusing()
    relay = RelayFirmware(world)
    relay.handle(ON, 0)
    assert delivered(world, MIN) == 100_000


@pytest.mark.parametrize(
    "data",
    [
        "A00100A2",  # the sum is wrong
        "A00200A2",  # another switch
        "A0010000",
        "A10100A2",
        "A00102A3",  # a board that does not answer does not know it
        "A00105A6",
        "A00107A8",
        "0100A1",
        "FF",
        "A00100",
    ],
)
def test_what_is_no_frame_for_this_switch_does_nothing(data: str) -> None:
    relay = RelayFirmware(infusing())
    assert relay.handle(bytes.fromhex(data), 0) == b""
    assert (relay.on, relay.closed) == (True, True)


@pytest.mark.parametrize("junk", ["", "00", "A0", "A001", "A00100", "FF7E", "A0A0A0A0"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_frame_is_found_behind_junk_whole_or_byte_by_byte(junk: str, apart: bool) -> None:
    relay = RelayFirmware(infusing())
    data = bytes.fromhex(junk) + OFF
    for piece in [bytes((byte,)) for byte in data] if apart else [data]:
        relay.handle(piece, 0)
    assert (relay.on, relay.closed) == (False, False)
    assert not relay._heard


def test_a_board_with_another_number_hears_that_one() -> None:
    relay = RelayFirmware(infusing(), number=4)
    relay.handle(OFF, 0)
    assert relay.closed
    relay.handle(bytes.fromhex("A00400A4"), 0)
    assert not relay.closed
    for number in (0, 256):
        with pytest.raises(ValueError, match="1 to 255"):
            RelayFirmware(resting(), number=number)


@pytest.mark.parametrize(
    ("frame", "answer", "is_on"),
    [
        ("A00102A3", "A00100A1", False),
        ("A00103A4", "A00101A2", True),
        ("A00104A5", "A00100A1", False),
        ("A00105A6", "A00101A2", True),
        ("A00100A1", "", False),
        ("A00106A7", "", True),
    ],
)
def test_a_board_that_answers_says_what_its_coil_then_does(frame: str, answer: str, is_on: bool) -> None:
    relay = RelayFirmware(infusing(), quirks=FRAMES)
    assert relay.handle(bytes.fromhex(frame), 0).hex().upper() == answer
    assert (relay.on, relay.closed) == (is_on, is_on)


def test_a_board_that_tells_in_words_is_asked_by_one_byte() -> None:
    relay = RelayFirmware(infusing(), quirks=TEXT)
    assert relay.handle(b"\xff", 0) == b"CH1: ON\r\n"
    assert relay.handle(OFF + b"\xff", 0) == b"CH1: OFF\r\n"
    assert relay.handle(bytes.fromhex("A00105A6"), 0) == b""
    assert read_quirks(Quirks, {"answers": "text"}) == TEXT
    with pytest.raises(ValueError, match="answers=x is not nothing or frames or text"):
        read_quirks(Quirks, {"answers": "x"})


def test_what_a_message_is_to_a_wire() -> None:
    relay = RelayFirmware(resting())
    kinds = {
        "A00100A1": "stop",
        "A00101A2": "commit",
        "A00105A6": "status",
        "FF": "status",
        "A0": "",
        "A0010909": "",
    }
    assert {data: relay.kind_of(bytes.fromhex(data)) for data in kinds} == kinds
    assert relay.repair(bytes.fromhex("A0010000")) == OFF
    assert relay.repair(b"A0") == b"A0"
    assert relay.take_pushed() == []


def test_it_goes_on_a_wire_like_a_pump() -> None:
    world = infusing()
    wire = FaultyWire(
        RelayFirmware(world), world, [Fault.parse("lose-request@0:type=stop,count=1")], latency_ms=20
    )
    for at_ms, left in ((MIN, 200_000), (2 * MIN, 200_033)):
        wire.send(OFF, at_ms)
        wire.advance(at_ms + MIN)
        assert world.truth.delivered_nl() == left


# No pump runs without power


@pytest.mark.parametrize("model", SYRINGE_PUMPS)
def test_no_syringe_pump_moves_without_power(model: str) -> None:
    words = RUN["ne-1000" if model == "ne-1000" else "harvard-11-elite"]
    world = World(setup(model))
    say(world, *words)
    relay = RelayFirmware(world)
    at_cut = delivered(world, MIN)
    assert at_cut > 90_000
    relay.handle(OFF, MIN)
    assert delivered(world, H) == at_cut
    assert say(world, *words) == ""
    assert delivered(world, 2 * H) == at_cut


@pytest.mark.parametrize("model", TWINS)
@pytest.mark.parametrize(
    "faults",
    [
        ["stop-ignored@0"],
        ["stop-ignored@0:reply=lie"],
        ["stop-ignored@0:reply=silent"],
        ["stop-ignored@0", "runaway@10s"],
        ["stop-ignored@0:reply=silent", "power-loss@10s:then_nl_per_h=600000"],
        ["stop-ignored@0:reply=silent", "resume-after-reset@10s"],
    ],
)
def test_a_pump_that_cannot_be_stopped_is_stopped_by_its_mains(model: str, faults: list[str]) -> None:
    went_on = {}
    for cut in (False, True):
        world = running(model, *faults)
        relay = RelayFirmware(world)
        world.advance(30 * S)
        say(world, STOP[model])
        at_cut = delivered(world, 31 * S)
        if cut:
            relay.handle(OFF, 31 * S)
        went_on[cut] = delivered(world, H) > at_cut
    assert went_on == {False: True, True: False}


@pytest.mark.parametrize(
    "later",
    [
        "power-loss@2min",
        "power-loss@2min:for=1min,then_nl_per_h=600000",
        "power-loss@30s:for=2min,then_nl_per_h=600000",
        "power-loss@2min:then_nl_per_h=600000",
        "resume-after-reset@2min",
        "stall-clear@2min:catch_up=1",
        "runaway@2min",
    ],
)
@pytest.mark.parametrize("model", TWINS)
def test_nothing_that_befalls_a_pump_gives_it_back_what_the_switch_took(model: str, later: str) -> None:
    world = running(model, later)
    relay = RelayFirmware(world)
    at_cut = delivered(world, MIN)
    relay.handle(OFF, MIN)
    assert delivered(world, H) == at_cut
    assert world.firmware.off
    world.power_cycle()
    assert world.firmware.off
    relay.handle(ON, H)
    assert not world.firmware.off


def test_a_pump_whose_mains_are_gone_waits_for_both() -> None:
    world = infusing("power-loss@1min:for=1h")
    relay = RelayFirmware(world)
    world.advance(2 * MIN)
    relay.handle(OFF, 2 * MIN)
    relay.handle(ON, 2 * MIN)
    assert world.firmware.off
    world.advance(MIN + H)
    assert not world.firmware.off


# A contact that sticks


def test_a_contact_that_sticks_leaves_the_pump_its_power_and_the_board_does_not_know() -> None:
    world = infusing()
    relay = RelayFirmware(world, quirks=FRAMES, faults=[Fault.parse("relay-stuck@30s")])
    world.advance(MIN)
    assert relay.handle(bytes.fromhex("A00102A3"), MIN) == OFF
    assert (relay.on, relay.closed) == (False, True)
    assert delivered(world, 2 * MIN) == 200_000


def test_a_contact_that_comes_free_follows_the_coil() -> None:
    world = infusing()
    relay = RelayFirmware(world, faults=[Fault.parse("relay-stuck@30s:for=1min")])
    world.advance(MIN)
    relay.handle(OFF, MIN)
    assert delivered(world, H) == 150_000
    assert not relay.closed


def test_a_contact_that_sticks_open_keeps_the_power_away() -> None:
    world = infusing()
    relay = RelayFirmware(world)
    relay.handle(OFF, 0)
    relay.inject(Fault.parse("relay-stuck@0"))
    relay.handle(ON, 0)
    assert (relay.on, relay.closed, world.firmware.off) == (True, False, True)
