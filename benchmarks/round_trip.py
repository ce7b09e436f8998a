"""A status round trip with our driver against bare pyserial: the same question and reply, on the same pty.

At its other end is a New Era pump, served by ``pump-sim serve`` in a process of its own, in Safe mode. Ours is
``read_status`` of the driver, which looks for stray bytes first, checks the reply (CRC, address, form), and accounts
for the counter; behind it is ``SerialLink`` with its deadlines. The bare client is the leanest that pyserial makes
possible: ``write`` the frame, ``read`` as many bytes as the reply is known to have, compare them. One that reads the
length byte first, as it has to where it does not know the reply, is printed too and not compared.

Bursts of all take turns, wall time; what is compared with ``figures.toml`` is the median of the ratios, burst by
burst, so that other work on the machine weighs on all alike. Exit status 1 if it is too low.

    python -m benchmarks.round_trip [--rounds N]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

import serial

from benchmarks.heartbeats import twin_plan
from benchmarks.served import process, pumps
from benchmarks.setting import figures
from pump_ctrl.assembly import prescription_of, settings_of
from pump_ctrl.clock import SystemClock
from pump_ctrl.drivers.base import Identity, PumpSettings, PumpStatus
from pump_ctrl.drivers.link import open_link
from pump_ctrl.drivers.new_era import NewEraDriver
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.profiles import load_profile

ASK: Final = b"\x02\x080DIS0F\x03"
BURST: Final = 25  # round trips: a millisecond, so that most bursts are not disturbed
Client = Callable[[], None]


def settings() -> PumpSettings:
    """As a run of the bench twin tells them to the driver."""
    plan = twin_plan()
    profile = load_profile(plan.pump)
    return settings_of(profile, prescription_of(plan, profile, load_formulary(), None))


def bare(port: serial.Serial, answer: bytes) -> Client:
    """A client that knows how long the reply is."""

    def ask() -> None:
        port.write(ASK)
        if port.read(len(answer)) != answer:
            raise AssertionError("the bare client got another reply")

    return ask


def by_length(port: serial.Serial, answer: bytes) -> Client:
    """A client that reads a Safe frame by its length byte."""

    def ask() -> None:
        port.write(ASK)
        head = port.read(2)
        if head + port.read(head[1] - 1) != answer:
            raise AssertionError("the client got another reply")

    return ask


def ours(driver: NewEraDriver) -> Client:
    """The driver."""

    def ask() -> None:
        if not isinstance(driver.read_status(), PumpStatus):
            raise AssertionError("the driver got no status")

    return ask


@contextmanager
def clients() -> Iterator[tuple[Client, Client, Client]]:
    """All three on one port of one pump that stands still: ours, bare, and by length."""
    with process(*pumps(1)) as (device,), TemporaryDirectory() as locks:
        link = open_link(device, SystemClock(), locks=Path(locks))
        driver = NewEraDriver(link, 1, settings())
        if not isinstance(met := driver.identify(), Identity):
            raise AssertionError(f"the served pump was not met: {met}")
        with serial.Serial(device, timeout=5) as port:
            port.write(ASK)
            head = port.read(2)
            answer = head + port.read(head[1] - 1)
            yield ours(driver), bare(port, answer), by_length(port, answer)
        driver.close()


def a_second(ask: Client) -> float:
    """Round trips a second in one burst."""
    began = perf_counter()
    for _ in range(BURST):
        ask()
    return BURST / (perf_counter() - began)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.round_trip")
    parser.add_argument("--rounds", type=int, default=501)
    rounds, least = parser.parse_args(arguments).rounds, figures()["least"]["driver_to_bare"]
    with clients() as asking:
        for ask in asking:
            ask()
        bursts = [[a_second(ask) for ask in asking] for _ in range(rounds)]
    names = ("our driver", "bare pyserial", "pyserial by the length byte")
    print(
        ", ".join(
            f"{name} {median(column):.0f}/s"
            for name, column in zip(names, zip(*bursts, strict=True), strict=True)
        )
    )
    ratio, by_byte = (median(burst[0] / burst[other] for burst in bursts) for other in (1, 2))
    mark = "" if ratio >= least else "   TOO LOW"
    print(
        f"driver to bare pyserial: {ratio:.2f}, at least {least}{mark}; to pyserial by the length byte: {by_byte:.2f}"
    )
    return int(ratio < least)


if __name__ == "__main__":
    sys.exit(main())
