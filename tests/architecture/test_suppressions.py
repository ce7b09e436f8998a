"""Nothing on the dose path is left out of a check without a word: types, coverage, lint."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"clinic", "web"}  # no dose passes through the page
SOURCES = [path for path in sorted((ROOT / "pump_ctrl").rglob("*.py")) if not ELSEWHERE & {*path.parts}]
MUTE = re.compile(r"#\s*(type:\s*ignore|mypy:|pragma:\s*no)")


def mutes(source: str, *, safety: bool) -> Iterator[str]:
    """Comments that silence mypy or coverage: in ``safety`` any, elsewhere those that give no reason behind them."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not MUTE.match(token.string):
            continue
        reason = token.string.partition("  # ")[2]
        if safety or not reason:
            yield f"line {token.start[0]}: {token.string}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_is_silenced_without_a_reason_and_in_the_safety_layer_nothing_is(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert list(mutes(source, safety="safety" in path.relative_to(ROOT).parts)) == []


@pytest.mark.parametrize(
    ("planted", "safety", "found"),
    [
        ("x = 1  # type: ignore\n", False, True),
        ("x = 1  # type: ignore[assignment]\n", False, True),
        ("x = 1  # type: ignore[assignment]  # as its data has none\n", False, False),
        ("x = 1  # type: ignore[assignment]  # as its data has none\n", True, True),
        ("if x:  # pragma: no cover\n    pass\n", True, True),
        ("if x:  # pragma: no cover\n    pass\n", False, True),
        ("# mypy: ignore-errors\n", True, True),
        ('x = "# type: ignore"\n', True, False),
        ("x = 1  # a type: ignored\n", True, False),
    ],
)
def test_a_planted_silence_is_found(planted: str, safety: bool, found: bool) -> None:
    assert bool(list(mutes(planted, safety=safety))) is found
