"""A journal that is taken up at a start: each record is looked at before the pump is met, and then let go."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import InvalidInput, JournalError
from pump_ctrl.journal import MemoryJournal, Record, read_journal
from pump_ctrl.journal.chain import Chain
from pump_ctrl.journal.forms import FORMS
from tests.driver_stacks import KINDS
from tests.refusals import refused
from tests.unit.journal_kit import STOP
from tests.unit.live_life import House, house, records
from tests.whole_stack import HOUR


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


def test_a_load_that_lacks_only_its_end_of_line_is_in_force_at_the_very_next_start(home: House) -> None:
    """S-14. The start gives the record its end: what is looked at before that has to count it already."""
    after = home.signed("next.toml", home.plan)
    with home.running() as life:
        new, journal = life.shelf.signed(after), life.order.journal
        life.journal._journal.append("console", {"id": "l1", "do": "load", "plan": str(after)})
        assert life.runner.load(new.prescription, new.limits, "Ann")
        (_, loaded) = records(life, "limits")
        life.journal._journal.abandon()
    journal.write_bytes(b"\n".join(journal.read_bytes().split(b"\n")[: loaded.seq + 1]))
    before = journal.read_bytes()
    with refused("plan-in-force-differs", r"another plan is in force: .*next\.toml"), home.live():
        pass
    assert journal.read_bytes() == before
    home.file = after
    with home.live() as life:
        life.start()
        assert life.runner.controller.prescription.plan == new.plan.sha256


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
