"""Lookout: keeps an eye on an independent sensor, and a hand on what takes the pump's power away.

Layer      safety; behind the guard, which hands it the word. Only there if a sensor or a power cut is.
Hazard     F-22, F-29 to F-31: flow that no command of the pump's own wire sees or ends; a pump that says that it has
           stopped (F-30); a sensor that stops a therapy by itself (docs/adr/0012).
Invariant  what a sensor proves beyond all that was permitted is in the ledger before anything else is given, and
           after any restart; a cut is sent before it is written; without a sensor nobody looks.
Tests      tests/safety/test_lookout.py, tests/safety/test_lookout_edges.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from pump_ctrl.clock import Clock
from pump_ctrl.drivers.base import Outflow, PowerCut, Switched, Unknown, VolumeSensor
from pump_ctrl.safety.curve import FAR
from pump_ctrl.safety.known import Known
from pump_ctrl.safety.witness import NO_EXTRA, Extra, Mark, Sight, Verdict, Witness

NEVER: Final = 1 << 62
SHOWN: Final = 300  # characters of a detail


@dataclass(frozen=True, slots=True)
class Second:
    """A second witness and a second stop, each on a wire of its own; either may be missing."""

    sight: Sight
    sensor: VolumeSensor | None = None
    power_cut: PowerCut | None = None


class Seen(NamedTuple):
    """What the sensor saw against what was commanded, over the longest span that is compared.

    ``age_ms``: how old the last reading is. Volumes nL, least and most.
    """

    age_ms: int
    span_ms: int
    seen_nl: tuple[int, int]
    commanded_nl: tuple[int, int]


class Lookout:
    """One process's view through the second witness.

    Attributes:
        due_ms: boot time of the next look; far away without a sensor.
        power_is_cut: the relay was told, and the pump nothing since.

    Args:
        known: what is written and known.
        clock: boot time.
        second: sensor, power cut and bounds.
        slack_nl: what the pump may be off by its steps, nL; asked for when the first reading is there.
    """

    def __init__(self, known: Known, clock: Clock, second: Second, slack_nl: Callable[[], int]) -> None:
        self._known, self._clock, self._slack_nl = known, clock, slack_nl
        self._sensor, self._power_cut, self._sight = second.sensor, second.power_cut, second.sight
        self.due_ms = 0 if second.sensor is not None else NEVER
        self.power_is_cut = False
        self._witness: Witness | None = None
        self._timed = False  # the witness knows what earlier lives saw, and when
        self._read_at = 0  # boot time of the last reading
        self._doubted: Mark | None = None  # it surprised, and has to be seen again before anything is done
        self._ledger = _Ledger(known)

    @property
    def has_sensor(self) -> bool:
        """Whether there is anything to look at."""
        return self._sensor is not None

    @property
    def has_power_cut(self) -> bool:
        """Whether there is a second stop."""
        return self._power_cut is not None

    @property
    def seen(self) -> Seen | None:
        """What the sensor says so far; None before its first reading."""
        witness, ledger = self._witness, self._ledger
        older, last = (None, None) if witness is None else (witness.oldest, witness.last)
        if witness is None or older is None or last is None:
            return None
        least = max(ledger.surely_nl(older.at, last.since), ledger.low_nl - older.most_nl)
        commanded = (least, ledger.flowed_nl(older.since, last.at))
        age = self._clock.boot_ms() - self._read_at
        return Seen(age, last.at - older.since, witness.bounds(older, last), commanded)

    # Looking.

    def look(self, ask_pump: Callable[[], object]) -> None:
        """Read the sensor; what has to be done about it is in the guard's actions.

        What surprises has to be seen again a little later, by another reading: somebody may lean on a balance, and
        its line has no check sum. The pump is asked at once: what its own counter shows is counted first, and once.
        """
        if self._sensor is None:
            return
        self.due_ms = self._clock.boot_ms() + self._sight.poll_ms
        witness, mark = self._watching(self._sensor), self._read(self._sensor)
        if isinstance(mark, Unknown):
            self._known.actions += witness.unread(mark.detail)
            return
        doubted, verdict = self._doubted, witness.judge(mark, self._ledger)
        if verdict.surprises and doubted is None:
            self._doubted, self.due_ms = mark, self._clock.boot_ms() + self._sight.confirm_ms
            ask_pump()
            return
        self._doubted = None
        self._write(mark, verdict)
        self._known.actions += [*witness.take(mark, verdict), *witness.taken_back(doubted, mark)]

    def _read(self, sensor: VolumeSensor) -> Mark | Unknown:
        since = self._known.now()
        outflow = sensor.read()
        if not isinstance(outflow, Outflow):
            return outflow
        self._read_at = self._clock.boot_ms()
        now = self._known.now()
        return Mark(since, now, outflow.nl, outflow.origin, self._known.state.history.most_nl(now))

    def _watching(self, sensor: VolumeSensor) -> Witness:
        """The witness; once elapsed time is known, with what earlier lives wrote down of the same."""
        known = self._known
        if self._witness is None or (known.elapsed_known and not self._timed):
            self._timed = known.elapsed_known
            self._witness = Witness(self._sight, sensor.errors, self._slack_nl())
            for mark in known.state.sightings if self._timed else ():
                self._witness.note(mark)
            if known.state.at_rest or known.state.board.holds("stop-unknown"):
                self._witness.stopped(known.now())
        return self._witness

    def _write(self, mark: Mark, verdict: Verdict) -> None:
        """Write a reading down now and then, and each that proves something."""
        noted = self._known.state.sightings
        fresh = bool(noted) and self._timed and mark.at - noted[-1].at < self._sight.note_ms
        if fresh and not verdict.surprises:
            return
        extra = verdict.extra if verdict.extra.nl > 0 else NO_EXTRA
        self._known.write("seen", self._record(mark, extra, anew=bool(verdict.strange)))

    def _record(self, mark: Mark, extra: Extra, *, anew: bool) -> dict[str, int | str | bool]:
        boot_ms = self._known.state.boot_ms
        proves = {"extra": extra.nl, "extra_from": boot_ms(extra.since)} if extra.nl else {"extra": 0}
        return {
            "nl": mark.nl,
            "origin": mark.origin,
            "most": mark.most_nl,
            "since": boot_ms(mark.since),
            "until": boot_ms(mark.at),
            "run": self._known.in_run,
            "anew": anew,
            **proves,
        }

    # The pump was told something.

    def told(self) -> None:
        """The pump is told to give something: it may flow again."""
        self.power_is_cut = False
        if self._witness is not None:
            self._witness.told()

    def stopped(self) -> None:
        """A STOP was sent, whatever came of it: from now on nothing has to flow."""
        if self._witness is not None:
            self._witness.stopped(self._known.now())

    # The second stop.

    @property
    def may_cut(self) -> bool:
        """Whether there is a power cut that has not been told yet."""
        return self._power_cut is not None and not self.power_is_cut

    def cut(self, why: str) -> None:
        """Take the pump's power away, if anything can; first sent, then written."""
        if self._power_cut is None:
            return
        outcome = self._power_cut.cut()
        self.power_is_cut = isinstance(outcome, Switched)
        detail = outcome.detail if isinstance(outcome, Unknown) else ""
        confirmed = isinstance(outcome, Switched) and outcome.confirmed
        what = "switched" if self.power_is_cut else "unknown"
        self._known.write("power-cut", {"why": why, "what": what, "confirmed": confirmed, "detail": detail})
        said = "the relay did NOT take it: " + detail if detail else "the relay was told"
        self._known.alarm("power-cut", "raised", f"{why}; {said}"[:SHOWN])
        if self.power_is_cut:
            self._known.alarm("power-cut", "gone", "")  # it stays until somebody has seen it


class _Ledger:
    """``Commanded`` from what is known; where time is not known, everything under way may have flowed."""

    def __init__(self, known: Known) -> None:
        self._known, self._state = known, known.state

    @property
    def content_nl(self) -> int:
        return self._state.fill[0] if self._state.limits is not None else NEVER

    @property
    def primed_until(self) -> int:
        return self._state.primed_until

    @property
    def low_nl(self) -> int:
        return self._state.history.low_nl

    def flowed_nl(self, start: int, end: int) -> int:
        return self._state.history.flowed_nl(start, end if self._known.elapsed_known else FAR)

    def surely_nl(self, start: int, end: int) -> int:
        if self._state.unsettled or not self._known.elapsed_known:
            return 0
        return self._state.history.surely_nl(start, end)
