"""The drug library: what each drug allows by the intrathecal route, each number with source and ``verified``.

Layer      therapy; imports therapy.sourced and the kernel.
Hazard     a limit that is missing, mistyped or from nowhere; mg for ug; a soft limit above the hard one.
Invariant  every drug has its 24 h hard limit; soft <= hard everywhere; what the file does not say is no limit
           of anybody's invention but None, and only where the record allows None.
Tests      tests/unit/test_formulary.py, tests/unit/test_formulary_bad_input.py

The numbers live in ``pump_ctrl/data/formulary.toml``. They are no dosing advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pump_ctrl.errors import InvalidInput, Problem
from pump_ctrl.therapy.sourced import (
    ConcentrationText,
    DailyText,
    DataFile,
    HoldText,
    Loc,
    MassText,
    PercentText,
    Source,
    Sourced,
    SourcedModel,
    Strict,
    TimeText,
    check,
    numbers_of,
    read_data,
)

FORMULARY_FILE: Final = Path(__file__).parent.parent / "data" / "formulary.toml"


class DrugEntry(Strict):
    """What one drug allows. Masses are of this drug, daily ones per rolling 24 h; None is "no such limit".

    Soft limits need a reason and a second person, hard limits cannot be passed. A step is the change of the
    prescribed daily dose, as a fraction of the dose before it or as a mass.
    """

    title: str
    unit: Literal["ug", "mg"]  # how doses of this drug are usually written; display only
    route: Literal["intrathecal"]
    withdrawal: Literal["severe", "yes", "rebound", "none"]
    patients: str  # what the start limits assume, such as opioid-naive or tolerant
    on_label: Sourced[bool]
    concentration_soft: Sourced[ConcentrationText]
    concentration_hard: Sourced[ConcentrationText]
    concentration_naive_pump: Sourced[ConcentrationText] | None = (
        None  # most for a pump that never held the drug
    )
    daily_soft: Sourced[DailyText]
    daily_hard: Sourced[DailyText]
    hour_hard: Sourced[MassText] | None = None
    four_hours_hard: Sourced[MassText] | None = None
    bolus_soft: Sourced[MassText]
    bolus_hard: Sourced[MassText]
    start_soft: Sourced[DailyText]
    start_hard: Sourced[DailyText] | None = None
    up_soft: Sourced[PercentText] | None = None
    up_hard: Sourced[PercentText] | None = None
    up_mass_soft: Sourced[DailyText] | None = None
    up_mass_hard: Sourced[DailyText] | None = None
    up_interval_soft: Sourced[TimeText]
    up_interval_hard: Sourced[TimeText]
    down_soft: Sourced[PercentText] | None = None
    down_hard: Sourced[PercentText] | None = None
    down_interval: Sourced[TimeText] | None = None
    min_daily: Sourced[DailyText] | None = None
    on_loss: Sourced[Literal["hold", "stop"]]
    max_hold: Sourced[HoldText]
    under_delivery: Sourced[TimeText]
    stability: Sourced[TimeText]
    stability_first_fill: Sourced[TimeText] | None = None

    @property
    def caps(self) -> tuple[tuple[int, int], ...]:
        """Hard caps as (hours, pg), the 24 h one always among them."""
        windows = ((1, self.hour_hard), (4, self.four_hours_hard), (24, self.daily_hard))
        return tuple((hours, cap.value.pg) for hours, cap in windows if cap is not None)

    @property
    def unverified(self) -> tuple[str, ...]:
        """Names of the numbers that no read source supports."""
        return tuple(str(loc[0]) for loc, number in numbers_of(self) if not number.verified)


class _File(SourcedModel):
    title: str
    version: str
    drug: dict[str, DrugEntry]


@dataclass(frozen=True, slots=True)
class Formulary:
    """The drug library of one file.

    ``sha256`` is the hash of the file's bytes: it is signed with the plan.
    """

    name: str
    title: str
    version: str
    sha256: str
    drugs: dict[str, DrugEntry]
    sources: dict[str, Source]

    def drug(self, name: str) -> DrugEntry:
        """Return the entry of ``name`` (lower case).

        Raises:
            InvalidInput: the formulary does not have the drug. Nothing is assumed in its place.
        """
        entry = self.drugs.get(name)
        if entry is None:
            problem = Problem(self.name, None, name, "is not in the formulary", ", ".join(sorted(self.drugs)))
            raise InvalidInput((problem,))
        return entry

    def __contains__(self, name: object) -> bool:
        return name in self.drugs


def load_formulary(path: Path | str | None = None) -> Formulary:
    """Read a formulary, the one that comes with the package by default.

    Raises:
        InvalidInput: anything missing, unknown, out of range or contradictory, with file:line.
    """
    return _load(Path(path)) if path is not None else _packaged()


@cache
def _packaged() -> Formulary:
    return _load(FORMULARY_FILE)


def _load(path: Path) -> Formulary:
    data = read_data(path)
    file = check(data, _File)
    problems = (
        *_no_drugs(data, file),
        *(p for name, drug in file.drug.items() for p in _judge(data, name, drug)),
    )
    if problems:
        raise InvalidInput(problems)
    return Formulary(path.name, file.title, file.version, data.sha256, dict(file.drug), dict(file.sources))


def _no_drugs(data: DataFile, file: _File) -> Iterator[Problem]:
    if not file.drug:
        yield data.problem(("drug",), "has no drugs; a formulary without drugs allows nothing")


# (lower, upper): each pair must not fall. An interval is the other way round: the soft one is the longer.
_ORDER: Final = (
    ("concentration_soft", "concentration_hard"),
    ("concentration_naive_pump", "concentration_hard"),
    ("daily_soft", "daily_hard"),
    ("hour_hard", "four_hours_hard"),
    ("hour_hard", "daily_hard"),
    ("four_hours_hard", "daily_hard"),
    ("bolus_soft", "bolus_hard"),
    ("bolus_hard", "daily_hard"),
    ("start_soft", "daily_soft"),
    ("start_soft", "start_hard"),
    ("start_hard", "daily_hard"),
    ("up_soft", "up_hard"),
    ("up_mass_soft", "up_mass_hard"),
    ("up_interval_hard", "up_interval_soft"),
    ("down_soft", "down_hard"),
    ("min_daily", "daily_soft"),
    ("stability_first_fill", "stability"),
)
_TOGETHER: Final = (
    ("up_soft", "up_hard"),
    ("up_mass_soft", "up_mass_hard"),
    ("down_soft", "down_hard"),
    ("down_hard", "down_interval"),
)


def _judge(data: DataFile, name: str, drug: DrugEntry) -> Iterator[Problem]:
    """What is wrong between the numbers of one drug."""
    at: Loc = ("drug", name)
    if re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name) is None:
        yield data.problem(at, "is no drug name", "lower-case letters, digits and -")
    for lower, upper in _ORDER:
        low, high = getattr(drug, lower), getattr(drug, upper)
        if low is not None and high is not None and high.value < low.value:
            yield data.problem(
                (*at, lower), f"{low.value} is more than {upper} {high.value}", f"{lower} <= {upper}"
            )
    for one, other in _TOGETHER:
        if (getattr(drug, one) is None) != (getattr(drug, other) is None):
            yield data.problem(
                (*at, one), f"stands without {other} or the other way round", "both or neither"
            )
    if drug.up_hard is None and drug.up_mass_hard is None:
        yield data.problem(at, "has no step-up limit", "up_hard, up_mass_hard or both")
    if drug.on_loss.value == "hold" and drug.max_hold.value.ms == 0:
        yield data.problem((*at, "max_hold"), "is 0 for a drug whose on_loss is hold", "more than 0 s")
