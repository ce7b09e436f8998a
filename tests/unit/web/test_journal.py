"""The journal's room: acts in plain words, and whether the file is whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import FileJournal, JournalReader, read_journal
from pump_ctrl.web import recent
from pump_ctrl.web.pages.journal import WORDS
from pump_ctrl.web.recent import Recent
from tests.unit.web.kit import PASSWORD, Page

ROOT = Path(__file__).parents[3]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileJournal]:
    with FileJournal.create(tmp_path / "page.jsonl", VirtualClock(), {}) as made:
        yield made


def test_acts_stand_there_in_plain_words_with_who_did_them(page: Page) -> None:
    page.desk().post("/login", {"name": "nobody", "password": "wrong wrong"})
    dan = page.desk("dan")
    text = dan.get("/journal").text
    assert "An account was made" in text
    assert "A login was refused" in text
    assert re.search(r"Logged in</th><td>dan</td>", text)
    assert "Friday 20 November 2026, 12:00:00" in text
    assert "✔ Every record fitted the one before it" in text
    assert not re.search("login-refused|account-added", text)


def test_no_password_and_no_token_ever_stands_in_it(page: Page) -> None:
    desk = page.desk()
    desk.post("/login", {"name": "ann", "password": PASSWORD})
    desk.post("/login", {"name": PASSWORD, "password": "ann"})  # the fields mixed up
    token = desk.token("/plans")
    desk.post("/plans", {"form": token})
    page.clinic.acts.flush()
    text = (page.clinic.place / "page.jsonl").read_text()
    assert "login-refused" in text
    for secret in (PASSWORD, token, *desk.http.cookies.values()):
        assert secret not in text


def test_every_kind_of_act_that_the_program_writes_has_words() -> None:
    sources = [*(ROOT / "pump_ctrl/clinic").glob("*.py"), ROOT / "pump_ctrl/web/pumps.py"]
    text = "".join(file.read_text(encoding="utf-8") for file in sources)
    kinds = set(re.findall(r'(?:\.act|\.record)\(\s*"([^"]+)"', text)) | set(
        re.findall(r'kind="([^"]+)"', text)
    )
    assert kinds
    assert kinds <= WORDS.keys()


def test_a_journal_that_was_tampered_with_is_told(page: Page) -> None:
    file = page.clinic.place / "page.jsonl"
    page.clinic.acts.flush()
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"account-added", b"account-edded", 1))
    page.house.recent._reader = None  # the page was not looked at before
    text = page.desk("dan").get("/journal").text
    assert "is damaged or foreign" in text
    assert "✔" not in text
    file.write_bytes(whole)


def test_only_the_last_are_kept_and_only_what_is_new_is_read(
    journal: FileJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def counted(path: Path) -> JournalReader:
        made.append(path)
        return read_journal(path)

    monkeypatch.setattr(recent, "read_journal", counted)
    assert recent.LAST == 200
    monkeypatch.setattr(recent, "LAST", 3)
    seen = Recent(tmp_path / "page.jsonl")
    for number in range(7):
        journal.append("login", {"account": str(number)})
    found = seen.records()
    assert ([record.seq for record in found], seen.count) == ([7, 6, 5], 8)
    journal.append("logout", {"account": "ann"})
    assert [record.seq for record in seen.records()] == [8, 7, 6]
    assert len(made) == 1


def put_elsewhere(place: Path) -> None:
    for name in ("page.jsonl", "page.jsonl.head"):
        (place / name).rename(place / f"old.{name}")


@pytest.mark.parametrize("looked_between", [True, False])
def test_a_journal_that_was_put_in_its_place_is_read_anew(
    journal: FileJournal, tmp_path: Path, looked_between: bool
) -> None:
    seen = Recent(tmp_path / "page.jsonl")
    journal.append("login", {"account": "ann"})
    assert len(seen.records()) == 2
    journal.close()
    put_elsewhere(tmp_path)
    if looked_between:
        assert (seen.records(), seen.count) == ([], 0)
    FileJournal.create(tmp_path / "page.jsonl", VirtualClock(), {}).close()
    assert (len(seen.records()), seen.count) == (1, 1)


def test_a_damaged_line_is_told_each_time_until_it_is_mended(journal: FileJournal, tmp_path: Path) -> None:
    file = tmp_path / "page.jsonl"
    seen = Recent(file)
    journal.append("login", {"account": "ann"})
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"ann", b"bob"))
    for _ in range(2):
        with pytest.raises(JournalError, match="damaged or foreign"):
            seen.records()
    file.write_bytes(whole)
    assert len(seen.records()) == 2
