"""The page on the hazards, from docs/safety/hazards.toml; and what is wrong with its rows.

python -m tests.trace.hazards     writes docs/safety/hazards.md
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.trace.cited import gone, linked
from tests.trace.links import DOCS

DATA: Final = DOCS / "hazards.toml"
PAGE: Final = DOCS / "hazards.md"
RECALLS: Final = tuple(f"R-{number}" for number in range(1, 27))
FIELDS: Final = ("group", "hazard", "sequence", "harm", "residual")
HEAD: Final = """# Hazards, what is done against them, and what is left

Made by `python -m tests.trace.hazards` from [hazards.toml](hazards.toml); do not edit.

Bench and research software: nobody is treated with it, and nobody has estimated how likely any of this is or accepted
what is left ([scope.md](../scope.md)). The harm is what the same mistake would do to a patient; it says why the
control is there. S is an [invariant](invariants.md), D a [rule of the dose path](dose-path.md), F a
[fault](../faults.md). A control is code that can be named, a verification a test that can fail; all of them are run on
simulated pumps, those marked *deep* in `./check --deep` only. Why these controls are thought to be enough for a bench
stands in [safety-case.md](safety-case.md).

Over-delivery and under-delivery are both hazards here: an intrathecal opioid can kill within hours when too much is
given, and baclofen within days when none is.
"""
BEYOND: Final = """
## Beyond software

Risks that no software on the host can bound. [A balance and a relay](../how-to/second-witness.md) bring some of them
down, and none of them to nothing; `pump-ctrl run` says at its start which of both is missing.

| risk | faults | hazard | why, and what is left to people |
|---|---|---|---|
"""
FIELD: Final = """
## Published field notices

The recalls, safety notices and cases of intrathecal pumps that were read for this project, each with the hazard that
it belongs to, and what of it is covered here.

| id | when | notice | hazard | here |
|---|---|---|---|---|
"""
Row = Mapping[str, Any]


def data() -> dict[str, Any]:
    """The file: ``hazard``, ``beyond`` and ``recall``."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def wrong(found: Mapping[str, list[Row]]) -> Iterator[str]:
    """What keeps the file from being whole."""
    ids = [row["id"] for row in found["hazard"]]
    if ids != [f"HZ-{number:02}" for number in range(1, len(ids) + 1)]:
        yield "hazards are not numbered in their order"
    for row in found["hazard"]:
        yield from (f"{row['id']}: {what}" for what in _wrong_hazard(row))
    if tuple(row["id"] for row in found["recall"]) != RECALLS:
        yield "the field notices are not R-1 to R-26, each once"
    for row in (*found["recall"], *found["beyond"]):
        named = row.get("id", row.get("risk"))
        if row["hazard"] and row["hazard"] not in ids:
            yield f"{named}: there is no {row['hazard']}"
        if not row["why"]:
            yield f"{named}: it says nothing"
        yield from (f"{named}: {what}" for what in gone([*row.get("ids", ()), row["why"]], ()))


def _wrong_hazard(row: Row) -> Iterator[str]:
    yield from (f"it has no {key}" for key in FIELDS if not row.get(key))
    if not row.get("controls"):
        yield "nothing is done against it"
    if not row.get("tests"):
        yield "no test shows its controls"
    cited = [text for control in row.get("controls", ()) for text in (*control["against"], control["how"])]
    yield from gone([*cited, row.get("residual", "")], row.get("tests", ()))


def page() -> str:
    """The whole page."""
    found = data()
    parts, group = [HEAD, _overview(found["hazard"])], ""
    for row in found["hazard"]:
        if row["group"] != group:
            group = row["group"]
            parts.append(f"## {group}\n")
        parts.append(_section(row))
    beyond = [[row["risk"], ", ".join(row["ids"]), row["hazard"], row["why"]] for row in found["beyond"]]
    recalls = [
        [row["id"], row["when"], row["notice"], row["hazard"] or "none", row["why"]]
        for row in found["recall"]
    ]
    return "\n".join(parts) + BEYOND + _rows(beyond) + FIELD + _rows(recalls)


def _overview(hazards: list[Row]) -> str:
    rows = [[row["id"], row["hazard"], " ".join(_ids(row)), str(len(row["tests"]))] for row in hazards]
    return "| id | hazard | controls | tests |\n|---|---|---|---|\n" + _rows(rows)


def _ids(row: Row) -> list[str]:
    return list(dict.fromkeys(each for control in row["controls"] for each in control["against"]))


def _rows(rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _section(row: Row) -> str:
    controls = [" ".join([*control["against"], control["how"]]) for control in row["controls"]]
    return "\n".join(
        [
            f"### {row['id']} {row['hazard']}\n",
            f"- **How it comes.** {row['sequence']}",
            f"- **Harm.** {row['harm']}",
            "- **Controls.**",
            *(f"  - {text}" for text in controls),
            "- **Shown by** " + ", ".join(linked(cite) for cite in row["tests"]) + ".",
            f"- **What is left.** {row['residual']}\n",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
