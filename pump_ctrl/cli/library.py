"""``pump-ctrl formulary`` and ``pump-ctrl pumps``: the numbers that limits and ranges come from.

Layer      cli. Prints what therapy loads.
Tests      tests/unit/test_cli.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any, Final

import click

from pump_ctrl.cli.files import FORMULARY, open_profile
from pump_ctrl.cli.lazy import Command, Group
from pump_ctrl.cli.options import AS_JSON
from pump_ctrl.cli.text import indented, pairs, say, say_json, table
from pump_ctrl.figures import brief, rounded
from pump_ctrl.therapy.formulary import DrugEntry, Formulary, load_formulary
from pump_ctrl.therapy.profiles import PumpProfile, load_profile, profile_names
from pump_ctrl.therapy.sourced import Source, Sourced, numbers_of

_PER_MILLE: Final = frozenset(
    {"accuracy_low", "accuracy_high"}
)  # whole thousandths; their files write percent


@click.group(cls=Group)
def formulary() -> None:
    """Show the drug library: limits and their sources.

    The numbers are defaults for bench work, not dosing advice.
    """


@formulary.command("show")
@click.argument("drug", required=False)
@FORMULARY
@AS_JSON
def formulary_show(drug: str | None, formulary: Path | None, as_json: bool) -> None:
    """List the drugs, or every number of one DRUG with its source."""
    library = load_formulary(formulary)
    chosen = {drug.lower(): library.drug(drug.lower())} if drug else library.drugs
    if as_json:
        say_json(_formulary_json(library, chosen))
    elif drug is None:
        say(_drug_list(library))
    else:
        say(_drug_page(library, *next(iter(chosen.items()))))


def _formulary_json(library: Formulary, drugs: Mapping[str, DrugEntry]) -> dict[str, Any]:
    return {
        "schema": "pump-ctrl/formulary/1",
        "title": library.title,
        "version": library.version,
        "sha256": library.sha256,
        "drugs": {name: _drug_json(entry) for name, entry in drugs.items()},
        "sources": {key: source.model_dump() for key, source in library.sources.items()},
    }


def _drug_json(entry: DrugEntry) -> dict[str, Any]:
    words = {key: value for key, value in entry if isinstance(value, str)}
    return words | {"numbers": _numbers_json(numbers_of(entry))}


def _numbers_json(numbers: Iterable[tuple[tuple[int | str, ...], Sourced[Any]]]) -> dict[str, Any]:
    return {
        ".".join(str(part) for part in loc): {
            "value": shown(number.value, str(loc[-1])),
            "source": number.source,
            "verified": number.verified,
            "note": number.note,
        }
        for loc, number in numbers
    }


def shown(value: object, name: str) -> str:
    """A number of a data file as its file writes it; plain fractions (of a dose) as a percentage."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Fraction):
        return f"{brief(value * 100, 1)} %"
    if isinstance(value, int) and name in _PER_MILLE:
        return f"{brief(Fraction(value, 10), 1)} %"
    return str(value)


def _drug_list(library: Formulary) -> list[str]:
    head = (
        "drug",
        "a day: warn",
        "never above",
        "a bolus: warn",
        "never above",
        "most mixed",
        "hold",
        "unverified",
    )
    rows = []
    for name, entry in library.drugs.items():
        numbers = [number for _, number in numbers_of(entry)]
        doubtful = sum(not number.verified for number in numbers)
        row = (
            entry.daily_soft,
            entry.daily_hard,
            entry.bolus_soft,
            entry.bolus_hard,
            entry.concentration_hard,
        )
        held = str(entry.max_hold.value) if entry.on_loss.value == "hold" else "stop"
        rows.append((name, *(str(number.value) for number in row), held, f"{doubtful} of {len(numbers)}"))
    return [f"{library.title}, version {library.version}", "", *table(head, rows), "", *_legend()]


def _legend() -> list[str]:
    return [
        "warn: passing it needs a written reason and a second person; never above: no override exists.",
        "hold: what happens when control of the pump is lost. unverified: numbers whose source was not read.",
        "pump-ctrl formulary show DRUG lists every number with its source. No dosing advice.",
    ]


def _drug_page(library: Formulary, name: str, entry: DrugEntry) -> list[str]:
    head = pairs(
        (
            ("drug", f"{name} ({entry.title})"),
            ("route", entry.route),
            ("withdrawal", entry.withdrawal),
            ("limits assume", entry.patients),
        )
    )
    numbers = [(str(loc[-1]), number) for loc, number in numbers_of(entry)]
    return [*head, "", *number_lines(numbers), "", *source_lines(library.sources, (n for _, n in numbers))]


def number_lines(numbers: Iterable[tuple[str, Sourced[Any]]]) -> list[str]:
    """A table of numbers with their sources; notes under it."""
    listed = list(numbers)
    rows = [
        (name, shown(number.value, name), "yes" if number.verified else "NO", number.source)
        for name, number in listed
    ]
    notes = [f"{name}: {number.note}" for name, number in listed if number.note]
    return [*table(("number", "value", "verified", "source"), rows, left=4), *([""] if notes else []), *notes]


def source_lines(sources: Mapping[str, Source], numbers: Iterable[Sourced[Any]]) -> list[str]:
    """The sources that the numbers name."""
    used = sorted({number.source for number in numbers})
    entries = [
        f"{key}: {sources[key].title}{'' if sources[key].read else ' (not read)'} {sources[key].url}".rstrip()
        for key in used
    ]
    return ["Sources", *indented(entries)]


@click.command(cls=Command)
@click.argument("name", required=False)
@AS_JSON
def pumps(name: str | None, as_json: bool) -> None:
    """List the pump profiles, or every number of one with its source.

    NAME is the name of a profile that comes with pump-ctrl, or a profile file.
    """
    profiles = [open_profile(name)] if name else [load_profile(each) for each in profile_names()]
    if as_json:
        say_json({"schema": "pump-ctrl/pumps/1", "pumps": [_pump_json(profile) for profile in profiles]})
    elif name is None:
        say(_pump_list(profiles))
    else:
        say(_pump_page(profiles[0]))


def _pump_json(profile: PumpProfile) -> dict[str, Any]:
    numbers = _numbers_json(((key,), number) for key, number in profile.numbers.items())
    return {
        "name": profile.name,
        "title": profile.title,
        "protocol": profile.protocol,
        "kind": profile.kind,
        "sha256": profile.sha256,
        "min_nl_per_day": ceil(profile.min_rate.nl_per_day),
        "max_nl_per_day": floor(profile.max_rate.nl_per_day),
        "numbers": numbers,
    }


def _pump_list(profiles: Iterable[PumpProfile]) -> list[str]:
    head = (
        "pump",
        "protocol",
        "capacity",
        "lowest mL/day",
        "highest mL/day",
        "step",
        "steps",
        "lease",
        "unverified",
    )
    rows = [
        (
            p.name,
            p.protocol,
            str(p.capacity),
            rounded(p.min_rate.nl_per_day / 10**6, 4),
            rounded(p.max_rate.nl_per_day / 10**6, 3),
            f"{p.step.nl} nL",
            str(p.max_steps),
            str(p.lease),
            f"{len(p.unverified)} of {len(p.numbers)}",
        )
        for p in profiles
    ]
    return [
        *table(head, rows, left=2),
        "",
        "pump-ctrl pumps NAME lists every number of a profile with its source.",
    ]


def _pump_page(profile: PumpProfile) -> list[str]:
    head = pairs(
        (
            ("pump", f"{profile.name} ({profile.title})"),
            ("protocol", profile.protocol),
            ("kind", profile.kind),
            ("rates", f"{profile.min_rate} to {profile.max_rate}"),
            ("syringe", profile.syringe.title if profile.syringe else ""),
        )
    )
    numbers = list(profile.numbers.items())
    return [*head, "", *number_lines(numbers), "", *source_lines(profile.sources, (n for _, n in numbers))]
