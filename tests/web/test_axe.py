"""Every page for a keyboard and a screen reader; and each check finds what it is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.entry.draft import fields_of
from pump_ctrl.web.entry.steps import steps
from tests.web.kit import PASSWORD, ROOT, Seen, approved, draft, faults, hold, reasons

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


def test_a_room_has_no_fault_under_the_mouse_and_where_nothing_can_be_pressed(
    ann: Page, at: str, finish: str
) -> None:
    for path in ("/plans", "/accounts", finish, finish.replace("finish", "infusion")):
        ann.goto(f"{at}{path}")
        ann.evaluate(
            "() => document.querySelectorAll('main button').forEach((each) => { each.disabled = true })"
        )
        assert (path, faults(ann)) == (path, [])
        ann.evaluate(
            "() => document.querySelectorAll('main button').forEach((each) => { each.disabled = false })"
        )
        for state in ("hover", "active"):
            hold(ann, state)
            assert (path, state, faults(ann)) == (path, state, [])


def test_paper_can_be_read(ann: Page, at: str, place: Path, finish: str) -> None:
    signed = approved(place, load_plan(ROOT / "examples" / "b-morphine-continuous.toml"))
    ann.emulate_media(media="print")
    for path in (finish, signed, f"{signed}/paper"):
        ann.goto(f"{at}{path}")
        assert [each for each in faults(ann) if each.startswith(("contrast", "heading", "table"))] == []
    ann.emulate_media(media="screen")


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
    "contrast: 1": "document.querySelector('main').style.background = "
    "'repeating-linear-gradient(45deg, #fff, #fff 9px, #223 9px, #223 18px)'",
    "contrast: 2": "document.querySelector('main button').disabled = true; "
    "document.querySelector('main button').style.cssText = 'color: #999; background: #eee'",
    "contrast: what stands": "document.querySelector('#name').style.color = '#999'",
    "contrast: the line": "document.querySelector('#name').style.borderColor = '#ddd'",
    "order": "document.querySelector('#password').tabIndex = 3",
    "focus: no ring": "document.querySelector('#name').style.outline = 'none'",
    "focus: a ring": "document.querySelector('#name').style.outline = '3px solid #f4f4f4'",
}


@pytest.mark.parametrize(("check", "plant"), PLANTED.items(), ids=PLANTED)
def test_each_check_finds_what_is_planted(page: Page, at: str, check: str, plant: str) -> None:
    page.goto(f"{at}/login")
    page.evaluate(f"() => {{ {plant} }}")
    assert any(each.startswith(check) for each in faults(page)), faults(page)


def test_each_check_is_made_of_what_is_under_the_mouse_too(page: Page, at: str) -> None:
    page.goto(f"{at}/login")
    page.evaluate(
        "() => document.styleSheets[0].insertRule('main button:hover { color: #bbb; background: #fff }')"
    )
    assert faults(page) == []
    hold(page, "hover")
    assert [each.partition(":")[0] for each in faults(page)] == ["contrast"]


@pytest.mark.parametrize(
    ("act", "what"),
    [
        ("console.error('x')", "console: x"),
        ("setTimeout(() => { throw new Error('y') })", "script: y"),
        ("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')", "console: "),
    ],
)
def test_what_a_page_must_not_do_is_seen(page: Page, at: str, seen: Seen, act: str, what: str) -> None:
    """The fixtures fail a test in which a page does such a thing; here it is meant."""
    page.goto(f"{at}/login")
    page.evaluate(f"() => {{ {act} }}")
    came(page, seen, what)
    seen.wrong.clear()


# Every way in which a page asks another host for something.
ELSEWHERE = {
    "fetch": "fetch('http://127.0.0.1:9/x', { mode: 'no-cors' }).catch(() => 0)",
    "script": "document.head.append(Object.assign(document.createElement('script'), { src: 'http://127.0.0.1:9/x' }))",
    "picture": "new Image().src = 'http://127.0.0.1:9/x'",
    "style": "document.head.append(Object.assign(document.createElement('link'), "
    "{ rel: 'stylesheet', href: 'http://127.0.0.1:9/x' }))",
    "prefetch": "document.head.append(Object.assign(document.createElement('link'), "
    "{ rel: 'prefetch', href: 'http://127.0.0.1:9/x' }))",
    "font": "new FontFace('x', 'url(http://127.0.0.1:9/x)').load().catch(() => 0)",
    "background": "document.body.style.background = 'url(http://127.0.0.1:9/x)'",
    "beacon": "navigator.sendBeacon('http://127.0.0.1:9/x', 'x')",
    "events": "new EventSource('http://127.0.0.1:9/x')",
    "socket": "new WebSocket('ws://127.0.0.1:9/x')",
    "frame": "document.body.append(Object.assign(document.createElement('iframe'), { src: 'http://127.0.0.1:9/x' }))",
    "film": "document.body.append(Object.assign(document.createElement('video'), { src: 'http://127.0.0.1:9/x' }))",
    "form": "(() => { const form = document.createElement('form'); form.action = 'http://127.0.0.1:9/x'; "
    "form.target = '_blank'; document.body.append(form); form.submit(); })()",
    "window": "window.open('http://127.0.0.1:9/x')",
}


def came(page: Page, seen: Seen, what: str) -> None:
    """Wait until it was seen."""
    for _ in range(50):
        if any(each.startswith(what) for each in seen.wrong):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{what} was not seen: {seen.wrong}")


@pytest.mark.parametrize("act", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_request_to_another_host_is_seen_though_no_policy_stops_it(
    browser: Browser, at: str, act: str
) -> None:
    with browser.new_context(bypass_csp=True) as context:
        seen = Seen(at)
        seen.watch(context)
        page = context.new_page()
        page.goto(f"{at}/login")
        page.evaluate(f"() => {{ {act} }}")
        came(page, seen, "asked elsewhere: ")
        assert any(each.rstrip("?").endswith("//127.0.0.1:9/x") for each in seen.wrong), seen.wrong


NOT_STOPPED = {"window"}  # a page may lead elsewhere; the fixtures fail a test in which one does


@pytest.mark.parametrize("act", [act for name, act in ELSEWHERE.items() if name not in NOT_STOPPED],
                         ids=[name for name in ELSEWHERE if name not in NOT_STOPPED])  # fmt: skip
def test_the_pages_own_policy_lets_nothing_go_elsewhere(browser: Browser, at: str, act: str) -> None:
    with browser.new_context() as context:
        seen = Seen(at)
        seen.watch(context)
        page = context.new_page()
        page.goto(f"{at}/login")
        page.evaluate(f"() => {{ {act} }}")
        came(page, seen, "console: ")
        answered = [each for each in seen.wrong if "ERR_CONNECTION" in each]
        assert answered == []  # it was stopped before there was anybody to ask
