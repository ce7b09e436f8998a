"""The page on the published requirements, from docs/safety/requirements.toml; and what is wrong with its rows.

python -m tests.trace.requirements     writes docs/safety/requirements.md
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tests.trace.cited import gone, linked
from tests.trace.links import DOCS

DATA: Final = DOCS / "requirements.toml"
PAGE: Final = DOCS / "requirements.md"
VERDICTS: Final = ("met", "adapted", "not met", "not applicable")
SHOWN: Final = ("met", "adapted")  # these need a test; "not met" may have one, for the part that is there
HEAD: Final = """# What published requirements ask, and what became of it

Made by `python -m tests.trace.requirements` from [requirements.toml](requirements.toml); do not edit.

Three lists of requirements for infusion pumps are public. None was written for an intrathecal pump, and some rows would
be wrong on one. Each row stands here in our own words, with a verdict and the tests that show it: **met**; **adapted**,
done in another way, or the opposite, for the reason given; **not met**, with what is missing; **not applicable**.
X1 to X14 are known defects of the lists themselves, which are not copied. "Met" says that the tests hold on simulated
pumps. It is no statement of conformity: [scope.md](../scope.md). What follows from the rows that are not met stands in
[hazards.md](hazards.md) and [safety-case.md](safety-case.md). Tests marked *deep* run in `./check --deep` only.
"""
Row = Mapping[str, Any]


def data() -> dict[str, Any]:
    """The file: ``source`` by key, and ``row``."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def wrong(rows: Iterable[Row], published: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What keeps the rows from being the verdicts on ``published`` (source, id)."""
    rows, wanted = list(rows), list(published)
    found = [(row.get("source", ""), row.get("id", "")) for row in rows]
    yield from (f"{name} has no row" for name in wanted if name not in found)
    yield from (f"{name} was not published" for name in found if name not in wanted)
    yield from (f"{name} stands {count} times" for name, count in Counter(found).items() if count > 1)
    for row in rows:
        yield from (f"{row.get('id')}: {what}" for what in _wrong_row(row))


def _wrong_row(row: Row) -> Iterator[str]:
    verdict, tests = row.get("verdict"), row.get("tests", [])
    if verdict not in VERDICTS:
        yield "it has no verdict"
    yield from (f"it has no {key}" for key in ("says", "why") if not row.get(key))
    if verdict in SHOWN and not tests:
        yield "no test shows it"
    yield from gone([row.get("why", "")], tests)


def page() -> str:
    """The whole page."""
    found = data()
    rows = found["row"]
    lines = [HEAD, "| | " + " | ".join(VERDICTS) + " |", "|---" * (len(VERDICTS) + 1) + "|"]
    for key, source in found["source"].items():
        lines.append(f"| {source['name']} | {_counts(rows, key)} |")
    lines += ["", "## Not met", "", "| id | what it asks | what is missing |", "|---|---|---|"]
    lines += [
        f"| {row['id']} | {row['says']} | {row['why']} |" for row in rows if row["verdict"] == "not met"
    ]
    for key, source in found["source"].items():
        lines += ["", f"## {source['title']}", "", f"<{source['url']}>. {source['note']}", ""]
        lines += ["| id | what it asks | verdict | how, or why | shown by |", "|---|---|---|---|---|"]
        lines += [_line(row) for row in rows if row["source"] == key]
    return "\n".join(lines) + "\n"


def _counts(rows: Iterable[Row], key: str) -> str:
    counts = Counter(row["verdict"] for row in rows if row["source"] == key)
    return " | ".join(str(counts[verdict]) for verdict in VERDICTS)


def _line(row: Row) -> str:
    tests = "<br>".join(linked(cite) for cite in row["tests"])
    name = row["id"].replace("/", " / ")  # 1.10 and 1.16 joined would read as a date
    return f"| {name} | {row['says']} | {row['verdict']} | {row['why']} | {tests} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
