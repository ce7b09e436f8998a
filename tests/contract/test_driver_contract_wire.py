"""The contract of every driver on a bad line: whatever befalls a frame, what is concluded is what flowed."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked, Given, Identity, NotGiven, Nothing, Refused, Unknown
from tests.contract.bench import (
    HOUR,
    PORTION,
    Bench,
    Benches,
    Declared,
    Network,
    acked,
    settled,
    status,
    those,
    unproven,
)
from tests.contract.lines import only
from tests.in_one import in_one

HALF, LESS = PORTION // 2, PORTION * 3 // 5
CUT_NL = 100  # by so much more a run that is replaced or stopped may have gone on


def stops_first(bench: Bench) -> bool:
    return bench.driver.capabilities.stops_first


# ---- lost, late and doubled --------------------------------------------------------------------


def test_after_a_lost_reply_to_the_preparation_either_all_of_it_flows_or_nothing(bench: Bench) -> None:
    """A refusal whose status does not say that the pump stands still leaves the old steps running."""
    old, new = bench.permit((PORTION, HOUR)), bench.permit((LESS, HOUR))
    acked(bench.identified().deliver(old))
    bench.lose_reply_to_preparation()
    outcome = bench.driver.deliver(new)
    bench.wait(2 * HOUR)
    if isinstance(outcome, Acked):
        assert bench.near(LESS, off=CUT_NL)
        return
    assert isinstance(outcome, Refused)
    assert isinstance(settled(bench, new), NotGiven)
    stands = stops_first(bench)
    assert (outcome.status is not None) is stands
    assert bench.near(0 if stands else PORTION, off=CUT_NL)


def test_a_lost_start_is_unknown_and_then_not_given_or_given_as_nothing(bench: Bench) -> None:
    old, new = bench.permit((PORTION, HOUR)), bench.permit((LESS, HOUR))
    acked(bench.identified().deliver(old))
    bench.lose_request_that_starts()
    assert isinstance(bench.driver.deliver(new), Unknown)
    found = settled(bench, new)
    nothing = isinstance(found, NotGiven) or (isinstance(found, Given) and found.lo_nl == 0)
    assert nothing or unproven(found, bench)
    bench.wait(2 * HOUR)
    assert bench.near(0 if stops_first(bench) else PORTION, off=CUT_NL)


@only(lambda declared: declared.same_id)
def test_a_lost_start_is_not_given_only_when_its_last_moment_has_passed(bench: Bench) -> None:
    new = bench.permit((LESS, HOUR))
    bench.identified()
    bench.lose_request_that_starts()
    assert isinstance(bench.driver.deliver(new), Unknown)
    assert isinstance(bench.driver.evidence(new.id), Nothing)
    bench.wait(5_001)
    assert isinstance(bench.driver.evidence(new.id), NotGiven)


def test_after_a_lost_reply_to_the_start_evidence_says_that_it_runs_and_what_it_gave(bench: Bench) -> None:
    permit = bench.permit((LESS, HOUR))
    bench.identified()
    bench.lose_reply_to_start()
    outcome = bench.driver.deliver(permit)
    assert isinstance(outcome, Unknown | Acked)  # a driver may look once more, and see that it runs
    found = bench.driver.evidence(permit.id)
    assert isinstance(found, Given)
    assert not found.ended
    bench.wait(2 * HOUR)
    found = bench.driver.evidence(permit.id)
    assert isinstance(found, Given)
    assert found.lo_nl - bench.declared.off_nl <= LESS <= found.hi_nl + bench.declared.off_nl
    assert found.ended
    assert bench.near(LESS)


@only(lambda declared: declared.same_id)
def test_the_same_permit_again_after_a_lost_reply_gives_nothing_more(bench: Bench) -> None:
    permit = bench.permit((LESS, HOUR))
    bench.identified()
    bench.lose_reply_to_start()
    assert isinstance(bench.driver.deliver(permit), Unknown)
    assert not isinstance(bench.driver.deliver(permit), Refused)
    bench.wait(2 * HOUR)
    assert not isinstance(bench.driver.deliver(permit), Refused)
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == LESS


@only(lambda declared: declared.same_id)
def test_the_same_permit_again_after_a_lost_request_starts_it_once(bench: Bench) -> None:
    permit = bench.permit((LESS, HOUR))
    bench.identified()
    bench.lose_request_that_starts()
    assert isinstance(bench.driver.deliver(permit), Unknown)
    acked(bench.driver.deliver(permit))
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == LESS


@only(lambda declared: declared.same_id)
@pytest.mark.parametrize(
    ("by_s", "proof", "nl"), [(1, Given, LESS), (4, Given, LESS), (6, NotGiven, 0), (60, NotGiven, 0)]
)
def test_a_late_request_starts_within_its_time_or_never(
    by_s: int, proof: type, nl: int, bench: Bench
) -> None:
    permit = bench.permit((LESS, HOUR))
    bench.identified()
    bench.delay_request_that_starts(by_s)
    assert isinstance(bench.driver.deliver(permit), Unknown)
    assert isinstance(settled(bench, permit), proof)
    bench.wait(3 * HOUR)
    assert bench.delivered_nl == nl
    assert isinstance(bench.driver.evidence(permit.id), proof)


@pytest.mark.parametrize("by_s", [1, 3, 7])
@pytest.mark.parametrize("declared", those(lambda declared: not declared.same_id), ids=str)
def test_through_a_network_a_start_is_never_proved_lost(by_s: int, declared: Declared) -> None:
    """Nothing bounds how late it may come, so that only a person can say that it will not."""
    bench = Bench(declared, Network)
    permit = bench.permit((LESS, HOUR))
    bench.identified()
    bench.delay_request_that_starts(by_s)
    assert isinstance(bench.driver.deliver(permit), Unknown)
    assert not isinstance(bench.driver.evidence(permit.id), NotGiven)
    bench.line.wait(10_000)
    found = bench.driver.evidence(permit.id)
    assert isinstance(found, Given)
    assert found.hi_nl >= bench.delivered_nl - bench.declared.off_nl


@only(lambda declared: declared.same_id)
def test_a_start_that_a_stop_overtakes_never_starts(bench: Bench) -> None:
    permit = bench.permit((LESS, HOUR))
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
    """On a bad line a driver may refuse, or not know: then it has to find out, and nothing flows twice."""
    bench.identified()
    getattr(bench, way)(by_ms)
    permits = [bench.permit((PORTION, HOUR)), bench.permit((LESS, HOUR))]
    most = 0
    for permit in permits:
        before = bench.delivered_nl
        outcome = bench.driver.deliver(permit)
        if isinstance(outcome, Unknown):
            settled(bench, permit)
        bench.wait(HOUR // 2)
        flowed = bench.delivered_nl - before
        assert flowed <= permit.volume_nl // 2 + CUT_NL
        if isinstance(outcome, Acked):
            assert flowed >= permit.volume_nl // 2 - CUT_NL
        most += permit.volume_nl
    bench.wait(2 * HOUR)
    assert bench.delivered_nl <= HALF + LESS + CUT_NL


def test_on_the_direct_line_frames_that_are_doubled_at_once_keep_nobody_from_working(bench: Bench) -> None:
    bench.identified()
    bench.double_all_replies(by_ms=0)
    acked(bench.driver.deliver(bench.permit((PORTION, HOUR))))
    bench.wait(2 * HOUR)
    assert bench.near(PORTION)


def test_what_comes_unasked_and_means_nothing_wakes_the_loop_once(bench: Bench) -> None:
    """Bytes that nobody takes would wake it again and again, without an end."""
    bench.identified()
    bench.line.fault(f"garbage@{bench.line.true_ms() + 1_000}ms:hex=0a3a11")
    assert bench.line.wait_for_bytes(bench.link, bench.now_ms + 5_000)
    bench.driver.notices()
    assert not bench.line.wait_for_bytes(bench.link, bench.now_ms + 5_000)


# ---- changed on the way ------------------------------------------------------------------------


@in_one(mask=[1, 4], byte=[4, 7, -4, -6])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 6, 7, 8])
def test_steps_that_were_changed_under_a_right_check_sum_are_never_started(
    nth: int, mask: int, byte: int, benches: Benches
) -> None:
    bench = benches()
    permit = bench.permit((LESS, HOUR))
    bench.identified()
    bench.line.fault(f"corrupt-request@0:type=propose,nth={nth},byte={byte % 256},mask={mask},crc=repair")
    outcome = bench.driver.deliver(permit)
    bench.wait(2 * HOUR)
    if isinstance(outcome, Acked):
        assert bench.near(
            LESS
        )  # it was read back, seen to be wrong, and set again; or was no part of the dose
    else:
        assert isinstance(outcome, Refused)
        assert bench.delivered_nl == 0


FAULTS = [
    f"{what}{way}@0:type={kind},nth={{nth}}{more}"
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
]


@in_one(nth=[1, 2], aged=[False, True])
@pytest.mark.parametrize("form", FAULTS)
def test_whatever_one_fault_does_the_conclusion_is_what_flowed(
    form: str, nth: int, aged: bool, benches: Benches
) -> None:
    fault, bench = form.format(nth=nth), benches()
    if fault.startswith("delay-request") and fault.endswith("7s") and not bench.declared.same_id:
        return  # on a direct line nothing comes so late, and silence is proof (D-15)
    old, new = bench.permit((PORTION, HOUR)), bench.permit((LESS, HOUR))
    acked(bench.identified().deliver(old))
    bench.wait(HOUR // 2)
    if not aged:
        status(bench)  # a young status, so that the next deliver starts with its proposal
    bench.line.fault(fault)
    outcome = bench.driver.deliver(new)
    concluded = settled(bench, new) if isinstance(outcome, Unknown) else outcome
    bench.wait(3 * HOUR)
    if unproven(concluded, bench):
        assert HALF - CUT_NL <= bench.delivered_nl <= HALF + LESS + CUT_NL  # it counts in full
        return
    assert isinstance(concluded, Acked | Refused | Given | NotGiven)
    stands = stops_first(bench)
    if isinstance(concluded, Acked):
        found = bench.driver.evidence(new.id)
        flowed = bench.delivered_nl - HALF  # the old one ran on until the new one was in force
        assert isinstance(found, Given)
        assert found.lo_nl - CUT_NL <= flowed <= found.hi_nl + CUT_NL
        assert found.ended
        stopped = fault.startswith("duplicate-request@0:type=any,nth=1") and stands  # the STOP came once more
        assert bench.near(HALF + LESS, off=CUT_NL) or stopped
    elif isinstance(concluded, Given) and not concluded.ended:
        assert bench.near(HALF + LESS, off=CUT_NL)
    elif isinstance(concluded, Given):  # a pump that had to be stopped for the evidence
        assert HALF - CUT_NL <= bench.delivered_nl <= HALF + concluded.hi_nl + CUT_NL
    elif stands:
        assert bench.near(HALF, off=CUT_NL) or (isinstance(concluded, Refused) and bench.near(PORTION))
    else:
        assert bench.delivered_nl == PORTION


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
        began = bench.now_ms
        if verb == "deliver":
            found: object = bench.driver.deliver(bench.permit((LESS, HOUR)))
        elif verb == "evidence":
            found = bench.driver.evidence(1)
        else:
            found = getattr(bench.driver, verb)()
        took = bench.now_ms - began
        assert took <= 500 * (bench.declared.exchanges if verb == "deliver" else bench.declared.looks)
        if trouble == "silence":
            assert isinstance(found, Unknown | Refused | Nothing)
    bench.wait(HOUR)
    bench.identified()
    assert isinstance(bench.driver.identify(), Identity)
