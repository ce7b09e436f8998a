"""The commands of a Harvard pump that set it up: address, screen, link, clock, mode and syringe.

Layer      sim.firmware. Imports the parts of the Harvard firmware that own no byte.
Source     the protocol document of the Pump 11 Elite family, sections 3 and 6.
Readings   a mode, a diameter or a syringe is refused while the pump runs; another diameter makes the syringe a
           custom one.
Tests      tests/unit/sim/test_firmware_harvard.py, tests/wire/harvard.toml
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from sim.firmware.harvard_calendar import clock_text, read_clock
from sim.firmware.harvard_families import HOSHI, HOSHI_SIZES
from sim.firmware.harvard_frames import argument_error, command_error
from sim.firmware.harvard_state import MODES, Poll, Pump
from sim.firmware.harvard_units import (
    OUT_OF_RANGE,
    UNKNOWN_ARGUMENT,
    diameter_text,
    only_one,
    read_diameter,
    read_volume,
    read_whole,
)

Words = tuple[str, ...]
Lines = tuple[str, ...]
Handler = Callable[[Pump, Words, int], Lines]
NOTHING: Final[Lines] = ()
_ON_OFF: Final = ("on", "off")
_BAUDS: Final = (
    "9600",
    "19200",
    "38400",
    "57600",
    "115200",
    "230400",
    "460800",
    "921600",
)  # (?) but the ends


def choice(words: Words, allowed: tuple[str, ...]) -> str:
    """The only argument, one of some words."""
    word = only_one(words)
    if word.lower() not in allowed:
        raise argument_error(word, UNKNOWN_ARGUMENT)
    return word.lower()


def no_words(words: Words) -> None:
    """Refuse any argument."""
    if words:
        raise argument_error(words[0], UNKNOWN_ARGUMENT)


# System


def _address(pump: Pump, words: Words, _t_ms: int) -> Lines:
    if not words:
        return (f"Pump address is {pump.kept.address}",)
    address = read_whole(only_one(words), 0, 99)
    pump.kept = replace(pump.kept, address=address)
    return (f"Pump address set to {address}",)


def _baud(pump: Pump, words: Words, _t_ms: int) -> Lines:
    if not words:
        return (f"{pump.kept.baud} baud",)
    word = only_one(words)
    if word not in _BAUDS:
        raise argument_error(word, OUT_OF_RANGE)
    pump.kept = replace(pump.kept, baud=int(word))
    return NOTHING


def _dim(pump: Pump, words: Words, _t_ms: int) -> Lines:
    if not words:
        return (f"Backlight is set to {pump.kept.dim}%",)
    pump.kept = replace(pump.kept, dim=read_whole(only_one(words), 0, 100))
    return NOTHING


def _echo(pump: Pump, words: Words, _t_ms: int) -> Lines:
    if not words:
        return (pump.state_text("Echo", "on" if pump.echo else "off"),)
    if pump.poll is Poll.REMOTE:
        raise command_error("Not allowed in remote mode")
    pump.echo = choice(words, _ON_OFF) == "on"
    return NOTHING


def _force(pump: Pump, words: Words, _t_ms: int) -> Lines:
    if not words:
        return (f"{pump.kept.force}%",)
    pump.kept = replace(pump.kept, force=read_whole(only_one(words), 1, 100))
    return NOTHING


def _footswitch(pump: Pump, words: Words, _t_ms: int) -> Lines:
    names = {"mom": "Momentary", "rise": "Active high", "fall": "Active low"}
    if not words:
        return (names[pump.kept.footswitch],)
    pump.kept = replace(pump.kept, footswitch=choice(words, tuple(names)))
    return NOTHING


def _metrics(pump: Pump, _words: Words, _t_ms: int) -> Lines:
    if not pump.family.metrics:
        raise command_error("Unknown command")
    return pump.family.metrics


def _poll(pump: Pump, words: Words, _t_ms: int) -> Lines:
    if not words:
        return (pump.state_text("Polling mode", pump.poll),)
    allowed = ("on", "off", "remote") if pump.quirks.remote_polling else _ON_OFF
    pump.poll = Poll(choice(words, allowed))
    pump.echo = pump.echo and pump.poll is not Poll.REMOTE
    return NOTHING


def _time(pump: Pump, words: Words, t_ms: int) -> Lines:
    if words:
        pump.clock_s, pump.clock_ms = read_clock(words), t_ms
    return (clock_text(pump.clock_s + (t_ms - pump.clock_ms) // 1_000),)


def _ver(pump: Pump, _words: Words, _t_ms: int) -> Lines:
    return (pump.family.ver,)


def _version(pump: Pump, _words: Words, _t_ms: int) -> Lines:
    return (
        f"Firmware:      {pump.family.firmware}",
        f"Pump address:  {pump.kept.address}",
        f"Serial number: {pump.serial}",
    )


def _nvram(pump: Pump, words: Words, _t_ms: int) -> Lines:
    pump.write_rates(on=choice(words, pump.family.nvram) == "on")
    return NOTHING


def _load(pump: Pump, words: Words, t_ms: int) -> Lines:
    if not words:
        return (f"{MODES[pump.kept.mode]} (qs {pump.kept.mode})",)
    pump.must_stand()
    choice(words[:1], ("qs",))
    modes = ("i",) if pump.quirks.infuse_only else tuple(MODES)
    pump.load(choice(words[1:], modes), t_ms)
    return NOTHING


# Syringe


def _diameter(pump: Pump, words: Words, t_ms: int) -> Lines:
    if not words:
        return (diameter_text(pump.kept.diameter),)
    pump.must_show_quick_start()
    pump.must_stand()
    diameter = read_diameter(words, pump.family.most_diameter)
    pump.set_diameter(t_ms, diameter)
    return NOTHING


def _syringe_volume(pump: Pump, words: Words, _t_ms: int) -> Lines:
    if not words:
        return (str(pump.kept.syringe_volume),)
    pump.must_show_quick_start()
    pump.must_stand()
    pump.kept = replace(pump.kept, syringe_volume=read_volume(words))
    return NOTHING


def _manufacturer(pump: Pump, words: Words, t_ms: int) -> Lines:
    if not words:
        return (pump.kept.syringe,)
    if words[0].lower() not in {*pump.family.codes, "hoshi"}:
        raise argument_error(words[0], UNKNOWN_ARGUMENT)
    if words[1:] == ("?",):
        return HOSHI_SIZES if words[0].lower() in {"hos", "hoshi"} else NOTHING
    pump.must_show_quick_start()
    pump.must_stand()
    wanted = str(read_volume(words[1:]))
    known = HOSHI if words[0].lower() in {"hos", "hoshi"} else ()
    for syringe in known:
        if syringe.volume == wanted:
            pump.set_syringe(t_ms, syringe.diameter, syringe.text)
            return NOTHING
    raise argument_error(words[1], "Unknown syringe")


SYSTEM: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "address": _address,
        "baud": _baud,
        "dim": _dim,
        "echo": _echo,
        "force": _force,
        "ftswitch": _footswitch,
        "metrics": _metrics,
        "poll": _poll,
        "time": _time,
        "ver": _ver,
        "version": _version,
        "nvram": _nvram,
        "load": _load,
        "diameter": _diameter,
        "svolume": _syringe_volume,
        "syrmanu": _manufacturer,
    }
)
