"""Every published requirement has its verdict and what shows it; the page is that of the file."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.trace.requirements import PAGE, data, page, wrong

ROWS: Final = {
    "UMN": ", ".join([*(f"REQ{number}" for number in range(1, 87)), "X-03, X-06, X-07, X-08, X-09, X-10"]),
    "KSU": """
R3.4.0(1-4), R5.1.0(1), R5.1.0(2), R5.1.0(3), R5.1.0(4), R5.1.0(5), R5.2.0(1), R5.2.0(2), R5.2.0(3),
R5.2.0(4), R5.2.0(5), R5.2.0(6), R5.3.0(1), R5.3.0(2), R5.3.0(3), R5.3.0(4), R5.3.0(5), R5.3.0(6),
R5.3.0(7), R6.1.0(1), R6.1.0(2-3), R6.1.0(4), R6.2.0(1), R6.2.0(2), R6.2.0(3), R6.3.0(1), R6.4.0(1),
R6.4.0(2), R6.4.0(3), R6.4.0(4), R6.4.0(5), R6.4.0(6-7), R6.4.0(8), R6.4.1(1), R6.4.1(2), R6.4.1(3),
R6.4.2(1), R6.4.2(2), R6.4.2(3), R6.4.2(4), R6.4.3(1-4), R6.4.3(5), R6.4.4(1), R6.4.4(2), R6.5.0(1),
R6.5.0(2-3), R6.5.0(4), R6.5.0(5-6), R6.5.0(7), R6.5.0(9), R6.5.0(10), R6.5.0(11-12), R6.5.0(13),
R6.5.0(14), R6.5.0(15-16), R6.5.0(17), R6.5.0(18), R6.5.0(19-21), R6.5.0(22), R6.5.0(23), R6.6.0(1),
R6.6.0(2), R6.6.0(3), R6.6.0(4), R6.6.0(5), R6.6.0(6-7), R6.6.0(8), R6.7.0(1-2), R6.7.0(3), R6.7.0(4),
R6.7.0(5), R6.7.0(6), R6.7.0(7), R6.8.0(1-2), R6.8.0(3), R6.8.0(4), R6.8.0(5), R6.8.0(6), R6.8.0(8),
R6.8.0(9), R6.8.0(10), R6.9.0(1-2), R6.9.0(3), R6.9.0(4), R6.10.0(1-3), R7.1.0(1), R7.2.0(1), R7.2.0(2),
R7.2.0(3), R7.2.0(4), R7.2.0(5), R7.2.0(6), R7.2.0(7), R7.2.0(8), R7.3.0(1-4), R7.3.0(5-6), R7.3.0(7-11),
R7.4.0(1), R7.4.0(2), R7.4.0(3), R7.4.0(4-6), R7.4.0(7), R7.5.0(1-4), R7.6/7.7, R8.1.0(1-3), R8.1.0(4),
R8.2.0(1), R8.3.0(1-4)
""",
    "GIP": """
1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8/1.9, 1.10/1.16, 1.13, 1.14, 1.21, 1.24, 1.25, 1.27, 2.8/2.9, 4.13, 5.6, 5.11,
6.6, 8.1, 8.6, 8.7/8.8, 8.10, 8.14, Req: occlusion, Req: suspend, Req: reservoir, Alarm model
""",
}
PUBLISHED: Final = [(key, row.strip()) for key, rows in ROWS.items() for row in rows.split(",")]
GOOD: Final[dict[str, Any]] = {
    "source": "UMN",
    "id": "REQ1",
    "says": "It is in one mode.",
    "verdict": "met",
    "why": "S-01.",
    "tests": ["tests/trace/test_requirements.py::test_a_row_that_lacks_something_is_found"],
}


def test_every_published_requirement_has_its_verdict_its_reason_and_tests_that_are_there() -> None:
    assert list(wrong(data()["row"], PUBLISHED)) == []


def test_the_page_is_that_of_the_file() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.trace.requirements"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({}, ""),
        ({"verdict": "not met", "tests": []}, ""),
        ({"verdict": ""}, "it has no verdict"),
        ({"verdict": "done"}, "it has no verdict"),
        ({"why": ""}, "it has no why"),
        ({"tests": []}, "no test shows it"),
        ({"verdict": "adapted", "tests": []}, "no test shows it"),
        ({"tests": ["tests/trace/test_none.py::test_x"]}, "there is no file"),
        ({"tests": ["pump_ctrl/units.py"]}, "there is no file"),
        ({"tests": ["tests/trace/test_requirements.py::test_x"]}, "there is no test"),
        ({"why": "S-36."}, "S-36 is stated nowhere"),
        ({"why": "`pump_ctrl/none.py`"}, "there is no pump_ctrl/none.py"),
        ({"id": "REQ99"}, "was not published"),
    ],
)
def test_a_row_that_lacks_something_is_found(change: dict[str, Any], what: str) -> None:
    published = [("UMN", "REQ1")]
    found = list(wrong([GOOD | change], published))
    assert (what in " ".join(found)) if what else found == []
    assert list(wrong([], published)) == ["('UMN', 'REQ1') has no row"]
