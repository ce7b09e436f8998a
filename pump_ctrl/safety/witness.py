"""Compares what an independent sensor saw leave the line with what the guard knows to have been commanded.

Layer      safety, pure, integers only: readings and ``now`` come in, actions go out; the lookout carries them out.
Hazard     a pump that gives more or less than it counts, and tells nobody (R-13, R-19, F-22, F-26, F-29 to F-32).
Invariant  a healthy pump, anywhere within its declared accuracy, with a sensor within its declared errors, is
           never taken for another; a reading that is missing or makes no sense stops nobody.
Tests      tests/safety/test_witness.py

The arithmetic. Between two readings the sensor's rise is ``d``. With its resolution q (each reading), accuracy a,
creep c and loss l over the time t between them, the volume V that truly left is within::

    d - 2q - a|d| - ct  <=  V  <=  d + 2q + a|d| + lt

A healthy pump of accuracy [A, B] that can have been commanded up to ``most``, and must have been ``least``, gives::

    A least - backlash - slack  <=  V  <=  B most + stored + slack

``most`` is the ledger's curve over a span that is ``early`` longer at both ends, ``least`` what the present command
makes sure over one that is shorter, or what the pump's counter shows, whichever is more; the slack is two steps of
the pump and what it may be ahead. Over: the sensor's lower end is above the pump's upper one. Under: its upper end
is below the pump's lower one. So neither is ever said of a healthy pump, whatever the window.
How soon it is said of a sick one follows: flow Q beyond the B-fold of the command r shows in a window t as soon as
``(Q - c) t > 2q + stored + slack``. With q 1 uL, stored 2 uL, steps of 0.1 uL and c 0.1 uL/h: at once for free flow of
20 mL/h (333 uL a minute), within the shortest window (5 min, compared over 2.5 to 5) down to about 100 uL/h, within
the day's window for plan H (16.7 uL/h, gain 1.20 against 1.145, a 1 %): 0.6 uL/h, 7 h.

Each window has two marks, the older half a window to a window old: the span that is compared begins there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from pump_ctrl.drivers.base import SensorErrors
from pump_ctrl.safety.ask import readable
from pump_ctrl.safety.watchdog import Action, Remedy

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
PPM: Final = 1_000_000
WINDOWS_MS: Final = (5 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 22 * HOUR_MS)
ASIDE_MS: Final = HOUR_MS  # a vessel that is put back within it is the same one
MEMORY_MS: Final = 24 * HOUR_MS  # the ledger's curves reach back so far, and no span may


@dataclass(frozen=True, slots=True)
class Sight:
    """Bounds of data/timing.toml and of the pump's profile. Times ms, volumes nL, accuracies thousandths.

    Attributes:
        poll_ms: a reading so often.
        silent_polls: so many questions without an answer are an alarm.
        confirm_ms: what surprises is read again after so long.
        note_ms: a reading is written down so often.
        early_ms: a healthy pump may be so early or late against its command.
        settle_ms: so long after a STOP a line may still let go of what it holds.
        quiet_ms: no flow for so long after a STOP is taken for proof.
        under_ms: windows from this length on also look for too little flow.
        stored_nl: what a healthy line may hold back, and let go of later.
        backlash_nl: what pump and line may take up before anything leaves them.
        low_per_mille, high_per_mille: least and most that a healthy pump gives of what it counts.
    """

    poll_ms: int = MINUTE_MS
    silent_polls: int = 3
    confirm_ms: int = 20_000
    note_ms: int = HOUR_MS
    early_ms: int = 5_000
    settle_ms: int = 30_000
    quiet_ms: int = HOUR_MS
    under_ms: int = 4 * HOUR_MS
    stored_nl: int = 2_000
    backlash_nl: int = 20_000
    low_per_mille: int = 855
    high_per_mille: int = 1_145


class Mark(NamedTuple):
    """A reading, taken somewhere between two instants of guard time; ``origin`` as the sensor's.

    ``most_nl``: the most that had left the pump by then since the journal began.
    """

    since: int
    at: int
    nl: int
    origin: str
    most_nl: int

    def older(self, by: int, doubt: int) -> Mark:
        """The same, taken ``by`` ms earlier, or up to ``doubt`` less."""
        return self._replace(since=self.since - by, at=self.at - by + doubt)


class Commanded(Protocol):
    """What the guard knows to have been commanded; volumes nL."""

    @property
    def content_nl(self) -> int:
        """The most that the reservoir held when it was filled: no more can leave."""

    @property
    def primed_until(self) -> int:
        """A prime fills a path that may be empty until then: what leaves the pump need not leave the line."""

    @property
    def low_nl(self) -> int:
        """Least that has left the pump since the journal began, by its counter."""

    def flowed_nl(self, start: int, end: int) -> int:
        """Most that can have flowed between two instants."""

    def surely_nl(self, start: int, end: int) -> int:
        """Least that must have, of what runs since the last command."""


class Extra(NamedTuple):
    """Volume that the sensor proves beyond all that was permitted: between two instants, nL."""

    since: int
    at: int
    nl: int


NO_EXTRA: Final = Extra(0, 0, 0)


class Verdict(NamedTuple):
    """What a reading says. ``strange``: why it cannot be compared with those before; else empty."""

    strange: str = ""
    over: str = ""  # more than a healthy pump can have given
    goes_on: str = ""  # flow since a STOP
    under: str = ""  # less than one must have
    flows: bool = False  # as much as one must have, and that is enough to tell
    extra: Extra = NO_EXTRA
    back: bool = False  # after something strange it shows what it did before, or less

    @property
    def surprises(self) -> bool:
        """Whether it has to be seen twice before anything is done."""
        return bool(self.strange or self.over or self.goes_on)


@dataclass(slots=True)
class _Base:
    """What a reading is compared with: the last one, and those that the spans begin with."""

    last: Mark
    spans: list[_Span]


class _Span:
    """Two marks, so that the older is between half a window and a window old."""

    __slots__ = ("length_ms", "newer", "older")

    def __init__(self, length_ms: int, first: Mark) -> None:
        self.length_ms, self.older, self.newer = length_ms, first, first

    def take(self, mark: Mark) -> None:
        gap = mark.at - self.newer.at
        if gap >= self.length_ms:
            self.older = self.newer = mark
        elif gap >= self.length_ms // 2:
            self.older, self.newer = self.newer, mark


_ANSWERS: Final = Action("sensor", False, "")
_CALM: Final = Action("flow", False, "")
_FLOWS: Final = Action("under-flow", False, "")


class Witness:
    """One sensor's view of one pump.

    Args:
        sight: the bounds.
        errors: the sensor's.
        slack_nl: what the pump may be off by its steps, nL.
    """

    def __init__(self, sight: Sight, errors: SensorErrors, slack_nl: int) -> None:
        self._sight, self._errors, self._slack_nl = sight, errors, slack_nl
        self._base: _Base | None = None
        self._aside: _Base | None = None  # what was compared with before something strange
        self._unread = 0
        self._stopped: int | None = None  # since when nothing has to flow
        self._still: Mark | None = None  # first reading after that, or the one of the last finding
        self._pause_ms, self._quiet_until = 0, 0  # the relay is not told again at once
        self._found = False  # something was, since the pump was told anything

    @property
    def last(self) -> Mark | None:
        """The last reading that was taken in."""
        return None if self._base is None else self._base.last

    @property
    def oldest(self) -> Mark | None:
        """The reading that the longest span begins with."""
        return None if self._base is None else self._base.spans[-1].older

    def bounds(self, older: Mark, mark: Mark) -> tuple[int, int]:
        """Least and most that left the line between two readings, nL."""
        return max(0, self._least_seen(older, mark)), self._most_seen(older, mark)

    # What happens.

    def stopped(self, at: int) -> None:
        """A STOP was sent; from now on nothing has to flow. A repeated one changes nothing."""
        if self._stopped is None:
            self._stopped = at

    def told(self) -> None:
        """The pump was told something: it may flow again. What was found is counted: compare anew from then on."""
        self._stopped = self._still = None
        if self._found:
            self._base = self._aside = None
            self._pause_ms, self._quiet_until, self._found = 0, 0, False

    def unread(self, why: str) -> list[Action]:
        """The sensor was asked and did not tell. That is an alarm after a while, and never a STOP."""
        self._unread += 1
        if self._unread < self._sight.silent_polls:
            return []
        return [Action("sensor", True, f"{self._unread} readings in a row failed: {why}")]

    # A reading.

    def judge(self, mark: Mark, known: Commanded) -> Verdict:
        """What ``mark`` says, of which nothing is taken in yet."""
        if self._base is None:
            return Verdict()
        verdict, aside = self._compared(self._base, mark, known), self._aside
        if not verdict.surprises or aside is None or mark.at - aside.last.at > ASIDE_MS:
            return verdict
        before = self._compared(aside, mark, known)
        if not before.surprises:
            return before._replace(back=True)
        if verdict.over and mark.nl < aside.last.nl:  # said once: what rises further is flow
            return Verdict(
                "it rose after it had gone back, to less than before; emptied and put back", back=True
            )
        return verdict

    def _compared(self, base: _Base, mark: Mark, known: Commanded) -> Verdict:
        if strange := self._strange(base.last, mark, known.content_nl):
            return Verdict(strange)
        over, under, flows, extra = "", "", False, NO_EXTRA
        for span in base.spans:
            if mark.at - span.older.since > MEMORY_MS - 2 * self._sight.early_ms:
                continue  # a long silence: the ledger has forgotten what was commanded then
            found, beyond = self._over(span.older, mark, known) if self._still is None else ("", NO_EXTRA)
            over, extra = (found, beyond) if beyond.nl > extra.nl else (over, extra)
            if span.length_ms >= self._sight.under_ms and span.older.since >= known.primed_until:
                found, enough = self._under(span.older, mark, known)
                under, flows = under or found, flows or enough
        goes_on, beyond = self._goes_on(mark, known)
        return Verdict("", over, goes_on, under, flows, max(extra, beyond, key=lambda found: found.nl))

    def _strange(self, last: Mark, mark: Mark, content_nl: int) -> str:
        if mark.origin != last.origin:
            return f"it counts from another origin ({mark.origin}, before {last.origin})"
        rise, loses = mark.nl - last.nl, _over_time(self._errors.loss_nl_per_h, last, mark)
        if -rise > 2 * self._errors.resolution_nl + loses:
            return readable(f"it went back by {-rise} nL; touched, set to zero, or fluid flows back")
        if rise - self._blur(rise) > content_nl:
            return readable(f"it rose by {rise} nL, more than the reservoir held; touched")
        return ""

    def _blur(self, rise: int) -> int:
        """By how much the difference of two readings may be off, nL, apart from drift."""
        return 2 * self._errors.resolution_nl - (-abs(rise) * self._errors.accuracy_ppm // PPM)

    def _least_seen(self, older: Mark, mark: Mark) -> int:
        rise = mark.nl - older.nl
        return rise - self._blur(rise) - _over_time(self._errors.creep_nl_per_h, older, mark)

    def _most_seen(self, older: Mark, mark: Mark) -> int:
        rise = mark.nl - older.nl
        return rise + self._blur(rise) + _over_time(self._errors.loss_nl_per_h, older, mark)

    def _over(self, older: Mark, mark: Mark, known: Commanded) -> tuple[str, Extra]:
        early = self._sight.early_ms
        seen, most = self._least_seen(older, mark), known.flowed_nl(older.since - early, mark.at + early)
        allowed = most * self._sight.high_per_mille // 1_000 + self._sight.stored_nl + self._slack_nl
        if seen <= allowed:
            return "", NO_EXTRA
        what = f"at least {seen} nL left the line in {_lasted(older, mark)}, at most {most} nL were commanded"
        return readable(what), Extra(older.since, mark.at, seen - most)

    def _under(self, older: Mark, mark: Mark, known: Commanded) -> tuple[str, bool]:
        early = self._sight.early_ms
        running = known.surely_nl(older.at + early, mark.since - early)
        seen, least = self._most_seen(older, mark), max(running, known.low_nl - older.most_nl)
        must = least * self._sight.low_per_mille // 1_000 - self._sight.backlash_nl - self._slack_nl
        if seen >= must:
            return "", 0 < must <= self._least_seen(older, mark)
        what = (
            f"at most {seen} nL left the line in {_lasted(older, mark)}, at least {least} nL were commanded"
        )
        return readable(f"{what}; no flow, or the sensor is stuck"), False

    def _goes_on(self, mark: Mark, known: Commanded) -> tuple[str, Extra]:
        """Flow since a STOP, acknowledged or not; what of it nobody had permitted."""
        if self._still is None:
            return "", NO_EXTRA
        seen = self._least_seen(self._still, mark)
        if seen <= self._sight.stored_nl + self._slack_nl:
            return "", NO_EXTRA
        beyond = max(
            0, seen - known.flowed_nl(self._still.at, mark.at)
        )  # without what was counted up to there
        extra = Extra(self._still.at, mark.at, beyond)
        return readable(
            f"at least {seen} nL left the line in {_lasted(self._still, mark)} after a STOP"
        ), extra

    def take(self, mark: Mark, verdict: Verdict) -> list[Action]:
        """Take a reading in, with what it says."""
        self._unread = 0
        actions = [_ANSWERS]
        if verdict.strange:
            aside = None if verdict.back else self._aside or self._base
            self._begin(mark)
            self._aside = aside
            # an alarm that stays until somebody has seen it
            return [Action("sensor", True, f"{verdict.strange}; compared anew from here"), *actions]
        if verdict.back:
            self._base, self._aside = self._aside, None
        self.note(mark)
        self._found |= bool(verdict.over or verdict.goes_on)
        if verdict.over:
            actions.append(Action("flow", True, verdict.over, Remedy.STOP))
        if verdict.goes_on:
            actions.append(Action("flow", True, verdict.goes_on, self._remedy(mark.at)))
        actions += self._since_stop(mark, found=verdict.surprises)
        if verdict.under:
            actions.append(Action("under-flow", True, verdict.under))
        elif verdict.flows:
            actions.append(_FLOWS)
        return actions

    def _remedy(self, now: int) -> Remedy:
        """The power cut, again after longer and longer times: what it cannot end it need not be told each minute."""
        if now < self._quiet_until:
            return Remedy.NOTHING
        self._pause_ms = min(self._sight.quiet_ms, 2 * self._pause_ms + self._sight.poll_ms)
        self._quiet_until = now + self._pause_ms
        return Remedy.CUT

    def _since_stop(self, mark: Mark, *, found: bool) -> list[Action]:
        """Look from the first reading on that is late enough after a STOP, or from what was found and counted."""
        if self._stopped is None or mark.since < self._stopped + self._sight.settle_ms:
            return []
        if self._still is None or found:
            self._still = mark
        return [_CALM] if mark.since - self._still.at >= self._sight.quiet_ms else []

    def taken_back(self, doubted: Mark | None, mark: Mark) -> list[Action]:
        """Say so, if a reading that surprised was not seen again: it stays an alarm until somebody has seen it."""
        if doubted is None or doubted.nl - mark.nl <= 2 * self._errors.resolution_nl:
            return []
        what = f"a reading of {doubted.nl} nL was followed by {mark.nl} nL; touched, or a damaged answer"
        return [Action("sensor", True, readable(what)), _ANSWERS]

    def note(self, mark: Mark) -> None:
        """Compare from this reading on, too; also for those that an earlier life wrote down."""
        if self._base is None or mark.origin != self._base.last.origin:
            self._begin(mark)
            return
        for span in self._base.spans:
            span.take(mark)
        self._base.last = mark

    def _begin(self, mark: Mark) -> None:
        self._base = _Base(mark, [_Span(length, mark) for length in WINDOWS_MS])
        self._aside = self._still = None


def _lasted(older: Mark, mark: Mark) -> str:
    """The time between two readings, in whole seconds."""
    return f"{(mark.at - older.since) // 1_000 * 1_000} ms"


def _over_time(nl_per_h: int, older: Mark, mark: Mark) -> int:
    """A drift between two readings, nL, rounded up."""
    return -(-nl_per_h * (mark.at - older.since) // HOUR_MS)
