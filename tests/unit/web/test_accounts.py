"""The accounts' room: who there is, and the own password."""

from __future__ import annotations

import pytest

from tests.unit.web.kit import PASSWORD, Page

NEW = "twelve blue pumps"


def change(page: Page, who: str = "dan", **fields: str) -> tuple[int, str]:
    """What becomes of a wish for another password."""
    desk = page.desk(who)
    form = {"form": desk.token("/accounts"), "password": PASSWORD, "new": NEW, "again": NEW, **fields}
    answer = desk.post("/accounts", form)
    return answer.status_code, answer.headers.get("location", answer.text)


def test_everybody_is_listed_with_role_and_state_in_words(page: Page) -> None:
    page.clinic.accounts.disable("eve", "test")
    text = page.desk("dan").get("/accounts").text
    assert "Ann Example" in text
    assert "Friday 20 November 2026" in text
    assert text.count("✖ disabled") == 1
    assert "scrypt" not in text


def test_everybody_changes_the_own_password_and_is_logged_out_everywhere(page: Page) -> None:
    elsewhere = page.desk("cleo")
    assert change(page, "cleo") == (303, "/login")
    assert elsewhere.get("/plans").status_code == 303
    assert page.desk().post("/login", {"name": "cleo", "password": PASSWORD}).status_code == 403
    assert page.desk().post("/login", {"name": "cleo", "password": NEW}).status_code == 303


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"password": "wrong wrong"}, "The account or its password is wrong"),
        ({"again": "twelve blue pump"}, "The two new passwords differ"),
        ({"new": "short", "again": "short"}, "10 to 200 characters"),
        ({"new": "x" * 201, "again": "x" * 201}, "10 to 200 characters"),
        ({"form": "0"}, "the form is not one that this page made for you"),
    ],
)
def test_what_is_wrong_with_a_password_is_told_and_nothing_changes(
    page: Page, wrong: dict[str, str], words: str
) -> None:
    code, text = change(page, **wrong)
    assert code == 403
    assert words in text
    assert "Not changed." in text
    assert page.desk().post("/login", {"name": "dan", "password": PASSWORD}).status_code == 303


def test_five_wrong_passwords_lock_here_as_they_do_at_the_login(page: Page) -> None:
    for _ in range(5):
        change(page, "bob", password="wrong wrong")
    code, text = change(page, "bob")
    assert (code, "Try again in 15 min" in text) == (403, True)
