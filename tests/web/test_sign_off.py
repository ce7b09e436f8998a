"""Sign-off in a browser: what is refused, what stays typed, who may do what. All refusals: tests/unit/web."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page

from pump_ctrl.clinic import Clinic
from pump_ctrl.clock import SystemClock
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.entry.draft import fields_of
from tests.web.kit import PASSWORD, ROOT, change_draft, draft, reasons

WHY = "it replaces a pump that gave the same"
_counted = iter(range(1, 100))
# Send the form again as a script could, with some of its fields replaced; the answer's status and words.
POST = """async ([action, more]) => {
  const form = document.querySelector(`form[action^="${action}"]`);
  const body = new URLSearchParams(form ? new FormData(form) : {});
  for (const [name, value] of Object.entries(more)) body.set(name, value);
  const answer = await fetch(action, { method: "POST", body });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return [answer.status, page.querySelector("main")?.textContent ?? page.body.textContent];
}"""


@pytest.fixture
def finish(place: Path, at: str) -> str:
    """The finish page of a plan that needs a reason and a second person."""
    fields = fields_of(load_plan(ROOT / "examples" / "a-flex-night-bolus.toml"))
    return at + draft(place, fields | {"id": f"SIGN-{next(_counted)}"})


def signed(place: Path, page: Page) -> str:
    """How far the plan is that a page shows: empty while nobody has signed it."""
    plan_hash = page.locator("main .hash").first.inner_text()
    with Clinic.open(place, SystemClock()) as clinic:
        version = clinic.versions.get(plan_hash)
    return version.state if version else ""


def press_sign(page: Page, password: str = PASSWORD) -> None:
    page.fill("#password", password)
    page.click("main form.sign button")


def refused(page: Page, sentence: str) -> None:
    page.wait_for_selector(f"main [role=alert]:has-text({sentence!r})")


def test_a_wrong_password_keeps_the_reason_and_the_simulation_and_then_two_people_sign(
    ann: Page, bob: Page, finish: str, place: Path
) -> None:
    ann.goto(finish)
    ann.click("text=Simulate 30 days")
    ann.wait_for_selector(".trial")
    reasons(ann, WHY)
    press_sign(ann, "not it at all")
    refused(ann, "password is wrong")
    assert signed(place, ann) == ""
    assert ann.locator("input[name^='reason:']").first.input_value() == WHY
    assert ann.locator(".trial").count() == 1
    press_sign(ann)
    ann.wait_for_url("**/signed/**")
    assert ann.locator("text=who signed first cannot be the second").count() == 1
    assert ann.locator("form[action$='/second']").count() == 0
    bob.goto(ann.url)
    press_sign(bob)
    bob.wait_for_selector("text=✔ Approved.")
    assert WHY in bob.inner_text("main")


def test_a_reason_is_asked_for_before_anything_is_sent(ann: Page, finish: str, place: Path) -> None:
    ann.goto(finish)
    press_sign(ann)
    assert ann.evaluate("() => document.activeElement.name.startsWith('reason:')")
    assert signed(place, ann) == ""
    ann.evaluate("() => document.querySelector('form.sign').setAttribute('novalidate', '')")
    press_sign(ann)
    refused(ann, "no reason for start-soft:baclofen")
    assert signed(place, ann) == ""


def test_a_tampered_digest_is_refused(ann: Page, finish: str, place: Path) -> None:
    ann.goto(finish)
    reasons(ann, WHY)
    ann.evaluate("() => { document.querySelector('[name=digest]').value = '0'.repeat(64) }")
    press_sign(ann)
    refused(ann, "what is signed now is not what was shown")
    assert signed(place, ann) == ""


def test_a_plan_that_somebody_changed_while_it_was_read_is_not_signed(
    ann: Page, finish: str, place: Path, at: str
) -> None:
    ann.goto(finish)
    reasons(ann, WHY)
    change_draft(place, finish.removeprefix(at), {"title": "changed behind the back"})
    press_sign(ann)
    refused(ann, "Somebody saved or signed the plan")
    assert "changed behind the back" in ann.inner_text("main")
    assert signed(place, ann) == ""


def test_a_form_that_is_sent_twice_counts_once(ann: Page, finish: str, place: Path) -> None:
    ann.goto(finish)
    action = finish.removesuffix("finish").partition("/plans")[2]
    action = f"/plans{action}sign"
    assert ann.evaluate(POST, [action, {"password": "not it at all"}])[0] == 403
    status, words = ann.evaluate(POST, [action, {"password": PASSWORD}])
    assert status == 403
    assert "This form was sent before." in words
    assert signed(place, ann) == ""


def test_a_button_takes_one_click_and_is_there_again_for_who_comes_back(ann: Page, at: str) -> None:
    ann.goto(f"{at}/plans")
    after = """async (button) => {
      button.form.addEventListener("submit", (event) => event.preventDefault()); // the answer takes its time
      button.click();
      await new Promise((done) => setTimeout(done, 50));
      const clicked = button.disabled;
      dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
      return [clicked, button.disabled];
    }"""
    assert ann.locator("button:has-text('New plan')").first.evaluate(after) == [True, False]


def test_one_person_is_not_two_though_the_form_is_forged(ann: Page, finish: str, place: Path) -> None:
    ann.goto(finish)
    reasons(ann, WHY)
    press_sign(ann)
    ann.wait_for_url("**/signed/**")
    path = "/signed/" + ann.url.partition("#")[0].rpartition("/")[2]
    token = ann.locator("form[action$='/withdraw'] [name=form]").input_value()
    digest = ann.locator("td.hash").first.inner_text()
    more = {"form": token, "digest": digest, "password": PASSWORD}
    status, words = ann.evaluate(POST, [f"{path}/second", more])
    assert status == 403
    assert "the form is not one that this page made for you" in words
    assert signed(place, ann) == "awaits second"


@pytest.mark.parametrize("who", ["cleo", "dan"])
def test_who_is_no_second_signer_approves_nothing_though_the_form_is_forged(
    desk: Callable[[str], Page], ann: Page, finish: str, place: Path, who: str
) -> None:
    """A viewer, and the bench."""
    ann.goto(finish)
    reasons(ann, WHY)
    press_sign(ann)
    ann.wait_for_url("**/signed/**")
    page = desk(who)
    page.goto(ann.url)
    assert page.locator("form[action$='/second']").count() == 0
    digest = page.locator("td.hash").first.inner_text()
    path = "/signed/" + ann.url.partition("#")[0].rpartition("/")[2]
    status, words = page.evaluate(
        POST, [f"{path}/second", {"digest": digest, "password": PASSWORD, "form": "0.0.0"}]
    )
    assert status == 403
    assert "may not do this" in words
    assert signed(place, page) == "awaits second"


@pytest.mark.parametrize("who", ["bob", "cleo", "dan"])
def test_who_may_not_sign_sees_no_form_and_a_forged_one_is_refused(
    desk: Callable[[str], Page], finish: str, place: Path, who: str
) -> None:
    page = desk(who)
    page.goto(finish)
    assert page.locator("text=Your account does not sign plans.").count() == 1
    assert page.locator("form.sign").count() == 0
    action = "/plans" + finish.partition("/plans")[2].removesuffix("finish") + "sign"
    token = page.locator("form[action*='/try'] [name=form]").input_value()
    status, words = page.evaluate(POST, [action, {"form": token, "password": PASSWORD}])
    assert status == 403
    assert "may not do this" in words
    assert signed(place, page) == ""


def test_a_post_of_another_site_is_not_heard_though_the_cookie_is_sent(
    ann: Page, finish: str, place: Path
) -> None:
    ann.goto(finish)
    form = ann.evaluate("() => Object.fromEntries(new FormData(document.querySelector('form.sign')))")
    form |= {name: WHY for name in form if name.startswith("reason:")} | {"password": PASSWORD}
    action = finish.removesuffix("finish") + "sign"
    answer = ann.request.post(action, form=form, headers={"Origin": "http://evil.example"})
    assert answer.status == 403
    assert "another site" in answer.text()
    assert signed(place, ann) == ""


# What has to stand in the database for a session to have ended by itself: half an hour of nothing, or twelve in all.
ENDED = {
    "idle": "seen_ms = seen_ms - 1800000",
    "long": "began_ms = began_ms - 43200000",
    "restart": "boot_id = ''",
}


@pytest.mark.parametrize("how", [*ENDED, "no cookie"])
def test_an_ended_session_asks_who_it_is_and_comes_back(
    page: Page, at: str, finish: str, place: Path, how: str
) -> None:
    page.goto(finish)
    page.wait_for_url(re.compile("/login[?]next="))
    page.fill("#name", "ann")
    page.fill("#password", PASSWORD)
    page.click("main button")
    page.wait_for_url(finish)
    reasons(page, WHY)
    if how in ENDED:
        with closing(sqlite3.connect(place / "clinic.sqlite3", isolation_level=None)) as database:
            last = "id = (SELECT id FROM sessions ORDER BY began_ms DESC LIMIT 1)"
            assert database.execute(f"UPDATE sessions SET {ENDED[how]} WHERE {last}").rowcount == 1
    else:
        page.context.clear_cookies()
    press_sign(page)
    page.wait_for_selector("main form[action='/login']")
    assert WHY in page.inner_text("main")  # it was not signed, and what was typed is not lost
    assert PASSWORD not in page.content()
    page.fill("#name", "ann")
    page.fill("#password", PASSWORD)
    page.click("main form[action='/login'] button")
    page.wait_for_url(finish)
    assert signed(place, page) == ""


def test_a_blocked_plan_has_no_form_to_sign(ann: Page, at: str, place: Path) -> None:
    fields = fields_of(load_plan(ROOT / "examples" / "a-flex-night-bolus.toml"))
    ann.goto(at + draft(place, fields | {"id": "BLOCKED", "reservoir.drugs#1.concentration": "2001"}))
    assert "baclofen 2001 ug/mL is above 2000 ug/mL [S59]" in ann.inner_text(".findings.blocked")
    assert ann.locator("form.sign").count() == 0
    assert "no reason can override that" in ann.inner_text("main")
