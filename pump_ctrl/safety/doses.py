"""What one granted request may let flow: a run of basal and the doses beside it, as worst-case pieces.

Layer      safety, pure. Times in ms, volumes in zL, rates in zL/ms.
Hazard     a command that is counted where it was asked, not where it can have flowed (D-06).
Invariant  a piece covers every instant at which the pump can have worked on it, from its sending on.
Tests      tests/safety/test_doses.py, tests/safety/test_history.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pump_ctrl.drivers.base import Step, StepKind
from pump_ctrl.safety.ask import BOLUSES, Purpose
from pump_ctrl.safety.curve import FAR, FAR_PAST, ZL_PER_NL, Segment, early_ramp, late_ramp, rate_up
from pump_ctrl.safety.limits import Mix

CAPS_ONLY: Final = ""  # counts against the hard caps, in no account: prime
EVERYWHERE: Final = "*"  # counts in every account: nobody knows in which it flowed, or when
BEYOND: Final = "!"  # the same, but nobody permitted it: it explains no rise of a counter to come
BEFORE: Final = "-"  # given before the journal began: against the hard caps, and no volume of ours
PRIME_SHARE: Final = 4  # one part in four of what a prime moves counts as dose (D-12)

Key = tuple[str, Mix]  # account and fluid at the tip
Ramps = tuple[Sequence[Segment], Sequence[Segment]]  # as soon, and as late, as possible
Piece = tuple[int, int, int, Mix]  # from, to (ms after the begin), zL/ms, fluid


@dataclass(slots=True, eq=False)
class Run:
    """The basal of one permit, its steps end to end from ``sent`` on; it may begin up to ``doubt`` later.

    ``cut`` is when another command surely took over. Not ``settled``: it may run or not. ``kept`` is how long it
    surely was not taken over by anything, if it surely began at all.
    """

    id: int
    key: str
    sent: int
    doubt: int
    shape: tuple[Piece, ...]
    settled: bool = False
    cut: int = FAR
    kept: int = FAR_PAST

    @property
    def end(self) -> int:
        """When it can give no more."""
        last = self.shape[-1][1] if self.shape else 0
        return min(self.cut, self.sent + last + self.doubt)

    @property
    def volume(self) -> int:
        """All that it can give, zL."""
        total = 0
        for start, end, rate, _ in self.shape:
            total += rate * (end - start)
        return total

    def older(self, edge: int, by: int, doubt: int) -> None:
        """Move it ``by`` ms back, or up to ``doubt`` less, if it was sent up to ``edge``."""
        if self.sent <= edge:
            self.sent -= by
            self.doubt += doubt
            self.cut -= by - doubt if self.cut <= edge else 0
            self.kept -= by if self.kept <= edge else 0

    def segments(self, since: int, until: int = FAR) -> list[tuple[Mix, Segment]]:
        """Where each step can flow from ``since`` on: at every fall the old rate lasts for the doubt.

        What is settled gives nothing from ``until`` on.
        """
        sent, doubt = self.sent, self.doubt
        cut = until if self.settled and until < self.cut else self.cut
        found = []
        for start, end, rate, mix in self.shape:
            first, last = sent + start, sent + end + doubt
            first, last = first if first > since else since, last if last < cut else cut
            if first < last:
                found.append((mix, (first, last, rate)))
        return found

    def surely(self, start: int, end: int) -> int:
        """Least of it that flowed between two instants, zL: what flows whenever it began."""
        latest, end, total = self.sent + self.doubt, min(end, self.kept), 0
        for first, last, rate, _ in self.shape:
            total += rate * max(0, min(end, self.sent + last) - max(start, latest + first))
        return total


@dataclass(slots=True, eq=False)
class Dose:
    """A volume that lies somewhere in [start, end], at ``rate`` at the fastest.

    ``lasts`` is how long it takes, ``cut`` when it was surely broken off, ``stroke`` what a pump may still
    finish, ``drawn`` its ramps as they are in the curves.
    """

    id: int
    key: Key
    purpose: str
    volume: int
    rate: int
    start: int
    end: int
    lasts: int
    stroke: int
    settled: bool = False
    cut: int = FAR
    drawn: Ramps = ((), ())

    @property
    def stop(self) -> int:
        """When it can give no more."""
        cut, first = self.cut, self.start + 1  # compared by hand: it is asked ten times a command
        stop = cut if cut > first else first
        return stop if stop < self.end else self.end

    @property
    def amount(self) -> int:
        """Most that it can have given, or still give."""
        return min(self.volume, self.rate * (max(self.cut, self.start) - self.start) + self.stroke)

    @property
    def is_bolus(self) -> bool:
        """Whether lockout and overlap look at it."""
        return self.purpose in BOLUSES

    def older(self, edge: int, by: int, ends_by: int) -> None:
        """Move it ``by`` ms back, if it began up to ``edge``; its end, which unlocks, only ``ends_by``."""
        if self.start <= edge:
            self.start -= by
            self.end -= ends_by
            self.cut -= ends_by if self.cut <= edge else 0

    def surely(self, start: int, end: int) -> int:
        """Least of it that flowed between two instants, if it was carried out and not broken off, zL."""
        return self.rate * max(0, min(end, self.start + self.lasts) - max(start, self.end - self.lasts))

    def ramps(self) -> Ramps:
        """Its flow as soon, and as late, as possible.

        Its fastest flow is its rate, or more: the last stroke of what was cut is part of the time it had.
        """
        start, stop = self.start, self.stop
        amount = self.amount
        pace = max(self.rate, -(-amount // (stop - start)))
        return early_ramp(amount, pace, start), late_ramp(amount, pace, stop)


class Draft(NamedTuple):
    """A request as pieces: the basal run and the doses."""

    run: Run
    doses: tuple[Dose, ...]
    bolus_key: str


class Terms(NamedTuple):
    """What is needed to turn steps into pieces.

    ``tip`` gives the fluid that counts up to a volume (nL, from the begin of the request), unless there is
    ``only`` one.
    """

    basal_key: str
    bolus_key: str
    only: Mix
    tip: Callable[[int], Mix]
    filled: Mix
    grain_nl: int


def draft(
    steps: Sequence[Step], purpose: Purpose, terms: Terms, *, permit_id: int, sent: int, doubt: int
) -> Draft:
    """The pieces of ``steps``, sent at ``sent`` and begun at most ``doubt`` ms later."""
    shape: list[Piece] = []
    doses: list[Dose] = []
    offset = volume = 0
    basal, bolus = StepKind.BASAL, StepKind.BOLUS  # an enum's own look-up is slow
    for step in steps:
        lasts = step.duration_ms
        volume += step.volume_nl
        mix = terms.only or terms.tip(volume)
        kind = step.kind
        basal_nl = step.volume_nl if kind is basal else step.basal_nl
        if basal_nl > 0:
            shape.append((offset, offset + lasts, rate_up(basal_nl, lasts), mix))
        if (rest_nl := step.volume_nl - basal_nl) > 0:
            key = (terms.bolus_key, mix) if kind is bolus else (CAPS_ONLY, _share(terms.filled))
            doses.append(_dose(permit_id, key, purpose, rest_nl, lasts, terms.grain_nl, sent, doubt))
        offset += lasts
    return Draft(Run(permit_id, terms.basal_key, sent, doubt, tuple(shape)), tuple(doses), terms.bolus_key)


def _dose(
    permit_id: int, key: Key, purpose: str, nl: int, lasts: int, grain_nl: int, sent: int, doubt: int
) -> Dose:
    return Dose(
        permit_id,
        key,
        purpose,
        nl * ZL_PER_NL,
        rate_up(nl, lasts),
        sent,
        sent + doubt + lasts,
        lasts,
        grain_nl * ZL_PER_NL,
    )


def _share(mix: Mix) -> Mix:
    return tuple((drug, -(-pg_per_ml // PRIME_SHARE)) for drug, pg_per_ml in mix)


def block(key: Key, volume: int, start: int, end: int) -> Dose:
    """A volume that can have flowed at any speed between two instants: it counts whole in each window it
    touches.
    """
    return Dose(0, key, "", volume, volume, start, max(end, start + 1), 1, 0, settled=True)
