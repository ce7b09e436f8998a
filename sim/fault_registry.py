"""Faults as data: what can go wrong, when and how.

Layer      sim. Imports the standard library only; `sim.world`, `sim.faults`, `sim.balance` and
           `sim.firmware.relay` make the faults happen.
Rule       no random numbers: whoever runs a test chooses each fault, and its text is the bug report.
Text       NAME@TIME:key=value,key=value with times in ms, s, min, h, d: `stall@3h`,
           `lose-reply@2d:type=commit,count=2`.
Source     faults F-01 to F-35 of the safety specification; the numbers of each are in the registry.
Tests      tests/unit/sim/test_faults.py
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

UNITS_MS: Final = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1_000, "ms": 1}
_TIME: Final = re.compile(r"(0|[1-9][0-9]{0,14})(ms|s|min|h|d)?", re.ASCII)
_INT: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
TYPES: Final = ("any", "hello", "status", "propose", "commit", "stop", "outcome", "alarm", "all")
Value = int | str


def parse_time(text: str) -> int:
    """Whole ms of a text such as `3h`, `90s` or `0`.

    Raises:
        ValueError: no such time.
    """
    match = _TIME.fullmatch(text)
    if not match or (match[2] is None and match[1] != "0"):
        raise ValueError(
            f"{text!r} is not a time; write a whole number and ms, s, min, h or d, as in 90s or 2d"
        )
    return int(match[1]) * UNITS_MS[match[2] or "ms"]


def time_text(ms: int) -> str:
    """The shortest text that `parse_time` reads as `ms`."""
    if not ms:
        return "0"
    unit = next(unit for unit, size in UNITS_MS.items() if ms % size == 0)
    return f"{ms // UNITS_MS[unit]}{unit}"


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: a whole number (`choices` empty), a time (`time`), hex bytes (`hex`) or one of some
    words.
    """

    name: str
    default: Value
    does: str
    time: bool = False
    hex: bool = False
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 1 << 63

    def read(self, text: Value) -> Value:
        """Turn a text, or a value given in Python, into the value.

        Raises:
            ValueError: not a value of this parameter; the message says what is allowed.
        """
        if self.choices or self.hex:
            return self._read_word(str(text))
        if isinstance(text, str):
            if not self.time and not _INT.fullmatch(text):
                raise ValueError(f"{self.name}={text!r} is not a whole number")
            text = parse_time(text) if self.time else int(text)
        if type(text) is not int or not self.least <= text <= self.most:
            raise ValueError(f"{self.name}={text!r} must be an int from {self.least} to {self.most}")
        return text

    def _read_word(self, text: str) -> str:
        if self.choices and text not in self.choices:
            raise ValueError(f"{self.name}={text!r} is not one of {', '.join(self.choices)}")
        if self.hex:
            bytes.fromhex(text)
        return text

    def write(self, value: Value) -> str:
        """The text of a value."""
        return time_text(value) if self.time and isinstance(value, int) else str(value)


@dataclass(frozen=True, slots=True)
class Kind:
    """One named fault of the registry. `covers` are the numbers of the safety specification."""

    name: str
    where: Literal["request", "reply", "wire", "pump", "balance", "switch"]
    does: str
    covers: str
    params: tuple[Param, ...] = ()

    def param(self, name: str) -> Param:
        """The parameter called `name`.

        Raises:
            ValueError: there is none; the message lists those that exist.
        """
        for param in self.params:
            if param.name == name:
                return param
        names = ", ".join(p.name for p in self.params) or "none"
        raise ValueError(f"fault {self.name} has no parameter {name!r}; it has: {names}")

    @property
    def taker(self) -> str:
        """What it has to be given to, in words."""
        return _TAKERS.get(self.where, "the wire")


_TAKERS: Final = {"pump": "the world", "balance": "the balance", "switch": "the power switch"}


WHICH: Final = (  # of the messages, for every fault that befalls one
    Param(
        "type",
        "any",
        "only requests of this type and the replies to them; any: all of these, alarm: what the pump pushes "
        "unasked, all: both",
        choices=TYPES,
    ),
    Param("nth", 1, "the first such message that is hit, counted from the fault's time on", least=1),
    Param("count", 1, "how many in a row are hit; 0 is all from then on"),
)
_MOST_UG: Final = 10**9
_FOR: Final = Param("for", 0, "how long; 0 has no end of its own", time=True)


def _delay(does: str, default: int) -> Param:
    return Param("by", default, does, time=True)


def _both(name: str, request: str, reply: str, covers: tuple[str, str], *params: Param) -> tuple[Kind, Kind]:
    return (
        Kind(f"{name}-request", "request", request, covers[0], (*WHICH, *params)),
        Kind(f"{name}-reply", "reply", reply, covers[1], (*WHICH, *params)),
    )


_BIT: Final = (
    Param("byte", 8, "which byte, counted from the start of the bytes sent (modulo their number)"),
    Param("mask", 1, "which of its bits are flipped", least=1, most=255),
    Param(
        "crc",
        "keep",
        "repair: the message's checksum, if it has one, is made right again",
        choices=("keep", "repair"),
    ),
)
_ALL: Final = (
    *_both(
        "lose",
        "the pump never sees the message",
        "the pump acts, and the host never hears",
        ("F-02", "F-01 F-17 F-63"),
    ),
    *_both(
        "delay",
        "the message arrives late",
        "the reply arrives late",
        ("F-08", "F-08"),
        _delay("how much later", 1_000),
    ),
    *_both(
        "duplicate",
        "the message arrives twice",
        "the reply arrives twice",
        ("F-06 F-03", "F-07"),
        _delay("how much later the copy arrives", 0),
    ),
    Kind(
        "replay-reply",
        "reply",
        "an older reply arrives instead of this one",
        "F-16 F-05",
        (*WHICH, Param("back", 1, "how many replies before; with fewer nothing arrives", least=1, most=64)),
    ),
    Kind("reorder", "request", "the message is overtaken by the next one", "F-09", WHICH),
    *_both(
        "corrupt",
        "bits of the message are flipped on the way",
        "bits of the reply are flipped on the way",
        ("F-10 F-12", "F-11 F-05"),
        *_BIT,
    ),
    *_both(
        "truncate",
        "only the first bytes of the message arrive",
        "only the first bytes of the reply arrive",
        ("F-13", "F-13"),
        Param("keep", 10, "how many bytes arrive"),
    ),
    Kind(
        "silence",
        "wire",
        "nothing arrives at either end that was sent or would arrive in this span",
        "F-17 F-18",
        (Param("for", 60_000, "how long", time=True, least=1),),
    ),
    Kind(
        "garbage",
        "wire",
        "bytes arrive that nobody sent",
        "F-14",
        (
            Param("to", "host", "at which end", choices=("host", "pump")),
            Param("hex", "7e0010ff00", "the bytes", hex=True),
            Param("times", 1, "how often, one after the other", least=1, most=10_000),
        ),
    ),
    Kind(
        "stall",
        "pump",
        "the motor makes no step; the pump sees it when the next step is due, and ends delivery",
        "F-27",
        (
            Param("silent", 0, "1: the pump does not see it; nothing is counted, the run goes on", most=1),
            _FOR,
        ),
    ),
    Kind(
        "stall-clear",
        "pump",
        "the motor turns again; steps that were lost stay lost",
        "F-27 F-28",
        (Param("catch_up", 0, "1: it makes what it lost, faster, until the end of the step", most=1),),
    ),
    Kind(
        "over-infusion",
        "pump",
        "the true displacement is another than the counted one",
        "F-29",
        (Param("gain_ppm", 1_500_000, "true displacement, millionths of the counted one"),),
    ),
    Kind(
        "occlusion",
        "pump",
        "nothing leaves the catheter; what is pumped is held and comes out when it clears",
        "F-33",
        (Param("limit_nl", 0, "most that is held; then the motor stalls. 0: no limit"), _FOR),
    ),
    Kind("occlusion-clear", "pump", "what an occlusion held comes out within one second", "F-34"),
    Kind(
        "free-flow",
        "pump",
        "fluid runs out by itself, uncounted, until the reservoir is empty",
        "F-31",
        (Param("nl_per_h", 20_000_000, "how fast; 0 ends it"), _FOR),
    ),
    Kind(
        "empty",
        "pump",
        "the reservoir holds less than the pump calculates: an underfill or a leak",
        "F-35",
        (Param("left_nl", 0, "volume that can still be drawn"),),
    ),
    Kind(
        "power-loss",
        "pump",
        "the pump resets; what it ran is forgotten",
        "F-21 F-23",
        (
            Param("for", 0, "how long it is without power", time=True),
            Param(
                "then_nl_per_h",
                0,
                "a rate at which it then runs by itself: an implant for 24 h, a syringe pump until it is stopped",
                most=1_000_000,
            ),
        ),
    ),
    Kind(
        "counter-reset",
        "pump",
        "the delivered counter shows another value",
        "F-24 F-25",
        (Param("value_nl", 0, "what it shows"),),
    ),
    Kind("counter-stuck", "pump", "the counter runs on and nothing flows", "F-26", (_FOR,)),
    Kind(
        "battery-low",
        "pump",
        "the battery is nearly used up",
        "F-68",
        (Param("percent", 10, "what it still holds", least=1, most=100),),
    ),
    Kind("battery-dead", "pump", "the battery is used up: delivery ends for good", "F-68"),
    Kind(
        "clock-drift",
        "pump",
        "the pump's clock runs fast or slow, and with it its steps",
        "F-47",
        (Param("ppm", 50_000, "how fast, millionths; negative is slow", least=-999_999),),
    ),
    Kind(
        "stop-ignored",
        "pump",
        "STOP does not stop",
        "F-30",
        (
            Param(
                "reply",
                "honest",
                "honest: status of the pump that still runs; lie: the pump believes that it stopped, its "
                "motor ends the step; silent: no answer",
                choices=("honest", "lie", "silent"),
            ),
            Param("count", 0, "how many STOPs; 0 is all"),
        ),
    ),
    Kind("resume-after-reset", "pump", "the pump resets and goes on by itself with what it did", "F-22"),
    Kind(
        "status-stuck",
        "pump",
        "every reply carries the status that was sent last, tick and all",
        "F-15",
        (_FOR,),
    ),
    Kind(
        "runaway",
        "pump",
        "the motor turns too fast, counted, up to the pump's own hourly bound",
        "F-29",
        (Param("factor", 10, "times the rate; 1 ends it", least=1), _FOR),
    ),
    Kind(
        "balance-stuck",
        "balance",
        "the load cell gives the same for ever, and steadily; what is tared still is",
        "blinds the balance to F-26 F-29 F-31",
        (_FOR,),
    ),
    Kind(
        "balance-touched",
        "balance",
        "somebody leans on the pan, or takes the vessel away for a while",
        "near miss of F-26 F-31",
        (
            Param(
                "how", "lean", "lean: on top of what stands there; lift: the vessel", choices=("lean", "lift")
            ),
            Param("by_ug", 50_000_000, "how hard; negative is upwards. Nothing to a lift", least=-_MOST_UG),
            Param(
                "left_ug",
                0,
                "how much more the vessel weighs afterwards; negative: a drop is lost",
                least=-_MOST_UG,
            ),
            Param("for", 5_000, "how long", time=True, least=1),
        ),
    ),
    Kind(
        "balance-zeroed",
        "balance",
        "somebody presses the key that makes the display zero",
        "near miss of F-26",
    ),
    Kind(
        "balance-silent",
        "balance",
        "the balance neither hears nor answers",
        "blinds the balance to F-26 F-29 F-31",
        (_FOR,),
    ),
    Kind(
        "balance-drift",
        "balance",
        "the display creeps; what it has crept stays",
        "near miss of F-26 F-29",
        (Param("ug_per_h", 500, "how fast; negative is downwards", least=-_MOST_UG), _FOR),
    ),
    Kind(
        "relay-stuck",
        "switch",
        "the contact of the power switch stays as it is, whatever the coil does",
        "F-30, its second stop",
        (_FOR,),
    ),
)
FAULTS: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in _ALL})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong at `at_ms` of the world. Its text, `str(fault)`, reads back to an equal one.

    Raises:
        ValueError: no such fault, no such parameter, or not a value of it; the message says what there is.
    """

    name: str
    at_ms: int = 0
    params: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(f"no fault {self.name!r}; there are: {', '.join(sorted(FAULTS))}")
        if type(self.at_ms) is not int or self.at_ms < 0:
            raise ValueError(f"fault {self.name}: at_ms={self.at_ms!r} must be an int of at least 0")
        kind = self.kind
        read = {key: kind.param(key).read(value) for key, value in self.params.items()}
        object.__setattr__(self, "params", MappingProxyType(dict(sorted(read.items()))))

    def __hash__(self) -> int:
        return hash((self.name, self.at_ms, tuple(self.params.items())))

    @property
    def kind(self) -> Kind:
        """Its row of the registry."""
        return FAULTS[self.name]

    def number(self, param: str) -> int:
        """Value of a whole-number or time parameter, given or default."""
        value = self.params.get(param, self.kind.param(param).default)
        if not isinstance(value, int):
            raise TypeError(f"{self.name}: {param} is a word")
        return value

    def word(self, param: str) -> str:
        """Value of a word parameter, given or default."""
        return str(self.params.get(param, self.kind.param(param).default))

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `NAME@TIME:key=value,...`; without `@TIME` it is 0.

        Raises:
            ValueError: as the class, or the text has another form.
        """
        head, colon, tail = text.partition(":")
        name, _, time = head.partition("@")
        params: dict[str, Value] = {}
        for pair in tail.split(",") if colon else ():
            key, equals, value = pair.partition("=")
            if not equals or key in params:
                raise ValueError(f"fault {text!r}: {pair!r} is not key=value, or comes twice")
            params[key] = value
        return cls(name, parse_time(time) if "@" in head else 0, params)

    def __str__(self) -> str:
        pairs = ",".join(f"{k}={self.kind.param(k).write(v)}" for k, v in self.params.items())
        return f"{self.name}@{time_text(self.at_ms)}" + (f":{pairs}" if pairs else "")


def pump_faults(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Those that happen in the pump: for `World`."""
    return tuple(fault for fault in faults if fault.kind.where == "pump")


def wire_faults(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Those that happen on the way: for `FaultyWire`."""
    return tuple(fault for fault in faults if fault.kind.taker == "the wire")


def bench_faults(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Those of what stands beside the pump: for `Balance` and `RelayFirmware`."""
    return tuple(fault for fault in faults if fault.kind.where in {"balance", "switch"})
