"""The contract of every driver on a bad line: whatever befalls a frame, what is concluded is what flowed."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked, Given, Identity, NotGiven, Nothing, Refused, Unknown
from tests.contract.bench import BENCHES, HOUR, Bench, acked, settled, status


@pytest.fixture(params=BENCHES, ids=lambda bench: bench.__name__)
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = request.param()
    return made


# ---- lost, late and doubled --------------------------------------------------------------------


def test_a_lost_reply_to_the_preparation_refuses_and_the_old_steps_go_on(bench: Bench) -> None:
    old, new = bench.permit((1_000, HOUR)), bench.permit((600, HOUR))
    acked(bench.identified().deliver(old))
    bench.lose_reply_to_preparation()
    assert isinstance(bench.driver.deliver(new), Refused)
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 1_000
    assert isinstance(settled(bench, new), NotGiven)


def test_a_lost_request_is_unknown_until_its_last_moment_has_passed_and_then_not_given(bench: Bench) -> None:
    old, new = bench.permit((1_000, HOUR)), bench.permit((600, HOUR))
    acked(bench.identified().deliver(old))
    bench.lose_request_that_starts()
    assert isinstance(bench.driver.deliver(new), Unknown)
    assert isinstance(bench.driver.evidence(new.id), Nothing)
    bench.wait(5_001)
    assert isinstance(bench.driver.evidence(new.id), NotGiven)
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 1_000


def test_a_lost_reply_is_unknown_and_evidence_says_that_it_runs_and_what_it_gave(bench: Bench) -> None:
    permit = bench.permit((600, HOUR))
    bench.identified()
    bench.lose_reply_to_start()
    assert isinstance(bench.driver.deliver(permit), Unknown)
    found = bench.driver.evidence(permit.id)
    assert isinstance(found, Given)
    assert not found.ended
    bench.wait(2 * HOUR)
    found = bench.driver.evidence(permit.id)
    assert isinstance(found, Given)
    assert (found.lo_nl, found.hi_nl, found.ended) == (600, 600, True)
    assert bench.delivered_nl == 600


def test_the_same_permit_again_after_a_lost_reply_gives_nothing_more(bench: Bench) -> None:
    permit = bench.permit((600, HOUR))
    bench.identified()
    bench.lose_reply_to_start()
    assert isinstance(bench.driver.deliver(permit), Unknown)
    assert not isinstance(bench.driver.deliver(permit), Refused)
    bench.wait(2 * HOUR)
    assert not isinstance(bench.driver.deliver(permit), Refused)
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 600


def test_the_same_permit_again_after_a_lost_request_starts_it_once(bench: Bench) -> None:
    permit = bench.permit((600, HOUR))
    bench.identified()
    bench.lose_request_that_starts()
    assert isinstance(bench.driver.deliver(permit), Unknown)
    acked(bench.driver.deliver(permit))
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 600


@pytest.mark.parametrize(
    ("by_s", "proof", "nl"), [(1, Given, 600), (4, Given, 600), (6, NotGiven, 0), (60, NotGiven, 0)]
)
def test_a_late_request_starts_within_its_time_or_never(
    by_s: int, proof: type, nl: int, bench: Bench
) -> None:
    permit = bench.permit((600, HOUR))
    bench.identified()
    bench.delay_request_that_starts(by_s)
    assert isinstance(bench.driver.deliver(permit), Unknown)
    assert isinstance(settled(bench, permit), proof)
    bench.wait(3 * HOUR)
    assert bench.delivered_nl == nl
    assert isinstance(bench.driver.evidence(permit.id), proof)


def test_a_start_that_a_stop_overtakes_never_starts(bench: Bench) -> None:
    permit = bench.permit((600, HOUR))
    bench.identified()
    bench.let_the_next_request_overtake_the_start()
    assert isinstance(bench.driver.deliver(permit), Unknown)
    acked(bench.driver.stop())
    assert isinstance(bench.driver.evidence(permit.id), NotGiven)
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 0


@pytest.mark.parametrize("by_ms", [0, 30, 700, 3_000])
@pytest.mark.parametrize("way", ["double_all_requests", "double_all_replies"])
def test_doubled_frames_double_no_dose(way: str, by_ms: int, bench: Bench) -> None:
    bench.identified()
    getattr(bench, way)(by_ms)
    first, second = bench.permit((1_000, HOUR)), bench.permit((600, HOUR))
    acked(bench.driver.deliver(first))
    bench.wait(HOUR // 2)
    acked(bench.driver.deliver(second))
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 500 + 600
    assert status(bench).delivered_nl == 1_100


# ---- changed on the way ------------------------------------------------------------------------


def test_steps_that_were_changed_under_a_right_check_sum_are_never_started(bench: Bench) -> None:
    permit = bench.permit((600, HOUR))
    bench.identified()
    bench.corrupt_prepared_steps_with_a_right_check_sum()
    assert isinstance(bench.driver.deliver(permit), Refused)
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 0


FAULTS = [
    f"{what}{way}@0:type={kind},nth={nth}{more}"
    for what, more in [
        ("lose", ""),
        ("delay", ",by=300ms"),
        ("delay", ",by=1s"),
        ("delay", ",by=7s"),
        ("duplicate", ",by=0ms"),
        ("duplicate", ",by=600ms"),
        ("corrupt", ",byte=1"),
        ("corrupt", ",byte=9"),
        ("corrupt", ",byte=30,mask=128"),
        ("truncate", ",keep=3"),
        ("truncate", ",keep=30"),
        ("reorder", ""),
    ]
    for way in ([""] if what == "reorder" else ["-request", "-reply"])
    for kind in ["any", "status", "propose", "commit"]
    for nth in [1, 2]
]


@pytest.mark.parametrize("aged", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_one_fault_does_the_conclusion_is_what_flowed(fault: str, aged: bool, bench: Bench) -> None:
    old, new = bench.permit((1_000, HOUR)), bench.permit((600, HOUR))
    acked(bench.identified().deliver(old))
    bench.wait(HOUR // 2)
    if not aged:
        status(bench)  # a young status, so that the next deliver starts with its proposal
    bench.wire_fault(fault)
    outcome = bench.driver.deliver(new)
    concluded = settled(bench, new) if isinstance(outcome, Unknown) else outcome
    assert isinstance(concluded, Acked | Refused | Given | NotGiven)
    bench.wait(3 * HOUR)
    flowed = isinstance(concluded, Acked | Given)
    if flowed:
        found = bench.driver.evidence(new.id)
        assert isinstance(found, Given)
        assert (found.lo_nl, found.ended) == (600, True)
        assert 1_100 <= bench.delivered_nl <= 1_200  # the old one ran on until the new one was in force
    else:
        assert bench.delivered_nl == 1_000


# ---- the line in trouble -----------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["silence", "babble"])
def test_every_verb_returns_in_time_whatever_the_line_does(trouble: str, bench: Bench) -> None:
    bench.identified()
    bench.wait(HOUR)
    if trouble == "silence":
        bench.silence(for_s=600)
    for verb in ("identify", "read_status", "stop", "deliver", "evidence"):
        if trouble == "babble":
            bench.babble()
        began = bench.clock.boot_ms()
        if verb == "deliver":
            found: object = bench.driver.deliver(bench.permit((600, HOUR)))
        elif verb == "evidence":
            found = bench.driver.evidence(1)
        else:
            found = getattr(bench.driver, verb)()
        took = bench.clock.boot_ms() - began
        assert took <= bench.exchange_ms * (bench.exchanges if verb == "deliver" else 1)
        if trouble == "silence":
            assert isinstance(found, Unknown | Refused | Nothing)
    bench.wait(HOUR)
    assert isinstance(bench.driver.identify(), Identity)
