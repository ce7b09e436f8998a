"""Where a Pumping Program is: pointer, loops, trap and pins, and the functions that take no time.

Layer      sim.firmware. Imports `new_era_memory`; knows no motor and no clock.
Source     New Era NE-1000 wire specification, sections 10 and 12.
Readings   LOP without LPS loops from phase 1; LPE goes back to the loop that is open, else to phase 1; IF looks at
           its pin's level, 0 is low; a trap springs once.
Tests      tests/unit/sim/test_firmware_new_era_program.py
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sim.firmware.new_era_memory import Phase, Quirks

MOST_LOOPS: Final = 3
INERT: Final = frozenset({"PRI", "PRL", "EVS"})


class ProgramError(Exception):
    """The program holds what the pump cannot carry out: alarm E."""


class Course:
    """The way through the phases."""

    __slots__ = ("_loops", "_quirks", "beeps", "inputs", "outputs", "phase", "trap", "trigger_code")

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self.inputs = dict.fromkeys((2, 3, 4, 6), 1)  # TTL levels: open inputs are high
        self.outputs = {5: 0}
        self.beeps = 0
        self.forget()

    def forget(self) -> None:
        """Back to phase 1, with no loop and no trap; the pins stay."""
        self.phase = 1
        self.trap = 0
        self.trigger_code = ""  # set by a TRG phase, over the one that is stored
        self._loops: list[list[int]] = []  # phase to go back to, runs made

    def follow(self, row: Phase) -> int:
        """Carry out a function that takes no time; return the phase to go to.

        Raises:
            ProgramError: a loop too many, or a function without a documented effect.
        """
        return _EFFECTS[row.function](self, row)

    def _jmp(self, row: Phase) -> int:
        return row.data

    def _lps(self, _row: Phase) -> int:
        if len(self._loops) == MOST_LOOPS:
            raise ProgramError
        self._loops.append([self.phase + 1, 0])
        return self.phase + 1

    def _lop(self, row: Phase) -> int:
        if not self._loops:
            self._loops.append([1, 0])
        loop = self._loops[-1]
        loop[1] += 1
        if loop[1] < row.data + self._quirks.loop_repeats:
            return loop[0]
        self._loops.pop()
        return self.phase + 1

    def _lpe(self, _row: Phase) -> int:
        return self._loops[-1][0] if self._loops else 1

    def _if(self, row: Phase) -> int:
        return self.phase + 1 if self.inputs[self._quirks.program_pin] else row.data

    def _evn(self, row: Phase) -> int:
        self.trap = row.data
        return self.phase + 1

    def _evr(self, _row: Phase) -> int:
        self.trap = 0
        return self.phase + 1

    def _trg(self, row: Phase) -> int:
        self.trigger_code = row.trigger
        return self.phase + 1

    def _bep(self, _row: Phase) -> int:
        self.beeps += 1
        return self.phase + 1

    def _out(self, row: Phase) -> int:
        self.outputs[5] = row.data
        return self.phase + 1

    def _inert(self, _row: Phase) -> int:
        raise ProgramError


_EFFECTS: Final[Mapping[str, Callable[[Course, Phase], int]]] = MappingProxyType(
    {
        "JMP": Course._jmp,
        "LPS": Course._lps,
        "LOP": Course._lop,
        "LPE": Course._lpe,
        "IF": Course._if,
        "EVN": Course._evn,
        "EVR": Course._evr,
        "TRG": Course._trg,
        "BEP": Course._bep,
        "OUT": Course._out,
        **dict.fromkeys(INERT, Course._inert),
    }
)
