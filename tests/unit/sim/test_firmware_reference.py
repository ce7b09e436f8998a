"""The pump's side of the reference protocol, row by row of its page."""

import struct
import zlib
from itertools import pairwise

import pytest

from tests.unit.sim.host import DAY, MIN, Bench, H, Reply, S, frame, replies, request, step_list

IDLE, RUNNING, STALLED, USED_UP, FAILED = range(5)
UNKNOWN, PROPOSED, IN_PROGRESS, DONE, REPLACED, STOPPED, RESET, DROPPED = range(8)
VERSION, MALFORMED, STALE_EPOCH, STALE_GENERATION, LATE, BUSY, RANGE, USED, CONFLICT, NAK_FAILED = range(
    1, 11
)
BASAL = (0, 10_000, H)


@pytest.fixture
def bench() -> Bench:
    return Bench()


# 1. Frame


@pytest.mark.parametrize("kind", range(1, 7))
def test_a_request_is_answered_whole_byte_by_byte_and_with_noise_round_it(kind: int) -> None:
    payload = {
        3: struct.pack(">QIQ", 5, 1, MIN) + step_list(BASAL),
        4: struct.pack(">QIIQ", 5, zlib.crc32(step_list(BASAL)), 1, MIN),
        6: struct.pack(">Q", 5),
    }.get(kind, b"")
    answers = []
    for way in range(3):
        bench = Bench()
        bench.hello()
        if kind == 4:
            bench.propose(5, BASAL, not_after=MIN)
        data = request(kind, payload, epoch=bench.firmware.epoch)
        if way == 0:
            answer = bench.firmware.handle(data, 0)
        elif way == 1:
            answer = b"".join(bench.firmware.handle(data[i : i + 1], i) for i in range(len(data)))
        else:
            answer = bench.firmware.handle(b"\x00\xffnoise\x0d" + data + b"\x00noise", 0)
        (reply,) = replies(answer)
        assert reply.type == kind | 0x80
        answers.append((reply.type, reply.payload[:8], reply.seq))
    assert answers[0] == answers[1] == answers[2]


def test_two_frames_in_one_piece_get_two_replies_in_order(bench: Bench) -> None:
    data = request(2, seq=8) + request(1, seq=9)
    assert [(r.type, r.seq) for r in replies(bench.firmware.handle(data, 0))] == [(0x82, 8), (0x81, 9)]


@pytest.mark.parametrize("at", range(25))
def test_a_frame_with_any_byte_wrong_gets_no_reply(bench: Bench, at: int) -> None:
    data = bytearray(request(2))
    assert len(data) == 21
    if at < len(data):
        data[at] ^= 0x10
        assert bench.firmware.handle(bytes(data), 0) == b""
    else:
        assert bench.firmware.handle(bytes(data[: at - 24]), 0) == b""


@pytest.mark.parametrize("noise", [b"\x7e", b"\x7e\x7e", b"\x7e\x00\x0d", b"\x7e\x02\x01", b"\x7e\xff"])
def test_a_frame_is_found_behind_a_false_start(bench: Bench, noise: bytes) -> None:
    (reply,) = replies(bench.firmware.handle(noise + request(2), 0))
    assert reply.type == 0x82


def test_a_frame_is_found_inside_what_looked_like_a_longer_one_when_that_proves_wrong(bench: Bench) -> None:
    data = b"\x7e\x00\x20" + request(2, seq=4)
    assert bench.firmware.handle(data, 0) == b""  # still waiting for 39 bytes
    (reply,) = replies(bench.firmware.handle(bytes(20), 100))
    assert (reply.type, reply.seq) == (0x82, 4)


def test_a_body_of_14_and_of_512_bytes_is_a_frame_and_one_byte_less_or_more_is_not(bench: Bench) -> None:
    head = struct.pack(">BBIII", 1, 2, 7, 0, 1)
    for body, answers in ((head, 1), (head[:13], 0), (head + bytes(498), 1), (head + bytes(499), 0)):
        assert len(replies(bench.firmware.handle(frame(body), bench.world.now_ms))) == answers
        bench.to(bench.world.now_ms + S)


@pytest.mark.parametrize(("pause", "answers"), [(200, 1), (201, 0)])
def test_a_pause_of_more_than_200_ms_discards_the_partial_frame(
    bench: Bench, pause: int, answers: int
) -> None:
    data = request(2)
    bench.firmware.handle(data[:9], 1_000)
    assert len(replies(bench.firmware.handle(data[9:], 1_000 + pause))) == answers
    assert len(replies(bench.firmware.handle(request(2), 2_000))) == 1


def test_a_flood_is_not_held_and_the_frame_after_it_is_answered(bench: Bench) -> None:
    assert bench.firmware.handle(b"\x7e\x01\xff" * 100_000, 0) == b""
    assert len(bench.firmware._receiver._held) <= 4_096
    assert len(replies(bench.firmware.handle(request(2), 201))) == 1


# 2. Body


@pytest.mark.parametrize("kind", [1, 2, 5, 6])
def test_the_reply_repeats_owner_and_seq_and_carries_the_pumps_own_epoch(bench: Bench, kind: int) -> None:
    reply = bench.ask(kind, bytes(8) if kind == 6 else b"", owner=0xDEADBEEF, seq=0xFFFFFFFF, epoch=3)
    assert (reply.owner, reply.seq, reply.epoch) == (0xDEADBEEF, 0xFFFFFFFF, bench.firmware.epoch)
    assert reply.epoch != 0


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_refused_with_the_status(bench: Bench, version: int) -> None:
    reply = bench.ask(2, version=version)
    assert (reply.type, reply.nak, reply.status.state) == (0xFF, VERSION, IDLE)


@pytest.mark.parametrize("kind", [0, 7, 0x40, 0x7F, 0x81, 0xFF])
def test_an_unknown_type_is_malformed(bench: Bench, kind: int) -> None:
    assert bench.ask(kind).nak == MALFORMED


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [(1, (1,)), (2, (1,)), (3, (0, 20, 22, 29, 31)), (4, (0, 23, 25)), (5, (1,)), (6, (0, 7, 9))],
)
def test_a_payload_of_the_wrong_size_is_malformed(bench: Bench, kind: int, sizes: tuple[int, ...]) -> None:
    bench.hello()
    for size in sizes:
        payload = bytearray(size)
        if kind == 3 and size > 20:
            payload[20] = 1  # one step announced: 30 bytes would be right
        assert bench.ask(kind, bytes(payload), epoch=bench.firmware.epoch).nak == MALFORMED


# 3. Parts


def test_hello_gives_identity_and_status(bench: Bench) -> None:
    reply = bench.hello()
    assert len(reply.payload) == 59 + 47
    names = struct.unpack(">16s8s16s", reply.payload[:40])
    assert [name.rstrip(b"\0") for name in names] == [b"implant-40", b"1.0", b"SIM-0001"]
    assert struct.unpack(">BIIIIH", reply.payload[40:59]) == (13, 100, 1_000_000, DAY, 600_000, 64)
    assert reply.status.reservoir_nl == 40_000_000


def test_a_status_while_running_says_where_it_is(bench: Bench) -> None:
    bench.run(9, (1, 6_000, 10 * MIN), BASAL)
    status = bench.to(10 * MIN + 90 * S).status()
    assert (status.state, status.running_id, status.step_index) == (RUNNING, 9, 1)
    assert (status.step_done_nl, status.delivered_nl, status.reservoir_nl) == (200, 6_200, 39_993_800)
    assert (status.battery, status.tick_ms, status.generation) == (100, 10 * MIN + 90 * S, 1)


def test_the_tick_grows_by_one_with_every_status_sent_whatever_carries_it(bench: Bench) -> None:
    ticks = [bench.pushed[0].status.tick]
    for reply in (
        bench.hello(),
        bench.ask(2),
        bench.ask(2),
        bench.ask(9),
        bench.stop(),
        bench.ask(6, bytes(8)),
    ):
        ticks.append(reply.status.tick)
    assert all(later == earlier + 1 for earlier, later in pairwise(ticks))
    assert bench.propose(1, BASAL, generation=1).nak == STALE_GENERATION  # a NAK carries one too
    assert bench.status().tick == ticks[-1] + 2


def test_peeking_does_not_count_as_sending(bench: Bench) -> None:
    before = bench.status()
    bench.firmware.peek_status(0)
    assert bench.status().tick == before.tick + 1


# 4. PROPOSE


def test_a_proposal_is_read_back_by_the_crc_of_the_step_list_and_changes_nothing_else(bench: Bench) -> None:
    bench.run(1, BASAL)
    bench.to(30 * MIN)
    reply = bench.propose(2, (1, 300, MIN), (0, 0, H))
    crc = zlib.crc32(step_list((1, 300, MIN), (0, 0, H)))
    assert (reply.type, reply.payload) == (0x83, struct.pack(">QI", 2, crc))
    assert (bench.status().running_id, bench.outcome(2)) == (1, (2, PROPOSED, 0))
    assert bench.to(2 * H).outcome(1) == (1, DONE, 10_000)


def test_a_newer_proposal_drops_the_older(bench: Bench) -> None:
    bench.hello()
    bench.propose(1, BASAL)
    bench.propose(2, BASAL)
    assert (bench.outcome(1), bench.outcome(2)) == ((1, DROPPED, 0), (2, PROPOSED, 0))
    assert bench.commit(1, BASAL).nak == USED
    assert bench.propose(1, BASAL).nak == USED


def test_the_same_proposal_again_is_answered_again_and_other_steps_conflict(bench: Bench) -> None:
    bench.hello()
    first = bench.propose(1, BASAL)
    assert bench.propose(1, BASAL, not_after=5 * MIN).payload == first.payload
    assert bench.propose(1, (0, 10_000, H + 1)).nak == CONFLICT
    assert bench.commit(1, BASAL).result == (1, IN_PROGRESS, 0)


@pytest.mark.parametrize("epoch", [0, 1, 0xFFFFFFFF])
def test_a_proposal_or_commit_of_another_epoch_is_stale(bench: Bench, epoch: int) -> None:
    bench.hello()
    assert bench.propose(1, BASAL, epoch=epoch).nak == STALE_EPOCH
    bench.propose(1, BASAL)
    assert bench.commit(1, BASAL, epoch=epoch).nak == STALE_EPOCH


@pytest.mark.parametrize("generation", [0, 2])
def test_a_proposal_or_commit_of_another_generation_is_stale(bench: Bench, generation: int) -> None:
    bench.hello()
    assert bench.propose(1, BASAL, generation=generation).nak == STALE_GENERATION
    bench.propose(1, BASAL)
    assert bench.commit(1, BASAL, generation=generation).nak == STALE_GENERATION


def test_a_proposal_is_late_after_its_last_millisecond(bench: Bench) -> None:
    bench.hello()
    bench.to(1_000)
    assert bench.propose(1, BASAL, not_after=999).nak == LATE
    assert bench.propose(1, BASAL, not_after=1_000).type == 0x83


def test_a_last_millisecond_more_than_10_minutes_ahead_is_out_of_range(bench: Bench) -> None:
    bench.hello()
    bench.to(1_000)
    assert bench.propose(1, BASAL, not_after=601_001).nak == RANGE
    assert bench.propose(1, BASAL, not_after=601_000).type == 0x83
    assert bench.commit(1, BASAL, not_after=601_001).nak == RANGE


def test_a_commit_is_late_after_the_last_millisecond_of_the_proposal(bench: Bench) -> None:
    bench.hello()
    bench.propose(1, BASAL, not_after=1_000)
    bench.to(1_001)
    assert bench.commit(1, BASAL, not_after=1_000).nak == LATE
    assert bench.commit(1, BASAL, not_after=60_000).nak == USED
    assert bench.outcome(1) == (1, DROPPED, 0)
    bench.propose(2, BASAL, not_after=2_000)
    bench.to(2_000)
    assert bench.commit(2, BASAL, not_after=2_000).type == 0x84


def test_the_first_last_millisecond_of_a_proposal_stays() -> None:
    bench = Bench()
    bench.hello()
    bench.propose(1, BASAL, not_after=1_000)
    bench.propose(1, BASAL, not_after=5 * MIN)
    assert bench.to(1_001).commit(1, BASAL, not_after=5 * MIN).nak == USED


def test_a_proposal_held_by_a_pump_that_failed_is_refused_at_its_commit() -> None:
    bench = Bench("battery-dead@1s")
    bench.hello()
    bench.propose(1, BASAL)
    assert bench.to(S).commit(1, BASAL).nak == NAK_FAILED


def test_a_proposal_that_ran_out_is_dropped_even_before_anybody_asks(bench: Bench) -> None:
    bench.hello()
    bench.propose(1, BASAL, not_after=1_000)
    assert bench.firmware.result(1, 1_000)[0] == PROPOSED
    assert bench.firmware.result(1, 1_001)[0] == DROPPED


@pytest.mark.parametrize(
    "steps",
    [
        (),
        tuple((0, 100, H) for _ in range(14)),
        ((0, 100, H), (1, 100, H)),
        ((0, 100, H), (2, 100, H)),
        ((3, 100, H),),
        ((0, 150, H),),
        ((0, 99, H),),
        ((0, 100, 0),),
        ((0, 1_000_100, H),),
        ((0, 100, 359),),
        ((0, 100, 12 * H), (0, 100, 12 * H + 1)),
    ],
)
def test_steps_that_the_pump_cannot_make_are_out_of_range(
    bench: Bench, steps: tuple[tuple[int, int, int], ...]
) -> None:
    bench.hello()
    assert bench.propose(1, *steps).nak == RANGE
    assert bench.outcome(1) == (1, UNKNOWN, 0)


@pytest.mark.parametrize(
    "steps",
    [
        ((0, 0, 1),),
        tuple((0, 100, H) for _ in range(13)),
        ((1, 100, H), (0, 100, H)),
        ((2, 100, H),),
        ((0, 1_000_000, H),),
        ((0, 100, 360),),
        ((0, 100, 12 * H), (0, 100, 12 * H)),
    ],
)
def test_steps_at_the_edge_of_what_the_pump_can_make_are_taken(
    bench: Bench, steps: tuple[tuple[int, int, int], ...]
) -> None:
    bench.hello()
    assert bench.propose(1, *steps).type == 0x83


def test_id_0_is_out_of_range(bench: Bench) -> None:
    bench.hello()
    assert bench.propose(0, BASAL).nak == RANGE


def test_an_id_that_ran_cannot_be_proposed_again(bench: Bench) -> None:
    bench.run(1, BASAL)
    assert bench.propose(1, BASAL).nak == USED
    assert bench.to(2 * H).propose(1, BASAL).nak == USED


def test_the_refusals_come_in_the_order_of_the_page(bench: Bench) -> None:
    bench.run(1, BASAL)
    bench.to(1_000)
    wrong = {"epoch": 1, "generation": 9, "not_after": 999}
    assert bench.propose(1, (0, 99, H), **wrong).nak == STALE_EPOCH
    wrong.pop("epoch")
    assert bench.propose(1, (0, 99, H), **wrong).nak == STALE_GENERATION
    wrong.pop("generation")
    bench.owner = 8
    assert bench.propose(1, (0, 99, H), **wrong).nak == LATE
    assert bench.propose(1, (0, 99, H)).nak == BUSY
    bench.owner = 7
    assert bench.propose(1, (0, 99, H)).nak == RANGE
    assert bench.propose(1, BASAL).nak == USED


# 4. COMMIT


def test_a_commit_cuts_what_runs_and_begins_step_0(bench: Bench) -> None:
    bench.run(1, BASAL)
    bench.to(30 * MIN)
    reply = bench.run(2, (1, 600, MIN))
    assert (reply.result, reply.status.running_id, reply.status.state) == ((2, IN_PROGRESS, 0), 2, RUNNING)
    assert bench.outcome(1) == (1, REPLACED, 5_000)
    assert bench.to(31 * MIN).outcome(2) == (2, DONE, 600)
    assert bench.to(3 * H).status().delivered_nl == 5_600


def test_until_the_commit_is_accepted_the_old_steps_run_to_their_end(bench: Bench) -> None:
    bench.run(1, BASAL)
    bench.to(30 * MIN)
    bench.propose(2, (0, 0, H))
    bench.commit(2, (0, 0, H), crc=1)
    bench.commit(3, (0, 0, H))
    assert bench.to(2 * H).outcome(1) == (1, DONE, 10_000)
    assert bench.outcome(2) == (2, DROPPED, 0)


def test_a_commit_of_another_id_crc_or_generation_is_refused(bench: Bench) -> None:
    bench.hello()
    assert bench.commit(1, BASAL).nak == CONFLICT  # nothing is held
    bench.propose(1, BASAL)
    assert bench.commit(2, BASAL).nak == CONFLICT
    assert bench.commit(1, BASAL, crc=0).nak == CONFLICT
    assert bench.commit(1, BASAL, generation=2).nak == STALE_GENERATION
    assert bench.status().state == IDLE
    assert bench.commit(1, BASAL).result == (1, IN_PROGRESS, 0)


def test_a_commit_that_comes_twice_is_answered_and_carried_out_once(bench: Bench) -> None:
    bench.run(1, BASAL)
    bench.to(30 * MIN)
    again = bench.commit(1, BASAL)
    assert (again.result, again.status.step_done_nl) == ((1, IN_PROGRESS, 5_000), 5_000)
    assert bench.to(2 * H).commit(1, BASAL).result == (1, DONE, 10_000)
    assert bench.to(4 * H).status().delivered_nl == 10_000


@pytest.mark.parametrize("end", ["stop", "reset", "replaced", "late", "stranger"])
def test_a_copy_of_a_commit_is_answered_with_its_result_whatever_happened_since(
    bench: Bench, end: str
) -> None:
    bench.run(1, BASAL)
    epoch = bench.firmware.epoch
    bench.to(30 * MIN)
    if end == "stop":
        bench.stop()
    elif end == "reset":
        bench.world.power_cycle()
    elif end == "replaced":
        bench.run(2, (0, 0, H))
    elif end == "stranger":
        bench.owner = 8
    what = {"stop": STOPPED, "reset": RESET, "replaced": REPLACED}.get(end, IN_PROGRESS)
    assert bench.commit(1, BASAL, epoch=epoch, generation=1, not_after=MIN).result == (1, what, 5_000)


def test_the_steps_of_a_run_follow_each_other_and_v_0_is_a_rest(bench: Bench) -> None:
    bench.run(1, (1, 1_000, 10 * S), (0, 0, 5 * S), (0, 500, 50 * S))
    seen = [bench.to(t).status() for t in (9_999, 10_000, 14_999, 15_000, 24_999, 25_000)]
    found = [(s.step_index, s.step_done_nl, s.delivered_nl) for s in seen]
    assert found == [
        (0, 900, 900),
        (1, 0, 1_000),
        (1, 0, 1_000),
        (2, 0, 1_000),
        (2, 0, 1_000),
        (2, 100, 1_100),
    ]
    end = bench.to(65 * S).status()
    assert (end.state, end.running_id, end.step_index, end.step_done_nl, end.delivered_nl) == (
        IDLE,
        0,
        0,
        0,
        1_500,
    )


# 4. STOP


def test_stop_ends_delivery_drops_the_proposal_and_raises_the_generation(bench: Bench) -> None:
    bench.run(1, BASAL)
    bench.to(30 * MIN)
    bench.propose(2, BASAL)
    reply = bench.stop()
    assert (reply.type, reply.status.state, reply.status.generation) == (0x85, IDLE, 2)
    assert (bench.outcome(1), bench.outcome(2)) == ((1, STOPPED, 5_000), (2, DROPPED, 0))
    assert bench.to(2 * H).status().delivered_nl == 5_000


def test_a_commit_sent_before_a_stop_and_arriving_after_it_is_not_accepted(bench: Bench) -> None:
    bench.hello()
    bench.propose(1, BASAL)
    bench.stop()
    assert bench.commit(1, BASAL, generation=1).nak == STALE_GENERATION
    assert bench.commit(1, BASAL, generation=2).nak == USED
    assert bench.to(H).status().delivered_nl == 0


def test_stop_is_accepted_from_anyone_in_any_state_with_any_epoch() -> None:
    for prepare, state in (
        (lambda b: None, IDLE),
        (lambda b: b.run(1, BASAL), IDLE),
        (lambda b: b.to(20 * MIN), USED_UP),
    ):
        bench = Bench(fill_nl=1_000) if state == USED_UP else Bench()
        if state == USED_UP:
            bench.run(1, BASAL)
        prepare(bench)
        for owner, epoch in ((99, 0), (0, 0xFFFFFFFF), (7, 1)):
            generation = bench.firmware.generation
            reply = bench.stop(owner=owner, epoch=epoch)
            assert (reply.type, reply.status.state) == (0x85, state)
            assert reply.status.generation == generation + 1
    for faults, state in (("battery-dead@1s", FAILED), ("stall@1s", STALLED)):
        bench = Bench(faults)
        bench.run(1, BASAL)
        assert bench.to(H // 2).stop().status.state == state


# 4. Ownership


def test_nobody_owns_the_pump_before_a_hello(bench: Bench) -> None:
    assert bench.propose(1, BASAL).nak == BUSY
    bench.hello(owner=0)
    bench.owner = 0
    assert bench.propose(1, BASAL).nak == BUSY


def test_a_second_host_is_answered_and_may_stop_but_not_dose(bench: Bench) -> None:
    bench.run(1, BASAL)
    bench.propose(2, BASAL)
    bench.owner = 8
    assert [bench.ask(1).type, bench.ask(2).type, bench.ask(6, bytes(8)).type] == [0x81, 0x82, 0x86]
    assert (bench.propose(3, BASAL).nak, bench.commit(2, BASAL).nak) == (BUSY, BUSY)
    assert bench.stop().type == 0x85


@pytest.mark.parametrize(("pause", "answer"), [(60_000, BUSY), (60_001, None)])
def test_the_pump_takes_another_owner_after_more_than_60_s_of_silence(
    bench: Bench, pause: int, answer: int | None
) -> None:
    bench.hello()
    bench.to(5_000)
    bench.status()  # any frame of the owner counts
    bench.owner = 8
    bench.to(5_000 + pause).hello()
    assert bench.propose(1, BASAL).nak == answer


def test_a_status_of_a_new_host_does_not_make_it_the_owner(bench: Bench) -> None:
    bench.hello()
    bench.owner = 8
    bench.to(DAY).status()
    assert bench.propose(1, BASAL).nak == BUSY


def test_the_owner_stays_the_owner_after_a_long_silence_that_nobody_used(bench: Bench) -> None:
    bench.hello()
    assert bench.to(DAY).propose(1, BASAL).type == 0x83


# 4. Power-up


def test_power_up_begins_a_new_epoch_and_resumes_nothing(bench: Bench) -> None:
    bench.run(1, BASAL)
    bench.propose(2, BASAL)
    bench.stop()
    bench.run(3, BASAL)
    bench.propose(4, BASAL)
    epoch = bench.firmware.epoch
    bench.to(30 * MIN).world.power_cycle()
    (alarm,) = bench.pushes()
    status = alarm.status
    assert (alarm.type, alarm.epoch != epoch, alarm.epoch != 0) == (0xC0, True, True)
    assert (status.generation, status.tick, status.tick_ms, status.state, status.alarms) == (1, 1, 0, IDLE, 1)
    assert [bench.outcome(i)[1] for i in (1, 2, 3, 4)] == [STOPPED, DROPPED, RESET, DROPPED]
    assert (status.delivered_nl, status.reservoir_nl) == (5_000, 39_995_000)
    assert bench.to(3 * H).status().delivered_nl == 5_000
    assert bench.propose(5, BASAL).nak == BUSY


def test_an_epoch_is_never_0_and_never_the_last_one_again(
    monkeypatch: pytest.MonkeyPatch, bench: Bench
) -> None:
    last = bench.firmware.epoch
    draws = iter((0, last, last + 1))

    class Drawn:
        def digest(self) -> bytes:
            return next(draws).to_bytes(4, "big") + bytes(28)

    monkeypatch.setattr("sim.firmware.reference_terms.sha256", lambda _: Drawn())
    bench.world.power_cycle()
    assert bench.firmware.epoch == last + 1


def test_power_up_discards_a_partial_frame(bench: Bench) -> None:
    data = request(2)
    bench.firmware.handle(data[:10], 0)
    bench.world.power_cycle()
    assert bench.firmware.handle(data[10:], 0) == b""


# 4. Stall, empty; 5. alarms


def test_the_reset_alarm_is_cleared_by_the_first_accepted_commit(bench: Bench) -> None:
    assert bench.pushed[0].status.alarms == 1
    bench.hello()
    bench.propose(1, BASAL)
    bench.commit(1, BASAL, crc=1)
    assert bench.status().alarms == 1
    assert bench.commit(1, BASAL).status.alarms == 0


def test_an_alarm_is_pushed_once_with_owner_and_seq_0() -> None:
    bench = Bench("battery-low@1h")
    bench.to(H - 1)
    assert bench.pushes() == []
    (alarm,) = bench.to(2 * H).pushes()
    assert (alarm.type, alarm.owner, alarm.seq, alarm.status.alarms) == (0xC0, 0, 0, 1 | 8)
    assert alarm.epoch == bench.firmware.epoch
    assert bench.to(3 * H).pushes() == []


# 3.4 Results


def test_an_id_that_nobody_used_is_unknown(bench: Bench) -> None:
    assert bench.outcome(12345) == (12345, UNKNOWN, 0)


def test_the_last_64_ids_are_kept_oldest_forgotten_first_and_the_running_one_never(bench: Bench) -> None:
    bench.run(1, (0, 100, DAY))
    for id_ in range(2, 100):
        assert bench.propose(id_, BASAL).type == 0x83
    assert bench.outcome(1) == (1, IN_PROGRESS, 0)
    assert [bench.outcome(i)[1] for i in (2, 36, 37, 98, 99)] == [
        UNKNOWN,
        UNKNOWN,
        DROPPED,
        DROPPED,
        PROPOSED,
    ]


def test_results_are_kept_through_power_loss(bench: Bench) -> None:
    bench.run(1, (0, 100, MIN))
    bench.to(H).world.power_cycle()
    assert bench.outcome(1) == (1, DONE, 100)


# The page's bound of its own


def test_no_hour_holds_more_than_1_ml_however_often_the_host_commits() -> None:
    bench, made = Bench(), []
    for n in range(200):
        reply: Reply = bench.run(n + 1, (1, 100_000, 6 * MIN))
        made.append((bench.world.now_ms, reply.status.delivered_nl))
        bench.to(bench.world.now_ms + 37_123 + 1_000 * (n % 5))
    worst = max(b - a for t, a in made for u, b in made if t <= u <= t + H)
    assert 900_000 < worst <= 1_000_000
