"""Pump and catheter profiles and the timing table: what the hardware can do, each number with its source.

Layer      therapy; imports therapy.sourced and the kernel.
Hazard     a wrong path volume (a published recall: 0.199 mL for 0.140 mL of tubing), a wrong syringe diameter
           (volume errs with its square), a rate the pump cannot run.
Invariant  a profile is read whole or refused; rates of a syringe pump follow from plunger speed and diameter,
           the lowest rounded up and the highest down.
Tests      tests/unit/test_profiles.py, tests/unit/test_formulary_bad_input.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, floor
from pathlib import Path
from typing import Any, Final, Literal

from pump_ctrl.errors import InvalidInput, Problem
from pump_ctrl.therapy.sourced import (
    CountText,
    DataFile,
    DeadVolumeText,
    FlowText,
    LengthText,
    PerCmText,
    PerMilleText,
    ShareText,
    Source,
    Sourced,
    SourcedModel,
    SpeedText,
    Strict,
    TimeText,
    VolumeText,
    check,
    numbers_of,
    read_data,
)
from pump_ctrl.units import MS_PER_DAY, MS_PER_HOUR, Duration, Volume, VolumeRate

DATA: Final = Path(__file__).parent.parent / "data"
FOUR_DIGITS: Final = Fraction(1, 1_000)  # the most that a number loses when it is cut to four digits
# Bounds of pi, so that a lowest rate is never rounded below the pump's and a highest never above it.
_PI_LOW, _PI_HIGH = Fraction(314159265, 10**8), Fraction(314159266, 10**8)


class _Syringe(Strict):
    title: str
    diameter: Sourced[LengthText]
    speed_min: Sourced[SpeedText]
    speed_max: Sourced[SpeedText]


class _Rates(Strict):
    min_rate: Sourced[FlowText]
    max_rate: Sourced[FlowText]
    minimum_mode: Sourced[FlowText] | None = None


class _PumpFile(SourcedModel):
    title: str
    protocol: Literal["reference", "new-era", "harvard"]
    kind: Literal["implant", "syringe"]
    model: str
    rates: _Rates | None = None
    syringe: _Syringe | None = None
    capacity: Sourced[VolumeText]
    residual: Sourced[DeadVolumeText]
    tubing_low: Sourced[DeadVolumeText]
    tubing_high: Sourced[DeadVolumeText]
    step: Sourced[VolumeText]
    counter_unit: Sourced[VolumeText]
    told_max: Sourced[FlowText] | None = None
    max_steps: Sourced[CountText]
    lease: Sourced[TimeText]
    poll: Sourced[TimeText]
    accuracy_low: Sourced[PerMilleText]
    accuracy_high: Sourced[PerMilleText]
    refill_discrepancy: Sourced[VolumeText]


@dataclass(frozen=True, slots=True)
class Syringe:
    """The syringe that a bench pump's profile is for, with its inner diameter in um."""

    title: str
    diameter_um: int


@dataclass(frozen=True, slots=True)
class PumpProfile:
    """What one pump (a syringe pump: with one syringe) can do.

    ``tubing`` are the two bounds of the volume between reservoir and catheter; ``residual`` is what never
    leaves the reservoir; ``step`` the finest volume it can be asked, ``counter_unit`` the finest it
    reports; ``accuracy`` the thousandths of the commanded volume that truly flow, lowest and highest;
    ``refill_discrepancy`` the difference between measured and expected residual that needs a work-up.
    ``told_max`` is the highest rate that can be told where that is less than ``max_rate``.
    ``numbers`` holds every number with its source.
    """

    name: str
    title: str
    protocol: Literal["reference", "new-era", "harvard"]
    kind: Literal["implant", "syringe"]
    model: str
    capacity: Volume
    residual: Volume
    tubing: tuple[Volume, Volume]
    min_rate: VolumeRate
    max_rate: VolumeRate
    minimum_mode: VolumeRate | None
    step: Volume
    counter_unit: Volume
    told_max: VolumeRate | None
    max_steps: int
    lease: Duration
    poll: Duration
    accuracy: tuple[int, int]
    refill_discrepancy: Volume
    syringe: Syringe | None
    sha256: str
    numbers: Mapping[str, Sourced[Any]]
    sources: Mapping[str, Source]

    @property
    def fastest(self) -> VolumeRate:
        """The fastest flow that the pump can be told: ``max_rate``, or ``told_max`` where that is less."""
        rates = [self.max_rate] if self.told_max is None else [self.max_rate, self.told_max]
        return min(rates, key=lambda rate: rate.nl_per_day)

    @property
    def max_nl_per_h(self) -> int:
        """The same in whole nL/h, rounded down."""
        return floor(self.fastest.nl_per_day / 24)

    def least_nl(self, duration_ms: int) -> Fraction:
        """The least volume that is surely given when the pump is told to spread it over so long, nL.

        A syringe pump is told rates of four digits and volumes of whole steps, both rounded down, the run before may
        have given a step ahead of the plan, and what then is below the pump's lowest rate is not given at all.
        """
        if self.kind == "implant":
            return self.min_rate.nl_per_ms * duration_ms
        told = Fraction(ceil(self.min_rate.nl_per_day / 24) * duration_ms, MS_PER_HOUR)
        return (told + 2 * self.step.nl) / (1 - FOUR_DIGITS)

    @property
    def unverified(self) -> tuple[str, ...]:
        """Names of the numbers that no read source supports."""
        return tuple(name for name, number in self.numbers.items() if not number.verified)


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that come with the package, sorted."""
    return tuple(sorted(path.stem for path in (DATA / "pumps").glob("*.toml")))


def load_profile(name_or_path: Path | str) -> PumpProfile:
    """Read the packaged profile of that name, or a profile file (a path, or a text that ends in ``.toml``).

    Raises:
        InvalidInput: no such profile, or anything missing, unknown, out of range or contradictory, with
        file:line.
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml"):
        return _load_profile(Path(name_or_path))
    if name_or_path not in profile_names():
        problem = Problem(
            "", None, "pump", f"no profile is called {name_or_path!r}", ", ".join(profile_names())
        )
        raise InvalidInput((problem,))
    return _packaged_profile(name_or_path)


@cache
def _packaged_profile(name: str) -> PumpProfile:
    return _load_profile(DATA / "pumps" / f"{name}.toml")


def _load_profile(path: Path) -> PumpProfile:
    data = read_data(path)
    file = check(data, _PumpFile)
    problems = tuple(_judge(data, file))
    if problems:
        raise InvalidInput(problems)
    profile = _profile(path.stem, data, file)
    if profile.max_rate.nl_per_day < profile.min_rate.nl_per_day:
        raise InvalidInput((data.problem(("rates",), "has its lowest rate above its highest"),))
    return profile


# Six digits of a run of more than 1 mL tell nothing finer (drivers/harvard_amounts.py).
_FINEST_STEP_NL: Final = {"harvard": 10}
_ORDER: Final = (
    ("tubing_low", "tubing_high"),
    ("accuracy_low", "accuracy_high"),
    ("step", "capacity"),
    ("residual", "capacity"),
    ("refill_discrepancy", "capacity"),
    ("poll", "lease"),
)


def _judge(data: DataFile, file: _PumpFile) -> Iterator[Problem]:
    if (file.rates is None) == (file.syringe is None):
        yield data.problem((), "needs exactly one of [rates] (implant) and [syringe]")
    elif (file.kind == "syringe") != (file.syringe is not None):
        yield data.problem(("kind",), "does not fit", "implant with [rates], syringe with [syringe]")
    for low, high in _ORDER:
        if getattr(file, high).value < getattr(file, low).value:
            yield data.problem((low,), f"is more than {high}", f"{low} <= {high}")
    if not file.accuracy_low.value <= 1_000 <= file.accuracy_high.value:
        yield data.problem(("accuracy_low",), "does not enclose 100 % with accuracy_high")
    finest = Volume(_FINEST_STEP_NL.get(file.protocol, 1))
    if file.step.value < finest:
        what = "is finer than the volumes that this pump can be told"
        yield data.problem(("step",), what, f"at least {finest.nl} nL")


def _profile(name: str, data: DataFile, file: _PumpFile) -> PumpProfile:
    low, high, minimum, syringe = _rates(file)
    return PumpProfile(
        name=name,
        title=file.title,
        protocol=file.protocol,
        kind=file.kind,
        model=file.model,
        capacity=file.capacity.value,
        residual=file.residual.value,
        tubing=(file.tubing_low.value, file.tubing_high.value),
        min_rate=low,
        max_rate=high,
        minimum_mode=minimum,
        step=file.step.value,
        counter_unit=file.counter_unit.value,
        told_max=file.told_max.value if file.told_max else None,
        max_steps=file.max_steps.value,
        lease=file.lease.value,
        poll=file.poll.value,
        accuracy=(file.accuracy_low.value, file.accuracy_high.value),
        refill_discrepancy=file.refill_discrepancy.value,
        syringe=syringe,
        sha256=data.sha256,
        numbers={".".join(str(part) for part in loc): number for loc, number in numbers_of(file)},
        sources=dict(file.sources),
    )


def _rates(file: _PumpFile) -> tuple[VolumeRate, VolumeRate, VolumeRate | None, Syringe | None]:
    if file.rates is not None:
        mode = file.rates.minimum_mode
        return file.rates.min_rate.value, file.rates.max_rate.value, mode.value if mode else None, None
    syringe = file.syringe
    if syringe is None:
        raise AssertionError("_judge has refused a file with neither")
    um = syringe.diameter.value.um
    low, high = syringe_rates(um, syringe.speed_min.value, syringe.speed_max.value)
    return low, high, None, Syringe(syringe.title, um)


def syringe_rates(diameter_um: int, slowest: Fraction, fastest: Fraction) -> tuple[VolumeRate, VolumeRate]:
    """Lowest and highest flow of a plunger at ``slowest`` to ``fastest`` mm/h in a syringe of that diameter.

    Whole nL per day, the lowest rounded up and the highest down: speed times pi d^2 / 4, 1 mm^3 = 1 uL.
    """
    square = Fraction(diameter_um, 1_000) ** 2 / 4
    per_day = 24 * 1_000  # mm^3/h -> nL/day
    low = ceil(slowest * square * _PI_HIGH * per_day)
    high = floor(fastest * square * _PI_LOW * per_day)
    return VolumeRate.of(low, MS_PER_DAY), VolumeRate.of(high, MS_PER_DAY)


# --- catheters ----------------------------------------------------------------------------------------------


class _CatheterEntry(Strict):
    title: str
    volume_low: Sourced[PerCmText]
    volume: Sourced[PerCmText]
    volume_high: Sourced[PerCmText]
    supplied: Sourced[LengthText]


class _CatheterFile(SourcedModel):
    catheter: dict[str, _CatheterEntry]


@dataclass(frozen=True, slots=True)
class CatheterData:
    """One catheter model: nL per cm (nominal and the two bounds), and the supplied length in um."""

    name: str
    title: str
    nl_per_cm: tuple[int, int]
    nominal_nl_per_cm: int
    supplied_um: int
    source: str
    verified: bool


@cache
def load_catheters(path: Path | None = None) -> Mapping[str, CatheterData]:
    """Read the catheter table, model -> data.

    Raises:
        InvalidInput: anything missing, unknown, out of range or contradictory, with file:line.
    """
    data = read_data(path or DATA / "catheters.toml")
    file = check(data, _CatheterFile)
    problems = tuple(
        data.problem(("catheter", name), "bounds do not enclose the nominal volume", "low <= nominal <= high")
        for name, entry in file.catheter.items()
        if not entry.volume_low.value <= entry.volume.value <= entry.volume_high.value
    )
    if problems:
        raise InvalidInput(problems)
    return {name: _catheter(name, entry) for name, entry in file.catheter.items()}


def _catheter(name: str, entry: _CatheterEntry) -> CatheterData:
    return CatheterData(
        name=name,
        title=entry.title,
        nl_per_cm=(entry.volume_low.value, entry.volume_high.value),
        nominal_nl_per_cm=entry.volume.value,
        supplied_um=entry.supplied.value.um,
        source=entry.volume.source,
        verified=entry.volume.verified,
    )


def catheter_data(model: str) -> CatheterData:
    """Return the data of a catheter model.

    Raises:
        InvalidInput: no such model. No volume is assumed in its place.
    """
    table = load_catheters()
    if model not in table:
        allowed = f"{', '.join(sorted(table))}, or volume = [low, high]"
        raise InvalidInput(
            (Problem("", None, "catheter.model", f"no catheter is called {model!r}", allowed),)
        )
    return table[model]


# --- timing -------------------------------------------------------------------------------------------------


class _DriverTiming(Strict):
    poll: Sourced[TimeText]
    exchange: Sourced[TimeText]
    stop: Sourced[TimeText]
    stale_ticks: Sourced[CountText]
    safe_timeout: Sourced[TimeText] | None = None
    heartbeat: Sourced[TimeText] | None = None


class _WitnessTiming(Strict):
    poll: Sourced[TimeText]
    silent_polls: Sourced[CountText]
    confirm: Sourced[TimeText]
    note: Sourced[TimeText]
    early: Sourced[TimeText]
    settle: Sourced[TimeText]
    quiet: Sourced[TimeText]
    under: Sourced[TimeText]
    stored: Sourced[VolumeText]
    backlash: Sourced[VolumeText]


class _TimingFile(SourcedModel):
    disagreement_share: Sourced[ShareText]
    disagreement_pump_steps: Sourced[CountText]
    disagreement_over_steps: Sourced[CountText]
    clock_jump: Sourced[TimeText]
    silence: Sourced[TimeText]
    bolus_within: Sourced[TimeText]
    prime_early: Sourced[ShareText]
    prime_rate: Sourced[FlowText]
    witness: _WitnessTiming
    driver: dict[Literal["reference", "new-era", "harvard"], _DriverTiming]


@dataclass(frozen=True, slots=True)
class DriverTiming:
    """Timing of one driver, ms; the last two only where the pump has a wire time-out."""

    poll_ms: int
    exchange_ms: int
    stop_ms: int
    stale_ticks: int
    safe_timeout_ms: int | None
    heartbeat_ms: int | None


@dataclass(frozen=True, slots=True)
class WitnessTiming:
    """Bounds of the comparison with an independent sensor: times ms, volumes nL."""

    poll_ms: int
    silent_polls: int
    confirm_ms: int
    note_ms: int
    early_ms: int
    settle_ms: int
    quiet_ms: int
    under_ms: int
    stored_nl: int
    backlash_nl: int


@dataclass(frozen=True, slots=True)
class Timing:
    """The timing table. ``disagreement_per_mille`` is the tolerated difference of flow (150 = 15 %)."""

    disagreement_per_mille: int
    disagreement_pump_steps: int
    disagreement_over_steps: int
    clock_jump_ms: int
    silence_ms: int
    within_ms: int
    prime_early_per_mille: int
    prime_nl_per_h: int
    witness: WitnessTiming
    driver: Mapping[str, DriverTiming]
    numbers: Mapping[str, Sourced[Any]]
    sha256: str


@cache
def load_timing(path: Path | None = None) -> Timing:
    """Read the timing table.

    Raises:
        InvalidInput: anything missing, unknown or out of range, with file:line.
    """
    data = read_data(path or DATA / "timing.toml")
    file = check(data, _TimingFile)
    missing = {"reference", "new-era", "harvard"} - set(file.driver)
    if missing:
        raise InvalidInput((data.problem(("driver",), f"lacks {', '.join(sorted(missing))}"),))
    return Timing(
        disagreement_per_mille=file.disagreement_share.value,
        disagreement_pump_steps=file.disagreement_pump_steps.value,
        disagreement_over_steps=file.disagreement_over_steps.value,
        clock_jump_ms=file.clock_jump.value.ms,
        silence_ms=file.silence.value.ms,
        within_ms=file.bolus_within.value.ms,
        prime_early_per_mille=file.prime_early.value,
        prime_nl_per_h=floor(file.prime_rate.value.nl_per_day / 24),
        witness=_witness(file.witness),
        driver={name: _driver(entry) for name, entry in file.driver.items()},
        numbers={".".join(str(part) for part in loc): number for loc, number in numbers_of(file)},
        sha256=data.sha256,
    )


def _witness(entry: _WitnessTiming) -> WitnessTiming:
    return WitnessTiming(
        poll_ms=entry.poll.value.ms,
        silent_polls=entry.silent_polls.value,
        confirm_ms=entry.confirm.value.ms,
        note_ms=entry.note.value.ms,
        early_ms=entry.early.value.ms,
        settle_ms=entry.settle.value.ms,
        quiet_ms=entry.quiet.value.ms,
        under_ms=entry.under.value.ms,
        stored_nl=entry.stored.value.nl,
        backlash_nl=entry.backlash.value.nl,
    )


def _driver(entry: _DriverTiming) -> DriverTiming:
    return DriverTiming(
        poll_ms=entry.poll.value.ms,
        exchange_ms=entry.exchange.value.ms,
        stop_ms=entry.stop.value.ms,
        stale_ticks=entry.stale_ticks.value,
        safe_timeout_ms=entry.safe_timeout.value.ms if entry.safe_timeout else None,
        heartbeat_ms=entry.heartbeat.value.ms if entry.heartbeat else None,
    )
