"""S-15: no whole number becomes a float on the dose path, from the plan's text to the motor.

Twice: no source file of the dose path writes one, and a live stack that has dosed, bolused, bridged and lost replies
holds none in anything that can be reached from it. ``tests/safety/test_no_float.py`` is stricter still with the guard.
"""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.therapy.plan import load_plan
from sim.faults import Fault
from tests.whole_stack import DAY, HOUR, formulary, profile

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "pump_ctrl/controller",
    "pump_ctrl/drivers",
    "pump_ctrl/safety",
    "pump_ctrl/therapy",
    "sim/firmware",
)
FILES = (
    "pump_ctrl/units.py",
    "pump_ctrl/runner.py",
    "pump_ctrl/assembly.py",
    "sim/motor.py",
    "sim/mechanism.py",
)
# The serial library wants seconds as floats; volumes and doses do not pass through there.
SECONDS = {"pump_ctrl/drivers/link.py"}
SOURCES = sorted(
    {*(p for folder in FOLDERS for p in (ROOT / folder).glob("*.py")), *(ROOT / f for f in FILES)}
)
NO_PART = (ModuleType, FunctionType, BuiltinFunctionType, MethodType, type, str, bytes, int)


def floats(source: str) -> Iterator[str]:
    """Where a source text makes a float."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=float() | complex()):
                yield f"line {node.lineno}: literal {node.value!r}"
            case ast.Call(func=ast.Name(id="float" | "complex")):
                yield f"line {node.lineno}: float()"
            case ast.ImportFrom(module="math", names=names) if {n.name for n in names} - {
                "ceil",
                "floor",
                "gcd",
                "lcm",
            }:
                yield f"line {node.lineno}: math that gives floats"
            case ast.Import(names=names) if {n.name for n in names} & {
                "math",
                "statistics",
                "random",
                "numpy",
            }:
                yield f"line {node.lineno}: {names[0].name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_of_the_dose_path_makes_a_float(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in SECONDS:
        assert list(floats(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "planted", ["x = 0.5", "x = 1e3", "float(3)", "import math", "from math import sqrt"]
)
def test_a_planted_float_is_found_in_a_source(planted: str) -> None:
    assert list(floats(planted)) != []


def reachable(*roots: object) -> Iterator[Any]:
    """Everything that the roots hold, directly or through others; code is not looked into."""
    known, left = {id(root) for root in roots}, list(roots)
    while left:
        found = left.pop()
        yield found
        for part in gc.get_referents(found):
            if id(part) not in known and not isinstance(part, NO_PART):
                known.add(id(part))
                left.append(part)


def held(*roots: object) -> list[float | complex]:
    return [found for found in reachable(*roots) if isinstance(found, float | complex)]


def busy(name: str, before: str | None = None) -> SimulatedStack:
    """Two days with presses, a lost reply and a stop."""
    plan = load_plan(ROOT / "examples" / name)
    previous = None if before is None else load_plan(ROOT / "examples" / before)
    stack = SimulatedStack(plan, profile(plan.pump), formulary(), previous=previous)
    stack.begin()
    stack.run_to(HOUR)
    stack.ask("press", RequestKind.PATIENT_BOLUS)
    stack.wire.inject(Fault.parse("lose-reply@3h:type=commit"))
    stack.run_to(DAY)
    stack.ask("pause", RequestKind.PAUSE)
    stack.run_to(DAY + HOUR)
    stack.ask("resume", RequestKind.RESUME)
    stack.run_to(2 * DAY)
    return stack


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("a-flex-night-bolus.toml", None),
        ("c-patient-bolus.toml", None),
        ("e-bridge.toml", "e-bridge-before.toml"),
    ],
)
def test_a_live_stack_holds_no_float(name: str, before: str | None) -> None:
    stack = busy(name, before)
    parts = (
        stack.controller,
        stack.guard,
        stack.journal,
        stack.world.mechanism,
        stack.world.firmware,
        stack.limits,
    )
    assert sum(1 for _ in reachable(*parts)) > 300
    assert held(*parts) == []


def test_a_planted_float_is_found_in_a_live_stack() -> None:
    stack = busy("a-flex-night-bolus.toml")
    stack.controller.books.run_counter = 1.5  # type: ignore[assignment]
    assert held(stack.controller) == [1.5]
