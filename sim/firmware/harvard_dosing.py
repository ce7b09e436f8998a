"""The commands of a Harvard pump that move fluid, count it or end it: one small function each.

Layer      sim.firmware. Imports the parts of the Harvard firmware that own no byte.
Source     the protocol document of the Pump 11 Elite family, sections 3, 6, 7 and 9.
Readings   `run` goes in the direction of the last run, or the mode's first; targets and clearing are refused
           while the pump runs (quirk `set_while_running`).
Tests      tests/unit/sim/test_firmware_harvard_runs.py, tests/wire/harvard.toml
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sim.firmware.harvard_frames import argument_error, command_error
from sim.firmware.harvard_runs import Prompt, Shown
from sim.firmware.harvard_state import Pump
from sim.firmware.harvard_system import NOTHING, Handler, Lines, Words, no_words
from sim.firmware.harvard_units import (
    OUT_OF_RANGE,
    Rate,
    only_one,
    rate_of,
    read_decimal,
    read_rate,
    read_time_s,
    read_volume,
    six,
    time_text,
    volume_text,
)
from sim.firmware.syringe import INFUSE, WITHDRAW

_FL_PER_PL: Final = 1_000
_HOUR_MS: Final = 3_600_000


# Running


def _infuse(pump: Pump, words: Words, t_ms: int) -> Lines:
    no_words(words)
    pump.run(t_ms, INFUSE)
    return NOTHING


def _withdraw(pump: Pump, words: Words, t_ms: int) -> Lines:
    no_words(words)
    pump.run(t_ms, WITHDRAW)
    return NOTHING


def _run(pump: Pump, words: Words, t_ms: int) -> Lines:
    no_words(words)
    pump.run(t_ms, pump.runs.direction)
    return NOTHING


def _run_back(pump: Pump, words: Words, t_ms: int) -> Lines:
    no_words(words)
    pump.run(t_ms, -pump.runs.direction)
    return NOTHING


def _stop(pump: Pump, words: Words, t_ms: int) -> Lines:
    no_words(words)
    pump.stop(t_ms)
    return NOTHING


# Rates


def _rate(side: int) -> Handler:
    def handle(pump: Pump, words: Words, t_ms: int) -> Lines:
        lowest, highest = (rate_of(limit) for limit in pump.limits())
        if not words:
            return (str(pump.kept.rates[side]),)
        if [word.lower() for word in words] == ["lim"]:
            return (f"{lowest} to {highest}",)
        pump.must_show_quick_start()
        named = {"min": lowest, "max": highest}.get(words[0].lower()) if len(words) == 1 else None
        rate = named or _in_range(pump, read_rate(words), words[0])
        pump.set_rate(t_ms, side, rate)
        return NOTHING

    return handle


def _in_range(pump: Pump, rate: Rate, word: str) -> Rate:
    """The rate, if it is in the pump's range or equals a limit as the pump writes it."""
    if not pump.in_range(rate):
        raise argument_error(word, OUT_OF_RANGE)
    return rate


def _present_rate(pump: Pump, words: Words, t_ms: int) -> Lines:
    no_words(words)
    shown = pump.runs.shown(t_ms)
    does = {Prompt.INFUSING: "Infusing", Prompt.WITHDRAWING: "Withdrawing"}.get(shown.prompt)
    if does is None:
        raise command_error("Pump is not running")
    return (f"{does} at {pump.kept.rates[shown.direction]}",)


def _ramp(side: int) -> Handler:
    def handle(pump: Pump, words: Words, _t_ms: int) -> Lines:
        if not words:
            return (pump.ramps.get(side, "Ramp not set up."),)
        pump.must_show_quick_start()
        pump.must_stand()
        first, last = read_rate(words[:2]), read_rate(words[2:4])
        seconds = read_decimal(only_one(words[4:]))
        _in_range(pump, first, words[0])
        _in_range(pump, last, words[2])
        pump.ramps[side] = f"{first} to {last} in {six(seconds)} seconds"
        return NOTHING

    return handle


# Volumes and times


def _volume(side: int) -> Handler:
    def handle(pump: Pump, words: Words, t_ms: int) -> Lines:
        no_words(words)
        return (volume_text(max(0, pump.runs.shown(t_ms).counts[side]) * _FL_PER_PL),)

    return handle


def _elapsed(side: int) -> Handler:
    def handle(pump: Pump, words: Words, t_ms: int) -> Lines:
        no_words(words)
        return (time_text(pump.runs.shown(t_ms).times[side]),)

    return handle


def _target_volume(pump: Pump, words: Words, _t_ms: int) -> Lines:
    if not words:
        return (pump.runs.target_text if pump.runs.target_pl is not None else pump.not_set("volume"),)
    pump.must_show_quick_start()
    pump.must_allow_setting()
    volume = read_volume(words)
    if not _FL_PER_PL <= volume.fl <= pump.most_target_fl:
        raise argument_error(words[0], "Target volume out of range")
    pump.runs.set_target(volume.fl // _FL_PER_PL, str(volume))
    return NOTHING


def _target_time(pump: Pump, words: Words, _t_ms: int) -> Lines:
    seconds = pump.runs.target_time_s
    if not words:
        return (time_text(seconds * 1_000) if seconds is not None else pump.not_set("time"),)
    pump.must_show_quick_start()
    pump.must_allow_setting()
    pump.runs.set_target_time(read_time_s(words))
    return NOTHING


def _clear_volumes(*sides: int) -> Handler:
    def handle(pump: Pump, words: Words, t_ms: int) -> Lines:
        no_words(words)
        pump.must_allow_setting()
        pump.runs.clear_counts(t_ms, *sides)
        return NOTHING

    return handle


def _clear_times(*sides: int) -> Handler:
    def handle(pump: Pump, words: Words, t_ms: int) -> Lines:
        no_words(words)
        pump.must_allow_setting()
        pump.runs.clear_times(t_ms, *sides)
        return NOTHING

    return handle


def _clear_target_volume(pump: Pump, words: Words, t_ms: int) -> Lines:
    no_words(words)
    pump.must_allow_setting()
    pump.runs.clear_targets(t_ms, volume=True)
    return NOTHING


def _clear_target_time(pump: Pump, words: Words, t_ms: int) -> Lines:
    """Clears a ramp too, as recorded."""
    no_words(words)
    pump.must_allow_setting()
    pump.ramps.clear()
    pump.runs.clear_targets(t_ms, time=True)
    return NOTHING


def _trigger(pump: Pump, words: Words, _t_ms: int) -> Lines:
    no_words(words)
    return (f"The trigger input is {'high' if pump.trigger_high else 'low'}.",)


def _status(pump: Pump, words: Words, t_ms: int) -> Lines:
    no_words(words)
    shown = pump.runs.shown(t_ms)
    unit = pump.family.status_time
    time = shown.times[shown.direction] * unit.numerator // unit.denominator
    volume = max(0, shown.counts[shown.direction]) * _FL_PER_PL
    return (f"{shown.fl_per_h * 1_000 // _HOUR_MS} {time} {volume} {_flags(pump, shown)}",)


def _flags(pump: Pump, shown: Shown) -> str:
    letter = "i" if shown.direction == INFUSE else "w"
    flags = (
        letter.upper() if shown.prompt in (Prompt.INFUSING, Prompt.WITHDRAWING) else letter,
        ".",
        "S" if shown.prompt is Prompt.STALLED else ".",
        "T" if pump.trigger_high else ".",
        "I",
        "T" if shown.prompt is Prompt.REACHED else ".",
    )
    return "".join(flags[: pump.family.status_flags])


DOSING: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "irun": _infuse,
        "wrun": _withdraw,
        "rrun": _run_back,
        "run": _run,
        "stop": _stop,
        "stp": _stop,
        "irate": _rate(INFUSE),
        "wrate": _rate(WITHDRAW),
        "crate": _present_rate,
        "iramp": _ramp(INFUSE),
        "wramp": _ramp(WITHDRAW),
        "ivolume": _volume(INFUSE),
        "wvolume": _volume(WITHDRAW),
        "tvolume": _target_volume,
        "civolume": _clear_volumes(INFUSE),
        "cwvolume": _clear_volumes(WITHDRAW),
        "cvolume": _clear_volumes(INFUSE, WITHDRAW),
        "ctvolume": _clear_target_volume,
        "itime": _elapsed(INFUSE),
        "wtime": _elapsed(WITHDRAW),
        "ttime": _target_time,
        "citime": _clear_times(INFUSE),
        "cwtime": _clear_times(WITHDRAW),
        "ctime": _clear_times(INFUSE, WITHDRAW),
        "cttime": _clear_target_time,
        "input": _trigger,
        "status": _status,
    }
)
WITHDRAWING: Final = frozenset(("wrun", "rrun", "wrate", "wramp", "wvolume", "wtime", "cwvolume", "cwtime"))
