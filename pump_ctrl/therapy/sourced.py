"""Numbers with a source: the loader that formulary, pump profiles, catheters and timing share.

Layer      therapy; imports the kernel only.
Hazard     a limit nobody can trace, a default that stands in for a missing limit, a unit read wrongly.
Invariant  a file is read whole and exactly, or refused with file:line; no number without source and
           ``verified``; nothing is verified on a source that was not read.
Tests      tests/unit/test_formulary_bad_input.py, tests/unit/test_formulary.py, tests/unit/test_bad_input.py

A number stands in TOML as ``{ value = "15 mg/day", source = "PACC-2017", verified = false, note = "..." }``;
its source is a table ``[sources.PACC-2017]`` of the same file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from pump_ctrl.errors import InvalidInput, Problem, QuantityError
from pump_ctrl.therapy.plan_toml import read_document
from pump_ctrl.therapy.toml_lines import line_map, line_of
from pump_ctrl.units import Concentration, Duration, Length, Mass, MassRate, Volume, VolumeRate, shown

T = TypeVar("T")
M = TypeVar("M", bound="SourcedModel")
Loc = tuple[int | str, ...]


class Strict(BaseModel):
    """A table of a data file: unknown keys are refused, nothing is converted or changed after reading."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Source(Strict):
    """Where a number comes from. Only a source whose text was ``read`` can verify a number."""

    title: str
    url: str
    read: bool


class Sourced(Strict, Generic[T]):
    """One number with its source. ``verified`` is true only where the source itself was read."""

    value: T
    source: str
    verified: bool
    note: str = ""


class SourcedModel(Strict):
    """A whole data file. Every ``Sourced`` in it names a source of this table."""

    schema_version: Literal[1] = Field(alias="schema")
    sources: dict[str, Source]


# --- quantities as the files write them ---------------------------------------------------------------------


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...  # noqa: ANN401


def _reader(parse: Callable[[object], Any], least: _Ordered, most: _Ordered) -> PlainValidator:
    """Parse a text and refuse what no pump or drug can mean: a slipped unit is far outside the bounds."""

    def read(raw: object) -> object:
        try:
            value = parse(raw)
        except QuantityError as error:
            raise ValueError(str(error)) from None
        if value < least or most < value:
            raise ValueError(f"{raw!r} is out of range; allowed: {least} to {most}")
        return value

    return PlainValidator(read)


def daily_mass(text: object) -> Mass:
    """Read ``"15 mg/day"`` as the mass of 24 h.

    Raises:
        QuantityError: no dose rate, or no whole number of picograms in 24 h.
    """
    per_day = MassRate.parse(text).pg_per_day
    if per_day.denominator != 1:
        raise QuantityError(f"{text!r} is no whole number of pg in 24 h; allowed: such as '15 mg/day'")
    return Mass(per_day.numerator)


def percent(text: object) -> Fraction:
    """Read ``"20 %"`` as the exact fraction 1/5.

    Raises:
        QuantityError: not a text of digits with one point at most and a percent sign.
    """
    match = (
        re.fullmatch(r"([0-9]{1,6})(?:\.([0-9]{1,6}))? ?%", text, re.ASCII) if isinstance(text, str) else None
    )
    if match is None:
        raise QuantityError(
            f'{text!r} is not a percentage; allowed: digits and a percent sign in quotes, "20 %"'
        )
    frac = match[2] or ""
    return Fraction(int(match[1] + frac), 100 * 10 ** len(frac))


def mm_per_hour(text: object) -> Fraction:
    """Read a plunger speed, ``"5.1005 cm/min"`` or ``"0.04205 mm/h"``, as exact millimetres per hour.

    Raises:
        QuantityError: not a speed in cm or mm per min or h.
    """
    pattern = r"([0-9]{1,6})(?:\.([0-9]{1,9}))? ?(mm|cm)/(min|h)"
    match = re.fullmatch(pattern, text, re.ASCII) if isinstance(text, str) else None
    if match is None:
        raise QuantityError(
            f"{text!r} is not a speed; allowed: a number in cm/min, mm/min, cm/h or mm/h in quotes"
        )
    frac = match[2] or ""
    factor = (10 if match[3] == "cm" else 1) * (60 if match[4] == "min" else 1)
    return Fraction(int(match[1] + frac), 10 ** len(frac)) * factor


def nl_per_cm(text: object) -> int:
    """Read ``"2200 nL/cm"`` as whole nanolitres per centimetre of tube.

    Raises:
        QuantityError: not a volume per centimetre, or finer than 1 nL/cm.
    """
    if not isinstance(text, str) or not text.endswith("/cm"):
        raise QuantityError(f'{text!r} is not a volume per length; allowed: such as "2200 nL/cm"')
    return Volume.parse(text.removesuffix("/cm")).nl


def per_mille(text: object) -> int:
    """Read ``"85.5 %"`` as 855 thousandths.

    Raises:
        QuantityError: not a percentage, or finer than 0.1 %.
    """
    value = percent(text) * 1_000
    if value.denominator != 1:
        raise QuantityError(f'{text!r} is finer than 0.1 %; allowed: such as "85.5 %"')
    return value.numerator


def _flow(raw: object) -> VolumeRate:
    try:
        value = VolumeRate.parse(raw)
    except QuantityError as error:
        raise ValueError(str(error)) from None
    if not 0 < value.nl_per_day <= 10**12:
        raise ValueError(f"{raw!r} is out of range; allowed: above 0 to 1000000 mL/day")
    return value


def _count(raw: object) -> int:
    if type(raw) is not int or not 1 <= raw <= 1_000:
        raise ValueError(f"{shown(raw)} is no count; allowed: a whole number from 1 to 1000")
    return raw


# Bounds of plausibility, far outside anything a pump or drug can mean: they catch a slipped unit or exponent.
_LITRE: Final = Volume(1_000_000_000)
_SECOND, _TWO_YEARS = Duration(1_000), Duration(730 * 86_400_000)
DailyText = Annotated[Mass, _reader(daily_mass, Mass(1), Mass(10**12))]  # 1 g/day
MassText = Annotated[Mass, _reader(Mass.parse, Mass(1), Mass(10**12))]
ConcentrationText = Annotated[
    Concentration, _reader(Concentration.parse, Concentration(1), Concentration(10**12))
]  # 1 g/mL: nothing dissolves beyond it
PercentText = Annotated[Fraction, _reader(percent, Fraction(1, 1000), Fraction(1))]
TimeText = Annotated[Duration, _reader(Duration.parse, Duration(1), _TWO_YEARS)]
HoldText = Annotated[Duration, _reader(Duration.parse, Duration(0), Duration(7 * 86_400_000))]
VolumeText = Annotated[Volume, _reader(Volume.parse, Volume(1), _LITRE)]
DeadVolumeText = Annotated[Volume, _reader(Volume.parse, Volume(0), Volume(10_000_000))]
FlowText = Annotated[VolumeRate, PlainValidator(_flow)]
LengthText = Annotated[Length, _reader(Length.parse, Length(100), Length(2_000_000))]
SpeedText = Annotated[Fraction, _reader(mm_per_hour, Fraction(1, 10**6), Fraction(100_000))]
PerCmText = Annotated[int, _reader(nl_per_cm, 100, 100_000)]
PerMilleText = Annotated[int, _reader(per_mille, 500, 2_000)]
ShareText = Annotated[int, _reader(per_mille, 1, 1_000)]
CountText = Annotated[int, PlainValidator(_count)]


# --- files --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file: its name for messages, its text, its raw tables and the hash of its bytes."""

    name: str
    text: str
    tables: dict[str, Any]
    sha256: str

    def line(self, loc: Loc) -> int | None:
        """Line of the deepest part of ``loc`` that the text shows."""
        return line_of(line_map(self.text, self.tables), loc)

    def problem(self, loc: Loc, what: str, allowed: str = "") -> Problem:
        """One thing wrong at ``loc``."""
        return Problem(self.name, self.line(loc), ".".join(str(part) for part in loc), what, allowed)


def read_data(path: Path) -> DataFile:
    """Read a TOML file under the rules of a plan: a regular file of at most 1 MiB, UTF-8, no endless lines.

    Raises:
        InvalidInput: not there, not readable, too large, no text or not TOML; with the line where there is
        one.
    """
    document = read_document(path)
    text = document.text or ""
    return DataFile(str(path), text, dict(document.values), sha256(text.encode("utf-8")).hexdigest())


_WORDS: Final = {  # pydantic's error types in our words
    "missing": "is missing; there is no default for a limit",
    "extra_forbidden": "is an unknown key",
    "string_type": "is not a text",
    "bool_type": "is not true or false",
    "model_type": "is not a table",
    "dict_type": "is not a table",
    "tuple_type": "is not a list",
}


def check(data: DataFile, model: type[M]) -> M:
    """Turn the tables of ``data`` into ``model``.

    Raises:
        InvalidInput: every unknown, missing or wrong value, unknown source or unearned ``verified``, with
        its line.
    """
    try:
        value = model.model_validate(data.tables)
    except ValidationError as error:
        raise InvalidInput(tuple(_problem(data, item) for item in error.errors(include_url=False))) from None
    problems = tuple(_source_problems(data, value))
    if problems:
        raise InvalidInput(problems)
    return value


def _problem(data: DataFile, item: Any) -> Problem:  # noqa: ANN401 - pydantic's ErrorDetails
    what, allowed = _WORDS.get(item["type"], item["msg"].removeprefix("Value error, ")), ""
    if item["type"] == "literal_error":
        what, allowed = f"{shown(item['input'])} is not known", str(item["ctx"]["expected"])
    if isinstance(item.get("input"), Decimal | int) and item["type"] == "model_type":
        allowed = '{ value = "...", source = "...", verified = true or false }'
    return data.problem(tuple(item["loc"]), what, allowed)


def _source_problems(data: DataFile, value: SourcedModel) -> Iterator[Problem]:
    for loc, number in numbers_of(value):
        source = value.sources.get(number.source)
        if source is None:
            yield data.problem((*loc, "source"), f"names no source of this file: {number.source!r}")
        elif number.verified and not source.read:
            yield data.problem((*loc, "verified"), f"is true, but the source {number.source!r} was not read")


def numbers_of(value: object, loc: Loc = ()) -> Iterator[tuple[Loc, Sourced[Any]]]:
    """Every sourced number below ``value`` with its path, in the order of the model."""
    if isinstance(value, Sourced):
        yield loc, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from numbers_of(getattr(value, name), (*loc, name))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from numbers_of(item, (*loc, name))
