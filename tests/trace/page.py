"""The page on what is shown where.

python -m tests.trace.page     writes docs/safety/traceability.md
"""

from __future__ import annotations

from tests.trace.cited import linked
from tests.trace.links import DOCS, Links, in_code, in_corpus, in_tests, statements
from tests.trace.shown import SHOWN, Shown

PAGE = DOCS / "traceability.md"
HEAD = """# What is shown where

Made by `python -m tests.trace.page` from the code, the tests and the planted defects; do not edit. The statements are
those of [invariants.md](invariants.md) and [dose-path.md](dose-path.md).

Each of them has one row that was looked at by hand (`tests/trace/shown.py`): the part of the code that keeps it, the
tests that show it, and a planted defect that makes it false. `python -m tests.trace.fall` plants each defect alone and
runs the tests of its row and no others: one of them has to be red. It is part of `./check --deep`. A rule of the dose
path also has the counter-example on which it was found, as a test.

| id | statement | kept by | shown by | red under |
|---|---|---|---|---|
"""
EXAMPLES = """
## The counter-examples of the dose path

| rule | counter-example | held by |
|---|---|---|
"""
NAMED = """
## Where else an id is named

*Code* and *tests* are the files in which an id stands, *planted* all defects of `tests/planted` that go against it. A
test (`tests/trace`) fails when one of the three is missing, or when something is named that is stated nowhere.

| id | code | tests | planted |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    rows = [_row(each, statement, SHOWN[each]) for each, statement in statements().items()]
    examples = [
        f"| {each} | {row.example} | {_tests(row.counter)} |\n" for each, row in SHOWN.items() if row.example
    ]
    named = [
        f"| {each} | "
        + " | ".join(_cell(links, each) for links in (in_code(), in_tests(), in_corpus()))
        + " |\n"
        for each in statements()
    ]
    return "".join([HEAD, *rows, EXAMPLES, *examples, NAMED, *named])


def _row(each: str, statement: str, shown: Shown) -> str:
    return f"| {each} | {statement} | `{shown.code}` | {_tests(shown.tests)} | `{shown.falls}` |\n"


def _tests(names: tuple[str, ...]) -> str:
    return "<br>".join(linked(f"tests/{name}") for name in names)


def _cell(links: Links, each: str) -> str:
    names = [name.removeprefix("pump_ctrl/").removeprefix("tests/") for name in links.get(each, ())]
    return "<br>".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
