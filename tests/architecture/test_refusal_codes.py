"""S-35: every refusal has a code, which stands in one table with what it means, and means that alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.errors import CODES, InvalidInput, JournalError, LinkError, PumpCtrlError, SafetyFault
from pump_ctrl.safety.alarms import ROWS
from pump_ctrl.safety.rules import CASE_RULES, RULES

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "pump_ctrl").rglob("*.py"))
HANDED_ON = (
    "error.code",
    "self._fault[0]",
)  # another refusal's, or that of the rule by which limits are unfit
KEBAB = re.compile(r"[a-z]+(-[a-z]+)*")


def raised(tree: ast.AST) -> Iterator[ast.Call]:
    """Every place where a refusal is made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "NotAllowed":
            yield node


def codes(call: ast.Call) -> list[str] | None:
    """The codes that a refusal can have; empty where it hands on another one's, None where it has none."""
    found = next((keyword.value for keyword in call.keywords if keyword.arg == "code"), None)
    if isinstance(found, ast.IfExp):
        choices: list[ast.expr] = [found.body, found.orelse]
    elif isinstance(found, ast.BoolOp):
        choices = found.values[-1:]  # a rule's, or else this one
    elif found is not None and ast.unparse(found) in HANDED_ON:
        return []
    else:
        choices = [] if found is None else [found]
    words = [each.value for each in choices if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return words if words and len(words) == len(choices) else None


def uncoded(source: str) -> list[int]:
    """Lines of refusals without a code of the table."""
    lines = []
    for call in raised(ast.parse(source)):
        found = codes(call)
        if found is None or not set(found) <= CODES.keys():
            lines.append(call.lineno)
    return lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_refusal_names_a_code_of_the_table(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    if "_refused(code" in source:  # one place makes them, and is handed a code by each caller
        source = source.replace("code=code", 'code="not-approved"')
    assert uncoded(source) == []


@pytest.mark.parametrize(
    "source",
    [
        'raise NotAllowed("No.")',
        'raise NotAllowed("No.", do_now="Yes.")',
        'raise NotAllowed("No.", code="")',
        'raise NotAllowed("No.", code="no-such-code-at-all")',
        'raise NotAllowed("No.", code="stale-code" if old else "no-such-code-at-all")',
        'raise NotAllowed("No.", code=rule or "no-such-code-at-all")',
        'raise NotAllowed("No.", code=rule)',
        'raise NotAllowed("No.", code=error.what)',
    ],
)
def test_a_refusal_without_a_code_or_with_one_that_stands_in_no_table_is_found(source: str) -> None:
    assert uncoded(source) == [1]


def test_where_one_place_makes_the_refusals_each_caller_names_a_code_of_the_table() -> None:
    tree = ast.parse((ROOT / "pump_ctrl/therapy/approval.py").read_text(encoding="utf-8"))
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_refused"
    ]
    found = [call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)]
    assert len(found) == len(calls) >= 7
    assert set(found) <= CODES.keys()


def test_every_code_of_the_table_is_used_has_one_form_and_a_sentence_of_its_own() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES if path.name != "errors.py")
    kinds = {kind.code for kind in (InvalidInput, LinkError, JournalError, SafetyFault, PumpCtrlError)}
    assert kinds < CODES.keys()
    assert [code for code in CODES if f'"{code}"' not in text and code not in kinds] == []
    assert [code for code in CODES if not KEBAB.fullmatch(code)] == []
    assert [meaning for meaning in CODES.values() if not re.fullmatch(r"[A-Z].{20,110}\.", meaning)] == []
    assert len(set(CODES.values())) == len(CODES)


def test_no_code_is_also_that_of_a_rule_and_one_that_is_an_alarms_means_the_same() -> None:
    rules = {rule.code for rule in RULES} | {rule.code for rule in CASE_RULES}
    assert rules.isdisjoint(CODES)
    assert {"basal-window", "lockout", "unsettled"} < rules
    assert CODES.keys() & ROWS.keys() == {"journal", "wrong-pump"}
