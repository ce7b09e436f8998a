"""The commands of a New Era pump: what each sets, asks and refuses.

Layer      sim.firmware. Works on `new_era_memory` and `new_era_program`; knows no packet, address or alarm.
Source     New Era NE-1000 wire specification, sections 6 (errors), 8 (commands), 9 and 11 to 13.
Readings   a paused program does not operate (quirk `paused_refuses`), yet its rest keeps its volume; a rate set in
           the pause counts for the rest, a direction only where the volume is 0. While a rate phase runs, RAT
           means that phase; RAT in a pause, wait or purge is ?NA. VOL and DIR follow RAT: ?NA where the phase
           is none with a rate. RUN at a rate of 0 is ?NA, at one that this syringe cannot make ?OOR.
Tests      tests/unit/sim/test_firmware_new_era.py
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from sim.firmware.new_era_memory import (
    PHASES,
    RATE_FUNCTIONS,
    RATE_UNITS,
    TRIGGERS,
    VOLUME_UNITS,
    Memory,
    Phase,
    Quirks,
    hidden_part,
    read_function,
    read_number,
    show_number,
    show_short,
)
from sim.firmware.new_era_program import Program, State, startable
from sim.firmware.new_era_standing import Dispensed
from sim.firmware.syringe import GRAINS_PER_PL, INFUSE, WITHDRAW
from sim.syringes import SyringePump

UNKNOWN: Final = "?"
NOT_NOW: Final = "?NA"
OUT_OF_RANGE: Final = "?OOR"
IGNORED: Final = "?IGN"
MOST_SHOWN: Final = 10_000_000  # thousandths: where a dispensed volume begins again at 0
SWITCHES: Final = ("AL", "PF", "BP", "LOC", "LN", "DIN", "ROM")
BAUDS: Final = frozenset({300, 1_200, 2_400, 9_600, 19_200})
NOT_SIMULATED: Final = MappingProxyType(
    {
        "RATC, RATI": "newer forms of RAT: ?, as of a pump that does not know them",
        "FUNLIN, FUNTIM": "linear ramps of the X firmware: ?",
        "FUNPRI, FUNPRL": "program selection: stored, and a program error (A?E) when they are reached",
        "FUNEVS": "square-wave trap: stored, and a program error (A?E) when it is reached",
        "*ADRDUAL, *ADRRECP, *ADRALTR": "two-pump cable: ?NA",
        "DIN, ROM, LN, LOC, BP": "stored and answered; the pins, the noise and the keypad they stand for do nothing",
        "TRGRL, TRGRH, TRGSL, TRGSH": "levels act when they come, not again while they last",
        "keypad": "no keys: an alarm is acknowledged on the wire only",
    }
)
_RATE: Final = re.compile(r"([0-9.]+)(UM|MM|UH|MH)?")
_TURN: Final = {"INF": INFUSE, "WDR": WITHDRAW}


class Commands:
    """Carries out one command at a time; the answer is the data behind the prompt."""

    __slots__ = (
        "_memory",
        "_program",
        "_pump",
        "_quirks",
        "_show",
        "buzzer",
        "stop_ignored",
        "stops_to_ignore",
    )

    def __init__(self, pump: SyringePump, memory: Memory, program: Program, quirks: Quirks) -> None:
        self._pump, self._memory, self._program, self._quirks = pump, memory, program, quirks
        self._show: Callable[[int], str] = show_short if quirks.short_floats else show_number
        self.buzzer = False
        self.stop_ignored, self.stops_to_ignore = "", 0

    def carry_out(self, t_ms: int, name: str, data: str) -> str | None:
        """Answer to the command `name`; None: a pump that says nothing."""
        return _TABLE[name](self, t_ms, data)

    @property
    def _chosen(self) -> Phase:
        return self._memory.phases[self._memory.chosen - 1]

    def _keep(self, row: Phase, at: int = 0) -> str:
        self._memory.phases[(at or self._memory.chosen) - 1] = row
        return ""

    def _busy(self) -> bool:
        paused = self._quirks.paused_refuses and self._program.state is State.PAUSED
        return self._program.operating or paused

    # Set-up

    def _status(self, _t_ms: int, data: str) -> str:
        return UNKNOWN if data else ""

    def _dia(self, t_ms: int, data: str) -> str:
        if not data:
            return self._show(self._memory.diameter_um)
        diameter_um = read_number(data)
        if self._busy():
            return NOT_NOW
        if diameter_um is None:
            return self._quirks.bad_number
        if not self._pump.least_um <= diameter_um <= self._pump.most_um:
            return OUT_OF_RANGE
        self._memory.set_diameter(diameter_um)
        self._program.change_syringe(t_ms)
        return ""

    def _phn(self, _t_ms: int, data: str) -> str:
        if not data:
            return f"{self._memory.chosen:02d}"
        phase = _whole(data, 2)
        if phase is None:
            return UNKNOWN
        if self._busy():
            return NOT_NOW
        if not 1 <= phase <= PHASES:
            return OUT_OF_RANGE
        self._memory.chosen = phase
        return ""

    def _fun(self, _t_ms: int, data: str) -> str:
        if not data:
            return self._chosen.name()
        try:
            row = read_function(data)
        except ValueError:
            return OUT_OF_RANGE
        if row is None:
            return UNKNOWN
        if self._busy():
            return NOT_NOW
        return self._keep(replace(self._chosen, function=row.function, data=row.data, trigger=row.trigger))

    def _rat(self, t_ms: int, data: str) -> str:
        pumping = self._program.state is State.PUMPING
        row = self._memory.phases[self._program.course.phase - 1] if pumping else self._chosen
        unit = RATE_UNITS[row.rate_unit]
        if not data:
            return self._show(self._program.rate // unit if pumping else row.rate) + row.rate_unit
        match = _RATE.fullmatch(data)
        rate = read_number(match[1]) if match else None
        if match is None or rate is None:
            return self._quirks.bad_number if match else UNKNOWN
        if row.function not in RATE_FUNCTIONS or (self._program.operating and (match[2] or not pumping)):
            return NOT_NOW
        row = replace(row, rate=rate, rate_unit=match[2] or row.rate_unit)
        if not self._program.can_make(row.fl_per_h()) and (rate or pumping):
            return OUT_OF_RANGE
        return self._change_rate(t_ms, row) if pumping else self._store_rate(t_ms, row)

    def _change_rate(self, t_ms: int, row: Phase) -> str:
        """At once, and not stored."""
        if self._program.began_ms == t_ms:
            return IGNORED
        self._program.set_rate(t_ms, row.fl_per_h())
        return ""

    def _store_rate(self, t_ms: int, row: Phase) -> str:
        own = self._program.course.phase == self._memory.chosen and row.function == "RAT"
        if own and self._program.state is State.PAUSED:
            self._program.set_rate(t_ms, row.fl_per_h())
        return self._keep(row)

    def _vol(self, _t_ms: int, data: str) -> str:
        row = self._chosen
        if not data:
            return self._show(row.volume) + self._memory.volume_unit
        volume = read_number(data)
        if data not in VOLUME_UNITS and volume is None:
            return self._quirks.bad_number if re.fullmatch(r"[0-9.]+", data) else UNKNOWN
        if self._busy():
            return NOT_NOW
        if volume is None:
            self._memory.volume_unit = data
            return ""
        return self._keep(replace(row, volume=volume)) if row.function in RATE_FUNCTIONS else NOT_NOW

    def _dir(self, t_ms: int, data: str) -> str:
        program, at = self._program, self._memory.chosen
        if program.state is State.PUMPING:
            at = program.course.phase
        row = self._memory.phases[at - 1]
        if not data:
            return row.direction
        if data not in {"INF", "WDR", "REV", "STK"}:
            return UNKNOWN
        if program.operating and (program.state is not State.PUMPING or data == "STK" or row.volume):
            return NOT_NOW
        if row.function not in RATE_FUNCTIONS:
            return NOT_NOW
        if program.state is State.PUMPING and program.began_ms == t_ms:
            return IGNORED
        if data == "REV":
            back = row.direction == "WDR" or (row.direction == "STK" and program.direction == WITHDRAW)
            data = "INF" if back else "WDR"
        if program.state in {State.PUMPING, State.PAUSED} and not row.volume and data in _TURN:
            program.turn_round(t_ms, _TURN[data])
        return self._keep(replace(row, direction=data), at)

    # Doing

    def _run(self, t_ms: int, data: str) -> str:
        event, number = data.startswith("E"), data.removeprefix("E")
        phase = _whole(number, 2) if number else 0
        if phase is None:
            return UNKNOWN
        if number and not 1 <= phase <= PHASES:
            return OUT_OF_RANGE
        if event:
            return "" if self._program.event(t_ms, phase) else NOT_NOW
        return self.run(t_ms, phase)

    def run(self, t_ms: int, phase: int = 0) -> str:
        """RUN as a key, a trigger or the wire gives it; phase 0 is none given."""
        program = self._program
        if program.state is State.WAITING and not phase and self._quirks.run_ends_wait:
            program.go_past_wait(t_ms)
            return ""
        if program.operating:
            return NOT_NOW
        if program.state is State.PAUSED and not phase:
            return self._resume(t_ms)
        refusal = startable(program, self._memory, phase or 1)
        if not refusal:
            program.start(t_ms, phase or 1)
        return refusal

    def _resume(self, t_ms: int) -> str:
        if self._program.holds_a_run and not self._program.rate:
            return NOT_NOW
        self._program.resume(t_ms)
        return ""

    def _stp(self, t_ms: int, data: str) -> str | None:
        if data:
            return UNKNOWN
        how = self.stop_ignored if self.stops_to_ignore else ""
        if how:
            self.stops_to_ignore -= 1
        if how in {"silent", "honest"}:
            return None if how == "silent" else ""
        return self.stop(t_ms, motor_goes_on=how == "lie")

    def stop(self, t_ms: int, *, motor_goes_on: bool = False) -> str:
        """STP as a key, a trigger or the wire gives it."""
        program = self._program
        if program.state is State.STOPPED:
            return NOT_NOW
        if program.state is State.PURGING:
            program.end_purge(t_ms, motor_goes_on=motor_goes_on)
        elif program.state is State.PAUSED:
            program.stop(t_ms)
        else:
            program.pause(t_ms, motor_goes_on=motor_goes_on)
        return ""

    def _pur(self, t_ms: int, data: str) -> str:
        if data:
            return UNKNOWN
        paused = self._program.state is State.PAUSED and not self._quirks.purge_when_paused
        if self._program.operating or paused:
            return NOT_NOW
        self._program.purge(t_ms)
        return ""

    def _dis(self, t_ms: int, data: str) -> str:
        if data:
            return UNKNOWN
        return self.dispensed().text(self._program.own(t_ms))

    def dispensed(self) -> Dispensed:
        """Both dispensed volumes, until something changes."""
        unit, (count, other_pl) = self._memory.volume_unit, self._program.dispensed()
        one = VOLUME_UNITS[unit]
        other = self._volume(other_pl // one)
        infuses = self._program.drive.direction == INFUSE
        before, after = ("I", f"W{other}{unit}") if infuses else (f"I{other}W", unit)
        return Dispensed(before, count, one * GRAINS_PER_PL, self._volume, after)

    def _volume(self, thousandths: int) -> str:
        """A dispensed volume, after as many roll-overs as it had."""
        thousandths %= MOST_SHOWN
        if self._quirks.rounds:
            thousandths = (thousandths + hidden_part(thousandths) // 2) % MOST_SHOWN
        return self._show(thousandths)

    def _cld(self, t_ms: int, data: str) -> str:
        if data not in _TURN:
            return UNKNOWN
        if self._busy():
            return NOT_NOW
        self._program.clear_counts(t_ms, infused=data == "INF", withdrawn=data == "WDR")
        return ""

    # The rest

    def _saf(self, _t_ms: int, data: str) -> str:
        if not data:
            return str(self._memory.safe_s)
        seconds = _whole(data, 3)
        if seconds is None:
            return UNKNOWN
        if seconds > 255:
            return OUT_OF_RANGE
        self._memory.safe_s = seconds
        return ""

    def _trg(self, _t_ms: int, data: str) -> str:
        if not data:
            return self._memory.trigger
        if data not in TRIGGERS:
            return UNKNOWN
        self._memory.trigger = data
        return ""

    def _out(self, _t_ms: int, data: str) -> str:
        if data not in {"50", "51"}:
            return UNKNOWN
        self._program.course.outputs[5] = int(data[1])
        return ""

    def _in(self, _t_ms: int, data: str) -> str:
        pin = _whole(data, 1)
        return str(self._program.course.inputs[pin]) if pin in self._program.course.inputs else UNKNOWN

    def _buz(self, _t_ms: int, data: str) -> str:
        if not data:
            return str(int(self.buzzer))
        if not re.fullmatch(r"0|1[1-9]?", data):
            return UNKNOWN
        self.buzzer = data == "1"
        self._program.course.beeps += int(data[1:] or "0")
        return ""

    def _ver(self, _t_ms: int, data: str) -> str:
        return UNKNOWN if data else self._pump.version

    def _adr(self, _t_ms: int, data: str) -> str:
        if not data:
            return f"{self._memory.address:02d}"
        if data in {"DUAL", "RECP", "ALTR"}:
            return NOT_NOW
        match = re.fullmatch(r"([0-9]{1,2})(?:B([0-9]{3,5}))?", data)
        if not match:
            return UNKNOWN
        if match[2] and int(match[2]) not in BAUDS:
            return OUT_OF_RANGE
        self._memory.address = int(match[1])
        self._memory.baud = int(match[2] or self._memory.baud)
        return ""


def _whole(text: str, digits: int) -> int | None:
    """A whole number of at most so many digits; None where it is none."""
    return int(text) if text.isdigit() and len(text) <= digits else None


def _switch(name: str) -> Callable[[Commands, int, str], str]:
    def carry_out(commands: Commands, _t_ms: int, data: str) -> str:
        switches = commands._memory.switches
        if not data:
            return str(switches[name])
        if data not in {"0", "1"}:
            return UNKNOWN
        switches[name] = int(data)
        return ""

    return carry_out


_TABLE: Final[Mapping[str, Callable[[Commands, int, str], str | None]]] = MappingProxyType(
    {
        "": Commands._status,
        "DIA": Commands._dia,
        "PHN": Commands._phn,
        "FUN": Commands._fun,
        "RAT": Commands._rat,
        "VOL": Commands._vol,
        "DIR": Commands._dir,
        "RUN": Commands._run,
        "STP": Commands._stp,
        "PUR": Commands._pur,
        "DIS": Commands._dis,
        "CLD": Commands._cld,
        "SAF": Commands._saf,
        "TRG": Commands._trg,
        "OUT": Commands._out,
        "IN": Commands._in,
        "BUZ": Commands._buz,
        "VER": Commands._ver,
        "ADR": Commands._adr,
        **{name: _switch(name) for name in SWITCHES},
    }
)


@lru_cache(maxsize=256)
def find(text: str) -> tuple[str, str] | None:
    """Name and data of a command; None for a name that the pump does not know."""
    if not text:
        return "", ""
    return next(((text[:n], text[n:]) for n in (3, 2) if len(text) >= n and text[:n] in _TABLE), None)
