"""Whatever a host sends to a Harvard pump, it answers or is silent, and never gives more than its target."""

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from sim.firmware.harvard import FAMILIES, Quirks
from tests.unit.sim.harvard_host import AT_ONCE, Bench

Command = tuple[int, str]  # ms to wait, and then what is sent

WORDS = (
    "irun", "wrun", "run", "rrun", "stop", "stp", "status", "ivolume", "wvolume", "itime", "crate", "",
    "cvolume", "civolume", "cwvolume", "ctime", "ctvolume", "cttime", "ttime 1", "ttime 00:00:02",
    "tvolume 1 ul", "tvolume 100 ul", "tvolume 0.000001 ul", "tvolume 3 n", "irate max", "irate min",
    "wrate max", "irate 6 ml/min", "irate 3.3333 ul/s", "wrate 7 m/m", "irate 25.0405 n/m", "diameter 14.43",
    "poll on", "poll off", "load qs i", "load qs w", "load qs iw", "syrmanu hos 20 ml", "1irun", "0stop",
)  # fmt: skip
WAITS = (0, 1, 79, 80, 81, 99, 1_000, 1_001, 2_000, 60_000, 3_600_000)
STEPS = st.lists(st.tuples(st.sampled_from(WAITS), st.sampled_from(WORDS)), max_size=25)
QUIRKS = st.builds(
    Quirks,
    start_ms=st.sampled_from((0, 80)),
    target_counts_from=st.sampled_from(("clear", "run")),
    reached_until_run=st.booleans(),
    whole_steps=st.booleans(),
    stall_ends_by=st.sampled_from(("stop", "touch")),
    targets_exclude=st.booleans(),
    set_while_running=st.booleans(),
    load_clears_targets=st.booleans(),
    infuse_only=st.booleans(),
)
FAMILY = st.sampled_from(sorted(FAMILIES))


def play(bench: Bench, steps: list[Command]) -> list[bytes]:
    """Send commands, each after its wait, and collect everything that the pump said."""
    heard = []
    for wait, word in steps:
        bench.by(wait)
        heard += [data for _, data in bench.pushed()]
        heard.append(bench.say(word.encode("ascii") + b"\r"))
    return heard


@given(st.lists(st.binary(max_size=40), max_size=20), QUIRKS, FAMILY)
@example([b"echo on\r", b"\xff\x00\r", b"echo", b"\n\n\r\r"], Quirks(), "legato")
@example([b"irate " + b"9" * 5_000, b"\r", b"@@@:\r", b"99:\r", b"  0 \r"], Quirks(), "phd-ultra")
def test_no_bytes_raise_and_no_piece_of_them_matters(
    pieces: list[bytes], quirks: Quirks, family: str
) -> None:
    whole, single = Bench(family, quirks), Bench(family, quirks)
    data = b"".join(pieces)
    answer = whole.say(data)
    assert b"".join(single.say(data[i : i + 1]) for i in range(len(data))) == answer
    for at in (1, 1_000, 3_600_000):
        assert whole.to(at).say(b"\r") == single.to(at).say(b"\r")


@given(STEPS, QUIRKS, FAMILY)
@example([(0, "irun"), (0, "irate max"), (3_600_000, "status")], AT_ONCE, "harvard-11-elite")
def test_no_commands_raise_and_every_answer_begins_with_a_line_feed(
    steps: list[Command], quirks: Quirks, family: str
) -> None:
    bench = Bench(family, quirks)
    heard = play(bench, steps)
    assert all(data.startswith(b"\n") or data == b"" for data in heard)
    bench.to(bench.now_ms + 3_600_000)
    assert bench.out_pl <= 10 * 10**9


@given(STEPS, st.sampled_from((0, 80)), FAMILY)
@example([(0, "irate 3.3333 ul/s"), (0, "irun"), (1, "stop"), (0, "irun")] * 3, 0, "harvard-11-elite")
@example([(0, "irun"), (99, "rrun"), (1_001, "irun"), (99, "wrun"), (1_001, "irun")], 0, "legato")
@example([(0, "irun"), (60_000, "irun"), (1, "stop"), (0, "irun")], 80, "legato")
def test_a_pump_never_infuses_more_than_its_target_until_that_or_the_counter_changes(
    steps: list[Command], start_ms: int, family: str
) -> None:
    kept = [(wait, word) for wait, word in steps if not word.startswith(("c", "tv", "load", "syrm", "diam"))]
    bench = Bench(family, replace(AT_ONCE, start_ms=start_ms)).setup("tvolume 100 ul")
    for wait, word in kept:
        bench.by(wait)
        bench.say(word.encode("ascii") + b"\r")
        assert infused_pl(bench) <= 100_000_000
    bench.by(3_600_000)
    assert infused_pl(bench) <= 100_000_000
    assert bench.out_pl <= 100_000_000


def infused_pl(bench: Bench) -> int:
    """All that the motor ever pushed forwards, from the pump's own counter, which is not cleared here."""
    return bench.firmware.pump.runs.shown(bench.now_ms).counts[1]


@given(STEPS, FAMILY)
@example([(0, "irate 6 ml/min"), (0, "irun"), (60_000, ""), (0, "irun"), (2_000, "irun")], "harvard-11-elite")
def test_each_run_that_a_target_ends_gave_its_target_and_not_more_where_targets_count_from_the_run(
    steps: list[Command], family: str
) -> None:
    infusing = [(wait, word) for wait, word in steps if word in {"irun", "stop", "status", "", "irate max"}]
    bench = Bench(family, replace(AT_ONCE, target_counts_from="run")).setup("tvolume 3 ul")
    runs = 0
    for wait, word in infusing:
        bench.by(wait)
        runs += word == "irun"
        bench.say(word.encode("ascii") + b"\r")
    bench.by(3_600_000)
    assert bench.out_pl <= 3_000_000 * runs


@given(STEPS, QUIRKS, st.lists(st.integers(0, 4_000_000), max_size=6), FAMILY)
@example([(0, "irate 6 ml/min"), (0, "irun"), (1_001, "status")], AT_ONCE, [500, 1_000], "legato")
def test_time_in_pieces_is_time_in_one_piece(
    steps: list[Command], quirks: Quirks, cuts: list[int], family: str
) -> None:
    at_once = state_after(Bench(family, quirks), steps, [])
    assert state_after(Bench(family, quirks), steps, sorted(cuts)) == at_once


def state_after(bench: Bench, steps: list[Command], stops: list[int]) -> object:
    """What was heard, what is shown and what left the syringe; `stops`: times at which somebody looks."""
    heard: list[tuple[int, bytes]] = []
    for wait, word in steps:
        goal = bench.now_ms + wait
        for stop in stops:
            if bench.now_ms < stop < goal:
                bench.to(stop).firmware.elapse(stop)
                assert bench.out_pl >= 0
        bench.to(goal)
        heard += bench.pushed()
        heard.append((goal, bench.say(word.encode("ascii") + b"\r")))
    bench.by(5_000_000)
    return heard + bench.pushed(), bench.firmware.pump.runs.shown(bench.now_ms), bench.out_pl
