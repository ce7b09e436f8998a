"""The whole way with the keyboard alone: a plan entered, tried out, signed by two people, printed, loaded, stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.entry.draft import fields_of
from pump_ctrl.web.entry.steps import steps
from tests.web.bench import Bench, until
from tests.web.keyboard import MOST_TABS, Keyboard
from tests.web.kit import PASSWORD, ROOT, Seen, approved, draft


@pytest.mark.timeout(600)
def test_a_plan_is_entered_signed_and_printed_without_a_mouse(browser: Browser, at: str, place: Path) -> None:
    plan = load_plan(ROOT / "examples" / "a-flex-night-bolus.toml")
    fields = fields_of(plan)
    with browser.new_context() as context:
        context.add_init_script("window.printed = 0; window.print = () => { window.printed += 1; };")
        seen = Seen(at)
        seen.watch(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        keys = Keyboard(page)
        keys.log_in(at, "ann")
        keys.enter("New plan", "**/patient")
        for step in ("reservoir", "catheter", "infusion", "boluses", "titration", "change", "finish"):
            keys.fill_step(fields, step)
        assert page.locator("main .hash").first.inner_text() == plan.sha256
        keys.enter("Simulate 30 days", "**/finish#try")
        assert page.locator(".trial").count() == 1
        page.goto(page.url.partition("#")[0])
        keys.to("reason:start-soft:baclofen")
        keys.type("it replaces a pump that gave the same")
        keys.to("password")
        keys.type(PASSWORD)
        with page.expect_navigation(url="**/signed/**"):
            keys.press("Enter")
        signed = page.url
        keys.enter("Log out", "**/login")
        keys.log_in(at, "bob")
        page.goto(signed)
        keys.to("password")
        keys.type(PASSWORD)
        with page.expect_navigation():
            keys.press("Enter")
        assert page.locator("text=✔ Approved.").count() == 1
        keys.enter("Plan sheet to print", "**/paper")
        keys.to(words="Print")
        keys.press("Enter")
        assert page.evaluate("() => window.printed") == 1
    assert seen.wrong == []


@pytest.mark.timeout(600)
def test_from_the_login_to_a_loaded_plan_and_a_stop_without_a_mouse(bench: Bench, browser: Browser) -> None:
    here, new = bench.here, bench.next_plan()
    approved(bench.place, load_plan(here.plan))  # so that it can be chosen as the plan in force
    with browser.new_context() as context:
        seen = Seen(bench.at)
        seen.watch(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        keys = Keyboard(page)
        keys.log_in(bench.at, "ann")
        keys.enter("New plan", "**/patient")
        for step in ("reservoir", "catheter", "infusion", "boluses", "titration", "change", "finish"):
            keys.fill_step(fields_of(new), step)
        assert page.locator("main .hash").first.inner_text() == new.sha256
        for reason in page.locator("input[name^='reason:']").all():
            keys.to(reason.get_attribute("name") or "")
            keys.type("a trial on the bench")
        keys.to("password")
        keys.type(PASSWORD)
        with page.expect_navigation(url="**/signed/**"):
            keys.press("Enter")
        signed = page.url
        if page.locator("text=Waits for a second signature").count():
            keys.enter("Log out", "**/login")
            keys.log_in(bench.at, "bob")
            page.goto(signed)
            keys.to("password")
            keys.type(PASSWORD)
            with page.expect_navigation():
                keys.press("Enter")
            keys.enter("Log out", "**/login")
            keys.log_in(bench.at, "ann")
        keys.enter("Pumps", "**/pumps")
        keys.enter("BENCH-1", "**/pumps/*")
        keys.to("sha256")
        keys.choose(new.sha256)
        keys.enter("Load it", "**/load")
        assert here.status()["plan"]["sha256"] == new.sha256
        keys.to(words="STOP")
        keys.press("Enter")
        until(page, "document.querySelector('.stops [role=alert]').textContent.includes('confirmed it.')")
        assert here.status()["state"] == "STOPPED"
    assert seen.wrong == []


def test_the_first_tab_leads_past_the_rooms_to_the_content(ann: Page, at: str) -> None:
    ann.goto(f"{at}/plans")
    keys = Keyboard(ann)
    keys.press("Tab")
    assert keys.here()["words"] == "Skip to the content"
    keys.press("Enter")
    assert ann.evaluate("() => document.activeElement.id") == "main"


# The places, in the order of the page, of everything that can be seen and pressed or typed into.
STOPS = """() => [...document.querySelectorAll("*")].map((each, at) => [each, at])
  .filter(([each]) => each.matches("a[href], button, input:not([type=hidden]), select, textarea, summary"))
  .filter(([each]) => each.tabIndex >= 0 && !each.disabled && each.getClientRects().length > 0).map(([, at]) => at)"""


@pytest.mark.parametrize("step", [step.key for step in steps()] + ["finish"])
def test_tab_goes_through_a_page_in_its_order_and_past_nothing(
    ann: Page, at: str, place: Path, step: str
) -> None:
    fields = fields_of(load_plan(ROOT / "examples" / "c-patient-bolus.toml"))
    ann.goto(at + draft(place, fields).replace("finish", step))
    keys, there = Keyboard(ann), [-1]
    ann.evaluate("() => document.activeElement.blur()")
    while len(there) < MOST_TABS:
        keys.press("Tab")
        at_now = ann.evaluate("() => [...document.querySelectorAll('*')].indexOf(document.activeElement)")
        if at_now <= there[-1]:
            break  # round the end of the page
        there.append(at_now)
    assert [stop for stop in ann.evaluate(STOPS) if stop not in there] == []
