"""The table of families, its numbers once more."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.harvard_families import FAMILIES, family_of


@pytest.mark.parametrize(
    ("ver", "name", "flags", "told", "ms", "nvram"),
    [
        ("11 ELITE I/W Single 3.0.4", "Pump 11 Elite", 6, 56_000_000, 1_000, "off"),
        ("11 Elite 3.0.4", "Pump 11 Elite", 6, 55_999, 0, "off"),
        ("PICO PLUS ELITE 2.0.1", "Pump 11 Elite", 6, 56_000, 1, "off"),
        ("PHD ULTRA 3.0.5", "PHD Ultra", 6, 1_500, 1_500, None),
        ("PHD ULTRA 1.0.0", "PHD Ultra", 5, 2, 2_000, None),
        ("LEGATO 100 3.0.6", "Legato", 6, 60_000, 60_000, "none"),
        ("KDS Legato 130 3.0.6", "Legato", 6, 1, 1, "none"),
    ],
)
def test_each_family_has_its_time_its_flags_and_its_word_for_forgetting(
    ver: str, name: str, flags: int, told: int, ms: int, nvram: str | None
) -> None:
    family = family_of(ver)
    assert family is not None
    assert family.name == name
    assert family.clocks[flags].ms(told) == ms
    assert next(iter(family.nvram), None) == nvram


@pytest.mark.parametrize("ver", ["", "NE1000V3.923", "PHD2000 1.0.0", "implant-20", "Model 22"])
def test_other_pumps_are_of_no_family(ver: str) -> None:
    assert family_of(ver) is None


def test_only_phd_has_two_forms_of_the_status_line() -> None:
    assert {family.name: sorted(family.clocks) for family in FAMILIES} == {
        "Pump 11 Elite": [6],
        "PHD Ultra": [5, 6],
        "Legato": [6],
    }
