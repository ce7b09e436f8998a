"""Packaged pump, catheter and timing profiles, restated as literals."""

from __future__ import annotations

from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import pytest

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.profiles import (
    catheter_data,
    load_catheters,
    load_profile,
    load_timing,
    profile_names,
    syringe_rates,
)
from pump_ctrl.units import Duration, Volume, VolumeRate

HOUR = 3_600_000


@pytest.mark.parametrize(("name", "ml", "work_up"), [("implant-20", 20, 1), ("implant-40", 40, 2)])
def test_an_implant_is_as_the_sources_say(name: str, ml: int, work_up: int) -> None:
    p = load_profile(name)
    assert (p.kind, p.protocol, p.model, p.syringe) == ("implant", "reference", name, None)
    assert (p.capacity, p.residual, p.tubing) == (
        Volume(ml * 1_000_000),
        Volume(1_400_000),
        (Volume(140_000),) * 2,
    )
    assert (p.min_rate, p.max_rate) == (VolumeRate.parse("0.048 mL/day"), VolumeRate.parse("24 mL/day"))
    assert p.minimum_mode == VolumeRate.parse("0.006 mL/day")
    assert (p.step.nl, p.counter_unit.nl, p.max_steps) == (100, 100, 13)
    assert (p.lease, p.poll, p.accuracy) == (Duration(24 * HOUR), Duration(6 * HOUR), (855, 1145))
    assert p.refill_discrepancy == Volume(work_up * 1_000_000)


def test_what_nobody_read_about_the_implant_is_marked() -> None:
    unverified = set(load_profile("implant-40").unverified)
    assert {
        "residual",
        "step",
        "counter_unit",
        "rates.max_rate",
        "rates.minimum_mode",
        "lease",
        "poll",
    } == unverified


# The published table of New Era: diameter mm, highest mL/h, lowest uL/h
NEW_ERA = {1: (53.07, 0.7292), 3: (177.1, 2.434), 5: (345.5, 4.748), 10: (500.5, 6.877), 20: (872.3, 11.99),
           30: (1120, 15.39), 60: (1699, 23.35)}  # fmt: skip


@pytest.mark.parametrize("ml", NEW_ERA)
def test_new_era_rates_follow_from_plunger_speed_and_diameter(ml: int) -> None:
    p = load_profile(f"ne-1000-bd-{ml}ml")
    most, least = NEW_ERA[ml]
    assert float(p.max_rate.nl_per_day) / 24e6 == pytest.approx(most, rel=5e-4)
    assert float(p.min_rate.nl_per_day) / 24e3 == pytest.approx(least, rel=5e-4)
    assert (p.protocol, p.kind, p.max_steps, p.lease) == ("new-era", "syringe", 40, Duration(24 * HOUR))
    assert p.capacity == Volume(ml * 1_000_000)
    assert p.minimum_mode is None


def test_harvard_rates_agree_with_the_reply_of_a_real_pump() -> None:
    p = load_profile("pump-11-elite-bd-10ml")
    # 25.0404 nL/min to 26.0035 mL/min at 14.43 mm
    assert float(p.min_rate.nl_per_day) / 1440 == pytest.approx(25.0404, rel=5e-5)
    assert float(p.max_rate.nl_per_day) / 1440e6 == pytest.approx(26.0035, rel=5e-5)
    assert p.min_rate.nl_per_day / 1440 > Fraction("25.0404")  # rounded up, never below the pump's
    assert (p.protocol, p.max_steps, p.lease) == ("harvard", 1, Duration(HOUR))


@pytest.mark.parametrize("name", ["ne-1000-bd-1ml", "ne-1000-bd-3ml", "ne-1000-bd-10ml", "ne-1000-bd-60ml",
                                  "pump-11-elite-bd-3ml", "pump-11-elite-bd-10ml"])  # fmt: skip
def test_a_bench_profile_names_its_syringe_and_diameter(name: str) -> None:
    diameters = {"1": 4_699, "3": 8_585, "10": 14_430, "60": 26_590}
    p = load_profile(name)
    ml = name.rpartition("-")[2].removesuffix("ml")
    assert p.syringe is not None
    assert (p.syringe.title, p.syringe.diameter_um) == (f"BD plastic {ml} mL", diameters[ml])


def test_rates_of_a_syringe_are_rounded_into_the_pumps_range() -> None:
    # 2 mm across and 1 mm/h: pi mm3/h = 75398.2236861550... nL/day
    low, high = syringe_rates(2_000, Fraction(1), Fraction(1))
    assert (low.nl_per_day, high.nl_per_day) == (75_399, 75_398)


def test_every_packaged_profile_is_read_and_named() -> None:
    assert len(profile_names()) == 14
    assert all(load_profile(name).name == name for name in profile_names())


def test_every_number_of_a_profile_has_its_source() -> None:
    for name in profile_names():
        p = load_profile(name)
        assert all(number.source in p.sources for number in p.numbers.values()), name


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=r"'implant-30'.*implant-20, implant-40, ne-1000"):
        load_profile("implant-30")


@pytest.mark.parametrize(("step", "refused"), [("9 nL", True), ("10 nL", False)])
def test_a_harvard_pump_whose_steps_cannot_be_told_is_refused(
    tmp_path: Path, step: str, refused: bool
) -> None:
    packaged = (files("pump_ctrl.data") / "pumps" / "pump-11-elite-bd-10ml.toml").read_text(encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(
        packaged.replace('step = { value = "20 nL"', f'step = {{ value = "{step}"'), encoding="utf-8"
    )
    if not refused:
        assert load_profile(own).step == Volume(10)
        return
    with pytest.raises(InvalidInput) as told:
        load_profile(own)
    assert [(p.field, p.allowed) for p in told.value.problems] == [("step", "at least 10 nL")]


@pytest.mark.parametrize("name", ["../catheters", "implant-40.toml/../x", "", "IMPLANT-40"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(InvalidInput):
        load_profile(name)


@pytest.mark.parametrize(
    ("model", "bounds", "nominal", "verified", "cm"),
    [
        ("ascenda-8780", (2135, 2270), 2200, False, 114),
        ("ascenda-8781", (2135, 2270), 2200, False, 114),
        ("8709", (2135, 2270), 2200, False, 89),
        ("8731", (2135, 2270), 2200, False, 104),
        ("prometra", (2522, 2678), 2600, True, 110),
    ],
)
def test_catheters_have_two_bounds_around_a_nominal_volume(
    model: str, bounds: tuple[int, int], nominal: int, verified: bool, cm: int
) -> None:
    data = catheter_data(model)
    assert (data.nl_per_cm, data.nominal_nl_per_cm, data.verified) == (bounds, nominal, verified)
    assert data.supplied_um == cm * 10_000


def test_no_other_catheter_is_there() -> None:
    assert set(load_catheters()) == {"ascenda-8780", "ascenda-8781", "8709", "8731", "prometra"}


def test_the_timing_table_is_the_one_of_the_design() -> None:
    t = load_timing()
    assert (t.disagreement_per_mille, t.disagreement_pump_steps, t.disagreement_over_steps) == (150, 2, 4)
    assert (t.clock_jump_ms, t.silence_ms, t.within_ms) == (2_000, 1_000, 300_000)
    assert (t.prime_early_per_mille, t.prime_nl_per_h) == (250, 1_000_000)
    assert {name: d.poll_ms for name, d in t.driver.items()} == {
        "reference": 6 * HOUR, "new-era": 15_000, "harvard": 15_000}  # fmt: skip
    assert all((d.exchange_ms, d.stale_ticks) == (500, 3) for d in t.driver.values())
    assert {name: d.stop_ms for name, d in t.driver.items()} == {
        "reference": 2_000, "new-era": 30_000, "harvard": 10_000}  # fmt: skip
    assert (t.driver["new-era"].safe_timeout_ms, t.driver["new-era"].heartbeat_ms) == (60_000, 15_000)
    assert t.driver["reference"].safe_timeout_ms is None
    assert t.driver["harvard"].heartbeat_ms is None


def test_the_heartbeat_leaves_the_wire_time_out_three_chances() -> None:
    d = load_timing().driver["new-era"]
    assert d.safe_timeout_ms is not None
    assert d.heartbeat_ms is not None
    assert d.heartbeat_ms * 4 <= d.safe_timeout_ms
