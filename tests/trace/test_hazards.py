"""Every hazard has controls, tests and what is left; every field notice has its place; the page is that of the file."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.trace.hazards import PAGE, data, page, wrong


def test_every_hazard_and_every_field_notice_is_whole() -> None:
    assert list(wrong(data())) == []


def test_the_page_is_that_of_the_file() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.trace.hazards"


def test_the_three_risks_that_no_software_bounds_are_named() -> None:
    named = {each for row in data()["beyond"] for each in row["ids"]}
    assert named >= {"F-30", "F-31", "F-37"}


@pytest.mark.parametrize(
    ("part", "change", "what"),
    [
        ("hazard", {"residual": ""}, "HZ-01: it has no residual"),
        ("hazard", {"controls": []}, "HZ-01: nothing is done against it"),
        ("hazard", {"tests": []}, "HZ-01: no test shows its controls"),
        ("hazard", {"tests": ["tests/trace/test_hazards.py::test_x"]}, "HZ-01: there is no test"),
        ("hazard", {"controls": [{"against": ["S-99"], "how": ""}]}, "HZ-01: S-99 is stated nowhere"),
        ("hazard", {"controls": [{"against": [], "how": "`sim/no.py`"}]}, "HZ-01: there is no sim/no.py"),
        ("hazard", {"id": "HZ-02"}, "hazards are not numbered in their order"),
        ("recall", {"id": "R-2"}, "the field notices are not R-1 to R-26"),
        ("recall", {"hazard": "HZ-99"}, "R-1: there is no HZ-99"),
        ("recall", {"hazard": "", "why": ""}, "R-1: it says nothing"),
        ("beyond", {"ids": ["F-71"]}, "F-71 is stated nowhere"),
    ],
)
def test_what_a_row_lacks_is_found(part: str, change: dict[str, Any], what: str) -> None:
    spoilt = deepcopy(data())
    spoilt[part][0] |= change
    assert what in "\n".join(wrong(spoilt))
