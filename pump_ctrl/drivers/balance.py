"""A balance under the beaker that the line ends in, as a sensor of volume: MT-SICS, level 0.

Layer      drivers; made by the registry. Only asks: it never sets a balance to zero and never tares it.
Hazard     an old answer taken for a new one; digits lost on a line without check sum; another balance, or another unit.
Invariant  a weight is an answer to the question just asked, whole and in a unit that is known, or it is ``Unknown``;
           the mass is exact integer micrograms, and rounding goes down.
Source     METTLER TOLEDO, Reference Manual MT-SICS 0 2.3x / 1 2.2x, sections 3 and 4.1: commands end in CR LF;
           ``SI`` is answered at once by ``S S`` or ``S D`` (stable, dynamic), the value right-aligned in ten characters
           and the unit, by ``S I`` (cannot now), ``S +`` or ``S -`` (over, under its range); ``I4`` by
           ``I4 A "serial number"``, which a balance also sends by itself when it is switched on; errors are ``ES``
           (syntax), ``ET`` (transmission), ``EL`` (cannot be carried out).
Tests      tests/unit/test_balance.py
"""

from __future__ import annotations

import re
from typing import Final

from pump_ctrl.drivers.base import BalanceSettings, Link, Outflow, SensorErrors, Unknown
from pump_ctrl.errors import LinkError

EXCHANGE_MS: Final = 500
STALE_READS: Final = 3  # each takes all that waits, up to some 4 kB; a line that babbles on is not waited for
FLOOD_BYTES: Final = 65_536  # more than that in one exchange is not the balance
LONGEST: Final = 80  # bytes of a line; the longest answer that is waited for has some forty
NAMELESS: Final = "no serial number"
PPM: Final = 1_000_000

_WEIGHT: Final = re.compile(r"S [SD] +(-?)([0-9]{1,9})(?:\.([0-9]{1,9}))? +(\S+)", re.ASCII)
_SERIAL: Final = re.compile(r'I4 A "([\x20-\x7e]{1,40})"', re.ASCII)
_UG: Final = {"mg": 1_000, "g": 1_000_000, "kg": 1_000_000_000}  # ug in one
_WORDS: Final = {
    "S I": "it cannot weigh now (busy)",
    "S +": "the load is over its range",
    "S -": "the load is under its range: is the pan in its place?",
    "ES": "it does not know the command",
    "ET": "it received the command damaged",
    "EL": "it cannot carry out the command",
}


class MtSicsBalance:
    """A ``VolumeSensor`` on one link.

    Args:
        link: a line of its own.
        settings: the errors to be declared, and the density that the fluid shows on a balance.
    """

    def __init__(self, link: Link, settings: BalanceSettings) -> None:
        self._link, self._settings = link, settings
        self._serial = ""  # empty until it has told it on this connection

    @property
    def errors(self) -> SensorErrors:
        """As declared."""
        return self._settings.errors

    def read(self) -> Outflow | Unknown:
        """What has run into the beaker since somebody set the balance to zero; at most three exchanges."""
        try:
            return self._read()
        except LinkError as error:
            self._serial = ""  # who answers next may be another one
            return Unknown(f"the line to the balance: {error}")

    def close(self) -> None:
        """Let go of the link."""
        self._link.close()

    def _read(self) -> Outflow | Unknown:
        if not self._serial:
            answer = self._ask(b"I4", "I4 ")
            if isinstance(answer, Unknown):
                return answer
            self._serial = self._serial or NAMELESS  # I4 L, or an answer that is none: it has told all it can
        answer = self._ask(b"SI", "S ")
        return answer if isinstance(answer, Unknown) else self._outflow(answer)

    def _outflow(self, answer: str) -> Outflow | Unknown:
        found = _WEIGHT.fullmatch(answer)
        if found is None:
            return Unknown(_WORDS.get(answer, f"the balance said {answer!r}"))
        sign, whole, part, unit = found[1], found[2], found[3] or "", found[4]
        if unit not in _UG:
            return Unknown(f"the balance weighs in {unit!r}; set its unit 1 to g")
        ug = int(whole + part) * _UG[unit] // 10 ** len(part)
        return Outflow((-ug if sign else ug) * PPM // self._settings.density_ppm, f"balance {self._serial}")

    def _ask(self, command: bytes, begins: str) -> str | Unknown:
        """Send a command; the line that answers it, or the balance's word that it cannot."""
        link = self._link
        for _ in range(STALE_READS):  # what came before the question answers nothing
            self._overhear(link.read(deadline_ms=link.now_ms()))
        deadline_ms = link.now_ms() + EXCHANGE_MS
        link.write(command + b"\r\n", deadline_ms=deadline_ms)
        buffer, allowance = b"", FLOOD_BYTES
        while allowance > 0 and link.now_ms() < deadline_ms and (data := link.read(deadline_ms=deadline_ms)):
            allowance -= len(data)
            *lines, buffer = (buffer + data).split(b"\r\n")
            for line in lines:
                text = line.decode("ascii", "replace").strip()
                self._overhear(line)
                if text.startswith(begins):
                    return text
                if text in _WORDS:
                    return Unknown(_WORDS[text])
            if len(buffer) > LONGEST:
                return Unknown(f"the balance sends a line without an end: {buffer[:20]!r}")
        if allowance <= 0:
            return Unknown(f"the balance babbles: over {FLOOD_BYTES} bytes and no answer among them")
        return Unknown(f"the balance did not answer {command.decode()} within {EXCHANGE_MS} ms")

    def _overhear(self, data: bytes) -> None:
        """A balance that is switched on tells its serial number."""
        if found := _SERIAL.search(data.decode("ascii", "replace")):
            self._serial = found[1]
