"""S-12, S-15, S-16, F-39: what reaches the pump is a whole number on its grid, within its ranges, of a known
kind.
"""

# ruff: noqa: ANN401 - values of every kind are handed in on purpose

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pump_ctrl.drivers.base import Acked, Capabilities, Step, StepKind
from pump_ctrl.safety.ask import Ask, Denied, Purpose
from tests.safety.kit import (
    CAPABILITIES,
    DAY,
    HOUR,
    MINUTE,
    Bench,
    account,
    basal,
    bolus,
    codes,
    limits,
    prime,
    rows,
)

WIDE = (10_000_000, 10_000_000, 10_000_000)


def bench(can: Capabilities = CAPABILITIES) -> Bench:
    """100 nL steps, 13 of them, 24 h leases; accounts so wide that only the shape can be wrong."""
    wide = account(rows=rows(WIDE, WIDE, bolus_max_pg_per_h=10**9), max_bolus_nl=150_000)
    return Bench(limits([wide], caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}]), can).confirmed()


def denied(steps: Any, purpose: Any = Purpose.BASAL, request: Any = "r") -> bool:
    b = bench()
    answer = b.guard.deliver(Ask(request, purpose, "stage-0", steps))
    if isinstance(answer, Denied):
        assert codes(answer) == {"malformed"}, answer
        assert b.pump.sent == []
        assert b.log.kinds() == ["limits", "confirm"]
    return isinstance(answer, Denied)


@pytest.mark.parametrize(
    "volume", [-100, -1, 50, 99, 101, 150, True, 100.0, "100", None, 10**400, float("nan")]
)
def test_a_volume_that_is_no_whole_number_of_steps_is_refused(volume: Any) -> None:
    assert denied((Step(StepKind.BASAL, volume, HOUR),))


@pytest.mark.parametrize("volume", [0, 100, 200, 999_900, 1_000_000])
def test_whole_steps_up_to_the_fastest_flow_are_let_through(volume: int) -> None:
    assert not denied((basal(volume, HOUR),))


@pytest.mark.parametrize(("volume", "ms", "no"), [
    (1_000_000, HOUR, False), (1_000_100, HOUR, True), (1_000_000, HOUR - 1, True),
    (1_000_000, HOUR + 1, False),
    (100, 360, False), (100, 359, True), (100, 361, False),
])  # fmt: skip
def test_no_step_is_faster_than_24_ml_a_day(volume: int, ms: int, no: bool) -> None:
    assert denied((basal(volume, ms),)) is no


def test_a_pump_that_could_do_more_than_the_limits_were_compiled_for_may_not() -> None:
    """S-12: 24 mL/day by the limits, on a pump that makes 48, and that takes leases of two days."""
    fast = bench(replace(CAPABILITIES, max_nl_per_h=2_000_000, max_lease_ms=2 * DAY))
    assert codes(fast.ask(basal(1_000_100, HOUR))) == {"malformed"}
    assert codes(fast.ask(basal(100, DAY + 1))) == {"malformed"}
    assert isinstance(fast.ask(basal(1_000_000, HOUR)), Acked)


def test_the_second_step_is_looked_at_as_well() -> None:
    assert denied((basal(100, HOUR), basal(1_000_100, HOUR)))
    assert denied((basal(100, HOUR), basal(150, HOUR)))


@pytest.mark.parametrize("ms", [0, -1, True, 1.5, "3600000", None])
def test_a_time_that_is_no_whole_number_from_1_on_is_refused(ms: Any) -> None:
    assert denied((Step(StepKind.BASAL, 100, ms),))


@pytest.mark.parametrize(("ms", "no"), [(DAY - 1, False), (DAY, False), (DAY + 1, True)])
def test_no_lease_is_longer_than_24_h(ms: int, no: bool) -> None:
    assert denied((basal(100, ms),)) is no
    assert denied((basal(100, HOUR), basal(100, ms - HOUR))) is no


@pytest.mark.parametrize(("count", "no"), [(1, False), (12, False), (13, False), (14, True)])
def test_no_more_than_13_steps(count: int, no: bool) -> None:
    assert denied((basal(100, HOUR),) * count) is no


@pytest.mark.parametrize("steps", [(), [basal(100, HOUR)], None, (None,), ("basal",), (basal(100, HOUR), 3)])
def test_what_is_no_tuple_of_steps_is_refused(steps: Any) -> None:
    assert denied(steps)


@pytest.mark.parametrize("kind", ["basal", None, "bolus"])
def test_a_kind_must_be_a_kind(kind: Any) -> None:
    assert denied((Step(kind, 100, HOUR),))


@pytest.mark.parametrize(("purpose", "steps", "no"), [
    (Purpose.BASAL, (basal(100, HOUR), basal(0, HOUR)), False),
    (Purpose.BASAL, (bolus(100, HOUR),), True),
    (Purpose.BASAL, (basal(100, HOUR), bolus(100, HOUR)), True),
    (Purpose.BASAL, (prime(100, HOUR),), True),
    (Purpose.SCHEDULED, (bolus(100, HOUR),), False),
    (Purpose.SCHEDULED, (bolus(100, HOUR), basal(100, HOUR)), False),
    (Purpose.SCHEDULED, (basal(100, HOUR), bolus(100, HOUR)), True),
    (Purpose.SCHEDULED, (bolus(100, HOUR), bolus(100, HOUR)), True),
    (Purpose.SCHEDULED, (bolus(100, HOUR), prime(100, HOUR)), True),
    (Purpose.SCHEDULED, (basal(100, HOUR),), True),
    (Purpose.SCHEDULED, (prime(100, HOUR),), True),
    (Purpose.PATIENT, (basal(100, HOUR),), True),
    (Purpose.PRIME, (basal(100, HOUR),), True),
    (Purpose.PRIME, (prime(100, HOUR), basal(100, HOUR)), True),
    (Purpose.PRIME, (prime(100, HOUR), prime(100, HOUR)), True),
    (Purpose.HOLD, (bolus(100, HOUR),), True),
    ("basal", (basal(100, HOUR),), True),
    (None, (basal(100, HOUR),), True),
])  # fmt: skip
def test_a_purpose_has_its_kinds_of_steps_in_their_order(purpose: Any, steps: Any, no: bool) -> None:
    assert denied(steps, purpose) is no


@pytest.mark.parametrize(("kind", "volume", "share", "no"), [
    (StepKind.BOLUS, 1_000, 0, False), (StepKind.BOLUS, 1_000, 999, False),
    (StepKind.BOLUS, 1_000, 1_000, True),
    (StepKind.BOLUS, 1_000, 1_001, True), (StepKind.BOLUS, 1_000, -1, True),
    (StepKind.BOLUS, 1_000, True, True),
    (StepKind.BOLUS, 0, 0, True), (StepKind.BASAL, 1_000, 0, False), (StepKind.BASAL, 1_000, 1, True),
])  # fmt: skip
def test_the_basal_share_belongs_in_a_bolus_and_leaves_a_bolus(
    kind: Any, volume: int, share: Any, no: bool
) -> None:
    purpose = Purpose.SCHEDULED if kind is StepKind.BOLUS else Purpose.BASAL
    assert denied((Step(kind, volume, 10 * MINUTE, share),), purpose) is no


def test_a_prime_has_no_basal_in_it_and_moves_something() -> None:
    assert denied((Step(StepKind.PRIME, 1_000, HOUR, 100),), Purpose.PRIME)
    assert denied((prime(0, HOUR),), Purpose.PRIME)


@pytest.mark.parametrize("request_id", ["", None, 7, "x" * 201])
def test_a_request_has_an_id(request_id: Any) -> None:
    assert denied((basal(100, HOUR),), request=request_id)


def test_a_request_id_of_200_characters_is_one() -> None:
    assert not denied((basal(100, HOUR),), request="x" * 200)


def test_the_narrower_of_limits_and_pump_holds() -> None:
    b = bench()
    b.guard._intake.capabilities = b.guard._intake.capabilities and type(b.guard._intake.capabilities)(
        **{
            **{f: getattr(b.pump.capabilities, f) for f in b.pump.capabilities.__slots__},
            "max_lease_ms": HOUR,
        }
    )
    assert codes(b.ask(basal(100, HOUR + 1))) == {"malformed"}
    assert isinstance(b.ask(basal(100, HOUR)), Acked)


def test_an_account_has_a_name() -> None:
    b = bench()
    for name in (None, 7, ["stage-0"]):
        answer = b.guard.deliver(Ask("r", Purpose.BASAL, name, (basal(100, HOUR),)))  # type: ignore[arg-type]
        assert codes(answer) == {"malformed"}


@pytest.mark.parametrize("honest", range(12))
def test_an_object_that_shows_other_steps_the_next_time_it_is_asked_is_no_request(honest: int) -> None:
    """S-19, F-61: what is judged is what is sent."""
    looks = iter([(basal(100, HOUR),)] * honest)

    class Changing(Ask):
        def __getattribute__(self, name: str) -> Any:
            too_fast = (basal(2_000_000, HOUR),)
            return next(looks, too_fast) if name == "steps" else super().__getattribute__(name)

    b = bench()
    assert codes(b.guard.deliver(Changing("r", Purpose.BASAL, "stage-0", ()))) == {"malformed"}
    assert b.pump.sent == []
