"""A plan as a file: what is read back is the same plan, whatever stands in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli_w

from pump_ctrl.therapy.plan import load_plan, parse_plan
from pump_ctrl.therapy.plan_write import plan_text
from tests.unit.review_bench import plan

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_a_plan_that_is_written_is_read_as_the_same_plan(file: Path, tmp_path: Path) -> None:
    here = load_plan(file)
    (tmp_path / "plan.toml").write_text(plan_text(here), encoding="utf-8")
    assert load_plan(tmp_path / "plan.toml").sha256 == here.sha256
    assert plan_text(load_plan(tmp_path / "plan.toml")) == plan_text(here)


@pytest.mark.parametrize(
    "title",
    [
        '"',
        "'''",
        '"""',
        "\\",
        "\\u0041",
        "# no comment",
        "= [x]",
        "µg × 10",
        "😀",
        "</script>",
        "{{ 7 * 7 }}",
    ],
)
def test_no_sign_of_a_text_changes_what_is_written(title: str) -> None:
    here = plan(title=title)
    assert parse_plan(plan_text(here)).title == title
    assert parse_plan(plan_text(here)).sha256 == here.sha256


def test_the_file_says_what_it_is_of_and_has_the_parts_in_the_order_of_the_format() -> None:
    here = plan(rate="200 ug/day")
    head, *rest = plan_text(here).splitlines()
    assert head == f"# T-1, sha256 {here.sha256}. A change makes it another plan, which nobody has signed."
    keys = [match[1] for line in rest if (match := re.match(r"\[?([a-z_]+)\b", line))]
    order = (
        "schema",
        "id",
        "title",
        "patient",
        "pump",
        "utc_offset",
        "start",
        "reservoir",
        "catheter",
        "basal",
    )
    places = [keys.index(name) for name in order]
    assert places == sorted(places)


def test_quantities_stand_with_their_units() -> None:
    text = plan_text(plan(rate="200 ug/day"))
    assert '\nrate = "200 ug/day"\n' in text
    assert '{ concentration = "1000 ug/mL", name = "baclofen" }' in text


def test_what_would_be_read_as_another_plan_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(written: dict[str, object]) -> str:
        return dumps({**written, "title": "another"})

    dumps = tomli_w.dumps
    monkeypatch.setattr(tomli_w, "dumps", wrong)
    with pytest.raises(AssertionError, match="T-1 was not written as it is"):
        plan_text(plan(rate="200 ug/day"))
