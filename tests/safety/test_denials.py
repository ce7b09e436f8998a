"""A denial says in whole numbers what was asked, what counts already, and the limit; rounded against the asker."""

from __future__ import annotations

from typing import Any

import pytest

from pump_ctrl.safety.ask import Denial, Denied, Purpose
from tests.safety.kit import HOUR, MINUTE, Bench, account, basal, bolus, limits, prime, rows

WIDE = 10**9
PATIENT = {"over_ms": 10 * MINUTE, "lockout_ms": HOUR, "max_per_day": 1, "volume_nl": 1_000}


def figures(answer: object) -> list[tuple[str, str | None, int, int, int, int | None]]:
    """Rule, drug, asked, counted, limit, hours."""
    assert isinstance(answer, Denied)
    return [(d.rule, d.drug, d.asked, d.counted, d.limit, d.window_h) for d in answer.denials]


def bench(basal_pg: tuple[int, int, int] = (WIDE,) * 3, pace: int = WIDE, **fields: object) -> Bench:
    """At most 2,000 nL in a bolus; 1 pg/nL if nothing else is said."""
    wide = rows(basal_pg, (WIDE,) * 3, bolus_max_pg_per_h=pace)
    accounts = [account(rows=wide, max_bolus_nl=2_000, patient=PATIENT, hold={"nl": 6_000, "per_ms": HOUR})]
    known = {"caps": [{"drug": "baclofen", "hours": 24, "pg": WIDE}], **fields}
    made = Bench(limits(accounts, **known)).confirmed()
    made.pump.latency_ms = 0
    return made


def test_of_a_single_bolus_the_mass_is_rounded_up_and_nothing_counts_before_it() -> None:
    """2,000 nL at 0.500001 pg/nL are 1,000.002 pg."""
    fluid = {"baclofen": [0, 500_001]}
    fields: dict[str, Any] = {
        "fluids": {"path": fluid, "reservoir": fluid},
        "bolus_caps": [{"drug": "baclofen", "pg": 900}],
    }
    asked = bolus(2_000, 10 * MINUTE)
    capped = bench(**fields).ask(asked, purpose=Purpose.SCHEDULED)
    assert figures(capped) == [("bolus-cap", "baclofen", 1_001, 0, 900, None)]
    fast = bench(pace=5_000).ask(asked, purpose=Purpose.SCHEDULED)
    assert figures(fast) == [("bolus-cap", "baclofen", 2_000, 0, 200_000, None)]
    large = bench().ask(bolus(2_200, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    assert figures(large) == [("bolus-cap", None, 2_200, 0, 2_000, None)]
    assert not any("None" in str(each) for each in (capped, fast, large))


def test_of_a_window_what_the_request_adds_is_told_apart_from_what_counts_already() -> None:
    """7,200 nL/h, and 4 for the 2 s within which it may begin; the boluses of a request are its own, too."""
    full = bench((WIDE, 8_000, WIDE))
    full.ask(basal(3_600, HOUR))
    full.at(HOUR)
    assert figures(full.ask(basal(7_200, HOUR))) == [("basal-window", "baclofen", 7_204, 3_600, 8_000, 4)]
    capped = bench(pace=3_600, caps=[{"drug": "baclofen", "hours": 24, "pg": 4_000}])
    capped.ask(basal(3_600, HOUR))
    capped.at(HOUR)
    answer = capped.ask(bolus(600, 10 * MINUTE), basal(3_600, HOUR), purpose=Purpose.SCHEDULED)
    assert figures(answer) == [("cap-window", "baclofen", 4_202, 3_600, 4_000, 24)]


def test_a_request_that_passes_the_limit_alone_has_nothing_that_counts_before_it() -> None:
    answer = bench((6_000, WIDE, WIDE)).ask(basal(7_200, HOUR))
    assert figures(answer) == [("basal-window", "baclofen", 7_200, 0, 6_000, 1)]


def test_of_drugs_without_any_limit_the_first_by_name_is_told() -> None:
    foreign = bench()
    foreign.guard.refill(
        by="tester", fill_nl=40_000_000, fluid={"morphine": 1_000_000, "clonidine": 1_000_000}
    )
    found = figures(foreign.ask(basal(400_000, HOUR)))
    assert ("basal-window", "clonidine", 0, 0, 0, None) in found


def test_a_lockout_says_how_long_ago_the_last_bolus_may_have_ended_and_the_count_of_the_day() -> None:
    twice = bench()
    twice.ask(bolus(500, 10 * MINUTE), purpose=Purpose.PATIENT)
    twice.at(40 * MINUTE)
    early = figures(twice.ask(bolus(500, 10 * MINUTE), purpose=Purpose.PATIENT))
    assert early == [("lockout", None, 30 * MINUTE, 0, HOUR, None)]
    twice.at(80 * MINUTE)
    assert figures(twice.ask(bolus(500, 10 * MINUTE), purpose=Purpose.PATIENT)) == [
        ("max-per-day", None, 1, 1, 1, None)
    ]


def test_a_prime_and_the_reservoir_count_in_nanolitres() -> None:
    primed = bench(prime_nl=10_000, fill_nl=50_000)
    assert figures(primed.ask(prime(10_100, HOUR), purpose=Purpose.PRIME)) == [
        ("prime", None, 10_100, 0, 10_000, None)
    ]
    assert figures(primed.ask(basal(50_100, HOUR))) == [("reservoir", None, 50_100, 0, 50_000, None)]


@pytest.mark.parametrize(("steps", "detail"), [((), "no steps"), ((bolus(1, 1),), "cannot have the steps")])
def test_a_request_that_is_none_is_denied_by_that_alone(steps: tuple[object, ...], detail: str) -> None:
    answer = bench().ask(*steps)  # type: ignore[arg-type]
    assert isinstance(answer, Denied)
    (only,) = answer.denials
    assert only.rule == "malformed"
    assert detail in only.detail
    assert only == Denial("malformed", None, 0, 0, 0, None, only.detail)
