"""The guard's own record of what may have been given: worst-case curves per account and fluid.

Layer      safety, pure: no clock, no I/O; times are guard time (ms), volumes zL inside and nL outside.
Hazard     a dose forgotten by a restart, a lost answer, a counter reset, a clock; one counted where it cannot
           be.
Invariant  for every window the content is at least what flowed in it (S-03); nothing but proof lowers it
           (S-04).
Tests      tests/safety/test_history.py, tests/properties/test_history_oracle.py

Basal is one motor's rate: at each instant the largest rate of the runs that can be in force. What lies before
``base`` is fixed, the rest (the tail) follows from the runs that are still alive. Boluses and the like are
doses that add up, each between an early and a late curve.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pump_ctrl.safety.ask import Purpose
from pump_ctrl.safety.curve import (
    FAR,
    FAR_PAST,
    LEAF,
    ZL_PER_NL,
    Curve,
    Segment,
    Term,
    content,
    envelope,
    fullest,
)
from pump_ctrl.safety.doses import BEFORE, EVERYWHERE, Dose, Draft, Key, Run, block
from pump_ctrl.safety.limits import MS_PER_HOUR, PG_SCALE, WINDOWS_H, Mix

Pair = tuple[Curve, Curve]
Parts = dict[Mix, list[Pair]]  # what counts, by fluid at the tip


class Tail:
    """The basal of the runs alive from ``since`` on, by account and fluid and over all accounts."""

    __slots__ = ("by_key", "overall", "volume")

    def __init__(self, runs: Sequence[Run], since: int) -> None:
        by_key: dict[Key, list[Segment]] = {}
        for run in runs:
            for mix, segment in run.segments(since):
                by_key.setdefault((run.key, mix), []).append(segment)
        self.by_key = {key: _curve(envelope(segments)) for key, segments in by_key.items()}
        self.overall = {mix: curve for (_, mix), curve in self.by_key.items()}
        if len(self.overall) < len(by_key):  # accounts share a fluid
            overall: dict[Mix, list[Segment]] = {}
            for (_, mix), segments in by_key.items():
                overall.setdefault(mix, []).extend(segments)
            self.overall = {mix: _curve(envelope(segments)) for mix, segments in overall.items()}
        self.volume = sum(run.volume for run in runs)

    @property
    def end(self) -> int:
        """When the last of it ends."""
        return max((curve.end for curve in self.overall.values()), default=FAR_PAST)


_NO_TAIL = Tail((), FAR_PAST)
_K = TypeVar("_K", Key, Mix)


def _extend(fixed: dict[_K, Curve], tail: dict[_K, Curve], until: int) -> None:
    for key, curve in tail.items():
        fixed.setdefault(key, Curve()).extend(curve, until)


def _drop_ended(curves: dict[_K, Curve], before: int) -> dict[_K, Curve]:
    return {key: curve for key, curve in curves.items() if curve.end >= before}


def _curve(flow: Iterable[Segment]) -> Curve:
    """A curve of a flow that is in time order and does not overlap."""
    curve = Curve()
    for start, end, slope in flow:
        curve.append(start, end, slope)
    return curve


@dataclass(frozen=True, slots=True)
class Trial:
    """What would count if a request took over: the history with the request in it."""

    basal_key: str
    bolus_key: str
    first: int
    last: int
    fixed: dict[Key, Curve]
    fixed_all: dict[Mix, Curve]
    tail: Tail
    lanes: dict[Key, Pair]
    asked: tuple[tuple[Key, Pair], ...]
    run: Run | None = None

    def own(self) -> Parts:
        """What the request itself would let flow."""
        tail = Tail([] if self.run is None else [self.run], FAR_PAST)
        parts: Parts = {mix: [(curve, curve)] for mix, curve in tail.overall.items()}
        for (_, mix), pair in self.asked:
            parts.setdefault(mix, []).append(pair)
        return parts

    def basal(self) -> Parts:
        """The basal of the account asked."""
        parts: Parts = {}
        for curves in (self.fixed, self.tail.by_key):
            for (key, mix), curve in curves.items():
                if key == self.basal_key:
                    parts.setdefault(mix, []).append((curve, curve))
        return self._with_doses(parts, {EVERYWHERE})

    def boluses(self) -> Parts:
        """The boluses of the account asked."""
        return self._with_doses({}, {EVERYWHERE, self.bolus_key})

    def everything(self) -> Parts:
        """All there is, whatever its account."""
        parts: Parts = {}
        for curves in (self.fixed_all, self.tail.overall):
            for mix, curve in curves.items():
                parts.setdefault(mix, []).append((curve, curve))
        return self._with_doses(parts, None)

    def _with_doses(self, parts: Parts, keys: set[str] | None) -> Parts:
        for (key, mix), pair in (*self.lanes.items(), *self.asked):
            if keys is None or key in keys:
                parts.setdefault(mix, []).append(pair)
        return parts


@dataclass(frozen=True, slots=True)
class Anchor:
    """A counter reading that later ones of the same epoch are measured from; nL."""

    epoch: int
    counter: int
    low: int
    high: int


class History:
    """Everything that may have flowed.

    Args:
        window_ms: how far back any rule looks.
    """

    def __init__(self, window_ms: int) -> None:
        self.window_ms = window_ms
        self.low_nl = 0
        self.beyond = 0  # zL that a counter showed beyond all that was permitted
        self._runs: list[Run] = []
        self._base = FAR_PAST
        self._fixed: dict[Key, Curve] = {}
        self._fixed_all: dict[Mix, Curve] = {}
        self._made: Tail | None = _NO_TAIL
        self._terms: tuple[list[Term], list[Term]] | None = None
        self._doses: list[Dose] = []
        self._live: list[Dose] = []
        self._lanes: dict[Key, Pair] = {}
        self._bolus_ends: list[int] = []
        self._patient_ends: list[int] = []
        self._locked_at = FAR_PAST
        self._most, self._since = 0, FAR_PAST  # no more than this (zL) up to then
        self._anchor: Anchor | None = None
        self._read: tuple[int, int] | None = None  # instant and counter of the last reading
        self._tally = (0, 0)  # a counter, and all that was permitted (zL) between it and the last reading
        self._peaks: dict[tuple[str, int], int] = {}
        self._peaked: int | None = None
        self._edges: list[int] = []  # reboots of the host since elapsed time was known
        self._clocked = (0, FAR_PAST)  # what most and since were before the first of them
        self._spent = False  # what was under way at the last of them is in most

    # What happens.

    def begin(self, draft: Draft) -> None:
        """A request is about to be sent: from now on it counts, beside what runs."""
        now = draft.run.sent
        if not self._edges and all(run.settled for run in self._runs):
            self._fix(now)
        self._runs.append(draft.run)
        self._live = [dose for dose in self._live if dose.stop > now or not dose.settled]
        for dose in draft.doses:
            self._add(dose)
            self._live.append(dose)
        self._retail()

    def acked(self, permit_id: int, at: int) -> None:
        """The pump took the permit ``at`` the latest: it began between its sending and then."""
        self._took_over(permit_id, at)
        self._retail()

    def given(self, permit_id: int, at: int, most_nl: int, *, ended: bool) -> None:
        """Evidence: the permit was carried out and gave at most ``most_nl``; no more of it comes if
        ``ended``.
        """
        run = self._run(permit_id)
        self._took_over(permit_id, min(at, run.sent + run.doubt))
        cut = at if ended else FAR
        for dose in self._doses_of(permit_id):
            most = most_nl * ZL_PER_NL + dose.stroke if ended else dose.volume
            self._amend(dose, volume=min(dose.volume, most), cut=min(dose.cut, cut))
        self._replace(replace(self._run(permit_id), cut=cut))
        self._retail()

    def dropped(self, permit_id: int) -> None:
        """Proof: nothing of the permit was or can be carried out."""
        self._runs = [run for run in self._runs if run.id != permit_id]
        for dose in self._doses_of(permit_id):
            self._lane(dose, -1)
            self._doses.remove(dose)
            self._live.remove(dose)
        self._retail()

    def released(self, permit_id: int, at: int) -> None:
        """A person vouches that the permit cannot begin any more; its upper bound stays."""
        run = self._run(permit_id)
        doubt = min(run.doubt, max(0, at - run.sent)) if run.doubt >= FAR else run.doubt
        self._replace(replace(run, doubt=doubt, settled=True))
        for dose in self._doses_of(permit_id):
            self._amend(dose, end=run.sent + doubt + dose.lasts, settled=True)
        self._retail()

    def stopped(self, at: int) -> None:
        """The pump stopped ``at`` the latest: what was certain to run runs no more."""
        self._cut(FAR, at)
        self._retail()

    def block(self, key: Key, volume: int, start: int, end: int) -> None:
        """``volume`` zL went in between two instants without a permit, at whatever speed."""
        self._add(block(key, volume, start, end))

    def lock(self, at: int) -> None:
        """Patient requests wait for the lockout from ``at`` on, as after a bolus."""
        self._locked_at = max(self._locked_at, at)

    def _took_over(self, permit_id: int, at: int) -> None:
        run = self._run(permit_id)
        self._cut(run.sent, at, permit_id)
        doubt = max(0, at - run.sent)
        self._replace(replace(run, doubt=doubt, settled=True))
        for dose in self._doses_of(permit_id):
            self._amend(dose, end=run.sent + doubt + dose.lasts, settled=True)

    def _cut(self, sent_by: int, at: int, keep: int = 0) -> None:
        """What was sent by then, and is certain to run, runs no more after ``at``; what is unsettled may."""
        for run in self._runs:
            if run.settled and run.id != keep and run.sent <= sent_by and run.cut > at:
                self._replace(replace(run, cut=at))
        for dose in self._live:
            if dose.settled and dose.id != keep and dose.start <= sent_by and dose.stop > at:
                self._amend(dose, cut=min(dose.cut, at))

    def _run(self, permit_id: int) -> Run:
        return next(run for run in self._runs if run.id == permit_id)

    def _replace(self, new: Run) -> None:
        self._runs = [new if run.id == new.id else run for run in self._runs]

    def _retail(self) -> None:
        self._made = self._terms = None

    @property
    def _tail(self) -> Tail:
        """Made when somebody asks for it: a command that is sent and acknowledged changes it twice."""
        if self._made is None:
            self._made = Tail(self._runs, self._base)
        return self._made

    def _fix(self, now: int) -> None:
        """What lies before ``now`` cannot change any more."""
        _extend(self._fixed, self._tail.by_key, now)
        _extend(self._fixed_all, self._tail.overall, now)
        self._base = now
        self._made, self._terms = _NO_TAIL, None  # nothing lies before now any more; ``begin`` retails
        self._runs = [run for run in self._runs if run.end > now]
        self._peak(now)
        if all(dose.stop <= now for dose in self._live):
            self._most, self._since = self._most_at(now), now
        read = now if self._read is None else self._read[0]
        self._forget(min(now - self.window_ms, self._since, read))

    # Doses.

    def _add(self, dose: Dose) -> None:
        self._doses.append(dose)
        self._lane(dose, 1)

    def _doses_of(self, permit_id: int) -> list[Dose]:
        return [dose for dose in self._live if dose.id == permit_id]

    def _amend(self, dose: Dose, **changes: int) -> None:
        """Change a dose. A curve that stays as it is, mostly the early one, is left alone."""
        self._terms = None
        old, stop = (dose.early(), dose.late()), dose.stop
        for name, value in changes.items():
            setattr(dose, name, value)
        lane = self._lanes.setdefault(dose.key, (Curve(), Curve()))
        for curve, before, after in zip(lane, old, (dose.early(), dose.late()), strict=True):
            if before != after:
                curve.draw(before, -1)
                curve.draw(after, 1)
        self._note_end(dose, stop, -1)
        self._note_end(dose, dose.stop, 1)

    def _lane(self, dose: Dose, sign: int) -> None:
        """Put a dose into its curves and lists (1), or take it out of them (-1)."""
        self._terms = None
        early, late = self._lanes.setdefault(dose.key, (Curve(), Curve()))
        early.draw(dose.early(), sign)
        late.draw(dose.late(), sign)
        self._note_end(dose, dose.stop, sign)

    def _note_end(self, dose: Dose, stop: int, sign: int) -> None:
        lists = [self._bolus_ends] if dose.is_bolus else []
        if dose.purpose == Purpose.PATIENT:
            lists.append(self._patient_ends)
        for ends in lists:
            insort(ends, stop) if sign > 0 else ends.remove(stop)

    def _forget(self, before: int) -> None:
        """Nothing that ended before can matter to any window or lockout any more."""
        self._terms = None
        for curve in (*self._fixed.values(), *self._fixed_all.values()):
            curve.forget(before)
        for pair in self._lanes.values():
            for curve in pair:
                curve.forget(before)
        self._fixed = _drop_ended(self._fixed, before)
        self._fixed_all = _drop_ended(self._fixed_all, before)
        self._lanes = {key: pair for key, pair in self._lanes.items() if pair[1].end >= before}
        if len(self._doses) > LEAF and self._doses[LEAF].stop < before:  # now and then, not each time
            self._doses = [dose for dose in self._doses if dose.stop >= before]
        for ends in (self._bolus_ends, self._patient_ends):
            del ends[: bisect_right(ends, before)]

    # What rules ask.

    @property
    def last_bolus_end(self) -> int:
        """Latest end of any bolus that may have been given; FAR_PAST if there is none to remember."""
        return max(self._locked_at, *self._bolus_ends[-1:], FAR_PAST)

    def bolus_running(self, now: int) -> bool:
        """Whether a bolus may still flow."""
        return bool(self._bolus_ends) and self._bolus_ends[-1] > now

    def patient_boluses_since(self, time: int) -> int:
        """How many patient boluses may have ended after ``time``."""
        return len(self._patient_ends) - bisect_right(self._patient_ends, time)

    def dose_most_nl(self, permit_id: int) -> int | None:
        """Most that the doses of a permit can give, nL; None when it is past."""
        amounts = [dose.amount for dose in self._doses_of(permit_id)]
        return -(-sum(amounts) // ZL_PER_NL) if amounts else None

    def run_most_nl(self, permit_id: int) -> int | None:
        """Most basal that a permit can give before it is cut, nL; None when past or not known."""
        runs = [run for run in self._runs if run.id == permit_id]
        if self._edges or not runs:
            return None
        flow = (segment for _, segment in runs[0].segments(FAR_PAST))
        return -(-sum(rate * (end - start) for start, end, rate in flow) // ZL_PER_NL)

    def flowed_nl(self, start: int, end: int) -> int:
        """Most that can have flowed between two instants, nL."""
        return -(-content(self._volume(), start, end) // ZL_PER_NL)

    def may_flow_after(self, now: int) -> int:
        """Most that can still flow after ``now``, zL."""
        return content(self._volume(), now, FAR)

    def trial(self, draft: Draft, until: int) -> Trial:
        """The windows as they would be if ``draft`` took over, by ``until`` at the latest, from what is
        settled.
        """
        runs = [replace(run, cut=min(run.cut, until)) if run.settled else run for run in self._runs]
        tail = Tail([*runs, draft.run], self._base)
        asked = tuple((dose.key, (_curve(dose.early()), _curve(dose.late()))) for dose in draft.doses)
        last = max(tail.end, draft.run.end, *(dose.stop for dose in draft.doses))
        run = draft.run
        return Trial(
            run.key,
            draft.bolus_key,
            run.sent,
            last,
            self._fixed,
            self._fixed_all,
            tail,
            self._lanes,
            asked,
            run,
        )

    def worst_pg(self, drug: str, hours: int, now: int) -> int:
        """The largest window of ``hours`` that has ended, pg at the tip, everything counted."""
        return -(-self._larger(drug, hours, now) // PG_SCALE)

    def _larger(self, drug: str, hours: int, now: int) -> int:
        """The largest window so far, in zL pg/mL."""
        return self._larger_of(weighed(self._everything(), drug), drug, hours, now)

    def _larger_of(self, terms: list[Term], drug: str, hours: int, now: int) -> int:
        peak = self._peaks.get((drug, hours), 0)
        first = now if self._peaked is None else min(self._peaked, now)
        found = fullest(terms, hours * MS_PER_HOUR, first, now, peak)
        return peak if found is None else found[0]

    def held_pg(self, drug: str, start: int, end: int) -> int:
        """Most that can have flowed of one drug between two instants, everything counted, pg."""
        return -(-content(weighed(self._everything(), drug), start, end) // PG_SCALE)

    def _everything(self) -> Parts:
        return Trial("", "", 0, 0, {}, self._fixed_all, self._tail, self._lanes, ()).everything()

    def _peak(self, now: int) -> None:
        drugs = {drug for _, mix in self._lanes for drug, _ in mix} | {
            d for mix in self._fixed_all for d, _ in mix
        }
        everything = self._everything()
        for drug in drugs:
            terms = weighed(everything, drug)
            for hours in WINDOWS_H:
                self._peaks[drug, hours] = self._larger_of(terms, drug, hours, now)
        self._peaked = now

    # Counter of the pump.

    def reading(self, since: int, at: int, epoch: int, counter: int, grain_nl: int, tip: Mix) -> None:
        """Take a counter read between two instants; what it shows beyond all that was permitted counts
        everywhere.
        """
        anchor, last, extra = self._anchor, self._read, self.excess(at, epoch, counter, grain_nl)
        self._read = (since, counter)
        if anchor is None or last is None or anchor.epoch != epoch or counter < last[1]:
            self._anchor = Anchor(epoch, counter, self.low_nl, self.most_nl(at))
            self._tally = (counter, 0)
            return
        if extra > 0:
            end = max(at, self._since + 1)  # not before what most is measured from
            self.block((EVERYWHERE, tip), extra, last[0], end)
            self.beyond += extra
        allowed = self._tally[1] + content(self._volume(), last[0], at)
        self._tally = (counter, 0) if self._edges else (self._tally[0], allowed)
        rise = counter - anchor.counter
        self.low_nl = max(self.low_nl, anchor.low + rise - grain_nl)
        counted = (anchor.high + rise + grain_nl) * ZL_PER_NL
        if counted + content(self._volume(), since, self._by(at)) < self._most_at(at):
            self._most, self._since, self._spent = counted, since, False
            self._tally = (counter, 0)

    def excess(self, at: int, epoch: int, counter: int, grain_nl: int) -> int:
        """What a counter shows beyond all that was permitted, zL; 0 up to two grains of the counter.

        Then everything since the last reading is beyond: what was permitted may still come.
        """
        if self._anchor is None or self._read is None or self._anchor.epoch != epoch:
            return 0
        from_counter, allowed = self._tally
        since, last = self._read
        allowed += content(self._volume(), since, self._by(at))
        if self._spent:  # several runs may have flowed one after the other, unseen
            allowed += sum(run.volume for run in self._runs)
        over = (counter - from_counter + grain_nl) * ZL_PER_NL - allowed
        return max(over, (counter - last + grain_nl) * ZL_PER_NL) if over > 3 * grain_nl * ZL_PER_NL else 0

    @property
    def high_nl(self) -> int:
        """Most that was given since the journal began, with everything that may still flow."""
        return max(self.low_nl, self.most_nl(FAR))

    def most_nl(self, at: int) -> int:
        """Most that was given up to ``at``."""
        return -(-self._most_at(at) // ZL_PER_NL)

    def _most_at(self, at: int) -> int:
        """By the curves; or by the volumes of the runs alive, where one may begin at any time."""
        if self._spent:
            runs = (run.volume for run in self._runs if run.sent > self._edges[-1])
            return self._most + sum(runs) + sum(d.amount for d in self._live if d.start > self._edges[-1])
        at = self._by(at)
        sure, tail = self._flows()
        return (
            self._most
            + content(sure, self._since, at)
            + min(content(tail, self._since, at), self._tail.volume)
        )

    def _by(self, at: int) -> int:
        """While elapsed time is not known, all that is under way may have flowed."""
        return FAR if self._edges else at

    def _volume(self) -> list[Term]:
        sure, tail = self._flows()
        return sure + tail

    def _flows(self) -> tuple[list[Term], list[Term]]:
        """What is fixed and the doses, and the tail. Curves change in place: lists last until one comes or
        goes.
        """
        if self._terms is None:
            sure: list[Term] = [(1, curve, curve) for curve in self._fixed_all.values()]
            sure += [(1, *pair) for (key, _), pair in self._lanes.items() if key != BEFORE]
            self._terms = (sure, [(1, curve, curve) for curve in self._tail.overall.values()])
        return self._terms

    # Time.

    def unclocked(self, edge: int) -> None:
        """The host rebooted at ``edge``: all that was under way may have flowed, and nothing is past."""
        if not self._edges:
            self._clocked = (self._most, self._since)
        self._most = self._most_at(FAR)
        self._edges.append(edge)
        self._spent = True

    def age(self, by: int, doubt: int, sure: int, now: int) -> None:
        """The host was off for ``by`` ms, or up to ``doubt`` less: what was before happened so much earlier.

        Boluses ended only ``sure`` ms earlier. What was sent between two such reboots may have flowed at any
        time.
        """
        edge, last = self._edges[0], self._edges[-1]
        if self._spent:
            self._most, self._since = self._clocked
        self._edges, self._spent = [], False
        for curve in (*self._fixed.values(), *self._fixed_all.values()):
            curve.shift(by)
        self._base -= by
        self._since -= by if self._since <= edge else 0
        self._locked_at -= sure if self._locked_at <= edge else 0
        self._peaked = None if self._peaked is None else self._peaked - by
        if self._read is not None and self._read[0] <= edge:
            self._read = (self._read[0] - by, self._read[1])
        between = [run for run in self._runs if edge < run.sent <= last]
        self._runs = [run.older(edge, by, doubt) for run in self._runs]
        for dose in self._doses:
            dose.older(edge, by, sure)
        self._relane(self._doses)
        for run in between:
            for start, end, rate, mix in run.shape:
                self.block((EVERYWHERE, mix), rate * (end - start), run.sent, now)

    def _relane(self, doses: Sequence[Dose]) -> None:
        """Draw the curves of the doses anew."""
        self._doses, self._lanes, self._bolus_ends, self._patient_ends = [], {}, [], []
        for dose in doses:
            self._add(dose)
        self._retail()


def weighed(parts: Parts, drug: str) -> list[Term]:
    """The parts as terms in zL pg/mL of one drug."""
    terms: list[Term] = []
    for mix, pairs in parts.items():
        if pg_per_ml := dict(mix).get(drug, 0):
            terms += [(pg_per_ml, early, late) for early, late in pairs]
    return terms
