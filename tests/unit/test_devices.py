"""Packaged balances and relays, restated as literals; files that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pump_ctrl.assembly import second_of
from pump_ctrl.drivers.balance import MtSicsBalance
from pump_ctrl.drivers.base import BalanceSettings, SensorErrors
from pump_ctrl.errors import InvalidInput
from pump_ctrl.safety.witness import Sight
from pump_ctrl.therapy.devices import BalanceData, load_balance, load_relay
from pump_ctrl.therapy.profiles import DATA, load_profile, load_timing
from tests.unit.test_balance import Line


def test_the_packaged_balance() -> None:
    """1 mg a reading, 1 %, 0.1 uL/h up, 1 uL/h down; water of 20 C in air shows 0.9972 mg for 1 uL."""
    title = "Analytical balance with MT-SICS level 0, last digit 0.1 mg"
    assert load_balance("mt-sics") == BalanceData(
        "mt-sics", title, "mt-sics", 9_600, 1_000, 10_000, 100, 1_000, 997_200
    )


@pytest.mark.parametrize(("name", "cut"), [("lcus-1", "A0 01 01 A2"), ("lcus-1-no", "A0 01 00 A1")])
def test_the_packaged_relays(name: str, cut: str) -> None:
    relay = load_relay(name)
    assert (relay.cut.hex(" ").upper(), relay.answer, relay.baud) == (cut, b"", 9_600)


def test_no_other_is_there_and_no_number_of_them_is_verified() -> None:
    """Nobody attached one."""
    assert sorted(path.stem for path in (DATA / "relays").glob("*.toml")) == ["lcus-1", "lcus-1-no"]
    assert sorted(path.stem for path in (DATA / "balances").glob("*.toml")) == ["mt-sics"]
    for path in (DATA / "relays").glob("*.toml"):
        assert "verified = true" not in path.read_text("utf-8")


@pytest.mark.parametrize(("old", "new", "words"), [
    ('"0.9972 g/mL"', '"0.9972"', "no density"), ('"0.9972 g/mL"', '"0.2 g/mL"', "out of range"),
    ("value = 9600", "value = 96", "no speed"), ("value = 9600", 'value = "9600"', "no speed"),
    ('"mt-sics"', '"sbi"', "not known"), ('"1 uL"', '"1 kg"', "volume"), ('creep = {', 'crep = {', "unknown key"),
])  # fmt: skip
def test_a_wrong_balance_is_refused_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = (DATA / "balances" / "mt-sics.toml").read_text("utf-8")
    assert old in text
    path = tmp_path / "own.toml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(InvalidInput, match=words) as error:
        load_balance(str(path))
    assert "own.toml:" in str(error.value)


@pytest.mark.parametrize("bytes_", ["", "A0 1", "a0", "A0  01", "G0", " A0", "00 " * 64 + "00"])
def test_wrong_bytes_of_a_relay_are_refused(tmp_path: Path, bytes_: str) -> None:
    text = (DATA / "relays" / "lcus-1.toml").read_text("utf-8")
    path = tmp_path / "own.toml"
    path.write_text(text.replace("A0 01 01 A2", bytes_, 1), "utf-8")
    with pytest.raises(InvalidInput, match="is no bytes"):
        load_relay(str(path))


def test_an_own_relay_may_have_an_answer(tmp_path: Path) -> None:
    text = (DATA / "relays" / "lcus-1.toml").read_text("utf-8")
    path = tmp_path / "own.toml"
    answer = 'answer = { value = "4F 4B", source = "LC", verified = false }'
    path.write_text(text.replace("[sources", f"{answer}\n[sources", 1), "utf-8")
    assert load_relay(str(path)).answer == b"OK"


@pytest.mark.parametrize("load", [load_balance, load_relay])
def test_a_name_that_there_is_not_lists_those_that_there_are(load: object) -> None:
    assert callable(load)
    with pytest.raises(InvalidInput, match=r"mt-sics|lcus-1"):
        load("nonesuch")


def test_the_bounds_of_the_witness_are_those_of_the_timing_table_and_the_pump() -> None:
    timing = load_timing().witness
    assert (timing.poll_ms, timing.silent_polls, timing.confirm_ms, timing.note_ms) == (
        60_000,
        3,
        20_000,
        3_600_000,
    )
    assert (timing.early_ms, timing.settle_ms, timing.quiet_ms, timing.under_ms) == (
        5_000, 30_000, 3_600_000, 14_400_000)  # fmt: skip
    assert (timing.stored_nl, timing.backlash_nl) == (2_000, 20_000)
    sensor = MtSicsBalance(Line(), BalanceSettings(SensorErrors(1, 1, 1, 1), 1))
    implant = second_of(load_profile("implant-40"), sensor, None)
    assert implant is not None
    assert implant.sight == Sight()
    syringe = second_of(load_profile("ne-1000-bd-10ml"), sensor, None)
    assert syringe is not None
    assert (syringe.sight.low_per_mille, syringe.sight.high_per_mille) == (940, 1_060)
    assert second_of(load_profile("implant-40"), None, None) is None
