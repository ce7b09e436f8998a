"""Every page for a keyboard and a screen reader; and each check finds what it is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.entry.draft import fields_of
from pump_ctrl.web.entry.steps import steps
from tests.web.kit import PASSWORD, ROOT, Seen, draft, faults, reasons

STEPS = [step.key for step in steps()]
EVERYTHING = "c-patient-bolus"


def example(name: str, **more: str) -> dict[str, str]:
    return fields_of(load_plan(ROOT / "examples" / f"{name}.toml")) | more


@pytest.fixture(scope="module")
def finish(place: Path) -> str:
    """A plan with a group of weekdays, steps, boluses and what a patient may ask for."""
    return draft(place, example("a-flex-night-bolus", id="AXE-1"))


def test_the_login_page_has_no_fault(page: Page, at: str) -> None:
    page.goto(f"{at}/login")
    assert faults(page) == []
    page.fill("#name", "ann")
    page.fill("#password", "not it at all")
    page.click("main button")
    page.wait_for_selector("main [role=alert]")
    assert faults(page) == []


@pytest.mark.parametrize("path", ["/plans", "/pumps", "/journal", "/formulary", "/accounts", "/nothing-here"])
def test_a_room_has_no_fault(ann: Page, at: str, path: str) -> None:
    ann.goto(f"{at}{path}")
    assert faults(ann) == []


@pytest.mark.parametrize("plan", ["a-flex-night-bolus", EVERYTHING, "d-ziconotide-titration", ""])
def test_a_step_of_plan_entry_has_no_fault(ann: Page, at: str, place: Path, plan: str) -> None:
    base = draft(place, example(plan) if plan else {}).removesuffix("/finish")
    for step in STEPS:
        ann.goto(f"{at}{base}/{step}")
        assert (step, faults(ann)) == (step, [])


@pytest.mark.parametrize(
    "more",
    [{}, {"basal.steps#2.dose": "1690000"}, {"id": "no name"}, {"previous": "0" * 64}],
    ids=["needs a reason", "blocked", "incomplete", "unknown plan in force"],
)
def test_the_finish_page_has_no_fault(ann: Page, at: str, place: Path, more: dict[str, str]) -> None:
    ann.goto(f"{at}{draft(place, example('a-flex-night-bolus', **more))}")
    assert faults(ann) == []


def test_a_plan_on_its_way_to_paper_has_no_fault(ann: Page, bob: Page, at: str, finish: str) -> None:
    ann.goto(f"{at}{finish}")
    ann.click("text=Simulate 30 days")
    ann.wait_for_selector(".trial")
    assert faults(ann) == []
    reasons(ann)
    ann.fill("#password", "not it at all")
    ann.click("main form.sign button")
    ann.wait_for_selector("main [role=alert]")
    assert faults(ann) == []
    ann.fill("#password", PASSWORD)
    ann.click("main form.sign button")
    ann.wait_for_url("**/signed/**")
    assert faults(ann) == []
    bob.goto(ann.url)
    assert faults(bob) == []
    bob.fill("#password", PASSWORD)
    bob.click("text=Sign as the second person")
    bob.wait_for_selector("text=Approved")
    assert faults(bob) == []
    bob.goto(f"{ann.url}/paper")
    assert faults(bob) == []


def test_a_refusal_has_no_fault(desk: Callable[[str], Page], at: str, finish: str) -> None:
    dan = desk("dan")
    dan.goto(f"{at}{finish.removesuffix('finish')}patient")
    assert "may not do this" in dan.inner_text("main")
    assert faults(dan) == []


# Each of these makes one thing wrong on a page that is right.
PLANTED = {
    "label": "document.querySelector('label[for=name]').remove()",
    "name": "document.querySelector('main button').textContent = ''",
    "picture: no alt": "document.querySelector('main').append(document.createElement('img'))",
    "picture: no name": "document.querySelector('main').insertAdjacentHTML('beforeend', '<svg role=img></svg>')",
    "id": "document.querySelector('main').insertAdjacentHTML('beforeend', '<p id=name></p>')",
    "reference": "document.querySelector('#name').setAttribute('aria-describedby', 'nowhere')",
    "reference: #": "document.querySelector('.skip').href = '#nowhere'",
    "heading: not": "document.querySelector('main').insertAdjacentHTML('beforeend', '<h1>two</h1>')",
    "heading: h4": "document.querySelector('main').insertAdjacentHTML('beforeend', '<h4>four</h4>')",
    "landmark: not": "document.querySelector('main').outerHTML = document.querySelector('main').innerHTML",
    "landmark: no header": "document.querySelector('body > footer').remove()",
    "landmark: one nav": "document.querySelector('main').insertAdjacentHTML('beforeend', '<nav></nav><nav></nav>')",
    "language": "document.documentElement.removeAttribute('lang')",
    "title": "document.title = ''",
    "table: no headers": "document.querySelector('main').insertAdjacentHTML('beforeend', '<table><tr><td>1')",
    "table: a header": "document.querySelector('main').insertAdjacentHTML('beforeend', '<table><tr><th>1')",
    "contrast": "document.querySelector('main label').style.color = '#8a8a8a'",
    "contrast: 1.": "document.querySelector('main').style.opacity = '0.2'",
    "order": "document.querySelector('#password').tabIndex = 3",
    "focus: no ring": "document.querySelector('#name').style.outline = 'none'",
    "focus: a ring": "document.querySelector('#name').style.outline = '3px solid #f4f4f4'",
}


@pytest.mark.parametrize(("check", "plant"), PLANTED.items(), ids=PLANTED)
def test_each_check_finds_what_is_planted(page: Page, at: str, check: str, plant: str) -> None:
    page.goto(f"{at}/login")
    page.evaluate(f"() => {{ {plant} }}")
    assert any(each.startswith(check) for each in faults(page)), faults(page)


@pytest.mark.parametrize(
    ("act", "what"),
    [
        ("console.error('x')", "console: x"),
        ("setTimeout(() => { throw new Error('y') })", "script: y"),
        (
            "fetch('http://127.0.0.1:9/', {mode: 'no-cors'}).catch(() => 0)",
            "console: Connecting to",
        ),
        ("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')", "console: "),
    ],
)
def test_what_a_page_must_not_do_is_seen(page: Page, at: str, seen: Seen, act: str, what: str) -> None:
    """The fixtures fail a test in which a page does such a thing; here it is meant."""
    page.goto(f"{at}/login")
    page.evaluate(f"() => {{ {act} }}")
    page.wait_for_timeout(100)
    assert any(each.startswith(what) for each in seen.wrong), seen.wrong
    seen.wrong.clear()


def test_a_request_to_another_host_is_seen_though_no_policy_stops_it(browser: Browser, at: str) -> None:
    with browser.new_context(bypass_csp=True) as context:
        page, seen = context.new_page(), Seen(at)
        seen.watch(page)
        page.goto(f"{at}/login")
        page.evaluate("() => fetch('http://127.0.0.1:9/', { mode: 'no-cors' }).catch(() => 0)")
    assert any(each == "asked elsewhere: http://127.0.0.1:9/" for each in seen.wrong), seen.wrong
