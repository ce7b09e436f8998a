"""The walls of the house: who may import whom, and what no room may contain (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
LINT: Final = Path(sys.executable).with_name("lint-imports")

# One planted import per rule: the contract that must break, the module that sins and what it imports.
PLANTS: Final = (
    ("layers", "pump_ctrl.therapy.plan", "pump_ctrl.journal"),
    ("layers", "pump_ctrl.errors", "pump_ctrl.runner"),
    ("safety-alone", "pump_ctrl.safety.limits", "pydantic"),
    ("safety-alone", "pump_ctrl.safety.guard", "pump_ctrl.drivers.reference"),
    ("pure-core", "pump_ctrl.safety.rules", "time"),
    ("pure-core", "pump_ctrl.therapy.schedule", "pump_ctrl.clock"),
    ("sim-doors", "pump_ctrl.assembly", "sim.world"),
    ("sim-unseen", "pump_ctrl.runner", "sim.world"),
    ("sim-alone", "sim.world", "pump_ctrl.units"),
    ("sim-virtual", "sim.fluid", "time"),
    ("driver-doors", "pump_ctrl.assembly", "pump_ctrl.drivers.reference"),
    ("simulated-doors", "pump_ctrl.assembly", "pump_ctrl.drivers.simulated"),
)


def _sources(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    """Every file of a package, or the one file of a module: ``pump_ctrl/safety``, ``pump_ctrl/runner``."""
    for room in rooms:
        one = (ROOT / room).with_suffix(".py")
        for path in [one] if one.is_file() else sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def _where(name: str, node: ast.AST) -> str:
    return f"{name}:{getattr(node, 'lineno', 0)}"


def _copy_of_the_house(target: Path) -> Path:
    for package in ("pump_ctrl", "sim"):
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def _lint(house: Path) -> tuple[int, str]:
    done = subprocess.run(
        [LINT, "--no-cache", "--no-logo"], cwd=house, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def contracts() -> dict[str, str]:
    """Contract id -> its name in the report."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return {contract["id"]: contract["name"] for contract in settings["contracts"]}


@pytest.fixture(scope="module")
def report_of_the_sinners(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str]:
    """What lint-imports says of a copy of the tree that holds every planted import at once."""
    house = _copy_of_the_house(tmp_path_factory.mktemp("sinners"))
    for _, sinner, imported in PLANTS:
        with (house / f"{sinner.replace('.', '/')}.py").open("a", encoding="utf-8") as source:
            source.write(f"\n\ndef _planted() -> None:\n    import {imported}\n")  # a lazy import counts too
    return _lint(house)


def test_the_tree_as_it_stands_keeps_every_contract(tmp_path: Path) -> None:
    code, report = _lint(_copy_of_the_house(tmp_path))
    assert code == 0, report


@pytest.mark.parametrize(("contract", "sinner", "imported"), PLANTS)
def test_a_planted_import_breaks_its_contract_and_is_named(
    report_of_the_sinners: tuple[int, str],
    contracts: dict[str, str],
    contract: str,
    sinner: str,
    imported: str,
) -> None:
    code, report = report_of_the_sinners
    assert code == 1
    assert f"{contracts[contract]} BROKEN" in re.sub(r"\s+", " ", report)
    assert f"{sinner} -> {imported}" in report


def test_every_contract_has_a_plant(contracts: dict[str, str]) -> None:
    assert set(contracts) == {plant[0] for plant in PLANTS}


def test_a_module_that_no_layer_names_is_refused(tmp_path: Path) -> None:
    house = _copy_of_the_house(tmp_path)
    (house / "pump_ctrl" / "attic.py").write_text('"""Nobody lives here."""\n', encoding="utf-8")
    code, report = _lint(house)
    assert code == 1
    assert "attic" in report


def test_every_concrete_driver_stands_in_the_contracts() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    forbidden = next(c for c in settings["contracts"] if c["id"] == "safety-alone")["forbidden_modules"]
    there = {f"pump_ctrl.drivers.{path.stem}" for path in (ROOT / "pump_ctrl/drivers").glob("[!_]*.py")}
    assert there - {"pump_ctrl.drivers.base"} <= set(forbidden)


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def test_safety_needs_the_standard_library_the_kernel_and_the_driver_contract_only() -> None:
    ours = {
        "pump_ctrl.safety",
        "pump_ctrl.drivers.base",
        "pump_ctrl.clock",
        "pump_ctrl.errors",
        "pump_ctrl.units",
    }
    for name, tree in _sources("pump_ctrl/safety"):
        for module in _imported(tree):
            known = module.partition(".")[0] in sys.stdlib_module_names
            assert known or module in ours or module.startswith("pump_ctrl.safety."), (
                f"{name} imports {module}"
            )


def _is_float(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float | complex)
    if isinstance(node, ast.Name):
        return node.id in {"float", "Decimal"}
    return isinstance(node, ast.Attribute) and node.attr == "fsum"


def _floats(tree: ast.Module) -> list[ast.AST]:
    """Every float in sight but those in ``isinstance``, which finds one to refuse it."""
    asked = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "isinstance"]
    recognised = {id(part) for call in asked for part in ast.walk(call.args[1])}
    return [node for node in ast.walk(tree) if _is_float(node) and id(node) not in recognised]


@pytest.mark.parametrize(
    "source", ["x = 0.5", "y = float(3)", "z: float", "m = math.fsum(v)", "Decimal('1')"]
)
def test_the_search_for_floats_finds_a_planted_one(source: str) -> None:
    assert _floats(ast.parse(source))


@pytest.mark.parametrize("room", ["safety", "controller", "drivers", "units"])
def test_no_float_on_the_dose_path(room: str) -> None:
    found = [_where(name, node) for name, tree in _sources(f"pump_ctrl/{room}") for node in _floats(tree)]
    assert found == []


def test_safety_never_divides_into_fractions_of_a_unit() -> None:
    """``/`` of two integers is a float; whole division says which way it rounds."""
    found = [
        _where(name, node)
        for name, tree in _sources("pump_ctrl/safety")
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
    ]
    assert found == []


def _modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(' '.join(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_safety_layer_loads_no_pydantic_and_no_other_layer() -> None:
    modules = [name.removesuffix(".py").replace("/", ".") for name, _ in _sources("pump_ctrl/safety")]
    loaded = _modules_after(f"import {', '.join(name.removesuffix('.__init__') for name in modules)}")
    assert "pump_ctrl.safety.guard" in loaded
    assert loaded.isdisjoint({"pydantic", "transitions", "click", "serial"})
    assert loaded.isdisjoint({"pump_ctrl.therapy", "pump_ctrl.controller"})


def test_help_loads_click_and_neither_pydantic_nor_transitions() -> None:
    loaded = _modules_after(
        "import contextlib, io\nfrom pump_ctrl.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): assert main(['--help']) == 0"
    )
    assert "click" in loaded
    assert loaded.isdisjoint(
        {"pydantic", "transitions", "serial", "sim", "pump_ctrl.therapy", "pump_ctrl.bench"}
    )


def _public(body: list[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in body:
        if isinstance(
            node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def test_every_module_and_every_public_name_says_what_it_is() -> None:
    silent = []
    for name, tree in _sources("pump_ctrl", "sim"):
        if ast.get_docstring(tree) is None:
            silent.append(name)
        silent += [
            f"{_where(name, node)} {node.name}"
            for node in _public(tree.body)
            if ast.get_docstring(node) is None
        ]
    assert silent == []


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def test_nothing_prints_but_the_command_lines() -> None:
    called = [(name, *call) for name, tree in _sources("pump_ctrl", "sim") for call in _calls(tree)]
    assert [_where(name, call) for name, call, what in called if what == "print"] == []


NAIVE: Final = re.compile(r"(^|\.)(utcnow|utcfromtimestamp|today)$")


def test_no_date_is_made_without_its_zone_and_none_from_the_wall_clock() -> None:
    """``datetime.now`` is the clock's business: UTC comes in as milliseconds."""
    found = [
        f"{_where(name, call)} {what}"
        for name, tree in _sources("pump_ctrl", "sim")
        for call, what in _calls(tree)
        if NAIVE.search(what) or what.endswith("datetime.now")
    ]
    assert found == []


DOSING: Final = (
    "pump_ctrl/safety", "pump_ctrl/controller", "pump_ctrl/drivers", "pump_ctrl/therapy",
    "pump_ctrl/journal", "pump_ctrl/runner", "pump_ctrl/assembly",
)  # fmt: skip
BYPASS: Final = re.compile(
    r"(^|_)(debug|bypass|unsafe|disabled?|nolimits|no_limits|skip_checks?|dont_check|force)(_|$)"
)


def _identifiers(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        match node:
            case (
                ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name))
            ):
                yield node, name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield node, name


def test_there_is_no_debug_bypass_in_the_shipped_package() -> None:
    found = [
        f"{_where(name, node)} {word}"
        for name, tree in _sources(*DOSING)
        for node, word in _identifiers(tree)
        if BYPASS.search(word.lower()) or word in {"environ", "getenv", "__debug__"}
    ]
    assert found == []


def test_the_safety_layer_does_not_lean_on_assert() -> None:
    """``python -O`` strips asserts: a check that vanishes with a switch is a bypass."""
    found = [
        _where(name, node)
        for name, tree in _sources("pump_ctrl/safety")
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert found == []
