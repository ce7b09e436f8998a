"""Who did what: every act in the journal, once, whoever holds it and whatever comes between."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pump_ctrl.clinic import Clinic, acts
from pump_ctrl.clinic.store import Store
from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError, NotAllowed
from pump_ctrl.journal import FileJournal, HeldError, verify
from tests.unit.clinic.kit import (
    PASSWORD,
    PLAIN,
    SOFT,
    WHY,
    journal,
    kinds,
    people,
    put_before,
    second,
    sign,
    who,
)


def records(clinic: Clinic, *names: str) -> None:
    for name in names:
        clinic.record("told", do=name)


def told(place: Path) -> list[str]:
    return [data["do"] for _, data in journal(place)]


def test_what_people_do_stands_in_the_journal_in_order(clinic: Clinic, place: Path) -> None:
    clinic.accounts.add("ann", "Ann Example", ("prescriber", "bench"), PASSWORD, "root")
    clinic.accounts.add("bob", "Bob Example", ("second",), PASSWORD, "root")
    ann = clinic.accounts.authenticate("ann", PASSWORD)
    session = clinic.sessions.of(clinic.sessions.begin(ann))
    assert session is not None
    with pytest.raises(NotAllowed):
        clinic.accounts.authenticate("ann", "another password")
    draft = clinic.drafts.new("ann", {"id": "T-1", "patient": "BENCH-077"})
    given = put_before(SOFT)
    sign(clinic, given, reasons=WHY)
    clinic.versions.withdraw(SOFT.sha256, ann)
    sign(clinic, given, reasons=WHY)
    second(clinic, given)
    clinic.accounts.passwd("bob", "eight green pumps", "root")
    clinic.accounts.disable("bob", "ann")
    clinic.record("asked", controller="pump", do="pause", by="ann")
    clinic.sessions.end(session)
    signed = {"plan": SOFT.sha256, "digest": given.digest}
    assert journal(place) == [
        ("account-added", {"account": "ann", "roles": "prescriber bench", "by": "root"}),
        ("account-added", {"account": "bob", "roles": "second", "by": "root"}),
        ("login", {"account": "ann"}),
        ("login-refused", {"account": "ann"}),
        ("draft-saved", {"draft": draft.key, "revision": 1, "by": "ann"}),
        ("signed", {**signed, "number": 1, "by": "ann"}),
        ("withdrawn", {"plan": SOFT.sha256, "by": "ann"}),
        ("signed", {**signed, "number": 1, "by": "ann"}),
        ("signed", {**signed, "number": 2, "by": "bob"}),
        ("password-changed", {"account": "bob", "by": "root"}),
        ("account-disabled", {"account": "bob", "by": "ann"}),
        ("asked", {"controller": "pump", "do": "pause", "by": "ann"}),
        ("logout", {"account": "ann"}),
    ]
    clinic.close()
    assert verify(place / "page.jsonl").ok


def test_no_password_token_form_or_patient_stands_in_the_journal(staffed: Clinic, place: Path) -> None:
    token = staffed.sessions.begin(who(staffed, "ann"))
    session = staffed.sessions.of(token)
    assert session is not None
    form = staffed.sessions.form(session, "sign x")
    staffed.sessions.spend(session, "sign x", form)
    staffed.accounts.passwd("bob", "an entirely new one", "ann")
    for name, password in (("ann", "my.secret.word"), ("my.secret.word", PASSWORD)):  # the wrong way round
        with pytest.raises(NotAllowed):
            staffed.accounts.authenticate(name, password)
    staffed.drafts.new("ann", {"patient": "BENCH-077"})
    sign(staffed, put_before(PLAIN))
    text = (place / "page.jsonl").read_text()
    secrets = (
        PASSWORD,
        "an entirely new one",
        "my.secret.word",
        token,
        form,
        form[:16],
        session.secret.hex(),
    )
    labels = ("BENCH-077", PLAIN.patient, *WHY.values())
    assert [each for each in (*secrets, *labels) if each in text] == []
    assert '"account":"?"' in text


def test_an_act_whose_journal_could_not_be_written_waits_and_is_written_later(
    clinic: Clinic, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records(clinic, "one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pump_ctrl.journal.file.write_all", full)
        records(clinic, "two")  # done all the same
        assert "No space left on device" in clinic.acts.trouble
        assert told(place) == ["one"]
    records(clinic, "three")
    assert told(place) == ["one", "two", "three"]
    assert clinic.acts.trouble == ""


def test_a_page_whose_disk_was_full_for_a_while_goes_on_afterwards(
    clinic: Clinic, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.acts.hold()
    records(clinic, "one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)  # written, and not known to be on disk
        records(clinic, "two")
        assert "may not be on disk" in clinic.acts.trouble
    records(clinic, "three")
    assert (told(place), clinic.acts.trouble) == (["one", "two", "three"], "")


def test_a_crash_between_the_change_and_the_journal_loses_no_act(
    place: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(acts.Acts, "flush", lambda _: None)
        clinic = Clinic.open(place, clock)
        records(clinic, "one", "two")
        clinic.close()
    assert told(place) == []
    Clinic.open(place, clock).close()
    assert told(place) == ["one", "two"]


def test_a_crash_between_the_journal_and_the_outbox_writes_no_act_twice(
    place: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise JournalError("the lights went out")

    clinic = Clinic.open(place, clock)
    records(clinic, "one")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "forget_acts", crash)
        records(clinic, "two", "three")
        clinic.close()
    with Clinic.open(place, clock) as again:
        records(again, "four")
    assert told(place) == ["one", "two", "three", "four"]


def test_a_page_that_cannot_clear_the_outbox_writes_no_act_twice(
    clinic: Clinic, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.acts.hold()

    def refuse(*_: object) -> None:
        raise JournalError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "forget_acts", refuse)
        records(clinic, "one", "two")
    records(clinic, "three")
    assert told(place) == ["one", "two", "three"]


def test_after_an_older_database_was_put_back_no_new_act_is_taken_for_an_old_one(
    place: Path, clock: VirtualClock, tmp_path: Path
) -> None:
    with Clinic.open(place, clock) as clinic:
        records(clinic, "one")
        shutil.copy(place / "clinic.sqlite3", tmp_path / "copy")
        records(clinic, "two", "three")
    shutil.copy(tmp_path / "copy", place / "clinic.sqlite3")
    with Clinic.open(place, clock) as clinic:
        records(clinic, "four")
    assert told(place) == ["one", "two", "three", "four"]


def test_what_others_do_while_the_page_holds_the_journal_is_written_by_the_page(
    clinic: Clinic, place: Path, clock: VirtualClock
) -> None:
    clinic.acts.hold()
    with Clinic.open(place, clock) as other:
        records(other, "by the command line")
        assert other.acts.trouble == ""
        assert told(place) == []
        records(clinic, "by the page")
        records(other, "once more")
        assert told(place) == ["by the command line", "by the page"]
    clinic.acts.flush()
    assert told(place) == ["by the command line", "by the page", "once more"]
    clinic.close()
    with Clinic.open(place, clock) as later:
        records(later, "without a page")
    assert told(place)[3:] == ["without a page"]


def test_the_page_looks_by_itself_for_what_others_did(
    clinic: Clinic, place: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()
    append = FileJournal.append

    def and_tell(journal: FileJournal, kind: str, data: Any) -> Any:  # noqa: ANN401
        found = append(journal, kind, data)
        if kind == "told":
            written.set()
        return found

    monkeypatch.setattr(acts, "EVERY_S", 0.001)
    monkeypatch.setattr(FileJournal, "append", and_tell)
    clinic.acts.hold()
    with Clinic.open(place, clock) as other:
        records(other, "by the command line")
    assert written.wait(20)
    clinic.close()
    assert told(place) == ["by the command line"]


def test_how_often_the_page_looks_is_a_few_seconds() -> None:
    assert acts.EVERY_S == 5.0


def test_a_second_page_is_told_that_there_is_one(clinic: Clinic, place: Path, clock: VirtualClock) -> None:
    clinic.acts.hold()
    with (
        Clinic.open(place, clock) as other,
        pytest.raises(HeldError, match=r"held by another page.*end it first"),
    ):
        other.acts.hold()


def test_a_damaged_journal_stays_as_it_is_and_the_acts_wait(place: Path, clock: VirtualClock) -> None:
    file = place / "page.jsonl"
    with Clinic.open(place, clock) as clinic:
        records(clinic, "one", "two")
    whole = file.read_bytes()
    damaged = whole.replace(b'"do":"one"', b'"do":"0ne"')
    file.write_bytes(damaged)
    with Clinic.open(place, clock) as clinic:
        records(clinic, "three")
        assert "page.jsonl" in clinic.acts.trouble
        assert file.read_bytes() == damaged
        with pytest.raises(JournalError, match=r"running controller is not touched.*\.head file elsewhere"):
            clinic.acts.hold()
    file.write_bytes(whole)
    Clinic.open(place, clock).close()
    assert told(place) == ["one", "two", "three"]


def test_a_journal_that_was_put_elsewhere_with_its_head_is_begun_anew_with_what_waits(
    place: Path, clock: VirtualClock, tmp_path: Path
) -> None:
    with Clinic.open(place, clock) as clinic:
        records(clinic, "one")
        clinic.close()
    (place / "page.jsonl").rename(tmp_path / "old.jsonl")
    with Clinic.open(place, clock) as clinic:
        records(clinic, "two")
        assert "head file of an earlier journal" in clinic.acts.trouble
    (place / "page.jsonl.head").rename(tmp_path / "old.jsonl.head")
    Clinic.open(place, clock).close()
    assert told(place) == ["two"]


ADD = """
import sys
from pathlib import Path
from pump_ctrl.clinic import Clinic
from pump_ctrl.clock import SystemClock
with Clinic.open(Path(sys.argv[1]), SystemClock()) as clinic:
    print("there", flush=True)
    for number in range(10):
        clinic.record("told", do=f"child {number}")
"""


@pytest.mark.parametrize("held", [True, False])
def test_what_two_processes_do_at_the_same_time_is_written_once_each(
    clinic: Clinic, place: Path, clock: VirtualClock, held: bool
) -> None:
    if held:
        clinic.acts.hold()
    with subprocess.Popen(
        [sys.executable, "-c", ADD, str(place)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
        for number in range(10):
            clinic.record("told", do=f"parent {number}")
    assert child.returncode == 0
    clinic.acts.flush()
    for name in ("parent", "child"):
        assert [each for each in told(place) if each.startswith(name)] == [f"{name} {n}" for n in range(10)]
    assert len(told(place)) == 20


def test_threads_that_act_at_the_same_time_end_and_are_all_written(clinic: Clinic, place: Path) -> None:
    clinic.acts.hold()
    threads = [
        threading.Thread(target=records, args=(clinic, *map(str, range(n, n + 5)))) for n in (0, 5, 10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(told(place), key=int) == [str(number) for number in range(15)]


def test_nothing_is_written_once_it_is_closed(clinic: Clinic, place: Path) -> None:
    people(clinic)
    clinic.acts.close()
    records(clinic, "too late")
    clinic.acts.close()
    assert kinds(place) == ["account-added"] * 5
