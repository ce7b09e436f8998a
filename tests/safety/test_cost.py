"""The cost of a decision does not grow with the length of the past. Counted in looks at curves, not in
seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pump_ctrl.safety import curve
from pump_ctrl.safety.ask import Ask, Purpose
from pump_ctrl.safety.rules import judge
from tests.safety.kit import HOUR, MINUTE, Bench, account, basal, bolus, limits, rows

WIDE = (10**9,) * 3


@contextmanager
def counted_looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    looks: list[int] = []
    plain = curve.content

    def counting(terms: object, start: int, end: int) -> int:
        looks.append(1)
        return plain(terms, start, end)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(curve, "content", counting)
        yield looks


def after(doses: int, every_ms: int, b: tuple[int, int, int] = WIDE) -> Bench:
    """A guard that has granted ``doses`` boluses, one every ``every_ms``, each with another basal."""
    data = limits(
        [account(rows=rows(WIDE, b, bolus_max_pg_per_h=10**6), max_bolus_nl=9_000)],
        caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}],
        fill_nl=10**12,
        valid={"from_utc_ms": 0, "until_utc_ms": 10**14},
    )
    bench = Bench(data).confirmed()
    state, counter = bench.guard._state, 0
    for i in range(doses):
        at, nl = i * every_ms + 1, 1_000 + 100 * (i % 3)
        steps = [["bolus", 200, 2_000, 0], ["basal", nl, every_ms - 2_000, 0]]
        head = {"id": i + 1, "request": f"r{i}", "purpose": "scheduled", "account": "stage-0", "limits": ""}
        state.apply(
            "intent", {**head, "at": at, "steps": steps, "expires_ms": 0, "doubt_ms": 7_000}, "virtual-boot-0"
        )
        told = {"what": "acked", "counter": counter, "epoch": 7, "tick_ms": at, "since": at}
        state.apply("outcome", {"id": i + 1, "at": at + 20, **told}, "virtual-boot-0")
        counter += 200 + nl
    bench.at(doses * every_ms + 1)
    return bench


def looks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> int:
    steps = (bolus(1_000, 20 * MINUTE), basal(25_000, HOUR), basal(39_000, 3 * HOUR), basal(90_000, 8 * HOUR))
    ask = Ask("last", Purpose.SCHEDULED, "stage-0", steps)
    with counted_looks(monkeypatch) as counted:
        assert judge(ask, bench.guard._view(), bench.guard._now()) == ()
    return len(counted)


@pytest.mark.parametrize("every_ms", [MINUTE, HOUR])
def test_a_thousand_doses_cost_no_more_looks_than_ten(every_ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = looks(after(10, every_ms), monkeypatch), looks(after(1_000, every_ms), monkeypatch)
    assert many <= few + 5


def test_what_no_window_can_see_any_more_is_forgotten() -> None:
    history = after(1_000, HOUR).guard._state.history
    basal, lanes = history._basal, history._lanes
    curves = [
        *basal.by_key.values(),
        *basal.by_mix.values(),
        *(c for pair in lanes.curves.values() for c in pair),
    ]
    assert max(len(c.times) for c in curves) < 200
    assert len(lanes.doses) < 100
    assert len(lanes.bolus_ends) < 60


def test_full_windows_are_looked_into_no_further_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boluses each minute for a day against a B(24) of just that: the verdict stays a matter of some hundred
    looks.
    """
    tight = after(1_600, MINUTE, (13_000, 49_000, 289_000))
    assert looks(tight, monkeypatch) < 2_000
