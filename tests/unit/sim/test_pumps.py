"""Worlds of every model: how they are built, what their faults do, and what a message is to a wire."""

from binascii import crc_hqx
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor
from typing import Any

import pytest

from sim.faults import Fault, FaultyWire
from sim.firmware.base import Firmware
from sim.firmware.harvard import FAMILIES, HarvardFirmware
from sim.firmware.new_era import NewEraFirmware
from sim.pumps import model_names, protocol_of
from sim.syringes import Syringe, load_pump
from sim.world import Setup, World

S, MIN, H = 1_000, 60_000, 3_600_000
SYRINGE_PUMPS = ("ne-1000", "harvard-11-elite", "pico-plus-elite", "phd-ultra", "phd-ultra-a", "legato")
TWINS = ("ne-1000", "harvard-11-elite")
# A run of 6 mL/h, which is 100 nL a minute/60: 0.1 mL a minute, of 1 mL; and how each pump is asked.
RUN = {
    "ne-1000": ("0", "0RAT6.000MH", "0VOLML", "0VOL1.000", "0DIRINF", "0CLDINF", "0RUN"),
    "harvard-11-elite": ("irate 6 ml/h", "tvolume 1 ml", "irun"),
}
STOP = {"ne-1000": "0STP", "harvard-11-elite": "stop"}
ASK = {"ne-1000": "0DIS", "harvard-11-elite": "ivolume"}


def setup(model: str, **changes: object) -> Setup:
    """A 10 mL syringe, full, on a line without volume."""
    base = Setup(model=model, syringe="bd-10", fill_nl=10_000_000, drugs={"baclofen": 10**9}, path_nl=0)
    quirks: dict[str, Any] = {"quirks": {"start_ms": 0}} if model != "ne-1000" else {}
    return replace(base, **(quirks | changes))


def say(world: World, *lines: str) -> str:
    """Send lines; text of the last answer."""
    answer = b""
    for line in lines:
        answer = world.firmware.handle(line.encode() + b"\r", world.now_ms)
        world.advance(world.now_ms)
    return answer.decode("ascii").strip("\x02\x03\n\r")


def running(model: str, *faults: str, **changes: object) -> World:
    """A world whose pump was told to give 1 mL in 10 min; the faults come on the way."""
    world = World(setup(model, **changes), [Fault.parse(text) for text in faults])
    say(world, *RUN[model])
    return world


def at(world: World, t_ms: int) -> int:
    """What has truly left the pump at a time, nL."""
    world.advance(t_ms)
    return world.truth.delivered_nl()


# Models


def test_every_model_of_both_tables_has_a_world_of_its_own_firmware() -> None:
    assert model_names() == ("implant-20", "implant-40", *SYRINGE_PUMPS)
    assert isinstance(World(setup("ne-1000")).firmware, NewEraFirmware)
    for model in SYRINGE_PUMPS[1:]:
        firmware = World(setup(model)).firmware
        assert isinstance(firmware, HarvardFirmware)
        assert firmware.pump.family is FAMILIES[model]


@pytest.mark.parametrize("model", SYRINGE_PUMPS[1:])
def test_a_harvard_row_is_what_its_family_says(model: str) -> None:
    row, family = load_pump(model), FAMILIES[model]
    assert (row.version, row.travel_pm, row.most_um) == (
        family.ver,
        family.travel_pm,
        family.most_diameter // 10,
    )
    # A screw of so many steps a turn goes an inch / threads / steps in the shortest and the longest time.
    step_pm = Fraction(25_400_000_000, family.threads_per_inch * family.microsteps)
    assert row.max_pm_per_h == ceil(step_pm * 3_600_000_000 / 26)
    assert row.min_pm_per_h == floor(step_pm * 3_600_000_000 / 27_000_000)


def test_a_syringe_of_no_table_fits_and_one_that_is_too_wide_does_not() -> None:
    mine = Syringe("mine", "a glass syringe", 12_000, 4_000_000)
    assert World(setup("legato", syringe=mine, fill_nl=4_000_000)).capacity_nl == 4_000_000
    with pytest.raises(ValueError, match="50000 um does not fit legato, which takes 100 to 33000 um"):
        World(setup("legato", syringe=Syringe("wide", "w", 50_000, 10**8)))


def test_the_pump_was_told_the_diameter_of_its_syringe_or_another_one() -> None:
    assert say(World(setup("ne-1000")), "0", "0DIA") == "00S14.43"
    assert say(World(setup("harvard-11-elite")), "diameter") == "14.4300 mm\r\n:"
    # 4.699 mm told for 14.43 mm: 9.43 times the volume
    wrong = World(setup("harvard-11-elite", told_um=4_699))
    assert say(wrong, "diameter") == "4.6990 mm\r\n:"
    say(wrong, *RUN["harvard-11-elite"])
    assert at(wrong, MIN) == pytest.approx(943_000, rel=0.001)


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ("implant-40", {"syringe": "bd-10"}, "implant-40 has no syringe"),
        ("implant-40", {"syringe": "", "address": 3}, "implant-40 has no address"),
        ("implant-40", {"syringe": "", "quirks": {"rounds": True}}, "implant-40 has no quirks"),
        ("ne-1000", {"syringe": ""}, "no syringe ''; there are: bd-1, bd-3"),
        ("ne-1000", {"fill_nl": 10_000_001}, "fill_nl must be 1 to 10000000 for ne-1000"),
        ("ne-1000", {"address": 100}, "address must be an int from 0 to 99"),
        ("ne-1000", {"quirks": {"start_ms": 0}}, "no quirk 'start_ms'; there are: after_stall"),
        ("ne-1000", {"quirks": {"after_stall": "X"}}, "quirk after_stall=X is not P or S"),
        ("ne-1000", {"quirks": {"rounds": "yes"}}, "quirk rounds=yes is not true or false"),
        ("legato", {"quirks": {"start_ms": "-1"}}, "quirk start_ms=-1 is not a whole number"),
        ("syringe-9", {}, "no pump model 'syringe-9'; there are: implant-20, implant-40, ne-1000"),
    ],
)
def test_what_a_pump_cannot_be_is_refused(model: str, changes: dict[str, Any], message: str) -> None:
    base = setup("ne-1000") if model != "legato" else setup(model)
    with pytest.raises(ValueError, match=message):
        World(replace(base, model=model, **changes))


def test_quirks_can_be_given_as_text_and_as_values() -> None:
    for value in (True, "true", "True"):
        world = World(setup("ne-1000", quirks={"stray_cr": value, "event_pin": "3"}))
        assert world.firmware.handle(b"0\r", 0) == b"\x0200A?R\x03\r"


@pytest.mark.parametrize("address", [0, 7, 42])
def test_a_pump_answers_to_its_address_alone(address: int) -> None:
    new_era, harvard = (World(setup(model, address=address)).firmware for model in TWINS)
    assert new_era.handle(b"%dVER\r" % address, 0) == b"\x02%02dA?R\x03" % address
    assert new_era.handle(b"9VER\r", 0) == b""
    assert harvard.handle(b"%d ver\r" % address, 0).startswith(b"\n%02d:11 ELITE" % address)
    assert harvard.handle(b"9 ver\r", 0) == b""


# Faults


@pytest.mark.parametrize("model", TWINS)
class TestFaults:
    def test_a_run_gives_its_volume_and_ends(self, model: str) -> None:
        world = running(model)
        assert at(world, 5 * MIN) == pytest.approx(500_000, abs=10)
        assert at(world, H) == pytest.approx(1_000_000, abs=10)

    def test_a_stall_ends_it_and_the_pump_knows(self, model: str) -> None:
        world = running(model, "stall@5min")
        assert at(world, H) == pytest.approx(500_000, abs=10)
        assert say(world, ASK[model])[-3:] in {"A?S", "\r\n*"}

    def test_a_pump_that_gives_too_much_does_not_know(self, model: str) -> None:
        world = running(model, "over-infusion@0:gain_ppm=1500000")
        assert at(world, H) == pytest.approx(1_500_000, abs=10)
        assert world.truth.counted_nl() == pytest.approx(1_000_000, abs=100)

    def test_a_closed_line_that_can_hold_no_more_stalls_the_motor(self, model: str) -> None:
        world = running(model, "occlusion@5min:limit_nl=3000")
        assert at(world, H) == pytest.approx(500_000, abs=10)
        assert world.truth.stored_nl() == pytest.approx(3_000, abs=10)

    def test_a_syringe_that_runs_empty_stalls_and_goes_on_when_it_is_filled(self, model: str) -> None:
        world = running(model, "empty@5min:left_nl=50000")
        assert at(world, H) == pytest.approx(550_000, abs=10)
        assert world.refill(10_000_000, {"baclofen": 10**9}) == 0
        say(world, STOP[model], *RUN[model])
        assert at(world, world.now_ms + 2 * MIN) > 700_000

    def test_a_full_syringe_takes_up_the_slack_of_what_was_drawn_back(self, model: str) -> None:
        back = {
            "ne-1000": ("0", "0RAT6.000MH", "0DIRWDR", "0RUN"),
            "harvard-11-elite": ("wrate 6 ml/h", "wrun"),
        }
        world = World(setup(model))
        say(world, *back[model])
        assert at(world, 5 * MIN) == 0
        say(world, STOP[model])
        world.refill(9_000_000, {"baclofen": 10**9})
        say(world, STOP[model], *RUN[model])
        assert at(world, 10 * MIN) == pytest.approx(500_000, abs=10)

    def test_power_that_goes_ends_it_and_a_rate_of_its_own_may_follow(self, model: str) -> None:
        world = running(model, "power-loss@5min:for=10min", "power-loss@1h:then_nl_per_h=100000")
        assert at(world, 6 * MIN) == pytest.approx(500_000, abs=10)
        assert world.firmware.off
        assert at(world, H) == pytest.approx(500_000, abs=10)
        assert at(world, 2 * H) == pytest.approx(600_000, abs=10)

    def test_a_pump_may_reset_and_go_on_to_the_end_of_its_volume(self, model: str) -> None:
        world = running(model, "resume-after-reset@5min")
        assert at(world, 5 * MIN + 1) <= 510_000
        assert at(world, H) == pytest.approx(1_000_000, abs=10)

    @pytest.mark.parametrize(
        ("reply", "answered", "told", "flows"),
        [("honest", True, "runs", True), ("lie", True, "stands", True), ("silent", False, "runs", True)],
    )
    def test_a_stop_may_not_stop(
        self, model: str, reply: str, answered: bool, told: str, flows: bool
    ) -> None:
        world = running(model, f"stop-ignored@1min:count=1,reply={reply}")
        world.advance(5 * MIN)
        assert bool(say(world, STOP[model])) is answered
        prompt = say(world, "0" if model == "ne-1000" else "")[-1]
        assert prompt in ({"I", ">"} if told == "runs" else {"P", ":"})
        assert (at(world, 6 * MIN) > 590_000) is flows
        if told == "runs":  # the second one is heard
            say(world, STOP[model])
            assert at(world, H) == pytest.approx(600_000, abs=10)

    def test_a_counter_may_show_another_value_and_a_status_stay_as_it_was(self, model: str) -> None:
        world = running(model, "counter-reset@5min:value_nl=7000", "status-stuck@6min:for=1min")
        world.advance(5 * MIN)
        assert {"ne-1000": "I0.007", "harvard-11-elite": "7 ul"}[model] in say(world, ASK[model])
        world.advance(6 * MIN)
        before = say(world, ASK[model])
        world.advance(7 * MIN - 1)
        assert say(world, ASK[model]) == before
        world.advance(7 * MIN)
        assert say(world, ASK[model]) != before

    def test_there_is_no_battery_to_fail(self, model: str) -> None:
        for name in ("battery-low", "battery-dead"):
            with pytest.raises(ValueError, match=f"{name}@0: {model} cannot have it: .* runs from the mains"):
                World(setup(model), [Fault.parse(name)])
        world = World(setup(model))
        with pytest.raises(ValueError, match="cannot have it"):
            world.inject(Fault.parse("battery-low"))
        with pytest.raises(ValueError, match="no battery"):
            world.firmware.set_battery(0, 5)

    def test_it_has_nothing_that_only_an_implant_has(self, model: str) -> None:
        with pytest.raises(TypeError, match=f"{model} is no implant-like pump"):
            _ = World(setup(model)).implant


# What a message is to a wire


def safe(text: str) -> bytes:
    body = text.encode("ascii")
    return bytes((2, len(body) + 4)) + body + crc_hqx(body, 0).to_bytes(2, "big") + b"\x03"


def firmware_of(model: str) -> Firmware:
    return World(setup(model)).firmware


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("VER", "hello"), ("", "status"), ("DIS", "status"), ("RAT", "status"), ("RAT5.0MH", "propose"),
        ("VOL1.5", "propose"), ("PHN02", "propose"), ("FUNRAT", "propose"), ("CLDINF", "propose"),
        ("SAF60", "propose"), ("RUN", "commit"), ("RUN3", "commit"), ("PUR", "commit"), ("STP", "stop"),
        ("*RESET", "propose"), ("*ADR7", "propose"), ("HELLO", ""),
    ],
)  # fmt: skip
def test_a_new_era_message_has_its_kind_in_either_mode_and_for_any_address(text: str, kind: str) -> None:
    firmware = firmware_of("ne-1000")
    prefixes = ("",) if "*" in text else ("", "0", "07", "42")
    for prefix in prefixes:
        line = prefix + text
        assert firmware.kind_of(line.encode() + b"\r") == kind, line
        assert firmware.kind_of(safe(line)) == kind, line
    assert firmware.kind_of(b"") == firmware.kind_of(b"\x02") == firmware.kind_of(b"\x02\xff") == "status"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ver", "hello"), ("version", "hello"), ("vers", "hello"), ("", "status"), ("status", "status"),
        ("stat", "status"), ("ivolume", "status"), ("irate", "status"), ("irate 5 ml/h", "propose"),
        ("tvolume 1 ml", "propose"), ("civolume", "propose"), ("poll on", "propose"), ("irun", "commit"),
        ("IRUN", "commit"), ("run", "commit"), ("stop", "stop"), ("stp", "stop"), ("nonsense", ""),
    ],
)  # fmt: skip
def test_a_harvard_message_has_its_kind_for_any_address(text: str, kind: str) -> None:
    firmware = firmware_of("harvard-11-elite")
    for prefix in ("", "0", "07:", "@42"):
        assert firmware.kind_of(f"{prefix}{text}\r".encode()) == kind, prefix


def test_asking_for_the_kind_of_a_message_changes_nothing() -> None:
    world = running("ne-1000")
    assert world.firmware.kind_of(b"0STP\r") == "stop"
    assert at(world, H) == pytest.approx(1_000_000, abs=10)


def test_a_safe_packet_can_be_damaged_with_a_right_checksum_and_nothing_else() -> None:
    firmware = firmware_of("ne-1000")
    assert firmware.repair(safe("00S").replace(b"00S", b"00P")) == safe("00P")
    for other in (b"\x0200S\x03", b"0RUN\r", b"", b"\x02", b"\x02\x04"):
        assert firmware.repair(other) == other
    assert firmware_of("legato").repair(b"irun\r") == b"irun\r"


def test_the_wire_picks_messages_by_kind_and_repairs_them() -> None:
    faults = [
        Fault.parse("lose-request@0:type=commit"),
        Fault.parse("corrupt-reply@0:type=hello,byte=5,crc=repair"),
    ]
    world = World(setup("ne-1000"))
    wire = FaultyWire(world.firmware, world, faults, latency_ms=0)

    def exchange(data: bytes) -> bytes:
        wire.send(data, world.now_ms)
        wire.advance(world.now_ms)
        return wire.take()

    assert exchange(safe("0SAF60")) == safe("00A?R")
    assert exchange(safe("0SAF60")) == safe("00S")
    assert exchange(safe("0VER")) == safe("00SOE1000V3.923")  # N ^ 1
    assert exchange(safe("0RUN")) == b""
    assert exchange(safe("0RUN")) == safe("00S?NA")


def test_a_protocol_is_told_by_the_model() -> None:
    assert [protocol_of(model) for model in ("implant-20", *TWINS)] == ["reference", "new-era", "harvard"]
