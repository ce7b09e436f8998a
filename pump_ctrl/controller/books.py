"""The controller's books: run asked for, run in force, totals, boluses; every change is a record.

Layer      controller, pure. ``Books`` applies a change and returns its record; ``replay`` applies the same
           change from the record, so that a restart finds exactly what was there.
Hazard     a restart that forgets a run or counts it twice.
Invariant  replay of the records of any prefix gives the state at that prefix.
Tests      tests/unit/test_books*.py, tests/unit/test_core.py, tests/properties/test_system_machine.py

Record kinds: ``asked``, ``granted``, ``dropped``, ``cut``, ``idle``, ``skip``, ``bolus``, ``bridge_over``,
``refilled``, ``loaded`` (another plan, with the sums; replay takes it up from the guard's own record and compares)
and ``missed`` (a named gap, for the reader and for the sum of ``missed``; replay does not need it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from pump_ctrl.controller.effects import Write
from pump_ctrl.controller.prescription import Prescription, Slot
from pump_ctrl.controller.runs import BridgePace
from pump_ctrl.controller.totals import ZERO, Gap, Pace, Run, Span, Totals
from pump_ctrl.drivers.base import KIND_NAMES, PumpStatus, StepKind
from pump_ctrl.errors import JournalError

BOLUSES = ("scheduled", "patient")
NEVER_SENT: Final = "it was never sent"
NO_EPOCH: Final = -1  # of no pump


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
    """Totals, runs and boluses of one journal, for one prescription at a time.

    ``counter_nl`` is what the last digit of the pump's counter stands for.
    """

    def __init__(self, prescription: Prescription, step_nl: int, counter_nl: int = 1) -> None:
        self.prescription, self.counter_nl = prescription, counter_nl
        self.totals = Totals(step_nl)
        self.asked: Run | None = None
        self.asked_slot: Slot | None = None
        self.proof: Proof = None
        self.run_counter = 0  # the pump's counter when the run in force began
        self.run_epoch: int | None = None  # the only one in which that compares; None: any
        self._anew = False  # a run asked for in an earlier life, if it was taken, has cleared the counter
        self.slots_until = 0  # scheduled boluses before this plan time have been dealt with
        self.bridging = prescription.bridge is not None
        self.primed = prescription.prime_nl == 0
        self._in_path_nl = 0  # of anything since the path was new, with all that the run in force is to give
        self.new_path = False  # told by a person since the plan was loaded, and not yet primed
        self.refilled = False  # told by a person since the plan was loaded
        self.passed = (0, 0)  # while a bridge lasts: bounds of what left before the last refill, nL
        self.open_bolus: Bolus | None = None
        self._loads = 0
        self._permit: int | None = None  # of the run asked for, in a journal that is taken up
        self._unwritten: list[Write] = []  # records that a journal ends before
        self._refill: Mapping[str, Any] | None = None  # told to the guard, in a journal that ends there

    @property
    def run(self) -> Run | None:
        """The run in force."""
        return self.totals.run

    def prime_left_nl(self, plan_ms: int) -> int:
        """What of the plan's prime the path can still take, nL: whatever has left since it was new fills it (D-12).

        0 where that is less than a pump step.
        """
        left = self.prescription.prime_nl - self._in_path_nl + self.to_come_nl(plan_ms)
        return left if left >= self.totals.step_nl else 0

    def to_come_nl(self, plan_ms: int) -> int:
        """What the run in force is still to give, nL, if the pump began it on time."""
        run = self.run
        return 0 if run is None else run.volume_nl - run.delivered_by(plan_ms, self.totals.step_nl)

    def named(self, request: str) -> str:
        """A request's id: its time alone would name two requests of two plans the same."""
        return f"{self._loads}/{request}" if self._loads else request

    def pace(self, bridge_until: int | None = None) -> Pace:
        """The basal in force: the schedule, or the bridge's rule with its change at ``bridge_until``."""
        bridge = self.prescription.bridge
        if bridge is None or not self.bridging:
            return self.prescription.schedule
        return BridgePace(bridge.previous, bridge.shift_ms, self.prescription.schedule, bridge_until)

    def given(self, plan_ms: int, status: PumpStatus | None) -> int:
        """What the run in force has given of what it was told, nL: by the counter, by time without one.

        A counter that is more than a pump step ahead of time, or of the plan, has counted something else: that is
        the guard's to count and to stop, no part of the run, and never made up for by giving less later.
        """
        return self._given(plan_ms, self._counter(status))

    def _counter(self, status: PumpStatus | None) -> int | None:
        """The pump's counter, where it can be compared with what it was."""
        if status is None or self.run_epoch not in (None, status.epoch):
            return None
        return status.delivered_nl

    def _given(self, plan_ms: int, counter: int | None) -> int:
        run = self.totals.run
        if run is None:
            return 0
        by_time = run.delivered_by(plan_ms, self.totals.step_nl)
        if counter is None or counter < self.run_counter:
            return by_time
        given = min(counter - self.run_counter, by_time + self.totals.step_nl, run.volume_nl)
        if given > by_time and self.totals.residual_at(plan_ms, given) < -self.totals.step_nl:
            return by_time
        return given

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
            "spans": [_span_record(span) for span in run.spans],
            **({"tail": run.tail} if run.tail else {}),
            **({"still": str(run.still)} if run.still else {}),
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

    def take_over(self, status: PumpStatus, given_new: int, *, lasts: bool) -> list[Write]:
        """The run asked for took over; it has given ``given_new`` nL already.

        ``lasts``: the pump's counter goes on through its epochs; else it compares in this one only.
        """
        compares = not self._anew and self._counter(status) is not None
        records = self.grant(status.delivered_nl, given_new, compares)
        self.run_epoch, self._anew = None if lasts else status.epoch, False
        return records

    def begin_anew(self, status: PumpStatus | None, *, taken: bool) -> list[Write]:
        """A journal was taken up, on a pump that is stopped, and its counter cleared, for each run.

        So the counter is that of the run in force, if the one asked for after it was not ``taken`` and has not
        cleared it. Else, without a status or after a reset, what was given is told by time, as far as it ran.
        """
        # if that was taken, now or as it turns out later, it cleared the counter
        self._anew = self.asked is not None
        if taken:
            return []
        if isinstance(self.proof, tuple) and self.asked is not None:
            return []  # the last life read the counter when the pump took over
        self.run_counter, self.run_epoch = 0, NO_EPOCH
        if status is not None and "reset" not in status.alarms:
            self.run_epoch = status.epoch
        cleared = status is None or status.delivered_nl == 0
        if self.asked is None or self.proof == NEVER_SENT or not cleared:
            return []
        return self.cut(self.asked.from_ms, None, "stopped to be told the next run")

    def grant(self, counter: int, given_new: int = 0, compares: bool = True) -> list[Write]:
        """The run asked for took over; of the pump's ``counter`` it has given ``given_new`` nL already.

        Unless it ``compares``, the counter tells nothing of the run before, which is then told by time.
        """
        run = self.asked
        if run is None:
            return []
        at_begin = max(0, counter - given_new) if compares else None
        closed = self._close_bolus(run.from_ms, at_begin)
        return [*closed, *self._granted(run, counter - given_new, self._given(run.from_ms, at_begin))]

    def _granted(self, run: Run, counter: int, given_old: int) -> list[Write]:
        self._closes(given_old)
        gaps = self.totals.grant(run, given_old)
        self._in_path_nl += run.volume_nl
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
            self.primed, self.new_path = True, False

    def cut(self, plan_ms: int, status: PumpStatus | None, why: str) -> list[Write]:
        """The run in force ended at ``plan_ms``: stopped, or by itself."""
        if self.run is None:
            return []
        return self._cut(plan_ms, self.given(plan_ms, status), why)

    def _cut(self, plan_ms: int, given: int, why: str) -> list[Write]:
        self._closes(given)
        gaps = self.totals.cut(plan_ms, given, why)
        data = {"plan_ms": plan_ms, "given": given, "why": why, **self.totals.snapshot()}
        return [Write("cut", data), *_missed(gaps)]

    def _closes(self, given: int) -> None:
        """The run in force gives no more than ``given`` nL, and what a pump may still finish of a step."""
        if self.run is not None:
            self._in_path_nl -= max(0, self.run.volume_nl - given - self.totals.step_nl)

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
        return self._close_bolus(plan_ms, self._counter(status))

    def _close_bolus(self, plan_ms: int, counter: int | None) -> list[Write]:
        bolus, run = self.open_bolus, self.totals.run
        if bolus is None or run is None:
            return []
        first, given = run.spans[0], self._given(plan_ms, counter)
        share = bolus.volume_nl * min(given, first.volume_nl) // first.volume_nl if first.volume_nl else 0
        self.open_bolus = None
        if counter is None or counter < self.run_counter:
            return [bolus_record(bolus, "unknown", share, "counter", "the pump's counter was reset")]
        whole = given > first.volume_nl - self.counter_nl  # as far as the counter can tell
        return [
            bolus_record(bolus, "delivered" if whole else "interrupted", bolus.volume_nl if whole else share)
        ]

    def end_bridge(self) -> list[Write]:
        """The old fluid has surely left the path."""
        self.bridging = False
        return [Write("bridge_over", {})]

    def refill(
        self, passed: tuple[int, int], *, new_path: bool, prime_due: bool, to_come_nl: int
    ) -> list[Write]:
        """The reservoir was filled. A new path may be primed anew; ``prime_due``: before anything else.

        ``passed`` bounds what had left since the bridge began; ``to_come_nl``: the most of the run in force that goes
        into the path from now on, nL.
        """
        data = {
            "passed": list(passed),
            "new_path": new_path,
            "prime_due": prime_due,
            "to_come_nl": to_come_nl,
        }
        self._refilled(data)
        return [Write("refilled", data)]

    def _refilled(self, data: Mapping[str, Any]) -> None:
        low, high = data["passed"]
        self.passed, self.refilled, self._refill = (low, high), True, None
        if data["new_path"]:
            self.new_path, self._in_path_nl = True, data["to_come_nl"]
        if data["prime_due"]:
            self.primed = self.prescription.prime_nl == 0

    def load(self, new: Prescription, plan_ms: int, by: str) -> list[Write]:
        """Another plan is in force from ``plan_ms`` of its own time on; the sums and the run carry over (D-07).

        Scheduled boluses before it are not due. The same plan again changes nothing.
        """
        old, self.prescription = self.prescription, new
        shift = old.start_utc_ms - new.start_utc_ms
        if new.plan != old.plan:
            self.totals.shift(shift)
            self.slots_until = plan_ms
            self.bridging = new.bridge is not None
            self.primed = new.prime_nl == 0
            self.new_path = self.refilled = False
            self.passed = (0, 0)
            self._loads += 1
        data = {"plan": new.plan, "by": by, "plan_ms": plan_ms, "shift_ms": shift, **self.totals.snapshot()}
        return [Write("loaded", data)]

    def set_plan_time(self, plan_ms: int) -> None:
        """A person confirmed plan time; where it went back, what is due from then on is due again (D-16)."""
        if self.run is None:
            self.totals.horizon_ms = min(self.totals.horizon_ms, max(0, plan_ms))

    def unwritten(self) -> list[Write]:
        """The records that an earlier life did not come to write.

        Of a refill nobody knows how much had left by then: the new fluid may be at the tip already.
        """
        unwritten, self._unwritten = self._unwritten, []
        if self._refill is not None:
            # whoever told a new path has to confirm first, so nothing starts by it; nor when it was, in the run
            new_path, to_come = self._refill["new_path"], 0 if self.run is None else self.run.volume_nl
            unwritten += self.refill(
                self.unknown_front, new_path=new_path, prime_due=new_path, to_come_nl=to_come
            )
        return unwritten

    @property
    def unknown_front(self) -> tuple[int, int]:
        """Bounds of what has left since the bridge began that exclude nothing, nL."""
        bridge = self.prescription.bridge
        return (0, 0) if bridge is None or not self.bridging else (0, bridge.lo_nl)

    def _note_slot(self, slot_ms: int | None) -> None:
        if slot_ms is not None:
            self.slots_until = max(self.slots_until, slot_ms + 1)

    # Taking up a journal.

    def replay(self, kind: str, data: Mapping[str, Any]) -> None:
        """Apply one record of ours, or what the guard's own tell of a refill and of the run asked for."""
        handler = _REPLAYED.get(kind)
        if handler is not None:
            handler(self, data)
        else:
            self._note_proof(kind, data)
            self._unwritten += [write for write in self._replay_sums(kind, data) if write.kind == "missed"]

    def replay_load(self, new: Prescription, plan_ms: int, by: str) -> None:
        """Apply the guard's record of other limits; ours, with the sums, is still to come."""
        self._unwritten += self.load(new, plan_ms, by)

    def _replay_loaded(self, data: Mapping[str, Any]) -> None:
        """Compare the sums with those of the plans that were given.

        Raises:
            JournalError: they are others, so that one of the plans or the controller is not what ran.
        """
        expected = self._unwritten.pop(0).data if self._unwritten else None
        if expected != data:
            raise JournalError(
                f"The sums at the load of plan {data['plan'][:16]} are not those of the plans given.",
                pump_state="What it was told last goes on to its end.",
                do_now="Start with the version and the plans that wrote this journal.",
            )

    def _replay_missed(self, _data: Mapping[str, Any]) -> None:
        self._unwritten = self._unwritten[1:]

    def _replay_refill(self, data: Mapping[str, Any]) -> None:
        self._refill = data

    def _replay_bridge_over(self, _data: Mapping[str, Any]) -> None:
        self.bridging = False

    def _replay_plan_time(self, data: Mapping[str, Any]) -> None:
        self.set_plan_time(data["plan_ms"])

    def _replay_asked(self, data: Mapping[str, Any]) -> None:
        slot_ms = data["slot_ms"]
        self.asked, self.proof = self._run_of(data), NEVER_SENT
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
            Span(StepKind(kind), start, end, volume, basal, *(Fraction(text) for text in texts))
            for kind, start, end, volume, basal, *texts in data["spans"]
        )
        return Run(
            data["request"],
            data["purpose"],
            data["account"],
            spans,
            self.pace(data["bridge_until"]),
            data["cut_nl"],
            data["lost_nl"],
            data.get("tail", 0),
            Fraction(data.get("still", 0)),
        )


_REPLAYED: Final[Mapping[str, Callable[[Books, Mapping[str, Any]], None]]] = {
    "asked": Books._replay_asked,
    "missed": Books._replay_missed,
    "bolus": Books._replay_bolus,
    "bridge_over": Books._replay_bridge_over,
    "dropped": Books._dropped,
    "plan_time": Books._replay_plan_time,
    "refill": Books._replay_refill,
    "refilled": Books._refilled,
    "loaded": Books._replay_loaded,
}


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


def _span_record(s: Span) -> list[Any]:
    """A span as the journal keeps it; the last place only where the pump's numbers could not say all of it."""
    kind, from_ms, to_ms, volume_nl, basal_nl, bolus, missed, grid = s
    # nearly always ZERO itself: most spans have neither bolus nor gap
    asked, less = "0" if bolus is ZERO else str(bolus), "0" if missed is ZERO else str(missed)
    told = [KIND_NAMES[kind], from_ms, to_ms, volume_nl, basal_nl, asked, less]
    return [*told, str(grid)] if grid is not ZERO and grid else told


def _missed(gaps: tuple[Gap, ...]) -> list[Write]:
    return [Write("missed", gap.as_record()) for gap in gaps]
