"""Malformed formularies, profiles, catheter and timing tables: each is refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.formulary import FORMULARY_FILE, load_formulary
from pump_ctrl.therapy.profiles import DATA, load_catheters, load_profile, load_timing

BACLOFEN_DAY = 'daily_hard = { value = "2000 ug/day", source = "PROPOSAL", verified = false }'
STEP = next(
    line
    for line in (DATA / "pumps" / "implant-40.toml").read_text("utf-8").splitlines()
    if line[:4] == "step"
)


def broken(tmp_path: Path, source: Path, old: str, new: str) -> tuple[Path, int]:
    """A copy with the first ``old`` replaced, and the line on which that stands."""
    text = source.read_text(encoding="utf-8")
    assert old in text, old
    target = tmp_path / source.name
    target.write_text(text.replace(old, new, 1), encoding="utf-8")
    return target, text[: text.index(old)].count("\n") + 1


def day(value: str, source: str = "PROPOSAL", verified: str = "false") -> str:
    return f'daily_hard = {{ value = {value}, source = "{source}", verified = {verified} }}'


WRONG_NUMBERS = {
    "nan": (day("nan"), "NaN"),
    "infinite": (day("inf"), "Infinity"),
    "bare number": (day("2000"), "2000 is not a text"),
    "float": (day("2000.5"), "2000.5"),
    "boolean": (day("true"), "true is not a text"),
    "list": (day('["2000 ug/day"]'), "is not a text"),
    "negative": (day('"-2000 ug/day"'), "'-2000 ug/day'"),
    "zero": (day('"0 ug/day"'), "out of range"),
    "no unit": (day('"2000"'), "'2000'"),
    "mass without time": (day('"2000 ug"'), "2000 ug"),
    "volume for mass": (day('"2000 mL/day"'), "'mL' is no unit of mass"),
    "unknown unit": (day('"2000 IU/day"'), "'IU' is no unit of mass"),
    "exponent": (day('"2e3 ug/day"'), "2e3 ug/day"),
    "huge": (day('"999999999999 mg/day"'), "allowed"),
    "slipped a thousand times": (day('"2000 mg/day"'), "out of range"),
    "finer than a picogram": (day('"0.0000005 ug/day"'), "finer"),
    "other digits": (day('"２０００ ug/day"'), "ug/day"),
    "empty": (day('""'), "''"),
    "no table": ('daily_hard = "2000 ug/day"', "is not a table"),
    "no source": ('daily_hard = { value = "2000 ug/day", verified = false }', "source: is missing"),
    "no mark": ('daily_hard = { value = "2000 ug/day", source = "S59" }', "verified: is missing"),
    "mark is a text": (day('"2000 ug/day"', verified='"yes"'), "is not true or false"),
    "unknown source": (day('"2000 ug/day"', source="S99"), "names no source of this file: 'S99'"),
    "verified on a source nobody read": (day('"2000 ug/day"', verified="true"), "was not read"),
    "unknown key of a number": (
        BACLOFEN_DAY.replace("false }", 'false, unit = "ug" }'),
        "unit: is an unknown key",
    ),
    "soft above hard": (day('"999 ug/day"'), "is more than daily_hard"),
}


@pytest.mark.parametrize("name", WRONG_NUMBERS)
def test_a_wrong_number_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    new, words = WRONG_NUMBERS[name]
    path, line = broken(tmp_path, FORMULARY_FILE, BACLOFEN_DAY, new)
    with pytest.raises(InvalidInput) as caught:
        load_formulary(path)
    where = line - 1 if name == "soft above hard" else line  # that one points at the soft limit
    assert f"{path}:{where}: drug.baclofen.daily_" in str(caught.value)
    assert words in str(caught.value)
    assert caught.value.exit_code == 3


WRONG_DRUGS = {
    "missing number": (BACLOFEN_DAY + "\n", "", "drug.baclofen.daily_hard: is missing; there is no default"),
    "unknown key": (BACLOFEN_DAY, BACLOFEN_DAY + "\nmax_dose = 5", "max_dose: is an unknown key"),
    "unknown route": ('route = "intrathecal"', 'route = "intravenous"', "drug.baclofen.route"),
    "upper-case name": ("[drug.baclofen]", "[drug.Baclofen]", "is no drug name"),
    "hold of nothing": (
        'max_hold = { value = "24 h"',
        'max_hold = { value = "0 h"',
        "is 0 for a drug whose on_loss is hold",
    ),
    "policy nobody knows": ('on_loss = { value = "hold"', 'on_loss = { value = "continue"', "on_loss.value"),
    "hard step without soft": (
        'up_soft = { value = "15 %"',
        'up_mass_soft = { value = "15 ug/day"',
        "stands without",
    ),
    "step soft above hard": ('up_soft = { value = "15 %"', 'up_soft = { value = "31 %"', "<= up_hard"),
    "step over 100 %": ('up_soft = { value = "15 %"', 'up_soft = { value = "1500 %"', "out of range"),
    "bolus above the day": (
        'bolus_hard = { value = "200 ug"',
        'bolus_hard = { value = "3 mg"',
        "<= daily_hard",
    ),
    "interval of the wrong kind": (
        'up_interval_soft = { value = "24 h"',
        'up_interval_soft = { value = "24 mL"',
        "'mL' is no unit of time",
    ),
    "soft interval shorter than hard": (
        'up_interval_soft = { value = "24 h"',
        'up_interval_soft = { value = "23 h"',
        "<= up_interval_soft",
    ),
    "concentration in mL": (
        'concentration_soft = { value = "2000 ug/mL"',
        'concentration_soft = { value = "2000 mL/ug"',
        "no unit of mass",
    ),
    "concentration beyond solubility": (
        'concentration_hard = { value = "2000 ug/mL"',
        'concentration_hard = { value = "2000 mg/mL"',
        "out of range",
    ),
    "schema of the future": ("schema = 1", "schema = 2", "schema"),
    "schema left out": ("schema = 1", "", "schema: is missing"),
    "hour above day": (
        BACLOFEN_DAY,
        BACLOFEN_DAY + '\nhour_hard = { value = "3 mg", source = "PROPOSAL", verified = false }',
        "hour_hard: 3 mg is more than daily_hard 2 mg",
    ),
    "twice the same key": (BACLOFEN_DAY, BACLOFEN_DAY + "\n" + BACLOFEN_DAY, "is not TOML"),
    "twice the same drug": ("[drug.morphine]", "[drug.baclofen]", "is not TOML"),
    "quote left open": ('title = "Baclofen"', 'title = "Baclofen', "is not TOML"),
}


@pytest.mark.parametrize("name", WRONG_DRUGS)
def test_a_wrong_drug_is_refused_with_file_and_line(tmp_path: Path, name: str) -> None:
    old, new, words = WRONG_DRUGS[name]
    path, _ = broken(tmp_path, FORMULARY_FILE, old, new)
    with pytest.raises(InvalidInput) as caught:
        load_formulary(path)
    assert words in str(caught.value)
    assert all(problem.file == str(path) and problem.line for problem in caught.value.problems)


def test_every_problem_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    path, _ = broken(tmp_path, FORMULARY_FILE, BACLOFEN_DAY, day("nan"))
    path.write_text(
        path.read_text(encoding="utf-8").replace('route = "intrathecal"', 'route = "oral"', 1), "utf-8"
    )
    with pytest.raises(InvalidInput) as caught:
        load_formulary(path)
    assert {problem.field for problem in caught.value.problems} == {
        "drug.baclofen.route",
        "drug.baclofen.daily_hard.value",
    }


def test_a_formulary_without_drugs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text('schema = 1\ntitle = "t"\nversion = "v"\n[sources]\n[drug]\n', "utf-8")
    with pytest.raises(InvalidInput, match="has no drugs"):
        load_formulary(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "is not UTF-8"),
        (b"", "is empty"),
        (b"a = " + b"[" * 900, "is not TOML"),
        (b"\x00", "is not TOML"),
        (b"schema = " + b"9" * 10_000, "the line has"),
        (b"schema = 1e99999999999999999999", "schema"),
        (b".".join([b"a"] * 20_000) + b" = 1", "the line has"),
    ],
)
def test_what_is_no_toml_text_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "odd.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=words):
        load_formulary(path)


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        load_formulary(tmp_path / "none.toml")
    with pytest.raises(InvalidInput, match="is a directory"):
        load_formulary(tmp_path)


IMPLANT = DATA / "pumps" / "implant-40.toml"
SYRINGE = DATA / "pumps" / "ne-1000-bd-3ml.toml"
WRONG_PROFILES = {
    "step missing": (IMPLANT, STEP, "", "step: is missing"),
    "step nan": (IMPLANT, STEP, STEP.replace('"100 nL"', "nan"), "NaN"),
    "step of nothing": (IMPLANT, STEP, STEP.replace("100 nL", "0 nL"), "out of range"),
    "step above the reservoir": (IMPLANT, STEP, STEP.replace("100 nL", "41 mL"), "step <= capacity"),
    "step in mass": (IMPLANT, STEP, STEP.replace("100 nL", "100 ng"), "'ng' is no unit of volume"),
    "rate in mass": (IMPLANT, '"0.048 mL/day"', '"0.048 mg/day"', "'mg' is no unit of volume"),
    "rate of zero": (IMPLANT, '"0.048 mL/day"', '"0 mL/day"', "out of range"),
    "lowest above highest": (IMPLANT, '"0.048 mL/day"', '"48 mL/day"', "lowest rate above its highest"),
    "unknown key": (IMPLANT, "[rates]", "colour = 1\n[rates]", "colour: is an unknown key"),
    "unknown protocol": (IMPLANT, 'protocol = "reference"', 'protocol = "usb"', "protocol"),
    "tubing turned round": (
        IMPLANT,
        'tubing_low = { value = "0.140',
        'tubing_low = { value = "0.199',
        "tubing_high",
    ),
    "accuracy on one side": (IMPLANT, '"85.5 %"', '"100.1 %"', "does not enclose 100 %"),
    "accuracy finer than thousandths": (IMPLANT, '"85.5 %"', '"85.55 %"', "finer than 0.1 %"),
    "no step count": (IMPLANT, "value = 13", "value = 13.0", "is no count"),
    "step count of nothing": (IMPLANT, "value = 13", "value = 0", "is no count"),
    "step count true": (IMPLANT, "value = 13", "value = true", "is no count"),
    "poll after the lease": (IMPLANT, '"6 h"', '"25 h"', "poll <= lease"),
    "implant called a syringe": (IMPLANT, 'kind = "implant"', 'kind = "syringe"', "does not fit"),
    "rates and syringe": (
        SYRINGE,
        "[syringe]",
        '[rates]\nmin_rate = { value = "1 mL/day", source = "NE-1000", verified = true }\n'
        'max_rate = { value = "2 mL/day", source = "NE-1000", verified = true }\n[syringe]',
        "exactly one of",
    ),
    "diameter without unit": (SYRINGE, '"8.585 mm"', '"8.585"', "is not a length"),
    "diameter in inches": (SYRINGE, '"8.585 mm"', '"0.338 in"', "'in' is no unit of length"),
    "diameter of nothing": (SYRINGE, '"8.585 mm"', '"0 mm"', "out of range"),
    "diameter as float": (SYRINGE, '"8.585 mm"', "8.585", "8.585"),
    "speed as flow": (SYRINGE, '"0.04205 mm/h"', '"0.04205 mL/h"', "is not a speed"),
}


@pytest.mark.parametrize("name", WRONG_PROFILES)
def test_a_wrong_profile_is_refused_with_its_file(tmp_path: Path, name: str) -> None:
    source, old, new, words = WRONG_PROFILES[name]
    path, _ = broken(tmp_path, source, old, new)
    with pytest.raises(InvalidInput) as caught:
        load_profile(path)
    assert words in str(caught.value)
    assert all(problem.file == str(path) for problem in caught.value.problems)


def test_a_profile_file_is_known_by_its_stem(tmp_path: Path) -> None:
    path = tmp_path / "my-pump.toml"
    path.write_bytes(IMPLANT.read_bytes())
    assert load_profile(path).name == "my-pump"
    assert load_profile(str(path)).sha256 == load_profile("implant-40").sha256


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"2135 nL/cm"', '"2135 nL"', "volume per length"),
        ('"2135 nL/cm"', '"2.3 uL/cm"', "do not enclose"),
        ('"114 cm"', '"114"', "is not a length"),
        ('"2135 nL/cm"', '"0 nL/cm"', "out of range"),
    ],
)
def test_a_wrong_catheter_table_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    path, _ = broken(tmp_path, DATA / "catheters.toml", old, new)
    with pytest.raises(InvalidInput, match=words):
        load_catheters(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('stop = { value = "2 s"', 'stop = { value = "2 mL"', "no unit of time"),
        ("[driver.harvard]", "[driver.model22]", "driver"),
        ('"25 %"', '"0 %"', "out of range"),
        ("stale_ticks = { value = 3", "stale_ticks = { value = -3", "is no count"),
    ],
)
def test_a_wrong_timing_table_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    path, _ = broken(tmp_path, DATA / "timing.toml", old, new)
    with pytest.raises(InvalidInput, match=words):
        load_timing(path)


def test_a_timing_table_that_lacks_a_driver_is_refused(tmp_path: Path) -> None:
    text = (DATA / "timing.toml").read_text("utf-8")
    begin, end = text.index("[driver.harvard]"), text.index("[sources.")
    path = tmp_path / "timing.toml"
    path.write_text(text[:begin] + text[end:], "utf-8")
    with pytest.raises(InvalidInput, match="lacks harvard"):
        load_timing(path)
