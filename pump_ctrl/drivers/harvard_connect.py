"""Meeting a Harvard pump: who it is, whether it is set as the profile says, and what it can do.

Layer      drivers; imports its codec, exchange, families and amounts, and ``base``. Sets the line's own manners
           only (polling, echo, storing); never the syringe, never a rate but that of a range asked for.
Hazard     F-19, F-23: another pump, or one with another syringe: wrong by the square of the diameter.
Invariant  whatever does not fit the profile is a sentence that says what to do, and nothing is changed.
Source     the manual's commands (Publication 5420-002); replies recorded from a real Legato 100.
Tests      tests/unit/test_harvard_connect.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from pump_ctrl.drivers.base import PumpSettings
from pump_ctrl.drivers.harvard_amounts import (
    FL_PER_NL,
    parse_diameter,
    parse_range,
    parse_rate,
    parse_volume,
    volume_text,
)
from pump_ctrl.drivers.harvard_codec import Version, parse_percent, parse_ver, parse_version
from pump_ctrl.drivers.harvard_exchange import (
    Answer,
    Conversation,
    Objection,
    Reader,
    Silence,
    anything,
    as_told,
    line,
    nothing,
)
from pump_ctrl.drivers.harvard_families import Family, family_of
from pump_ctrl.errors import LinkError

INFUSING_MODES: Final = ("(qs i)", "(qs iw)", "(qs wi)")
_PER_MM: Final = 10_000  # tenths of a micrometre
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Pump:
    """The pump as it was met.

    Attributes:
        model, firmware, serial: who it is; ``serial`` is None where it tells none.
        family: what its replies mean.
        slowest, fastest: the rates it can make with its syringe, fL/h.
        marks: it keeps a rate of withdrawal, which tells permits apart.
        clamp_percent: how hard it presses at most; None where it does not tell.
    """

    model: str
    firmware: str
    serial: str | None
    family: Family
    slowest: int
    fastest: int
    marks: bool
    clamp_percent: int | None

    @property
    def name(self) -> tuple[str, str | None]:
        """What tells it from another pump."""
        return self.model, self.serial


class Unfit(LinkError):
    """The pump does not answer, or does not fit: one sentence, with what to do."""


def meet(talk: Conversation, settings: PumpSettings) -> Pump | str:
    """Take up the talk and look at everything; a sentence where the pump cannot be used as it is."""
    try:
        _take_up(talk)
        return _look_at(talk, settings)
    except Unfit as unfit:
        return str(unfit)


def _take_up(talk: Conversation) -> None:
    """Polling mode on, seen to be on; echo off. A pump that is deaf to the plain address gets the colon form.

    The empty line comes first because a pump whose screen was touched wants one; what it answers is no matter.
    """
    talk.polling = False
    talk.ask("", anything)
    failed = _polling(talk)
    if failed is not None and talk.address != 0:
        talk.colon = not talk.colon
        failed = _polling(talk)
    if failed is not None:
        raise Unfit(f"{failed} Look at the cable, the power and the pump's address, then connect again.")
    talk.polling = True
    talk.ask("echo off", anything)


def _polling(talk: Conversation) -> str | None:
    told = talk.ask("poll on", anything)
    if isinstance(told, Silence):
        return f"No Harvard pump answers: {told.detail}."
    mode = talk.ask("poll", line(as_told))
    if not isinstance(mode, Answer):
        return "The pump does not tell whether its polling mode is on."
    on = mode.value.upper() == "POLLING MODE IS ON" and mode.polled
    return None if on else f"The pump was told `poll on`, but says {mode.value!r}."


def _look_at(talk: Conversation, settings: PumpSettings) -> Pump:
    model, firmware, family = _need(talk, "ver", line(parse_ver))
    _fits(settings.model is None or family_of(settings.model) is family, _MODEL, model, settings.model)
    version = _have(talk, "version", parse_version) or Version(None, None, None)
    _fits(version.address in (None, settings.address), _ADDRESS, version.address, settings.address)
    _quick_start(talk)
    _syringe(talk, settings)
    _tell_to_forget(talk, family)
    slowest, fastest = _need(talk, "irate lim", line(parse_range))
    return Pump(
        model=model,
        firmware=firmware,
        serial=version.serial,
        family=family,
        slowest=slowest,
        fastest=fastest,
        marks=_have(talk, "wrate", line(parse_rate)) is not None,
        clamp_percent=_have(talk, "force", line(parse_percent)),
    )


_MODEL: Final = (
    "The pump says that it is a {}, the profile is of a {}; nothing was set in it. Connect the profile's pump, or take "
    "a profile of this one."
)
_ADDRESS: Final = "The pump says that its address is {}, the profile {}. Set one of them, then connect again."
_DIAMETER: Final = (
    "The pump is set to a syringe of {} mm, the profile to {} mm; nothing was changed. Put the profile's syringe "
    "in and set its diameter on the pump, or take the profile of the syringe that is in, then connect again."
)
_VOLUME: Final = (
    "The pump is set to a syringe of {}, the profile to {}; nothing was changed. Put the profile's syringe in and "
    "set its volume on the pump (svolume), or take the profile of the syringe that is in, then connect again."
)
_MODE: Final = (
    "The pump shows {!r}, which is no Quick Start that infuses. Choose one on its screen, then connect again."
)
_NO_WORD: Final = "The pump did not answer `{}` ({}). Look at the cable, then connect again."


def _fits(fit: bool, sentence: str, *values: object) -> None:
    if not fit:
        raise Unfit(sentence.format(*values))


def _need(talk: Conversation, command: str, read: Reader[_T]) -> _T:
    """What the pump has to tell."""
    told = talk.ask(command, read)
    if isinstance(told, Answer):
        return told.value
    raise Unfit(_NO_WORD.format(command, told.words if isinstance(told, Objection) else told.detail))


def _have(talk: Conversation, command: str, read: Reader[_T]) -> _T | None:
    """What the pump may not know; silence is no answer even so."""
    told = talk.ask(command, read)
    if isinstance(told, Silence):
        raise Unfit(_NO_WORD.format(command, told.detail))
    return told.value if isinstance(told, Answer) else None


def _quick_start(talk: Conversation) -> None:
    """Rates and volumes are taken in Quick Start only; a mode that cannot be asked for shows itself later."""
    shown = _have(talk, "load", line(as_told))
    if shown is not None:
        _fits(any(mode in shown.lower() for mode in INFUSING_MODES), _MODE, shown)


def _syringe(talk: Conversation, settings: PumpSettings) -> None:
    told = _need(talk, "diameter", line(parse_diameter))
    _fits(settings.diameter_um is not None, "The profile names no diameter of a syringe.")
    wanted = (settings.diameter_um or 0) * 10
    _fits(told == wanted, _DIAMETER, _mm(told), _mm(wanted))
    volume = _have(talk, "svolume", line(parse_volume))
    fits = volume in (None, 0, settings.capacity_nl * FL_PER_NL)
    _fits(fits, _VOLUME, volume_text(volume or 0), volume_text(settings.capacity_nl * FL_PER_NL))


def _mm(tenths_um: int) -> str:
    return f"{tenths_um // _PER_MM}.{tenths_um % _PER_MM:04d}"


def _tell_to_forget(talk: Conversation, family: Family) -> None:
    """Settings are made many times a day: they are not to be stored for ever where the pump can leave that."""
    for word in family.nvram:
        if isinstance(talk.ask(f"nvram {word}", nothing), Answer):
            return
