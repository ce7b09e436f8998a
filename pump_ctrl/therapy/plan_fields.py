"""Field types of the plan: quantities and texts, each with its strict pattern for files and editors.

Layer      therapy. Imports units and errors.
Hazard     bare numbers and misread units (tenfold doses); names with control characters in logs.
Invariant  a field holds a value that ``parse`` has returned, or it is refused.
Tests      tests/unit/test_plan.py, tests/unit/test_plan_bad_input.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from pump_ctrl.errors import QuantityError
from pump_ctrl.units import (
    LENGTH_UNITS,
    MASS_UNITS,
    NUMBER_PATTERN,
    TIME_UNITS,
    VOLUME_UNITS,
    Concentration,
    Duration,
    Length,
    Mass,
    MassRate,
    Percent,
    TimeOfDay,
    Volume,
    shown,
)

T = TypeVar("T")

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Fault(NamedTuple):
    """One thing wrong in a part of the plan: where below that part, what, and what is allowed."""

    at: tuple[str | int, ...]
    what: str
    allowed: str = ""


class PartError(ValueError):
    """Carries faults through pydantic, which collects every ValueError."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("; ".join(fault.what for fault in faults))


class Part(BaseModel):
    """A part of the plan: no unknown keys, no conversions, never changed. Its rules are in ``faults``."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def faults(self) -> Iterator[Fault]:
        """Name every rule that this part breaks. Runs when each field of its own is well formed."""
        return iter(())

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        faults = tuple(self.faults())
        if faults:
            raise PartError(*faults)
        return self


def _parsed(kind: Any, value: object) -> Any:  # noqa: ANN401 - one of the quantity types of units
    """Read a text, or pass a quantity made in code through its own text, so that both obey one rule."""
    try:
        return kind.parse(str(value) if isinstance(value, kind) else value)
    except QuantityError as error:
        raise PartError(Fault((), error.problems[0].what, error.problems[0].allowed)) from None


def _quantity(kind: Any) -> PlainValidator:  # noqa: ANN401 - one of the quantity types of units
    def read(value: object) -> object:
        return _parsed(kind, value)

    return PlainValidator(read)


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"


def _pattern(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": _whole(pattern), "examples": list(examples)})


def _amount(units: dict[str, int]) -> str:
    return f"{NUMBER_PATTERN} ?{_any_of(units)}"


def _any_of(units: dict[str, int]) -> str:
    return f"(?:{'|'.join(units)})"


_TEXT: Final = PlainSerializer(str, return_type=str)
_VOLUME: Final = _amount(VOLUME_UNITS)
DURATION_SCHEMA: Final = _whole(_amount(TIME_UNITS))
_RATE: Final = f"{_amount(MASS_UNITS)}/{_any_of(TIME_UNITS)}"
_CONCENTRATION: Final = f"{_amount(MASS_UNITS)}/{_any_of(VOLUME_UNITS)}"

VolumeField = Annotated[Volume, _quantity(Volume), _TEXT, _pattern(_VOLUME, "1.4 mL", "250 uL")]
MassField = Annotated[Mass, _quantity(Mass), _TEXT, _pattern(_amount(MASS_UNITS), "75 ug", "1.5 mg")]
DurationField = Annotated[
    Duration, _quantity(Duration), _TEXT, _pattern(_amount(TIME_UNITS), "20 min", "4 h")
]
LengthField = Annotated[Length, _quantity(Length), _TEXT, _pattern(_amount(LENGTH_UNITS), "89 cm")]
ChangeField = Annotated[
    Percent, _quantity(Percent), _TEXT, _pattern(rf"[+-]{NUMBER_PATTERN} ?%", "+20 %", "-20 %")
]
MassRateField = Annotated[MassRate, _quantity(MassRate), _TEXT, _pattern(_RATE, "400 ug/day", "25 ug/h")]
ConcentrationField = Annotated[
    Concentration, _quantity(Concentration), _TEXT, _pattern(_CONCENTRATION, "1000 ug/mL", "10 mg/mL")
]


def _clock_ms(value: object) -> int:
    return int(_parsed(TimeOfDay, value).ms)


def _clock_text(ms: int) -> str:
    return str(TimeOfDay(ms))


TimeField = Annotated[
    int,
    PlainValidator(_clock_ms),
    PlainSerializer(_clock_text, return_type=str),
    _pattern("(?:[01][0-9]|2[0-3]):[0-5][0-9]", "06:00"),
]


def _integer(value: object) -> object:
    """True and 1.0 equal 1, and a literal looks no closer."""
    if type(value) is not int:
        raise PartError(Fault((), f"{shown(value)} is not known", "1"))
    return value


Version = Annotated[Literal[1], BeforeValidator(_integer)]


def _as_tuple(value: object) -> object:
    """TOML and JSON give lists; the plan keeps tuples."""
    return tuple(value) if isinstance(value, list) else value


Listed = Annotated[tuple[T, ...], BeforeValidator(_as_tuple)]


def _range(value: object) -> tuple[Volume, Volume]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise PartError(
            Fault((), "is not a pair of bounds", 'least and most volume, such as ["0 mL", "1.4 mL"]')
        )
    bounds: list[Volume] = []
    faults: list[Fault] = []
    for index, bound in enumerate(value):
        try:
            bounds.append(_parsed(Volume, bound))
        except PartError as error:
            faults += [Fault((index,), fault.what, fault.allowed) for fault in error.faults]
    if faults:
        raise PartError(*faults)
    low, high = bounds
    if low > high:
        raise PartError(
            Fault((), f"the lower bound {low} is above the upper bound {high}", "the lower bound first")
        )
    return low, high


def _range_text(bounds: tuple[Volume, Volume]) -> list[str]:
    return [str(bound) for bound in bounds]


Range = Annotated[
    tuple[Volume, Volume],
    PlainValidator(_range),
    PlainSerializer(_range_text, return_type=list[str]),
    WithJsonSchema({
        "type": "array", "minItems": 2, "maxItems": 2,
        "items": {"type": "string", "pattern": _whole(_VOLUME)}, "examples": [["0 mL", "1.4 mL"]],
    }),
]  # fmt: skip


def _weekdays(days: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
    """Refuse repeated weekdays and put them in the order of the week."""
    again = [Fault((index,), f"{day!r} stands here twice", "each weekday once")
             for index, day in enumerate(days) if day in days[:index]]  # fmt: skip
    if not days:
        again = [Fault((), "names no weekday", ", ".join(WEEKDAYS))]
    if again:
        raise PartError(*again)
    return tuple(day for day in WEEKDAYS if day in days)


Weekdays = Annotated[tuple[Weekday, ...], BeforeValidator(_as_tuple), AfterValidator(_weekdays)]


def _matching(pattern: str, what: str, allowed: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise PartError(Fault((), f"{shown(text)} is not {what}", allowed))
        return text

    return AfterValidator(check)


def _checked(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(check)


def _printable(text: str) -> str:
    if not 1 <= len(text) <= 120:
        raise PartError(Fault((), f"has {len(text)} characters", "1 to 120"))
    if not text.isprintable() or text != text.strip():
        raise PartError(
            Fault((), f"{shown(text)} has blanks at an end or unprintable characters", "one printed line")
        )
    return text


def _real_start(text: str) -> str:
    """Refuse days that do not exist; a start on the full minute is written without seconds."""
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise PartError(Fault((), f"{shown(text)} is no day of the calendar", "a day that exists")) from None
    return text if moment.second else text[:16]


_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_DRUG: Final = r"[a-z][a-z0-9-]{0,39}"
_HEX64: Final = r"[0-9a-f]{64}"
_OFFSET: Final = (
    r"\+(?:0[0-9]|1[0-3]):[0-5][0-9]|-(?:0[1-9]|1[0-3]):[0-5][0-9]|-00:(?:0[1-9]|[1-5][0-9])|[+-]14:00"
)
_START: Final = r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?"

Name = Annotated[
    str,
    _matching(_NAME, "a name", "1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit"),
    _pattern(_NAME, "ITB-014"),
]
DrugName = Annotated[
    str,
    _matching(_DRUG, "a drug name", 'lower case letters, digits and -, such as "baclofen"'),
    _pattern(_DRUG, "baclofen"),
]
Label = Annotated[
    str, _checked(_printable), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 120})
]
Sha256 = Annotated[str, _matching(_HEX64, "a sha256", "64 digits of 0-9 a-f"), _pattern(_HEX64)]
UtcOffset = Annotated[
    str, _matching(_OFFSET, "an offset from UTC", '"-14:00" to "+14:00"'), _pattern(_OFFSET, "+01:00")
]
StartText = Annotated[
    str,
    _matching(_START, "a start", 'local date and time such as "2026-11-20T08:00"'),
    _checked(_real_start),
    _pattern(_START, "2026-11-20T08:00"),
]
