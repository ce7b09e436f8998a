"""G8, S-15: pump_ctrl/safety holds no float, no true division and no import from outside; and this test can
tell.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pump_ctrl.safety

SAFETY = Path(pump_ctrl.safety.__file__).parent
FILES = sorted(SAFETY.glob("*.py"))
ALLOWED = (
    "pump_ctrl.safety",
    "pump_ctrl.drivers.base",
    "pump_ctrl.errors",
    "pump_ctrl.clock",
    "pump_ctrl.units",
)
STANDARD = {
    "__future__", "bisect", "collections.abc", "dataclasses", "enum", "functools", "hashlib", "heapq",
    "json", "typing",
}  # fmt: skip
FLOAT_NAMES = {"float", "Decimal", "Fraction", "math", "numpy", "statistics", "complex"}


def offences(source: str) -> Iterator[str]:
    """What does not belong on the dose path."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=float() | complex()):
                yield f"line {node.lineno}: literal {node.value!r}"
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in FLOAT_NAMES:
                yield f"line {node.lineno}: {name}"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield f"line {node.lineno}: division that can leave the whole numbers"
            case ast.Call(func=ast.Name(id="round")):
                yield f"line {node.lineno}: round"
            case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp()):
                yield f"line {node.lineno}: a negative power"
            case ast.Import(names=names):
                yield from (f"line {node.lineno}: {n.name}" for n in names if n.name not in STANDARD)
            case ast.ImportFrom(module=str(module)) if module not in STANDARD and not module.startswith(
                ALLOWED
            ):
                yield f"line {node.lineno}: {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_safety_layer_knows_whole_numbers_only(path: Path) -> None:
    assert list(offences(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "name",
    [
        "rules.py",
        "admission.py",
        "amounts.py",
        "windows.py",
        "case.py",
        "history.py",
        "curve.py",
        "doses.py",
        "path.py",
    ],
)
def test_the_pure_core_reads_no_clock(name: str) -> None:
    tree = ast.parse((SAFETY / name).read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "pump_ctrl.clock" not in modules
    assert not modules & {"time", "socket", "threading", "random", "serial", "secrets"}


@pytest.mark.parametrize(
    "planted",
    [
        "x = 0.5", "x = 1e3", "x = a / b", "x /= 2", "x = float(3)", "from fractions import Fraction",
        "import math",
        "x = round(y)", "x = 10 ** -3", "import pydantic", "from pump_ctrl.therapy import plan",
        "import time",
        "from pump_ctrl.drivers.reference import ReferenceDriver", "x = 1j",
    ],
)  # fmt: skip
def test_a_planted_offence_is_found(planted: str) -> None:
    assert list(offences(planted)) != []
