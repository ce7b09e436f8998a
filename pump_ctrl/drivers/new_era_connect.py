"""Meeting a New Era pump: the mode of its line, who it is, and everything set in it that a run depends on.

Layer      drivers; imports codec, phases and pump. Starts and stops nothing.
Hazard     F-19, F-22, F-23: another pump or syringe than the plan's; a trigger input or a power-failure mode
           that starts the pump behind the host's back; a wire time-out that is not the wanted one.
Invariant  what moves or ends a dose is set only while the pump stands still; the syringe's diameter is never
           set in passing.
Source     New Era wire specification, sections 4, 8, 12, 15. No physical pump was attached.
Tests      tests/unit/test_new_era_connect.py
"""

from __future__ import annotations

from typing import Final

from pump_ctrl.drivers import new_era_codec as codec
from pump_ctrl.drivers.base import Identity, PumpSettings, PumpStatus, Unknown
from pump_ctrl.drivers.new_era_exchange import Silence
from pump_ctrl.drivers.new_era_phases import NotDone, Programmer
from pump_ctrl.drivers.new_era_pump import Pump
from pump_ctrl.errors import InvalidInput

MODE_TRIES: Final = 4  # a pump answers with each of its alarms first
# What has to be set in the pump: how it is asked, how it is set, and what it has to read.
_SETTINGS: Final = (("TRG", "TRGOF", "OF"), ("PF", "PF0", "0"), ("AL", "AL1", "1"))


def check_settings(settings: PumpSettings) -> None:
    """Look whether a New Era pump can be as the profile says.

    Raises:
        InvalidInput: it cannot.
    """
    if settings.diameter_um is None or not 100 <= settings.diameter_um <= 80_000:
        raise InvalidInput(f"a New Era pump needs a syringe of 0.1 to 80 mm, not {settings.diameter_um} um")
    if not 0 <= settings.address <= 99:
        raise InvalidInput(f"address {settings.address} does not exist; allowed: 0 to 99")
    if settings.wire_timeout_s is not None and not 1 <= settings.wire_timeout_s <= 255:
        raise InvalidInput(f"a wire time-out of {settings.wire_timeout_s} s; allowed: 1 to 255, or none")


def meet(pump: Pump, known: str | None = None) -> tuple[Identity, bool]:
    """Put the pump into its mode and ask who it is; and whether all settings are as a run needs them.

    Of another model than the ``known`` one, which was met before, nothing more is asked than its status.

    Raises:
        WireError: it does not answer, or is not the pump that the settings describe.
    """
    _enter_mode(pump)
    desk = Programmer(pump.talk)
    version = codec.VERSION.fullmatch(desk.query("VER", codec.VERSION))
    model, upgrade, firmware = (version[1], version[2] or "", version[3]) if version else ("", "", "")
    if known is None:
        _check_model(model + upgrade[:1], pump.settings.model)
    elif model != known:
        return Identity(model, upgrade + firmware, None, _seen(pump).epoch), False
    _check_timeout(desk, pump.settings.wire_timeout_s or 0)
    check_syringe(desk, pump.settings.diameter_um or 0)
    adjusted = adjust(pump, desk)
    used = not pump.is_stopped or desk.read_tag() is not None
    return Identity(model, upgrade + firmware, None, _seen(pump).epoch, used), adjusted


def _seen(pump: Pump) -> PumpStatus:
    if isinstance(status := pump.look(), Unknown):
        raise NotDone("no-answer", status.detail)
    return status


def _check_model(found: str, wanted: str | None) -> None:
    """Compare the model, with an X for firmware that has functions of its own, with the profile's."""
    if wanted not in (None, found):
        raise NotDone(
            "model",
            f"The pump says that it is a {found}, the profile is of a {wanted}. Nothing was set in it. Connect the"
            " profile's pump, or take a profile of this one.",
        )


def _enter_mode(pump: Pump) -> None:
    """``SAFn``; the reply may be an error, as the read-back tells."""
    seconds = pump.settings.wire_timeout_s or 0
    detail = ""
    for _ in range(MODE_TRIES):
        reply = pump.talk.enter(f"SAF{seconds}", safe=seconds > 0)
        if isinstance(reply, codec.Reply):
            return
        detail = reply.detail
        if isinstance(reply, Silence):
            break
    raise NotDone(
        "no-answer",
        f"No New Era pump answers at address {pump.settings.address} ({detail})."
        " Check the cable, the power, the baud rate and the address set in the pump.",
    )


def _check_timeout(desk: Programmer, wanted_s: int) -> None:
    if (found := desk.query("SAF", codec.NUMBER)) and codec.parse_number(found) != wanted_s * 1_000:
        raise NotDone(
            "read-back", f"The pump does not take a wire time-out of {wanted_s} s; SAF reads {found}."
        )


def check_syringe(desk: Programmer, wanted_um: int) -> None:
    """Compare the syringe set in the pump with the profile's.

    Raises:
        NotDone: it is another one; nothing was changed.
    """
    found_um = codec.parse_number(desk.query("DIA", codec.NUMBER))
    if found_um != wanted_um:
        raise NotDone(
            "diameter",
            f"The pump is set to a syringe of {_mm(found_um)} mm, the profile is of one of {_mm(wanted_um)} mm."
            " Nothing was changed. Look which syringe is in the pump; then set its diameter at the pump, or take"
            " the profile of that syringe.",
        )


def adjust(pump: Pump, desk: Programmer) -> bool:
    """Bring trigger input, power-failure mode and buzzer to what a run needs.

    A pump that does not stand still is only asked. Returns whether all is as wanted.

    Raises:
        WireError: no answer, or a setting that the pump does not take.
    """
    _seen(pump)
    if pump.is_stopped:
        pump.meter.expect_clear()  # another unit may round the counter down
        desk.use_microlitres()
    wanted = [_adjust_one(pump, desk, *row) for row in _SETTINGS]
    return all(wanted)


def _adjust_one(pump: Pump, desk: Programmer, query: str, command: str, wanted: str) -> bool:
    try:
        found = desk.query(query, codec.WORD)
    except NotDone as err:
        if err.code == "not-recognised":
            return True  # this firmware has no such function
        raise
    if found != wanted and pump.is_stopped:
        desk.put(command, query, codec.WORD, lambda data: data == wanted)
        return True
    return found == wanted


def _mm(micrometres: int) -> str:
    return f"{micrometres // 1_000}.{micrometres % 1_000:03d}"
