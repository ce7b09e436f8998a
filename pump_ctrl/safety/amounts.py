"""Rules on the request as a whole: its time, single boluses, lockout, prime, reservoir and hold.

Layer      safety, pure: no clock, no I/O.
Hazard     a bolus too large, too fast or too soon; more than was filled; a hold without an end.
Invariant  a rule lets a request pass whole or not at all; it never trims (S-16).
Tests      tests/safety/test_rule_*.py, one file per rule
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from pump_ctrl.drivers.base import StepKind
from pump_ctrl.safety.ask import BOLUSES, Ask, Denial, Purpose
from pump_ctrl.safety.case import Case, deny
from pump_ctrl.safety.curve import FAR_PAST, ZL_PER_NL
from pump_ctrl.safety.limits import BRIDGE, MS_PER_HOUR, NL_PER_ML

DAY_MS: Final = 24 * MS_PER_HOUR
PATH_GRAINS: Final = 3  # a grain each when the path was new and now, and one for the flow in between


@dataclass(frozen=True, slots=True)
class InAccount:
    """D-07, D-11: plan time lies in the account, with T_s of doubt, and no basal step outlasts it."""

    code: ClassVar[str] = "account-window"

    def judge(self, case: Case) -> Denial | None:
        """Compare plan time with the account's begin and end."""
        if case.ask.purpose is Purpose.HOLD and case.timeless:
            return None  # D-14: the hold is then bounded by its volume
        account, stop_ms = case.account, case.limits.stop_ms
        plan = None if case.timeless else case.state.plan_ms(case.now)
        if plan is None:
            return deny(self.code, "plan time is not known")
        if plan < account.from_ms - stop_ms:
            what = f"{account.id} begins at {account.from_ms} ms of plan time, now {plan}"
            return deny(self.code, what, plan, account.from_ms)
        end = plan + _basal_lasts(case.ask)
        if account.until_ms is not None and end > account.until_ms + stop_ms:
            what = f"{account.id} ends at {account.until_ms} ms of plan time, the request's basal at {end}"
            return deny(self.code, what, end, account.until_ms)
        return None


def _basal_lasts(ask: Ask) -> int:
    """How long a request gives basal by own steps; a bolus alone may outlast the stage it begins in."""
    alone = len(ask.steps) == 1 and ask.steps[0].kind is not StepKind.BASAL
    return 0 if alone else sum([step.duration_ms for step in ask.steps])


@dataclass(frozen=True, slots=True)
class SingleBolus:
    """S-10: no bolus over the account's largest, over the patient's own, or over a drug's hard cap."""

    code: ClassVar[str] = "bolus-cap"

    def judge(self, case: Case) -> Denial | None:
        """Compare the bolus, without its share of basal, and its pace."""
        if case.ask.purpose not in BOLUSES:
            return None
        step = case.ask.steps[0]
        asked, grain = step.volume_nl - step.basal_nl, case.limits.pump.step_nl
        account, patient = case.account, case.account.patient
        most = account.max_bolus_nl
        if case.ask.purpose is Purpose.PATIENT:
            most = min(most, patient.volume_nl) if patient is not None else 0
        if asked >= most + grain:  # rounding is carried: less than one step more
            return deny(self.code, f"a bolus of {asked} nL, at most {most} nL is allowed", asked, most)
        return self._by_drug(case, asked, grain, step.duration_ms)

    def _by_drug(self, case: Case, asked: int, grain: int, lasts: int) -> Denial | None:
        _, mix = case.trial.draft.doses[0].key
        caps = dict(case.limits.bolus_caps)
        paces = {row.drug: row.bolus_max_pg_per_h for row in case.account.rows}
        for drug, pg_per_ml in mix:
            cap = caps.get(drug, 0)
            pg = -(-asked * pg_per_ml // NL_PER_ML)
            if asked * pg_per_ml >= cap * NL_PER_ML + grain * pg_per_ml:
                return Denial(self.code, drug, pg, 0, cap, None, "a single bolus")
            if (asked - grain) * pg_per_ml * MS_PER_HOUR > paces.get(drug, 0) * lasts * NL_PER_ML:
                return Denial(self.code, drug, pg, 0, cap, None, f"faster than prescribed, in {lasts} ms")
        return None


@dataclass(frozen=True, slots=True)
class OneBolus:
    """D-03: one bolus at a time; and none while a bridge lasts (D-11)."""

    code: ClassVar[str] = "bolus-overlap"

    def judge(self, case: Case) -> Denial | None:
        """Deny while a bolus may still be flowing."""
        if case.ask.purpose not in BOLUSES:
            return None
        if case.account.id == BRIDGE:
            return deny("bridge", "boluses are off while the old fluid is in the path")
        history = case.state.history
        if not history.bolus_running(case.now):
            return None
        left = history.last_bolus_end - case.now
        return deny(self.code, f"another bolus may last for {left} ms", counted=left)


@dataclass(frozen=True, slots=True)
class PatientTerms:
    """S-11: lockout from the latest possible end of any bolus, and the count over rolling 24 h from latest
    ends.
    """

    code: ClassVar[str] = "lockout"

    def judge(self, case: Case) -> Denial | None:
        """Judge a patient's request."""
        if case.ask.purpose is not Purpose.PATIENT:
            return None
        terms, history = case.account.patient, case.state.history
        if terms is None:
            return deny("no-patient-bolus", "the plan has no patient bolus")
        last = history.last_bolus_end
        since = case.now - last
        if last > FAR_PAST and since < terms.lockout_ms:
            left = terms.lockout_ms - since
            return deny(self.code, f"lockout for another {left} ms", since, terms.lockout_ms)
        count = history.patient_boluses_since(case.now - DAY_MS)
        if count >= terms.max_per_day:
            what = f"{count} in the last 24 h, {terms.max_per_day} are allowed"
            return deny("max-per-day", what, 1, terms.max_per_day, count)
        return None


@dataclass(frozen=True, slots=True)
class Prime:
    """D-12: a prime alone, and together at most V_hi for each recorded new or emptied path.

    What has left in any other way since then fills the path as well; it is known to a few grains of the counter.
    """

    code: ClassVar[str] = "prime"

    def judge(self, case: Case) -> Denial | None:
        """Judge a prime."""
        if case.ask.purpose is not Purpose.PRIME:
            return None
        running = -(-case.state.history.may_flow_after(case.now) // ZL_PER_NL)
        if running:
            return deny(self.code, f"{running} nL may still be flowing; stop first", running)
        asked, given = case.ask.steps[0].volume_nl, sum(case.state.primes.values())
        most = case.limits.prime_nl
        if asked + given > most:
            what = f"a prime of {asked} nL after {given} nL in this path; {most} nL are allowed together"
            return deny(self.code, what, asked, most, given)
        left = case.state.in_path(case.now)
        if asked + left > most + PATH_GRAINS * case.limits.pump.grain_nl:
            what = (
                f"a prime of {asked} nL, and {left} nL have left since the path was new; it holds {most} nL"
            )
            return deny(self.code, what, asked, most, left)
        return None


@dataclass(frozen=True, slots=True)
class Reservoir:
    """S-32: what may have left since the fill, with the request, is not more than was filled."""

    code: ClassVar[str] = "reservoir"

    def judge(self, case: Case) -> Denial | None:
        """Compare with the declared content."""
        filled, low, _ = case.state.fill
        given = case.state.history.most_nl(case.now + case.limits.stop_ms) - low
        asked = sum([step.volume_nl for step in case.ask.steps])
        if given + asked <= filled:
            return None
        return deny(
            self.code, f"{asked} nL more than {given} nL given of {filled} nL filled", asked, filled, given
        )


@dataclass(frozen=True, slots=True)
class Hold:
    """D-14: no faster than the hold rate, and over ``max_hold`` after the last record of a normal run.

    Where elapsed time is not known, all holds together give no more than the hold rate in ``max_hold``.
    """

    code: ClassVar[str] = "hold"

    def judge(self, case: Case) -> Denial | None:
        """Judge a hold."""
        if case.ask.purpose is not Purpose.HOLD:
            return None
        longest = case.limits.max_hold_ms
        if longest == 0:
            return deny(self.code, "the plan says to stop when control is lost")
        nl, per_ms = case.account.hold_nl, case.account.hold_per_ms
        for i, step in enumerate(case.ask.steps):
            if step.volume_nl * per_ms > nl * step.duration_ms:
                return deny(self.code, f"step {i} is faster than the hold rate of {nl} nL in {per_ms} ms")
        return self._unclocked(case, nl * longest // per_ms) if case.timeless else self._until(case, longest)

    def _until(self, case: Case, longest: int) -> Denial | None:
        end, most = case.now + sum(step.duration_ms for step in case.ask.steps), case.state.run_at + longest
        if end <= most:
            return None
        return deny(
            self.code, f"it would last {end - most} ms past the longest hold of {longest} ms", end, most
        )

    def _unclocked(self, case: Case, most: int) -> Denial | None:
        given, asked = sum(case.state.holds.values()), sum(step.volume_nl for step in case.ask.steps)
        if given + asked <= most:
            return None
        what = f"elapsed time is not known: {asked} nL after {given} nL of {most} nL for all holds"
        return deny(self.code, what, asked, most, given)
