"""What each kind of record says: one table, which writers keep and by which a foreign journal is refused."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import pump_ctrl
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import Record, ours, understood
from pump_ctrl.journal.forms import FORMS, LISTS, TABLES, misfit
from tests.unit.journal_kit import STOP

PACKAGE = Path(pump_ctrl.__file__).parent
WRITTEN = re.compile(r"\b(?:append|write|must_write|_write|Write)\(\s*\"([a-z_-]+)\",\s")


@cache
def source() -> str:
    """The text of the package but of the table itself."""
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "forms.py"]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_every_kind_that_is_written_has_a_row_and_every_row_a_writer() -> None:
    assert set(WRITTEN.findall(source())) == set(FORMS)


def test_no_field_of_a_row_is_named_nowhere_else() -> None:
    rows = [*FORMS.values(), *TABLES.values()]
    fields = {field.partition(":")[0].removesuffix("?") for row in rows for field in row.split()} - {"*"}
    assert [name for name in sorted(fields) if f'"{name}"' not in source()] == []


def test_a_record_that_the_program_wrote_fits() -> None:
    assert not misfit(Record(3, "stop", 5, "b", 9, STOP))
    assert not misfit(Record(3, "bridge_over", 5, "b", 9, {}))
    assert not misfit(
        Record(3, "console", 5, "b", 9, {"id": "a", "do": "refill", "new_path": True, "found": "1 mL"})
    )


@pytest.mark.parametrize(("kind", "change", "says"), [
    ("stop", {"tick_ms": {}}, "'tick_ms'"),
    ("stop", {"counter": True}, "'counter'"),
    ("stop", {"since": None}, "'since'"),
    ("stop", {"at": 1 << 63}, "'at'"),
    ("stop", {"what": "perhaps"}, "'what'"),
    ("stop", {"why": 3}, "'why'"),
    ("stop", {"volume": 3}, "'volume' too many"),
    ("stops", {}, "'stops'"),
    ("counter", {}, "'why' too many"),
])  # fmt: skip
def test_a_record_of_another_form_is_named(kind: str, change: dict[str, Any], says: str) -> None:
    assert says in misfit(Record(3, kind, 5, "b", 9, {**STOP, **change}))


@pytest.mark.parametrize("name", ["at", "why", "what", "counter", "epoch", "tick_ms", "since"])
def test_no_field_may_be_missing_that_is_always_written(name: str) -> None:
    data = {key: value for key, value in STOP.items() if key != name}
    assert misfit(Record(3, "stop", 5, "b", 9, data)) == f"it lacks its field {name!r}"


@pytest.mark.parametrize(("nl", "fits"), [
    ("1", True), ("-7/3", True), ("1/0", False), ("1.5", False), ("", False), (1, False), ("1 ", False),
])  # fmt: skip
def test_an_exact_volume_is_the_text_of_a_fraction(nl: object, fits: bool) -> None:
    data = {"slot_ms": 1, "nl": nl, "why": "x"}
    assert (not misfit(Record(3, "skip", 5, "b", 9, data))) is fits


@pytest.mark.parametrize(("step", "fits"), [
    (["basal", 1, 2, 0], True), (["basal", 1, 2], False), (["basal", 1, 2, 0, 0], False), (["basal", 1, "2", 0], False),
    ("basal", False),
])  # fmt: skip
def test_a_step_of_an_intent_is_a_list_of_four(step: object, fits: bool) -> None:
    data: dict[str, Any] = {
        "at": 1, "id": 1, "request": "r", "purpose": "basal", "account": "a", "steps": [step], "expires_ms": 2,
        "doubt_ms": None, "limits": "ab",
    }  # fmt: skip
    assert (not misfit(Record(3, "intent", 5, "b", 9, data))) is fits


WHOLE: dict[str, dict[str, Any]] = {  # a record of each of these kinds, as the program writes it
    "stop": STOP,
    "limits": {"at": 1, "checksum": "ab", "plan": "p", "by": "", "plan_ms": None, "limits": {"drugs": ["x"]}},
    "confirm": {
        "at": 1, "by": "a", "code": "c", "pump": None, "given": None, "plan_ms": 0, "off_ms": None,
        "utc_ms": 0,
    },
    "refilled": {"passed": [1, 2], "new_path": True, "prime_due": False, "to_come_nl": 0},
    "journal": {"schema": "s", "about": {"simulation": True, "plan": {"name": "a"}, "trial": None}},
    "asked": {
        "request": "", "purpose": "basal", "account": "a", "cut_nl": 0, "lost_nl": 0, "bridge_until": None,
        "slot_ms": None, "spans": [],
    },
    "console": {"id": "a", "do": "bolus"},
}  # fmt: skip
SPAN = ["basal", 0, 9, 100, 7, "1/3", "0"]  # the last field of a span may be missing


@pytest.mark.parametrize(("kind", "field", "value", "fits"), [
    ("stop", "stands", True, True), ("stop", "stands", 1, False), ("stop", "stands", None, False),
    ("stop", "code", "E1", True), ("stop", "code", 1, False), ("stop", "what", ["acked"], False),
    ("stop", "counter", -(1 << 63), True), ("stop", "counter", -(1 << 63) - 1, False),
    ("stop", "counter", (1 << 63) - 1, True), ("stop", "counter", (1 << 63) + 1, False),
    ("limits", "limits", [], False), ("limits", "limits", "ab", False),
    ("confirm", "given", {"baclofen": 7, "morphine": 0}, True), ("confirm", "given", {}, True),
    ("confirm", "given", None, True), ("confirm", "given", {"baclofen": 7, "morphine": "0"}, False),
    ("confirm", "given", [7], False), ("confirm", "given", 7, False), ("confirm", "given", {"baclofen": None}, False),
    ("refilled", "passed", [], True), ("refilled", "passed", [1, "2"], False), ("refilled", "passed", {}, False),
    ("refilled", "passed", None, False), ("refilled", "new_path", 1, False),
    ("journal", "about", {}, True), ("journal", "about", {"pump": {"serial": 7}}, False),
    ("journal", "about", {"patient": "x"}, False), ("journal", "about", [], False),
    ("journal", "about", {"trial": {"speed": 60, "boot_ms": 1, "utc_ms": 2}}, True),
    ("journal", "about", {"trial": {"speed": 60, "boot_ms": 1}}, False),
    ("journal", "about", {"trial": [60, 1, 2]}, False),
    ("asked", "spans", [SPAN], True), ("asked", "spans", [SPAN, [*SPAN, "2"]], True),
    ("asked", "spans", [SPAN[:6]], False), ("asked", "spans", [[*SPAN, "2", "2"]], False),
    ("asked", "spans", [[*SPAN[:6], 0]], False), ("asked", "spans", [[*SPAN, 2]], False),
    ("asked", "spans", [7], False), ("asked", "spans", ["1234567"], False),
    ("console", "new_path", True, True), ("console", "nl", 7, True), ("console", "text", "x", True),
    ("console", "nl", 1 << 63, False), ("console", "text", None, False), ("console", "text", ["x"], False),
])  # fmt: skip
def test_a_field_fits_if_it_is_of_the_type_that_its_row_names(
    kind: str, field: str, value: object, fits: bool
) -> None:
    assert misfit(Record(3, kind, 5, "b", 9, WHOLE[kind])) == ""
    says = misfit(Record(3, kind, 5, "b", 9, {**WHOLE[kind], field: value}))
    assert says == ("" if fits else f"its field {field!r} is not what it has to be")


@pytest.mark.parametrize(
    "error", [KeyError("x"), IndexError(), TypeError(), ValueError(), AttributeError(), ZeroDivisionError()]
)
def test_records_that_make_no_sense_together_are_an_error_of_the_journal(error: Exception) -> None:
    with pytest.raises(JournalError, match="not such as this program writes") as caught, understood("j"):
        raise error
    assert caught.value.__cause__ is error


def test_what_is_no_matter_of_the_records_goes_through_as_it_is() -> None:
    with pytest.raises(MemoryError), understood("j"):
        raise MemoryError


def test_a_span_and_a_list_of_steps_have_the_lengths_that_the_table_says() -> None:
    assert {name: (least, len(row.split())) for name, (least, row) in LISTS.items()} == {
        "step": (4, 4),
        "span": (7, 8),
    }


def test_ours_lets_good_records_through_and_says_which_is_bad() -> None:
    good = [Record(0, "journal", 5, "b", 9, {"schema": "s", "about": {}}), Record(1, "stop", 5, "b", 9, STOP)]
    assert list(ours(good)) == good
    with pytest.raises(JournalError, match=r"record 7 \(toll\)"):
        list(ours([*good, Record(7, "toll", 0, "b", 0, {})]))
