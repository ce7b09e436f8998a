"""The simulated world does not depend on who looks how often, and its truth keeps to the counter."""

import struct
import zlib
from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.faults import Fault, FaultyWire, pump_faults, wire_faults
from sim.world import World
from tests.unit.sim.host import DAY, MIN, H, request, setup, step_list

MANY = 2 * settings().max_examples  # twice the profile's: each example is one of very many programs
STEPS = (
    ((0, 10_000, H),),
    ((0, 100, 7 * MIN), (0, 0, MIN), (0, 30_000, H)),
    ((1, 5_000, 20 * MIN), (0, 700, H), (0, 0, H), (0, 200_000, 6 * H)),
    ((2, 100_000, 6 * MIN),),
    ((0, 2_300, 23 * H),),
)
PUMP = (
    "stall@0", "stall@0:for=1h", "stall@0:silent=1,for=20min", "stall-clear@0:catch_up=1",
    "clock-drift@0:ppm=50000", "over-infusion@0:gain_ppm=1234567", "over-infusion@0:gain_ppm=871003",
    "occlusion@0:for=50min", "occlusion@0:limit_nl=3000", "occlusion-clear@0",
    "free-flow@0:nl_per_h=77777,for=30min", "free-flow@0", "empty@0:left_nl=1200", "power-loss@0",
    "power-loss@0:for=5min,then_nl_per_h=5000", "counter-reset@0", "counter-stuck@0:for=1h",
    "battery-low@0", "battery-dead@0", "clock-drift@0:ppm=-31337", "stop-ignored@0",
    "stop-ignored@0:reply=lie", "stop-ignored@0:reply=silent,count=1", "resume-after-reset@0",
    "status-stuck@0:for=2h", "runaway@0:for=15min",
)  # fmt: skip
WIRE = (
    "lose-request@0", "lose-reply@0:type=commit", "delay-request@0:by=3min", "delay-reply@0:by=90s",
    "duplicate-request@0:by=1h", "duplicate-reply@0", "reorder@0:nth=2", "corrupt-request@0:byte=20",
    "corrupt-reply@0:nth=3", "truncate-request@0", "truncate-reply@0:keep=30", "silence@0:for=2h",
    "garbage@0:to=pump,hex=7e0040", "garbage@0:to=host", "replay-reply@0:nth=2",
)  # fmt: skip
WAITS = (0, 1, 41, 61 * 1_000, 7 * MIN + 13, H, 5 * H + 17, 11 * H)

run = st.tuples(st.just("run"), st.sampled_from(STEPS))
act = st.one_of(
    run,
    st.tuples(st.just("stop"), st.just(())),
    st.tuples(st.just("status"), st.just(())),
    st.tuples(st.just("refill"), st.sampled_from((5_000, 20_000_000))),
    st.tuples(st.just("fault"), st.sampled_from(PUMP)),
    st.tuples(st.just("fault"), st.sampled_from(WIRE)),
)
program = st.builds(
    lambda first, rest: [(0, first), *rest], run, st.lists(st.tuples(st.sampled_from(WAITS), act), max_size=9)
)
later = st.lists(st.tuples(st.sampled_from((0, 1, 20, H, 9 * H + 3, DAY)), st.sampled_from(PUMP)), max_size=2)
cuts = st.lists(st.sampled_from((1, 19, 20, 21, 59_999, 33 * MIN + 7, 3 * H)), min_size=1, max_size=6)


class Player:
    """Plays a program on a fresh world, with or without stopping on the way to look."""

    def __init__(self, faults: list[tuple[int, str]], cuts: list[int], **changes: object) -> None:
        given_faults = [Fault(f.name, at, f.params) for at, text in faults for f in (Fault.parse(text),)]
        self.world = World(setup(**changes), pump_faults(given_faults))
        self.wire = FaultyWire(self.world.firmware, self.world, wire_faults(given_faults))
        self.cuts, self.at, self.ids = cuts, 0, 0
        self.log: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self.wire.tap = lambda at, what, data: self.log[what].append((at, data))

    def play(self, acts: list[tuple[int, tuple[str, Any]]]) -> "Player":
        for wait, (what, arg) in acts:
            self.wait(wait)
            getattr(self, f"do_{what}")(arg)
        self.wait(25 * H)
        return self

    def wait(self, ms: int) -> None:
        end = self.at + ms
        for cut in self.cuts:
            if self.at + cut < end:
                self.at += cut
                self.wire.advance(self.at)
                look(self.world, self.wire)
        self.at = end
        self.wire.advance(end)

    def send(self, kind: int, payload: bytes = b"") -> None:
        self.wire.send(request(kind, payload, epoch=self.world.implant.epoch), self.at)
        self.wait(40)

    def do_run(self, steps: tuple[tuple[int, int, int], ...]) -> None:
        self.ids += 1
        parts, generation = step_list(*steps), self.world.implant.generation
        not_after = struct.unpack_from(">Q", self.world.implant.peek_status(self.at), 8)[0] + 400_000
        self.send(1)
        self.send(3, struct.pack(">QIQ", self.ids, generation, not_after) + parts)
        self.send(4, struct.pack(">QIIQ", self.ids, zlib.crc32(parts), generation, not_after))

    def do_stop(self, _: object) -> None:
        self.send(5)

    def do_status(self, _: object) -> None:
        self.send(2)

    def do_refill(self, volume_nl: int) -> None:
        self.world.refill(volume_nl, {"baclofen": 500_000_001, "morphine": 7})

    def do_fault(self, text: str) -> None:
        fault = Fault.parse(text)
        if fault.kind.where == "pump":
            self.world.inject(fault)
        else:
            self.wire.inject(Fault(fault.name, self.at, fault.params))

    def all_there_is(self) -> tuple[object, ...]:
        world, truth = self.world, self.world.truth
        return (
            truth.corners(), truth.points, truth.stored_nl(), truth.reservoir_nl(), truth.counted_nl(),
            [(truth.left_pg(drug), truth.tip_mass(drug)) for drug in truth.drugs()],
            [truth.worst_window(drug, hours) for drug in truth.drugs() for hours in (1, 4, 24)],
            world.implant.peek_status(world.now_ms), world.implant.epoch, world.next_event_ms(),
            [world.implant.result(i, world.now_ms) for i in range(self.ids + 2)], self.log,
        )  # fmt: skip


def look(world: World, wire: FaultyWire) -> None:
    """Ask everything that can be asked."""
    truth = world.truth
    assert truth.points
    assert truth.worst_window("baclofen", 1) >= 0
    assert truth.delivered_nl() + truth.tip_pg("baclofen") + truth.left_pg("morphine") >= 0
    assert wire.next_event_ms() != -1
    assert world.implant.peek_status(world.now_ms)
    assert world.implant.result(1, world.now_ms)[1] >= 0


setups = st.sampled_from(
    (
        {},
        {"gain_ppm": 1_145_000, "fill_nl": 300_000, "alarm_nl": 250_000},
        {
            "fill_nl": 35_000,
            "residual_nl": 1_400_000,
            "residual_drugs": {"morphine": 10**10},
            "path_drugs": {},
        },
        {"path_nl": 0, "fill_nl": 90_050, "alarm_nl": 90_050},
    )
)


@settings(max_examples=MANY)
@given(program, later, cuts, setups)
def test_stopping_on_the_way_and_looking_changes_nothing(
    acts: list[tuple[int, tuple[str, Any]]],
    faults: list[tuple[int, str]],
    cuts: list[int],
    changes: dict[str, Any],
) -> None:
    straight = Player(faults, [], **changes).play(acts)
    stepwise = Player(faults, cuts, **changes).play(acts)
    assert straight.all_there_is() == stepwise.all_there_is()


@settings(max_examples=MANY)
@given(program, later, setups)
def test_nothing_reaches_the_host_before_the_announced_next_event(
    acts: list[tuple[int, tuple[str, Any]]], faults: list[tuple[int, str]], changes: dict[str, Any]
) -> None:
    player = Player(faults, [], **changes).play(acts)
    world, wire = player.world, player.wire
    wire.take()
    for _ in range(20):
        event = wire.next_event_ms()
        if event is None:
            break
        assert event > world.now_ms
        wire.advance(event - 1)
        assert wire.take() == b""
        wire.advance(event)
        wire.take()


@settings(max_examples=MANY)
@given(program, st.sampled_from((1_000_000, 1_145_000, 855_000)))
def test_truth_without_faults_is_the_counter_times_the_gain_and_less_than_one_pump_step_more(
    acts: list[tuple[int, tuple[str, Any]]], gain_ppm: int
) -> None:
    player = Player([], [], gain_ppm=gain_ppm, path_drugs={})
    for wait, (what, arg) in acts:
        player.wait(wait)
        if what != "fault":
            getattr(player, f"do_{what}")(20_000_000 if what == "refill" else arg)  # never dry
        truth = player.world.truth
        counted_pl = truth.counted_nl() * 1_000
        least, most = counted_pl * gain_ppm // 1_000_000, (counted_pl + 100_000) * gain_ppm // 1_000_000
        assert least <= truth.delivered_pl() < most


@settings(max_examples=MANY)
@given(program, later, setups)
def test_what_left_the_tip_entered_the_path_before(
    acts: list[tuple[int, tuple[str, Any]]], faults: list[tuple[int, str]], changes: dict[str, Any]
) -> None:
    player = Player(faults, [], **changes).play(acts)
    world, truth = player.world, player.world.truth
    flow, path = world.mechanism.flow(world.now_ms), world.mechanism.path
    standing = path.segments(flow.out_pl, flow.out_pl + flow.stored_pl)
    at_start = setup(**changes)
    assert sum(volume for volume, _ in standing) == at_start.path_nl * 1_000 + flow.stored_pl
    for drug in truth.drugs():
        held = sum(volume * fluid.grains(drug) for volume, fluid in standing)
        first = at_start.path_nl * 1_000 * at_start.path_drugs.get(drug, 0) * 10**9
        entered = path.left_pump(drug, flow.out_pl + flow.stored_pl)
        assert first + entered == held + truth.tip_mass(drug) * 10**18
