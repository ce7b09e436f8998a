"""The packaged formulary: its numbers, and what stands behind each."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from pump_ctrl.errors import InvalidInput, QuantityError
from pump_ctrl.therapy.formulary import FORMULARY_FILE, DrugEntry, load_formulary
from pump_ctrl.therapy.sourced import daily_mass, numbers_of, percent
from pump_ctrl.units import Concentration, Duration, Mass

DRUGS = (
    "baclofen",
    "morphine",
    "hydromorphone",
    "fentanyl",
    "sufentanil",
    "bupivacaine",
    "clonidine",
    "ziconotide",
)


def drug(name: str) -> DrugEntry:
    return load_formulary().drug(name)


def test_every_drug_of_the_domain_is_there() -> None:
    assert tuple(load_formulary().drugs) == DRUGS


# name: concentration soft/hard (ug/mL), daily soft/hard (ug), bolus soft/hard (ug), start soft (ug/day)
LIMITS: dict[str, tuple[int | Fraction, ...]] = {
    "baclofen": (2000, 2000, 1000, 2000, 100, 200, 200),
    "morphine": (20_000, 25_000, 15_000, 20_000, 500, 1000, 1000),
    "hydromorphone": (10_000, 15_000, 4000, 10_000, 100, 200, 150),
    "fentanyl": (10_000, 10_000, 1000, 1000, 75, 150, 75),
    "sufentanil": (5000, 5000, 100, 500, 20, 40, 20),
    "bupivacaine": (30_000, 30_000, 10_000, 20_000, 2500, 5000, 4000),
    "clonidine": (1000, 1000, 300, 600, 20, 40, 100),
    "ziconotide": (25, 100, Fraction("6.9"), Fraction("19.2"), Fraction("2.4"), 5, Fraction("1.2")),
}


@pytest.mark.parametrize("name", DRUGS)
def test_limits_are_the_ones_written_down(name: str) -> None:
    entry = drug(name)
    have = (
        *(number.value.pg_per_ml for number in (entry.concentration_soft, entry.concentration_hard)),
        *(
            number.value.pg
            for number in (entry.daily_soft, entry.daily_hard, entry.bolus_soft, entry.bolus_hard)
        ),
        entry.start_soft.value.pg,
    )
    assert have == tuple(Fraction(limit) * 1_000_000 for limit in LIMITS[name])


@pytest.mark.parametrize("name", DRUGS)
def test_every_drug_has_its_24_h_cap(name: str) -> None:
    assert drug(name).caps == ((24, drug(name).daily_hard.value.pg),)


def test_steps_of_baclofen_take_the_cerebral_rule_as_soft_and_the_spinal_one_as_hard_limit() -> None:
    entry = drug("baclofen")
    assert entry.up_soft is not None
    assert entry.up_hard is not None
    assert entry.down_hard is not None
    assert entry.down_interval is not None
    assert (entry.up_soft.value, entry.up_hard.value) == (Fraction(15, 100), Fraction(30, 100))
    assert entry.up_interval_hard.value == Duration(24 * 3_600_000)
    assert (entry.down_hard.value, entry.down_interval.value) == (Fraction(1, 5), Duration(48 * 3_600_000))


def test_steps_of_ziconotide_are_masses() -> None:
    entry = drug("ziconotide")
    assert (entry.up_soft, entry.up_hard, entry.down_hard) == (None, None, None)
    assert entry.up_mass_soft is not None
    assert entry.up_mass_hard is not None
    assert (entry.up_mass_soft.value, entry.up_mass_hard.value) == (Mass(500_000), Mass(2_400_000))
    assert (entry.up_interval_soft.value, entry.up_interval_hard.value) == (
        Duration(7 * 86_400_000),
        Duration(2 * 86_400_000),
    )
    assert entry.start_hard is not None
    assert entry.start_hard.value == Mass(2_400_000)
    assert entry.concentration_naive_pump is not None
    assert entry.concentration_naive_pump.value == Concentration(25_000_000)


HOLDERS = {"baclofen", "clonidine"}


@pytest.mark.parametrize("name", DRUGS)
def test_only_drugs_whose_stop_harms_at_once_hold_and_are_watched_for_4_hours(name: str) -> None:
    entry = drug(name)
    expected = ("hold", 4, 24) if name in HOLDERS else ("stop", 12, 4)
    have = (
        entry.on_loss.value,
        entry.under_delivery.value.ms // 3_600_000,
        entry.max_hold.value.ms // 3_600_000,
    )
    assert have == expected


@pytest.mark.parametrize(
    ("name", "days", "verified"),
    [
        ("baclofen", 180, False),
        ("morphine", 90, True),
        ("hydromorphone", 90, False),
        ("ziconotide", 84, False),
    ],
)
def test_stability_is_as_known_and_no_better(name: str, days: int, verified: bool) -> None:
    assert drug(name).stability.value == Duration(days * 86_400_000)
    assert drug(name).stability.verified is verified


def test_only_the_drugs_of_the_pumps_labelling_are_on_label() -> None:
    assert [name for name in DRUGS if drug(name).on_label.value] == ["baclofen", "morphine", "ziconotide"]


def test_every_source_is_used() -> None:
    formulary = load_formulary()
    used = {number.source for entry in formulary.drugs.values() for _, number in numbers_of(entry)}
    assert used == set(formulary.sources)


def test_no_number_is_verified_without_a_source_that_was_read() -> None:
    formulary = load_formulary()
    for entry in formulary.drugs.values():
        for loc, number in numbers_of(entry):
            assert number.source in formulary.sources, loc
            assert not number.verified or formulary.sources[number.source].read, loc


UNREAD = {"PACC", "PROPOSAL", "RECALL", "PRIALT-2"}


def test_recall_consensus_tables_and_proposals_are_marked_unread() -> None:
    sources = load_formulary().sources
    assert {name for name, source in sources.items() if not source.read} == UNREAD
    assert all(source.url for source in sources.values() if source.read)


@pytest.mark.parametrize(
    ("name", "unverified"),
    [
        ("baclofen", "daily_hard"),
        ("morphine", "daily_soft"),
        ("clonidine", "daily_hard"),
        ("fentanyl", "daily_hard"),
    ],
)
def test_numbers_from_recall_or_proposal_are_listed_as_unverified(name: str, unverified: str) -> None:
    assert unverified in drug(name).unverified


@pytest.mark.parametrize(
    ("name", "verified"), [("baclofen", "up_hard"), ("morphine", "daily_hard"), ("ziconotide", "daily_hard")]
)
def test_numbers_from_labels_are_not_listed_as_unverified(name: str, verified: str) -> None:
    assert verified not in drug(name).unverified


def test_an_unknown_drug_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        InvalidInput, match=r"heparin: is not in the formulary; allowed: baclofen, bupivacaine"
    ):
        load_formulary().drug("heparin")


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "formulary.toml"
    copy.write_bytes(FORMULARY_FILE.read_bytes())
    assert load_formulary(copy).sha256 == load_formulary().sha256
    copy.write_bytes(FORMULARY_FILE.read_bytes() + b"\n")
    assert load_formulary(copy).sha256 != load_formulary().sha256


def test_daily_doses_and_percentages_are_read_exactly() -> None:
    assert daily_mass("1.5 mg/day") == Mass(1_500_000_000)
    assert daily_mass("0.8 ug/h") == Mass(19_200_000)
    assert percent("14.5 %") == Fraction(145, 1000)


@pytest.mark.parametrize("text", ["20", "20.%", "-20 %", "+20 %", "٢٠ %", "1e2 %", 20, 0.2, None, "20 % "])
def test_what_is_no_percentage_is_refused(text: object) -> None:
    with pytest.raises(QuantityError):
        percent(text)
