"""Drafts: nothing that was saved is lost, nobody overwrites another."""

from __future__ import annotations

from pathlib import Path

import pytest

from pump_ctrl.clinic import Clinic, Draft, Drafts
from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import NotAllowed
from tests.unit.clinic.kit import NOW, kinds

FIELDS = {"id": "T-1", "basal.rate": "200", "basal.rate~unit": "ug/day"}
HOSTILE = {"title": "<script>'\";--\u202e\x00\ud800", "empty": "", "long": "x" * 20_000}


def test_a_draft_is_what_was_typed_when_and_by_whom(clinic: Clinic) -> None:
    made = clinic.drafts.new("ann", FIELDS)
    assert made == Draft(made.key, 1, FIELDS, NOW, "ann")
    assert clinic.drafts.get(made.key) == made
    assert len(made.key) == 12
    assert int(made.key, 16) >= 0


def test_whatever_is_typed_is_kept_as_it_is(clinic: Clinic, place: Path, clock: VirtualClock) -> None:
    made = clinic.drafts.new("ann", HOSTILE)
    clinic.close()
    with Clinic.open(place, clock) as again:
        assert again.drafts.get(made.key) == made


def test_every_state_that_was_saved_is_kept(clinic: Clinic, clock: VirtualClock) -> None:
    one = clinic.drafts.new("ann", FIELDS)
    clock.advance(1_000)
    two = clinic.drafts.save(one.key, {**FIELDS, "basal.rate": "250"}, 1, "bob")
    assert (two.revision, two.saved_by, two.saved_utc_ms) == (2, "bob", NOW + 1_000)
    assert clinic.drafts.get(one.key) == two
    assert clinic.drafts.get(one.key, 1) == one
    assert clinic.drafts.get(one.key, 2) == two
    assert clinic.drafts.get(one.key, 3) is None


def test_what_did_not_change_is_not_saved_again(clinic: Clinic) -> None:
    one = clinic.drafts.new("ann", FIELDS)
    assert clinic.drafts.save(one.key, dict(reversed(FIELDS.items())), 1, "bob") == one
    assert kinds(clinic.place) == ["draft-saved"]


def test_who_saves_over_somebody_is_told_who_it_was_and_nothing_is_lost(clinic: Clinic) -> None:
    one = clinic.drafts.new("ann", FIELDS)
    two = clinic.drafts.save(one.key, {**FIELDS, "title": "Bob's"}, 1, "bob")
    with pytest.raises(NotAllowed, match=r"bob has saved this plan meanwhile. What you typed was not saved"):
        clinic.drafts.save(one.key, {**FIELDS, "title": "Ann's"}, 1, "ann")
    assert clinic.drafts.get(one.key) == two


@pytest.mark.parametrize("revision", [0, 2, -1, 10**15])
def test_a_revision_that_is_not_the_last_one_is_refused(clinic: Clinic, revision: int) -> None:
    one = clinic.drafts.new("ann", FIELDS)
    with pytest.raises(NotAllowed, match="not saved"):
        clinic.drafts.save(one.key, {**FIELDS, "title": "other"}, revision, "ann")


def test_of_two_who_save_at_the_same_instant_one_is_refused(
    clinic: Clinic, place: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = clinic.drafts.new("ann", FIELDS)
    with Clinic.open(place, clock) as other:
        monkeypatch.setattr(Drafts, "get", lambda *_: one)  # both have looked before either saves
        clinic.drafts.save(one.key, {"title": "Ann's"}, 1, "ann")
        with pytest.raises(NotAllowed, match=r"saved this plan meanwhile. What you typed was not saved"):
            other.drafts.save(one.key, {"title": "Bob's"}, 1, "bob")
        monkeypatch.undo()
    found = clinic.drafts.get(one.key)
    assert found is not None
    assert (found.revision, found.fields) == (2, {"title": "Ann's"})


def test_a_draft_that_is_not_there_is_none(clinic: Clinic) -> None:
    assert clinic.drafts.get("0" * 12) is None
    with pytest.raises(NotAllowed, match=r"There is no draft 000000000000. Begin a new plan"):
        clinic.drafts.save("0" * 12, FIELDS, 1, "ann")


def test_drafts_are_listed_as_they_are_now_the_newest_first(clinic: Clinic, clock: VirtualClock) -> None:
    one = clinic.drafts.new("ann", FIELDS)
    clock.advance(1)
    two = clinic.drafts.new("bob", {})
    clock.advance(1)
    last = clinic.drafts.save(one.key, {"title": "x"}, 1, "ann")
    assert clinic.drafts.all() == (last, two)
