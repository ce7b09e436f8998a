"""Whether what a page cites is there: tests, files of the tree, and ids of invariants, rules and faults."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from tests.trace.links import ROOT, statements

FAULTS: Final = frozenset(f"F-{number:02}" for number in range(1, 71))
_ID: Final = re.compile(r"\b[SDF]-\d\d\b")
_FILE: Final = re.compile(r"`((?:docs|examples|pump_ctrl|sim|tests)/[\w./-]+)`")


def gone(texts: Iterable[str], tests: Iterable[str]) -> Iterator[str]:
    """What is cited and is not there; ``tests`` are ``file`` or ``file::function``."""
    for text in texts:
        for each in _ID.findall(text):
            if each not in FAULTS and each not in statements():
                yield f"{each} is stated nowhere"
        for name in _FILE.findall(text):
            if not (ROOT / name).exists():
                yield f"there is no {name}"
    for cite in tests:
        file, _, function = cite.partition("::")
        path = ROOT / file
        if not file.startswith("tests/") or not path.is_file():
            yield f"there is no file {file}"
        elif function and function not in _functions(path):
            yield f"there is no test {cite}"


@cache
def _functions(path: Path) -> dict[str, bool]:
    """The tests of a file, and whether only deep runs have them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    all_deep = "pytestmark = pytest.mark.deep" in [ast.unparse(node) for node in tree.body]
    return {
        node.name: all_deep or "pytest.mark.deep" in [ast.unparse(mark) for mark in node.decorator_list]
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }


def linked(cite: str) -> str:
    """A test as a Markdown link from a page of docs/safety: its name in words, its file behind it."""
    file, _, function = cite.partition("::")
    words = function.removeprefix("test_").replace("_", " ") if function else f"all of {Path(file).name}"
    deep = " (*deep*)" if function and _functions(ROOT / file)[function] else ""
    return f"[{words}](../../{file}){deep}"
