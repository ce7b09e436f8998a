"""A USB relay board of the LCUS kind, through whose contact a pump gets its mains.

Layer      sim.firmware. Switches the power of a world.
Source     LC Technology LCUS-1, as the sellers' pages print it (optimusdigital.ro, "USB 5V 10A relay module"; README
           of jarwyg/USB_RELAY): 9600 baud, four bytes: A0, number of the switch from 1, what to do (00 off, 01 on), the
           sum of the three; on is A0 01 01 A2, off is A0 01 00 A1, and nothing is answered. Boards of the same kind
           that answer print 02 off, 03 on, 04 over, 05 tell, each answered by the frame that would have made it so
           (A0 01 00 A1 or A0 01 01 A2); others take FF and answer a line of text for each switch (CH1: ON).
Reading    a byte that begins no frame is dropped, and so is a frame whose sum is wrong.
Open       what a board answers is a quirk, `answers`: nothing, frames or text.
Wiring     the pump hangs on the contact that is closed while the relay is on; somebody had switched it on. The board
           sees its coil only: a contact that sticks is not told.
Tests      tests/unit/sim/test_firmware_relay.py
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from sim.fault_registry import Fault

if TYPE_CHECKING:
    from sim.world import World

BEGIN: Final = 0xA0
TELL_ALL: Final = 0xFF
SIZE: Final = 4
OFF, ON, TOLD_OFF, TOLD_ON, OVER, TELL = range(6)
_BY: Final = "power switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What the documents leave open.

    Attributes:
        answers: whether, and how, the board says what its coil does.
    """

    answers: Literal["nothing", "frames", "text"] = "nothing"


class RelayFirmware:
    """A board with one relay, number `number`, as `sim.firmware.base.Talker` says.

    Raises:
        ValueError: the number is not 1 to 255, or a fault is not the power switch's.
    """

    __slots__ = ("_heard", "_number", "_quirks", "_stuck", "closed", "on", "outbox", "world")

    def __init__(
        self, world: "World", *, number: int = 1, quirks: Quirks | None = None, faults: Iterable[Fault] = ()
    ) -> None:
        if not 1 <= number <= 255:
            raise ValueError(f"a relay's number is 1 to 255, not {number}")
        self.world, self._number, self._quirks = world, number, quirks or Quirks()
        self._heard = bytearray()
        self._stuck = 0
        self.outbox = ()  # it says nothing unasked
        self.on = self.closed = True  # the coil, and the contact
        for fault in faults:
            self.inject(fault)

    def handle(self, data: bytes, now_ms: int) -> bytes:
        """Take bytes; switch, and answer if the board is one that does."""
        answers = b""
        self._heard += data
        while self._heard:
            if self._heard[0] != BEGIN:
                answers += self._lines() if self._heard[0] == TELL_ALL else b""
                del self._heard[0]
            elif len(self._heard) < SIZE:
                break
            elif self._heard[:SIZE] == _frame(self._heard[1], self._heard[2]):
                answers += self._obey(self._heard[1], self._heard[2])
                del self._heard[:SIZE]
            else:
                del self._heard[0]
        return answers

    def take_pushed(self) -> list[tuple[int, bytes]]:
        """It says nothing unasked."""
        return []

    def kind_of(self, data: bytes) -> str:
        """`stop` takes the power away, `commit` gives it, `status` asks."""
        if data == bytes((TELL_ALL,)):
            return "status"
        if len(data) != SIZE or data[0] != BEGIN or data[2] > TELL:
            return ""
        return ("stop", "commit", "stop", "commit", "commit", "status")[data[2]]

    def repair(self, data: bytes) -> bytes:
        """Make the sum right again."""
        return _frame(data[1], data[2]) if len(data) == SIZE and data[0] == BEGIN else data

    def inject(self, fault: Fault) -> None:
        """Let a fault happen at its time, or now if that is past.

        Raises:
            ValueError: it is not a fault of the power switch.
        """
        if fault.kind.where != "switch":
            raise ValueError(f"{fault}: does not happen at the power switch; give it to {fault.kind.taker}")
        self.world.call_at(fault.at_ms, partial(self._stick, fault, begins=True))
        self.world.advance(self.world.now_ms)

    def _obey(self, number: int, what: int) -> bytes:
        answering = self._quirks.answers == "frames"
        if number != self._number or what > (TELL if answering else ON):
            return b""
        if what != TELL:
            self.on = not self.on if what == OVER else what in {ON, TOLD_ON}
            self._follow()
        return _frame(number, self.on) if what >= TOLD_OFF else b""

    def _lines(self) -> bytes:
        if self._quirks.answers != "text":
            return b""
        return f"CH{self._number}: {'ON' if self.on else 'OFF'}\r\n".encode("ascii")

    def _follow(self) -> None:
        """Let the contact follow the coil, unless it sticks."""
        if self._stuck or self.closed == self.on:
            return
        self.closed = self.on
        if self.closed:
            self.world.power_on(_BY)
        else:
            self.world.power_off(_BY)

    def _stick(self, fault: Fault, *, begins: bool) -> None:
        self._stuck += 1 if begins else -1
        self._follow()
        if begins and (lasts := fault.number("for")):
            self.world.call_at(self.world.now_ms + lasts, partial(self._stick, fault, begins=False))


def _frame(number: int, what: int) -> bytes:
    return bytes((BEGIN, number, what, (BEGIN + number + what) & 0xFF))
