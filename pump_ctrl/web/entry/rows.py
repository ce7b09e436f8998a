"""Rows of a draft: how many are shown, one more, one less.

Layer      web. How many rows of a list are shown stands in the draft under ``name~rows``.
Hazard     a row that takes over what was typed in the one before it; rows without end.
Invariant  never fewer than one row, never more than the list may have.
Tests      tests/unit/web/test_rows.py
"""

from __future__ import annotations

import re

from pump_ctrl.web.entry.names import Fields, most


def count(fields: Fields, rows: str) -> int:
    """How many rows are shown: at least one, and every one in which something stands."""
    found = re.compile(re.escape(rows) + r"#([1-9][0-9]{0,2})(?![0-9])")
    used = [int(match[1]) for name, text in fields.items() if text.strip() and (match := found.match(name))]
    said = fields.get(f"{rows}~rows", "")
    if re.fullmatch(r"[0-9]{1,3}", said):
        used.append(int(said))
    return max([1, *(number for number in used if number <= most(rows))])


def added(fields: Fields, rows: str) -> dict[str, str]:
    """One row more, at the end; none beyond the most."""
    return {**fields, f"{rows}~rows": str(min(most(rows), count(fields, rows) + 1))}


def removed(fields: Fields, row: str) -> dict[str, str]:
    """The row ``basal.steps#2`` taken out; those behind it move up."""
    rows, _, number = row.rpartition("#")
    of_list = re.compile(re.escape(rows) + r"#([1-9][0-9]{0,2})(?=[.~]|$)")
    gone, found = int(number), {}
    for name, text in fields.items():
        match = of_list.match(name)
        if match is None:
            found[name] = text
        elif (at := int(match[1])) != gone:
            found[f"{rows}#{at - (at > gone)}{name[match.end() :]}"] = text
    found[f"{rows}~rows"] = str(max(1, count(fields, rows) - 1))
    return found
