"""A refusal names its rule, the numbers and the limit, and that nothing was sent."""

from __future__ import annotations

import pytest

from pump_ctrl.safety.ask import Denial, Denied, steps_from_json, steps_to_json
from tests.safety.kit import basal, bolus


def test_a_refusal_by_mass_is_a_sentence_with_numbers_and_units() -> None:
    denial = Denial("basal-window", "baclofen", 60_000_000, 15_200_000, 75_200_000, 24, "the window ends now")
    assert str(denial) == (
        "basal-window: 60 ug of baclofen refused; 15.2 ug already counts towards the limit of 75.2 ug "
        "in 24 h; the window ends now"
    )
    assert " in 24 h" not in str(Denial("bolus-cap", "baclofen", 1, 0, 1, None, "a single bolus"))


def test_other_refusals_say_it_in_their_own_words() -> None:
    assert (
        str(Denial("lockout", None, 1, 0, 2, None, "lockout for another 5 ms")) == "lockout: for another 5 ms"
    )


def test_all_refusals_are_told_and_that_nothing_was_sent() -> None:
    one, two = (Denial(rule, None, 0, 0, 0, None, "no") for rule in ("unsettled", "lockout"))
    denied = Denied((one, two))
    assert str(denied) == "unsettled: no; lockout: no. Nothing was sent."
    assert denied.rule == "unsettled"


def test_steps_survive_the_journal() -> None:
    steps = (bolus(1_000, 5, 100), basal(0, 7))
    assert steps_to_json(steps) == [["bolus", 1_000, 5, 100], ["basal", 0, 7, 0]]
    assert steps_from_json([["bolus", 1_000, 5, 100], ["basal", 0, 7, 0]]) == steps


@pytest.mark.parametrize("number", [True, "7", 7.0, None])
def test_a_step_in_the_journal_that_is_no_whole_number_is_no_step(number: object) -> None:
    with pytest.raises(TypeError):
        steps_from_json([["basal", number, 7, 0]])
