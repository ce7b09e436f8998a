"""The formulary's room: every drug, every limit, and whether somebody has read its source."""

from __future__ import annotations

from html import unescape

from pump_ctrl.therapy.formulary import DrugEntry, load_formulary
from pump_ctrl.therapy.sourced import Sourced
from pump_ctrl.therapy.wording import sourced
from pump_ctrl.web.pages.library import LIMITS
from tests.unit.web.kit import Desk


def test_every_limit_of_every_drug_stands_there_with_its_source(ann: Desk) -> None:
    text, found = unescape(ann.get("/formulary").text), load_formulary(None)
    assert found.sha256 in text
    for name, entry in found.drugs.items():
        assert f'<h2 id="{name}">' in text
        for field in type(entry).model_fields:
            value = getattr(entry, field)
            if isinstance(value, Sourced):
                words, per = LIMITS[field]
                assert f'<th scope="row">{words}</th><td>{sourced(value, per, entry.unit)}</td>' in text
    for source in found.sources.values():
        assert source.title in text


def test_a_number_whose_source_nobody_has_read_is_marked_with_a_word(ann: Desk) -> None:
    text, found = ann.get("/formulary").text, load_formulary(None)
    values = [getattr(entry, name) for entry in found.drugs.values() for name in type(entry).model_fields]
    numbers = [value for value in values if isinstance(value, Sourced)]
    assert text.count("✔ read") == sum(value.verified for value in numbers)
    assert text.count("! unverified") == sum(not value.verified for value in numbers)
    assert "No dosing advice." in text


def test_every_limit_that_a_drug_can_have_has_words_of_its_own() -> None:
    numbers = {name for name, field in DrugEntry.model_fields.items() if "Sourced" in str(field.annotation)}
    assert set(LIMITS) == numbers
    assert len({words for words, _ in LIMITS.values()}) == len(LIMITS)


def test_a_mass_stands_in_the_unit_in_which_the_drug_is_dosed(ann: Desk) -> None:
    text = unescape(ann.get("/formulary").text)
    assert "1000 ug/day [S59]" in text  # baclofen: 1 mg in the file's own words
    assert "True" not in text
    assert "False" not in text
