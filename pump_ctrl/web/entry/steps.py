"""The steps of plan entry and their fields, in the field's own order, as data.

Layer      web. A field is named as the plan's problems name it; ``#`` stands for the number of a row.
Hazard     a field of the plan that no page asks for; a unit that is offered and not read.
Invariant  every field of the plan's schema is asked for in one place.
Tests      tests/unit/web/test_steps.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pump_ctrl.therapy.plan_parts import MAX_BOLUSES, MAX_DRUGS, MAX_STAGES, MAX_STEPS
from pump_ctrl.therapy.profiles import load_catheters, profile_names

Kind = Literal["text", "quantity", "choice", "days", "start"]
Choices = tuple[tuple[str, str], ...]  # value, what stands there

MASS: Final = ("ug", "mg", "ng")
VOLUME: Final = ("mL", "uL")
TIME: Final = ("min", "h", "d", "s")
DAILY: Final = ("ug/day", "mg/day", "ug/h", "mg/h", "ng/day")
CONCENTRATION: Final = ("ug/mL", "mg/mL", "ng/mL")


@dataclass(frozen=True, slots=True)
class When:
    """What is asked for only while a choice stands at one of these values."""

    choice: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to be typed or chosen. ``units``: the first is offered first."""

    name: str
    label: str
    kind: Kind = "text"
    units: tuple[str, ...] = ()
    choices: Choices = ()
    hint: str = ""
    when: When | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Fields under one heading; ``rows`` names the list whose rows they are, of at most ``most``."""

    title: str
    fields: tuple[Field, ...] = ()
    rows: str = ""
    row: str = ""  # what one row is called
    most: int = 0
    when: When | None = None
    inner: tuple[Group, ...] = ()  # lists within each row


@dataclass(frozen=True, slots=True)
class Step:
    """One page of the workflow."""

    key: str
    title: str
    lead: str
    groups: tuple[Group, ...]


def _mass(name: str, label: str, hint: str = "", when: When | None = None) -> Field:
    return Field(name, label, "quantity", MASS, hint=hint, when=when)


def _volume(name: str, label: str, hint: str = "", when: When | None = None) -> Field:
    return Field(name, label, "quantity", VOLUME, hint=hint, when=when)


def _time(name: str, label: str, hint: str = "", when: When | None = None) -> Field:
    return Field(name, label, "quantity", TIME, hint=hint, when=when)


def _clock(name: str, label: str, hint: str = "") -> Field:
    return Field(name, label, hint=hint or "hours and minutes, such as 06:00")


def _level(rows: str) -> tuple[Field, ...]:
    dose, rate = When(f"{rows}#~kind", ("dose",)), When(f"{rows}#~kind", ("rate",))
    return (
        _clock(f"{rows}#.from", "From"),
        Field(
            f"{rows}#~kind",
            "Given as",
            "choice",
            choices=(("dose", "dose of the step"), ("rate", "rate during the step")),
        ),
        _mass(f"{rows}#.dose", "Dose of the step", "spread evenly until the next step", dose),
        Field(f"{rows}#.rate", "Rate", "quantity", ("ug/h", "mg/h", "ug/day", "mg/day"), when=rate),
    )


def _bounds(name: str, what: str, hint: str, when: When | None = None) -> tuple[Field, Field]:
    return (
        _volume(f"{name}#1", f"{what}, at least", hint, when),
        _volume(f"{name}#2", f"{what}, at most", "", when),
    )


_OFFSETS: Final = tuple(
    f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    for minutes in sorted(
        {*range(-12 * 60, 15 * 60, 60), -570, -210, -150, 210, 270, 330, 345, 390, 570, 630, 765}
    )
)
_BASAL: Final[Choices] = (
    ("rate", "simple continuous"),
    ("steps", "flex: up to 13 steps, every day"),
    ("days", "flex by groups of weekdays"),
    ("minimum", "minimum rate of the pump"),
    ("stopped", "stopped"),
)


def _named(names: tuple[str, ...]) -> Choices:
    return tuple((name, name) for name in names)


def steps() -> tuple[Step, ...]:
    """The pages of the workflow but the last, which is the finish page."""
    return (
        Step("patient", "Patient and pump", "Who gets it, which pump gives it, from when on.", _patient()),
        Step("reservoir", "Reservoir and drugs", "What is in the pump. The first drug is the one that is dosed; the "
             "others follow by their concentrations.", _reservoir()),
        Step("catheter", "Catheter and volumes", "What the drug has to fill before it arrives.", _catheter()),
        Step("infusion", "Infusion", "What flows by itself, all day.", _infusion()),
        Step("boluses", "Boluses", "What comes on top of the infusion, by the clock or when the patient asks.",
             _boluses()),
        Step("titration", "Titration or taper", "Changes of the infusion that are signed in advance.", _titration()),
        Step("change", "Change of drug, bridge and prime", "What the plan follows, what is in the path, and limits of "
             "its own.", _change()),
    )  # fmt: skip


def _patient() -> tuple[Group, ...]:
    hold = When("on_loss~kind", ("hold",))
    return (
        Group(
            "Plan",
            (
                Field("id", "Name of the plan", hint="letters, digits, point and hyphen, such as ITB-014"),
                Field("title", "Title"),
                Field("patient", "Patient", hint="a label such as BENCH-014, never a person's name"),
                Field("prescriber", "Prescriber"),
            ),
        ),
        Group(
            "Pump and start",
            (
                Field("pump", "Pump", "choice", choices=_named(profile_names())),
                Field("start", "Start", "start", hint="by the plan's own clock"),
                Field("utc_offset", "Plan's clock, from UTC", "choice", choices=_named(_OFFSETS),
                      hint="fixed, without summer time"),
            ),
        ),
        Group(
            "If control is lost",
            (
                Field("on_loss~kind", "The pump", "choice", choices=(
                    ("", "does what the formulary says for these drugs"), ("stop", "stops"),
                    ("hold", "holds a low rate for a while, then stops"))),
                _time("on_loss.hold", "Holds for", "at most what the formulary allows", hold),
            ),
        ),
    )  # fmt: skip


def _reservoir() -> tuple[Group, ...]:
    return (
        Group(
            "Drugs of the mixture",
            (
                Field("reservoir.drugs#.name", "Drug", "choice", hint="as the formulary names it"),
                Field("reservoir.drugs#.concentration", "Concentration", "quantity", CONCENTRATION,
                      hint="in the mixture, as the label says"),
            ),
            rows="reservoir.drugs",
            row="drug",
            most=MAX_DRUGS,
        ),
        Group(
            "Reservoir",
            (
                _volume("reservoir.filled", "Filled"),
                *_bounds("reservoir.residual", "Stayed under the fill", "what could not be drawn out before"),
                _volume("reservoir.alarm", "Low-reservoir alarm at"),
            ),
        ),
    )  # fmt: skip


def _catheter() -> tuple[Group, ...]:
    model, volume = When("catheter~kind", ("model",)), When("catheter~kind", ("volume",))
    return (
        Group(
            "Catheter",
            (
                Field("catheter~kind", "Known by", "choice", choices=(
                    ("model", "model and length"), ("volume", "its volume"))),
                Field("catheter.model", "Model", "choice", choices=_named(tuple(load_catheters())), when=model),
                Field("catheter.length", "Implanted length", "quantity", ("cm", "mm"), hint="after trimming",
                      when=model),
                *_bounds("catheter.volume", "Volume", "the two bounds that are signed", volume),
            ),
        ),
    )  # fmt: skip


def _infusion() -> tuple[Group, ...]:
    return (
        Group("Mode", (Field("basal~kind", "Infusion", "choice", choices=_BASAL),
                       Field("basal.rate", "Rate", "quantity", DAILY, when=When("basal~kind", ("rate",))))),
        Group("Steps of the day", _level("basal.steps"), rows="basal.steps", row="step", most=MAX_STEPS,
              when=When("basal~kind", ("steps",))),
        Group(
            "Groups of weekdays",
            (Field("basal.days#.days", "Weekdays", "days"),),
            rows="basal.days",
            row="group",
            most=7,
            when=When("basal~kind", ("days",)),
            inner=(Group("Steps", _level("basal.days#.steps"), rows="basal.days#.steps", row="step", most=MAX_STEPS),),
        ),
    )  # fmt: skip


def _boluses() -> tuple[Group, ...]:
    asked = When("patient_bolus~kind", ("yes",))
    return (
        Group(
            "Scheduled boluses",
            (
                _clock("bolus#.at", "At"),
                _mass("bolus#.dose", "Dose"),
                _time("bolus#.over", "Over"),
                _time("bolus#.within", "May begin late by", "5 min if left empty; later it is missed and not made up"),
                Field("bolus#~kind", "Given", "choice", choices=(
                    ("daily", "every day"), ("days", "on some weekdays"), ("once", "once"))),
                Field("bolus#.days", "Weekdays", "days", when=When("bolus#~kind", ("days",))),
            ),
            rows="bolus",
            row="bolus",
            most=MAX_BOLUSES,
        ),
        Group(
            "Patient bolus",
            (
                Field("patient_bolus~kind", "The patient may ask", "choice", choices=(("no", "no"), ("yes", "yes"))),
                _mass("patient_bolus.dose", "Dose of an activation", when=asked),
                _time("patient_bolus.over", "Over", when=asked),
                _time("patient_bolus.lockout", "Lockout", "from the end of a bolus to the next one", asked),
                Field("patient_bolus.max_per_day", "Most in any 24 h", hint="a whole number", when=asked),
            ),
        ),
    )  # fmt: skip


def _titration() -> tuple[Group, ...]:
    dose, change = When("titration.step#~kind", ("dose",)), When("titration.step#~kind", ("change",))
    return (
        Group(
            "Steps",
            (
                Field("titration.step#.after", "After", "quantity", ("d", "h", "min", "s"),
                      hint="since the step before, or the start"),
                Field("titration.step#~kind", "Becomes", "choice", choices=(
                    ("change", "changed by"), ("dose", "a daily dose of"))),
                Field("titration.step#.change", "Change", "quantity", ("%",), hint="with its sign, such as +20 or -20",
                      when=change),
                Field("titration.step#.dose", "Daily dose", "quantity", DAILY, when=dose),
            ),
            rows="titration.step",
            row="step",
            most=MAX_STAGES,
        ),
    )  # fmt: skip


def _change() -> tuple[Group, ...]:
    primed = When("prime~kind", ("yes",))
    return (
        Group("Plan in force", (Field("previous", "Follows", "choice", hint="the plan that the pump carries out"),)),
        Group(
            "Bridge",
            (
                Field("bridge~kind", "Bridge bolus", "choice", hint="needed where the path still holds another fluid",
                      choices=(("no", "none"), ("path", "over the volume of the path"), 
                               ("own", "over a volume of its own"))),
                *_bounds("bridge.volume", "Volume of the old fluid", "", When("bridge~kind", ("own",))),
            ),
        ),
        Group(
            "Prime",
            (
                Field("prime~kind", "Prime bolus", "choice", choices=(("no", "none"), ("yes", "at the start"))),
                _volume("prime.volume", "Volume", when=primed),
                Field("prime.path", "Because the path is", "choice", when=primed, choices=(
                    ("empty", "empty"), ("back-table", "filled on the back table up to the catheter"),
                    ("aspirated", "aspirated through the catheter"))),
            ),
        ),
        Group(
            "Limits of this plan",
            (
                _mass("limits.max_bolus", "Most in one bolus", "tighter than the formulary's; empty for that one's"),
                _mass("limits.max_per_hour", "Most in any hour"),
                _mass("limits.max_per_4h", "Most in any 4 h"),
                _mass("limits.max_per_day", "Most in any 24 h"),
            ),
        ),
    )  # fmt: skip
