"""Every malformed plan is refused with its file, line and field; none ends in a traceback."""

from __future__ import annotations

import contextlib
import os
import socket
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.errors import InvalidInput, Problem
from pump_ctrl.therapy.plan import DosingPlan, load_plan, parse_plan, plan_from

# A plan with something in every part. In the cases below, "«" marks the line that the message must name.
GOOD = """\
schema = 1
id = "BAD-INPUT"
title = "A plan to spoil"
patient = "BENCH-099"
prescriber = "bench"
pump = "implant-40"
utc_offset = "+01:00"
start = "2026-11-20T08:00"
on_loss = { hold = "4 h" }

[reservoir]
filled = "40 mL"
residual = ["0 mL", "1.4 mL"]
alarm = "2 mL"
drugs = [
  { name = "morphine", concentration = "15 mg/mL" },
  { name = "clonidine", concentration = "200 ug/mL" },
]

[catheter]
model = "ascenda-8780"
length = "89 cm"

[basal]
steps = [
  { from = "06:00", dose = "75 ug" },
  { from = "09:00", dose = "169 ug" },
  { from = "22:00", rate = "12 ug/h" },
]

[[bolus]]
at = "22:00"
dose = "60 ug"
over = "20 min"

[[bolus]]
at = "06:00"
dose = "50 ug"
over = "10 min"

[patient_bolus]
dose = "0.4 mg"
over = "10 min"
lockout = "3 h"
max_per_day = 4

[prime]
volume = "0.336 mL"
path = "empty"

[[titration.step]]
after = "7 d"
change = "+20 %"

[[titration.step]]
after = "7 d"
dose = "500 ug/day"

[limits]
max_per_hour = "0.6 mg"
"""

STEPS = GOOD[GOOD.index("steps = [") : GOOD.index("[[bolus]]")]
TITRATION = GOOD[GOOD.index("[[titration") : GOOD.index("[limits]")]
DAYS = """\
[[basal.days]]
days = ["mon", "tue", "wed", "thu", "fri"]
steps = [{ from = "00:00", rate = "12 ug/h" }]
[[basal.days]]
days = ["sat", "sun"]
steps = [{ from = "00:00", rate = "10 ug/h" }]

"""


class Case(NamedTuple):
    """Replace ``old`` by ``new`` in GOOD; the marked line, this field and these words must be reported."""

    old: str
    new: str
    field: str
    says: str


QUANTITIES = (
    Case('filled = "40 mL"', "filled = 40«", "reservoir.filled", "40 is not a text"),
    Case('filled = "40 mL"', "filled = 40.0«", "reservoir.filled", "40.0 is not a text"),
    Case('filled = "40 mL"', "filled = nan«", "reservoir.filled", "NaN is not a text"),
    Case('filled = "40 mL"', "filled = -inf«", "reservoir.filled", "-Infinity is not a text"),
    Case('filled = "40 mL"', "filled = 1e99999999999999999999«", "reservoir.filled", "NaN is not a text"),
    Case('filled = "40 mL"', "filled = true«", "reservoir.filled", "true is not a text"),
    Case('filled = "40 mL"', "filled = { nl = 4 }«", "reservoir.filled", "a table is not a text"),
    Case('filled = "40 mL"', 'filled = "40"«', "reservoir.filled", "'40' is not a volume"),
    Case(
        'filled = "40 mL"',
        'filled = "40 l"«',
        "reservoir.filled",
        "'l' is no unit of volume; allowed: mL, ml, uL",
    ),
    Case('filled = "40 mL"', 'filled = "40 mg"«', "reservoir.filled", "'mg' is no unit of volume"),
    Case('filled = "40 mL"', 'filled = "-40 mL"«', "reservoir.filled", "'-40 mL' is not a volume"),
    Case('filled = "40 mL"', 'filled = "4e1 mL"«', "reservoir.filled", "'4e1 mL' is not a volume"),
    Case('filled = "40 mL"', 'filled = "40,0 mL"«', "reservoir.filled", "'40,0 mL' is not a volume"),
    Case('filled = "40 mL"', 'filled = "４０ mL"«', "reservoir.filled", r"'\uff14\uff10 mL' is not a volume"),
    Case('filled = "40 mL"', 'filled = "0.0000001 mL"«', "reservoir.filled", "finer than one nL"),
    Case('dose = "60 ug"', 'dose = "60 IU"«', "bolus#1.dose", "'IU' is no unit of mass; allowed: mg, ug"),
    Case('dose = "60 ug"', 'dose = "60 ug/h"«', "bolus#1.dose", "'60 ug/h' is not a mass"),
    Case('dose = "60 ug"', 'dose = "1000000000000 ug"«', "bolus#1.dose", "is not a mass"),
    Case('rate = "12 ug/h"', 'rate = "12 ug"«', "basal.steps#3.rate", "'12 ug' is not a dose rate"),
    Case('"15 mg/mL"', '"15 mg"«', "reservoir.drugs#1.concentration", "'15 mg' is not a concentration"),
    Case(
        'length = "89 cm"',
        'length = "89 in"«',
        "catheter.length",
        "'in' is no unit of length; allowed: cm, mm",
    ),
    Case('change = "+20 %"', 'change = "20 %"«', "titration.step#1.change", "'20 %' is not a signed change"),
    Case('change = "+20 %"', 'change = "-100 %"«', "titration.step#1.change", "is no change of a dose"),
)

SHAPES = (
    Case("schema = 1", "schema = 2«", "schema", "2 is not known; allowed: 1"),
    Case("schema = 1", 'schema = "1"«', "schema", "'1' is not known"),
    Case("schema = 1", "schema = true«", "schema", "true is not known"),
    Case("schema = 1\nid", "«\nid", "schema", "is missing; allowed: schema = 1"),
    Case(
        'title = "A plan to spoil"',
        'titel = "A plan"«',
        "titel",
        "unknown key; did you mean 'title'?; allowed: sch",
    ),
    Case(
        'dose = "60 ug"',
        'dose = "60 ug"\nampount = "1 ug"«',
        "bolus#1.ampount",
        "unknown key; allowed: at, dose",
    ),
    Case(
        'alarm = "2 mL"\n', 'alarm = "2 mL"\nalarm_ml = 2«\n', "reservoir.alarm_ml", "did you mean 'alarm'?"
    ),
    Case(
        '{ from = "09:00", dose',
        '{ from = "09:00", doze',
        "basal.steps#2.doze",
        "unknown key; did you mean 'dose'?",
    ),
    Case("[limits]", "[limit]«", "limit", "unknown key; did you mean 'limits'?"),
    Case('[reservoir]\nfilled = "40 mL"', "[reservoir]«", "reservoir.filled", "is missing"),
    Case('id = "BAD-INPUT"', "id = 14«", "id", "14 is not a text; allowed: a text in quotes"),
    Case('id = "BAD-INPUT"', 'id = "../../etc"«', "id", "'../../etc' is not a name"),
    Case('id = "BAD-INPUT"', f'id = "{"x" * 65}"«', "id", "is not a name"),
    Case('patient = "BENCH-099"', 'patient = ""«', "patient", "has 0 characters; allowed: 1 to 120"),
    Case('patient = "BENCH-099"', f'patient = "{"x" * 121}"«', "patient", "has 121 characters"),
    Case('patient = "BENCH-099"', r'patient = "BENCH\n99"«', "patient", "unprintable"),
    Case('patient = "BENCH-099"', r'patient = "BENCH\u202e99"«', "patient", "unprintable"),
    Case('patient = "BENCH-099"', 'patient = " BENCH-099"«', "patient", "blanks at an end"),
    Case('utc_offset = "+01:00"', 'utc_offset = "Z"«', "utc_offset", "'Z' is not an offset from UTC"),
    Case('utc_offset = "+01:00"', 'utc_offset = "+14:01"«', "utc_offset", 'allowed: "-14:00" to "+14:00"'),
    Case('utc_offset = "+01:00"', 'utc_offset = "-00:00"«', "utc_offset", "is not an offset"),
    Case('"2026-11-20T08:00"', "2026-11-20T08:00:00«", "start", "2026-11-20 08:00:00 is not a text"),
    Case('"2026-11-20T08:00"', '"2026-02-29T08:00"«', "start", "is no day of the calendar"),
    Case('"2026-11-20T08:00"', '"2026-11-20 08:00"«', "start", "is not a start"),
    Case('"2026-11-20T08:00"', '"2026-11-20T08:00+01:00"«', "start", "is not a start"),
    Case('{ hold = "4 h" }', '"hold"«', "on_loss", "'hold' is not known; allowed: \"stop\" or { hold"),
    Case('{ hold = "4 h" }', "{}«", "on_loss.hold", "is missing"),
    Case('{ hold = "4 h" }', "false«", "on_loss", "false is not a table"),
    Case('{ hold = "4 h" }', '{ hold = "0 h" }«', "on_loss.hold", "a hold of no length is a stop"),
    Case('on_loss = { hold = "4 h" }', 'previous = "abc"«', "previous", "'abc' is not a sha256; allowed: 64"),
    Case('"1.4 mL"]', '"1.4 mL", "2 mL"]«', "reservoir.residual", "is not a pair of bounds"),
    Case(
        'residual = ["0 mL", "1.4 mL"]',
        'residual = "1.4 mL"«',
        "reservoir.residual",
        "is not a pair of bounds",
    ),
    Case('"1.4 mL"]', "1.4]«", "reservoir.residual#2", "1.4 is not a text"),
    Case("max_per_day = 4", "max_per_day = 4.0«", "patient_bolus.max_per_day", "4.0 is not a whole number"),
    Case("max_per_day = 4", "max_per_day = true«", "patient_bolus.max_per_day", "true is not a whole number"),
    Case('at = "06:00"', 'at = "06:00"\nonce = 1«', "bolus#2.once", "1 is neither true nor false"),
    Case(
        'path = "empty"',
        'path = "full"«',
        "prime.path",
        "'full' is not known; allowed: 'empty', 'back-table'",
    ),
    Case('at = "06:00"', 'at = "06:00"\ndays = "mon"«', "bolus#2.days", "'mon' is not a list"),
    Case(
        'at = "06:00"', 'at = "06:00"\ndays = [\n"mon",\n"Tue",«\n]', "bolus#2.days#2", "'Tue' is not known"
    ),
    Case('at = "06:00"', 'at = "06:00"\ndays = ["mon", "mon"]«', "bolus#2.days#2", "'mon' stands here twice"),
    Case('at = "06:00"', 'at = "06:00"\ndays = []«', "bolus#2.days", "names no weekday"),
    Case("[limits]\n", 'limits = ["x"]«\n', "titration.step#2.limits", "unknown key"),
    Case("[limits]\nmax", "[[limits]]«\nmax", "limits", "a list is not a table"),
)

RULES = (
    Case('filled = "40 mL"', 'filled = "0 mL"«', "reservoir.filled", "nothing was filled"),
    Case(
        '["0 mL", "1.4 mL"]',
        '["0 mL", "40.1 mL"]«',
        "reservoir.residual",
        "more stayed (40.1 mL) than was filled",
    ),
    Case('["0 mL", "1.4 mL"]', '["2 mL", "1.4 mL"]«', "reservoir.residual", "lower bound 2 mL is above"),
    Case('alarm = "2 mL"', 'alarm = "40 mL"«', "reservoir.alarm", "warns never or at once"),
    Case('alarm = "2 mL"', 'alarm = "0 mL"«', "reservoir.alarm", "warns never or at once"),
    Case(
        '"clonidine", concentration',
        '"morphine",« concentration',
        "reservoir.drugs#2.name",
        "'morphine' stands here",
    ),
    Case('"200 ug/mL" }', '"0 ug/mL" }«', "reservoir.drugs#2.concentration", "is zero"),
    Case(
        'name = "morphine"', 'name = "Morphine"«', "reservoir.drugs#1.name", "'Morphine' is not a drug name"
    ),
    Case('length = "89 cm"', 'length = "0 cm"«', "catheter.length", "no length"),
    Case(
        '[catheter]\nmodel = "ascenda-8780"',
        "[catheter]«",
        "catheter",
        "exactly one must be given, here length",
    ),
    Case('length = "89 cm"', "", "catheter", "here model; allowed: model and length, or volume"),
    Case(STEPS, 'rate = "1 ug/h"\nmode = "minimum"«\n\n', "basal.mode", "here rate and mode together"),
    Case(f"[basal]\n{STEPS}", "[basal]«\n\n", "basal", "exactly one must be given, here none of them"),
    Case(STEPS, 'rate = "0 ug/h"«\n\n', "basal.rate", "a rate of zero is no infusion"),
    Case(STEPS, "steps = []«\n\n", "basal.steps", "a day of 0 steps; allowed: 1 to 13 steps"),
    Case('from = "09:00"', 'from = "9:00"«', "basal.steps#2.from", "'9:00' is not a time of day"),
    Case(
        'from = "22:00", rate', 'from = "25:00" «, rate', "basal.steps#3.from", "'25:00' is not a time of day"
    ),
    Case('from = "22:00", rate', 'from = "24:00" «, rate', "basal.steps#3.from", '"00:00" to "23:59"'),
    Case(
        '{ from = "09:00", dose = "169 ug" }',
        '{ from = "05:00", dose = "1 ug" }«',
        "basal.steps#2.from",
        "is before",
    ),
    Case(
        '{ from = "09:00", dose = "169 ug" }',
        '{ from = "06:00", dose = "1 ug" }«',
        "basal.steps#2.from",
        "does",
    ),
    Case(
        '"09:00", dose = "169 ug"',
        '"09:00", dose = "1 ug", rate = "1 ug/h"',
        "basal.steps#2.rate",
        "together",
    ),
    Case(
        '"09:00", dose = "169 ug"', '"09:00"', "basal.steps#2", "exactly one must be given, here none of them"
    ),
    Case(
        'at = "06:00"\ndose = "50 ug"', 'at = "06:00"\ndose = "0 ug"«', "bolus#2.dose", "a bolus of nothing"
    ),
    Case('over = "20 min"', 'over = "0 min"«', "bolus#1.over", "a bolus over 0 s"),
    Case('over = "20 min"', 'over = "1441 min"«', "bolus#1.over", "above 0 s, at most 24 h"),
    Case('over = "20 min"', 'over = "20 min"\nwithin = "0 min"«', "bolus#1.within", "within 0 s"),
    Case('at = "06:00"', 'at = "06:00"\nonce = true\ndays = ["mon"]«', "bolus#2.days", "has no weekdays"),
    Case(
        '[[bolus]]\nat = "06:00"', '[[bolus]]\nat = "22:00"«', "bolus#2.at", "bolus #1 is also due at 22:00"
    ),
    Case(
        '[[bolus]]\nat = "06:00"',
        '[[bolus]]«\nat = "22:24"',
        "bolus#2",
        "bolus #1 may still run when bolus #2 is",
    ),
    Case(
        "max_per_day = 4",
        "max_per_day = 0«",
        "patient_bolus.max_per_day",
        "0 boluses a day; allowed: 1 to 999",
    ),
    Case("max_per_day = 4", "max_per_day = -4«", "patient_bolus.max_per_day", "-4 boluses a day"),
    Case('lockout = "3 h"', 'lockout = "0 h"«', "patient_bolus.lockout", "no lockout at all"),
    Case(
        'lockout = "3 h"',
        'lockout = "9 min"«',
        "patient_bolus.lockout",
        "is shorter than the bolus of 10 min",
    ),
    Case('over = "10 min"\nlockout', 'over = "0 s"«\nlockout', "patient_bolus.over", "a bolus over 0 s"),
    Case('volume = "0.336 mL"', 'volume = "0 mL"«', "prime.volume", "a prime of nothing"),
    Case("[limits]", "[bridge]«\n[limits]", "bridge", "there is no plan to bridge from"),
    Case("[limits]", "[bridge]«\n[limits]", "bridge", "the path is either empty or holds old fluid"),
    Case("[limits]", '[bridge]\nvolume = ["0 mL", "1 mL"]«\n[limits]', "bridge.volume", "may be of nothing"),
    Case(
        'change = "+20 %"',
        'change = "+20 %"«\ndose = "1 ug/h"',
        "titration.step#1.change",
        "dose and change together",
    ),
    Case(
        '[[titration.step]]\nafter = "7 d"\nc',
        '[[titration.step]]«\nafter = "7 d"\n#c',
        "titration.step#1",
        "none",
    ),
    Case('"7 d"\nchange', '"0 d"«\nchange', "titration.step#1.after", "a step at once is no step"),
    Case('dose = "500 ug/day"', 'dose = "0 ug/day"«', "titration.step#2.dose", "ends the therapy"),
    Case(STEPS, 'mode = "stopped"\n\n', "titration", 'mode = "stopped" has no dose to titrate'),
    Case(STEPS, 'steps = [{ from = "00:00", dose = "0 ug" }]\n\n', "titration", "cannot be scaled"),
    Case('max_per_hour = "0.6 mg"', 'max_per_hour = "0 mg"«', "limits.max_per_hour", "forbids every dose"),
    Case('[limits]\nmax_per_hour = "0.6 mg"', "[limits]«", "limits", "sets no limit"),
)

GROUPS = (
    Case('days = ["sat", "sun"]', 'days = ["sat"]', "basal.days", "sun stands in no group"),
    Case('days = ["sat", "sun"]', 'days = ["fri", "sat", "sun"]«', "basal.days#2.days", "fri already stands"),
    Case(
        '"00:00", rate = "10 ug/h"',
        '"06:00", rate = "10 ug/h"',
        "basal.days#2.steps#1.from",
        "has no beginning",
    ),
    Case('[{ from = "00:00", rate = "10 ug/h" }]', "[]«", "basal.days#2.steps", "a day of 0 steps"),
)


def refused(text: str) -> str:
    """Return the whole message; the error must be the one that ends with exit code 3."""
    with pytest.raises(InvalidInput) as caught:
        parse_plan(text, "p.toml")
    assert caught.value.exit_code == 3
    return str(caught.value)


def assert_reported(text: str, case: Case) -> None:
    """The message must hold one line with the marked line (where one is marked), the field and the words."""
    message = refused(text.replace("«", ""))
    line = next((number for number, content in enumerate(text.split("\n"), 1) if "«" in content), None)
    place = f"p.toml:{line}: " if line is not None else "p.toml:"
    assert any(
        found.startswith(place) and f": {case.field}: " in found and case.says in found
        for found in message.split("\n")
    ), message


def test_the_plan_that_the_cases_spoil_is_good() -> None:
    assert parse_plan(GOOD).primary.name == "morphine"
    assert parse_plan(GOOD.replace(STEPS, DAYS).replace(TITRATION, "")).basal.days[1].days == ("sat", "sun")


@pytest.mark.parametrize(
    "case", QUANTITIES + SHAPES + RULES, ids=lambda case: f"{case.field} {case.new[:30]!r}"
)
def test_a_malformed_plan_is_refused_with_line_and_field(case: Case) -> None:
    assert GOOD.count(case.old) >= 1
    assert_reported(GOOD.replace(case.old, case.new, 1), case)


@pytest.mark.parametrize("case", GROUPS, ids=lambda case: f"{case.field} {case.new[:30]!r}")
def test_malformed_weekday_groups_are_refused_with_line_and_field(case: Case) -> None:
    good = GOOD.replace(STEPS, DAYS).replace(TITRATION, "")
    assert good.count(case.old) == 1
    assert_reported(good.replace(case.old, case.new), case)


# --- several problems at once


def test_all_problems_of_a_file_are_reported_at_once_in_the_order_of_the_file() -> None:
    text = (
        GOOD.replace('id = "BAD-INPUT"', 'id = ""')
        .replace('alarm = "2 mL"', 'alarm = "50 mL"')
        .replace('length = "89 cm"', "length = 89\nwidth = 1")
        .replace('at = "06:00"', 'at = "22:00"')
        .replace("max_per_day = 4", "max_per_day = 0")
        .replace("[limits]", "[bridge]\n[limits]")
    )
    with pytest.raises(InvalidInput) as caught:
        parse_plan(text, "p.toml")
    assert [(problem.line, problem.field) for problem in caught.value.problems] == [
        (2, "id"),
        (14, "reservoir.alarm"),
        (22, "catheter.length"),
        (23, "catheter.width"),
        (38, "bolus#2.at"),
        (46, "patient_bolus.max_per_day"),
        (60, "bridge"),
        (60, "bridge"),
    ]


def test_an_unknown_key_does_not_hide_the_rules_of_its_table() -> None:
    message = refused(GOOD.replace('alarm = "2 mL"', 'alarm = "50 mL"\nshape = "round"'))
    assert "p.toml:15: reservoir.shape: unknown key" in message
    assert "p.toml:14: reservoir.alarm: an alarm at 50 mL" in message


def test_a_misspelt_key_is_named_and_so_is_what_is_missing_for_it() -> None:
    message = refused(GOOD.replace('filled = "40 mL"', 'fill = "40 mL"'))
    assert "p.toml:12: reservoir.fill: unknown key; did you mean 'filled'?" in message
    assert "p.toml:11: reservoir.filled: is missing" in message


def test_a_flood_of_problems_is_cut_at_a_hundred_and_says_so() -> None:
    text = "".join(f"key{number} = 1\n" for number in range(300)) + GOOD
    with pytest.raises(InvalidInput) as caught:
        parse_plan(text)
    assert len(caught.value.problems) == 101
    assert str(caught.value.problems[-1]) == "plan: 200 more problems are not shown"
    assert "not shown" not in refused("".join(f"key{number} = 1\n" for number in range(100)) + GOOD)


def test_values_that_come_from_no_file_are_refused_by_field_without_lines() -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_from({"id": 4}, "form")
    assert caught.value.problems[0].line is None
    assert "form: id: 4 is not a text; allowed: a text in quotes" in str(caught.value)
    assert "form: basal: is missing" in str(caught.value)


# --- files that are no plan at all


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "p.toml: is empty"),
        (b"# nothing but words\n\n", "p.toml: is empty"),
        (b"id = 1\n\nid = 2\n", "p.toml:3: is not TOML: Cannot overwrite a value"),
        (b"schema = 1\nid = \n", "p.toml:2: is not TOML: Invalid value"),
        (b"schema = 1\nid = 'x\n", "p.toml:2: is not TOML: "),
        (b"schema = 1\n[basal\n", "p.toml:2: is not TOML: "),
        (b"start = 2026-02-30\n", "p.toml:1: is not TOML: "),
        (b"schema: 1\n", "p.toml:1: is not TOML: "),
        (b'{"schema": 1}', "p.toml:1: is not TOML: "),
        (b"a = 1\rb = 2\r", "p.toml:1: is not TOML: "),
        (b"\xef\xbb\xbfschema = 1\n", "p.toml:1: begins with a byte order mark; allowed: UTF-8 without one"),
        (b"schema = 1\nid = '\xff'\n", "p.toml:2: is not text: byte 0xff is not UTF-8"),
        (bytes(range(256)), "p.toml:2: is not text: byte 0x80 is not UTF-8"),
        (b"\x00" * 100, "p.toml:1: is not TOML: "),
        ("schema = 1\n".encode("utf-16"), "p.toml:1: is not text: byte 0xff"),
        (b"a = " + b"[" * 900, "p.toml"),
        (b"a = " + b"9" * 900, "p.toml:1: a: unknown key"),
        (b"a = 0x" + b"f" * 900, "p.toml:1: a: unknown key"),
        (
            b"schema = 0x" + b"f" * 900,
            "p.toml:1: schema: a number of 3600 bits is too large; allowed: a whole",
        ),
        (b"schema = 1\n" + b".".join([b"a"] * 490) + b" = 1", "p.toml:2: a: unknown key"),
        (b"#" + b" " * 1_000, "p.toml:1: the line has 1001 characters; allowed: at most 1000"),
        (b"#\n" * 524_289, "p.toml: is too large; allowed: at most 1048576 bytes"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_a_file_that_is_no_plan_is_refused_with_a_sentence(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        load_plan(path)
    assert any(line.startswith(message) for line in str(caught.value).replace(f"{tmp_path}/", "").split("\n"))


def unreadable(path: Path) -> str:
    with pytest.raises(InvalidInput) as caught:
        load_plan(path)
    return str(caught.value).replace(str(path), "PATH")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert unreadable(tmp_path / "none.toml") == "PATH: does not exist"
    assert unreadable(tmp_path / "none" / "none.toml") == "PATH: does not exist"


def test_a_directory_is_no_plan(tmp_path: Path) -> None:
    assert unreadable(tmp_path) == "PATH: is a directory; allowed: a TOML file"


def test_a_link_to_itself_is_no_plan(tmp_path: Path) -> None:
    path = tmp_path / "loop.toml"
    path.symlink_to(path)
    assert unreadable(path) == "PATH: is a link that leads back to itself"


def test_a_link_to_a_plan_is_read(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text(GOOD)
    (tmp_path / "link.toml").symlink_to("real.toml")
    assert load_plan(tmp_path / "link.toml").id == "BAD-INPUT"


def test_a_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.toml"
    path.write_text(GOOD)

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", denied)  # a chmod would not stop root
    assert unreadable(path) == "PATH: may not be read: permission denied"


def test_a_pipe_and_a_socket_are_refused_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # a socket's name may have 107 characters only
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert unreadable(tmp_path / "pipe") == "PATH: is not a regular file; allowed: a TOML file"
        assert unreadable(tmp_path / "socket") == "PATH: is not a regular file; allowed: a TOML file"


def test_a_name_that_no_file_can_have_is_refused() -> None:
    assert "cannot be read: " in unreadable(Path("x" * 300))
    with pytest.raises(InvalidInput, match="cannot be read: embedded null byte"):
        load_plan("a\0b")


def test_a_file_of_just_the_largest_size_and_lines_is_read(tmp_path: Path) -> None:
    text = f"{GOOD}#{'x' * 999}\n"
    (tmp_path / "p.toml").write_text(text + "#\n" * ((1_048_576 - len(text)) // 2) + " " * (len(text) % 2))
    assert (tmp_path / "p.toml").stat().st_size == 1_048_576
    assert load_plan(tmp_path / "p.toml").id == "BAD-INPUT"


def test_windows_line_ends_give_the_same_plan_and_the_same_lines() -> None:
    assert parse_plan(GOOD.replace("\n", "\r\n")).sha256 == parse_plan(GOOD).sha256
    assert "p.toml:12: reservoir.filled" in refused(GOOD.replace('"40 mL"', "40").replace("\n", "\r\n"))


# --- no damage to a file ends in anything but a plan or a refusal


def problems(text: str) -> tuple[Problem, ...]:
    """What is wrong with the text; nothing if it is a plan."""
    try:
        parse_plan(text, "p.toml")
    except InvalidInput as error:
        return error.problems
    return ()


PIECES = ("", '"', "'''", "[", "]", "{", "}", "=", ".", "\n", "#", "-", "1", "nan", "\\", "é", "0 ")


@given(data=st.data())
def test_a_damaged_file_is_a_plan_or_is_refused_with_the_name_of_the_file(data: st.DataObject) -> None:
    text = GOOD
    for _ in range(data.draw(st.integers(1, 3))):
        at, length = data.draw(st.integers(0, len(text) - 1)), data.draw(st.sampled_from([0, 1, 2, 40]))
        piece = data.draw(st.sampled_from(PIECES))
        text = text[:at] + piece + text[at + length :]
    last = text.count("\n") + 1
    for problem in problems(text):
        assert problem.file == "p.toml"
        assert problem.line is None or 1 <= problem.line <= last


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["1 mL", "06:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(key=st.sampled_from(list(DosingPlan.model_fields)), value=VALUES)
def test_any_value_in_any_place_is_a_plan_or_is_refused(key: str, value: object) -> None:
    values = {**tomllib.loads(GOOD), key: value}
    with contextlib.suppress(InvalidInput):
        plan_from(values)
