"""Boluses and the like: doses that add up, each between an early and a late curve, by account and fluid.

Layer      safety, pure: no clock, no I/O; times are guard time (ms), volumes zL.
Hazard     a dose counted where it cannot be, or one forgotten where it can.
Invariant  the curves and the lists of ends are those of the doses, whatever is changed about one.
Tests      tests/safety/test_doses.py, tests/safety/test_history.py, tests/properties/test_history_oracle.py
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator

from pump_ctrl.safety.ask import Purpose
from pump_ctrl.safety.curve import FAR_PAST, LEAF, Curve, Term
from pump_ctrl.safety.doses import Dose, Key
from pump_ctrl.safety.limits import Mix

Pair = tuple[Curve, Curve]  # early, late


class Lanes:
    """The doses, their curves, and when boluses end.

    What is ``live`` can still flow, or is not settled; the rest changes only when time does.
    """

    def __init__(self) -> None:
        self.doses: list[Dose] = []
        self.live: list[Dose] = []
        self.curves: dict[Key, Pair] = {}
        self.bolus_ends: list[int] = []
        self.patient_ends: list[int] = []
        self._locked_at = FAR_PAST

    def __iter__(self) -> Iterator[Key]:
        return iter(self.curves)

    # What happens.

    def begin(self, doses: tuple[Dose, ...], now: int) -> None:
        """Doses are about to be sent."""
        self.live = [dose for dose in self.live if dose.stop > now or not dose.settled]
        for dose in doses:
            self.add(dose)
            self.live.append(dose)

    def add(self, dose: Dose) -> None:
        """One more that counts."""
        dose.drawn = dose.ramps()
        self.doses.append(dose)
        self._put(dose, 1)

    def drop(self, permit_id: int) -> None:
        """Nothing of a permit was or will be carried out."""
        for dose in self.of(permit_id):
            self._put(dose, -1)
            self.doses.remove(dose)
            self.live.remove(dose)

    def cut(self, sent_by: int, at: int, keep: int = 0) -> None:
        """What was sent by then, and is certain to flow, flows no more after ``at``; what is unsettled may."""
        for dose in self.live:
            if dose.settled and dose.id != keep and dose.start <= sent_by and dose.stop > at:
                self.amend(dose, cut=min(dose.cut, at))

    def settle(self, permit_id: int, latest: int) -> None:
        """They began by ``latest``, if ever."""
        for dose in self.of(permit_id):
            self.amend(dose, end=latest + dose.lasts, settled=True)

    def amend(self, dose: Dose, **changes: int) -> None:
        """Change a dose. A curve that stays as it is, mostly the early one, is left alone."""
        before, stop = dose.drawn, dose.stop
        for name, value in changes.items():
            setattr(dose, name, value)
        dose.drawn = dose.ramps()
        for curve, old, new in zip(self._pair(dose), before, dose.drawn, strict=True):
            if old != new:
                curve.draw(old, -1)
                curve.draw(new, 1)
        if dose.stop != stop:
            self._note_end(dose, stop, -1)
            self._note_end(dose, dose.stop, 1)

    def named(self, mix: Mix) -> None:
        """What was added before any fluid was known counts by this one."""
        for dose in [dose for dose in self.doses if not dose.key[1]]:
            self._put(dose, -1)
            dose.key = (dose.key[0], mix)
            self._put(dose, 1)

    def lock(self, at: int) -> None:
        """Patient requests wait for the lockout from ``at`` on, as after a bolus."""
        self._locked_at = max(self._locked_at, at)

    def aged(self, before: int) -> bool:
        """Whether there is enough to forget."""
        return any(late.aged(before) for _, late in self.curves.values())

    def forget(self, before: int) -> None:
        """Nothing that ended before can matter to any window or lockout any more."""
        for key in [key for key, (_, late) in self.curves.items() if late.end < before]:
            del self.curves[key]
        for early, late in self.curves.values():
            early.forget(before)
            late.forget(before)
        if len(self.doses) > LEAF and self.doses[LEAF].stop < before:  # now and then, not each time
            self.doses = [dose for dose in self.doses if dose.stop >= before]
        for ends in (self.bolus_ends, self.patient_ends):
            if ends and ends[0] <= before:
                del ends[: bisect_right(ends, before)]

    def older(self, edge: int, by: int, sure: int) -> None:
        """What began up to ``edge`` began ``by`` ms earlier, and ended only ``sure`` ms earlier."""
        self._locked_at -= sure if self._locked_at <= edge else 0
        doses, self.doses = self.doses, []
        self.curves, self.bolus_ends, self.patient_ends = {}, [], []
        for dose in doses:
            dose.older(edge, by, sure)
            self.add(dose)

    # What is asked.

    def of(self, permit_id: int) -> list[Dose]:
        """The doses of a permit that are not past."""
        return [dose for dose in self.live if dose.id == permit_id]

    def terms(self, *but: str) -> list[Term]:
        """Their volumes, but those of some accounts; curves change in place, so that this lasts until one comes
        or goes.
        """
        return [(1, early, late) for (account, _), (early, late) in self.curves.items() if account not in but]

    @property
    def last_bolus_end(self) -> int:
        """Latest end of any bolus that may have been given; FAR_PAST if there is none to remember."""
        return max(self._locked_at, *self.bolus_ends[-1:], FAR_PAST)

    def bolus_running(self, now: int) -> bool:
        """Whether a bolus may still flow."""
        return bool(self.bolus_ends) and self.bolus_ends[-1] > now

    def patient_boluses_since(self, time: int) -> int:
        """How many patient boluses may have ended after ``time``."""
        return len(self.patient_ends) - bisect_right(self.patient_ends, time)

    # Inside.

    def _pair(self, dose: Dose) -> Pair:
        if dose.key not in self.curves:
            self.curves[dose.key] = (Curve(), Curve())
        return self.curves[dose.key]

    def _put(self, dose: Dose, sign: int) -> None:
        """Put a dose into its curves and lists (1), or take it out of them (-1)."""
        for curve, ramp in zip(self._pair(dose), dose.drawn, strict=True):
            curve.draw(ramp, sign)
        self._note_end(dose, dose.stop, sign)

    def _note_end(self, dose: Dose, stop: int, sign: int) -> None:
        if dose.is_bolus:
            _note(self.bolus_ends, stop, sign)
            if dose.purpose == Purpose.PATIENT:
                _note(self.patient_ends, stop, sign)


def _note(ends: list[int], stop: int, sign: int) -> None:
    if sign > 0:
        insort(ends, stop)
    else:
        ends.remove(stop)
