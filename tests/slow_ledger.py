"""The obviously right ledger: intervals of flow, exact fractions, every window that can be the fullest looked at.

It holds what the pump was seen to begin (``WireSpy.starts``), each step evenly over its time until something
else took over. It shares no code with the guard; where the guard's own figure is lower than this one, a
window was under-counted (S-03), and where this one passes a limit, too much was permitted (S-02).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any, Final

from tests.spies import STEP_NL, Start

HOUR = 3_600_000
HOURS = (1, 4, 24)
T_S = 2_000
PRIME_SHARE = 4  # one part in four of a prime counts as dose, against the hard caps only (D-12)
ZERO: Final = Fraction(0)


@dataclass(frozen=True)
class Interval:
    """Flow at a constant rate (nL/ms) from ``start`` to ``end`` (true ms), of one part of one account."""

    start: int
    end: int
    rate: Fraction
    part: str  # "basal", "bolus" or "prime"
    account: str


def intervals(starts: Iterable[Start], ends: Mapping[int, int], now: int) -> list[Interval]:
    """Everything that began, until it was seen to end or until ``now``."""
    found = []
    for start in starts:
        at, end = start.at_ms, min(now, ends.get(start.id, now))
        basal_nl = [step[3] for step in start.intent["steps"]]
        account = f"{start.intent['account']}/{start.intent['moves']}"
        for (kind, nl, ms), share in zip(start.steps, basal_nl, strict=True):
            basal = nl if kind == "basal" else share
            for part, volume in (("basal", basal), (kind, nl - basal)):
                if volume and at < end:
                    rate = Fraction(volume, ms) / (PRIME_SHARE if part == "prime" else 1)
                    found.append(Interval(at, min(end, at + ms), rate, part, account))
            at += ms
    return found


class Flow:
    """The sum of some intervals: the volume up to each edge, a straight line between two edges."""

    def __init__(self, parts: Sequence[Interval]) -> None:
        jumps: dict[int, Fraction] = {}
        for part in parts:
            jumps[part.start] = jumps.get(part.start, ZERO) + part.rate
            jumps[part.end] = jumps.get(part.end, ZERO) - part.rate
        self.edges = sorted(jumps)
        self.rates = list(accumulate((jumps[edge] for edge in self.edges), initial=ZERO))
        grown = (rate * (b - a) for rate, (a, b) in zip(self.rates[1:], pairwise(self.edges), strict=False))
        self.sums = list(accumulate(grown, initial=ZERO))

    def by(self, time: int) -> Fraction:
        i = bisect_right(self.edges, time) - 1
        return ZERO if i < 0 else self.sums[i] + self.rates[i + 1] * (time - self.edges[i])

    def fullest_pg(self, pg_per_ml: int, hours: int, since: int, now: int) -> Fraction:
        """The most in a window of ``hours`` that ends from ``since`` to ``now``: it begins or ends at an edge."""
        width = hours * HOUR
        ends = {end for edge in self.edges for end in (edge, edge + width) if since <= end <= now}
        most = max(self.by(end) - self.by(end - width) for end in ends | {now})
        return most * pg_per_ml / 1_000_000


def over_limit(limits: Mapping[str, Any], parts: Sequence[Interval], since: int, now: int) -> list[str]:
    """S-02 (D-04, D-05, D-07): basal within E and boluses within B of their account, all within the caps."""
    found = []
    strengths = _strengths(limits)
    accounts = {account["id"]: account for account in limits["accounts"]}
    for key, part in sorted({(i.account, i.part) for i in parts if i.part != "prime"}):
        flow = Flow([i for i in parts if (i.account, i.part) == (key, part)])
        for row in accounts[key.rpartition("/")[0]]["rows"]:
            drug, hours, most = row["drug"], row["hours"], row[f"{part}_pg"]
            worst = flow.fullest_pg(strengths[drug], hours, since, now)
            if worst > most + _margin(row, part, strengths):
                found.append(f"{part} of {drug} in {hours} h, account {key}: {float(worst)} pg over {most}")
    everything = Flow(parts)
    for cap in limits["caps"]:
        worst = everything.fullest_pg(strengths[cap["drug"]], cap["hours"], since, now)
        if worst > cap["pg"] + _cap_margin(limits, cap, strengths):
            found.append(f"{cap['drug']} in {cap['hours']} h: {float(worst)} pg over the cap of {cap['pg']}")
    return found


def _strengths(limits: Mapping[str, Any]) -> dict[str, int]:
    """The largest concentration of each drug in reservoir or path, pg/mL."""
    strengths: dict[str, int] = {}
    for fluid in limits["fluids"].values():
        for drug, (_, high) in fluid.items():
            strengths[drug] = max(strengths.get(drug, 0), high)
    return strengths


def _margin(row: Mapping[str, Any], part: str, strengths: Mapping[str, int]) -> Fraction:
    """D-05: T_s at the highest rate and at every fall, and a step for each command of the window and two more.

    The two: one that lies across either end of it, and one more that nobody planned, as a hostile request.
    """
    doubt = Fraction((row[f"{part}_max_pg_per_h"] + row[f"{part}_fall_pg_per_h"]) * T_S, HOUR)
    return doubt + Fraction((row["commands"] + 2) * STEP_NL * strengths[row["drug"]], 1_000_000)


def _cap_margin(limits: Mapping[str, Any], cap: Mapping[str, Any], strengths: Mapping[str, int]) -> Fraction:
    rows = [row for account in limits["accounts"] for row in account["rows"]]
    fits = [row for row in rows if (row["drug"], row["hours"]) == (cap["drug"], cap["hours"])]
    return max(_margin(row, "basal", strengths) + _margin(row, "bolus", strengths) for row in fits)
