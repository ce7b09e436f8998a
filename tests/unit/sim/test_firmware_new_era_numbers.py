"""Numbers, functions and memory of a New Era pump."""

import pytest

from sim.firmware.new_era_memory import (
    QUIRKS,
    Memory,
    Phase,
    Quirks,
    four_digits,
    read_function,
    read_number,
    show_number,
    show_short,
)


@pytest.mark.parametrize(
    ("text", "thousandths"),
    [
        ("3", 3_000),
        ("3.", 3_000),
        ("3.0", 3_000),
        ("0.5", 500),
        (".5", 500),
        ("26.59", 26_590),
        ("1699", 1_699_000),
    ],
)
def test_a_legal_number_is_read(text: str, thousandths: int) -> None:
    assert read_number(text) == thousandths


@pytest.mark.parametrize(
    "text", ["", ".", "12345", "1.2345", "26.591", "-1", "+1", "1e1", "0.0001", "1.2.3", "١"]
)
def test_an_illegal_number_is_none(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(
    ("thousandths", "text"),
    [
        (0, "0.000"),
        (500, "0.500"),
        (26_590, "26.59"),
        (26_599, "26.59"),
        (750_000, "750.0"),
        (1_000_000, "1000."),
        (9_999_999, "9999."),
    ],
)
def test_a_number_is_shown_with_four_digits_and_a_point_cut_off(thousandths: int, text: str) -> None:
    assert show_number(thousandths) == text


def test_the_quirk_of_short_numbers_drops_end_zeros() -> None:
    assert [show_short(n) for n in (500, 750_000, 1_000_000)] == ["0.5", "750.", "1000."]


def test_four_digits_is_what_is_left_of_a_number_when_it_is_shown() -> None:
    assert [four_digits(n) for n in (729, 9_999, 23_354, 1_699_412)] == [729, 9_999, 23_350, 1_699_000]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("RAT", "RAT"), ("LOP3", "LOP03"), ("LOP03", "LOP03"), ("PAS60", "PAS60"), ("PAS0", "PAS00"), ("PAS1.5", "PAS1.5"),
     ("JMP5", "JMP05"), ("IF41", "IF41"), ("OUT1", "OUT1"), ("TRGLE", "TRGLE"), ("LPS", "LPS"), ("PRL7", "PRL07")],
)  # fmt: skip
def test_a_function_is_read_and_shown(text: str, shown: str) -> None:
    row = read_function(text)
    assert row is not None
    assert row.name() == shown


@pytest.mark.parametrize(
    "text", ["", "XYZ", "LIN", "TIM", "RATS", "RAT5", "LOP", "LOPX", "PAS100", "PAS.5", "TRGXX", "IF"]
)
def test_what_is_no_function_is_none(text: str) -> None:
    assert read_function(text) is None


@pytest.mark.parametrize("text", ["LOP0", "JMP0", "JMP42", "IF42", "OUT2", "EVN0"])
def test_a_function_whose_number_is_out_of_range_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        read_function(text)


def test_the_volume_unit_follows_the_syringe_at_14_mm() -> None:
    memory = Memory()
    for diameter_um, unit in ((14_000, "UL"), (14_010, "ML"), (4_699, "UL")):
        memory.set_diameter(diameter_um)
        assert memory.volume_unit == unit


def test_a_factory_program_is_one_rate_phase_and_forty_stops() -> None:
    memory = Memory()
    memory.phases[3] = Phase(function="BEP")
    memory.address = 7
    memory.clear()
    assert [row.function for row in memory.phases] == ["RAT"] + ["STP"] * 40
    assert memory.address == 0


def test_every_quirk_says_what_the_document_leaves_open() -> None:
    assert set(QUIRKS) == set(Quirks.__dataclass_fields__)
