"""What stands beside a pump does not depend on who looks how often, nor on what else is spoken on the way."""

from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sim.balance import Balance
from sim.fault_registry import Fault
from sim.faults import FaultyWire
from sim.firmware.base import Talker
from sim.firmware.mt_sics import BalanceFirmware, Quirks
from sim.firmware.relay import RelayFirmware
from sim.wire.pacing import PacedWire
from sim.wire.shared import Company
from sim.wire.station import Wire
from sim.world import World
from tests.unit.sim.beside_kit import MIN, H, S, resting

LINES = {
    "pump": (
        b"0\r", b"0RAT6.000MH\r", b"0RAT300.0UH\r", b"0RUN\r", b"0STP\r", b"0DIS\r", b"0VOL0\r", b"0SAF60\r",
    ),
    "balance": (
        b"S\r\n", b"SI\r\n", b"SIR\r\n", b"SR\r\n", b"SR 0.001 g\r\n", b"T\r\n", b"TI\r\n", b"Z\r\n", b"TA 1 g\r\n",
        b"TAC\r\n", b"@\r\n", b"S", b"\r\n",
    ),
    "relay": (b"\xa0\x01\x00\xa1", b"\xa0\x01\x01\xa2", b"\xa0\x01", b"\xff"),
}  # fmt: skip
FAULTS = (
    "balance-stuck@0:for=90s", "balance-touched@0", "balance-touched@0:how=lift,for=3s,left_ug=-50000",
    "balance-zeroed@0", "balance-silent@0:for=1min", "balance-drift@0:ug_per_h=777,for=3h", "relay-stuck@0:for=10min",
    "power-loss@0:for=5min", "over-infusion@0:gain_ppm=871003", "occlusion@0:for=50min", "clock-drift@0:ppm=31337",
    "free-flow@0:nl_per_h=977777,for=30min", "stop-ignored@0:reply=lie",
)  # fmt: skip
WAITS = (0, 1, 41, S, 7 * S + 13, MIN, 5 * MIN + 7)
act = st.one_of(
    *(st.tuples(st.just(name), st.sampled_from(lines)) for name, lines in LINES.items()),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
)
programs = st.lists(st.tuples(st.sampled_from(WAITS), act), max_size=14)
later = st.lists(st.tuples(st.sampled_from((0, 1, S, MIN + 7, H)), st.sampled_from(FAULTS)), max_size=3)
cuts = st.lists(st.sampled_from((1, 19, 99, 101, 501, 59_999, 33 * MIN + 7)), min_size=1, max_size=6)
BEGIN = ((0, "pump", b"0\r"), (0, "pump", b"0RAT6.000MH\r"), (0, "pump", b"0VOL0\r"), (0, "pump", b"0RUN\r"))


class Player:
    """Plays a program on a fresh bench, with or without stopping on the way to look."""

    def __init__(self, faults: list[tuple[int, str]], cuts: list[int], baud: int | None) -> None:
        self.world: World = resting()
        self.balance = Balance(self.world, noise_ug=400, evaporation_nl_per_h=500, seed=3)
        self.relay = RelayFirmware(self.world)
        scale = BalanceFirmware(self.balance, quirks=Quirks(stability_timeout_ms=9_000, update_ms=2_700))
        talkers: dict[str, Talker] = {"pump": self.world.firmware, "balance": scale, "relay": self.relay}
        self.heard: dict[str, list[tuple[int, str, bytes]]] = {name: [] for name in talkers}
        self.wires: dict[str, Wire] = {}
        for name, firmware in talkers.items():
            wire = FaultyWire(firmware, self.world, latency_ms=0)
            wire.tap = partial(self.note, name)
            self.wires[name] = wire if baud is None else PacedWire(wire, baud)
        self.company = Company(list(self.wires.values()))
        self.at, self.cuts = 0, cuts
        for at_ms, text in faults:
            self.inject(Fault(Fault.parse(text).name, at_ms, Fault.parse(text).params))

    def note(self, name: str, at_ms: int, what: str, data: bytes) -> None:
        self.heard[name].append((at_ms, what, data))

    def inject(self, fault: Fault) -> None:
        takers = {"balance": self.balance.inject, "switch": self.relay.inject}
        takers.get(fault.kind.where, self.world.inject)(fault)

    def wait(self, ms: int) -> None:
        end = self.at + ms
        for cut in self.cuts:
            if self.at + cut < end:
                self.at += cut
                self.company.advance(self.at)
                assert self.balance.reading() == self.balance.reading()
                assert self.balance.tare_ug is not None
                assert self.company.next_event_ms() != -1
        self.at = end
        self.company.advance(end)

    def play(self, acts: list[tuple[int, tuple[str, Any]]]) -> "Player":
        for wait, (what, arg) in [*((wait, (what, line)) for wait, what, line in BEGIN), *acts]:
            self.wait(wait)
            if what == "fault":
                self.inject(Fault.parse(arg))
            else:
                self.wires[what].send(arg, self.at)
                self.company.advance(self.at)
        self.wait(20 * MIN)
        return self

    def all_there_is(self) -> tuple[object, ...]:
        truth = self.world.truth
        state = (self.relay.on, self.relay.closed, self.world.firmware.off)
        return self.heard, truth.corners(), self.balance.reading(), self.balance.tare_ug, state


@given(programs, later, cuts, st.sampled_from((None, 9_600)))
def test_stopping_on_the_way_and_looking_changes_nothing(
    acts: list[tuple[int, tuple[str, Any]]], faults: list[tuple[int, str]], cuts: list[int], baud: int | None
) -> None:
    straight = Player(faults, [], baud).play(acts)
    stepwise = Player(faults, cuts, baud).play(acts)
    assert straight.all_there_is() == stepwise.all_there_is()


@given(programs, later)
def test_the_balance_shows_what_left_the_pump_less_what_dried_within_its_noise(
    acts: list[tuple[int, tuple[str, Any]]], faults: list[tuple[int, str]]
) -> None:
    weighed = (("pump", LINES["pump"]), ("relay", LINES["relay"]))
    undisturbed = [(wait, one) for wait, one in acts if one[0] in dict(weighed)]
    bench = Player([(at, text) for at, text in faults if not text.startswith("balance")], [], None).play(
        undisturbed
    )
    truth_nl = bench.world.truth.delivered_nl() - 500 * bench.at // H
    expected_ug = truth_nl * 998_950 // 1_000_000  # water in air
    assert abs(bench.balance.reading().net_ug - expected_ug) <= 400 + 50 + 2
