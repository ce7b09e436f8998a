"""How fast a served New Era pump answers on a pseudo-terminal, beside a stateless echo and a 20 ms emulator.

All are processes of their own. The client is plain pyserial (``write``, ``read_until``) and asks for the status, the
shortest question that there is. The echo waits for bytes, throws them away and writes the bytes of that status; the
emulator does so after 20 ms. Bursts on both take turns, wall time, median of the pairs' ratios, so that other work on
the machine weighs on both alike. The ratio for the leanest client (bare ``os.read``), where nearly all that is left is
the server, is printed too and not compared.

Then 50 pumps in one process are asked all at once, again and again; what counts is the median of the slowest answers.

    python -m benchmarks.served [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median
from time import perf_counter
from typing import Final

import serial

from benchmarks.setting import figures

ASK: Final = b"0\r"
ANSWER: Final = b"\x0200S\x03"
END: Final = b"\x03"
PUMPS: Final = 50
BURST: Final = 200  # exchanges
SLOW_BURST: Final = 5
ECHO: Final = f"""
import os, select, sys, time, tty
master, slave = os.openpty()
tty.setraw(slave)
print("ready", os.ttyname(slave), flush=True)
while True:
    select.select([master], [], [])
    if os.read(master, 4096):
        time.sleep(float(sys.argv[1])) if sys.argv[1] != "0" else None
        os.write(master, {ANSWER!r})
"""
Client = Callable[[], bytes]


@contextmanager
def process(*command: str, ports: int = 1) -> Iterator[list[str]]:
    """A server that prints ``ready DEVICE`` for each of its ports; the devices."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as running:
        if running.stdout is None:
            raise AssertionError("a pipe was asked for")
        try:
            yield [running.stdout.readline().removeprefix("ready ").strip() for _ in range(ports)]
        finally:
            running.terminate()


def pumps(count: int) -> Sequence[str]:
    """The command that serves so many pumps."""
    return ("-m", "sim.cli", "serve", *(word for _ in range(count) for word in ("--model", "ne-1000")))


def ordinary(port: serial.Serial) -> Client:
    """A client as people write it."""

    def ask() -> bytes:
        port.write(ASK)
        return bytes(port.read_until(END))

    return ask


def lean(port: serial.Serial) -> Client:
    """A client that does nothing but wait."""
    fd = port.fileno()

    def ask() -> bytes:
        os.write(fd, ASK)
        got = b""
        while not got.endswith(END):
            select.select([fd], [], [])
            got += os.read(fd, 100)
        return got

    return ask


def a_second(ask: Client, count: int) -> float:
    """Exchanges a second in one burst; every answer is looked at."""
    began = perf_counter()
    for _ in range(count):
        if ask() != ANSWER:
            raise AssertionError("an answer was not the status")
    return count / (perf_counter() - began)


def ratio(
    one: Client, other: Client, count: int, other_count: int, rounds: int
) -> tuple[float, float, float]:
    """Median of the ratios of both, burst by burst, and the median speeds."""
    pairs = [(a_second(one, count), a_second(other, other_count)) for _ in range(rounds)]
    return median(a / b for a, b in pairs), median(a for a, _ in pairs), median(b for _, b in pairs)


def compare(rounds: int) -> tuple[float, float]:
    """Ratios of the pump to echo and emulator, as an ordinary client sees them."""
    with ExitStack() as opened:
        devices = [
            opened.enter_context(process(*command))[0]
            for command in (("-c", ECHO, "0"), ("-c", ECHO, "0.02"), pumps(1))
        ]
        echo, slow, pump = (opened.enter_context(serial.Serial(device, timeout=5)) for device in devices)
        ordinary(pump)()  # the alarm that says that it has begun
        to_echo, fast, echoed = ratio(ordinary(pump), ordinary(echo), BURST, BURST, rounds)
        to_slow, _, slept = ratio(ordinary(pump), ordinary(slow), BURST, SLOW_BURST, rounds)
        leanest, _, _ = ratio(lean(pump), lean(echo), BURST, BURST, rounds)
        print(
            f"pump {fast:.0f}, echo {echoed:.0f}, 20 ms emulator {slept:.1f} exchanges/s; leanest client {leanest:.2f}"
        )
    return to_echo, to_slow


def fifty(rounds: int) -> list[float]:
    """Milliseconds until the last of 50 pumps that were asked at once has answered, sorted."""
    with process(*pumps(PUMPS), ports=PUMPS) as devices:
        files = {os.open(device, os.O_RDWR | os.O_NOCTTY): b"" for device in devices}
        all_at_once(files)  # the alarms
        taken = [all_at_once(files) for _ in range(rounds)]
        for fd in files:
            os.close(fd)
    return sorted(taken)


def all_at_once(files: dict[int, bytes]) -> float:
    """Ask all and wait for all; milliseconds."""
    waiting = dict.fromkeys(files, b"")
    began = perf_counter()
    for fd in files:
        os.write(fd, ASK)
    while waiting:
        for fd in select.select(list(waiting), [], [])[0]:
            waiting[fd] += os.read(fd, 100)
            if waiting[fd].endswith(END):
                del waiting[fd]
    return (perf_counter() - began) * 1_000


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.served")
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args(arguments).rounds
    kept = figures()
    to_echo, to_slow = compare(rounds)
    slowest = fifty(5 * rounds)
    failed = _report("pump to echo", to_echo, kept["least"]["served_to_echo"])
    failed |= _report("pump to 20 ms emulator", to_slow, kept["least"]["served_to_slow"])
    taken, most = median(slowest), kept["most"]["fifty_pumps_ms"]
    mark = "" if taken <= most else "   TOO SLOW"
    print(f"slowest of {PUMPS} pumps: {taken:.1f} ms (worst {slowest[-1]:.1f} ms), at most {most}{mark}")
    return int(failed or taken > most)


def _report(what: str, value: float, least: float) -> bool:
    """Print one ratio; whether it is too low."""
    print(f"{what}: {value:.2f}, at least {least}{'' if value >= least else '   TOO LOW'}")
    return value < least


if __name__ == "__main__":
    sys.exit(main())
