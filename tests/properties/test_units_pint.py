"""Every unit and conversion against pint, in exact fractions; every quantity reads back what it prints."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any, Final

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.units import (
    LENGTH_UNITS,
    MASS_UNITS,
    TIME_UNITS,
    VOLUME_UNITS,
    Concentration,
    Duration,
    Length,
    Mass,
    MassRate,
    Percent,
    TimeOfDay,
    Volume,
    VolumeRate,
)

REGISTRY: Final[Any] = pint.UnitRegistry(non_int_type=Fraction)
WHOLE: Final = ("0", "1", "12", "9999")
BROKEN: Final = ("0.5", "1.4", "999.25")

RATIO = {f"{top}/{bottom}" for top, bottom in product(MASS_UNITS, VOLUME_UNITS)}
PER_TIME = {f"{top}/{bottom}" for top, bottom in product(MASS_UNITS, TIME_UNITS)}
FLOW = {f"{top}/{bottom}" for top, bottom in product(VOLUME_UNITS, TIME_UNITS)}


def pint_value(text: str, base: str) -> Fraction:
    """What pint makes of the same text, in the base unit."""
    number, unit = text.split(" ")
    value = (Fraction(number) * REGISTRY.parse_units(unit)).to(base).magnitude
    return Fraction(value)


def agree(text: str, ours: Fraction, base: str) -> None:
    assert ours == pint_value(text, base), text


SIMPLE: Final[tuple[tuple[Any, str, dict[str, int]], ...]] = (
    (Volume, "nL", VOLUME_UNITS),
    (Mass, "pg", MASS_UNITS),
    (Duration, "ms", TIME_UNITS),
    (Length, "um", LENGTH_UNITS),
)


@pytest.mark.parametrize(("kind", "base", "table"), SIMPLE, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("number", WHOLE + BROKEN)
def test_every_unit_is_what_pint_says(
    kind: type[Volume], base: str, table: dict[str, int], number: str
) -> None:
    for unit, factor in table.items():
        if number in WHOLE or factor > 1:  # the base unit has no parts
            (ours,) = dataclasses.astuple(kind.parse(f"{number} {unit}"))
            agree(f"{number} {unit}", Fraction(ours), base)


@pytest.mark.parametrize("number", ["0", "1", "11"])  # a dozen mg in a ms is out of range
def test_every_ratio_of_units_is_what_pint_says(number: str) -> None:
    for unit in RATIO:
        text = f"{number} {unit}"
        agree(text, Fraction(Concentration.parse(text).pg_per_ml), "pg/mL")
    for unit in PER_TIME:
        text = f"{number} {unit}"
        agree(text, MassRate.parse(text).pg_per_day, "pg/day")
    for unit in FLOW:
        text = f"{number} {unit}"
        agree(text, VolumeRate.parse(text).nl_per_day, "nL/day")
        agree(text, VolumeRate.parse(text).nl_per_ms, "nL/ms")


def test_the_tables_hold_no_unit_that_pint_reads_otherwise() -> None:
    for table, base in ((VOLUME_UNITS, "nL"), (MASS_UNITS, "pg"), (TIME_UNITS, "ms"), (LENGTH_UNITS, "um")):
        assert {unit: pint_value(f"1 {unit}", base) for unit in table} == table


# --- reading back

AMOUNTS = st.one_of(
    st.sampled_from([0, 1, 9, 10, 999, 1_000, 999_999, 1_000_000, 10**9, 10**12, 10**18 - 1]),
    st.integers(0, 10**18 - 1),
)
SPANS = st.one_of(
    st.sampled_from([0, 1, 999, 59_999, 60_000, 86_400_000, 10**12 - 1]), st.integers(0, 10**12 - 1)
)
DAILY = st.integers(0, 10**18 - 1)
QUANTITIES = st.one_of(
    AMOUNTS.map(Volume),
    AMOUNTS.map(Mass),
    AMOUNTS.map(Concentration),
    SPANS.map(Duration),
    SPANS.map(Length),
    DAILY.map(lambda pg: MassRate.of(pg, 86_400_000)),
    DAILY.map(lambda nl: VolumeRate.of(nl, 86_400_000)),
    st.integers(-999_999, 10**12).filter(bool).map(Percent),
    st.integers(0, 1_439).map(lambda minute: TimeOfDay(minute * 60_000)),
)


@given(quantity=QUANTITIES)
def test_every_quantity_reads_back_what_it_prints(quantity: Volume) -> None:
    assert type(quantity).parse(str(quantity)) == quantity


FORMS: Final[tuple[tuple[Any, str, tuple[str, ...]], ...]] = (
    (Volume, "nL", ("mL", "ml", "uL", "µL", "μL")),
    (Mass, "pg", ("mg", "ug", "mcg", "µg", "μg", "ng")),
    (Duration, "ms", ("d", "days", "h", "hr", "min", "s")),
    (Length, "um", ("cm", "mm")),
    (MassRate, "pg/day", ("mg/day", "ug/h", "mcg/min", "ng/s")),
    (VolumeRate, "nL/day", ("mL/d", "uL/hr", "ml/s")),
)


@given(form=st.sampled_from(FORMS), number=st.decimals("0", "9999", places=3), data=st.data())
def test_whatever_is_read_is_printed_in_one_form_of_the_same_value(
    form: tuple[Any, str, tuple[str, ...]], number: Decimal, data: st.DataObject
) -> None:
    kind, base, units = form
    text = f"{number} {data.draw(st.sampled_from(units))}"
    printed = str(kind.parse(text))
    assert str(kind.parse(printed)) == printed
    assert pint_value(text, base) == pint_value(printed, base)
