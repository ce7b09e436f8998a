"""What a browser alone shows: a phone, and what stays at the top of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, Route, ViewportSize

from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.entry.draft import fields_of
from pump_ctrl.web.entry.steps import steps
from tests.web.kit import ROOT, approved, draft

ROOMS: Final = ("/plans", "/pumps", "/journal", "/formulary", "/accounts")
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
DESK: Final[ViewportSize] = {"width": 1280, "height": 900}


@pytest.fixture
def ann(desk: Callable[[str], Page]) -> Iterator[Page]:
    page = desk("ann")
    size = page.viewport_size
    assert size is not None
    yield page
    page.set_viewport_size(size)


def pages(place: Path) -> list[str]:
    plan = load_plan(ROOT / "examples" / "a-flex-night-bolus.toml")
    finish, signed = draft(place, fields_of(plan)), approved(place, plan)
    steps_of = [finish.replace("/finish", f"/{step.key}") for step in steps()]
    return [*ROOMS, *steps_of, finish, signed, f"{signed}/paper"]


def test_no_page_scrolls_sideways_on_a_phone(ann: Page, at: str, place: Path) -> None:
    ann.set_viewport_size(PHONE)
    wide = []
    for path in pages(place):
        ann.goto(f"{at}{path}")
        width = ann.evaluate("document.documentElement.scrollWidth")
        wide += [f"{path}: {width} px"] if width > PHONE["width"] else []
    assert wide == []


def test_on_a_phone_each_field_stands_below_its_label(ann: Page, at: str, place: Path) -> None:
    ann.set_viewport_size(PHONE)
    ann.goto(f"{at}{draft(place, fields_of(load_plan(ROOT / 'examples' / 'a-flex-night-bolus.toml')))}")
    ann.goto(ann.url.replace("/finish", "/patient"))
    label, field = ann.locator("label[for=title]").bounding_box(), ann.locator("#title").bounding_box()
    assert label is not None
    assert field is not None
    assert label["y"] + label["height"] <= field["y"]
    assert field["width"] >= 300


def test_the_meaning_stands_whole_beside_the_form_on_a_small_desk(ann: Page, at: str, place: Path) -> None:
    ann.set_viewport_size(DESK)
    ann.goto(f"{at}{draft(place, fields_of(load_plan(ROOT / 'examples' / 'a-flex-night-bolus.toml')))}")
    ann.goto(ann.url.replace("/finish", "/infusion"))
    cut = ann.evaluate(
        """() => [...document.querySelectorAll("#panel .scroll, #panel figure")]
            .filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.innerText.slice(0, 40))"""
    )
    assert cut == []


def stop_bar(*controllers: tuple[str, str]) -> str:
    return "".join(
        f'<form method="post" action="/pumps/{key}/stop"><button class="stop">STOP <span>{key}</span> '
        f"<em>{mark}</em></button></form>"
        for key, mark in controllers
    )


def test_no_stop_moves_from_under_a_finger(ann: Page, at: str) -> None:
    now = [stop_bar(("A", ""), ("B", ""))]

    def answer(route: Route) -> None:
        route.fulfill(body=now[0], content_type="text/html")

    def bar() -> dict[str, tuple[float, float]]:
        found = [(each.inner_text(), each.bounding_box()) for each in ann.locator(".stops button").all()]
        return {" ".join(text.split()): (box["x"], box["y"]) for text, box in found if box is not None}

    ann.set_viewport_size(DESK)
    ann.route("**/stops", answer)
    ann.goto(f"{at}/plans")
    ann.wait_for_selector(".stops button >> nth=1")
    before = bar()
    now[0] = stop_bar(("AA-NEW", ""), ("B", "✖ silent"))
    ann.wait_for_selector(".stops button >> nth=2")
    after = bar()
    ann.unroute("**/stops")
    assert list(after) == ["STOP A ✖ ended", "STOP B ✖ silent", "STOP AA-NEW"]
    assert after["STOP A ✖ ended"] == before["STOP A"]
    assert after["STOP B ✖ silent"] == before["STOP B"]


def test_the_bar_with_stop_hides_nothing_of_what_the_plan_means(ann: Page, at: str, place: Path) -> None:
    ann.set_viewport_size(DESK)
    ann.route("**/stops", lambda route: route.fulfill(body=stop_bar(("A", "")), content_type="text/html"))
    ann.goto(f"{at}{draft(place, fields_of(load_plan(ROOT / 'examples' / 'f-taper.toml')))}")
    ann.goto(ann.url.replace("/finish", "/titration"))
    ann.wait_for_selector(".stops button")
    ann.evaluate("window.scrollTo(0, 600)")
    ann.wait_for_function("window.scrollY > 0")
    bar, panel = ann.locator(".stops").bounding_box(), ann.locator("#panel").bounding_box()
    ann.unroute("**/stops")
    assert bar is not None
    assert panel is not None
    assert bar["y"] + bar["height"] <= panel["y"]
