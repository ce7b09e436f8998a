"""Faults as data, and the wire on which they happen."""

import struct
import zlib
from typing import cast

import pytest

from sim.balance import Balance
from sim.faults import (
    FAULTS,
    Fault,
    FaultyWire,
    bench_faults,
    parse_time,
    pump_faults,
    time_text,
    wire_faults,
)
from sim.firmware.reference import ReferenceFirmware
from sim.firmware.relay import RelayFirmware
from sim.world import _EFFECTS, World
from tests.unit.sim.host import DAY, MIN, H, Reply, S, replies, request, setup, step_list, wired

BASAL = (0, 10_000, H)


class Talk:
    """A host on a wire: sends at an instant, and takes what has arrived at another."""

    def __init__(self, *faults: str, latency_ms: int = 20) -> None:
        self.world, self.wire = wired(*faults, latency_ms=latency_ms)
        self.wire.advance(50)
        self.wire.take()  # the alarm of power-up

    def send(self, kind: int, at_ms: int, payload: bytes = b"", seq: int = 1) -> None:
        self.wire.advance(at_ms)
        self.wire.send(request(kind, payload, epoch=self.world.implant.epoch, seq=seq), at_ms)

    def heard(self, at_ms: int) -> list[Reply]:
        self.wire.advance(at_ms)
        return replies(self.wire.take())

    def propose(self, id_: int, at_ms: int, step: tuple[int, int, int] = BASAL) -> None:
        self.send(3, at_ms, struct.pack(">QIQ", id_, 1, at_ms + MIN) + step_list(step))

    def commit(self, id_: int, at_ms: int, step: tuple[int, int, int] = BASAL) -> None:
        self.send(4, at_ms, struct.pack(">QIIQ", id_, zlib.crc32(step_list(step)), 1, at_ms + MIN))

    def what(self, id_: int) -> tuple[int, int]:
        return self.world.implant.result(id_, self.world.now_ms)

    def dose(self, at_ms: int) -> None:
        self.send(1, at_ms)
        self.propose(1, at_ms + 100)
        self.commit(1, at_ms + 200)


class Startled:
    """A pump that answers nothing and pushes a frame at the very instant at which it hears something."""

    def __init__(self) -> None:
        self.outbox: list[tuple[int, bytes]] = []

    def handle(self, _data: bytes, now_ms: int) -> bytes:
        self.outbox.append((now_ms, b"oh"))
        return b""

    def take_pushed(self) -> list[tuple[int, bytes]]:
        taken, self.outbox = self.outbox, []
        return taken

    def kind_of(self, _data: bytes) -> str:
        return ""

    def repair(self, data: bytes) -> bytes:
        return data


# Data


@pytest.mark.parametrize(
    ("text", "ms"),
    [("0", 0), ("7ms", 7), ("90s", 90 * S), ("15min", 15 * MIN), ("3h", 3 * H), ("2d", 2 * DAY)],
)
def test_times_are_whole_numbers_with_a_unit(text: str, ms: int) -> None:
    assert parse_time(text) == ms
    assert parse_time(time_text(ms)) == ms


@pytest.mark.parametrize(
    "text", ["", "3", "1.5h", "-1h", "3 h", "3H", "1h30min", "\u0663h", "1_0s", "007s", "h"]
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "stall@3h",
        "lose-reply@2d:count=2,type=commit",
        "stall@1h:for=20min,silent=1",
        "garbage@0:hex=7e7e,to=pump",
    ],
)
def test_the_text_of_a_fault_reads_back(text: str) -> None:
    fault = Fault.parse(text)
    assert str(fault) == text
    assert Fault.parse(str(fault)) == fault
    assert len({fault, Fault.parse(text)}) == 1


def test_a_fault_without_a_time_is_at_0_and_values_may_be_given_in_python() -> None:
    assert Fault.parse("stall") == Fault("stall")
    assert Fault("stall", 3 * H, {"silent": 1, "for": 60_000}) == Fault.parse("stall@3h:silent=1,for=1min")
    assert Fault("lose-reply").number("count") == 1
    assert Fault("lose-reply").word("type") == "any"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stal@1h", "no fault 'stal'; there are: balance-drift"),
        ("stall@", "'' is not a time"),
        ("stall@1h:", "is not key=value"),
        ("stall@1h:silent", "is not key=value"),
        ("stall@1h:silent=1,silent=0", "comes twice"),
        ("stall@1h:loud=1", "fault stall has no parameter 'loud'; it has: silent, for"),
        ("battery-dead@1h:for=1h", "has no parameter 'for'; it has: none"),
        ("stall@1h:silent=yes", "silent='yes' is not a whole number"),
        ("stall@1h:for=3", "'3' is not a time"),
        ("lose-reply@0:type=commits", "is not one of any, hello"),
        ("lose-reply@0:nth=0", "must be an int from 1 to"),
        ("free-flow@0:nl_per_h=-1", "must be an int from 0 to"),
        ("stall@1h:silent=2", "must be an int from 0 to 1"),
        ("garbage@0:hex=7", "non-hexadecimal|odd"),
    ],
)
def test_a_wrong_fault_is_refused_and_the_message_says_what_there_is(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault.parse(text)


def test_a_fault_made_in_python_is_checked_too() -> None:
    with pytest.raises(ValueError, match="at_ms=-1"):
        Fault("stall", -1)
    with pytest.raises(ValueError, match=r"at_ms=1\.0"):
        Fault("stall", 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="silent=True"):
        Fault("stall", 0, {"silent": True})
    with pytest.raises(TypeError, match="type is a word"):
        Fault("lose-reply").number("type")


def test_every_fault_of_the_registry_can_happen() -> None:
    for kind in FAULTS.values():
        fault = Fault(kind.name, 1_000)
        if kind.where == "pump":
            World(setup(), [fault]).advance(DAY)
        elif kind.where == "balance":
            Balance(World(setup()), faults=[fault]).world.advance(DAY)
        elif kind.where == "switch":
            RelayFirmware(World(setup()), faults=[fault]).world.advance(DAY)
        else:
            world, wire = wired(str(fault))
            wire.send(request(2), 2_000)
            wire.send(request(2), 2_500)
            wire.advance(DAY)
            assert world.now_ms == DAY
    assert set(_EFFECTS) == {kind.name for kind in FAULTS.values() if kind.where == "pump"}


def test_every_parameter_of_the_registry_takes_its_own_default() -> None:
    for kind in FAULTS.values():
        for param in kind.params:
            assert param.read(param.write(param.default)) == param.default or param.default == 0


def test_faults_are_parted_by_where_they_happen() -> None:
    faults = [Fault("stall"), Fault("lose-reply"), Fault("silence"), Fault("reorder")]
    beside = [Fault("balance-stuck"), Fault("relay-stuck")]
    assert pump_faults(faults + beside) == (faults[0],)
    assert wire_faults(faults + beside) == tuple(faults[1:])
    assert bench_faults(faults + beside) == tuple(beside)


@pytest.mark.parametrize(
    ("fault", "taker"),
    [
        ("stall@0", "the world"),
        ("lose-reply@0", "the wire"),
        ("balance-stuck@0", "the balance"),
        ("relay-stuck@0", "the power switch"),
    ],
)
def test_a_fault_is_refused_where_it_cannot_happen_and_the_message_says_who_takes_it(
    fault: str, taker: str
) -> None:
    world, wire = wired()
    takers = {
        "the world": world.inject,
        "the wire": wire.inject,
        "the balance": Balance(world).inject,
        "the power switch": RelayFirmware(world).inject,
    }
    for name, inject in takers.items():
        if name == taker:
            inject(Fault.parse(fault))
        else:
            with pytest.raises(ValueError, match=f"give it to {taker}$"):
                inject(Fault.parse(fault))


# The wire without faults


def test_what_a_pump_pushes_when_it_hears_something_leaves_at_that_instant() -> None:
    wire = FaultyWire(cast(ReferenceFirmware, Startled()), World(setup()))
    wire.send(b"x", 0)
    wire.advance(20)
    assert wire.next_event_ms() == 40
    wire.advance(40)
    assert wire.take() == b"oh"


def test_the_pump_gets_the_bytes_one_latency_later_and_the_host_the_reply_another_later() -> None:
    talk = Talk()
    talk.send(2, 1_000)
    assert talk.wire.next_event_ms() == 1_040  # the earliest answer
    assert talk.heard(1_039) == []
    assert talk.wire.next_event_ms() == 1_040
    (reply,) = talk.heard(1_040)
    assert (reply.type, reply.status.tick_ms) == (0x82, 1_020)


def test_the_pump_acts_at_the_arrival_even_if_the_wire_is_moved_far_at_once() -> None:
    talk = Talk()
    talk.dose(100)
    assert [reply.type for reply in talk.heard(DAY)] == [0x81, 0x83, 0x84]
    assert talk.world.truth.corners() == ((0, 0), (320, 0), (320 + H, 10_000_000), (DAY, 10_000_000))


def test_an_alarm_travels_like_a_reply() -> None:
    world, wire = wired()
    assert wire.next_event_ms() == 198_832_320_000
    wire.advance(0)
    assert wire.next_event_ms() == 20
    wire.advance(19)
    assert wire.take() == b""
    wire.advance(20)
    assert [reply.type for reply in replies(wire.take())] == [0xC0]
    world.inject(Fault("battery-low", 5 * H))
    assert wire.next_event_ms() == 5 * H
    wire.advance(6 * H)
    assert [reply.status.tick_ms for reply in replies(wire.take())] == [5 * H]


def test_an_alarm_of_a_moment_before_a_reply_arrives_before_it() -> None:
    talk = Talk()
    talk.world.inject(Fault("battery-low", 1_010))
    talk.send(2, 1_000)
    assert [reply.type for reply in talk.heard(2_000)] == [0xC0, 0x82]


def test_a_wire_may_have_no_latency() -> None:
    talk = Talk(latency_ms=0)
    talk.send(2, 1_000)
    assert [reply.status.tick_ms for reply in talk.heard(1_000)] == [1_000]
    with pytest.raises(ValueError, match="latency must be an int"):
        wired(latency_ms=-1)


def test_the_tap_hears_both_ends() -> None:
    talk, heard = Talk(), []
    talk.wire.tap = lambda at, what, data: heard.append((at, what, len(data)))
    talk.send(2, 1_000)
    talk.heard(2_000)
    assert heard == [
        (1_000, "host-sent", 21), (1_020, "pump-got", 21), (1_020, "pump-sent", 68), (1_040, "host-got", 68),
    ]  # fmt: skip


def test_bytes_in_pieces_are_put_together_by_the_pump() -> None:
    talk = Talk()
    data = request(2)
    for i in range(len(data)):
        talk.wire.send(data[i : i + 1], 1_000 + i)
    (reply,) = talk.heard(2_000)
    assert reply.status.tick_ms == 1_040


# The wire with faults


def test_a_lost_request_never_reaches_the_pump() -> None:
    talk = Talk("lose-request@0:type=commit")
    talk.dose(100)
    assert [reply.type for reply in talk.heard(2 * H)] == [0x81, 0x83]
    assert talk.what(1) == (7, 0)
    assert talk.world.truth.delivered_nl() == 0


def test_a_lost_reply_leaves_the_host_without_it_though_the_pump_acted() -> None:
    talk = Talk("lose-reply@0:type=commit")
    talk.dose(100)
    assert [reply.type for reply in talk.heard(2 * H)] == [0x81, 0x83]
    assert talk.what(1) == (3, 10_000)


def test_a_nak_is_a_reply_to_the_request_that_it_refuses() -> None:
    talk = Talk("lose-reply@0:type=propose")
    talk.propose(1, 100)  # nobody owns the pump: NAK busy
    assert talk.heard(1_000) == []


def test_an_alarm_can_be_lost_too() -> None:
    talk = Talk("lose-reply@1s:type=alarm", "lose-reply@1s", "lose-reply@1h:type=all,count=0")
    talk.world.inject(Fault("battery-low", 2_000))
    assert talk.heard(3_000) == []
    talk.send(2, 3_000)
    assert talk.heard(H) == []  # the second fault waited for a reply to a request
    talk.world.inject(Fault("battery-dead", 2 * H))
    talk.send(2, 2 * H)
    assert talk.heard(DAY) == []


def test_nth_and_count_choose_which_messages_are_hit() -> None:
    talk = Talk("lose-request@1s:type=status,nth=2,count=2")
    seqs = [(0, 100), (1, 1_000), (2, 2_000), (3, 3_000), (4, 4_000)]
    for seq, at in seqs:
        talk.send(2, at, seq=seq)
        talk.send(1, at + 100, seq=99)
    assert [reply.seq for reply in talk.heard(9_000) if reply.type == 0x82] == [0, 1, 4]


def test_count_0_hits_all_from_then_on() -> None:
    talk = Talk("lose-reply@0:count=0,nth=2")
    for n in range(9):
        talk.send(2, 1_000 * (n + 1), seq=n)
    assert [reply.seq for reply in talk.heard(DAY)] == [0]


def test_a_delayed_commit_arrives_too_late_and_is_refused() -> None:
    talk = Talk("delay-request@0:type=commit,by=2min")
    talk.dose(100)
    assert [reply.type for reply in talk.heard(2 * MIN)] == [0x81, 0x83]
    (reply,) = talk.heard(3 * MIN)
    assert reply.nak == 5
    assert talk.world.truth.delivered_nl() == 0


def test_a_delayed_reply_arrives_later() -> None:
    talk = Talk("delay-reply@0:by=700ms")
    talk.send(2, 1_000)
    assert talk.heard(1_739) == []
    assert [reply.status.tick_ms for reply in talk.heard(1_740)] == [1_020]


def test_a_duplicated_commit_is_carried_out_once() -> None:
    talk = Talk("duplicate-request@0:type=commit,by=30min")
    talk.dose(100)
    first, second = [reply for reply in talk.heard(3 * H) if reply.type == 0x84]
    assert (first.result, second.result) == ((1, 2, 0), (1, 2, 5_000))
    assert talk.world.truth.delivered_nl() == 10_000


def test_a_duplicated_reply_arrives_twice() -> None:
    talk = Talk("duplicate-reply@0")
    talk.send(2, 1_000)
    first, second = talk.heard(1_040)
    assert first == second


def test_an_overtaken_commit_arrives_after_the_stop_and_is_refused() -> None:
    talk = Talk("reorder@0:type=commit")
    talk.dose(100)
    talk.send(5, 5_000)
    assert [reply.type for reply in talk.heard(6_000)] == [0x81, 0x83, 0x85, 0xFF]
    assert talk.what(1) == (7, 0)


def test_an_overtaken_request_that_nothing_follows_never_arrives() -> None:
    talk = Talk("reorder@0")
    talk.send(2, 1_000)
    assert talk.heard(DAY) == []


@pytest.mark.parametrize("end", ["request", "reply"])
@pytest.mark.parametrize("how", ["corrupt-{}@0", "corrupt-{}@0:byte=30,mask=128", "truncate-{}@0"])
def test_damaged_bytes_are_not_taken_for_a_frame(end: str, how: str) -> None:
    talk = Talk(how.format(end))
    talk.send(2, 1_000)
    talk.wire.advance(2_000)
    data = talk.wire.take()
    if end == "request":
        assert data == b""
    else:
        assert len(data) == (10 if "truncate" in how else 68)
        with pytest.raises((AssertionError, struct.error)):
            replies(data)


def test_damage_under_a_repaired_crc_is_seen_by_the_read_back() -> None:
    talk = Talk("corrupt-request@0:type=propose,byte=45,mask=1,crc=repair")
    talk.send(1, 100)
    talk.propose(1, 1_000, (0, 10_000, H))
    reply = talk.heard(2_000)[-1]
    assert reply.type == 0x83
    assert reply.payload[8:] != struct.pack(">I", zlib.crc32(step_list((0, 10_000, H))))


def test_a_cut_frame_does_not_swallow_the_next_one() -> None:
    talk = Talk("truncate-request@0:keep=9")
    talk.send(2, 1_000, seq=1)
    talk.send(2, 2_000, seq=2)
    assert [reply.seq for reply in talk.heard(3_000)] == [2]


def test_an_older_reply_can_arrive_instead() -> None:
    talk = Talk("replay-reply@3s:back=2")
    for seq in (1, 2, 3):
        talk.send(2, 1_000 * seq, seq=seq)
    assert [reply.seq for reply in talk.heard(9_000)] == [1, 2, 1]
    assert [reply.seq for reply in _heard_with_too_few()] == []


def _heard_with_too_few() -> list[Reply]:
    talk = Talk("replay-reply@0")
    talk.send(2, 1_000)
    return talk.heard(2_000)


def test_nothing_can_be_sent_in_the_past() -> None:
    talk = Talk()
    talk.wire.advance(1_000)
    with pytest.raises(ValueError, match="nothing can be sent at 999 ms"):
        talk.wire.send(request(2), 999)


def test_silence_takes_what_is_sent_or_arrives_in_it_both_ways() -> None:
    talk = Talk("silence@1s:for=1s")
    talk.send(2, 975, seq=1)  # arrives at 995, its reply would at 1015
    talk.send(2, 985, seq=2)  # would arrive at 1005
    talk.send(2, 1_500, seq=3)
    talk.send(2, 1_990, seq=4)
    talk.send(2, 2_000, seq=5)
    assert [reply.seq for reply in talk.heard(DAY)] == [5]
    assert talk.world.implant.tick == 3  # power-up, 1 and 5


def test_garbage_reaches_the_end_that_it_was_made_for() -> None:
    talk = Talk("garbage@1s:hex=7e0040,times=3", "garbage@2s:to=pump,hex=7e")
    talk.wire.advance(999)
    assert talk.wire.take() == b""
    talk.wire.advance(1_000)
    assert talk.wire.take() == bytes.fromhex("7e0040") * 3
    talk.send(2, 1_990)
    assert len(talk.heard(3_000)) == 1


def test_a_fault_may_be_armed_while_the_wire_runs() -> None:
    talk = Talk()
    talk.send(2, 1_000)
    assert len(talk.heard(2_000)) == 1
    talk.wire.inject(Fault("lose-request", 0))
    talk.wire.inject(Fault("garbage", 0))
    talk.send(2, 2_000)
    talk.wire.advance(3_000)
    assert talk.wire.take() == bytes.fromhex("7e0010ff00")


def test_two_faults_on_one_message_both_happen() -> None:
    talk = Talk("duplicate-reply@0", "delay-reply@0:by=1s")
    talk.send(2, 1_000)
    assert talk.heard(1_040) == []
    assert len(talk.heard(2_040)) == 2


def test_looking_at_the_wire_changes_nothing() -> None:
    def last(looks: bool) -> bytes:
        talk = Talk("delay-reply@0")
        for at in range(1_000, 5_000, 500):
            talk.send(2, at)
            if looks:
                talk.wire.next_event_ms()
                talk.wire.advance(at + 333)
        talk.wire.advance(DAY)
        return talk.wire.take()

    assert last(looks=True) == last(looks=False)


def test_the_wire_is_made_for_one_firmware_and_its_world() -> None:
    world = World(setup())
    wire = FaultyWire(world.firmware, world)
    wire.advance(10)
    assert world.now_ms == 10
