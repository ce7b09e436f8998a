"""The basal that may have flowed: one motor has one rate, the largest of the runs that can be in force.

Layer      safety, pure: no clock, no I/O; times are guard time (ms), volumes zL.
Hazard     a run that is forgotten while it can still be in force.
Invariant  what lies before ``base`` cannot change any more; the rest, the tail, follows from the runs alive.
Tests      tests/safety/test_basal.py, tests/safety/test_doses.py, tests/properties/test_history_oracle.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from pump_ctrl.safety.curve import FAR, FAR_PAST, Curve, Segment, Term, content, envelope
from pump_ctrl.safety.doses import Key, Run
from pump_ctrl.safety.limits import Mix

_K = TypeVar("_K", Key, Mix)
Flow = list[Segment]  # in time order, without overlap
Parts = dict[Mix, list[Term]]  # what counts, by fluid at the tip


class Tail:
    """What runs can give from ``since`` on: by account and fluid, and by fluid over all accounts.

    What is settled gives nothing from ``until`` on.
    """

    __slots__ = ("by_key", "by_mix")

    def __init__(self, runs: Iterable[Run], since: int, until: int = FAR) -> None:
        pieces: dict[Key, Flow] = {}
        for run in runs:
            fluid, flow = None, []  # type: Mix | None, Flow
            for mix, segment in run.segments(since, until):
                if mix is not fluid:
                    fluid, flow = mix, pieces.setdefault((run.key, mix), [])
                flow.append(segment)
        self.by_key = {key: envelope(flow) for key, flow in pieces.items()}
        self.by_mix = {mix: flow for (_, mix), flow in self.by_key.items()}
        if len(self.by_mix) < len(pieces):  # accounts share a fluid
            shared: dict[Mix, Flow] = {}
            for (_, mix), flow in pieces.items():
                shared.setdefault(mix, []).extend(flow)
            self.by_mix = {mix: envelope(flow) for mix, flow in shared.items()}

    @property
    def end(self) -> int:
        """When the last of it ends."""
        return max([flow[-1][1] for flow in self.by_mix.values()], default=FAR_PAST)


class Drawn(NamedTuple):
    """What follows from the runs alive and the curves of what is past."""

    tail: Tail
    parts: Parts
    terms: list[Term]
    volume: int  # all that the runs alive can give, zL


class Basal:
    """The runs alive, and the curves of what is past."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.base = FAR_PAST
        self.by_key: dict[Key, Curve] = {}  # up to base, by account and fluid
        # The same by fluid over all accounts. As long as one account is alone with a fluid, both hold one curve.
        self.by_mix: dict[Mix, Curve] = {}
        self._made: Drawn | None = None

    # What happens. Whoever changes a run says so.

    def add(self, run: Run) -> None:
        """A run is about to be sent."""
        self.runs.append(run)
        self._made = None

    def drop(self, permit_id: int) -> None:
        """It was and will not be carried out."""
        self.runs = [run for run in self.runs if run.id != permit_id]
        self._made = None

    def cut(self, sent_by: int, at: int, keep: int = 0) -> None:
        """What was sent by then, and is certain to run, runs no more after ``at``; what is unsettled may."""
        for run in self.runs:
            if run.settled and run.id != keep and run.sent <= sent_by and run.cut > at:
                run.cut = at
        self._made = None

    def settle(self, run: Run, doubt: int) -> None:
        """It runs, or did, and began at most ``doubt`` after its sending."""
        run.doubt, run.settled = doubt, True
        self._made = None

    def end(self, run: Run, at: int) -> None:
        """No more of it comes after ``at``, and who knows since when."""
        run.cut, run.kept = at, FAR_PAST
        self._made = None

    def began(self, run: Run) -> None:
        """It surely was carried out, until something else may have taken over."""
        self.may_begin(run)
        run.kept = min([other.sent for other in self.runs if other.sent > run.sent], default=FAR)

    def may_begin(self, run: Run) -> None:
        """It may have taken over from what was sent before, and from what was sent before it had to begin."""
        for other in self.runs:
            if other is not run and other.sent <= run.sent + run.doubt:
                other.kept = min(other.kept, run.sent if other.sent <= run.sent else FAR_PAST)

    def may_stop(self, since: int) -> None:
        """Nothing is sure to run any more."""
        for run in self.runs:
            run.kept = min(run.kept, since)

    def fix(self, now: int) -> None:
        """What lies before ``now`` cannot change any more."""
        self._go_on(self.tail, now)
        self.runs = [run for run in self.runs if run.end > now]
        self.base = now
        self._made = None

    def aged(self, before: int) -> bool:
        """Whether there is enough to forget."""
        return any(curve.aged(before) for curve in self._curves())

    def forget(self, before: int) -> None:
        """Nothing that ended before can matter to any window any more."""
        _drop_old(self.by_key, before)
        _drop_old(self.by_mix, before)
        for curve in self._curves():
            curve.forget(before)

    def older(self, edge: int, by: int, doubt: int) -> None:
        """All that was sent up to ``edge`` happened ``by`` ms earlier, or up to ``doubt`` less."""
        for curve in self._curves():
            curve.shift(by)
        self.base -= by
        for run in self.runs:
            run.older(edge, by, doubt)
        self._made = None

    # What is asked.

    def run(self, permit_id: int) -> Run:
        """The run of a permit that is not past.

        Raises:
            LookupError: there is none.
        """
        found = [run for run in self.runs if run.id == permit_id]
        return found[0]

    @property
    def settled(self) -> bool:
        """Whether every run is."""
        return not [run for run in self.runs if not run.settled]

    @property
    def tail(self) -> Tail:
        """What the runs alive give from ``base`` on."""
        return (self._made or self._drawn()).tail

    @property
    def parts(self) -> Parts:
        """All there is, past and to come, over all accounts; to look at, not to change."""
        return (self._made or self._drawn()).parts

    @property
    def terms(self) -> list[Term]:
        """The same as volumes."""
        return (self._made or self._drawn()).terms

    def over(self, flow: int, start: int, end: int) -> int:
        """By how much the curves of the tail are over the volumes of its runs, between two instants, zL.

        A run that may begin late counts wherever it can flow, which together is more than its volume. ``flow``
        is at least what the curves hold.
        """
        drawn = self._made or self._drawn()
        if flow <= drawn.volume:
            return 0
        return max(0, content(drawn.terms, max(start, self.base), max(end, self.base)) - drawn.volume)

    def _curves(self) -> Iterable[Curve]:
        """Each curve once."""
        own = list(self.by_key.values())
        return own + [curve for curve in self.by_mix.values() if curve not in own]

    def _go_on(self, tail: Tail, until: int) -> None:
        """Let what flows before ``until`` be past."""
        for mix, flow in tail.by_mix.items():
            every, alone = self.by_mix.get(mix), [key for key, own in tail.by_key.items() if own is flow]
            if alone and self.by_key.get(alone[0]) is every:  # nearly always: one account, no other before
                every = self.by_key[alone[0]] = self.by_mix[mix] = every or Curve()
                every.extend(flow, until)
                continue
            if every is None or every in self.by_key.values():  # from now on they differ
                self.by_mix[mix] = Curve() if every is None else every.copy()
            self.by_mix[mix].extend(flow, until)
            for key, own in tail.by_key.items():
                if key[1] == mix:
                    self.by_key.setdefault(key, Curve()).extend(own, until)

    def _drawn(self) -> Drawn:
        """Drawn when somebody asks for it: a command that is sent and acknowledged changes it twice."""
        tail = Tail(self.runs, self.base)
        parts = parts_of(joined(self.by_mix, tail.by_mix))
        terms = [term for terms in parts.values() for term in terms]
        self._made = Drawn(tail, parts, terms, sum([run.volume for run in self.runs]))
        return self._made


def parts_of(curves: Mapping[Mix, Curve]) -> Parts:
    """Basal as what counts: nobody doubts when it flows, so that it is early and late alike."""
    return {mix: [(1, curve, curve)] for mix, curve in curves.items()}


def joined(fixed: Mapping[_K, Curve], tail: Mapping[_K, Flow]) -> dict[_K, Curve]:
    """The curves of what is past, gone on with by what is to come; to look at, not to change."""
    curves = dict(fixed)
    for key, flow in tail.items():
        curves[key] = curve = fixed[key].copy() if key in fixed else Curve()
        curve.extend(flow)
    return curves


def _drop_old(curves: dict[_K, Curve], before: int) -> None:
    for key in [key for key, curve in curves.items() if curve.end < before]:
        del curves[key]
