"""Wrong values of every field of plan entry: the sentence stands at the field, live and without script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.entry.draft import fields_of
from pump_ctrl.web.entry.steps import steps
from tests.web.kit import ROOT, Seen, by_id, draft, log_in
from tests.web.wrong_values import FINDINGS, SHEETS, START, A, Sheet

STEPS = [step.key for step in steps()] + ["finish"]
# Choose it, as an older page or a forged form would: what is not offered is put there first.
CHOOSE = """(each, value) => {
  if (![...each.options].some((option) => option.value === value)) each.add(new Option(value, value));
  each.value = value;
  each.dispatchEvent(new Event("input", { bubbles: true }));
}"""


@pytest.fixture
def base(at: str, place: Path) -> Callable[[Sheet], str]:
    """A new draft in which all fields of a sheet can be seen and none is wrong; the address of its steps."""

    def made(sheet: Sheet) -> str:
        fields = fields_of(load_plan(ROOT / "examples" / f"{sheet.plan}.toml"))
        return at + draft(place, {**fields, **sheet.also}).removesuffix("finish")

    return made


@pytest.fixture(scope="module")
def plain(browser: Browser, at: str) -> Iterator[Page]:
    """Ann's page in a browser without script."""
    with browser.new_context(java_script_enabled=False) as context:
        seen = Seen(at)
        seen.watch(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        log_in(page, at, "ann")
        yield page
    assert seen.wrong == []


def boxes(page: Page, name: str) -> list[Locator]:
    return page.locator(f'input[type="checkbox"][name="{name}"]').all()


def type_wrong(page: Page, sheet: Sheet) -> None:
    """Fields first: a choice hides some of them."""
    for name in sorted(sheet.wrong, key=lambda name: name.endswith("~kind")):
        for part, text in parts(sheet, name):
            place = page.locator(f'[name="{part}"]')
            if days := boxes(page, part):
                for box in days:
                    box.set_checked(box.get_attribute("value") in text.split())
            elif place.evaluate("each => each.tagName") == "SELECT":
                place.evaluate(CHOOSE, text)
            else:
                place.fill(text)


def parts(sheet: Sheet, name: str) -> list[tuple[str, str]]:
    """The inputs of a field and what is typed into each."""
    text = sheet.wrong[name][0]
    if name != "start":
        return [(name, text)]
    return list(zip([f"start~{part}" for part in START], text.split(), strict=True))


def stands_there(page: Page, sheet: Sheet) -> None:
    """Each sentence at its field, which says that it is wrong and where that is told; what was typed is still there."""
    for name, (_, sentence) in sheet.wrong.items():
        place, told = page.locator(by_id(page, name)), page.locator(by_id(page, f"{name}:problem"))
        assert (name, told.text_content()) == (name, sentence)
        assert told.is_visible() or not place.is_visible()
        assert place.get_attribute("aria-invalid") == "true", name
        assert f"{name}:problem" in (place.get_attribute("aria-describedby") or "").split()
        for part, text in parts(sheet, name):
            if days := boxes(page, part):
                assert [box.get_attribute("value") for box in days if box.is_checked()] == text.split()
            else:
                assert page.locator(f'[name="{part}"]').input_value() == text


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_wrong_values_are_refused_where_they_are_typed(
    ann: Page, base: Callable[[Sheet], str], sheet: Sheet
) -> None:
    at = base(sheet)
    ann.goto(at + sheet.step)
    before = {name: ann.locator(by_id(ann, f"{name}:problem")).text_content() for name in sheet.wrong}
    assert [name for name, (text, sentence) in sheet.wrong.items() if text and before[name] == sentence] == []
    type_wrong(ann, sheet)
    for name, (_, sentence) in sheet.wrong.items():
        ann.locator(by_id(ann, f"{name}:problem")).filter(has_text=sentence).wait_for(state="attached")
    stands_there(ann, sheet)


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_without_script_the_same_sentences_come_and_nothing_typed_is_lost(
    plain: Page, base: Callable[[Sheet], str], sheet: Sheet
) -> None:
    at = base(sheet)
    plain.goto(at + sheet.step)
    type_wrong(plain, sheet)
    plain.click("text=Save and go on")
    plain.wait_for_url(at + STEPS[STEPS.index(sheet.step) + 1])
    plain.goto(f"{at}finish")
    told = plain.inner_text("main .todo")
    assert [name for name, (_, sentence) in sheet.wrong.items() if sentence not in told] == []
    assert plain.locator("form.sign").count() == 0
    plain.goto(at + sheet.step)
    stands_there(plain, sheet)


@pytest.mark.parametrize(("where", "told"), FINDINGS.items(), ids=[name for _, name in FINDINGS])
def test_what_the_review_blocks_stands_at_the_field_and_goes_when_it_is_right_again(
    ann: Page, base: Callable[[Sheet], str], where: tuple[str, str], told: tuple[str, str]
) -> None:
    step, name = where
    ann.goto(base(Sheet(A, step, {})) + step)
    field, words = ann.locator(by_id(ann, name)), ann.locator(by_id(ann, f"{name}:problem"))
    right = field.input_value()
    field.fill(told[0])
    words.filter(has_text=told[1]).wait_for()
    assert field.get_attribute("aria-invalid") == "true"
    field.fill(right)
    words.wait_for(state="hidden")
    assert field.get_attribute("aria-invalid") is None


def test_ten_megabytes_are_not_sent_and_nothing_that_was_typed_is_lost(
    ann: Page, base: Callable[[Sheet], str]
) -> None:
    ann.goto(base(Sheet(A, "patient", {})) + "patient")
    ann.fill(by_id(ann, "prescriber"), "Dr Typed Just Now")
    ann.locator(by_id(ann, "title")).evaluate("each => { each.value = 'x'.repeat(10_000_000); }")
    ann.locator(by_id(ann, "title")).dispatch_event("input")
    told = ann.locator("#panel").filter(has_text="More was typed than a form may hold")
    told.wait_for()
    ann.click("text=Save and go on")
    ann.wait_for_timeout(200)
    assert ann.url.endswith("/patient")
    assert ann.input_value(by_id(ann, "prescriber")) == "Dr Typed Just Now"
    ann.fill(by_id(ann, "title"), "A title of a few words")
    told.wait_for(state="detached")
    ann.click("text=Save and go on")
    ann.wait_for_url("**/reservoir")


def test_the_check_is_asked_for_150_ms_after_the_last_key_and_not_before(
    browser: Browser, at: str, base: Callable[[Sheet], str]
) -> None:
    """By a clock of the browser's that stands until it is told to go on."""
    with browser.new_context() as context:
        seen, asked = Seen(at), list[str]()
        seen.watch(context)
        page = context.new_page()
        log_in(page, at, "ann")
        page.clock.install()
        page.goto(base(Sheet(A, "infusion", {})) + "infusion")
        page.clock.pause_at(page.evaluate("Date.now() + 60_000"))
        page.on("request", lambda request: asked.append(request.url))
        dose = page.locator(by_id(page, "basal.steps#2.dose"))
        for text in ("1", "16", "16x"):
            dose.fill(text)
            page.clock.run_for(149)
        assert [url for url in asked if url.endswith("/check")] == []
        with page.expect_response("**/check"):
            page.clock.run_for(1)
        page.locator(by_id(page, "basal.steps#2.dose:problem")).filter(
            has_text="'16x ug' is not a mass"
        ).wait_for()
        assert len([url for url in asked if url.endswith("/check")]) == 1
    assert seen.wrong == []
