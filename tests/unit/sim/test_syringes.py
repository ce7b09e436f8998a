"""The table of syringe pumps and syringes."""

import pytest

from sim.firmware.new_era_memory import Memory, Quirks, show_number
from sim.firmware.new_era_program import Program
from sim.plunger import area_um2, step_pl
from sim.syringes import SYRINGES_FILE, load_pump, load_syringe, read_syringes
from tests.unit.sim.new_era_host import mechanism

TEXT = SYRINGES_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "most_ml_per_h", "least_ul_per_h"),
    [("bd-1", "53.07", "0.729"), ("bd-3", "177.1", "2.434"), ("bd-5", "345.5", "4.747"), ("bd-10", "500.4", "6.876"),
     ("bd-20", "872.2", "11.98"), ("bd-30", "1120.", "15.39"), ("bd-60", "1699.", "23.35")],
)  # fmt: skip
def test_the_rates_of_each_syringe_are_those_of_the_document_cut_to_four_digits(
    name: str, most_ml_per_h: str, least_ul_per_h: str
) -> None:
    memory = Memory()
    memory.set_diameter(load_syringe(name).diameter_um)
    slowest, fastest = Program(
        load_pump("ne-1000"), mechanism(), memory, Quirks(), lambda _t, _letter: None
    ).bounds()
    assert show_number(fastest // 1_000_000_000) == most_ml_per_h
    assert show_number(slowest // 1_000_000) == least_ul_per_h


def test_a_step_of_the_finest_kind_is_3_7_nl_in_a_1_ml_syringe_and_118_nl_in_a_60_ml_one() -> None:
    assert (step_pl(212_600, 4_699), step_pl(212_600, 26_590)) == (3_687, 118_056)
    assert area_um2(14_430) == 163_539_454


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("travel_pm = 212_600", "travel_pm = 0", "ne-1000: travel_pm = 0 is not a positive int"),
     ("travel_pm = 212_600", "way = 5", "ne-1000: missing or unknown keys: travel_pm, way"),
     ('title = "BD 1 mL"', 'title = ""', "bd-1: title = '' is not a text"),
     ("diameter_um = 4_699", "diameter_um = 4.699", "bd-1: diameter_um = 4.699 is not a positive int")],
)  # fmt: skip
def test_a_wrong_row_is_refused_by_name(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ValueError, match=message):
        read_syringes(TEXT.replace(old, new, 1))


def test_a_file_without_its_tables_and_a_name_that_is_none_are_refused() -> None:
    with pytest.raises(ValueError, match="it needs pump and syringe"):
        read_syringes("")
    with pytest.raises(ValueError, match="no syringe pump 'x'; there are: ne-1000"):
        load_pump("x")
    with pytest.raises(ValueError, match="no syringe 'x'; there are: bd-1, bd-3"):
        load_syringe("x")
