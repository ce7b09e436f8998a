"""S-14, X5, F-55: a limits file that is not exactly as described gives no limits at all."""

# ruff: noqa: ANN401 - values of every kind are handed in on purpose

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pump_ctrl.safety.limits import LimitsError, Patient, merge, parse_limits
from tests.safety.kit import HOUR, account, limits, rows, sealed

TERMS = {"over_ms": 600_000, "lockout_ms": HOUR, "max_per_day": 4, "volume_nl": 1_000}


def body() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        limits(
            [
                account(
                    rows=rows((1, 2, 3), (4, 5, 6)), patient=TERMS, until_ms=HOUR, hold={"nl": 5, "per_ms": 7}
                )
            ]
        )
    )
    del data["checksum"]
    return data


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    data = body()
    change(data)
    return sealed(data)


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return change


def test_a_good_file_is_read_into_whole_numbers() -> None:
    read = parse_limits(sealed(body()))
    (stage,) = read.accounts
    assert (stage.id, stage.from_ms, stage.until_ms, stage.hold_nl, stage.hold_per_ms) == (
        "stage-0",
        0,
        HOUR,
        5,
        7,
    )
    assert stage.patient == Patient(600_000, HOUR, 4, 1_000)
    assert [(r.hours, r.basal_pg, r.bolus_pg, r.basal_margin_pg) for r in stage.rows] == [
        (1, 1, 4, 200), (4, 2, 5, 200), (24, 3, 6, 200)
    ]  # fmt: skip
    assert (read.tip_lo_nl, read.tip_hi_nl, read.bridged) == (300_000, 340_000, False)
    assert read.reservoir_fluid == (("baclofen", 1_000_000),)
    assert [(c.drug, c.hours, c.pg, c.margin_pg) for c in read.caps] == [("baclofen", 24, 2_000_000, 400)]
    assert read.account("stage-1") is None


def test_a_file_that_a_person_changed_by_one_digit_is_none() -> None:
    with pytest.raises(LimitsError, match="checksum"):
        parse_limits(sealed(body()).replace(b'"pg": 2000000', b'"pg": 3000000'))


@pytest.mark.parametrize("text", [
    b"", b"{", b"null", b"[]", b'"limits"', b"\xff\xfe", b"{}", b'{"checksum": "x"}', b'{"a": 1, "a": 1}',
    b'{"checksum": 1.0}', b'{"checksum": NaN}', b'{"checksum": Infinity}', b'{"checksum": 1e3}',
    b"[" * 100_000,
])  # fmt: skip
def test_what_is_no_limits_file_is_none(text: bytes) -> None:
    with pytest.raises(LimitsError):
        parse_limits(text)


def every_field(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = list(
        data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    )
    found = [(*path, key) for key, _ in items]
    for key, value in items:
        found += every_field(value, (*path, key))
    return found


FIELDS = [path for path in every_field(body()) if path[-2:] != ("fluids", "path")]


@pytest.mark.parametrize(
    "path", [p for p in FIELDS if isinstance(p[-1], str)], ids=lambda p: ".".join(map(str, p))
)
def test_no_field_may_be_missing(path: tuple[Any, ...]) -> None:
    """X5: a limit that is missing is no limit to skip."""
    if path == ("fluids", "path", "baclofen"):  # an emptied path holds no drug
        assert parse_limits(changed(drop(*path))).path_fluid == ()
        return
    with pytest.raises(LimitsError):
        parse_limits(changed(drop(*path)))


@pytest.mark.parametrize("value", [True, "7", 7.0, None, -1, 1 << 63, [], {}])
@pytest.mark.parametrize("path", [
    ("stop_ms",), ("fill_nl",), ("alarm_nl",), ("max_hold_ms",), ("prime_nl",), ("pump", "step_nl"), ("path", "lo_nl"),
    ("valid", "until_utc_ms"), ("caps", 0, "pg"), ("bolus_caps", 0, "pg"), ("accounts", 0, "max_bolus_nl"),
    ("accounts", 0, "from_ms"), ("accounts", 0, "rows", 0, "basal_pg"), 
    ("accounts", 0, "rows", 2, "commands"),
    ("accounts", 0, "patient", "lockout_ms"), ("accounts", 0, "hold", "nl"), 
    ("fluids", "reservoir", "baclofen", 1),
    ("accounts", 0, "daily_pg"),
])  # fmt: skip
def test_no_number_may_be_anything_but_a_whole_number_from_0_on(path: tuple[Any, ...], value: Any) -> None:
    """F-39."""
    with pytest.raises(LimitsError):
        parse_limits(changed(put(*path, value=value)))


@pytest.mark.parametrize("path", [
    ("pump", "step_nl"), ("pump", "counter_unit_nl"), ("pump", "max_nl_per_h"), ("pump", "max_lease_ms"),
    ("caps", 0, "hours"), ("accounts", 0, "hold", "per_ms"), ("accounts", 0, "patient", "over_ms"),
])  # fmt: skip
def test_some_numbers_may_not_be_0(path: tuple[Any, ...]) -> None:
    with pytest.raises(LimitsError):
        parse_limits(changed(put(*path, value=0)))


@pytest.mark.parametrize("where", [(), ("plan",), ("pump",), ("valid",), ("path",), ("fluids",), ("caps", 0),
                                   ("bolus_caps", 0), ("accounts", 0), ("accounts", 0, "hold"),
                                   ("accounts", 0, "patient"), ("accounts", 0, "rows", 0)])  # fmt: skip
def test_a_field_that_nobody_knows_makes_it_none(where: tuple[Any, ...]) -> None:
    with pytest.raises(LimitsError, match="not known"):
        parse_limits(changed(put(*where, "extra", value=1)))


@pytest.mark.parametrize(("change", "what"), [
    (put("schema", value="pump-ctrl/limits/2"), "schema"),
    (put("route", value="intravenous"), "route"),  # S-17, IT-06
    (put("simulation", value=1), "simulation"),
    (put("plan", "sha256", value=""), "sha256"),
    (put("formulary_sha256", value=""), "formulary"),
    (put("accounts", value=[]), "no account"),
    (put("fluids", value={"path": {}, "reservoir": {}}), "no drug"),
    (put("fluids", "reservoir", "baclofen", value=[5, 4]), "lower bound"),
    (put("fluids", "reservoir", "baclofen", value=[5]), "reservoir.baclofen"),
    (put("path", "lo_nl", value=340_001), "crossed"),
    (put("path", "bridge_lo_nl", value=397_662), "crossed"),
    (put("valid", "until_utc_ms", value=0), "never valid"),
    (lambda d: d["accounts"].append(d["accounts"][0]), "twice"),
    (put("accounts", 0, "until_ms", value=0), "without time"),
    (lambda d: d["accounts"][0]["rows"].pop(), "rows"),
    (lambda d: d["accounts"][0]["rows"].append(d["accounts"][0]["rows"][0]), "rows"),
    (put("accounts", 0, "rows", 0, "drug", value="morphine"), "rows"),
    (put("accounts", 0, "rows", 0, "hours", value=2), "rows"),
    (put("bolus_caps", value=[]), "bolus cap"),
    (put("caps", value=[]), "daily cap"),
    (put("caps", 0, "hours", value=4), "daily cap"),
    (lambda d: d["caps"].append(d["caps"][0]), "cap twice"),
    (put("caps", value={}), "caps"),
    (put("caps", value=[7]), "no object"),
])  # fmt: skip
def test_parts_that_do_not_fit_together_make_it_none(
    change: Callable[[dict[str, Any]], object], what: str
) -> None:
    with pytest.raises(LimitsError, match=what):
        parse_limits(changed(change))


def test_what_may_be_absent_is_an_explicit_null() -> None:
    read = parse_limits(changed(put("accounts", 0, "patient", value=None)))
    assert read.accounts[0].patient is None
    assert parse_limits(changed(put("accounts", 0, "until_ms", value=None))).accounts[0].until_ms is None


def test_the_longest_look_back_is_that_of_caps_windows_and_lockouts() -> None:
    assert parse_limits(sealed(body())).window_ms == 24 * HOUR
    far = changed(put("accounts", 0, "patient", "lockout_ms", value=30 * HOUR))
    assert parse_limits(far).window_ms == 30 * HOUR
    week = changed(lambda d: d["caps"].append({"drug": "baclofen", "hours": 168, "pg": 9}))
    assert parse_limits(week).window_ms == 168 * HOUR


def test_a_mixture_of_fluids_has_the_largest_of_each_drug() -> None:
    assert merge(((("a", 1), ("b", 7)), (("a", 3),))) == (("a", 3), ("b", 7))
    assert merge(((("a", 1),),)) == (("a", 1),)
