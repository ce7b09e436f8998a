"""A served balance and a served power switch: what any program sees on their ports."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Final

import pytest
import serial
from click.testing import CliRunner

from sim.balance import Balance
from sim.cli import main
from sim.fault_registry import Fault
from sim.firmware.mt_sics import Quirks
from sim.wire.control import tell
from sim.wire.order import Order
from sim.wire.serve import Wanted, make_line, make_pump
from sim.wire.shared import Follower
from sim.wire.station import Line, Pump, Wire

ROOT: Final = Path(__file__).resolve().parents[2]
ON, OFF = bytes.fromhex("A00101A2"), bytes.fromhex("A00100A1")
BOTH: Final = {"balance": {"air_ppm": "0"}, "power-switch": {"answers": "frames"}}
SET_UP: Final = (b"0\r", b"0RAT60.00MH\r", b"0VOLML\r", b"0VOL0\r", b"0DIRINF\r")


@contextmanager
def served(ready: int, *words: str) -> Iterator[list[str]]:
    """Serve; the lines that say what is ready."""
    command = [sys.executable, "-m", "sim.cli", "serve", *words]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield [child.stdout.readline().strip() for _ in range(ready)]
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def asked(port: serial.SerialBase, data: bytes, end: bytes) -> bytes:
    port.write(data)
    answer: bytes = port.read_until(end)
    assert answer.endswith(end), answer
    return answer


def weight_ug(port: serial.SerialBase) -> int:
    """What the balance shows at once."""
    answer = asked(port, b"SI\r\n", b"\r\n").decode("ascii")
    assert answer[:4] in {"S S ", "S D "}
    assert (len(answer), answer[-4:]) == (18, " g\r\n")
    return round(float(answer[4:14]) * 1e6)


def test_a_plain_client_weighs_what_a_served_pump_infuses_and_cuts_its_power(tmp_path: Path) -> None:
    """In real time: 60 mL/h at ten times their speed are 167 mg in a second."""
    pump_link, scale_link = tmp_path / "pump", tmp_path / "scale"
    words = ["--model", "ne-1000", "--syringe", "bd-60", "--link", str(pump_link), "--speed", "10"]
    words += ["--balance", str(scale_link), "--balance-quirk", "air_ppm=0"]
    words += ["--power-switch", "127.0.0.1:0", "--power-switch-quirk", "answers=frames"]
    with served(3, *words) as said, ExitStack() as opened:
        assert said[:2] == [f"ready {pump_link}", f"ready balance {scale_link}"]
        assert said[2].startswith("ready power-switch socket://127.0.0.1:")
        pump, scale, switch = (
            opened.enter_context(serial.serial_for_url(line.split()[-1], 19_200, timeout=5)) for line in said
        )
        assert weight_ug(scale) == 0
        for line in SET_UP:
            asked(pump, line, b"\x03")
        began = time.monotonic()
        asked(pump, b"0RUN\r", b"\x03")
        time.sleep(0.3)
        first = weight_ug(scale)
        time.sleep(0.3)
        second, passed = weight_ug(scale), time.monotonic() - began
        assert 0.3 * 160_000 < first < second < passed * 170_000
        assert second - first > 0.3 * 160_000
        assert asked(switch, bytes.fromhex("A00102A3"), OFF) == OFF
        stopped = weight_ug(scale)
        assert asked(scale, b"S\r\n", b"\r\n").startswith(b"S S ")
        time.sleep(0.2)
        assert weight_ug(scale) == stopped
        pump.timeout = 0.2
        pump.write(b"0\r")
        assert pump.read(1) == b""
        assert asked(switch, bytes.fromhex("A00103A4"), ON) == ON
        pump.timeout = 5
        assert asked(pump, b"0\r", b"\x03") == b"\x0200A?R\x03"
        assert weight_ug(scale) == stopped


def test_faults_come_in_by_the_back_door_and_what_the_switch_does_is_heard_at_the_pump() -> None:
    with tempfile.TemporaryDirectory(prefix="pc") as short:
        door = Path(short) / "door"
        words = ["--model", "reference", "--control", str(door), "--power-switch-quirk", "answers=frames"]
        words += [word for end in ("--tcp", "--balance", "--power-switch") for word in (end, "127.0.0.1:0")]
        with served(3, *words) as said, ExitStack() as opened:
            pump, scale, switch = (
                opened.enter_context(serial.serial_for_url(line.split()[-1], timeout=5)) for line in said
            )
            assert weight_ug(scale) == 0
            assert asked(switch, bytes.fromhex("A00102A3"), OFF) == OFF
            pump.reset_input_buffer()  # whoever comes early hears the first power-up
            assert asked(switch, bytes.fromhex("A00103A4"), ON) == ON
            assert pump.read(1) == b"\x7e"  # unasked: it has its power again
            assert tell(door, "balance-touched:by_ug=1234500,for=1h") == "ok"
            assert weight_ug(scale) == 1_234_500
            assert tell(door, "balance-touched:how=push").startswith("error: how='push' is not one of lean")
            assert tell(door, "balance-silent") == "ok"
            scale.timeout = 0.2
            scale.write(b"SI\r\n")
            assert scale.read(1) == b""


# Without a process


def ask(wire: Wire, data: bytes, at_ms: int) -> bytes:
    wire.send(data, at_ms)
    wire.advance(at_ms)
    return wire.take()


def running(pump: Pump, address: int = 0) -> Pump:
    for line in (*SET_UP, b"0RUN\r"):
        ask(pump.wire, line.replace(b"0", b"%d" % address, 1), 0)
    return pump


def test_balance_and_switch_are_wires_of_their_own_to_one_pump() -> None:
    pump = running(make_pump("ne-1000", Wanted(syringe="bd-60", beside=BOTH)))
    scale, switch = pump.beside["balance"], pump.beside["power-switch"]
    assert ask(scale, b"SI\r\n", 6_000) == b"S D     0.1000 g\r\n"
    assert ask(switch, bytes.fromhex("A00102A3"), 12_000) == OFF
    assert ask(pump.wire, b"0DIS\r", 18_000) == b""
    assert ask(scale, b"S\r\n", 18_000) == b"S S     0.2000 g\r\n"
    assert ask(switch, bytes.fromhex("A00103A4"), 18_000) == ON
    assert ask(pump.wire, b"0\r", 24_000) == b"\x0200A?R\x03"


def test_faults_go_to_the_device_that_they_are_for() -> None:
    faults = [Fault.parse("balance-zeroed@6s"), Fault.parse("relay-stuck@0")]
    pump = running(make_pump("ne-1000", Wanted(syringe="bd-60", beside=BOTH, faults=faults)))
    scale, switch = pump.beside["balance"], pump.beside["power-switch"]
    assert ask(switch, bytes.fromhex("A00102A3"), 9_000) == OFF
    assert ask(scale, b"SI\r\n", 12_000) == b"S D     0.1000 g\r\n"
    pump.inject(Fault.parse("balance-stuck@0"))
    assert ask(scale, b"S\r\n", 24_000) == b"S S     0.1000 g\r\n"
    bare = make_pump("ne-1000", Wanted())
    for text, option in (("balance-stuck@0", "--balance"), ("relay-stuck@0", "--power-switch")):
        with pytest.raises(ValueError, match=f"serve it with {option}$"):
            bare.inject(Fault.parse(text))
        with pytest.raises(ValueError, match=f"serve it with {option}$"):
            make_pump("ne-1000", Wanted(faults=[Fault.parse(text)]))


def test_on_one_line_of_pumps_each_has_its_own() -> None:
    pumps = make_line([("ne-1000", Wanted(address=n, syringe="bd-60", beside=BOTH)) for n in (0, 7)])
    line = pumps[0].wire
    for n in (0, 7):
        for command in (*SET_UP, b"0RUN\r"):
            ask(line, command.replace(b"0", b"%d" % n, 1), 0)
    ask(pumps[1].beside["power-switch"], OFF, 6_000)
    weights = [ask(pump.beside["balance"], b"SI\r\n", 12_000) for pump in pumps]
    assert weights == [b"S D     0.2000 g\r\n", b"S S     0.1000 g\r\n"]
    assert ask(line, b"7\r", 12_000) == b""


def test_on_a_slow_line_each_wire_takes_its_own_time_and_none_is_left_behind() -> None:
    pump = make_pump("ne-1000", Wanted(syringe="bd-60", beside=BOTH), baud=1_200)
    scale = pump.beside["balance"]
    heard = {"pump": b"", "balance": b""}
    for at_ms in range(2_000):
        if at_ms % 500 == 0:
            pump.wire.send(b"0\r", at_ms)
            scale.send(b"SI\r\n", at_ms + 3)
        scale.advance(at_ms)
        heard["pump"] += pump.wire.take()
        heard["balance"] += scale.take()
    assert heard == {"pump": b"\x0200A?R\x03" + b"\x0200S\x03" * 3, "balance": b"S S     0.0000 g\r\n" * 4}


def test_who_stands_beside_a_pump_is_served_when_it_is_asked_and_the_other_way_round() -> None:
    order = Order(models=("ne-1000",) * 2, balances=("127.0.0.1:0",) * 2, power_switches=("127.0.0.1:0",) * 2)
    lines = order.lines(order.pumps())
    assert [line.called for line in lines] == ["", "", "balance", "balance", "power-switch", "power-switch"]
    mates = [[lines.index(mate) for mate in line.mates] for line in lines]
    assert mates == [[2, 4], [3, 5], [0, 4], [1, 5], [0, 2], [1, 3]]
    bus = Order(models=("ne-1000",) * 2, bus=True, balances=("127.0.0.1:0",) * 2)
    on_bus = bus.lines(bus.pumps())
    assert [len(line.mates) for line in on_bus] == [3] * 4
    assert isinstance(on_bus[1].pump.wire, Follower)
    alone = Order(models=("ne-1000",) * 2)
    bare = alone.lines(alone.pumps())
    assert [line.mates for line in bare] == [(), ()]
    close(lines, on_bus, bare)


def close(*served: list[Line]) -> None:
    for lines in served:
        for line in lines:
            line.port.close()


def test_an_end_is_a_path_or_a_port() -> None:
    with tempfile.TemporaryDirectory() as short:
        order = Order(models=("ne-1000",), balances=(f"{short}/scale",), power_switches=(":0",))
        lines = order.lines(order.pumps())
        assert lines[1].port.name == f"{short}/scale"
        assert lines[2].port.name.startswith("socket://127.0.0.1:")
        close(lines)


def test_the_page_names_every_quirk_of_a_balance_with_what_it_is_if_it_is_not_given() -> None:
    page = (ROOT / "docs/how-to/serve-a-simulated-pump.md").read_text(encoding="utf-8")
    table = page.split("| `--balance-quirk` |")[1].split("\n\n")[0].splitlines()[2:]
    told: dict[str, str] = {}
    for row in table:
        names, _, defaults = (cell.strip() for cell in row.strip("|").split("|"))
        told |= dict(
            zip(names.replace("`", "").split(", "), defaults.replace("`", "").split(", "), strict=True)
        )
    own = {name: value for name, value in (Balance.__init__.__kwdefaults__ or {}).items() if name != "faults"}
    quirks = {one.name: one.default for one in fields(Quirks)}
    assert told == {name: str(value).replace("False", "false") for name, value in (own | quirks).items()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--balance", "x", "--balance", "y"], "--balance is given 2 times; it is needed 1 times"),
        (["--power-switch", "127.0.0.1:x"], "--power-switch 127.0.0.1:x: write HOST:PORT"),
        (["--balance", ""], "--balance '': write PATH or HOST:PORT"),
        (["--balance-quirk", "noise_ug=1"], "--balance-quirk noise_ug=1 without --balance"),
        (["--power-switch-quirk", "answers=text"], "without --power-switch"),
        (["--balance", "x", "--balance-quirk", "noise_ug"], "--balance-quirk 'noise_ug' is not NAME=VALUE"),
        (
            ["--balance", "x", "--balance-quirk", "colour=red"],
            "no balance quirk 'colour'; there are: resolution_ug",
        ),
        (["--balance", "x", "--balance-quirk", "noise_ug=1.5"], "noise_ug=1.5 is not a whole number"),
        (["--balance", "x", "--balance-quirk", "resolution_ug=0"], "resolution_ug must be an int from 1"),
        (["--balance", "x", "--balance-quirk", "absent=E"], "quirk absent=E is not ES or EL"),
        (["--power-switch", "x", "--power-switch-quirk", "answers=loud"], "answers=loud is not nothing or"),
        (["--fault", "balance-stuck@3h"], "no balance stands beside this pump; serve it with --balance"),
    ],
)
def test_what_cannot_stand_beside_a_pump_is_refused_in_words(words: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["serve", "--model", "ne-1000", "--tcp", "127.0.0.1:0", *words])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not Path("x").exists()
