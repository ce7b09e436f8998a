"""What of a permit's steps a New Era pump can be told, and as which phases; the tag that names a permit.

Layer      drivers, pure: imports ``base`` and the codec. Integers and exact fractions only.
Hazard     a phase that ends late or runs faster than the plan asks, a pause that never ends, a tag that is
           taken for another permit's.
Invariant  a step's phases end when the step does, less than 1 s before it and never after it; the volume
           told is never above the step's, nor is the flow up to any instant, by one pump step or more.
Source     New Era wire specification, sections 2, 8, 10; docs/adr/0009. No physical pump was attached.
Tests      tests/unit/test_new_era_program.py, tests/unit/test_new_era_program_edges.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from typing import Final

from pump_ctrl.drivers import new_era_codec as codec
from pump_ctrl.drivers.base import Grid, PumpSettings, Step, StepKind

MS_PER_HOUR: Final = 3_600_000
TAG_PHASE: Final = 41  # behind the stop: the program never gets there
MOST_PHASES: Final = 39  # of a program, without its stop and the tag
LONGEST_PAUSE_S: Final = 99
MOST_RUN_NL: Final = 9_999_000  # one program must not make the counter roll over
# Exchanges of a deliver at the most, 19 to 34 ms each at 19200 baud: beside the phases, and for each rate phase and
# each pause that stands where another function did; two fewer where it stood already. On a pump whose phase 41 holds no
# tag yet there are 13 more.
BESIDE, PER_RATE, PER_PAUSE, FIRST = 24, 10, 5, 13


@dataclass(frozen=True, slots=True)
class RatePhase:
    """Pump ``volume_nl`` at ``nl_per_h``; both are numbers of 4 digits."""

    nl_per_h: int
    volume_nl: int


@dataclass(frozen=True, slots=True)
class PausePhase:
    """Stand still for so many seconds, 1 to 99."""

    seconds: int


Phase = RatePhase | PausePhase


@dataclass(frozen=True, slots=True)
class Program:
    """The phases of a permit; a stop follows the last. ``volume_nl`` is all that they give."""

    phases: tuple[Phase, ...]
    volume_nl: int


def fastest_nl_per_h(settings: PumpSettings) -> int:
    """The fastest rate that can be told: 4 digits of uL/h end at 9999."""
    return codec.down(settings.max_nl_per_h)


def achievable_step(volume_nl: int, duration_ms: int, settings: PumpSettings) -> tuple[int, int]:
    """The most of ``volume_nl`` (nL) that the pump can be told to spread over ``duration_ms``, and that time.

    The rate is rounded down to 4 digits, the volume is what it gives in the time, down to the pump's step and
    4 digits. What is lost is at most 0.1 % and one step; it is for the caller to book as missed. 0 means a
    rest: less than the pump's slowest number or smallest step. Applied again it changes nothing.
    """
    if volume_nl <= 0 or duration_ms <= 0:
        return 0, duration_ms
    told, fastest = _volume(volume_nl, settings.step_nl), fastest_nl_per_h(settings)
    exact = codec.up(_rate(told, duration_ms))
    if exact <= fastest and _given(exact, duration_ms, settings.step_nl) == told:
        return told, duration_ms
    rate = min(codec.down(volume_nl * MS_PER_HOUR // duration_ms), fastest)
    return _given(rate, duration_ms, settings.step_nl), duration_ms


def grid_of(settings: PumpSettings) -> Grid:
    """What such a pump can be told, for the controller.

    A volume is what the next lower rate gives in the time: rounded up, a run that is cut has given more than its
    even flow, each time, and the counter's last digit hides it.
    """

    def volume(volume_nl: int, duration_ms: int) -> int:
        rate = min(codec.down(volume_nl * MS_PER_HOUR // duration_ms), fastest_nl_per_h(settings))
        return _given(rate, duration_ms, settings.step_nl)

    def count(steps: Sequence[Step]) -> int:
        fitting = (n for n in range(len(steps), 1, -1) if compile_program(tuple(steps[:n]), settings))
        return next(fitting, min(1, len(steps)))

    def told_in(steps: Sequence[Step]) -> int:
        program = compile_program(tuple(steps), settings)
        return BESIDE if program is None else exchanges(program)

    return Grid(volume, count, told_in, rests=True)


def achievable(steps: tuple[Step, ...], settings: PumpSettings) -> tuple[Step, ...]:
    """The steps as the pump can be told them, as many of them from the first on as one program holds.

    Empty if not even the first fits, or a bolus would shrink to nothing. What a bolus loses is taken off its
    basal share first.
    """
    told = tuple(_told(step, settings) for step in steps)
    for count in range(len(told), 0, -1):
        if compile_program(told[:count], settings) is not None:
            return told[:count]
    return ()


def compile_program(steps: tuple[Step, ...], settings: PumpSettings) -> Program | None:
    """The phases that carry the steps out; None if they do not fit into one program.

    A step is a rate phase and pauses of whole seconds up to its end; what is left of a second is added to the
    time of the next one. Pauses are 99 s at most, and loops of them are not used: how often a loop runs is not
    founded. So a rest longer than some 64 minutes fits no program: a run has to end before it.
    """
    phases: list[Phase] = []
    early, total = Fraction(0), 0  # ms that the pump is ahead of the steps; nL
    for step in steps:
        volume_nl, _ = achievable_step(step.volume_nl, step.duration_ms, settings)
        if not volume_nl and step.kind is not StepKind.BASAL:
            return None
        early += step.duration_ms
        if volume_nl:
            rate = codec.up(-int(-(volume_nl * MS_PER_HOUR) // early))
            phases.append(RatePhase(rate, volume_nl))
            early -= Fraction(volume_nl * MS_PER_HOUR, rate)
            total += volume_nl
        seconds = int(early // 1_000)
        phases += _pauses(seconds)
        early -= seconds * 1_000
        if len(phases) > MOST_PHASES:
            return None
    return Program(tuple(phases), total) if phases and total <= MOST_RUN_NL else None


def _pauses(seconds: int) -> list[PausePhase]:
    full, rest = divmod(min(seconds, LONGEST_PAUSE_S * (MOST_PHASES + 1)), LONGEST_PAUSE_S)
    return [PausePhase(LONGEST_PAUSE_S)] * full + ([PausePhase(rest)] if rest else [])


def exchanges(program: Program) -> int:
    """How many exchanges a deliver of this program takes at the most, on a pump that has a tag."""
    return BESIDE + sum(PER_RATE if isinstance(phase, RatePhase) else PER_PAUSE for phase in program.phases)


def _told(step: Step, settings: PumpSettings) -> Step:
    volume_nl, _ = achievable_step(step.volume_nl, step.duration_ms, settings)
    lost = step.volume_nl - volume_nl
    return replace(step, volume_nl=volume_nl, basal_nl=max(0, step.basal_nl - lost))


def _rate(volume_nl: int, duration_ms: int) -> int:
    """The rate that gives the volume in the time, nL/h, rounded up."""
    return -(-volume_nl * MS_PER_HOUR // duration_ms)


def _given(nl_per_h: int, duration_ms: int, step_nl: int) -> int:
    """What a rate gives in a time and the pump can be told, nL."""
    return _volume(nl_per_h * duration_ms // MS_PER_HOUR, step_nl)


def _volume(volume_nl: int, step_nl: int) -> int:
    """The largest volume that is a whole number of pump steps and has 4 digits, nL."""
    told = codec.down(volume_nl)
    while told % step_nl:
        told = codec.down(told // step_nl * step_nl)
    return told


# ---- the tag -------------------------------------------------------------------------------------

_NUMBERS: Final = 9_999  # volumes of a tag: 0.001 to 9.999 uL, so that it would do little harm if it ever ran
_MARKS: Final = 4_500  # rates of a tag: 100.0 to 549.9 uL/h while prepared, 550.0 to 999.9 when armed
_FIRST_RATE: Final = 100_000
_STEP_RATE: Final = 100


@dataclass(frozen=True, slots=True)
class Tag:
    """What phase 41 says: which permit the program below it belongs to, and whether it may have been run.

    ``number`` is the permit's id modulo 9,999, or -1 where none was written yet; ``mark`` a hash of the whole id.
    """

    number: int
    mark: int
    armed: bool

    @classmethod
    def of(cls, permit_id: int, *, armed: bool) -> Tag:
        """The tag of a permit."""
        digest = sha256(permit_id.to_bytes(8, "big")).digest()
        return cls(_number(permit_id), int.from_bytes(digest[:8], "big") % _MARKS, armed)

    @classmethod
    def read(cls, phase: RatePhase) -> Tag | None:
        """The tag that a phase holds; None if it can be none."""
        place, rest = divmod(phase.nl_per_h - _FIRST_RATE, _STEP_RATE)
        if rest or not 0 <= place < 2 * _MARKS:
            return None
        number = phase.volume_nl - 1 if 1 <= phase.volume_nl <= _NUMBERS else -1
        return cls(number, place % _MARKS, place >= _MARKS)

    @property
    def phase(self) -> RatePhase:
        """The tag as the numbers of a phase."""
        place = self.mark + (_MARKS if self.armed else 0)
        return RatePhase(_FIRST_RATE + place * _STEP_RATE, self.number + 1)

    def is_of(self, permit_id: int) -> bool:
        """Whether it names this permit, armed or not."""
        return self == Tag.of(permit_id, armed=self.armed)

    def is_before(self, permit_id: int) -> bool:
        """Whether it names a permit that was made up to 4,999 permits before this one, on the same journal."""
        return self.number >= 0 and 0 < (_number(permit_id) - self.number) % _NUMBERS < _NUMBERS // 2 + 1

    def is_begun_for(self, permit_id: int) -> bool:
        """Whether it is being written for this permit: the mark is there, the number not yet."""
        mine = not self.armed and self.mark == Tag.of(permit_id, armed=False).mark
        return mine and (self.number < 0 or self.is_before(permit_id))


def _number(permit_id: int) -> int:
    """The part of an id that counts up over a journal (its low 32 bits), modulo 9,999."""
    return (permit_id & 0xFFFF_FFFF) % _NUMBERS
