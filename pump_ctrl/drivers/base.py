"""What every pump can do, and nothing only one vendor can do.

Layer      drivers; imports the kernel only. ``safety`` imports this module and no concrete driver.
Contract   ``deliver`` replaces what runs, carries its steps out in order, then the pump stops by itself: the
           end of the last step is the lease. A call blocks for 500 ms an exchange at the most and never
           retries: only the caller knows whether repeating a command could dose twice.
Tests      tests/contract/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Protocol


class StepKind(StrEnum):
    """What a step is for. A bolus or a prime may only be the first step of a permit."""

    BASAL = "basal"
    BOLUS = "bolus"
    PRIME = "prime"


KIND_NAMES: Final = {kind: kind.value for kind in StepKind}  # ``value`` is slow, and asked for each step


@dataclass(frozen=True, slots=True)
class Step:
    """A bounded piece of work for the pump: ``volume_nl`` spread evenly over ``duration_ms``.

    ``volume_nl`` is all that flows in the step, a whole number of pump steps; 0 is a rest. ``basal_nl`` is
    the part of a bolus step that belongs to the basal (pumps with one motor speed), 0 for the other kinds.
    """

    kind: StepKind
    volume_nl: int
    duration_ms: int
    basal_nl: int = 0


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send exactly these steps, once, until ``expires_ms`` (boot-time ms of the host).

    ``id`` is a 64-bit number that is never used twice on a journal.
    """

    id: int
    steps: tuple[Step, ...]
    expires_ms: int

    @property
    def volume_nl(self) -> int:
        """Everything the permit can make flow, nL."""
        return sum([step.volume_nl for step in self.steps])

    @property
    def duration_ms(self) -> int:
        """The lease: how long the pump may run on this permit, ms."""
        return sum([step.duration_ms for step in self.steps])


class PumpState(StrEnum):
    """What the pump says that it is doing."""

    IDLE = "idle"
    RUNNING = "running"
    STALLED = "stalled"
    EMPTY = "empty"
    FAILED = "failed"  # battery or memory: the pump has given up


class PumpStatus(NamedTuple):
    """One self-description of the pump. A tuple, because one comes with nearly every exchange.

    ``tick`` grows with every status of one ``epoch`` (a number the pump draws when it powers up); a tick
    that does not grow is a stale status. ``tick_ms`` is the pump's own time since power-up. ``delivered_nl``
    is the pump's monotonic counter of commanded displacement. ``running_id`` is the permit it works on,
    ``alarms`` the pump's own alarm names.
    """

    epoch: int
    tick: int
    tick_ms: int
    state: PumpState
    delivered_nl: int
    running_id: int | None = None
    step_index: int = 0
    step_done_nl: int = 0
    reservoir_nl: int | None = None
    battery_percent: int | None = None
    alarms: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Acked:
    """The pump said yes, and this is what it reported afterwards."""

    status: PumpStatus


@dataclass(frozen=True, slots=True)
class Refused:
    """The pump said no: nothing was started, for certain."""

    code: str
    status: PumpStatus | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Silence or nonsense: it may have started or not."""

    detail: str


Outcome = Acked | Refused | Unknown  # no fourth case; match on it and end with assert_never


@dataclass(frozen=True, slots=True)
class Given:
    """Evidence: the permit was carried out and gave between ``lo_nl`` and ``hi_nl`` so far.

    ``ended`` is true when it can give no more. ``status`` is what the pump reported with it.
    """

    lo_nl: int
    hi_nl: int
    ended: bool
    status: PumpStatus


@dataclass(frozen=True, slots=True)
class NotGiven:
    """Evidence: the permit was not and can no longer be carried out."""

    why: str
    status: PumpStatus


@dataclass(frozen=True, slots=True)
class Nothing:
    """No evidence either way; the permit stays unsettled.

    ``other``: the pump holds a command that is neither this one nor one of those before it. ``gone``: it stands still,
    nothing can be on its way to it, and what could have told is lost for ever.
    """

    detail: str
    other: bool = False
    gone: bool = False


Evidence = Given | NotGiven | Nothing


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers. ``serial`` is None for a pump that tells none; then the rest is a mere fingerprint. ``used``: it
    holds what a controller has told some pump, even if its counter stands at nothing.
    """

    model: str
    firmware: str
    serial: str | None
    epoch: int
    used: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the guard and the controller must know of a pump family; the declarations widen their bounds.

    Attributes:
        protocol: name of the wire protocol.
        max_steps: steps that one permit may hold.
        step_nl: smallest volume the pump can be told, nL; every step volume is a multiple of it.
        counter_unit_nl: resolution of the delivered counter, nL.
        max_nl_per_h: fastest flow the pump can make, nL/h.
        max_lease_ms: longest permit the pump takes, ms.
        ttl_ms: after this long (pump time) an unseen command can no longer start; None if nothing bounds it.
        dedup: the pump carries out one id once however often it arrives.
        keeps_outcomes: the pump answers ``evidence`` by id.
        buffered: bytes may wait between us and the pump (a network), so silence proves nothing.
        tells_time: ``tick_ms`` measures elapsed time across a host reboot.
        simulated: the link ends in our simulator; only ``drivers/simulated.py`` sets it.
        stops_first: a ``deliver`` stops what runs before anything else; a ``Refused`` with a status of a pump that
            stands still has ended it.
        ahead_nl: by less than that a step may run ahead of its even flow, nL.
        clears_counter: a ``deliver`` clears the pump's own counter: in a new session ``delivered_nl`` begins with what
            the last permit has given.
        hidden_nl: so much of the counter's last digit may be lost each time, nL.
        keeps_counter: ``delivered_nl`` goes on where it was when the pump has lost its power.
    """

    protocol: str
    max_steps: int
    step_nl: int
    counter_unit_nl: int
    max_nl_per_h: int
    max_lease_ms: int
    ttl_ms: int | None
    dedup: bool
    keeps_outcomes: bool
    buffered: bool
    tells_time: bool
    simulated: bool
    stops_first: bool = False
    ahead_nl: int = 0
    clears_counter: bool = False
    hidden_nl: int = 0
    keeps_counter: bool = False


@dataclass(frozen=True, slots=True)
class PumpSettings:
    """What a driver has to be told of a pump that does not declare it itself; from the pump's profile and the plan.

    Attributes:
        address: number of the pump on its line.
        diameter_um: inner diameter of the syringe, micrometres; None for a pump without one.
        capacity_nl: what the syringe holds, nL.
        step_nl, counter_unit_nl, max_nl_per_h, max_steps, max_lease_ms: as in ``Capabilities``.
        wire_timeout_s: after so long without a packet the pump is to stop by itself (seconds); None: it is to go
            on to the end of what it was told, which holds the plan's bounded hold.
        model: what the pump has to call itself; None: not looked at.
    """

    address: int
    diameter_um: int | None
    capacity_nl: int
    step_nl: int
    counter_unit_nl: int
    max_nl_per_h: int
    max_steps: int
    max_lease_ms: int
    wire_timeout_s: int | None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """What of a wish a pump can be told, where whole pump steps and a fastest flow do not say it all.

    Attributes:
        volume: the most, not above so many nL, that the pump can be told to spread over just so many ms; its
            own result is told whole. 0 is a rest.
        count: how many of these steps, from the first on, one permit can hold; 1 at least.
        exchanges: how many exchanges telling them to the pump takes, up to its word that it runs.
        rests: whether a rest is something that the pump runs; else it stands still in it, and says so.
    """

    volume: Callable[[int, int], int]
    count: Callable[[Sequence[Step]], int]
    exchanges: Callable[[Sequence[Step]], int]
    rests: bool


class Link(Protocol):
    """A byte pipe to one pump. Deadlines are boot-time ms of the host's clock."""

    simulated: bool

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        """Send all of ``data``.

        Raises:
            LinkError: the bytes could not be handed over.
        """

    def read(self, *, deadline_ms: int) -> bytes:
        """Wait for bytes; return what has arrived, or ``b""`` when ``deadline_ms`` has come.

        Raises:
            LinkError: the pipe is broken.
        """

    def now_ms(self) -> int:
        """The clock that the deadlines are measured on."""

    def close(self) -> None:
        """Give the pipe back. Safe to repeat."""


class PumpDriver(Protocol):
    """One pump behind one link.

    Every method returns within its exchanges' deadlines (500 ms each) and never retries.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this pump can do; known after ``identify`` and constant from then on."""

    def identify(self) -> Identity | Unknown:
        """Ask who is there and take what follows from it (ranges, epoch)."""

    def deliver(self, permit: Permit) -> Outcome:
        """Replace what runs by the permit's steps. The old steps run until the new ones are in force.

        Looks at no clock but the link's. ``Refused`` means for certain that nothing of the permit began or can
        begin any more: the old steps go on, unless its status says that the pump stands still.
        """

    def stop(self) -> Outcome:
        """Stop all delivery. Safe to repeat, in any state, without limit."""

    def read_status(self) -> PumpStatus | Unknown:
        """Ask the pump how it is."""

    def evidence(self, permit_id: int) -> Evidence:
        """Ask what became of a permit."""

    def notices(self) -> tuple[PumpStatus, ...]:
        """Statuses the pump pushed by itself since the last call (alarms); never blocks."""

    def close(self) -> None:
        """Let go of the link. Safe to repeat; sends nothing."""


# A second witness and a second stop: optional, on wires of their own, so that no fault of the pump's silences them.


@dataclass(frozen=True, slots=True)
class SensorErrors:
    """By how much a volume sensor may be off, as declared; each only ever widens what it is taken to say.

    Attributes:
        resolution_nl: a single reading is off by that much at the most, either way (last digit, noise), nL.
        accuracy_ppm: the rise between two readings is off by that share, either way (calibration, density).
        creep_nl_per_h: between two readings it may gain so much that did not flow (own drift, air pressure).
        loss_nl_per_h: between two readings it may lose so much that did flow (evaporation).
    """

    resolution_nl: int
    accuracy_ppm: int
    creep_nl_per_h: int
    loss_nl_per_h: int


@dataclass(frozen=True, slots=True)
class Outflow:
    """All that has left the line since ``origin``, nL. Readings of different origins cannot be compared."""

    nl: int
    origin: str


class VolumeSensor(Protocol):
    """Sees what leaves the line, and knows nothing of the pump."""

    @property
    def errors(self) -> SensorErrors:
        """Its declared errors; constant."""

    def read(self) -> Outflow | Unknown:
        """Ask how much has left. Over within its exchanges' deadlines (500 ms each); never raises for the line."""

    def close(self) -> None:
        """Let go of the link. Safe to repeat."""


@dataclass(frozen=True, slots=True)
class Switched:
    """The relay was told; ``confirmed`` where it also answered as it should."""

    confirmed: bool


class PowerCut(Protocol):
    """Takes the pump's power away, or closes a clamp. Nothing here gives it back: a person does."""

    def cut(self) -> Switched | Unknown:
        """Cut. Safe to repeat; over within 500 ms; never raises for the line."""

    def close(self) -> None:
        """Let go of the link. Safe to repeat; switches nothing."""


@dataclass(frozen=True, slots=True)
class BalanceSettings:
    """What a balance does not tell of itself. ``density_ppm``: what it shows of 1 nL, millionths of a microgram."""

    errors: SensorErrors
    density_ppm: int


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """The bytes that cut, and the answer that confirms them; empty where a relay gives none."""

    cut: bytes
    answer: bytes
