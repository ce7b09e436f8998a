"""A wrong value of every field of plan entry, and the sentence that refuses it: what is wrong, what is allowed.

A sheet is one step of one plan, on which all of its wrong values are typed at once. Restated here and taken from
nowhere: a sentence that changes is to be read again. Nothing here needs a browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_DIGITS: Final = "digits, a point at most and a unit, such as"
VOLUME: Final = f'is not a volume; allowed: {_DIGITS} "1.4 mL"'
MASS: Final = f'is not a mass; allowed: {_DIGITS} "250 ug"'
TIME: Final = f'is not a time; allowed: {_DIGITS} "20 min"'
DOSE_RATE: Final = f'is not a dose rate; allowed: {_DIGITS} "400 ug/day"'
NAME: Final = "is not a name; allowed: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit"
CLOCK: Final = 'is not a time of day; allowed: "00:00" to "23:59", two digits each'
NONE_OF: Final = "is none of the choices; allowed:"


@dataclass(frozen=True)
class Sheet:
    """``wrong``: field -> what is typed, and what the page says there, word for word.

    A start is typed as day, month, year and time; weekdays are those that are ticked. ``also`` shows the fields.
    """

    plan: str
    step: str
    wrong: Mapping[str, tuple[str, str]]
    also: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, str]:
        """The names and texts of a form in which all of it was typed."""
        found = dict(self.also)
        for name, (text, _) in self.wrong.items():
            if name == "start":
                found |= zip([f"start~{part}" for part in START], text.split(), strict=True)
            else:
                found[name] = text
        return found


START: Final = ("day", "month", "year", "time")
A, C, D, E = "a-flex-night-bolus", "c-patient-bolus", "d-ziconotide-titration", "e-bridge"
FIRST_STEP: Final = {"basal.days#1.steps#1.from": "00:00", "basal.days#1.steps#1.dose": "100",
                     "basal.days#1.steps#1.dose~unit": "ug"}  # fmt: skip
BY_CHANGE: Final = {"titration.step#1~kind": "change", "titration.step#1.change~unit": "%",
                    "titration.step#2~kind": "dose", "titration.step#2.dose~unit": "ug/day",
                    "titration.step#2.after~unit": "d"}  # fmt: skip

PRIME: Final = {"prime~kind": "yes", "prime.volume": "0.2", "prime.volume~unit": "mL", "prime.path": "empty"}

SHEETS: Final[Mapping[str, Sheet]] = {
    "who, which pump, from when on": Sheet(A, "patient", {
        "id": ("ITB 014", f"'ITB 014' {NAME}"),
        "title": ("\N{RIGHT-TO-LEFT OVERRIDE}abc",
                  "'\\u202eabc' has blanks at an end or unprintable characters; allowed: one printed line"),
        "patient": ("", "is missing"),
        "prescriber": ("x" * 121, "has 121 characters; allowed: 1 to 120"),
        "pump": ("implant 40", f"'implant 40' {NAME}"),
        "start": ("31 02 2026 08:00", "'2026-02-31T08:00' is no day of the calendar; allowed: a day that exists"),
        "utc_offset": ("+25:00", "'+25:00' is not an offset from UTC; allowed: \"-14:00\" to \"+14:00\""),
        "on_loss.hold": ("four", f"'four h' {TIME}"),
    }, {"on_loss~kind": "hold", "on_loss.hold": "4", "on_loss.hold~unit": "h"}),
    "nothing but blanks and choices": Sheet(A, "patient", {
        "id": ("<script>alert(1)</script>", f"'<script>alert(1)</script>' {NAME}"),
        "title": ("", "is missing"),
        "patient": ("\N{CYRILLIC SMALL LETTER A}\N{ZERO WIDTH SPACE}b",
                    "'\\u0430\\u200bb' has blanks at an end or unprintable characters; allowed: one printed line"),
        "prescriber": ("", "is missing"),
        "pump": ("", "is missing"),
        "start": ("5 11 2026 24:00", "'2026-11-05T24:00' is not a start; allowed: local date and time such as "
                  '"2026-11-20T08:00"'),
        "utc_offset": ("", "is missing"),
        "on_loss~kind": ("pray", f"'pray' {NONE_OF} does what the formulary says for these drugs, stops, holds a low "
                         "rate for a while, then stops"),
    }),
    "a hold of no length": Sheet(A, "patient", {
        "on_loss.hold": ("0", 'a hold of no length is a stop; allowed: above 0 s, or choose "stops"'),
    }, {"on_loss~kind": "hold", "on_loss.hold": "4", "on_loss.hold~unit": "h"}),
    "reservoir": Sheet(A, "reservoir", {
        "reservoir.drugs#1.name": ("Baclofen", "'Baclofen' is not a drug name; allowed: lower case letters, digits "
                                   'and -, such as "baclofen"'),
        "reservoir.drugs#1.concentration": ("1k", "'1k ug/mL' is not a concentration; allowed: "
                                            f'{_DIGITS} "1000 ug/mL"'),
        "reservoir.filled": ("4O", f"'4O mL' {VOLUME}"),
        "reservoir.residual#1": ("-1", f"'-1 mL' {VOLUME}"),
        "reservoir.residual#2": ("NaN", f"'NaN mL' {VOLUME}"),
        "reservoir.alarm": ("2,0", f"'2,0 mL' {VOLUME}"),
    }),
    "a reservoir that cannot be": Sheet(A, "reservoir", {
        "reservoir.drugs#1.concentration": ("0", "is zero: the reservoir holds none of this drug; allowed: above 0 "
                                            "ug/mL"),
        "reservoir.residual#1": ("3", "the lower bound 3 mL is above the upper bound 1.4 mL; allowed: the lower "
                                 "bound first"),
        "reservoir.filled": ("1e1", f"'1e1 mL' {VOLUME}"),
    }),
    "an alarm that warns of nothing": Sheet(A, "reservoir", {
        "reservoir.alarm": ("40", "an alarm at 40 mL warns never or at once; allowed: above 0 mL and below 40 mL"),
    }),
    "catheter by its model": Sheet(A, "catheter", {
        "catheter.model": ("no name", f"'no name' {NAME}"),
        "catheter.length": ("8 9", f"'8 9 cm' is not a length; allowed: {_DIGITS} \"89 cm\""),
    }),
    "catheter by its volume": Sheet(A, "catheter", {
        "catheter.volume#1": ("x", f"'x mL' {VOLUME}"),
        "catheter.volume#2": ("0.1.2", f"'0.1.2 mL' {VOLUME}"),
    }, {"catheter~kind": "volume", "catheter.volume#1~unit": "mL", "catheter.volume#2~unit": "mL"}),
    "catheter by what it is not": Sheet(A, "catheter", {
        "catheter~kind": ("colour", f"'colour' {NONE_OF} model and length, its volume"),
    }),
    "simple continuous": Sheet(A, "infusion", {
        "basal.rate": ("4e2", f"'4e2 ug/day' {DOSE_RATE}"),
    }, {"basal~kind": "rate", "basal.rate~unit": "ug/day"}),
    "no infusion": Sheet(A, "infusion", {
        "basal.rate": ("0", 'a rate of zero is no infusion; allowed: a rate above zero, or the infusion "stopped"'),
    }, {"basal~kind": "rate", "basal.rate~unit": "ug/day"}),
    "an infusion that nobody offers": Sheet(A, "infusion", {
        "basal~kind": ("bolus", f"'bolus' {NONE_OF} simple continuous, flex: up to 13 steps, every day, flex by groups "
                       "of weekdays, minimum rate of the pump, stopped"),
    }),
    "flex": Sheet(A, "infusion", {
        "basal.steps#1.from": ("6 am", f"'6 am' {CLOCK}"),
        "basal.steps#1.dose": ("1,5", f"'1,5 ug' {MASS}"),
        "basal.steps#2.from": ("25:00", f"'25:00' {CLOCK}"),
        "basal.steps#2.dose": ("169 mg", f"'169 mg ug' {MASS}"),
        "basal.steps#3.rate": ("Infinity", f"'Infinity ug/h' {DOSE_RATE}"),
        "basal.steps#4~kind": ("colour", f"'colour' {NONE_OF} dose of the step, rate during the step"),
    }, {"basal.steps#3~kind": "rate", "basal.steps#3.rate~unit": "ug/h", "basal.steps#4.from": "23:00"}),
    "flex out of order": Sheet(A, "infusion", {
        "basal.steps#2.from": ("05:00", "05:00 is before the step at 06:00; allowed: steps in order of time"),
    }),
    "flex by weekdays": Sheet(A, "infusion", {
        "basal.days#1.days": ("", "is missing"),
        "basal.days#1.steps#1.from": ("24:00", f"'24:00' {CLOCK}"),
        "basal.days#1.steps#1.dose": ("0x10", f"'0x10 ug' {MASS}"),
        "basal.days#1.steps#2.from": ("9:00", f"'9:00' {CLOCK}"),
        "basal.days#1.steps#2.rate": ("", f'is missing; allowed: {_DIGITS} "400 ug/day"'),
        "basal.days#2.steps#1.from": ("", "is missing"),
        "basal.days#2.steps#1~kind": ("x", f"'x' {NONE_OF} dose of the step, rate during the step"),
    }, {"basal~kind": "days", **FIRST_STEP, "basal.days#1.steps#2~kind": "rate", "basal.days#1.days": "mon",
        "basal.days#1.steps#2.from": "09:00", "basal.days#2.days": "tue", "basal.days#2.steps#1.dose": "5"}),
    "a weekday twice": Sheet(A, "infusion", {
        "basal.days#2.days": ("mon tue wed thu fri sat sun",
                              "mon already stands in a group before; allowed: each weekday once"),
    }, {"basal~kind": "days", **FIRST_STEP, "basal.days#1.days": "mon",
        **{name.replace("#1", "#2", 1): text for name, text in FIRST_STEP.items()}}),
    "boluses": Sheet(C, "boluses", {
        "bolus#1.at": ("25:00", f"'25:00' {CLOCK}"),
        "bolus#1.dose": ("\N{ARABIC-INDIC DIGIT FOUR}", f"'\\u0664 ug' {MASS}"),
        "bolus#1.over": ("-5", f"'-5 min' {TIME}"),
        "bolus#1.within": ("1 h", f"'1 h min' {TIME}"),
        "bolus#1.days": ("", "names no weekday; allowed: at least one weekday"),
        "bolus#2~kind": ("hourly", f"'hourly' {NONE_OF} every day, on some weekdays, once"),
        "patient_bolus.dose": ("5_0", f"'5_0 ug' {MASS}"),
        "patient_bolus.over": ("", f'is missing; allowed: {_DIGITS} "20 min"'),
        "patient_bolus.lockout": ("soon", f"'soon h' {TIME}"),
        "patient_bolus.max_per_day": ("2.5", "'2.5' is not a whole number; allowed: a whole number, such as 3"),
    }, {"bolus#1~kind": "days", "bolus#1.days": "mon", "bolus#1.dose~unit": "ug", "bolus#1.over~unit": "min",
        "bolus#1.within~unit": "min", "bolus#2.at": "06:00"}),
    "boluses that cannot be": Sheet(A, "boluses", {
        "bolus#1.dose": ("0", "a bolus of nothing; allowed: above 0 ug"),
        "bolus#1.over": ("0", "a bolus over 0 s; allowed: above 0 s, at most 24 h"),
        "bolus#1.within": ("1441", "a bolus that must start within 1441 min; allowed: above 0 s, at most 24 h"),
    }),
    "what a patient may not ask for": Sheet(C, "boluses", {
        "patient_bolus.dose": ("0", "a bolus of nothing; allowed: above 0 ug"),
        "patient_bolus.over": ("0", "a bolus over 0 s; allowed: above 0 s, at most 24 h"),
        "patient_bolus.lockout": ("0", "no lockout at all; allowed: above 0 s"),
        "patient_bolus.max_per_day": ("1000", "1000 boluses a day; allowed: 1 to 999"),
    }),
    "a patient who perhaps may ask": Sheet(C, "boluses", {
        "patient_bolus~kind": ("maybe", f"'maybe' {NONE_OF} no, yes"),
    }),
    "titration": Sheet(D, "titration", {
        "titration.step#1.after": ("a week", f"'a week d' {TIME}"),
        "titration.step#1.change": ("20", "'20 %' is not a signed change; allowed: "
                                    f'{_DIGITS} "+20 %" or "-20 %"'),
        "titration.step#2.dose": ("1.2.3", f"'1.2.3 ug/day' {DOSE_RATE}"),
        "titration.step#3~kind": ("double", f"'double' {NONE_OF} changed by, a daily dose of"),
    }, {**BY_CHANGE, "titration.step#2.after": "7", "titration.step#3.after": "7", "titration.step#3.after~unit": "d"}),
    "a titration that ends it": Sheet(D, "titration", {
        "titration.step#1.change": ("-100", "'-100 %' is no change of a dose; allowed: not zero, and above -100 %"),
        "titration.step#2.after": ("0", "a step at once is no step; allowed: above 0 s"),
        "titration.step#2.dose": ("0", "a daily dose of zero ends the therapy; allowed: a dose above zero, or another "
                                  "plan"),
    }, BY_CHANGE),
    "change, bridge and prime": Sheet(E, "change", {
        "previous": ("abc", "'abc' is not a sha256; allowed: 64 digits of 0-9 a-f"),
        "bridge.volume#1": ("0.2 mL", f"'0.2 mL mL' {VOLUME}"),
        "bridge.volume#2": ("", f'is missing; allowed: {_DIGITS} "1.4 mL"'),
        "prime.volume": ("-0", f"'-0 mL' {VOLUME}"),
        "prime.path": ("", "is missing; allowed: empty, filled on the back table, or aspirated"),
        "limits.max_bolus": ("none", f"'none ug' {MASS}"),
        "limits.max_per_hour": ("1/2", f"'1/2 ug' {MASS}"),
        "limits.max_per_4h": ("1e3", f"'1e3 ug' {MASS}"),
        "limits.max_per_day": ("\N{INFINITY}", f"'\\u221e ug' {MASS}"),
    }, {"bridge~kind": "own", "prime~kind": "yes", **{f"{name}~unit": unit for name, unit in (
        ("bridge.volume#1", "mL"), ("prime.volume", "mL"), ("limits.max_bolus", "ug"), ("limits.max_per_hour", "ug"),
        ("limits.max_per_4h", "ug"), ("limits.max_per_day", "ug"))}}),
    "limits of nothing": Sheet(A, "change", {
        f"limits.{name}": ("0", "a limit of zero forbids every dose; allowed: above 0 ug")
        for name in ("max_bolus", "max_per_hour", "max_per_4h", "max_per_day")
    }, {f"limits.{name}~unit": "ug" for name in ("max_bolus", "max_per_hour", "max_per_4h", "max_per_day")}),
    "a bridge and a prime that nobody offers": Sheet(E, "change", {
        "bridge~kind": ("some", f"'some' {NONE_OF} none, over the volume of the path, over a volume of its own"),
        "prime~kind": ("some", f"'some' {NONE_OF} none, at the start"),
    }),
    "a prime of nothing": Sheet(A, "change", {
        "prime.volume": ("0", "a prime of nothing; allowed: above 0 mL, or no prime bolus"),
    }, PRIME),
    "a prime and a bridge": Sheet(E, "change", {
        "bridge~kind": ("path", "the path is either empty or holds old fluid; allowed: a prime bolus or a bridge "
                        "bolus, not both"),
    }, {**PRIME, "bridge~kind": "no"}),
    "a bridge from nothing": Sheet(A, "change", {
        "bridge~kind": ("path", 'there is no plan to bridge from; allowed: the plan in force under "Follows"'),
    }),
}  # fmt: skip

# What the review says of a plan that is complete, at the field.
FINDINGS: Final = {
    ("reservoir", "reservoir.filled"): ("41", "fill of 41 mL is more than the 40 mL of implant-40"),
    ("reservoir", "reservoir.drugs#1.concentration"): (
        "2001",
        "baclofen 2001 ug/mL is above 2000 ug/mL [S59]",
    ),
}
