"""Several pumps in one process: on one line, or each on its own; and which option belongs to which."""

import json
import os
import select
import subprocess
import sys
import time
from binascii import crc_hqx
from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.cli import main
from sim.fault_registry import Fault
from sim.wire.control import tell
from sim.wire.order import Order
from sim.wire.serve import Wanted, make_line, make_pump, numbered
from sim.wire.station import Pump


def ask(pump: Pump, data: bytes, at_ms: int = 0) -> bytes:
    pump.wire.send(data, at_ms)
    pump.wire.advance(at_ms)
    return pump.wire.take()


def line(*addresses: int, model: str = "ne-1000", **wanted: object) -> tuple[Pump, ...]:
    return make_line([(model, Wanted(address=n, **wanted)) for n in addresses])  # type: ignore[arg-type]


# One line


def test_pumps_on_one_line_answer_to_their_addresses_and_dose_apart() -> None:
    first, second = line(0, 7)
    assert ask(first, b"0\r") + ask(first, b"7\r") == b"\x0200A?R\x03\x0207A?R\x03"
    assert ask(first, b"3\r") == b""
    for command in (b"7RAT6.000MH\r", b"7RUN\r"):
        ask(first, command)
    first.wire.advance(60_000)
    assert (first.delivered_nl(), second.delivered_nl()) == (0, 100_000)


def test_a_fault_befalls_the_pump_that_it_is_given_to() -> None:
    pumps = line(0, 1)
    for n in (0, 1):
        ask(pumps[0], b"%d\r" % n)
        ask(pumps[0], b"%dRAT6.000MH\r" % n)
        ask(pumps[0], b"%dRUN\r" % n)
    at, fault = numbered("2/stall", 2)
    pumps[at].inject(fault)
    pumps[0].wire.advance(60_000)
    assert [pump.delivered_nl() for pump in pumps] == [100_000, 0]


def test_harvard_pumps_share_a_line_too() -> None:
    pumps = line(0, 12, model="legato")
    assert ask(pumps[0], b"12 ver\r") == b"\n12:Legato 100 3.0.6\r\n12:"
    assert ask(pumps[0], b"5 ver\r") == b""


@pytest.mark.parametrize(
    ("pumps", "message"),
    [
        ([("ne-1000", 3), ("ne-1000", 3)], "need an address each, not 3, 3"),
        ([("ne-1000", 0), ("legato", 1)], "speak one protocol"),
        ([("reference", 0), ("implant-20", 0)], "one that has addresses"),
    ],
)
def test_pumps_that_could_not_be_told_apart_are_refused(pumps: list[tuple[str, int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_line([(model, Wanted(address=address)) for model, address in pumps])


# Faults by number


@pytest.mark.parametrize(
    ("text", "count", "at"), [("stall", 1, 0), ("1/stall", 1, 0), ("2/stall@3h:for=1h", 3, 1)]
)
def test_a_fault_says_which_pump_it_is_for(text: str, count: int, at: int) -> None:
    assert numbered(text, count) == (at, Fault.parse(text.rpartition("/")[2]))


@pytest.mark.parametrize("text", ["stall", "0/stall", "4/stall", "x/stall", "/stall"])
def test_a_fault_for_none_of_several_pumps_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write N/FAULT with the number of the pump, 1 to 3"):
        numbered(text, 3)


# Options


def test_every_model_is_served_under_its_own_name_and_the_implant_as_reference() -> None:
    for model in ("harvard-11-elite", "phd-ultra", "legato", "pico-plus-elite"):
        assert b":" in ask(make_pump(model, Wanted(address=4)), b"4 ver\r")
    for model in ("ne-1000", "new-era"):
        assert ask(make_pump(model, Wanted(address=4)), b"4\r") == b"\x0204A?R\x03"
    for model in ("reference", "implant-20", "implant-40"):
        assert ask(make_pump(model, Wanted()), b"")[:1] == b"\x7e"  # it says by itself that it has begun


def test_options_go_to_the_pumps_in_their_order_and_some_to_all() -> None:
    order = Order(models=("ne-1000", "ne-1000"), bus=True, syringes=("bd-60",), fills=("5",))
    pumps = order.pumps()
    assert [ask(pumps[0], b"%d\r" % n) for n in (0, 1)] == [b"\x0200A?R\x03", b"\x0201A?R\x03"]
    assert ask(pumps[0], b"1DIA\r") == b"\x0201S26.59\x03"
    given = Order(models=("ne-1000", "legato"), addresses=(9, 8), syringes=("bd-1", "bd-3")).pumps()
    assert ask(given[0], b"9\r") == b"\x0209A?R\x03"
    assert ask(given[1], b"8 diameter\r") == b"\n08:8.5850 mm\r\n08:"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "x"), "no pump model 'x'; there are: implant-20"),
        (("--model", "ne-1000", "--syringe", "x"), "no syringe 'x'"),
        (("--model", "ne-1000", "--quirk", "rounds"), "is not NAME=VALUE"),
        (("--model", "ne-1000", "--quirk", "rounds=2"), "rounds=2 is not true or false"),
        (("--model", "ne-1000", "--fault", "battery-low"), "ne-1000 cannot have it"),
        (("--model", "ne-1000", "--address", "1", "--address", "2"), "--address is given 2 times"),
        (("--model", "reference", "--address", "1"), "implant-40 has no address"),
        (("--model", "ne-1000", "--link", "a", "--tcp", ":0"), "allowed: --link PATH, or --tcp HOST:PORT"),
        (("--model", "ne-1000", "--tcp", "nowhere"), "write HOST:PORT"),
        (("--model", "ne-1000", "--model", "legato", "--fault", "stall"), "write N/FAULT"),
        (("--model", "ne-1000", "--speed", "0"), "allowed is 0.001 to 10000"),
        (("--model", "ne-1000", "--baud", "7"), "50"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_said_and_nothing_is_left(options: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(main, ["serve", *options])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def talk(device: str, data: bytes, end: bytes) -> bytes:
    """One exchange over a terminal that is raw already."""
    fd = os.open(device, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(fd, data)
        got = b""
        while not got.endswith(end):
            assert select.select([fd], [], [], 5)[0], got
            got += os.read(fd, 100)
    finally:
        os.close(fd)
    return got


@pytest.mark.timeout(20)
def test_one_process_serves_pumps_on_devices_of_their_own(tmp_path: Path) -> None:
    door, files = tmp_path / "door", [tmp_path / "one", tmp_path / "two"]
    options = ["--model", "ne-1000", "--model", "legato", "--control", str(door), "--speed", "1000", "--tied"]
    options += [word for file in files for word in ("--truth", str(file))]
    command = [sys.executable, "-m", "sim.cli", "serve", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        devices = [process.stdout.readline().removeprefix("ready ").strip() for _ in range(2)]
        assert talk(devices[0], b"0\r", b"\x03") == b"\x0200A?R\x03"
        assert talk(devices[1], b"irate 6 ml/h\r", b":") == b"\n:"
        assert talk(devices[1], b"irun\r", b">") == b"\n>"
        assert tell(door, "stall").startswith("error: 'stall': write N/FAULT")
        assert tell(door, "2/power-loss") == "ok"
        assert talk(devices[1], b"\r", b":") == b"\n:"
        process.stdin.close()
        assert process.wait(5) == 0
    assert json.loads(files[0].read_text().splitlines()[-1])["delivered_nl"] == 0
    assert json.loads(files[1].read_text().splitlines()[-1])["delivered_nl"] > 0


@pytest.mark.timeout(20)
def test_a_fault_by_the_back_door_happens_now_though_nobody_has_asked_the_pump_for_long(
    tmp_path: Path,
) -> None:
    door = tmp_path / "door"
    options = ["--model", "ne-1000", "--control", str(door), "--speed", "1000", "--tied"]
    command = [sys.executable, "-m", "sim.cli", "serve", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        device = process.stdout.readline().removeprefix("ready ").strip()
        for line in (b"0\r", b"0RAT6.000MH\r", b"0RUN\r"):
            talk(device, line, b"\x03")
        time.sleep(0.2)
        assert tell(door, "stall") == "ok"
        assert talk(device, b"0\r", b"\x03") == b"\x0200A?S\x03"
        given = talk(device, b"0DIS\r", b"\x03")
        assert float(given[5:10]) >= 0.333  # 200 s at 0.1 mL a minute
        process.stdin.close()
        assert process.wait(5) == 0


@pytest.mark.timeout(20)
def test_one_process_serves_pumps_on_one_device(tmp_path: Path) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    options = [
        "--bus",
        "--model",
        "ne-1000",
        "--model",
        "ne-1000",
        "--address",
        "0",
        "--address",
        "7",
        "--tied",
    ]
    options += [
        "--baud",
        "19200",
        "--speed",
        "100",
        *(word for file in files for word in ("--truth", str(file))),
    ]
    command = [sys.executable, "-m", "sim.cli", "serve", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        device = process.stdout.readline().removeprefix("ready ").strip()
        assert talk(device, b"7\r", b"\x03") == b"\x0207A?R\x03"
        assert talk(device, b"0\r", b"\x03") == b"\x0200A?R\x03"
        assert talk(device, b"7RAT6.000MH\r", b"\x03") == b"\x0207S\x03"
        assert talk(device, b"7RUN\r", b"\x03") == b"\x0207I\x03"
        packet = b"\x02\x097SAF5" + crc_hqx(b"7SAF5", 0).to_bytes(2, "big") + b"\x03"
        alarm = b"\x02\x0907A?T" + crc_hqx(b"07A?T", 0).to_bytes(2, "big") + b"\x03"
        assert talk(device, packet, alarm).endswith(alarm)  # unasked, 5 s later: 0.05 s of ours
        process.stdin.close()
        assert process.wait(5) == 0
    assert json.loads(files[0].read_text().splitlines()[-1])["delivered_nl"] == 0
    assert json.loads(files[1].read_text().splitlines()[-1])["delivered_nl"] > 5_000
