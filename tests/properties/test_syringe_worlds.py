"""Worlds of syringe pumps do not depend on who looks how often, and their truth keeps to what the motor made."""

from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sim.faults import Fault, FaultyWire, wire_faults
from sim.world import Setup, World

S, MIN, H = 1_000, 60_000, 3_600_000
LINES = {
    "ne-1000": (
        b"0\r", b"0DIS\r", b"0VER\r", b"0RAT6.000MH\r", b"0RAT300.0UH\r", b"0VOL500.0\r", b"0VOL0\r", b"0DIRINF\r",
        b"0DIRWDR\r", b"0RUN\r", b"0RUN2\r", b"0STP\r", b"0CLDINF\r", b"0PUR\r", b"0SAF60\r", b"0SAF0\r",
        b"0PHN2\r", b"0FUNPAS30\r", b"0FUNRAT\r", b"0RAT750.0UH\r", b"\x02\x080DIS0F\x03", b"\x02\x05",
    ),
    "harvard-11-elite": (
        b"\r", b"status\r", b"ver\r", b"irate 6 ml/h\r", b"irate 300 ul/h\r", b"tvolume 0.5 ml\r", b"ctvolume\r",
        b"ttime 600\r", b"cttime\r", b"civolume\r", b"irun\r", b"wrun\r", b"stop\r", b"poll on\r", b"poll off\r",
        b"ivolume\r", b"load qs iw\r", b"irun\ris", b"top\r",
    ),
}  # fmt: skip
BEATS = {"ne-1000": b"0DIS\r", "harvard-11-elite": b"status\r"}
PUMP = (
    "stall@0", "stall@0:for=10min", "stall@0:silent=1,for=20min", "stall-clear@0:catch_up=1",
    "clock-drift@0:ppm=50000", "clock-drift@0:ppm=-31337", "over-infusion@0:gain_ppm=871003",
    "occlusion@0:for=50min", "occlusion@0:limit_nl=3000", "occlusion-clear@0",
    "free-flow@0:nl_per_h=77777,for=30min", "empty@0:left_nl=1200", "power-loss@0",
    "power-loss@0:for=5min,then_nl_per_h=5000", "counter-reset@0", "counter-stuck@0:for=1h", "stop-ignored@0",
    "stop-ignored@0:reply=lie", "stop-ignored@0:reply=silent,count=1", "resume-after-reset@0",
    "status-stuck@0:for=2h", "runaway@0:for=15min",
)  # fmt: skip
WIRE = (
    "lose-request@0:type=commit", "lose-reply@0", "delay-request@0:by=3min", "duplicate-request@0:by=1h",
    "reorder@0:nth=2", "corrupt-request@0:byte=2,crc=repair", "truncate-request@0:keep=3", "silence@0:for=2h",
    "garbage@0:to=pump,hex=02ff00", "replay-reply@0:nth=2",
)  # fmt: skip
WAITS = (0, 1, 41, S, 7 * MIN + 13, H, 5 * H + 17)
models = st.sampled_from(tuple(LINES))
cuts = st.lists(st.sampled_from((1, 19, 20, 501, 59_999, 33 * MIN + 7)), min_size=1, max_size=6)


@st.composite
def programs(
    draw: st.DrawFn, faults: tuple[str, ...] = PUMP + WIRE
) -> tuple[str, list[tuple[int, str, Any]]]:
    """A model and what happens to its pump: it is told something useful first, then anything may come."""
    model = draw(models)
    what = st.one_of(
        st.tuples(st.just("say"), st.sampled_from(LINES[model])),
        st.tuples(st.just("say"), st.sampled_from(LINES[model])),
        st.tuples(st.just("beat"), st.just(BEATS[model])),
        st.tuples(st.just("fault"), st.sampled_from(faults)),
        st.tuples(st.just("refill"), st.sampled_from((5_000, 10_000_000))),
    )
    rest = draw(st.lists(st.tuples(st.sampled_from(WAITS), what), max_size=14))
    first = [
        line
        for line in LINES[model]
        if line in {b"0\r", b"0RAT6.000MH\r", b"0RUN\r", b"irate 6 ml/h\r", b"irun\r"}
    ]
    return model, [*((0, "say", line) for line in first), *((wait, *act) for wait, act in rest)]


class Player:
    """Plays a program on a fresh world, with or without stopping on the way to look.

    `pieces`: every message goes out as its first byte and its rest, at one instant.
    """

    def __init__(self, model: str, cuts: list[int], *, pieces: bool = False) -> None:
        self.pieces = pieces
        made = Setup(
            model=model, syringe="bd-10", fill_nl=10_000_000, drugs={"baclofen": 10**9}, path_nl=3_000
        )
        self.world = World(made)
        self.wire = FaultyWire(self.world.firmware, self.world, wire_faults(()), latency_ms=20)
        self.log: list[tuple[int, str, bytes]] = []
        self.wire.tap = lambda t_ms, what, data: self.log.append((t_ms, what, data))
        self.cuts, self.at = cuts, 0

    def play(self, program: list[tuple[int, str, Any]]) -> "Player":
        for wait, what, value in program:
            self.go(wait)
            if what == "say":
                self.send(value)
            elif what == "beat":
                self.beat(value)
            elif what == "refill":
                self.world.refill(value, {"baclofen": 5 * 10**8})
            else:
                self.fault(value)
            self.go(40)
        self.go(26 * H)
        return self

    def send(self, data: bytes) -> None:
        for piece in (data[:1], data[1:]) if self.pieces else (data,):
            self.wire.send(piece, self.at)

    def beat(self, question: bytes) -> None:
        """The same question again and again, as a host that shows that it lives."""
        for _ in range(4):
            self.send(question)
            self.go(15 * S)

    def fault(self, text: str) -> None:
        fault = Fault.parse(text)
        if fault.kind.where == "pump":
            self.world.inject(fault)
        else:
            self.wire.inject(Fault(fault.name, self.at, fault.params))

    def go(self, ms: int) -> None:
        end = self.at + ms
        for cut in self.cuts:
            if self.at + cut < end:
                self.at += cut
                self.wire.advance(self.at)
                self.look()
        self.at = end
        self.wire.advance(end)

    def look(self) -> None:
        """Ask everything that can be asked without the wire."""
        truth = self.world.truth
        assert truth.delivered_nl() + truth.tip_pg("baclofen") + truth.reservoir_nl() >= 0
        assert self.wire.next_event_ms() != -1
        assert self.world.firmware.kind_of(b"0RUN\r") in {"commit", "status", "propose", ""}

    def all_there_is(self) -> tuple[object, ...]:
        truth = self.world.truth
        masses = [truth.worst_window("baclofen", hours) for hours in (1, 24)]
        return truth.corners(), truth.counted_nl(), truth.reservoir_nl(), truth.stored_nl(), masses, self.log

    def heard(self) -> dict[tuple[int, str], bytes]:
        """What the pump said, by its instant."""
        said: dict[tuple[int, str], bytes] = defaultdict(bytes)
        for t_ms, what, data in self.log:
            said[t_ms, what] += data if what in {"pump-sent", "host-got"} else b""
        return {when: data for when, data in said.items() if data}


@given(programs(), cuts)
def test_looking_at_a_syringe_pump_on_the_way_changes_nothing(
    program: tuple[str, list[tuple[int, str, Any]]], cuts: list[int]
) -> None:
    model, acts = program
    assert Player(model, []).play(acts).all_there_is() == Player(model, cuts).play(acts).all_there_is()


@given(programs(PUMP))
def test_messages_in_pieces_get_the_same_replies_and_move_the_same_fluid(
    program: tuple[str, list[tuple[int, str, Any]]],
) -> None:
    model, acts = program
    whole, pieces = Player(model, []).play(acts), Player(model, [], pieces=True).play(acts)
    assert whole.heard() == pieces.heard()
    assert whole.all_there_is()[:-1] == pieces.all_there_is()[:-1]


@given(programs())
def test_what_left_a_syringe_pump_never_comes_back_and_was_there(
    program: tuple[str, list[tuple[int, str, Any]]],
) -> None:
    model, acts = program
    truth = Player(model, []).play(acts).world.truth
    volumes = [volume for _, volume in truth.corners()]
    assert volumes == sorted(volumes)
    filled = 10_000_000 + sum(value for _, what, value in acts if what == "refill")
    assert volumes[-1] <= filled * 1_000
