"""Whatever is sent to a New Era pump: it never breaks, never gives more than it was told, and knows no ticks."""

from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.sim.new_era_host import UL, Bench, safe

WORDS = """
    RUN RUN RUN2 STP STP PUR 0 DIS CLDINF CLDWDR RAT60MH RAT6 RAT500MM RAT0 VOL0.1 VOL1 VOL0 VOLUL VOLML
    DIRINF DIRWDR DIRREV DIRSTK DIA14.43 DIA4.699 PHN1 PHN2 PHN3 FUNRAT FUNSTP FUNLOP2 FUNLPS FUNLPE
    FUNPAS1 FUNPAS0 FUNJMP1 FUNINC FUNDEC FUNFIL FUNEVN2 FUNCLD FUNTRGFT FUNPRI RUNE SAF0 SAF2 PF1 *RESET
    *ADR1 *ADR0 TRGFT XYZ RAT1*0RAT2
"""
COMMANDS = WORDS.split()
PLAIN = "STP RUN RAT60 RAT6 RAT1 DIS 0 XYZ VOL1 DIRREV DIA10 CLDINF RUN1 stall free"
ACTS = ["power", "pin2", "pin4", "stall", "free", "off", "wild", "go on"]
STEPS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(COMMANDS), st.sampled_from(ACTS)), st.booleans(), st.integers(0, 40_000)
    ),
    max_size=25,
)


def act(bench: Bench, what: str, framed: bool) -> bytes:
    firmware, now = bench.firmware, bench.now
    match what:
        case "power":
            firmware.power_up(now)
        case "off":
            firmware.power_off(now)
        case "pin2" | "pin4":
            firmware.set_input(now, int(what[3]), int(framed))
        case "stall":
            bench.mechanism.block(now, silent=framed)
        case "free":
            bench.mechanism.free(now)
        case "wild":
            firmware.run_unasked(now, 1_000_000) if not firmware.off else None
        case "go on":
            firmware.reset_and_go_on(now)
        case _:
            return bench.raw(safe(what) if framed else what.encode() + b"\r")
    firmware.elapse(now)
    return b""


def play(steps: list[tuple[str, bool, int]], pieces: list[int]) -> tuple[object, ...]:
    bench = Bench().infusion()
    said = []
    for what, framed, wait in steps:
        said.append(act(bench, what, framed))
        goal = bench.now + wait
        for piece in pieces:
            bench.to(min(goal, bench.now + piece)).firmware.elapse(bench.now)
        bench.to(goal)
    curve = bench.mechanism.curve
    truth = list(zip(curve.times, curve.volumes, strict=True))
    return said, bench.firmware.take_pushed(), bench.mechanism.flow(bench.now), truth


@given(STEPS, st.lists(st.integers(0, 9_000), max_size=4))
@example(
    [("STP", False, 0), ("RUN", False, 7), ("stall", False, 9_000), ("0", True, 1), ("RUN", False, 0)],
    [1, 1, 1],
)
def test_any_commands_get_an_answer_and_time_in_pieces_gives_the_same(
    steps: list[tuple[str, bool, int]], pieces: list[int]
) -> None:
    assert play(steps, pieces) == play(steps, [])


@given(st.lists(st.tuples(st.binary(max_size=12), st.integers(0, 900)), max_size=30))
def test_any_bytes_never_raise_and_never_start_the_pump_without_run(pieces: list[tuple[bytes, int]]) -> None:
    bench = Bench().infusion()
    for data, wait in pieces:
        bench.raw(data)
        bench.wait(wait)
    started = any(word in b"".join(data for data, _ in pieces).upper() for word in (b"R", b"P"))
    assert started or bench.out_pl() == 0


@given(
    st.lists(st.tuples(st.sampled_from(PLAIN.split()), st.booleans(), st.integers(0, 40_000)), max_size=20)
)
def test_a_started_run_never_gives_more_than_its_volume_until_it_is_started_anew(
    steps: list[tuple[str, bool, int]],
) -> None:
    bench = Bench().infusion(rate="60MH")
    runs = 0
    for what, framed, wait in [("RUN", False, 0), *steps]:
        before = bench.firmware.program.state.value
        act(bench, what, framed)
        if what.startswith("RUN") and bench.firmware.program.state.value == "I":
            runs += before == "S" or (before == "P" and what == "RUN1")
        bench.wait(wait)
        volumes = [500, 1_000] if any(step[0] == "VOL1" for step in steps) else [500]
        assert bench.out_pl() <= runs * max(volumes) * UL
