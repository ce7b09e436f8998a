"""Accounts: who may do what, who is who, and how often one may guess."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import pytest

from pump_ctrl.clinic import PERMISSIONS, Account, Act, Clinic, accounts, passwords
from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import InvalidInput, NotAllowed
from tests.unit.clinic.kit import MINUTE, NOW, PASSWORD, kinds

OF_THE_PRODUCT: Final = passwords.LOG_N  # before any test has made guesses cheap
WRONG: Final = "not the password"
ACTS: Final[tuple[Act, ...]] = ("look", "stop", "write", "sign", "second", "operate")


def refused(clinic: Clinic, name: str, password: str) -> str:
    with pytest.raises(NotAllowed) as error:
        clinic.accounts.authenticate(name, password)
    return str(error.value)


# --- roles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "acts"),
    [
        ("prescriber", "look stop write sign second operate"),
        ("second", "look stop second"),
        ("bench", "look stop operate"),
        ("viewer", "look stop"),
    ],
)
def test_a_role_may_do_this_and_nothing_else(role: Any, acts: str) -> None:  # noqa: ANN401
    account = Account("x", "X", (role,), disabled=False, created_utc_ms=0, epoch=0)
    assert [act for act in ACTS if account.may(act)] == acts.split()
    assert sorted(PERMISSIONS[role]) == sorted(acts.split())


def test_two_roles_may_what_each_may_and_a_disabled_account_nothing_at_all() -> None:
    both = Account("x", "X", ("second", "bench"), disabled=False, created_utc_ms=0, epoch=0)
    assert [act for act in ACTS if both.may(act)] == ["look", "stop", "second", "operate"]
    gone = Account("x", "X", ("prescriber",), disabled=True, created_utc_ms=0, epoch=0)
    assert [act for act in ACTS if gone.may(act)] == []


def test_a_name_that_is_a_full_name_of_somebody_is_not_given(clinic: Clinic) -> None:
    clinic.accounts.add("a.b", "zed", ("viewer",), PASSWORD, "root")
    with pytest.raises(NotAllowed, match="already, or with one that differs from them in no more than case"):
        clinic.accounts.add("zed", "Zed Example", ("viewer",), PASSWORD, "root")
    assert clinic.accounts.add("zed2", "Zed Example", ("viewer",), PASSWORD, "root").name == "zed2"


# --- making and changing ----------------------------------------------------------------------------------------------


def test_an_account_is_kept_with_its_names_roles_and_day(clinic: Clinic) -> None:
    made = clinic.accounts.add("ann", "  Ann   Example ", ("bench", "prescriber"), PASSWORD, "root")
    assert made == clinic.accounts.get("ann")
    assert (made.full_name, made.roles, made.disabled) == ("Ann Example", ("prescriber", "bench"), False)
    assert made.created_utc_ms == NOW
    assert clinic.accounts.get("Ann") is None  # a name is compared exactly
    clinic.accounts.add("a", "B", ("viewer",), PASSWORD, "root")
    assert [account.name for account in clinic.accounts.all()] == ["a", "ann"]


@pytest.mark.parametrize(
    "name", ["", "Ann", "1ann", "ann smith", "ann/..", "änn", "a" * 33, "ann\n", "-a", "ann\u202e"]
)
def test_a_name_that_cannot_be_is_refused(clinic: Clinic, name: str) -> None:
    with pytest.raises(InvalidInput, match="is no account name; allowed: a letter, then letters, digits"):
        clinic.accounts.add(name, "Ann Example", ("viewer",), PASSWORD, "root")


@pytest.mark.parametrize(
    "full", ["", "   ", "\u3164", "Ann\u202eelpmaxE", "Ann\x07", "Ann\nExample", "A" * 81]
)
def test_a_full_name_that_cannot_be_is_refused(clinic: Clinic, full: str) -> None:
    with pytest.raises(InvalidInput, match="full name: is no name; allowed: 1 to 80 printable characters"):
        clinic.accounts.add("ann", full, ("viewer",), PASSWORD, "root")


@pytest.mark.parametrize("roles", [(), ("king",), ("viewer", "king")])
def test_a_role_that_is_none_is_refused(clinic: Clinic, roles: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match="is no role; allowed: prescriber, second, bench, viewer"):
        clinic.accounts.add("ann", "Ann Example", roles, PASSWORD, "root")
    assert clinic.accounts.all() == ()


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("ann", "Somebody Else"),
        ("else", "Ann Exámple"),
        ("else", "ann exámple"),
        ("else", "Ann Exa\u0301mple"),
        ("else", "\uff21nn Exámple"),  # wide
        ("else", "\uff21\uff4e\uff4e EXÁMPLE"),
        ("else", "\U0001d400nn Exámple"),  # a mathematical bold A
        ("else", "Ann\ufe0f Exá\u034fmple"),  # what is not seen
        ("else", "ann"),  # the name of the account as a full name
        ("else", "\uff21\uff2e\uff2e"),
    ],
)
def test_neither_a_name_nor_a_full_name_is_given_twice(clinic: Clinic, name: str, full: str) -> None:
    clinic.accounts.add("ann", "Ann Exámple", ("viewer",), PASSWORD, "root")
    clinic.accounts.disable("ann", "root")
    for make in (clinic.accounts.add, lambda *given: clinic.accounts.require_new(*given[:3])):
        with pytest.raises(NotAllowed, match=r"There is an account with the name.*already.*keeps its name"):
            make(name, full, ("viewer",), PASSWORD, "root")


@pytest.mark.parametrize(
    ("password", "what"),
    [
        ("", "has 0 characters"),
        ("ninechars", "has 9 characters"),
        ("x1y2" * 50 + "z", "has 201 characters"),
        ("ann.example", "can be guessed"),
        ("ANN.example", "can be guessed"),
        ("elpmaxe.nna", "can be guessed"),
        ("abcabcabcabc", "can be guessed"),
    ],
)
def test_a_password_that_can_be_guessed_is_refused(clinic: Clinic, password: str, what: str) -> None:
    for change in (
        lambda: clinic.accounts.add("ann.example", "Ann", ("viewer",), password, "root"),
        lambda: clinic.accounts.passwd("ann.example", password, "root"),
    ):
        with pytest.raises(InvalidInput, match=f"password: {what}; allowed: 10 to 200 characters"):
            change()


@pytest.mark.parametrize("password", ["tencharss!", "x1y2" * 50])
def test_ten_and_two_hundred_characters_are_a_password(clinic: Clinic, password: str) -> None:
    clinic.accounts.add("ann", "Ann", ("viewer",), password, "root")
    assert clinic.accounts.authenticate("ann", password).name == "ann"
    refused(clinic, "ann", password + "!")


def test_a_new_password_takes_the_place_of_the_old_one(staffed: Clinic) -> None:
    staffed.accounts.passwd("ann", "eight green pumps", "root")
    refused(staffed, "ann", PASSWORD)
    assert staffed.accounts.authenticate("ann", "eight green pumps").epoch == 1


def test_what_is_changed_must_be_there(clinic: Clinic) -> None:
    missing = r"There is no account 'zed'. pump-ctrl user list shows them"
    with pytest.raises(NotAllowed, match=missing):
        clinic.accounts.disable("zed", "root")
    with pytest.raises(NotAllowed, match=missing):
        clinic.accounts.passwd("zed", PASSWORD, "root")
    assert kinds(clinic.place) == []


# --- who is who -------------------------------------------------------------------------------------------------------


def test_unknown_wrong_and_disabled_are_one_answer_in_words_and_work(
    staffed: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    staffed.accounts.disable("dan", "root")
    work: list[tuple[int, int, int]] = []
    scrypt = hashlib.scrypt

    def watched(password: bytes, **given: Any) -> bytes:  # noqa: ANN401
        work.append((given["n"], given["r"], given["p"]))
        return scrypt(password, **given)

    monkeypatch.setattr(hashlib, "scrypt", watched)
    said = {
        refused(staffed, name, word) for name, word in (("zed", WRONG), ("ann", WRONG), ("dan", PASSWORD))
    }
    assert said == {"The account or its password is wrong. Try again."}
    assert work == [(16, 8, 1)] * 3


def test_a_password_is_the_same_however_the_keyboard_composes_its_letters(clinic: Clinic) -> None:
    clinic.accounts.add("ann", "Ann", ("viewer",), "sieben grüne", "root")
    assert clinic.accounts.authenticate("ann", "sieben gru\u0308ne").name == "ann"


def test_the_product_makes_a_guess_cost_32_mib_and_never_less(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int, int, int]] = []

    def watched(_: bytes, *, salt: bytes, n: int, r: int, p: int, maxmem: int, dklen: int) -> bytes:
        asked.append((n, r, p, len(salt)))
        assert maxmem >= 128 * n * r
        return bytes(dklen)

    monkeypatch.setattr(passwords, "LOG_N", OF_THE_PRODUCT)
    monkeypatch.setattr(hashlib, "scrypt", watched)
    clinic.accounts.add("ann", "Ann", ("viewer",), PASSWORD, "root")
    clinic.accounts.authenticate("ann", PASSWORD)
    with pytest.raises(NotAllowed):
        clinic.accounts.authenticate("zed", PASSWORD)
    assert asked == [(32_768, 8, 1, 16)] * 3  # 2**15


def test_of_a_password_a_digest_with_a_salt_of_its_own_is_kept(staffed: Clinic, place: Path) -> None:
    kept = [passwords.sealed(PASSWORD) for _ in range(2)]
    assert kept[0] != kept[1]
    assert [passwords.fits(PASSWORD, each) for each in kept] == [True, True]
    assert not passwords.fits(PASSWORD, passwords.nobodys())
    staffed.close()
    assert PASSWORD.encode() not in (place / "clinic.sqlite3").read_bytes()


# --- guessing ---------------------------------------------------------------------------------------------------------


def fail(clinic: Clinic, clock: VirtualClock, times: int, apart_ms: int = 0, name: str = "ann") -> None:
    for number in range(times):
        clock.advance(apart_ms if number else 0)
        assert "wrong. Try again" in refused(clinic, name, WRONG)


def test_five_wrong_passwords_lock_the_name_for_15_minutes_to_the_millisecond(
    staffed: Clinic, clock: VirtualClock
) -> None:
    fail(staffed, clock, 5)
    assert refused(staffed, "ann", PASSWORD) == (
        "There were 5 wrong passwords in a row. Try again in 15 min. "
        "A pump is stopped without an account too: pump-ctrl stop"
    )
    clock.advance(14 * MINUTE)
    assert "Try again in 1 min" in refused(staffed, "ann", PASSWORD)
    clock.advance(MINUTE - 1)
    assert "Try again in 1 min" in refused(staffed, "ann", PASSWORD)
    clock.advance(1)
    assert staffed.accounts.authenticate("ann", PASSWORD).name == "ann"


def test_the_lock_counts_from_the_last_of_the_five(staffed: Clinic, clock: VirtualClock) -> None:
    fail(staffed, clock, 5, apart_ms=3 * MINUTE)
    clock.advance(15 * MINUTE - 1)
    assert "5 wrong passwords" in refused(staffed, "ann", PASSWORD)
    clock.advance(1)
    staffed.accounts.authenticate("ann", PASSWORD)


@pytest.mark.parametrize(("apart_ms", "locks"), [(15 * MINUTE - 1, True), (15 * MINUTE, False)])
def test_five_count_if_they_fall_within_15_minutes(
    staffed: Clinic, clock: VirtualClock, apart_ms: int, locks: bool
) -> None:
    fail(staffed, clock, 1)
    clock.advance(apart_ms)
    fail(staffed, clock, 4)
    if locks:
        assert "5 wrong passwords" in refused(staffed, "ann", PASSWORD)
    else:
        staffed.accounts.authenticate("ann", PASSWORD)


def test_after_the_lock_one_wrong_password_does_not_lock_again(staffed: Clinic, clock: VirtualClock) -> None:
    fail(staffed, clock, 5)
    clock.advance(15 * MINUTE)
    fail(staffed, clock, 4)
    staffed.accounts.authenticate("ann", PASSWORD)


def test_the_right_password_wipes_the_slate(staffed: Clinic, clock: VirtualClock) -> None:
    for _ in range(3):
        fail(staffed, clock, 4)
        staffed.accounts.authenticate("ann", PASSWORD)


def test_a_lock_is_of_one_name_and_a_name_that_is_none_is_locked_alike(
    staffed: Clinic, clock: VirtualClock
) -> None:
    for name in ("ann", "zed", "z" * 5_000):
        fail(staffed, clock, 5, name=name)
    assert (
        refused(staffed, "ann", WRONG)
        == refused(staffed, "zed", WRONG)
        == refused(staffed, "z" * 5_000, WRONG)
    )
    assert staffed.accounts.authenticate("bob", PASSWORD).name == "bob"


def test_a_locked_name_costs_no_work_and_is_not_written_down_again(
    staffed: Clinic, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(staffed, clock, 5)
    monkeypatch.setattr(accounts, "fits", None)
    refused(staffed, "ann", PASSWORD)
    assert kinds(staffed.place).count("login-refused") == 5


def test_a_new_password_opens_a_locked_account(staffed: Clinic, clock: VirtualClock) -> None:
    fail(staffed, clock, 5)
    staffed.accounts.passwd("ann", "eight green pumps", "root")
    staffed.accounts.authenticate("ann", "eight green pumps")


def test_what_failed_before_a_reboot_is_forgotten(staffed: Clinic, clock: VirtualClock) -> None:
    fail(staffed, clock, 5)
    clock.reboot()
    staffed.accounts.authenticate("ann", PASSWORD)


def test_attempts_at_the_same_time_are_no_way_around_the_lock(
    staffed: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each begins while those before are still being worked on."""
    tried: list[str] = []
    fits = passwords.fits

    def meanwhile(password: str, kept: str) -> bool:
        tried.append(password)
        assert len(tried) <= 5, "a sixth password was tried"
        with pytest.raises(NotAllowed):
            staffed.accounts.authenticate("ann", WRONG)
        return fits(password, kept)

    monkeypatch.setattr(accounts, "fits", meanwhile)
    refused(staffed, "ann", WRONG)
    assert len(tried) == 5


def test_failures_are_not_kept_for_ever(staffed: Clinic, clock: VirtualClock, place: Path) -> None:
    fail(staffed, clock, 3, name="zed")
    clock.advance(30 * MINUTE)
    staffed.accounts.authenticate("ann", PASSWORD)
    assert staffed._store.all("SELECT * FROM failures") == []


@pytest.mark.parametrize(
    "full",
    [
        "Ann \u0415xample",
        "Ann Ex\u0430mple",
        "\u0391nn Example",
        "\u0410nn \u0395xample",
        "\U0001d6a8nn Example",
    ],
)
def test_a_full_name_that_mixes_letters_which_look_alike_is_refused(staffed: Clinic, full: str) -> None:
    with pytest.raises(InvalidInput, match=r"full name: mixes the letters of .*; allowed: one script"):
        staffed.accounts.add("ann2", full, ("second",), PASSWORD, "root")


@pytest.mark.parametrize(
    "full", ["\u0410\u043d\u043d\u0430", "\u0386\u03bd\u03bd\u03b1", "Zo\u00eb O\u2019Neil"]
)
def test_a_full_name_may_be_of_any_one_script(staffed: Clinic, full: str) -> None:
    assert staffed.accounts.add("zoe", full, ("second",), PASSWORD, "root").full_name == full
