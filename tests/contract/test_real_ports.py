"""A dozen of the contract's cases over real ports; deep runs have all of them there (``tests/contract/lines.py``)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from tests.contract import test_driver_contract as healthy
from tests.contract import test_driver_contract_wire as on_a_bad_line
from tests.contract.bench import PUMPS, Bench, Declared, LineFactory, those
from tests.contract.lines import OverPty, OverTcp


@pytest.mark.parametrize(
    ("case", "line"),
    [
        (healthy.test_a_new_permit_replaces_what_runs_and_the_old_one_keeps_what_it_gave, OverPty),
        (
            on_a_bad_line.test_after_a_lost_reply_to_the_start_evidence_says_that_it_runs_and_what_it_gave,
            OverPty,
        ),
        (on_a_bad_line.test_a_lost_start_is_unknown_and_then_not_given_or_given_as_nothing, OverTcp),
    ],
    ids=["replaced", "lost reply", "lost start"],
)
@pytest.mark.parametrize("declared", PUMPS, ids=str)
def test_the_contract_holds_over_a_real_port(
    declared: Declared, case: Callable[[Bench], None], line: LineFactory
) -> None:
    bench = Bench(declared, line)
    with closing(bench.line):
        case(bench)


@pytest.mark.parametrize(("line", "buffered"), [(OverPty, False), (OverTcp, True)])
@pytest.mark.parametrize("declared", those(lambda declared: not declared.same_id), ids=str)
def test_a_network_says_of_itself_that_it_may_hold_bytes_back(
    declared: Declared, line: LineFactory, *, buffered: bool
) -> None:
    bench = Bench(declared, line)
    with closing(bench.line):
        assert bench.identified().capabilities.buffered is buffered
        assert not bench.driver.capabilities.simulated
