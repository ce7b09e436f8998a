"""Syringe pumps and syringes: the numbers of `syringes.toml`, read once and checked.

Layer      sim. Imports `sim.motor` and `sim.plunger` for the motor that such a pump has.
Invariant  every number is a positive int; an unknown or a missing key is an error, never a default.
Tests      tests/unit/sim/test_syringes.py
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from sim.plunger import PlungerMotor, step_pl

SYRINGES_FILE: Final = Path(__file__).with_name("syringes.toml")
_TEXTS: Final = frozenset({"name", "title", "protocol", "version"})


@dataclass(frozen=True, slots=True)
class SyringePump:
    """One kind of pump: how far a motor step goes (pm), how fast its plunger goes, what it takes for a
    diameter.
    """

    name: str
    title: str
    protocol: str
    version: str
    travel_pm: int
    max_pm_per_h: int
    min_pm_per_h: int
    least_um: int
    most_um: int
    runaway_permille: int

    def __post_init__(self) -> None:
        _check(self)

    def motor(self, syringe: "Syringe") -> PlungerMotor:
        """Its motor, with a syringe in it."""
        fastest = self.max_pm_per_h * self.runaway_permille // 1_000
        # A step's volume is rounded to whole pL, so that a rate at the limit may ask for a few more steps.
        return PlungerMotor(
            step_pl(self.travel_pm, syringe.diameter_um), -(-fastest * 101 // 100) // self.travel_pm
        )


@dataclass(frozen=True, slots=True)
class Syringe:
    """One kind of syringe."""

    name: str
    title: str
    diameter_um: int
    capacity_nl: int

    def __post_init__(self) -> None:
        _check(self)


_Row = TypeVar("_Row", SyringePump, Syringe)


class Tables(NamedTuple):
    """What the file holds, by name."""

    pumps: Mapping[str, SyringePump]
    syringes: Mapping[str, Syringe]


def _check(row: SyringePump | Syringe) -> None:
    for field in fields(row):
        value: object = getattr(row, field.name)
        text = field.name in _TEXTS
        if not (type(value) is str and value) if text else not (type(value) is int and value > 0):
            raise ValueError(
                f"{row.name}: {field.name} = {value!r} is not {'a text' if text else 'a positive int'}"
            )


def read_syringes(text: str) -> Tables:
    """Read pumps and syringes of a TOML text.

    Raises:
        ValueError: a key is missing, unknown or of the wrong kind; the message names row and key.
    """
    tables: dict[str, Any] = tomllib.loads(text)
    if set(tables) != {"pump", "syringe"}:
        raise ValueError(f"the file has {', '.join(sorted(tables)) or 'nothing'}; it needs pump and syringe")
    return Tables(_rows(SyringePump, tables["pump"]), _rows(Syringe, tables["syringe"]))


def _rows(kind: type[_Row], rows: Mapping[str, dict[str, Any]]) -> dict[str, _Row]:
    known = {field.name for field in fields(kind)} - {"name"}
    found = {}
    for name, row in rows.items():
        if set(row) != known:
            raise ValueError(f"{name}: missing or unknown keys: {', '.join(sorted(set(row) ^ known))}")
        found[name] = kind(name=name, **row)
    return found


@cache
def _shipped() -> Tables:
    return read_syringes(SYRINGES_FILE.read_text(encoding="utf-8"))


def pump_names() -> tuple[str, ...]:
    """Names of the shipped syringe pumps, in the order of the file."""
    return tuple(_shipped().pumps)


def syringe_names() -> tuple[str, ...]:
    """Names of the shipped syringes, in the order of the file."""
    return tuple(_shipped().syringes)


def load_pump(name: str) -> SyringePump:
    """Return the shipped syringe pump called `name`.

    Raises:
        ValueError: there is none; the message lists those that exist.
    """
    return _pick(_shipped().pumps, name, "syringe pump")


def load_syringe(name: str) -> Syringe:
    """Return the shipped syringe called `name`.

    Raises:
        ValueError: there is none; the message lists those that exist.
    """
    return _pick(_shipped().syringes, name, "syringe")


def _pick(rows: Mapping[str, _Row], name: str, what: str) -> _Row:
    if name not in rows:
        raise ValueError(f"no {what} {name!r}; there are: {', '.join(rows)}")
    return rows[name]
