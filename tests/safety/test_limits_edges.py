"""S-14, D-05: the margins that the guard adds by itself, and the edges of what is a limits file at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pump_ctrl.safety.limits import LimitsError, merge, parse_limits
from tests.safety.kit import HOUR, account, limits, row, rows
from tests.safety.test_limits import body, changed, put

DRUGS = {
    "ziconotide": 9_000,
    "adenosine": 8_000,
    "baclofen": 0,
}  # drug: commands of its rows beside the stated ones


def every_window(commands: tuple[int, int, int]) -> list[dict[str, Any]]:
    """Rows of three drugs, baclofen last, so that a row of another drug is found first if any is taken for it."""
    return [
        row(drug, hours, commands=number + more)
        for hours, number in zip((1, 4, 24), commands, strict=True)
        for drug, more in DRUGS.items()
    ]


def of_three_drugs(caps: list[dict[str, Any]]) -> bytes:
    fluid = {drug: [0, 1_000_000] for drug in DRUGS}
    daily = [{"drug": drug, "hours": 24, "pg": 1} for drug in DRUGS]
    return limits(
        [account(rows=every_window((0, 10, 100))), account("stage-1", rows=every_window((5, 6, 7)))],
        fluids={"path": fluid, "reservoir": fluid},
        bolus_caps=[{"drug": drug, "pg": 1} for drug in DRUGS],
        caps=[*daily, *caps],
    )


def test_a_margin_is_the_stop_time_at_the_highest_rate_with_all_falls_and_a_grain_for_each_command_and_two() -> (
    None
):
    """5 grains of 250 nL at 1,234,567 pg/mL are 1,544 pg; 2 s at 1,500,001 pg/h are 834 pg, at 7,200,001 are 4,001."""
    pace: dict[str, Any] = {
        "basal_max_pg_per_h": 1_000_000, "basal_fall_pg_per_h": 500_001, "bolus_max_pg_per_h": 7_200_000,
        "bolus_fall_pg_per_h": 1, "commands": 3,
    }  # fmt: skip
    fluids = {"path": {"baclofen": [0, 5]}, "reservoir": {"baclofen": [0, 1_234_567]}}
    data = limits(
        [account(rows=rows((0, 0, 0), **pace))],
        fluids=fluids,
        pump={**body()["pump"], "counter_unit_nl": 250},
    )
    read = parse_limits(data).accounts[0].rows[0]
    assert (read.basal_margin_pg, read.bolus_margin_pg) == (1_544 + 834, 1_544 + 4_001)


def test_a_margin_for_a_million_commands_is_exact() -> None:
    read = parse_limits(limits([account(rows=rows((0, 0, 0), commands=1_000_000))])).accounts[0].rows[0]
    assert (read.basal_margin_pg, read.bolus_margin_pg) == (100_000_200, 100_000_200)


@pytest.mark.parametrize(("hours", "margin_pg"), [
    (1, 1_400),  # 5 commands and two, 100 pg each, in both accounts of stage-1
    (2, 2_400), (4, 2_400),  # 10 commands in 4 h, of stage-0
    (23, 20_400), (48, 20_400),  # 100 commands in a day; no row is longer
])  # fmt: skip
def test_a_cap_has_the_largest_margin_of_any_stage_for_its_own_drug_and_the_shortest_window_that_holds_it(
    hours: int, margin_pg: int
) -> None:
    read = parse_limits(of_three_drugs([{"drug": "baclofen", "hours": hours, "pg": 1}]))
    assert [cap.margin_pg for cap in read.caps if (cap.drug, cap.hours) == ("baclofen", hours)] == [margin_pg]


def test_a_cap_on_a_drug_that_is_not_in_the_pump_has_no_margin() -> None:
    read = parse_limits(changed(lambda d: d["caps"].append({"drug": "morphine", "hours": 24, "pg": 1})))
    assert [(cap.drug, cap.margin_pg) for cap in read.caps] == [("baclofen", 400), ("morphine", 0)]


def test_a_plan_with_a_bridge_takes_the_bounds_of_the_path_that_include_the_pumps_accuracy() -> None:
    """D-11."""
    read = parse_limits(limits([account("bridge"), account()]))
    assert (read.bridged, read.tip_lo_nl, read.tip_hi_nl) == (True, 262_008, 397_661)


@pytest.mark.parametrize("path", [
    ("pump", "step_nl"), ("pump", "counter_unit_nl"), ("pump", "max_nl_per_h"), ("pump", "max_lease_ms"),
    ("accounts", 0, "hold", "per_ms"), ("accounts", 0, "patient", "over_ms"),
])  # fmt: skip
def test_the_least_that_some_numbers_may_be_is_1(path: tuple[Any, ...]) -> None:
    assert parse_limits(changed(put(*path, value=1))).accounts


@pytest.mark.parametrize(("path", "value"), [
    (("fluids", "reservoir", "baclofen"), [1_000_000, 1_000_000]),  # a concentration that is known exactly
    (("path", "lo_nl"), 340_000),  # and a volume
    (("path", "bridge_lo_nl"), 397_661),
    (("fill_nl",), 1 << 62), (("fluids", "reservoir", "baclofen"), [0, 1 << 62]),  # the largest number
    (("plan", "id"), "Studie Süd"),
])  # fmt: skip
def test_the_edges_of_what_is_read_are_read(path: tuple[Any, ...], value: object) -> None:
    assert parse_limits(changed(put(*path, value=value))).accounts


Change = Callable[[dict[str, Any]], object]


def second_stage(**fields: object) -> Change:
    return lambda d: d["accounts"].append({**d["accounts"][0], "id": "stage-1", **fields})


@pytest.mark.parametrize("change", [
    put("fill_nl", value=(1 << 62) + 1),
    put("fluids", "reservoir", "baclofen", value=[0, (1 << 62) + 1]),
    put("fluids", "reservoir", "baclofen", value=[-1, 5]),
    put("fluids", "reservoir", "baclofen", value=[1, 2, 3]),
    put("schema", value="pump-ctrl/limits/0"),
    put("route", value="epidural"),
    put("valid", value={"from_utc_ms": 6, "until_utc_ms": 5}),
    put("accounts", 0, "from_ms", value=2 * HOUR),  # it would end before it begins
    second_stage(until_ms=0),
    second_stage(rows=[]),
    lambda d: d["bolus_caps"].append({"drug": "morphine", "pg": 1}),
    lambda d: d["caps"].append({"drug": "baclofen", "hours": 0, "pg": 1}),
    put("caps", 0, "hours", value=48),  # longer than a day is no daily cap
])  # fmt: skip
def test_one_step_beyond_an_edge_makes_it_none(change: Change) -> None:
    with pytest.raises(LimitsError):
        parse_limits(changed(change))


@pytest.mark.parametrize("checksum", ["0" * 64, "f" * 64])
def test_another_checksum_makes_it_none_whether_it_sorts_before_the_right_one_or_after(checksum: str) -> None:
    text = limits([account()])
    right = text.rpartition(b'"checksum": "')[2][:64]
    with pytest.raises(LimitsError):
        parse_limits(text.replace(right, checksum.encode()))


def test_a_name_that_occurs_twice_makes_it_none_although_the_checksum_fits_the_last() -> None:
    with pytest.raises(LimitsError):
        parse_limits(limits([account()]).replace(b'{"', b'{"stop_ms": 1, "', 1))


def test_a_fraction_is_not_taken_for_a_null_that_the_checksum_would_fit() -> None:
    with pytest.raises(LimitsError):
        parse_limits(limits([account(until_ms=None)]).replace(b'"until_ms": null', b'"until_ms": 1.5'))


def test_a_fluid_without_drug_keeps_its_concentration_of_0() -> None:
    assert merge(((("a", 0),), (("a", 0),))) == (("a", 0),)


def test_limits_say_the_same_whatever_else_their_file_was_made_of() -> None:
    read = parse_limits(limits([account()]))
    assert replace(read, raw={}) == read
    assert "formulary_sha256" not in repr(read)
    assert (read.simulation, read.window_ms) == (True, 24 * HOUR)


def test_limits_that_are_none_say_what_runs_and_what_to_do() -> None:
    with pytest.raises(LimitsError) as error:
        parse_limits(b"{}")
    assert (error.value.pump_state, error.value.do_now) == (
        "What runs goes on to its end.", "Compile and sign the plan again."
    )  # fmt: skip
