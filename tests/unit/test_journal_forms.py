"""What each kind of record says: one table, which writers keep and by which a foreign journal is refused."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import pump_ctrl
from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import InvalidInput, JournalError
from pump_ctrl.journal import MemoryJournal, Record, ours, read_journal, verify
from pump_ctrl.journal.chain import Chain
from pump_ctrl.journal.forms import FORMS, LISTS, TABLES, misfit
from tests.driver_stacks import KINDS
from tests.unit.live_life import House, house, records
from tests.whole_stack import HOUR

PACKAGE = Path(pump_ctrl.__file__).parent
WRITTEN = re.compile(r"\b(?:append|write|must_write|_write|Write)\(\s*\"([a-z_-]+)\",\s")
STOP: dict[str, Any] = {
    "at": 5, "why": "signal", "what": "acked", "counter": 7, "epoch": 1, "tick_ms": None, "since": 4
}  # fmt: skip


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


@pytest.mark.parametrize(("boot_ms", "utc_ms"), [(1 << 63, 0), (-1, 0), (0, 10**30), (0, -(1 << 63))])
def test_a_time_that_no_clock_tells_is_none(tmp_path: Path, boot_ms: int, utc_ms: int) -> None:
    path = tmp_path / "j"
    MemoryJournal(VirtualClock(utc_ms=utc_ms, boot_ms=boot_ms)).save(path)
    assert "it has not the fields of a record" in verify(path).problem


def test_a_span_and_a_list_of_steps_have_the_lengths_that_the_table_says() -> None:
    assert {name: (least, len(row.split())) for name, (least, row) in LISTS.items()} == {
        "step": (4, 4),
        "span": (7, 8),
    }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with house(KINDS[1], tmp_path, monkeypatch) as made:
        yield made


def test_a_field_that_taking_up_only_stores_is_looked_at_before_the_pump_is_met(home: House) -> None:
    """The next status would be compared with a tick that is a table."""
    with home.running() as life:
        home.go(life, HOUR)
        data = {**STOP, "at": home.clock.boot_ms(), "since": home.clock.boot_ms(), "tick_ms": {}}
        life.journal._journal.append("stop", data)
    sent: list[bytes] = []
    home.wire.tap = lambda at_ms, what, content: sent.append(content)
    with (
        pytest.raises(JournalError, match=r"not such as this program writes: record .*'tick_ms'"),
        home.live() as life,
    ):
        life.start()
    assert not sent


@pytest.mark.parametrize("more", [{}, {"plan": 7}, {"plan": True}])
def test_a_load_that_was_refused_for_its_form_does_not_close_its_journal(
    home: House, more: dict[str, Any]
) -> None:
    """It is written down before it is looked at: it may name no file, or a number."""
    with home.running() as life:
        assert life.desk._answer("load", {"id": "k1", "do": "load", **more}).exit == InvalidInput.exit_code
    with home.live() as life:
        life.start()
        assert life.waiting


def test_what_was_written_after_the_first_look_is_looked_at_too(home: House) -> None:
    """Another controller may have lived between the look for plans and the lock."""
    with home.running():
        pass
    with home.live() as life:
        life.journal._journal.append("toll", {})
        with pytest.raises(JournalError, match="'toll'"):
            life.start()


def test_limits_that_name_no_plan_are_no_record_of_ours(home: House) -> None:
    """They are looked at for the plans of a journal before anything is opened."""
    with home.running() as life:
        (known,) = records(life, "limits")
        life.journal._journal.append("limits", {**known.data, "limits": {"checksum": "ab"}})
    with pytest.raises(JournalError, match="not such as this program writes"), home.live():
        pass


def lengthened(path: Path, clock: VirtualClock, refused: int) -> None:
    """The same journal with so many refused requests at its end, as 4 records each."""
    reader = read_journal(path)
    told = list(reader.records())
    longer = MemoryJournal(clock, reader.about)
    for record in told[1:]:
        longer.append(record.kind, record.data)
    reason = {"rule": "no-patient-bolus", "reason": "the plan has no patient bolus"}
    none = {"requested_ms": 1, "outcome": "refused", "volume_nl": 0, "delivered_nl": 0}
    for number in range(refused):
        name = f"request-{number}"
        longer.append("console", {"id": name, "do": "bolus"})
        longer.append("request", {"id": name, "kind": "patient-bolus"})
        longer.append("bolus", {"id": name, "kind": "patient", **reason, **none})
        longer.append("told", {"id": name, "exit": 3, "text": "Refused."})
    path.unlink()
    longer.save(path)


def test_records_are_let_go_as_a_journal_is_taken_up(home: House) -> None:
    """4,000 records, each some 1,200 bytes in memory, cost no more than the 1,000 answers that have to be known."""
    with home.running() as life:
        path = life.order.journal
    lengthened(path, home.clock, 1_000)
    with home.live() as life:
        tracemalloc.start()
        try:
            life.start()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert life.desk._known["request-999"].exit == 3
    assert peak < 1_500_000


def test_a_journal_is_read_three_times_and_no_more_until_the_pump_is_met(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for the names of its plans, once under its lock, once to take it up."""
    with home.running() as life:
        count = len(records(life, *FORMS))
    read, check = [0], Chain.check

    def counted(self: Chain, line: bytes) -> tuple[Record, str]:
        read[0] += 1
        return check(self, line)

    monkeypatch.setattr(Chain, "check", counted)
    with home.live() as life:
        life._take_up()
    assert 3 * count <= read[0] <= 3 * count + 6  # a few that were written meanwhile


def test_ours_lets_good_records_through_and_says_which_is_bad(home: House) -> None:
    with home.running() as life:
        path = life.order.journal
    assert verify(path).ok
    whole = list(read_journal(path).records())
    assert list(ours(whole)) == whole
    with pytest.raises(JournalError, match=r"record 7 \(toll\)"):
        list(ours([*whole, Record(7, "toll", 0, "b", 0, {})]))
