"""Quantities: what is read, what is refused and how it is printed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from fractions import Fraction

import pytest

from pump_ctrl.errors import QuantityError
from pump_ctrl.units import (
    Concentration,
    Duration,
    Length,
    Mass,
    MassRate,
    Percent,
    TimeOfDay,
    Volume,
    VolumeRate,
    shown,
)
from tests.in_one import in_one

KINDS = (Volume, Mass, Duration, Concentration, MassRate, VolumeRate, Length, Percent, TimeOfDay)
GOOD_TEXT = {
    Volume: "1.4 mL",
    Mass: "250 ug",
    Duration: "20 min",
    Concentration: "1000 ug/mL",
    MassRate: "400 ug/day",
    VolumeRate: "0.4 mL/day",
    Length: "89 cm",
    Percent: "+20 %",
    TimeOfDay: "06:00",
}

# text -> quantity -> the one form it is printed in
READ: tuple[tuple[str, object, str], ...] = (
    ("1.4 mL", Volume(1_400_000), "1.4 mL"),
    ("1.40 ml", Volume(1_400_000), "1.4 mL"),
    ("250 uL", Volume(250_000), "0.25 mL"),
    ("250 µL", Volume(250_000), "0.25 mL"),
    ("250 μL", Volume(250_000), "0.25 mL"),
    ("0.001 ul", Volume(1), "0.000001 mL"),
    ("75nL", Volume(75), "0.000075 mL"),
    ("0 nl", Volume(0), "0 mL"),
    ("999999999999.999999 mL", Volume(999_999_999_999_999_999), "999999999999.999999 mL"),
    ("1.5 mg", Mass(1_500_000_000), "1.5 mg"),
    ("250 ug", Mass(250_000_000), "250 ug"),
    ("0.25 mg", Mass(250_000_000), "250 ug"),
    ("1000 mcg", Mass(1_000_000_000), "1 mg"),
    ("999.999999 µg", Mass(999_999_999), "999.999999 ug"),
    ("20 ng", Mass(20_000), "20 ng"),
    ("7 pg", Mass(7), "7 pg"),
    ("0 mg", Mass(0), "0 ug"),
    ("0 pg", Mass(0), "0 ug"),
    ("20 min", Duration(1_200_000), "20 min"),
    ("1.5 h", Duration(5_400_000), "90 min"),
    ("24 hours", Duration(86_400_000), "1 d"),
    ("7 days", Duration(604_800_000), "7 d"),
    ("90 s", Duration(90_000), "90 s"),
    ("60 s", Duration(60_000), "1 min"),
    ("0.0005 min", Duration(30), "30 ms"),
    ("0 h", Duration(0), "0 s"),
    ("1000 ug/mL", Concentration(1_000_000_000), "1000 ug/mL"),
    ("2 mg/mL", Concentration(2_000_000_000), "2000 ug/mL"),
    ("4999.9 mcg/ml", Concentration(4_999_900_000), "4999.9 ug/mL"),
    ("5000 ug/mL", Concentration(5_000_000_000), "5 mg/mL"),
    ("10 mg/mL", Concentration(10_000_000_000), "10 mg/mL"),
    ("1 pg/nL", Concentration(1_000_000), "1 ug/mL"),
    ("0.000001 ug/mL", Concentration(1), "0.000001 ug/mL"),
    ("0 mg/mL", Concentration(0), "0 ug/mL"),
    ("400 ug/day", MassRate(125, 27), "400 ug/day"),
    ("25 ug/h", MassRate(125, 18), "600 ug/day"),
    ("1.5 mg/d", MassRate(625, 36), "1.5 mg/day"),
    ("1 mg/h", MassRate(2_500, 9), "24 mg/day"),
    ("1 pg/day", MassRate(1, 86_400_000), "1 pg/day"),
    ("0 ug/h", MassRate(0, 1), "0 ug/day"),
    ("0.4 mL/day", VolumeRate(1, 216), "0.4 mL/day"),
    ("0.3 mL/h", VolumeRate(1, 12), "7.2 mL/day"),
    ("25 uL/h", VolumeRate(1, 144), "0.6 mL/day"),
    ("1 nL/ms", VolumeRate(1, 1), "86.4 mL/day"),
    ("0 mL/h", VolumeRate(0, 1), "0 mL/day"),
    ("89 cm", Length(890_000), "89 cm"),
    ("893.5 mm", Length(893_500), "89.35 cm"),
    ("0.0001 cm", Length(1), "0.0001 cm"),
    ("+20 %", Percent(200_000), "+20 %"),
    ("-20%", Percent(-200_000), "-20 %"),
    ("+12.50 %", Percent(125_000), "+12.5 %"),
    ("-99.9999 %", Percent(-999_999), "-99.9999 %"),
    ("+900 %", Percent(9_000_000), "+900 %"),
    ("00:00", TimeOfDay(0), "00:00"),
    ("06:05", TimeOfDay(21_900_000), "06:05"),
    ("23:59", TimeOfDay(86_340_000), "23:59"),
)


@pytest.mark.parametrize(("text", "quantity", "printed"), READ, ids=[row[0] for row in READ])
def test_a_text_is_read_exactly_and_printed_in_one_form(text: str, quantity: Volume, printed: str) -> None:
    assert type(quantity).parse(text) == quantity
    assert str(quantity) == printed
    assert type(quantity).parse(printed) == quantity


NO_NUMBER = (
    "",
    " ",
    "5",
    "5.0",
    "mL",
    "1e5 {}",
    "1E5 {}",
    "1_000 {}",
    "1,5 {}",
    "1.000,5 {}",
    "１０ {}",
    "1０ {}",
    "1.０ {}",
    "٣ {}",
    "½ {}",
    "nan {}",
    "inf {}",
    "-0 {}",
    "-1 {}",
    "+1 {}",
    ".5 {}",
    "5. {}",
    "05 {}",
    "00 {}",
    "1.2.3 {}",
    "0x10 {}",
    "1/2 {}",
    "1 000 {}",
    "1  {}",
    "1\t{}",
    "1\n{}",
    " 1 {}",
    "1 {} ",
    "1 {}\n",
    "1 {}\0",
    "1 {} {}",
    "1 1 {}",
    "{} 1",
    "1000000000000 {}",
    "1.0000000001 {}",
    "1 {}.",
    "1 ({})",
    "~1 {}",
    "<1 {}",
    "1 \u00a0{}",
    "1\u200b {}",
    "True {}",
)
UNIT = {
    Volume: "mL",
    Mass: "ug",
    Duration: "h",
    Concentration: "ug/mL",
    MassRate: "ug/day",
    VolumeRate: "mL/day",
    Length: "cm",
}


@in_one(kind=list(UNIT))
@pytest.mark.parametrize("shape", NO_NUMBER, ids=ascii)
def test_what_is_not_digits_a_point_a_blank_and_a_unit_is_refused(kind: type[Volume], shape: str) -> None:
    with pytest.raises(
        QuantityError, match=r" is not a (volume|mass|time|concentration|dose rate|flow|length); allowed: "
    ):
        kind.parse(shape.replace("{}", UNIT[kind]))


@in_one(kind=KINDS)
@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        None,
        5,
        0,
        5.0,
        float("nan"),
        float("inf"),
        Decimal(5),
        Fraction(5),
        b"1 mL",
        ["1 mL"],
        {"mL": 1},
        date(2026, 11, 20),
        object(),
        10**5000,
    ],
    ids=lambda value: f"{type(value).__name__} {shown(value)[:12]}",
)
def test_what_is_not_a_text_is_refused(kind: type[Volume], value: object) -> None:
    with pytest.raises(QuantityError, match=r"is not a text; allowed: .* in quotes, such as ") as caught:
        kind.parse(value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Volume, "1 L", "'1 L': 'L' is no unit of volume; allowed: mL, ml, uL, ul, µL, μL, nL, nl"),
        (Volume, "1 cc", "'cc' is no unit of volume"),
        (Volume, "1 ML", "'ML' is no unit of volume"),
        (Volume, "1 mg", "'mg' is no unit of volume"),
        (Volume, "1 mL/h", "is not a volume"),
        (Volume, "0.0000001 mL", "'0.0000001 mL' is finer than one nL; allowed: whole multiples of 1 nL"),
        (Volume, "0.5 nL", "is finer than one nL"),
        (Mass, "1 g", "'g' is no unit of mass; allowed: mg, ug, mcg, µg, μg, ng, pg"),
        (Mass, "1 Mg", "'Mg' is no unit of mass"),
        (Mass, "1 UG", "'UG' is no unit of mass"),
        (Mass, "1 IU", "'IU' is no unit of mass"),
        (Mass, "1 gamma", "'gamma' is no unit of mass"),
        (Mass, "0.1 pg", "is finer than one pg"),
        (Mass, "999999999999 mg", "is out of range; allowed: less than 1000000000000000000 pg"),
        (Duration, "1 m", "'m' is no unit of time; allowed: d, day, days, h, hr, hour, hours, min, s, ms"),
        (Duration, "1 week", "'week' is no unit of time"),
        (Duration, "1 H", "'H' is no unit of time"),
        (Duration, "0.0001 s", "is finer than one ms"),
        (Duration, "11574.08 d", "is out of range; allowed: less than 1000000000000 ms"),
        (Concentration, "10 mg", "is not a concentration"),
        (Concentration, "1 %", "is not a concentration"),
        (Concentration, "1 mg/L", "'L' is no unit of volume"),
        (Concentration, "1 mL/mg", "'mL' is no unit of mass"),
        (Concentration, "1 mg/mL/day", "is not a concentration"),
        (Concentration, "0.0000001 ug/mL", "is finer than one pg/mL"),
        (Concentration, "999999999999 mg/nL", "is out of range"),
        (MassRate, "1 mg", "is not a dose rate"),
        (MassRate, "1 mg/week", "'week' is no unit of time"),
        (MassRate, "1 mL/h", "'mL' is no unit of mass"),
        (MassRate, "0.5 pg/day", "is finer than one pg"),
        (MassRate, "1000000 mg/ms", "is out of range"),
        (VolumeRate, "1 ug/h", "'ug' is no unit of volume"),
        (VolumeRate, "0.5 nL/day", "is finer than one nL"),
        (VolumeRate, "999999999999 mL/ms", "is out of range"),
        (Length, "1 m", "'m' is no unit of length; allowed: cm, mm"),
        (Length, "1 in", "'in' is no unit of length"),
        (Length, "0.00001 cm", "is finer than one um"),
        (Percent, "20 %", "'20 %' is not a signed change; allowed: digits"),
        (Percent, "+20", "is not a signed change"),
        (Percent, "−20 %", "is not a signed change"),
        (Percent, "+-20 %", "is not a signed change"),
        (Percent, "+ 20 %", "is not a signed change"),
        (Percent, "+20 %\n", "is not a signed change"),
        (Percent, "+1e1 %", "is not a signed change"),
        (Percent, "+0 %", "'+0 %' is no change of a dose; allowed: not zero, and above -100 %"),
        (Percent, "-0 %", "is no change of a dose"),
        (Percent, "-100 %", "is no change of a dose"),
        (Percent, "-120 %", "is no change of a dose"),
        (Percent, "+0.00001 %", "is finer than one ppm"),
        (TimeOfDay, "24:00", '\'24:00\' is not a time of day; allowed: "00:00" to "23:59"'),
        (TimeOfDay, "25:00", "is not a time of day"),
        (TimeOfDay, "6:00", "is not a time of day"),
        (TimeOfDay, "06:60", "is not a time of day"),
        (TimeOfDay, "06:00:00", "is not a time of day"),
        (TimeOfDay, "06.00", "is not a time of day"),
        (TimeOfDay, "6 am", "is not a time of day"),
        (TimeOfDay, "06:00\n", "is not a time of day"),
        (TimeOfDay, "０6:00", "is not a time of day"),
    ],
)
def test_a_wrong_unit_or_a_value_out_of_range_is_refused_with_what_is_allowed(
    kind: type[Volume], text: str, message: str
) -> None:
    """F-38: mg for ug, mL for uL or an hour for a day are no quantity of the wanted kind."""
    with pytest.raises(QuantityError) as caught:
        kind.parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_quantity_made_in_code_is_of_integers_only(kind: Callable[..., object]) -> None:
    more = (1,) if kind in (MassRate, VolumeRate) else ()
    for value in (1.0, True, None, "1", Decimal(1), Fraction(1)):
        with pytest.raises(TypeError, match="must be an int"):
            kind(value, *more)


def test_a_rate_made_in_code_is_reduced_or_refused() -> None:
    assert MassRate.of(10, 20) == MassRate(1, 2)
    assert VolumeRate.of(0, 20) == VolumeRate(0, 1)
    for rate in (MassRate, VolumeRate):
        with pytest.raises(ValueError, match="is not reduced; use of"):
            rate(10, 20)
        with pytest.raises(ValueError, match="is not reduced; use of"):
            rate(1, 0)
        with pytest.raises(ValueError, match="is not reduced; use of"):
            rate(1, -1)
        with pytest.raises(TypeError, match="must be an int"):
            rate(1, 2.0)  # type: ignore[arg-type]


def test_rates_tell_their_exact_daily_amounts() -> None:
    assert MassRate.parse("25 ug/h").pg_per_day == 600_000_000
    assert MassRate.of(1, 7).pg_per_day == Fraction(86_400_000, 7)
    assert VolumeRate.parse("0.3 mL/h").nl_per_day == 7_200_000
    assert VolumeRate.parse("0.3 mL/h").nl_per_ms == Fraction(1, 12)
    assert Concentration.parse("1000 ug/mL").pg_per_nl == 1_000
    assert Concentration.parse("0.1 ug/mL").pg_per_nl == Fraction(1, 10)


def test_a_rate_without_a_finite_decimal_is_printed_as_a_fraction() -> None:
    assert str(MassRate.of(1_000_000, 7)) == "86400/7 mg/day"
    assert str(VolumeRate.of(1, 7)) == "432/35 mL/day"


def test_a_change_is_an_exact_factor() -> None:
    assert Percent.parse("+20 %").factor == Fraction(6, 5)
    assert Percent.parse("-20 %").factor == Fraction(4, 5)
    assert Percent.parse("+12.5 %").factor == Fraction(9, 8)
    assert Percent.parse("-99.9999 %").factor == Fraction(1, 1_000_000)


def test_differences_below_zero_are_printed_with_their_sign() -> None:
    assert str(Volume(-3_900_000)) == "-3.9 mL"
    assert str(Volume(-400)) == "-0.0004 mL"
    assert str(Mass(-1_500_000)) == "-1.5 ug"
    assert str(Duration(-60_000)) == "-1 min"
    assert str(MassRate.of(-1, 86_400_000)) == "-1 pg/day"


def test_quantities_of_one_kind_can_be_compared() -> None:
    assert Volume.parse("1 mL") < Volume.parse("1000.001 uL")
    assert Mass.parse("1 mg") > Mass.parse("999 ug")
    assert max(Duration.parse("1 h"), Duration.parse("61 min")) == Duration.parse("61 min")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1 mL", "'1 mL'"),
        ("1 µL", "'1 µL'"),
        ("４0", r"'\uff140'"),
        ("a\nb\u202e", r"'a\nb\u202e'"),
        ("x" * 61, f"'{'x' * 60}' and 1 more characters"),
        ("x" * 60, f"'{'x' * 60}'"),
        (True, "true"),
        (1.5, "1.5"),
        (Decimal("0.4"), "0.4"),
        (10**5000, "a number of 16610 bits"),
        ({}, "a table"),
        ([1], "a list"),
        (date(2026, 11, 20), "2026-11-20"),
        (time(8), "08:00:00"),
        (None, "None"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_in_a_message_is_short_printable_and_on_one_line(value: object, text: str) -> None:
    assert shown(value) == text
