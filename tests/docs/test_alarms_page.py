"""The page on the alarms is that of the table."""

from __future__ import annotations

from tests.docs.alarms_page import PAGE, page


def test_the_page_on_the_alarms_is_that_of_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.docs.alarms_page"
