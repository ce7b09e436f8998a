"""The parts of a dosing plan, each with the rules that it can check alone.

Layer      therapy. Imports units and plan_fields.
Hazard     a part that contradicts itself and of which one half is believed.
Invariant  a part that exists has passed its own ``faults``; rules between parts are in plan_rules.
Tests      tests/unit/test_plan.py, tests/unit/test_plan_bad_input.py

Doses are masses of the primary drug, times of day ms after local midnight. Every rule has its own sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from pump_ctrl.therapy.plan_fields import (
    DURATION_SCHEMA,
    WEEKDAYS,
    ChangeField,
    ConcentrationField,
    DrugName,
    DurationField,
    Fault,
    LengthField,
    Listed,
    MassField,
    MassRateField,
    Name,
    Part,
    PartError,
    Range,
    TimeField,
    VolumeField,
    Weekday,
    Weekdays,
)
from pump_ctrl.units import MS_PER_DAY, Duration, TimeOfDay, shown

MAX_STEPS: Final = 13  # levels of a day that implants of this kind hold (domain notes 1.2)
MAX_DRUGS: Final = 8
MAX_BOLUSES: Final = 96
MAX_STAGES: Final = 100

_FIVE_MINUTES: Final = Duration(300_000)
_ONE_TO_13: Final[dict[str, JsonValue]] = {"minItems": 1, "maxItems": MAX_STEPS}
_ON_LOSS: Final = '"stop" or { hold = "4 h" }'


def _exactly_one(part: Part, *names: str) -> Iterator[Fault]:
    given = [name for name in names if name in part.model_fields_set and getattr(part, name) is not None]
    if len(given) != 1:
        said = " and ".join(given) + " together" if given else "none of them"
        yield Fault(
            (given[-1],) if given else (), f"exactly one must be given, here {said}", " or ".join(names)
        )


def _one_of_schema(*choices: str | tuple[str, ...]) -> ConfigDict:
    """Tell editors that exactly one of these keys (or groups of keys) belongs here."""
    groups: list[JsonValue] = [[choice] if isinstance(choice, str) else list(choice) for choice in choices]
    return ConfigDict(json_schema_extra={"oneOf": [{"required": group} for group in groups]})


class OnLoss(Part):
    """What the pump does when control is lost: stop (``hold`` is None) or hold a low rate for a while."""

    hold: DurationField | None = Field(description="How long the hold rate may run.")

    @model_validator(mode="before")
    @classmethod
    def _read_stop(cls, value: object) -> object:
        if value == "stop":
            return {"hold": None}
        if isinstance(value, str):
            raise PartError(Fault((), f"{shown(value)} is not known", _ON_LOSS))
        return value

    @model_serializer
    def _write(self) -> str | dict[str, str]:
        return "stop" if self.hold is None else {"hold": str(self.hold)}

    def faults(self) -> Iterator[Fault]:
        """Refuse a hold of no length."""
        if self.hold is not None and self.hold.ms == 0:
            yield Fault(("hold",), "a hold of no length is a stop", _ON_LOSS)


OnLossField = Annotated[
    OnLoss,
    WithJsonSchema(
        {
            "oneOf": [
                {"const": "stop"},
                {
                    "type": "object",
                    "properties": {
                        "hold": {"type": "string", "pattern": DURATION_SCHEMA, "examples": ["4 h"]}
                    },
                    "required": ["hold"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


class Drug(Part):
    """One drug of the mixture and its concentration after mixing."""

    name: DrugName
    concentration: ConcentrationField

    def faults(self) -> Iterator[Fault]:
        """Refuse a drug that is not there."""
        if self.concentration.pg_per_ml == 0:
            yield Fault(("concentration",), "is zero: the reservoir holds none of this drug", "above 0 ug/mL")


class Reservoir(Part):
    """What is in the pump at the start."""

    filled: VolumeField = Field(description="Volume filled at the start.")
    residual: Range = Field(description="Least and most volume that stayed in the pump under the fill.")
    alarm: VolumeField = Field(description="Low-reservoir alarm volume.")
    drugs: Listed[Drug] = Field(
        min_length=1,
        max_length=MAX_DRUGS,
        description="First is the primary drug; the others follow by concentration.",
    )

    def faults(self) -> Iterator[Fault]:
        """Refuse volumes that cannot be and drugs that are named twice."""
        if self.filled.nl == 0:
            yield Fault(("filled",), "nothing was filled", "above 0 mL")
        if self.residual[1] > self.filled:
            yield Fault(("residual",), f"more stayed ({self.residual[1]}) than was filled ({self.filled})",
                        "an upper bound of at most the volume filled")  # fmt: skip
        if self.alarm.nl == 0 or self.alarm >= self.filled:
            yield Fault(
                ("alarm",),
                f"an alarm at {self.alarm} warns never or at once",
                f"above 0 mL and below {self.filled}",
            )
        names = [drug.name for drug in self.drugs]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Fault(("drugs", index, "name"), f"{name!r} stands here twice", "each drug once")


class Catheter(Part):
    """The catheter: a known model and its implanted length, or its two volume bounds."""

    model_config = _one_of_schema(("model", "length"), "volume")

    model: Name | None = None
    length: LengthField | None = Field(default=None, description="Implanted length, after trimming.")
    volume: Range | None = Field(default=None, description="Least and most volume of the catheter.")

    def faults(self) -> Iterator[Fault]:
        """Refuse two statements of the volume, or none."""
        stated = tuple(name for name in ("model", "length", "volume") if getattr(self, name) is not None)
        if stated not in {("model", "length"), ("volume",)}:
            said = " and ".join(stated) or "none of them"
            yield Fault((), f"exactly one must be given, here {said}", "model and length, or volume")
        if self.length is not None and self.length.um == 0:
            yield Fault(("length",), "a catheter of no length has no volume", "above 0 cm")


class BasalStep(Part):
    """A level of the day, from ``from_ms`` until the next step, the last one until the first one next day."""

    model_config = _one_of_schema("dose", "rate")

    from_ms: TimeField = Field(alias="from", description="Local time of day the step begins.")
    dose: MassField | None = Field(default=None, description="Dose spread evenly until the next step.")
    rate: MassRateField | None = Field(default=None, description="Dose rate until the next step.")

    def faults(self) -> Iterator[Fault]:
        """Refuse two statements of the level, or none."""
        return _exactly_one(self, "dose", "rate")


def step_lengths(steps: Sequence[BasalStep]) -> tuple[int, ...]:
    """How long each step of a day lasts, in ms; together 24 h."""
    ends = [step.from_ms for step in steps[1:]] + [steps[0].from_ms + MS_PER_DAY]
    return tuple(end - step.from_ms for step, end in zip(steps, ends, strict=True))


def daily_pg(steps: Sequence[BasalStep]) -> Fraction:
    """The dose of a day of these steps, in pg of the primary drug, exact."""
    total = Fraction(0)
    for step, length in zip(steps, step_lengths(steps), strict=True):
        if step.dose is not None:
            total += step.dose.pg
        elif step.rate is not None:
            total += Fraction(step.rate.pg * length, step.rate.per_ms)
    return total


def _step_faults(steps: Sequence[BasalStep]) -> Iterator[Fault]:
    if not 1 <= len(steps) <= MAX_STEPS:
        yield Fault(("steps",), f"a day of {len(steps)} steps", f"1 to {MAX_STEPS} steps")
    for index, (before, step) in enumerate(pairwise(steps), start=1):
        if step.from_ms <= before.from_ms:
            this, last = TimeOfDay(step.from_ms), TimeOfDay(before.from_ms)
            what = "begins when the step before it does" if this == last else f"is before the step at {last}"
            yield Fault(("steps", index, "from"), f"{this} {what}", "steps in order of time")


class DayGroup(Part):
    """The steps of some weekdays. They start at 00:00, so that a day stands alone."""

    days: Weekdays
    steps: Listed[BasalStep] = Field(json_schema_extra=_ONE_TO_13)

    def faults(self) -> Iterator[Fault]:
        """Refuse steps out of order and a day that would begin with the day before."""
        yield from _step_faults(self.steps)
        if self.steps and self.steps[0].from_ms != 0:
            what = f"the first step begins at {TimeOfDay(self.steps[0].from_ms)}, so the day has no beginning"
            yield Fault(("steps", 0, "from"), what, '"00:00" for the first step of a group of weekdays')


class Basal(Part):
    """The background: exactly one of a rate, the steps of a day, groups of weekdays, or a mode."""

    model_config = _one_of_schema("rate", "steps", "days", "mode")

    rate: MassRateField | None = Field(default=None, description="Simple continuous infusion.")
    steps: Listed[BasalStep] = Field(
        default=(), description="One day, repeated; 1 to 13 steps.", json_schema_extra=_ONE_TO_13
    )
    days: Listed[DayGroup] = Field(default=(), description="Groups of weekdays; each weekday in one group.")
    mode: Literal["minimum", "stopped"] | None = Field(
        default=None, description="A background that is no therapy."
    )

    def faults(self) -> Iterator[Fault]:
        """Refuse two backgrounds, steps out of order and weekdays without a group."""
        yield from _exactly_one(self, "rate", "steps", "days", "mode")
        if self.rate is not None and self.rate.pg == 0:
            yield Fault(("rate",), "a rate of zero is no infusion", 'mode = "stopped", or a rate above zero')
        if "steps" in self.model_fields_set:
            yield from _step_faults(self.steps)
        if "days" in self.model_fields_set:
            yield from self._weekday_faults()

    def _weekday_faults(self) -> Iterator[Fault]:
        seen: set[Weekday] = set()
        for index, group in enumerate(self.days):
            if again := seen.intersection(group.days):
                yield Fault(
                    ("days", index, "days"),
                    f"{_days(again)} already stands in a group before",
                    "each weekday once",
                )
            seen.update(group.days)
        if missing := set(WEEKDAYS) - seen:
            yield Fault(("days",), f"{_days(missing)} stands in no group", "each weekday in one group")

    def patterns(self) -> tuple[tuple[BasalStep, ...], ...]:
        """The days that occur, as steps: one for ``steps``, one per group for ``days``, none otherwise."""
        return (self.steps,) if self.steps else tuple(group.steps for group in self.days)


def _days(days: set[Weekday]) -> str:
    return ", ".join(day for day in WEEKDAYS if day in days)


def _every_day(days: tuple[Weekday, ...] | None) -> tuple[Weekday, ...] | None:
    return None if days == WEEKDAYS else days


class ScheduledBolus(Part):
    """A bolus at a time of day, on top of the basal; it may start ``within`` late, then it is missed."""

    at_ms: TimeField = Field(alias="at", description="Local time of day the bolus is due.")
    dose: MassField
    over: DurationField = Field(description="How long the bolus takes.")
    within: DurationField = Field(default=_FIVE_MINUTES, description="Latest start after the time it is due.")
    once: bool = Field(default=False, description="Only the first such time at or after the start.")
    days: Annotated[Weekdays | None, AfterValidator(_every_day)] = Field(
        default=None, description="Weekdays; every day if left out."
    )

    def faults(self) -> Iterator[Fault]:
        """Refuse a bolus of nothing, in no time or of a day and more."""
        yield from _bolus_faults(self.dose.pg, self.over.ms)
        if not 0 < self.within.ms <= MS_PER_DAY:
            yield Fault(
                ("within",), f"a bolus that must start within {self.within}", "above 0 s, at most 24 h"
            )
        if self.once and "days" in self.model_fields_set:
            yield Fault(("days",), "a bolus given once has no weekdays", "once = true or days, not both")


def _bolus_faults(pg: int, over_ms: int) -> Iterator[Fault]:
    if pg == 0:
        yield Fault(("dose",), "a bolus of nothing", "above 0 ug")
    if not 0 < over_ms <= MS_PER_DAY:
        yield Fault(("over",), f"a bolus over {Duration(over_ms)}", "above 0 s, at most 24 h")


class PatientBolus(Part):
    """What the patient may ask for: one dose, a lockout after it, and a maximum in any 24 h."""

    dose: MassField
    over: DurationField = Field(description="How long the bolus takes.")
    lockout: DurationField = Field(description="From the latest end of a bolus to the next request granted.")
    max_per_day: int = Field(
        description="Most boluses in any 24 h.", json_schema_extra={"minimum": 1, "maximum": 999}
    )

    def faults(self) -> Iterator[Fault]:
        """Refuse a bolus of nothing, no lockout and no maximum."""
        yield from _bolus_faults(self.dose.pg, self.over.ms)
        if self.lockout.ms == 0:
            yield Fault(("lockout",), "no lockout at all", "above 0 s")
        elif self.lockout < self.over:
            yield Fault(("lockout",), f"a lockout of {self.lockout} is shorter than the bolus of {self.over}",
                        "at least as long as the bolus")  # fmt: skip
        if not 1 <= self.max_per_day <= 999:
            yield Fault(("max_per_day",), f"{self.max_per_day} boluses a day", "1 to 999")


class Prime(Part):
    """Fast advance of the fluid into an empty path, at the start."""

    volume: VolumeField
    path: Literal["empty", "back-table", "aspirated"] = Field(description="Why the path needs priming.")

    def faults(self) -> Iterator[Fault]:
        """Refuse a prime of nothing."""
        if self.volume.nl == 0:
            yield Fault(("volume",), "a prime of nothing", "above 0 mL, or no [prime]")


class Bridge(Part):
    """The old fluid is still in the path: keep the old dosing until it has left. An empty table says so."""

    volume: Range | None = Field(default=None, description="Overrides the two bounds of the path volume.")

    def faults(self) -> Iterator[Fault]:
        """Refuse a bridge of nothing."""
        if self.volume is not None and self.volume[0].nl == 0:
            yield Fault(("volume",), "a bridge that may be of nothing", "a lower bound above 0 mL")


class TitrationStep(Part):
    """A change of the daily basal dose, ``after`` the step before it began (or the start)."""

    model_config = _one_of_schema("dose", "change")

    after: DurationField
    dose: MassRateField | None = Field(default=None, description="The new daily basal dose.")
    change: ChangeField | None = Field(default=None, description="Change against the dose before.")

    def faults(self) -> Iterator[Fault]:
        """Refuse a step without a change, with two, or at once."""
        yield from _exactly_one(self, "dose", "change")
        if self.after.ms == 0:
            yield Fault(("after",), "a step at once is no step", "above 0 s")
        if self.dose is not None and self.dose.pg == 0:
            yield Fault(
                ("dose",), "a daily dose of zero ends the therapy", "a dose above zero, or another plan"
            )


class Titration(Part):
    """Changes of the basal dose that are signed in advance."""

    step: Listed[TitrationStep] = Field(min_length=1, max_length=MAX_STAGES)


class OwnLimits(Part):
    """Tighter limits than the formulary's, for the primary drug, in any window of that length."""

    max_per_hour: MassField | None = None
    max_per_4h: MassField | None = None
    max_per_day: MassField | None = None
    max_bolus: MassField | None = None

    def faults(self) -> Iterator[Fault]:
        """Refuse a limit that forbids everything, and a table without a limit."""
        given: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        if not any(given.values()):
            yield Fault((), "sets no limit", " or ".join(given))
        for name, limit in given.items():
            if limit is not None and limit.pg == 0:
                yield Fault((name,), "a limit of zero forbids every dose", "above 0 ug")
