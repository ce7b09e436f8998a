"""The controller's books: run asked for, run in force, totals, boluses; every change is a record.

Layer      controller, pure. ``Books`` applies a change and returns its record; ``replay`` applies the same
           change from the record, so that a restart finds exactly what was there.
Hazard     a restart that forgets a run or counts it twice.
Invariant  replay of the records of any prefix gives the state at that prefix.
Tests      tests/unit/test_books.py, tests/properties/test_system_machine.py

Record kinds: ``asked``, ``granted``, ``dropped``, ``cut``, ``idle``, ``skip``, ``bolus``, ``bridge_over``
and ``missed`` (a named gap, for the reader and for the sum of ``missed``; replay does not need it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pump_ctrl.controller.effects import Write
from pump_ctrl.controller.prescription import Prescription, Slot
from pump_ctrl.controller.runs import BridgePace
from pump_ctrl.controller.totals import Gap, Pace, Run, Span, Totals
from pump_ctrl.drivers.base import PumpStatus, StepKind

BOLUSES = ("scheduled", "patient")


# Of a run asked for, in a journal that is taken up: the pump's counter and what the run had given of it by
# then; or why it was surely not given; None where nothing tells.
Proof = tuple[int, int] | str | None


@dataclass(frozen=True, slots=True)
class Bolus:
    """A bolus that was asked for: plan time of the request, its run and what has become of it."""

    id: str
    kind: str
    requested_ms: int
    volume_nl: int
    asked: Fraction  # the exact volume asked, nL


class Books:
    """Totals, runs and boluses of one journal, for one prescription at a time."""

    def __init__(self, prescription: Prescription, step_nl: int) -> None:
        self.prescription = prescription
        self.totals = Totals(step_nl)
        self.asked: Run | None = None
        self.asked_slot: Slot | None = None
        self.proof: Proof = None
        self.run_counter = 0  # the pump's counter when the run in force began
        self.slots_until = 0  # scheduled boluses before this plan time have been dealt with
        self.bridging = prescription.bridge is not None
        self.primed = prescription.prime_nl == 0
        self.prime_left_nl = prescription.prime_nl  # what all primes together have surely not given yet
        self.open_bolus: Bolus | None = None
        self._permit: int | None = None  # of the run asked for, in a journal that is taken up
        self._unnamed: list[Write] = []  # gaps of a journal that ends before their record

    @property
    def run(self) -> Run | None:
        """The run in force."""
        return self.totals.run

    def pace(self, bridge_until: int | None = None) -> Pace:
        """The basal in force: the schedule, or the bridge's rule with its change at ``bridge_until``."""
        bridge = self.prescription.bridge
        if bridge is None or not self.bridging:
            return self.prescription.schedule
        return BridgePace(bridge.previous, bridge.shift_ms, self.prescription.schedule, bridge_until)

    def given(self, plan_ms: int, status: PumpStatus | None) -> int:
        """What the run in force has given of what it was told, nL: by the counter, by time without one.

        A counter that is more than a pump step ahead of time has counted something else: that is the guard's
        to count and to stop, no part of the run, and never made up for by giving less later.
        """
        return self._given(plan_ms, None if status is None else status.delivered_nl)

    def _given(self, plan_ms: int, counter: int | None) -> int:
        run = self.run
        if run is None:
            return 0
        by_time = run.delivered_by(plan_ms, self.totals.step_nl)
        if counter is None or counter < self.run_counter:
            return by_time
        return min(counter - self.run_counter, by_time + self.totals.step_nl, run.volume_nl)

    # Changes; each returns its records.

    def ask(self, run: Run, slot: Slot | None) -> list[Write]:
        """A run is about to be asked for."""
        slot_ms = None if slot is None else slot.at_ms
        data = {
            "request": run.request_id,
            "purpose": run.purpose,
            "account": run.account,
            "cut_nl": run.cut_nl,
            "lost_nl": run.lost_nl,
            "bridge_until": run.pace.until_ms if isinstance(run.pace, BridgePace) else None,
            "slot_ms": slot_ms,
            "spans": [
                [s.kind.value, s.from_ms, s.to_ms, s.volume_nl, s.basal_nl, str(s.bolus), str(s.missed)]
                for s in run.spans
            ],
        }
        self.asked, self.asked_slot = run, slot
        self._note_slot(slot_ms)
        return [Write("asked", data)]

    def drop(self, why: str, reopen_ms: int | None = None) -> list[Write]:
        """The run asked for will not be carried out; the slot at ``reopen_ms`` may be asked again."""
        data = {"why": why, "reopen_ms": reopen_ms}
        self._dropped(data)
        return [Write("dropped", data)]

    def _dropped(self, data: Mapping[str, Any]) -> None:
        self.asked = None
        if data["reopen_ms"] is not None:
            self.slots_until = data["reopen_ms"]

    def grant(self, counter: int, given_new: int = 0) -> list[Write]:
        """The run asked for took over; of the pump's ``counter`` it has given ``given_new`` nL already."""
        run = self.asked
        if run is None:
            return []
        at_begin = max(0, counter - given_new)
        closed = self._close_bolus(run.from_ms, at_begin)
        return [*closed, *self._granted(run, counter - given_new, self._given(run.from_ms, at_begin))]

    def _granted(self, run: Run, counter: int, given_old: int) -> list[Write]:
        gaps = self.totals.grant(run, given_old)
        self.asked, self.run_counter = None, counter
        self._open(run)
        return [
            Write(
                "granted",
                {"request": run.request_id, "counter": counter, "given": given_old, **self.totals.snapshot()},
            ),
            *_missed(gaps),
        ]

    def _open(self, run: Run) -> None:
        first = run.spans[0]
        if run.purpose in BOLUSES:
            self.open_bolus = Bolus(
                run.request_id, run.purpose, first.from_ms, first.volume_nl - first.basal_nl, first.bolus
            )
        if run.purpose == "prime":
            self.primed = True
            self.prime_left_nl = max(0, self.prime_left_nl - run.volume_nl)

    def cut(self, plan_ms: int, status: PumpStatus | None, why: str) -> list[Write]:
        """The run in force ended at ``plan_ms``: stopped, or by itself."""
        if self.run is None:
            return []
        return self._cut(plan_ms, self.given(plan_ms, status), why)

    def _cut(self, plan_ms: int, given: int, why: str) -> list[Write]:
        run = self.run
        if run is not None and run.purpose == "prime":
            self.prime_left_nl += max(0, run.volume_nl - given - self.totals.step_nl)
        gaps = self.totals.cut(plan_ms, given, why)
        data = {"plan_ms": plan_ms, "given": given, "why": why, **self.totals.snapshot()}
        return [Write("cut", data), *_missed(gaps)]

    def idle(self, plan_ms: int, why: str) -> list[Write]:
        """Nothing has run until ``plan_ms``; what was due is missed."""
        gaps = self.totals.idle(plan_ms, self.pace(), why)
        return (
            [Write("idle", {"plan_ms": plan_ms, "why": why, **self.totals.snapshot()}), *_missed(gaps)]
            if gaps
            else []
        )

    def skip(self, slot_ms: int, until_ms: int, volume: Fraction, why: str) -> list[Write]:
        """A scheduled bolus of ``volume`` nL, due at ``slot_ms``, is not given."""
        gap = self.totals.skip(slot_ms, until_ms, volume, why)
        self._note_slot(slot_ms)
        return [Write("skip", {"slot_ms": slot_ms, "nl": str(volume), "why": why}), *_missed((gap,))]

    def close_bolus(self, plan_ms: int, status: PumpStatus | None) -> list[Write]:
        """The open bolus has come to its end: delivered if the pump gave all of it, else interrupted.

        A counter that was reset proves nothing: then it is unknown, and the volume is by time.
        """
        return self._close_bolus(plan_ms, None if status is None else status.delivered_nl)

    def _close_bolus(self, plan_ms: int, counter: int | None) -> list[Write]:
        bolus, run = self.open_bolus, self.run
        if bolus is None or run is None:
            return []
        first, given = run.spans[0], self._given(plan_ms, counter)
        share = bolus.volume_nl * min(given, first.volume_nl) // first.volume_nl if first.volume_nl else 0
        self.open_bolus = None
        if counter is None or counter < self.run_counter:
            return [bolus_record(bolus, "unknown", share, "counter", "the pump's counter was reset")]
        return [bolus_record(bolus, "delivered" if given >= first.volume_nl else "interrupted", share)]

    def end_bridge(self) -> list[Write]:
        """The old fluid has surely left the path."""
        self.bridging = False
        return [Write("bridge_over", {})]

    def set_plan_time(self, plan_ms: int) -> None:
        """A person confirmed plan time; where it went back, what is due from then on is due again (D-16)."""
        if self.run is None:
            self.totals.horizon_ms = min(self.totals.horizon_ms, max(0, plan_ms))

    def name_gaps(self) -> list[Write]:
        """The records of gaps that an earlier life did not come to write."""
        unnamed, self._unnamed = self._unnamed, []
        return unnamed

    def _note_slot(self, slot_ms: int | None) -> None:
        if slot_ms is not None:
            self.slots_until = max(self.slots_until, slot_ms + 1)

    # Taking up a journal.

    def replay(self, kind: str, data: Mapping[str, Any]) -> None:
        """Apply one record of ours, or what the guard's own tell of the run asked for."""
        if kind == "asked":
            self._replay_asked(data)
        elif kind == "missed":
            self._unnamed = self._unnamed[1:]
        elif kind == "bolus":
            self._replay_bolus(data)
        elif kind == "bridge_over":
            self.bridging = False
        elif kind == "dropped":
            self._dropped(data)
        elif kind == "plan_time":
            self.set_plan_time(data["plan_ms"])
        else:
            self._note_proof(kind, data)
            self._unnamed += [write for write in self._replay_sums(kind, data) if write.kind == "missed"]

    def _replay_asked(self, data: Mapping[str, Any]) -> None:
        slot_ms = data["slot_ms"]
        self.asked, self.proof = self._run_of(data), "it was never sent"
        self.asked_slot = None if slot_ms is None else self.prescription.schedule.next_slot(slot_ms)
        self._note_slot(slot_ms)

    def _replay_bolus(self, data: Mapping[str, Any]) -> None:
        if self.open_bolus is not None and data["id"] == self.open_bolus.id:  # not one refused beside it
            self.open_bolus = None

    def _replay_sums(self, kind: str, data: Mapping[str, Any]) -> list[Write]:
        if kind == "granted" and self.asked is not None:
            return self._granted(self.asked, data["counter"], data["given"])
        if kind == "cut":
            return self._cut(data["plan_ms"], data["given"], data["why"])
        if kind == "idle":
            return self.idle(data["plan_ms"], data["why"])
        if kind == "skip":
            return self.skip(data["slot_ms"], data["slot_ms"], Fraction(data["nl"]), data["why"])
        return []

    def _note_proof(self, kind: str, data: Mapping[str, Any]) -> None:
        """What the guard wrote of the run asked for, before the controller came to write what it means."""
        if self.asked is not None and kind == "intent" and data["request"] == self.asked.request_id:
            self._permit, self.proof = data["id"], None
        elif kind in ("outcome", "evidence") and data["id"] == self._permit:
            match data["what"]:
                case "acked" | "given":
                    self.proof = (data["counter"], data.get("lo", 0))
                case "refused" | "not-given":
                    self.proof = data.get("code") or data["why"]

    def _run_of(self, data: Mapping[str, Any]) -> Run:
        spans = tuple(
            Span(StepKind(kind), start, end, volume, basal, Fraction(bolus), Fraction(missed))
            for kind, start, end, volume, basal, bolus, missed in data["spans"]
        )
        return Run(
            data["request"],
            data["purpose"],
            data["account"],
            spans,
            self.pace(data["bridge_until"]),
            data["cut_nl"],
            data["lost_nl"],
        )


def bolus_record(bolus: Bolus, outcome: str, delivered_nl: int, rule: str = "", reason: str = "") -> Write:
    """The journal's line on a bolus; times in plan ms, volumes nL."""
    return Write(
        "bolus",
        {
            "id": bolus.id,
            "kind": bolus.kind,
            "requested_ms": bolus.requested_ms,
            "outcome": outcome,
            "rule": rule,
            "reason": reason,
            "volume_nl": bolus.volume_nl,
            "delivered_nl": delivered_nl,
        },
    )


def _missed(gaps: tuple[Gap, ...]) -> list[Write]:
    return [Write("missed", gap.as_record()) for gap in gaps]
