"""Sessions end by themselves; a form counts once, for one session and one purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from pump_ctrl.clinic import Clinic, Session
from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import NotAllowed
from tests.unit.clinic.kit import MINUTE, NOW, kinds, who

HOUR: Final = 60 * MINUTE
NOTHING: Final = "Nothing was changed and nothing was sent to a pump"


@pytest.fixture
def token(staffed: Clinic) -> str:
    return staffed.sessions.begin(who(staffed, "ann"))


@pytest.fixture
def session(staffed: Clinic, token: str) -> Session:
    return of(staffed, token)


def of(clinic: Clinic, token: str) -> Session:
    found = clinic.sessions.of(token)
    assert found is not None
    return found


def test_a_token_stands_for_who_logged_in(staffed: Clinic, token: str) -> None:
    found = of(staffed, token)
    assert (found.account.name, found.began_utc_ms) == ("ann", NOW)
    other = staffed.sessions.begin(who(staffed, "ann"))
    assert other != token
    assert of(staffed, other).id != found.id


@pytest.mark.parametrize("other", ["", "x", "a" * 43, "\ud800", "é"])
def test_another_token_stands_for_nobody(staffed: Clinic, session: Session, other: str) -> None:
    assert staffed.sessions.of(other) is None
    assert staffed.sessions.of(session.id) is None


def test_the_token_is_kept_by_the_browser_alone(staffed: Clinic, token: str, place: Path) -> None:
    assert all(token.encode() not in file.read_bytes() for file in place.iterdir() if file.is_file())


def test_a_session_ends_after_half_an_hour_without_an_act(
    staffed: Clinic, token: str, clock: VirtualClock
) -> None:
    clock.advance(30 * MINUTE - 1)
    of(staffed, token)
    clock.advance(30 * MINUTE - 1)
    of(staffed, token)
    clock.advance(30 * MINUTE)
    assert staffed.sessions.of(token) is None


def test_a_page_that_looks_by_itself_keeps_nobody_logged_in(
    staffed: Clinic, token: str, clock: VirtualClock
) -> None:
    for _ in range(30):
        assert staffed.sessions.of(token, active=False) is not None
        clock.advance(MINUTE)
    assert staffed.sessions.of(token, active=False) is None


def test_a_session_ends_after_twelve_hours_whatever_is_done(
    staffed: Clinic, token: str, clock: VirtualClock
) -> None:
    for _ in range(12 * 6 - 1):
        clock.advance(10 * MINUTE)
        of(staffed, token)
    clock.advance(10 * MINUTE - 1)
    of(staffed, token)
    clock.advance(1)
    assert staffed.sessions.of(token) is None


def test_a_session_ends_by_logging_out_and_that_is_written_down_once(
    staffed: Clinic, token: str, session: Session
) -> None:
    staffed.sessions.end(session)
    staffed.sessions.end(session)
    assert staffed.sessions.of(token) is None
    assert kinds(staffed.place)[-2:] == ["login", "logout"]


def test_a_session_ends_by_a_reboot(staffed: Clinic, token: str, clock: VirtualClock) -> None:
    clock.reboot()
    assert staffed.sessions.of(token) is None


def test_a_session_ends_by_a_new_password_and_by_a_disabled_account(staffed: Clinic, token: str) -> None:
    staffed.accounts.passwd("bob", "eight green pumps", "root")
    of(staffed, token)
    staffed.accounts.passwd("ann", "eight green pumps", "root")
    assert staffed.sessions.of(token) is None
    again = staffed.sessions.begin(who(staffed, "ann"))
    staffed.accounts.disable("ann", "root")
    assert staffed.sessions.of(again) is None


def test_a_session_that_was_begun_with_what_was_known_before_a_change_is_none(staffed: Clinic) -> None:
    before = who(staffed, "ann")
    staffed.accounts.disable("ann", "root")
    assert staffed.sessions.of(staffed.sessions.begin(before)) is None


def test_a_session_outlives_the_page(staffed: Clinic, token: str, place: Path, clock: VirtualClock) -> None:
    form = staffed.sessions.form(of(staffed, token), "sign x")
    staffed.close()
    with Clinic.open(place, clock) as again:
        again.sessions.spend(of(again, token), "sign x", form)


def test_what_ended_long_ago_is_thrown_away(staffed: Clinic, token: str, clock: VirtualClock) -> None:
    session = of(staffed, token)
    staffed.sessions.spend(session, "x", staffed.sessions.form(session, "x"))
    clock.advance(12 * HOUR + 1)
    staffed.sessions.begin(who(staffed, "bob"))
    assert len(staffed._store.all("SELECT * FROM sessions")) == 1
    assert staffed._store.all("SELECT * FROM spent") == []


# --- forms ------------------------------------------------------------------------------------------------------------


def test_a_form_counts_once(staffed: Clinic, session: Session) -> None:
    forms = staffed.sessions
    one, other = forms.form(session, "sign x"), forms.form(session, "sign x")
    nonce = forms.spend(session, "sign x", one)
    assert one.startswith(f"{nonce}.")
    with pytest.raises(
        NotAllowed, match=r"^This form was sent before\. What became of it is not told here: look at"
    ):
        forms.spend(session, "sign x", one)
    assert forms.spend(session, "sign x", other) != nonce


def test_a_look_at_a_form_does_not_spend_it(staffed: Clinic, session: Session) -> None:
    form = staffed.sessions.form(session, "entry x")
    assert staffed.sessions.accept(session, "entry x", form) == staffed.sessions.accept(
        session, "entry x", form
    )
    staffed.sessions.spend(session, "entry x", form)


def test_a_form_of_another_purpose_or_session_is_refused_and_not_spent(
    staffed: Clinic, session: Session
) -> None:
    form = staffed.sessions.form(session, "sign x")
    same_person = of(staffed, staffed.sessions.begin(who(staffed, "ann")))
    another = of(staffed, staffed.sessions.begin(who(staffed, "bob")))
    for whose, purpose in (
        (session, "sign y"),
        (session, "sign x "),
        (same_person, "sign x"),
        (another, "sign x"),
    ):
        with pytest.raises(NotAllowed, match="the form is not one that this page made for you"):
            staffed.sessions.spend(whose, purpose, form)
    staffed.sessions.spend(session, "sign x", form)


def test_a_form_is_good_for_two_hours_to_the_millisecond(
    staffed: Clinic, session: Session, clock: VirtualClock
) -> None:
    forms = [staffed.sessions.form(session, "x") for _ in range(2)]
    clock.advance(2 * HOUR - 1)
    staffed.sessions.accept(session, "x", forms[0])
    clock.advance(1)
    with pytest.raises(NotAllowed, match=f"older than two hours. {NOTHING}"):
        staffed.sessions.spend(session, "x", forms[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda nonce, at, seal: "",
        lambda nonce, at, seal: f"{nonce}.{at}",
        lambda nonce, at, seal: f"{nonce}.{at}.{'0' * 64}",
        lambda nonce, at, seal: f"{'0' * 16}.{at}.{seal}",
        lambda nonce, at, seal: f"{nonce}.{int(at) + 1}.{seal}",
        lambda nonce, at, seal: f"{nonce}.0{at}.{seal}",
        lambda nonce, at, seal: f"{nonce}.{at}.{seal[:-1]}",
        lambda nonce, at, seal: f"{nonce}.{at}.{seal}\n",
        lambda nonce, at, seal: f"{nonce}.{'٣' * 4}.{seal}",
        lambda nonce, at, seal: f"{nonce}.{'9' * 5_000}.{seal}",
    ],
)
def test_a_form_that_was_made_or_changed_by_others_is_refused(
    staffed: Clinic, session: Session, change: object
) -> None:
    assert callable(change)
    forged = change(*staffed.sessions.form(session, "x").split("."))
    with pytest.raises(NotAllowed, match="the form is not one that this page made for you"):
        staffed.sessions.accept(session, "x", forged)


def test_a_form_of_somebody_who_has_logged_out_meanwhile_is_refused(
    staffed: Clinic, session: Session
) -> None:
    form = staffed.sessions.form(session, "x")
    staffed.sessions.end(session)
    with pytest.raises(NotAllowed, match=f"you have logged out. {NOTHING}"):
        staffed.sessions.spend(session, "x", form)


@pytest.mark.parametrize("change", ["password", "disabled", "idle"])
def test_a_form_of_a_session_that_has_ended_meanwhile_is_refused(
    staffed: Clinic, session: Session, clock: VirtualClock, change: str
) -> None:
    """Who is logged in may have been looked up a moment ago, or be remembered while the database did not answer."""
    form = staffed.sessions.form(session, "x")
    if change == "password":
        staffed.accounts.passwd(session.account.name, "seven red pumps", "test")
    elif change == "disabled":
        staffed.accounts.disable(session.account.name, "test")
    else:
        clock.advance(1_800_000)
    with pytest.raises(NotAllowed, match=f"your session has ended. {NOTHING}"):
        staffed.sessions.spend(session, "x", form)


def test_a_form_that_was_spent_by_one_process_is_spent_for_all(
    staffed: Clinic, session: Session, place: Path, clock: VirtualClock
) -> None:
    form = staffed.sessions.form(session, "x")
    with Clinic.open(place, clock) as other:
        other.sessions.spend(session, "x", form)
    with pytest.raises(NotAllowed, match="sent before"):
        staffed.sessions.spend(session, "x", form)
