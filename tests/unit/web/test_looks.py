"""What a page has to look like, as far as that shows without a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

import pump_ctrl.web
from pump_ctrl import figures
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.web.comparison import compared

WEB: Final = Path(pump_ctrl.web.__file__).parent
STYLE: Final = (WEB / "static" / "style.css").read_text(encoding="utf-8")
EXAMPLES: Final = Path(__file__).parents[3] / "examples"
STRIPES: Final = ("#f1f2f3", "#e6e8ea")


def brightness(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.1)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_worked_out_as_the_standard_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def colours_on_stripes() -> list[str]:
    """The colour of plain text there, and every colour that a mark, a link or the age has."""
    plain = re.search(r"\.silent { color: (#[0-9a-f]{6});", STYLE)
    assert plain
    return [
        plain[1],
        *(re.findall(rf"--{name}: (#[0-9a-f]{{6}})", STYLE)[0] for name in ("link", "problem", "warn")),
    ]


@pytest.mark.parametrize("stripe", STRIPES)
def test_what_is_silent_is_still_read_with_a_contrast_of_7_to_1(stripe: str) -> None:
    assert f"{stripe} " in STYLE
    for colour in colours_on_stripes():
        assert contrast(colour, stripe) >= 7, colour


def test_what_was_heard_last_is_called_so_before_it_is_read() -> None:
    assert '.silent .facts::before { content: "As it was heard last:";' in STYLE


def test_every_table_scrolls_by_itself_and_not_the_page() -> None:
    bare = [
        f"{file.name}: {text[-60:]}"
        for file in sorted((WEB / "templates").glob("*.html"))
        for text in file.read_text(encoding="utf-8").split("<table")[:-1]
        if not text.rstrip().endswith('<div class="scroll">')
    ]
    assert bare == []


def test_two_steps_of_a_slow_titration_are_two_rates() -> None:
    assert figures.rate(2_000) == "0.0020 mL/h (0.0480 mL/day)"
    assert figures.rate(2_833) == "0.0028 mL/h (0.0680 mL/day)"


def test_the_comparison_has_the_fields_in_the_order_in_which_the_form_asks_for_them() -> None:
    plan = load_plan(EXAMPLES / "a-flex-night-bolus.toml")
    parts = {part.title: part for part in compared(None, plan, load_profile(plan.pump)).parts}
    assert [line.label for line in parts["Patient and pump"].lines][:5] == [
        "Name of the plan", "Title", "Patient", "Prescriber", "Pump",
    ]  # fmt: skip
    assert [line.name for line in parts["Infusion"].lines][:4] == [
        "basal.steps#1.from", "basal.steps#1.dose", "basal.steps#2.from", "basal.steps#2.dose",
    ]  # fmt: skip
    assert [line.label for line in parts["Patient and pump"].lines][-2:] == [
        "If control is lost, hold for", "Form of the plan file",
    ]  # fmt: skip


def test_a_bridge_over_the_path_is_a_row_that_is_marked() -> None:
    before, after = load_plan(EXAMPLES / "e-bridge-before.toml"), load_plan(EXAMPLES / "e-bridge.toml")
    parts = {part.title: part for part in compared(before, after, load_profile(after.pump)).parts}
    [line] = [line for line in parts["Change of drug, bridge and prime"].lines if line.name == "bridge"]
    assert (line.label, line.current, line.pending, line.change, line.changed) == (
        "Bridge bolus",
        "",
        "yes",
        "new",
        True,
    )


def test_who_signs_as_the_second_person_comes_to_the_form_after_what_is_signed() -> None:
    text = (WEB / "templates" / "signed.html").read_text(encoding="utf-8")
    assert text.index("{{ figures_of(overview, plan) }}") < text.index('/second"')
