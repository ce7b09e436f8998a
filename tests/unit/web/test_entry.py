"""Plan entry over the wire: what is typed is saved, checked and shown, and never lost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner
from httpx import Response

from pump_ctrl.cli.main import cli
from pump_ctrl.clinic import Draft
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.door import MAX_BODY
from pump_ctrl.web.entry.draft import fields_of
from pump_ctrl.web.entry.steps import steps
from tests.unit.web.kit import Desk, Page

EXAMPLES: Final = Path(__file__).parents[3] / "examples"
FLEX: Final = fields_of(load_plan(EXAMPLES / "a-flex-night-bolus.toml"))
HOSTILE: Final = '"><script>alert(1)</script>'
KEYS: Final = [step.key for step in steps()]


def new(page: Page, fields: Mapping[str, str]) -> Draft:
    return page.clinic.drafts.new("ann", fields)


def saved(page: Page, draft: Draft) -> Draft:
    found = page.clinic.drafts.get(draft.key)
    assert found is not None
    return found


def form_of(desk: Desk, at: str) -> dict[str, str]:
    """What a browser would send back of a form that nobody touched."""
    text = desk.get(at).text
    form = re.search(rf'<form id="entry".*?action="{at}".*?</form>', text, re.DOTALL)
    assert form
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        name, value = re.search(r' name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            text = unescape(value[1]) if value else ""
            found[unescape(name[1])] = (
                f"{found[name[1]]} {text}" if "checkbox" in tag and name[1] in found else text
            )
    for name_, inner in re.findall(r'<select[^>]* name="([^"]*)".*?>(.*?)</select>', form[0], re.DOTALL):
        options = re.findall(r'<option(?: value="([^"]*)")?( selected)?>(.*?)</option>', inner)
        value_, _, words = next((each for each in options if each[1]), options[0])
        found[unescape(name_)] = unescape(
            value_ or ("" if "…" in words or words.startswith(("no ", "does")) else words)
        )
    return found


def send(desk: Desk, draft: Draft, step: str, do: str = "check", **typed: str) -> Response:
    at = f"/plans/{draft.key}/{step}"
    return desk.post(
        at, {**form_of(desk, at), **{k.replace("__", "~"): v for k, v in typed.items()}, "do": do}
    )


def beside(text: str, name: str) -> str:
    """The words that stand beside a field; empty if none are shown."""
    found = re.search(rf'data-beside="{re.escape(name)}"( hidden)?>(.*?)</span>', text)
    assert found, f"{name} has no place for words"
    return "" if found[1] else unescape(found[2])


def test_a_form_that_nobody_touched_is_the_plan_it_was(page: Page, ann: Desk) -> None:
    draft = new(page, FLEX)
    for key in KEYS:
        answer = send(ann, draft, key, "next")
        assert answer.status_code == 303
    assert answer.headers["location"] == f"/plans/{draft.key}/finish"
    kept = saved(page, draft).fields
    from_form = {name: text for name, text in kept.items() if FLEX.get(name, "") != text}
    assert all(name.endswith(("~unit", "~rows", "~kind")) or not text for name, text in from_form.items())
    assert {name: kept.get(name, "") for name in FLEX if FLEX[name]} == {n: t for n, t in FLEX.items() if t}


def test_a_wrong_value_is_saved_shown_and_told_beside_its_field(page: Page, ann: Desk) -> None:
    draft = new(page, FLEX)
    answer = send(ann, draft, "infusion", **{"basal.steps#2.dose": "1.5 mg"})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/plans/{draft.key}/infusion#basal.steps%232.dose"
    text = ann.get(f"/plans/{draft.key}/infusion").text
    assert beside(text, "basal.steps#2.dose").startswith("'1.5 mg ug' is not a mass; allowed: ")
    assert beside(text, "basal.steps#1.dose") == ""
    shown = re.search(r'<input id="basal.steps#2.dose"[^>]*>', text)
    assert shown
    assert 'aria-invalid="true"' in shown[0]
    assert 'value="1.5 mg"' in shown[0]
    assert 'aria-describedby="basal.steps#2.dose:hint basal.steps#2.dose:problem"' in shown[0]
    assert "✖ 1" in ann.get(f"/plans/{draft.key}/patient").text


def test_another_step_is_gone_to_after_saving_also_from_a_problem(page: Page, ann: Desk) -> None:
    draft = new(page, {})
    panel = ann.get(f"/plans/{draft.key}/patient").text
    assert 'form="entry" name="do" value="go reservoir#reservoir.filled">Filled</button>' in panel
    answer = send(ann, draft, "patient", "go reservoir#reservoir.filled", title="Typed")
    assert answer.headers["location"] == f"/plans/{draft.key}/reservoir#reservoir.filled"
    assert saved(page, draft).fields["title"] == "Typed"
    for odd in (
        "go //evil.example",
        "go nowhere",
        "go",
        "",
        "next next",
        "add x#1",
        "remove x#y",
        "remove basal.steps#²",
    ):
        to = send(ann, draft, "patient", odd).headers["location"]
        assert to.partition("#")[0] in {f"/plans/{draft.key}/patient", f"/plans/{draft.key}/reservoir"}
    assert saved(page, draft).fields["title"] == "Typed"


def test_a_row_is_added_and_taken_out_and_what_was_typed_is_saved_on_the_way(page: Page, ann: Desk) -> None:
    draft = new(page, FLEX)
    answer = send(ann, draft, "infusion", "add basal.steps", **{"basal.steps#4.dose": "97"})
    assert answer.headers["location"].endswith("/infusion#basal.steps")
    assert 'id="basal.steps#5"' in ann.get(f"/plans/{draft.key}/infusion").text
    assert saved(page, draft).fields["basal.steps#4.dose"] == "97"
    send(ann, draft, "infusion", "remove basal.steps#2")
    kept = saved(page, draft).fields
    assert [kept[f"basal.steps#{n}.from"] for n in (1, 2, 3)] == ["06:00", "22:00", "22:20"]
    send(ann, draft, "infusion", "remove bolus#1")  # of another step
    assert saved(page, draft).fields["bolus#1.at"] == "22:00"


def test_names_that_are_not_ours_are_not_kept_and_rows_have_an_end(page: Page, ann: Desk) -> None:
    draft = new(page, {})
    odd = {"basal.steps#999999.dose": "1", "a..b": "1", "#": "1", "a..b~unit": "ug", "basal.steps~rows": "999",
           "basal.days~rows": "7", "title": "of another step"}  # fmt: skip
    send(ann, draft, "infusion", **odd)
    kept = saved(page, draft).fields
    assert {"basal.steps#999999.dose", "a..b", "#", "a..b~unit", "title"}.isdisjoint(kept)
    text = ann.get(f"/plans/{draft.key}/infusion").text
    assert len(re.findall(r'<fieldset class="row"', text)) == 1 + 7 + 7


# --- two people, two windows ----------------------------------------------------------------------------------------


def test_who_saved_meanwhile_is_named_and_nothing_typed_is_lost(page: Page, ann: Desk) -> None:
    draft, eve = new(page, FLEX), page.desk("eve")
    at = f"/plans/{draft.key}/patient"
    mine = form_of(ann, at) | {"title": "Ann's title", "do": "next"}
    eves = {**form_of(eve, at), "title": "Eve's title", "prescriber": "eve", "do": "check"}
    assert eve.post(at, eves).status_code == 303
    answer = ann.post(at, mine)
    assert answer.status_code == 409
    assert "eve has saved this plan meanwhile." in answer.text
    assert 'id="failed"' in answer.text
    words = [unescape(each) for each in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", answer.text)]
    row = words.index("Title")
    assert words[row + 1 : row + 3] == ["Ann's title", "Eve's title"]
    assert words[words.index("Prescriber") + 2] == "eve"
    assert 'value="Ann&#39;s title"' in answer.text
    assert saved(page, draft).fields["title"] == "Eve's title"
    again = re.search(
        r'name="form" value="([^"]*)">\s*<input type="hidden" name="revision" value="([0-9]+)"', answer.text
    )
    assert again
    assert ann.post(at, {**mine, "form": again[1], "revision": again[2]}).status_code == 303
    assert saved(page, draft).fields["title"] == "Ann's title"


def test_a_form_counts_once_and_what_it_says_still_stands(page: Page, ann: Desk) -> None:
    draft = new(page, FLEX)
    at = f"/plans/{draft.key}/patient"
    form = form_of(ann, at) | {"title": "First", "do": "check"}
    assert ann.post(at, form).status_code == 303
    answer = ann.post(at, {**form, "title": "Second"})
    assert answer.status_code == 409
    assert "was sent before" in answer.text
    assert 'value="Second"' in answer.text
    assert saved(page, draft).fields["title"] == "First"


@pytest.mark.parametrize("revision", ["", "x", "²", "9" * 5_000, "-1", "0"])
def test_an_odd_revision_saves_nothing(page: Page, ann: Desk, revision: str) -> None:
    draft = new(page, FLEX)
    assert send(ann, draft, "patient", title="Changed", revision=revision).status_code == 409
    assert saved(page, draft).fields["title"] == FLEX["title"]


def test_who_was_logged_out_while_typing_finds_it_again_after_logging_in(page: Page) -> None:
    desk, draft = page.desk("ann"), new(page, FLEX)
    at = f"/plans/{draft.key}/patient"
    form = form_of(desk, at) | {"title": HOSTILE, "do": "next"}
    nobody = page.desk()
    answer = nobody.post(at, form)
    assert answer.status_code == 401
    assert "You were logged out" in answer.text
    assert "<script>alert" not in answer.text
    assert FLEX["reservoir.filled"] not in re.findall(r'name="reservoir.filled" value="([^"]*)"', answer.text)
    kept = {
        unescape(n): unescape(v)
        for n, v in re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', answer.text)
    }
    assert kept["title"] == HOSTILE
    again = page.desk("ann").post(at, {**kept, "do": "check"})
    assert again.status_code == 409
    assert "&lt;script&gt;alert" in again.text
    assert saved(page, draft).fields["title"] == FLEX["title"]


# --- the live check -------------------------------------------------------------------------------------------------


def live(
    desk: Desk, draft: Draft, step: str, origin: str = "http://127.0.0.1:8080", **typed: str
) -> Response:
    at = f"/plans/{draft.key}/{step}"
    return desk.post(f"{at}/check", {**form_of(desk, at), **typed}, origin)


def test_a_live_check_saves_nothing_spends_nothing_and_tells_the_field(page: Page, ann: Desk) -> None:
    draft = new(page, FLEX)
    at = f"/plans/{draft.key}/infusion"
    form = form_of(ann, at) | {"basal.steps#2.dose": "1,5"}
    for _ in range(3):
        answer = ann.post(f"{at}/check", form)
        assert answer.status_code == 200
        assert answer.json()["beside"]["basal.steps#2.dose"]["level"] == "blocked"
        assert answer.json()["beside"]["basal.steps#2.dose"]["text"].startswith("'1,5 ug' is not a mass")
    assert saved(page, draft) == draft
    assert ann.post(at, {**form, "do": "check"}).status_code == 303


def test_a_live_check_of_a_sound_step_shows_the_figures(page: Page, ann: Desk) -> None:
    answer = live(ann, new(page, FLEX), "infusion").json()
    assert "<svg" in answer["panel"]
    assert answer["beside"]["basal~kind"]["level"] == "reason"
    assert answer["fluid"] == ""


def test_a_refused_live_check_is_a_sentence_and_not_a_page(page: Page, ann: Desk) -> None:
    draft = new(page, FLEX)
    at = f"/plans/{draft.key}/patient"
    form = form_of(ann, at)
    others = [
        (
            ann.post(f"{at}/check", {**form, "form": "x"}),
            403,
            "the form is not one that this page made for you",
        ),
        (ann.post(f"{at}/check", {}), 403, "the form is not one that this page made for you"),
        (page.desk("eve").post(f"{at}/check", form), 403, "the form is not one that this page made for you"),
        (page.desk("dan").post(f"{at}/check", form), 403, "dan (viewer) may not do this"),
        (page.desk().post(f"{at}/check", form), 401, "you were logged out"),
        (ann.post(f"{at}/check", {**form, "title": "\0"}), 400, "control character"),
        (ann.post(f"/plans/{'0' * 12}/patient/check", form), 404, "Not checked"),
    ]
    for answer, status, words in others:
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/json"
        assert words in answer.json()["said"]
        assert set(answer.json()) == {"said"}
    away = ann.post(f"{at}/check", form, "http://evil.example")
    assert (away.status_code, away.headers["content-type"].partition(";")[0]) == (403, "text/plain")
    assert "another site" in away.text
    assert ann.post(f"{at}/check", form, "").status_code == 403


def test_a_form_is_good_for_two_hours(page: Page) -> None:
    desk, draft = page.desk("ann"), new(page, FLEX)
    at = f"/plans/{draft.key}/patient"
    form = form_of(desk, at)
    for minutes, status in ((25, 200), (25, 200), (25, 200), (25, 200), (19, 200), (1, 403)):
        page.clock.advance(minutes * 60_000)
        assert desk.post(f"{at}/check", form).status_code == status
    answer = desk.post(at, {**form, "title": "Late", "do": "check"})
    assert answer.status_code == 409
    assert "older than two hours" in answer.text
    assert 'value="Late"' in answer.text


@pytest.mark.parametrize("names", [
    ("title",), ("id", "prescriber", "basal.steps#1.dose", "basal.steps#1.dose~unit", "reservoir.drugs#1.name",
     "catheter.model", "start~day", "previous", "utc_offset", "bolus#1.within~unit", "limits.max_bolus"),
])  # fmt: skip
def test_what_was_typed_is_never_markup(page: Page, ann: Desk, names: tuple[str, ...]) -> None:
    draft = new(page, {**FLEX, **dict.fromkeys(names, HOSTILE)})
    for step in KEYS:
        text, panel = ann.get(f"/plans/{draft.key}/{step}").text, live(ann, draft, step).json()["panel"]
        assert "&lt;script&gt;alert" in text or step != "patient"
        assert "<script>alert" not in text + panel
    assert "<script>alert" not in ann.get("/plans").text


def test_the_script_sets_words_as_text_and_markup_only_from_the_templates() -> None:
    file = Path(__file__).parents[3] / "pump_ctrl" / "web" / "static" / "page.js"
    script = file.read_text(encoding="utf-8")
    entry = script[script.index("function showBeside") : script.index("function focusFirst")]
    assert re.findall(r"(\w+)\.innerHTML = (.*?);", entry) == [("panel", "found.panel")]
    assert "insertAdjacentHTML" not in script
    assert "eval(" not in script


def test_the_script_sends_no_more_than_the_server_takes() -> None:
    file = Path(__file__).parents[3] / "pump_ctrl" / "web" / "static" / "page.js"
    assert re.findall("MOST_BYTES = ([0-9]+);", file.read_text(encoding="utf-8")) == ["200000"]
    assert MAX_BODY == 200_000


def test_the_change_step_says_what_the_path_holds(page: Page, ann: Desk) -> None:
    draft = new(page, FLEX)
    text = ann.get(f"/plans/{draft.key}/change").text
    assert '<p class="note" id="fluid" role="status" hidden></p>' in text


# --- the figures ----------------------------------------------------------------------------------------------------

PLANS: Final = ("a-flex-night-bolus", "a2-minimum-with-boluses", "b-morphine-continuous", "c-patient-bolus",
                "d-ziconotide-titration", "e-bridge", "e2-bridge", "f-taper", "g-itb-start")  # fmt: skip
AFTER: Final = {"e-bridge": "e-bridge-before", "e2-bridge": "e2-bridge-before"}


def words_of(markup: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", markup)))


@pytest.mark.parametrize("name", PLANS)
def test_the_panel_says_what_plan_show_says(page: Page, ann: Desk, name: str) -> None:
    """Every figure with its unit that the command line prints of doses, day, windows, volumes and dates."""
    file, before = EXAMPLES / f"{name}.toml", AFTER.get(name)
    command = ["plan", "show", str(file)]
    if before:
        account = page.clinic.accounts.get("ann")
        assert account is not None
        page.clinic.versions.know(load_plan(EXAMPLES / f"{before}.toml"), account)
        command += ["--previous", str(EXAMPLES / f"{before}.toml")]
    shown = CliRunner().invoke(cli, command)
    assert shown.exit_code == 0, shown.output
    told = shown.output.partition("Doses a day")[2]
    draft = new(page, fields_of(load_plan(file)))
    panel = words_of(ann.get(f"/plans/{draft.key}/catheter").text.partition('<aside id="panel"')[2])
    figures = set(re.findall(r"[0-9.]+ (?:ug|mg|uL|mL|mL/day|days|d|h|min|%)(?![a-zA-Z/])", told))
    dates = set(re.findall(r"[A-Z][a-z]+day [0-9]+ [A-Z][a-z]+ 20[0-9]{2}", told))
    flows = {
        f"{each} mL/day"
        for each in re.findall(r"(?<![0-9.])[0-9]+\.[0-9]{4}(?![0-9]| [um]g)", told.partition("Asked")[0])
    }
    assert flows
    wanted = flows | {each for each in figures | dates if not _of_the_file(each, told)}
    assert len(wanted) > 8
    assert {each for each in wanted if each not in panel} == set()
    for part in ("low-reservoir alarm", "refill by", "stability", "path to the tip", "Rate", "Flow"):
        assert part in panel


def _of_the_file(figure: str, told: str) -> bool:
    """What the panel need not repeat, since it stands in the form: the fill, the residual and the alarm volume."""
    lines = [line for line in told.splitlines() if figure in line]
    return all(
        re.match(r"\s+(filled|alarm|reservoir-low:)|.*reservoir-low|.* %$|.*The pump gives", line)
        for line in lines
    )
