"""What the reference driver sends, and when a dose is acked, refused or unknown (F-01 to F-12)."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest

from pump_ctrl.drivers.base import (
    Acked,
    Identity,
    Link,
    Nothing,
    PumpDriver,
    PumpState,
    PumpStatus,
    Refused,
    Step,
    StepKind,
    Unknown,
)
from pump_ctrl.drivers.reference import ReferenceDriver
from pump_ctrl.errors import LinkError
from tests.unit.reference_kit import (
    IGNORED,
    LIST,
    NAMES,
    OWNER,
    STEPS,
    answering,
    broken,
    gone,
    ignored,
    permit,
    types,
)
from tests.unit.reference_page import (
    COMMIT,
    HELLO,
    OUTCOME,
    PROPOSE,
    STATUS,
    STOP,
    Answer,
    Request,
    ScriptedLink,
    identity,
    result,
    silent,
)


@pytest.fixture
def link() -> ScriptedLink:
    return ScriptedLink(booted_at=-50_000)


@pytest.fixture
def fresh(link: ScriptedLink) -> ReferenceDriver:
    return ReferenceDriver(link, OWNER)


@pytest.fixture
def driver(fresh: ReferenceDriver, link: ScriptedLink) -> ReferenceDriver:
    """A driver that has identified its pump a moment ago."""
    assert isinstance(fresh.identify(), Identity)
    link.sent.clear()
    return fresh


# ---- identify ----------------------------------------------------------------------------------


def test_the_driver_and_the_scripted_link_have_the_shape_of_the_contract(link: ScriptedLink) -> None:
    pipe: Link = link
    driver: PumpDriver = ReferenceDriver(pipe, OWNER)
    driver.close()
    driver.close()
    assert link.closed
    assert link.sent == []


def test_identify_says_hello_under_epoch_0_and_takes_what_the_pump_declares(
    fresh: ReferenceDriver, link: ScriptedLink
) -> None:
    with pytest.raises(LinkError, match="not been identified"):
        _ = fresh.capabilities
    assert fresh.identify() == Identity("implant-20", "1.0", "SIM-0001", 0xE0E0)
    assert link.sent == [Request(1, HELLO, OWNER, 0, 1, b"")]
    ranges = fresh.capabilities
    assert (ranges.protocol, ranges.max_steps, ranges.step_nl) == ("reference", 13, 100)
    assert (ranges.counter_unit_nl, ranges.max_nl_per_h) == (100, 1_000_000)
    assert (ranges.max_lease_ms, ranges.ttl_ms) == (86_400_000, 60_000)
    assert (ranges.dedup, ranges.keeps_outcomes, ranges.tells_time) == (True, True, True)
    assert not ranges.simulated


def test_only_a_simulated_link_makes_a_simulated_pump() -> None:
    driver = ReferenceDriver(ScriptedLink(simulated=True), OWNER)
    driver.identify()
    assert driver.capabilities.simulated


@pytest.mark.parametrize("name", IGNORED)
def test_a_hello_without_a_usable_reply_is_unknown(
    name: str, fresh: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[HELLO] = ignored(link)[name]
    assert isinstance(fresh.identify(), Unknown)
    assert types(link) == [HELLO]
    assert link.now == 1_000_500


def test_a_refused_hello_is_unknown(fresh: ReferenceDriver, link: ScriptedLink) -> None:
    link.on[HELLO] = link.nak(1)
    assert fresh.identify() == Unknown("HELLO was refused: version")


def test_before_identify_nothing_is_delivered_but_stop_and_status_go_out(
    fresh: ReferenceDriver, link: ScriptedLink
) -> None:
    assert fresh.deliver(permit()) == Refused("not-identified")
    assert link.sent == []
    assert isinstance(fresh.stop(), Acked)
    assert isinstance(fresh.read_status(), PumpStatus)
    assert isinstance(fresh.evidence(9), Nothing)
    assert [(request.type, request.epoch) for request in link.sent] == [(STOP, 0), (STATUS, 0), (OUTCOME, 0)]
    assert fresh.deliver(permit()) == Refused("not-identified")


@pytest.mark.parametrize("other", [identity(serial=b"SIM-0002"), identity(ttl_ms=1), identity(model=b"x")])
def test_another_pump_on_the_link_is_told_and_gets_no_dose_until_the_first_is_back(
    other: bytes, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    declared = driver.capabilities
    link.on[HELLO] = answering(lambda r: r.reply(link.epoch, other + link.status()))
    assert isinstance(driver.identify(), Identity)
    assert driver.capabilities == declared
    assert driver.deliver(permit()) == Refused("not-identified")
    del link.on[HELLO]
    driver.identify()
    assert isinstance(driver.deliver(permit()), Acked)


@pytest.mark.parametrize("owner", [0, -1, 2**32, True])
def test_an_owner_that_no_frame_can_hold_is_a_mistake(owner: int, link: ScriptedLink) -> None:
    with pytest.raises(ValueError, match="owner"):
        ReferenceDriver(link, owner)


# ---- deliver -----------------------------------------------------------------------------------


def test_deliver_proposes_and_commits_exactly_the_permit_and_nothing_else(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    outcome = driver.deliver(permit())
    assert isinstance(outcome, Acked)
    assert (outcome.status.state, outcome.status.running_id) == (PumpState.RUNNING, 9)
    propose, commit = link.sent
    not_after = 1_050_000 + 5_000  # from the tick that HELLO's status told
    assert propose == Request(1, PROPOSE, OWNER, 0xE0E0, 2, struct.pack(">QIQ", 9, 1, not_after) + LIST)
    assert commit == Request(1, COMMIT, OWNER, 0xE0E0, 3, struct.pack(">QIIQ", 9, crc32(LIST), 1, not_after))


@pytest.mark.parametrize(
    ("age_ms", "asked"), [(1_000, [PROPOSE, COMMIT]), (1_001, [STATUS, PROPOSE, COMMIT])]
)
def test_a_status_older_than_a_second_is_asked_anew(
    age_ms: int, asked: list[int], driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.now += age_ms
    assert isinstance(driver.deliver(permit()), Acked)
    assert types(link) == asked
    tick = link.now - link.booted_at - 40  # when the PROPOSE left
    not_after = struct.unpack(">Q", link.sent[-2].payload[12:20])[0]
    assert tick + 4_960 <= not_after <= tick + 5_000


@pytest.mark.parametrize("left_ms", [1, 300, 4_999, 5_000, 6_000])
def test_a_commit_is_void_at_the_pump_before_its_permit_has_expired(
    left_ms: int, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    expires = link.now + left_ms
    driver.deliver(permit(expires_ms=expires))
    not_after = struct.unpack(">Q", link.sent[0].payload[12:20])[0]
    assert not_after == 1_050_000 + min(left_ms, 5_000)
    assert not_after < expires - link.booted_at


def test_an_expired_permit_sends_nothing(driver: ReferenceDriver, link: ScriptedLink) -> None:
    assert driver.deliver(permit(expires_ms=link.now)) == Refused("expired")
    assert link.sent == []


@pytest.mark.parametrize(("after", "told"), [(0, []), (1, [PROPOSE])])
def test_a_stop_that_is_asked_for_before_the_commit_leaves_it_unsent(
    after: int, told: list[int], link: ScriptedLink
) -> None:
    """S-08, D-01."""
    known = 10**9
    driver = ReferenceDriver(link, OWNER, stop_requested=lambda: len(link.sent) >= known + after)
    driver.identify()
    known = len(link.sent)
    assert driver.deliver(permit()) == Refused("stop-requested")
    assert types(link)[known:] == told


@pytest.mark.parametrize(("at_ms", "sent"), [(400, [PROPOSE]), (401, [PROPOSE, COMMIT])])
def test_a_permit_that_expires_during_the_proposal_is_not_committed(
    at_ms: int, sent: list[int], driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[PROPOSE] = lambda r: [(400, r.reply(link.epoch, link.payload(r)))]
    outcome = driver.deliver(permit(expires_ms=link.now + at_ms))
    assert types(link) == sent
    assert (outcome == Refused("expired")) == (COMMIT not in sent)


@pytest.mark.parametrize("name", IGNORED)
def test_no_usable_reply_to_a_proposal_refuses_since_without_a_commit_nothing_starts(
    name: str, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[PROPOSE] = ignored(link)[name]
    began = link.now
    assert driver.deliver(permit()) == Refused("no-proposal")
    assert types(link) == [PROPOSE]
    assert link.now == began + 500


@pytest.mark.parametrize("name", IGNORED)
def test_no_usable_reply_to_a_commit_is_unknown_and_nothing_is_sent_again(
    name: str, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[COMMIT] = ignored(link)[name]
    outcome = driver.deliver(permit())
    assert isinstance(outcome, Unknown)
    assert "no usable reply within 500 ms" in outcome.detail
    assert types(link) == [PROPOSE, COMMIT]


@pytest.mark.parametrize("name", IGNORED)
def test_no_usable_reply_to_the_status_before_a_proposal_refuses(
    name: str, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.now += 2_000
    link.on[STATUS] = ignored(link)[name]
    assert driver.deliver(permit()) == Refused("no-status")
    assert types(link) == [STATUS]


@pytest.mark.parametrize("failure", [broken, gone])
def test_a_broken_link_is_a_value_and_never_an_exception(
    failure: Answer, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[COMMIT] = failure
    assert isinstance(driver.deliver(permit()), Unknown)  # some of its bytes may have left
    link.on = dict.fromkeys((HELLO, STATUS, PROPOSE, STOP, OUTCOME), failure)
    assert driver.deliver(permit(10)) == Refused("no-proposal")
    assert isinstance(driver.identify(), Unknown)
    assert isinstance(driver.stop(), Unknown)
    assert isinstance(driver.read_status(), Unknown)
    assert isinstance(driver.evidence(9), Nothing)


@pytest.mark.parametrize("spoiled", [slice(0, 8), slice(8, 12)])
def test_a_read_back_that_differs_is_never_committed(
    spoiled: slice, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    def other(request: Request) -> bytes:
        payload = bytearray(link.payload(request))
        payload[spoiled] = bytes(byte ^ 1 for byte in payload[spoiled])
        return request.reply(link.epoch, bytes(payload))

    link.on[PROPOSE] = answering(other)
    assert driver.deliver(permit()) == Refused("read-back")
    assert types(link) == [PROPOSE]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 7, 10, 11])
def test_a_refused_proposal_is_refused_by_the_name_of_its_code(
    code: int, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[PROPOSE] = link.nak(code)
    outcome = driver.deliver(permit())
    assert isinstance(outcome, Refused)
    assert outcome.code == NAMES[code]
    assert outcome.status is not None
    assert types(link) == [PROPOSE]


@pytest.mark.parametrize("code", [8, 9])
def test_a_proposal_refused_as_its_id_is_known_is_unknown(
    code: int, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    # An earlier deliver of this id, be it of an earlier session, may have begun: "refused" would forget it.
    link.on[PROPOSE] = link.nak(code)
    assert isinstance(driver.deliver(permit()), Unknown)
    assert types(link) == [PROPOSE]


@pytest.mark.parametrize("code", [3, 4, 5, 8, 10])
def test_a_commit_that_can_never_be_accepted_any_more_is_refused(
    code: int, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[COMMIT] = link.nak(code)
    outcome = driver.deliver(permit())
    assert isinstance(outcome, Refused)
    assert outcome.code == NAMES[code]


@pytest.mark.parametrize("code", [1, 2, 6, 7, 9, 11])
def test_a_commit_whose_copy_could_still_be_accepted_is_unknown(
    code: int, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[COMMIT] = link.nak(code)
    assert driver.deliver(permit()) == Unknown(f"COMMIT was refused: {NAMES[code]}")


@pytest.mark.parametrize(("what", "kind"), [(w, Acked if 2 <= w <= 6 else Unknown) for w in range(8)])
def test_a_commit_is_acked_only_by_a_result_that_says_it_was_in_force(
    what: int, kind: type, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[COMMIT] = answering(lambda r: r.reply(link.epoch, result(9, what) + link.status()))
    assert isinstance(driver.deliver(permit()), kind)


def test_a_stop_that_a_running_pump_answers_is_not_known(driver: ReferenceDriver, link: ScriptedLink) -> None:
    """S-09, F-30."""
    link.on[STOP] = answering(lambda r: r.reply(link.epoch, link.status(state=1)))
    assert isinstance(driver.stop(), Unknown)
    link.on = {}
    assert isinstance(driver.stop(), Acked)


def test_the_result_of_another_id_acks_nothing(driver: ReferenceDriver, link: ScriptedLink) -> None:
    link.on[COMMIT] = answering(lambda r: r.reply(link.epoch, result(8, 2) + link.status()))
    assert isinstance(driver.deliver(permit()), Unknown)


def test_the_same_id_again_is_never_refused_once_its_commit_has_left(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[COMMIT] = silent
    assert isinstance(driver.deliver(permit()), Unknown)
    for failing in (silent, link.nak(4), link.nak(8)):
        link.on[PROPOSE] = failing
        assert isinstance(driver.deliver(permit()), Unknown)
    link.on = {}
    assert isinstance(driver.deliver(permit(steps=STEPS * 9)), Unknown)
    assert isinstance(driver.deliver(permit()), Acked)


@pytest.mark.parametrize("at_ms", [499, 500])
def test_a_reply_up_to_half_a_second_counts(at_ms: int, driver: ReferenceDriver, link: ScriptedLink) -> None:
    link.on[COMMIT] = lambda r: [(at_ms, r.reply(link.epoch, link.payload(r)))]
    assert isinstance(driver.deliver(permit()), Acked)


BASAL = Step(StepKind.BASAL, 100, 3_600_000)


@pytest.mark.parametrize(
    ("number", "steps"),
    [
        (0, STEPS),
        (2**64, STEPS),
        (True, STEPS),
        (9, ()),
        (9, (BASAL,) * 14),
        (9, (Step(StepKind.BASAL, 150, 1_000),)),
        (9, (Step(StepKind.BASAL, -100, 1_000),)),
        (9, (Step(StepKind.BASAL, 2**32, 1_000),)),
        (9, (Step(StepKind.BASAL, True, 1_000),)),
        (9, (Step(StepKind.BASAL, 100.0, 1_000),)),  # type: ignore[arg-type]
        (9, (Step(StepKind.BASAL, 100, 0),)),
        (9, (Step(StepKind.BASAL, 100, 86_400_001),)),
        (9, (BASAL, Step(StepKind.BASAL, 100, 82_800_001))),
        (9, (BASAL, Step(StepKind.BOLUS, 100, 1_000))),
        (9, (BASAL, Step(StepKind.PRIME, 100, 1_000))),
    ],
)
def test_what_the_frame_or_the_pump_cannot_hold_is_refused_and_not_sent(
    number: int, steps: tuple[Step, ...], driver: ReferenceDriver, link: ScriptedLink
) -> None:
    assert driver.deliver(permit(number, steps)) == Refused("range")
    assert link.sent == []


@pytest.mark.parametrize(
    ("number", "steps"),
    [
        (1, (BASAL,) * 13),
        (2**64 - 1, (Step(StepKind.PRIME, 0, 1),)),
        (9, (Step(StepKind.BASAL, 2**32 - 96, 86_400_000),)),
    ],
)
def test_the_largest_and_the_smallest_that_fit_are_sent(
    number: int, steps: tuple[Step, ...], driver: ReferenceDriver
) -> None:
    assert isinstance(driver.deliver(permit(number, steps)), Acked)
