"""A wrong value of each kind of field: the sentence stands at the field, live and without script."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.entry.draft import fields_of
from tests.web.kit import ROOT, Seen, by_id, draft, log_in

A, C = "a-flex-night-bolus", "c-patient-bolus"
VOLUME = 'is not a volume; allowed: digits, a point at most and a unit, such as "1.4 mL"'
MASS = 'is not a mass; allowed: digits, a point at most and a unit, such as "250 ug"'
VALUES = [  # plan, step, field, what is typed, what the page says there
    (A, "patient", "id", "ITB 014", "'ITB 014' is not a name; allowed: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with"),
    (A, "patient", "id", "<script>alert(1)</script>", "is not a name"),
    (A, "patient", "title", "\N{RIGHT-TO-LEFT OVERRIDE}abc", "unprintable characters; allowed: one printed line"),
    (A, "patient", "patient", "", "is missing"),
    (A, "reservoir", "reservoir.filled", "4O", f"'4O mL' {VOLUME}"),
    (A, "reservoir", "reservoir.filled", "-40", f"'-40 mL' {VOLUME}"),
    (A, "reservoir", "reservoir.filled", "41", "fill of 41 mL is more than the 40 mL of implant-40"),
    (A, "reservoir", "reservoir.drugs#1.concentration", "2001", "baclofen 2001 ug/mL is above 2000 ug/mL [S59]"),
    (A, "infusion", "basal.steps#2.dose", "NaN", f"'NaN ug' {MASS}"),
    (A, "infusion", "basal.steps#2.dose", "1,5", f"'1,5 ug' {MASS}"),
    (A, "infusion", "basal.steps#2.dose", "169 mg", f"'169 mg ug' {MASS}"),
    (A, "infusion", "basal.steps#2.from", "25:00", "'25:00' is not a time of day; allowed: \"00:00\" to \"23:59\""),
    (A, "infusion", "basal.steps#2.from", "05:00", "05:00 is before the step at 06:00; allowed: steps in order"),
    (A, "boluses", "bolus#1.over", "0", "a bolus over 0 s; allowed: above 0 s, at most 24 h"),
    (C, "boluses", "patient_bolus.max_per_day", "2.5", "'2.5' is not a whole number"),
]  # fmt: skip


@pytest.fixture(scope="module")
def bases(place: Path) -> dict[str, str]:
    """Where the steps of each plan are."""
    examples = {name: fields_of(load_plan(ROOT / "examples" / f"{name}.toml")) for name in (A, C)}
    return {name: draft(place, fields).removesuffix("finish") for name, fields in examples.items()}


@pytest.mark.parametrize(("plan", "step", "field", "typed", "sentence"), VALUES)
def test_a_wrong_value_is_refused_where_it_is_typed(
    ann: Page, at: str, bases: dict[str, str], plan: str, step: str, field: str, typed: str, sentence: str
) -> None:
    ann.goto(f"{at}{bases[plan]}{step}")
    place = ann.locator(by_id(ann, field))
    right = place.input_value()
    place.fill(typed)
    told = ann.locator(by_id(ann, f"{field}:problem"))
    told.filter(has_text=sentence).wait_for()
    assert place.get_attribute("aria-invalid") == "true"
    assert f"{field}:problem" in (place.get_attribute("aria-describedby") or "").split()
    assert place.input_value() == typed
    place.fill(right)
    told.wait_for(state="hidden")
    assert place.get_attribute("aria-invalid") is None


def test_a_day_that_is_in_no_calendar_is_refused(ann: Page, at: str, bases: dict[str, str]) -> None:
    ann.goto(f"{at}{bases[A]}patient")
    ann.fill("[name='start~day']", "31")
    ann.locator(by_id(ann, "start:problem")).filter(has_text="is no day of the calendar").wait_for()


def test_without_script_the_same_sentence_comes_and_nothing_typed_is_lost(
    browser: Browser, at: str, place: Path
) -> None:
    fields = fields_of(load_plan(ROOT / "examples" / f"{A}.toml"))
    path = draft(place, fields).removesuffix("finish")
    with browser.new_context(java_script_enabled=False) as context:
        page, seen = context.new_page(), Seen(at)
        seen.watch(page)
        log_in(page, at, "ann")
        page.goto(f"{at}{path}infusion")
        page.locator(by_id(page, "basal.steps#2.dose")).fill("16x")
        page.click("main button:text-is('Save')")
        page.wait_for_load_state()
        assert f"'16x ug' {MASS}" in page.locator(by_id(page, "basal.steps#2.dose:problem")).inner_text()
        assert page.locator(by_id(page, "basal.steps#2.dose")).input_value() == "16x"
        page.goto(f"{at}{path}finish")
        assert "The plan is not complete" in page.inner_text("main")
    assert seen.wrong == []
