"""S-30, X5 to X8, X10, X11, X14: priorities are computed; permissions are the intersection; nothing is
cleared by a key.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.safety.alarms import ALL, PRIORITIES, RECURRING, ROWS, TABLE, Board, Harm, Onset, Priority
from pump_ctrl.safety.ask import Purpose


def test_every_row_has_the_priority_of_its_harm_and_onset() -> None:
    """safety.md 2.2, written out again."""
    death = {Onset.IMMEDIATE: "high", Onset.PROMPT: "high", Onset.DELAYED: "medium"}
    reversible = {Onset.IMMEDIATE: "high", Onset.PROMPT: "medium", Onset.DELAYED: "low"}
    minor = {Onset.IMMEDIATE: "medium", Onset.PROMPT: "low", Onset.DELAYED: "low"}
    scheme = {Harm.DEATH: death, Harm.REVERSIBLE: reversible, Harm.MINOR: minor}
    for row in TABLE:
        assert row.priority.value == scheme[row.harm][row.onset], row.code
    assert len(PRIORITIES) == 9


def test_codes_are_unique_and_said_in_words() -> None:
    assert len(ROWS) == len(TABLE)
    assert all(row.condition and row.code == row.code.lower() for row in TABLE)


@pytest.mark.parametrize(
    "code", ["over-delivery", "under-delivery", "stalled", "empty", "silence", "disagreement"]
)
def test_too_much_and_too_little_are_both_high(code: str) -> None:
    """X14: both directions can kill; withdrawal is one of them."""
    assert ROWS[code].priority is Priority.HIGH


@pytest.mark.parametrize(
    "code", ["over-delivery", "stop-unknown", "wrong-pump", "empty", "failed", "journal", "pump-alarm"]
)
def test_nothing_at_all_is_given_under_these(code: str) -> None:
    assert ROWS[code].permits == frozenset()


def test_permissions_are_the_intersection_and_never_grow_with_another_alarm() -> None:
    """S-18."""
    for one in TABLE:
        board = Board()
        board.raised(one.code, 0, "")
        assert board.permitted == one.permits
        for two in TABLE:
            before = board.permitted
            board.raised(two.code, 1, "")
            assert board.permitted <= before
    assert Board().permitted == ALL == frozenset(Purpose)


def test_an_alarm_goes_when_its_condition_is_gone_and_it_was_acknowledged_in_either_order() -> None:
    for first, second in (("gone", "acknowledged"), ("acknowledged", "gone")):
        board = Board()
        board.raised("stalled", 5, "x")
        getattr(board, first)("stalled")
        assert [alarm.row.code for alarm in board] == ["stalled"]
        assert board.permitted == ROWS["stalled"].permits
        getattr(board, second)("stalled")
        assert board.quiet
        assert board.permitted == ALL


def test_a_condition_that_comes_back_has_to_be_acknowledged_anew() -> None:
    board = Board()
    board.raised("stalled", 5, "x")
    board.gone("stalled")
    board.raised("stalled", 9, "y")
    (alarm,) = board.active
    assert (alarm.at_ms, alarm.detail, alarm.holds, alarm.acknowledged) == (5, "y", True, False)
    board.acknowledged("stalled")
    board.raised("stalled", 11, "z")  # it still holds: the acknowledgement stays
    assert board.active[0].acknowledged


def test_what_is_not_active_is_neither_acknowledged_nor_gone() -> None:
    board = Board()
    board.acknowledged("stalled")
    board.gone("stalled")
    assert list(board) == []


def test_a_condition_that_the_table_does_not_have_is_a_mistake() -> None:
    """X10."""
    with pytest.raises(KeyError):
        Board().raised("no-such-alarm", 0, "")


def test_the_order_is_total_worst_first_then_newest() -> None:
    board = Board()
    for at, code in ((1, "requests"), (2, "stalled"), (3, "empty"), (3, "failed"), (4, "reservoir-low")):
        board.raised(code, at, "")
    assert [alarm.row.code for alarm in board] == ["empty", "failed", "stalled", "reservoir-low", "requests"]


def test_ten_thousand_low_alarms_do_not_hide_a_high_one() -> None:
    board = Board()
    for i in range(10_000):
        board.raised("requests", i, "")
        board.acknowledged("requests")
        board.gone("requests")
    board.raised("requests", 1, "")
    board.raised("empty", 0, "")
    assert board.active[0].row.code == "empty"


SOURCES = [
    path
    for path in (Path(__file__).parents[2] / "pump_ctrl").rglob("*.py")
    if path.name not in ("alarms.py", "advice.py")
]
RAISES = {"Alarm", "Action", "alarm", "raise_alarm", "_happened", "AlarmsChanged"}
NAMES = {"codes", "LOW", "STUCK"}  # constants that such a call is given


def raised_in(tree: ast.AST) -> Iterator[str]:
    """Texts that are handed to what raises an alarm, or stand in a table of what the pump tells."""
    for node in ast.walk(tree):
        handed: list[ast.AST] = []
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in RAISES:
            handed = list(node.args[:1])
        elif isinstance(node, ast.Dict):
            handed = list(node.values)
        elif isinstance(node, ast.comprehension):
            handed = [node.iter]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
            handed = [node.value] if node.value is not None and named & NAMES else []
        for each in handed:
            if isinstance(each, ast.Name) and each.id == "RECURRING":
                yield RECURRING
            yield from (
                n.value for n in ast.walk(each) if isinstance(n, ast.Constant) and isinstance(n.value, str)
            )


def test_no_row_of_the_table_is_raised_by_nothing() -> None:
    found = {code for path in SOURCES for code in raised_in(ast.parse(path.read_text(encoding="utf-8")))}
    assert set(ROWS) - found == set()
    assert "no-such-alarm" not in found


def test_a_row_that_only_words_speak_of_would_be_found() -> None:
    text = (
        'ADVICE = "requests"\nif code == "stale":\n    guard.clear_alarm("silence")\nraise_alarm("flow", "x")'
    )
    assert set(raised_in(ast.parse(text))) == {"flow"}
