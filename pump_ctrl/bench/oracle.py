"""An independent look at a finished run: what truly happened against what was signed.

Layer      bench. Reads compiled limits, the simulator's truth and the ledger; shares no code with the guard.
Invariant  a violation is found by exact comparison; a pump beyond its declared accuracy is one, since the
           truth is what counts for the patient on the bench.
Tests      tests/unit/test_simulate.py, tests/unit/test_cli_simulate.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

from sim.truth import Truth

HOURS = (1, 4, 24)


@dataclass(frozen=True, slots=True)
class Window:
    """The worst window of one drug: by the ledger and in truth, and the limit that was signed; ng."""

    hours: int
    worst_ng: int
    truth_ng: int
    limit_ng: int


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that the run broke, and when it was seen (s from the start)."""

    id: str
    t_s: int
    detail: str


def limit_pg(limits: Mapping[str, Any], drug: str, hours: int) -> int:
    """The most of ``drug`` that any window may hold, pg: of the accounts it can meet, or a lower hard cap.

    The margins of D-05 are in it: T_s times the highest rate and all falls, and one pump step a command.
    """
    return min([_signed_pg(limits, drug, hours), *_caps_pg(limits, drug, hours)])


def limit_across(plans: Sequence[Mapping[str, Any]], drug: str, hours: int) -> int:
    """The same of a run in which one plan after the other was in force, pg: a window may meet several of them.

    What they hold together, or the highest of their hard caps.
    """
    if len(plans) == 1:
        return limit_pg(plans[0], drug, hours)
    caps = [cap for limits in plans for cap in _caps_pg(limits, drug, hours)]
    signed = sum(_signed_pg(limits, drug, hours) for limits in plans)
    return min([signed, max(caps)]) if caps else signed


def _signed_pg(limits: Mapping[str, Any], drug: str, hours: int) -> int:
    met = max(_met_pg(limits, drug, hours, account["from_ms"]) for account in limits["accounts"])
    return _prime_pg(limits, drug) + met


def _caps_pg(limits: Mapping[str, Any], drug: str, hours: int) -> list[int]:
    margin = max((_margin_pg(limits, row) for row in _rows(limits, drug, hours)), default=0)
    caps = (cap["pg"] for cap in limits["caps"] if (cap["drug"], cap["hours"]) == (drug, hours))
    return [int(cap) + margin for cap in caps]


def _met_pg(limits: Mapping[str, Any], drug: str, hours: int, end_ms: int) -> int:
    """All rows of the accounts that a window may meet which ends just after ``end_ms`` of plan time."""
    begin_ms = end_ms - hours * 3_600_000
    return sum(
        _row_pg(limits, row)
        for account in limits["accounts"]
        if account["from_ms"] <= end_ms and (account["until_ms"] is None or account["until_ms"] > begin_ms)
        for row in account["rows"]
        if (row["drug"], row["hours"]) == (drug, hours)
    )


def _prime_pg(limits: Mapping[str, Any], drug: str) -> int:
    """The early share of a prime, one part in four of what it moves (D-12)."""
    return ceil(Fraction(limits["prime_nl"] * limits["fluids"]["reservoir"].get(drug, (0, 0))[1], 4_000_000))


def _rows(limits: Mapping[str, Any], drug: str, hours: int) -> list[Mapping[str, Any]]:
    rows = (row for account in limits["accounts"] for row in account["rows"])
    return [row for row in rows if (row["drug"], row["hours"]) == (drug, hours)]


def _row_pg(limits: Mapping[str, Any], row: Mapping[str, Any]) -> int:
    return int(row["basal_pg"]) + int(row["bolus_pg"]) + _margin_pg(limits, row)


def _margin_pg(limits: Mapping[str, Any], row: Mapping[str, Any]) -> int:
    rates = ("basal_max_pg_per_h", "basal_fall_pg_per_h", "bolus_max_pg_per_h", "bolus_fall_pg_per_h")
    doubt = Fraction(sum(row[name] for name in rates) * limits["stop_ms"], 3_600_000)
    fluids = (limits["fluids"][where].get(row["drug"], (0, 0))[1] for where in ("path", "reservoir"))
    step = max(limits["pump"]["step_nl"], limits["pump"]["counter_unit_nl"])
    return ceil(doubt + Fraction(2 * (row["commands"] + 2) * step * max(fluids), 1_000_000))


def truth_violations(
    plans: Sequence[Mapping[str, Any]], truth: Truth, accuracy: tuple[int, int], t_s: int
) -> list[Violation]:
    """S-01 on the truth: no window holds more than its limit at the pump's declared accuracy (per mille).

    ``plans``: the limits of every plan that was in force, in order.
    """
    found = []
    for drug in truth.drugs():
        for hours in HOURS:
            worst = truth.worst_window(drug, hours)
            allowed = limit_across(plans, drug, hours) * accuracy[1] // 1_000
            if worst > allowed:
                found.append(
                    Violation(
                        "S-01",
                        t_s,
                        f"{drug}: {worst} pg truly left the tip in {hours} h, signed {allowed} pg",
                    )
                )
    return found


def ledger_violations(low_nl: int, high_nl: int, counted_nl: int, t_s: int) -> list[Violation]:
    """S-03: what the pump truly stepped lies within the ledger's bounds."""
    if low_nl <= counted_nl <= high_nl:
        return []
    detail = f"the pump stepped {counted_nl} nL, the ledger holds {low_nl} to {high_nl} nL"
    return [Violation("S-03", t_s, detail)]


def sums_violations(
    planned: Fraction, commanded: Fraction, missed: Fraction, step_nl: int, t_s: int
) -> list[Violation]:
    """D-02: |commanded + missed - planned| is less than one pump step."""
    if abs(planned - missed - commanded) < step_nl:
        return []
    return [
        Violation("D-02", t_s, f"planned {planned}, commanded {commanded}, missed {missed} nL do not add up")
    ]
