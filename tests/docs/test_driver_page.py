"""The page on adding a driver names files that are there and tables that stand in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "how-to" / "add-a-driver.md").read_text(encoding="utf-8")
ROWS: Final = [row.strip("| ").split(" | ", 1) for row in PAGE.splitlines() if row.startswith("| `")]
PATHS: Final = re.compile(r"`((?:pump_ctrl|sim|tests|docs)/[\w./<>*-]+|pyproject\.toml|CHANGELOG\.md)`")
TABLES: Final = re.compile(r"`(_?[A-Z][A-Z_]{3,})`")


def files(name: str) -> list[Path]:
    """What a path of the page means in the tree; ``<name>`` is any driver."""
    return sorted(ROOT.glob(re.sub(r"<name>\*?", "*", name)))


@pytest.mark.parametrize("name", sorted(set(PATHS.findall(PAGE))))
def test_a_file_that_the_page_names_is_there(name: str) -> None:
    assert files(name)


@pytest.mark.parametrize(("where", "what"), ROWS, ids=[row[0] for row in ROWS])
def test_a_table_that_a_row_names_stands_in_its_file(where: str, what: str) -> None:
    text = "".join(
        path.read_text(encoding="utf-8")
        for name in PATHS.findall(where)
        for path in files(name)
        if path.is_file()
    )
    assert [table for table in TABLES.findall(what) if table not in text] == []
