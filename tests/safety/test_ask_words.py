"""The numbers of a refusal are quantities that a person reads at a glance, and none of them misleads."""

from __future__ import annotations

import pytest

from pump_ctrl.safety.ask import Denial, readable


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("0 ms", "0 ms"),
        ("quiet for 14400000 ms: alarm", "quiet for 4 h: alarm"),
        ("999 ms", "999 ms"),
        ("1000 ms", "1 s"),
        ("1020 ms", "1.02 s"),
        ("59999 ms", "59.999 s"),
        ("60000 ms", "1 min"),
        ("3600000 ms", "1 h"),
        ("7800120 ms", "2 h 10 min 0.12 s"),
        ("86400000 ms", "1 d"),
        ("90061001 ms", "1 d 1 h 1 min 1.001 s"),
        ("999 pg", "999 pg"),
        ("5138889 pg", "5.139 ug"),
        ("5138500 pg", "5.139 ug"),
        ("5138499 pg", "5.138 ug"),
        ("417299999 pg", "417.3 ug"),
        ("60100 nL", "0.0601 mL"),
    ],
)
def test_a_raw_number_becomes_a_quantity(raw: str, shown: str) -> None:
    assert readable(f"it lasts {raw}, no less") == f"it lasts {shown}, no less"


@pytest.mark.parametrize(
    "words",
    ["at most 24000000 nL/h", "valid until 1826694000000 ms UTC", "4 in the last 24 h", "step 2: x100 nL"],
)
def test_rates_instants_and_other_words_stay_as_they_are(words: str) -> None:
    assert readable(words) == words


def test_the_rule_is_named_once() -> None:
    denial = Denial("lockout", None, 0, 0, 0, None, "lockout for another 7800120 ms")
    assert str(denial) == "lockout: for another 2 h 10 min 0.12 s"


def test_masses_are_rounded_unless_the_limit_would_look_kept() -> None:
    far = Denial("cap-window", "baclofen", 68_666_667, 401_388_889, 417_333_333, 24, "over")
    assert "68.67 ug of baclofen refused; 401.4 ug already counts towards the limit of 417.3 ug" in str(far)
    near = Denial("cap-window", "baclofen", 100_000_001, 0, 100_000_000, 24, "over")
    assert "100.000001 ug of baclofen refused; 0 ug already counts towards the limit of 100 ug" in str(near)
