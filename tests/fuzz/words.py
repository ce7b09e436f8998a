"""Texts that come from a command line: quantities, requests, faults, ports, plans of simulators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Final

from pump_ctrl import units
from pump_ctrl.bench.request import parse_request
from pump_ctrl.cli.main import main
from pump_ctrl.live.order import given_doses
from pump_ctrl.live.trial import trial_of
from sim.faults import Fault
from sim.wire.order import Order
from tests.fuzz.engine import Reader
from tests.fuzz.files import plan

Parse = Callable[[str], object]
QUANTITIES: Final[Mapping[str, tuple[Parse, bytes]]] = {
    "volume": (units.Volume.parse, b"40 mL; 0.3 uL; 100 nL"),
    "mass": (units.Mass.parse, b"20 ug; 1.5 mg; 0.2 ng"),
    "duration": (units.Duration.parse, b"90 min; 4 h; 30d; 2.5 s"),
    "time of day": (units.TimeOfDay.parse, b"08:30; 23:59"),
    "length": (units.Length.parse, b"89 cm; 14.43 mm"),
    "percent": (units.Percent.parse, b"+15 %; -0.5%"),
    "concentration": (units.Concentration.parse, b"1000 ug/mL; 2 mg/mL"),
    "mass rate": (units.MassRate.parse, b"192 ug/day; 12.5 ug/h"),
    "volume rate": (units.VolumeRate.parse, b"0.2 mL/day; 5 uL/h"),
}
REQUESTS: Final = (
    b"3h=patient-bolus", b"90d=refill:found=5.1mL", b"40d=load:second.toml", b"1d=refill:plan=x.toml,found=unknown",
    b"2h=stop", b"2h=power-cycle", b"5d=refill",
)  # fmt: skip
FAULTS: Final = (
    b"stall@3h", b"lose-reply@2d:type=commit,count=2", b"garbage@0:hex=7e01ff,times=20", b"power-loss@1d:for=5min",
    b"over-infusion@0:gain_ppm=1200000", b"corrupt-reply@1s:byte=3,mask=255,crc=repair", b"silence@5min:for=1min",
)  # fmt: skip


def text_of(content: bytes) -> str:
    """As Python hands over an argument of the command line: no byte is lost, and none is 0."""
    return content.replace(b"\0", b"").decode("utf-8", "surrogateescape")


def reads(read: Callable[[str], object]) -> Callable[[bytes], str]:
    def reader(content: bytes) -> str:
        read(text_of(content))
        return "a value"

    return reader


def quantity(parse: Parse) -> Parse:
    """What was read says itself in words, and those words are read as the same."""

    def read(text: str) -> object:
        found = parse(text)
        assert parse(str(found)) == found, f"{text!r} is {found}, which reads otherwise"
        return found

    return read


def served(text: str) -> None:
    """Options of ``pump-sim serve``, up to its pumps; nothing is opened."""
    model, fill, speed, quirk, fault = (*text.split(" "), "", "", "", "", "")[:5]
    order = Order(
        models=(model,),
        fills=(fill,) if fill else (),
        speed=speed or "1",
        quirks=(quirk,) if quirk else (),
        faults=(fault,) if fault else (),
        seed=0,
    )
    order.pumps()
    assert Fraction(1, 1_000) <= order.pace <= 10_000


def commanded(room: Path) -> Callable[[bytes], str]:
    """Whole commands: an exit status of the documented ones, whatever the arguments are."""

    def read(content: bytes) -> str:
        words = text_of(content).split("\n")
        if any(word in ("run", "ports", "syringe", "--journal", "--plot") for word in words):
            return "left out"  # opens ports, or writes files
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            status = main(words)
        assert status in (0, 2, 3, 4, 5), status
        return f"exit {status}"

    del room
    return read


COMMANDS: Final = (
    b"simulate\nno.toml\n--for\n2h\n--request\n1h=patient-bolus\n--fault\nstall@1h\n--seed\n3",
    b"plan\ncheck\nno.toml\n--json",
    b"pumps\n--json",
    b"formulary\nbaclofen",
    b"journal\nverify\nno.jsonl",
    b"status\n--journal\nno.jsonl",
    b"simulate\nno.toml\n--for\n2h",
)


def readers(room: Path) -> Iterator[Reader]:
    for name, (parse, seeds) in QUANTITIES.items():
        yield Reader(f"words: {name}", seeds.split(b"; "), reads(quantity(parse)), rounds=300)
    yield Reader("words: request", REQUESTS, reads(parse_request), rounds=400)
    yield Reader("words: fault", FAULTS, reads(Fault.parse), refuses=(ValueError,), rounds=400)
    yield Reader(
        "words: given dose", (b"none", b"120 ug", b"0 ug"), reads(lambda text: given_doses(text, plan()))
    )
    yield Reader(
        "words: trial port", (b"sim:", b"sim:?speed=60"), reads(lambda text: trial_of(text, None)), rounds=150
    )
    yield Reader(
        "words: pump-sim serve",
        (
            b"ne-1000 5 10 after_stall=P stall@1h",
            b"implant-40 20.5",
            b"harvard-11-elite  0.1 target_counts_from=run",
        ),
        reads(served),
        refuses=(ValueError,),
        rounds=150,
    )
    yield Reader("words: commands", COMMANDS, commanded(room), rounds=100, most_kib=16_384)
