"""D-18's table as data: what a start does, by what the journal and the pump say, and how it is brought about.

The expected actions are read from docs/safety/dose-path.md, D-12 to D-15, not from the code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pump_ctrl.assembly import settings_of
from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import Permit, PumpDriver, Step, StepKind
from pump_ctrl.drivers.registry import driver_factory
from pump_ctrl.errors import LinkError
from pump_ctrl.journal import Record
from sim.faults import Fault
from tests.crash.bench import PERSON, Bench
from tests.driver_stacks import KINDS, PUMPS, Kind
from tests.spies import Killed
from tests.unit.live_life import Cable
from tests.whole_stack import HOUR, MINUTE

SLOT: Final = 30 * MINUTE
FORGOTTEN_MS: Final = 62_000  # by then an implant listens to another controller
SILENT_MS: Final = 10 * MINUTE
Bring = Callable[[Bench], object]

# What the journal says last. Each leaves a controller that is dead.


def _settled(at: int) -> Bring:
    def bring(bench: Bench) -> None:
        bench.begin()
        bench.wait(at)
        bench.die()

    return bring


def _unsettled(when: str, kind: str) -> Bring:
    """Killed over the deliver of the bolus, just before or after a record of that kind."""

    def bring(bench: Bench) -> None:
        bench.begin()
        bench.wait_until(SLOT - 1)
        write = bench.journal.append

        def append(name: str, data: Mapping[str, Any]) -> Record:
            if (when, name) == ("before", kind):
                raise Killed(name)
            record = write(name, data)
            if (when, name) == ("after", kind):
                raise Killed(name)
            return record

        setattr(bench.journal, "append", append)  # noqa: B010 - in place of the method
        with suppress(Killed):
            bench.wait(MINUTE)
            raise AssertionError("it did not die")
        bench.die()

    return bring


def _priming(bench: Bench) -> None:
    bench.begin()
    bench.wait(20 * MINUTE)
    bench.ask("refill", by=PERSON, new_path=True)
    bench.ask("prime")
    bench.wait(10_000)
    assert bench.controller.state is State.PRIMING
    bench.die()


def _holding(bench: Bench) -> None:
    """A life before this one left a hold (Ctrl-C); where the plan says to stop, a stopped pump."""
    bench.begin()
    bench.wait(10 * MINUTE)
    bench.end()


JOURNAL: Final[Mapping[str, Bring]] = {
    "a basal, acknowledged": _settled(10 * MINUTE),
    "a bolus, acknowledged": _settled(SLOT + 5 * MINUTE),
    "a prime, acknowledged": _priming,
    "the end of a life (Ctrl-C)": _holding,
    "an intent that was not sent": _unsettled("after", "intent"),
    "an intent that was sent": _unsettled("before", "outcome"),
}

# What the pump does by then.


def _driver(bench: Bench) -> PumpDriver:
    """Somebody else at the pump."""
    bench.wait(FORGOTTEN_MS)
    link = Cable(bench.wire, bench.clock)
    settings = settings_of(bench.profile, bench.prescription)
    driver = driver_factory(bench.profile.protocol)(link, 99, settings=settings, stop_requested=lambda: False)
    driver.identify()
    return driver


def _something_else(bench: Bench) -> None:
    steps = (Step(StepKind.BASAL, 6_000, HOUR),)
    _driver(bench).deliver(Permit(0x7777, steps, bench.clock.boot_ms() + MINUTE))
    bench.wait(MINUTE)


def _stands_still(bench: Bench) -> None:
    _driver(bench).stop()
    bench.wait(FORGOTTEN_MS)


def _silent(bench: Bench) -> None:
    bench.wait(FORGOTTEN_MS)
    at = bench.clock.true_ms
    bench.wire.inject(Fault.parse(f"silence@{at}ms:for={SILENT_MS}ms"))


def _rebooted(bench: Bench) -> None:
    bench.wait(FORGOTTEN_MS)
    bench.fault("power-loss")
    bench.wait(5_000)


RUNS: Final = "runs what it was told"
PUMP: Final[Mapping[str, Bring]] = {
    RUNS: lambda bench: bench.wait(FORGOTTEN_MS),
    "runs something else": _something_else,
    "stands still": _stands_still,
    "lost its power": _rebooted,
    "is silent": _silent,
}
TIMES: Final = ("known", "unknown")

PRIMES: Final = ("a prime, acknowledged",)

# What the start does.
STOP, HOLD, ALONE, REFUSED = "STOP", "STOP, hold", "left alone", "exit 4"


@dataclass(frozen=True)
class Combination:
    """One row of the table, on one pump under one policy."""

    kind: Kind
    journal: str
    pump: str
    time: str

    @property
    def flavour(self) -> str:
        return "prime" if self.journal in PRIMES else ""


def start(combination: Combination, bench: Bench) -> str:
    """Bring it about, start, and say what the start did."""
    JOURNAL[combination.journal](bench)
    PUMP[combination.pump](bench)
    if combination.time == "unknown":
        bench.clock.reboot()
    try:
        bench.start()
    except LinkError as error:
        return f"exit {error.exit_code}"
    bench.wait(5_000)
    fresh = _since_start(bench)
    if any(record.kind == "intent" and record.data["purpose"] == "hold" for record in fresh):
        return HOLD
    return STOP if any(record.kind == "stop" for record in fresh) else ALONE


def _since_start(bench: Bench) -> list[Record]:
    records = list(bench.journal.records())
    last = max(
        at for at, each in enumerate(records) if each.kind == "alarm" and each.data["code"] == "waiting"
    )
    return records[last:]


# ---- what the rules ask for ----

IMPLANT, NEW_ERA, HARVARD = PUMPS
ELSE: Final = ("runs something else", "stands still", "lost its power")
UNSENT, SENT, ENDED = "an intent that was not sent", "an intent that was sent", "the end of a life (Ctrl-C)"

# Under ``stop``: STOP first, whatever is found (D-13). Under ``hold``, time known: what is proven to run is left alone
# (D-13), a prime never (D-12); anything else is stopped, and held. An intent that was not sent is proven to be none by
# a STOP only (D-15).
HELD: Final[Mapping[str, str]] = {
    "a basal, acknowledged": ALONE,
    "a bolus, acknowledged": ALONE,
    "a prime, acknowledged": HOLD,
    ENDED: ALONE,
    UNSENT: HOLD,
    SENT: ALONE,
}
# Where a pump or the time cannot tell: (pump, journal, what the pump does, time) -> action.
UNTOLD: Final[Mapping[tuple[str, str, str, str], str]] = {
    # A New Era pump cannot show what it runs: by model, counter and prompt, and these need the time (D-13); not at all
    # what nobody heard it take (D-15).
    (NEW_ERA, "a basal, acknowledged", RUNS, "unknown"): HOLD,
    (NEW_ERA, "a bolus, acknowledged", RUNS, "unknown"): HOLD,
    (NEW_ERA, SENT, RUNS, "known"): HOLD,
    (NEW_ERA, SENT, RUNS, "unknown"): HOLD,
    # A Harvard pump shows whose command it holds: one that this journal does not know gets nothing but STOP (F-19).
    **{(HARVARD, journal, ELSE[0], time): STOP for journal in JOURNAL for time in TIMES},
    # Where nobody knows how long it lasted, all holds together have one volume (D-14), and the one that was left at the
    # end has it. An implant's tick tells the time, unless it lost its power.
    **{(NEW_ERA, ENDED, pump, "unknown"): STOP for pump in (RUNS, *ELSE)},
    **{(HARVARD, ENDED, pump, "unknown"): STOP for pump in ELSE},
    (IMPLANT, ENDED, "lost its power", "unknown"): STOP,
}


def asked_for(combination: Combination) -> str:
    """What docs/safety/dose-path.md asks for."""
    if combination.pump == "is silent":
        return REFUSED
    if combination.kind.on_loss == "stop":
        return STOP
    known = HELD[combination.journal] if combination.pump == RUNS else HOLD
    return UNTOLD.get(key(combination), known)


def key(combination: Combination) -> tuple[str, str, str, str]:
    return combination.kind.pump, combination.journal, combination.pump, combination.time


COMBINATIONS: Final = tuple(
    Combination(kind, journal, pump, time)
    for kind in KINDS
    for journal in JOURNAL
    for pump in PUMP
    for time in TIMES
)
