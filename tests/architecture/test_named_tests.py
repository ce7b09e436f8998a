"""Every module says in its docstring which tests are its own, and those files are there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
NAMED: Final = re.compile(r"tests/[\w/*-]+(?:\.py|\.toml|/)?")


def modules() -> Iterator[tuple[str, str]]:
    """Every module of both packages with its docstring."""
    for package in ("pump_ctrl", "sim"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ast.parse(path.read_text(encoding="utf-8"))
            yield path.relative_to(ROOT).as_posix(), ast.get_docstring(module) or ""


def missing(docstring: str) -> list[str]:
    """The tests that it names and that are not there; ``test_live_*.py`` names those that begin so."""
    return [name for name in NAMED.findall(docstring) if not any(ROOT.glob(name))]


def test_the_tests_that_a_module_names_are_there() -> None:
    found = {name: gone for name, text in modules() if (gone := missing(text))}
    assert found == {}


def test_a_module_that_names_its_tests_is_the_rule() -> None:
    without = [
        name for name, text in modules() if not name.endswith("__init__.py") and "\nTests " not in f"\n{text}"
    ]
    assert without == ["pump_ctrl/errors.py"]  # the tree of errors: every test that meets one


@pytest.mark.parametrize(
    ("docstring", "gone"),
    [
        ("Tests      tests/unit/test_units.py, and more", []),
        ("Tests      tests/unit/test_live_*.py, tests/system/", []),
        ("Tests      tests/unit/test_nothing.py, tests/unit/test_units.py", ["tests/unit/test_nothing.py"]),
        ("Tests      tests/unit/test_nothing_*.py", ["tests/unit/test_nothing_*.py"]),
    ],
)
def test_a_name_without_a_file_is_found(docstring: str, gone: list[str]) -> None:
    assert missing(docstring) == gone
