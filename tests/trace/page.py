"""The page on what is shown where.

python -m tests.trace.page     writes docs/safety/traceability.md
"""

from __future__ import annotations

from tests.trace.links import DOCS, Links, in_code, in_corpus, in_tests, statements

PAGE = DOCS / "traceability.md"
HEAD = """# What is shown where

Made by `python -m tests.trace.page` from the code, the tests and the planted defects; do not edit. The statements are
those of [invariants.md](invariants.md) and [dose-path.md](dose-path.md). *Code* names the modules that enforce it,
*tests* those that fail when it is broken, *planted* the defects of `tests/planted` that were put in to see them fail.
A test (`tests/trace`) fails when one of the three is missing, or when code or tests name something that is stated
nowhere.
"""


def page() -> str:
    """The whole page."""
    lines = [HEAD, "| id | statement | code | tests | planted |", "|---|---|---|---|---|"]
    for each, statement in statements().items():
        cells = [_cell(links, each) for links in (in_code(), in_tests(), in_corpus())]
        lines.append(f"| {each} | {statement} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(links: Links, each: str) -> str:
    names = [name.removeprefix("pump_ctrl/").removeprefix("tests/") for name in links.get(each, ())]
    return "<br>".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
