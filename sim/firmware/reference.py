"""Firmware of the simulated implant-like pump: the reference protocol, from the pump's side.

Layer      sim.firmware. Written from docs/reference-protocol.md alone, apart from any host.
Invariants one id is carried out at most once; until a COMMIT is accepted the old steps run; after a STOP no
           COMMIT that was sent before it is accepted; a query changes nothing but the tick.
Readings   where the page leaves a choice: refusals are looked for in the order of the page, `conflict` of a
           PROPOSE just before `used`, of a COMMIT just after; an unknown kind of step, id 0 and duration 0
           are `range`; owner 0 never owns the pump; the first status of an epoch carries tick 1.
Times      the methods take true time (ms of the world); the pump reads its own, drifting clock.
Tests      tests/unit/sim/test_firmware_reference.py, tests/properties/test_world_step_independence.py
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Final
from zlib import crc32

from sim.firmware.delivery import Delivery, Steps
from sim.firmware.reference_frames import (
    COMMIT,
    HEADER,
    PROPOSAL,
    READ_BACK,
    REPLY,
    RESULT,
    STATUS,
    Alarm,
    Header,
    Nak,
    Receiver,
    State,
    Type,
    What,
    frame,
    repaired,
)
from sim.firmware.reference_terms import (
    Proposal,
    RefusedError,
    checked_steps,
    drawn_epoch,
    identity,
    proposal_size,
)
from sim.mechanism import Mechanism
from sim.models import Model
from sim.motor import HOUR_MS

VERSION: Final = 1
OWNER_QUIET_MS: Final = 60_000  # after more silence of its owner than this the pump takes another
_COUNTER_MASK: Final = (1 << 64) - 1
_ID: Final = 8  # bytes of an id
_CARRIED_OUT: Final = frozenset({What.RUNNING, What.DONE, What.REPLACED, What.STOPPED, What.RESET})
_TYPE_AT: Final = 4  # SOF, length 2, version, type
_KINDS: Final = {1: "hello", 2: "status", 3: "propose", 4: "commit", 5: "stop", 6: "outcome"}
_CarryOut = Callable[["ReferenceFirmware", Header, bytes, int], bytes | None]


class ReferenceFirmware:
    """One pump. `handle` answers bytes; `delivery` does what falls due; both are called in the order of
    time.
    """

    __slots__ = (
        "_counter_nl",
        "_frozen",
        "_held",
        "_last_status",
        "_mechanism",
        "_model",
        "_owner",
        "_owner_heard",
        "_powerups",
        "_receiver",
        "_results",
        "_seed",
        "_serial",
        "delivery",
        "epoch",
        "generation",
        "off",
        "outbox",
        "stop_ignored",
        "stops_to_ignore",
        "tick",
    )

    def __init__(self, model: Model, mechanism: Mechanism, *, serial: str, seed: int) -> None:
        self._model, self._mechanism = model, mechanism
        self._serial, self._seed, self._powerups = serial, seed, 0
        self.delivery = Delivery(model, mechanism, self._record, self._push_alarm)
        self._receiver = Receiver()
        self._results: dict[int, tuple[What, int]] = {}
        self._held: Proposal | None = None
        self.outbox: list[tuple[int, bytes]] = []
        self._frozen: bytes | None = None
        self._last_status = bytes(STATUS.size)
        self._owner = self._owner_heard = self._counter_nl = 0
        self.epoch = self.generation = self.tick = 0
        self.off = True  # until its first power-up
        self.stop_ignored, self.stops_to_ignore = "", 0

    # The course of time: the delivery's

    @property
    def agenda(self) -> Delivery:
        """What keeps its times."""
        return self.delivery

    @property
    def next_ms(self) -> int:
        """When something is due."""
        return self.delivery.next_ms

    @property
    def alarm_ms(self) -> int:
        """When a host could notice something."""
        return self.delivery.alarm_ms

    def elapse(self, t_ms: int) -> None:
        """Do everything that is due at `t_ms`."""
        self.delivery.elapse(t_ms)

    # Power

    def power_up(self, now_ms: int) -> None:
        """Begin a new epoch: generation 1, tick 0, own time 0, idle, nothing held, nothing resumed."""
        self._lose_power(now_ms)
        self._mechanism.restart_clock(now_ms)
        self._powerups += 1
        self.epoch, self.generation, self.tick = (
            drawn_epoch(f"{self._seed}/{self._serial}/{self._powerups}", self.epoch),
            1,
            0,
        )
        self._owner = self._owner_heard = 0
        self._frozen = None
        self.off = False
        self.delivery.alarms |= Alarm.RESET
        self.delivery.elapse(now_ms)
        self._push_alarm(now_ms)

    def power_off(self, now_ms: int) -> None:
        """Without power nothing runs, hears or speaks. What is kept is kept."""
        self._lose_power(now_ms)
        self.off = True

    def _lose_power(self, now_ms: int) -> None:
        failed = self.delivery.state is State.FAILED
        self.delivery.end(now_ms, What.RESET, State.FAILED if failed else State.IDLE)
        self._drop_held()
        self._receiver.clear()

    # Bytes

    def handle(self, data: bytes, now_ms: int) -> bytes:
        """Take bytes that arrive at `now_ms`; return the reply frames."""
        replies = b""
        if not self.off:
            for body in self._receiver.feed(data, now_ms):
                replies += self._answer(body, now_ms)
        return replies

    def push(self, now_ms: int) -> bytes:
        """Frames that the pump sent unasked up to `now_ms` and that nobody took yet."""
        out = b"".join(data for t_ms, data in self.outbox if t_ms <= now_ms)
        self.outbox = [item for item in self.outbox if item[0] > now_ms]
        return out

    def take_pushed(self) -> list[tuple[int, bytes]]:
        """The same frames, each with the time at which it was sent."""
        taken, self.outbox = self.outbox, []
        return taken

    def peek_status(self, now_ms: int) -> bytes:
        """Status bytes as they are, without sending them: the tick does not grow."""
        return self._frozen or self._status_bytes(now_ms)

    def result(self, id_: int, now_ms: int) -> tuple[What, int]:
        """What became of an id, and how much of it was given, nL."""
        what, given = self._results.get(id_, (What.UNKNOWN, 0))
        if what is What.RUNNING:
            given = self.delivery.given_nl(now_ms)
        elif what is What.PROPOSED and self._held:
            late = self._mechanism.clock.own(now_ms) > self._held.not_after
            what = What.DROPPED if late else what
        return what, given

    def kind_of(self, data: bytes) -> str:
        """Type of a request, by its type byte."""
        return _KINDS.get(data[_TYPE_AT], "") if len(data) > _TYPE_AT else ""

    def repair(self, data: bytes) -> bytes:
        """A frame with a right CRC."""
        return repaired(data) if len(data) > _TYPE_AT else data

    # What a person and faults do to it

    @property
    def spared(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def filled(self, now_ms: int, told_nl: int = 0, alarm_nl: int = 0) -> None:
        """A person tells the pump what it holds and when it is to warn, nL."""
        self.delivery.fill(now_ms, told_nl, alarm_nl)

    def set_battery(self, now_ms: int, percent: int) -> None:
        """From now on the battery holds `percent`, draining as ever."""
        self.delivery.set_battery(now_ms, percent)

    def ignore_stops(self, how: str, count: int) -> None:
        """STOP is answered and does nothing (`honest`), seems to stop (`lie`) or is not answered (`silent`)."""
        self.stop_ignored, self.stops_to_ignore = how, count

    def run_unasked(self, now_ms: int, nl_per_h: int) -> None:
        """Run by itself at a rate for 24 h."""
        steps = nl_per_h * 24 // self._model.step_nl
        if steps:
            self._run_unasked(now_ms, ((steps, 24 * HOUR_MS),))

    def reset_and_go_on(self, now_ms: int) -> None:
        """Reset, and wrongly go on with the steps that were left."""
        rest = self.delivery.what_is_left(now_ms)
        self.power_up(now_ms)
        if rest:
            self._run_unasked(now_ms, rest)

    def _run_unasked(self, now_ms: int, steps: Steps) -> None:
        alarms = self.delivery.alarms
        self.delivery.start(now_ms, 0, steps)
        self.delivery.alarms |= alarms  # no COMMIT was accepted that could clear one

    def freeze_status(self, now_ms: int, *, on: bool) -> None:
        """Send the last status again and again, tick and all; or stop doing so."""
        self._frozen = self._last_status if on else None

    def set_counter(self, now_ms: int, value_nl: int) -> None:
        """Make the delivered counter show `value_nl` from now on."""
        self._counter_nl = value_nl - self.delivery.counted(now_ms) * self._model.step_nl

    # One request

    def _answer(self, body: bytes, now_ms: int) -> bytes:
        head = Header(*HEADER.unpack_from(body))
        try:
            if head.version != VERSION:
                raise RefusedError(Nak.VERSION)
            payload = self._dispatch(head, body[HEADER.size :], now_ms)
        except RefusedError as refusal:
            return self._frame(Type.NAK, head, bytes((refusal.code,)) + self._status(now_ms))
        return b"" if payload is None else self._frame(head.type, head, payload)

    def _dispatch(self, head: Header, payload: bytes, now_ms: int) -> bytes | None:
        size, carry_out = self._requests.get(head.type, self._no_request)
        if len(payload) != (proposal_size(payload) if size is None else size):
            raise RefusedError(Nak.MALFORMED)
        own = self._mechanism.clock.own(now_ms)
        self._note_owner(head, own)
        if self._held and own > self._held.not_after:
            self._drop_held()
        return carry_out(self, head, payload, now_ms)

    def _hello(self, _head: Header, _payload: bytes, now_ms: int) -> bytes:
        return identity(self._model, self._serial) + self._status(now_ms)

    def _tell(self, _head: Header, _payload: bytes, now_ms: int) -> bytes:
        return self._status(now_ms)

    def _outcome(self, _head: Header, payload: bytes, now_ms: int) -> bytes:
        return self._result_bytes(int.from_bytes(payload, "big"), now_ms) + self._status(now_ms)

    def _note_owner(self, head: Header, own_ms: int) -> None:
        if head.type == Type.HELLO and head.owner:
            quiet = not self._owner or own_ms - self._owner_heard > OWNER_QUIET_MS
            self._owner = head.owner if quiet else self._owner
        if head.owner == self._owner:
            self._owner_heard = own_ms

    # PROPOSE

    def _propose(self, head: Header, payload: bytes, now_ms: int) -> bytes:
        id_, generation, not_after, _ = PROPOSAL.unpack_from(payload)
        step_list = payload[PROPOSAL.size - 1 :]
        self._check_session(head, generation, not_after, now_ms)
        steps = checked_steps(self._model, id_, step_list)
        held = self._held
        if held and held.id == id_:
            if held.step_list != step_list:
                raise RefusedError(Nak.CONFLICT)
            return READ_BACK.pack(id_, held.crc)
        if id_ in self._results:
            raise RefusedError(Nak.USED)
        if self.delivery.state is State.FAILED:
            raise RefusedError(Nak.FAILED)
        self._drop_held()
        self._held = Proposal(id_, not_after, step_list, crc32(step_list), steps)
        self._keep(id_, What.PROPOSED, 0)
        return READ_BACK.pack(id_, self._held.crc)

    def _check_session(self, head: Header, generation: int, not_after: int, now_ms: int) -> None:
        if head.epoch != self.epoch:
            raise RefusedError(Nak.STALE_EPOCH)
        if generation != self.generation:
            raise RefusedError(Nak.STALE_GENERATION)
        own = self._mechanism.clock.own(now_ms)
        if own > not_after:
            raise RefusedError(Nak.LATE)
        if not_after > own + self._model.ttl_ms:
            raise RefusedError(Nak.RANGE)
        if head.owner != self._owner or not head.owner:
            raise RefusedError(Nak.BUSY)

    # COMMIT, STOP, results

    def _commit(self, head: Header, payload: bytes, now_ms: int) -> bytes:
        id_, crc, generation, not_after = COMMIT.unpack(payload)
        known = self._results.get(id_, (What.UNKNOWN, 0))[0]
        if known not in _CARRIED_OUT:
            self._check_session(head, generation, not_after, now_ms)
            if known is What.DROPPED:
                raise RefusedError(Nak.USED)
            if not self._held or (self._held.id, self._held.crc) != (id_, crc):
                raise RefusedError(Nak.CONFLICT)
            if self.delivery.state is State.FAILED:
                raise RefusedError(Nak.FAILED)
            self._put_into_force(self._held, now_ms)
        return self._result_bytes(id_, now_ms) + self._status(now_ms)

    def _put_into_force(self, held: Proposal, now_ms: int) -> None:
        self._held = None
        self._results[held.id] = (What.RUNNING, 0)
        self.delivery.start(now_ms, held.id, held.steps)

    def _stop(self, _head: Header, _payload: bytes, now_ms: int) -> bytes | None:
        how = self.stop_ignored if self.stops_to_ignore else ""
        if how:
            self.stops_to_ignore -= 1
        if how == "silent":
            return None
        if how == "honest":
            return self._status(now_ms)
        state = self.delivery.state
        kept = State.IDLE if state is State.RUNNING else state
        self.delivery.end(now_ms, What.STOPPED, kept, motor_goes_on=how == "lie")
        self._drop_held()
        self.generation += 1
        return self._status(now_ms)

    # What each request takes, bytes of payload, and who carries it out; PROPOSE names its size itself.
    _no_request: ClassVar[tuple[int | None, _CarryOut]] = (-1, _tell)
    _requests: ClassVar[Mapping[int, tuple[int | None, _CarryOut]]] = {
        Type.HELLO: (0, _hello),
        Type.STATUS: (0, _tell),
        Type.PROPOSE: (None, _propose),
        Type.COMMIT: (COMMIT.size, _commit),
        Type.STOP: (0, _stop),
        Type.OUTCOME: (_ID, _outcome),
    }

    def _drop_held(self) -> None:
        if self._held:
            self._results[self._held.id] = (What.DROPPED, 0)
            self._held = None

    def _record(self, id_: int, what: What, given_nl: int) -> None:
        if id_:
            self._results[id_] = (what, given_nl)

    def _keep(self, id_: int, what: What, given_nl: int) -> None:
        """Remember a new id; the oldest one that does not run is forgotten for it."""
        self._results[id_] = (what, given_nl)
        if len(self._results) > self._model.outcomes:
            oldest = next(i for i, (kept, _) in self._results.items() if kept is not What.RUNNING)
            del self._results[oldest]

    # Parts of replies

    def _frame(self, kind: int, head: Header, payload: bytes) -> bytes:
        return frame(HEADER.pack(VERSION, kind | REPLY, head.owner, self.epoch, head.seq) + payload)

    def _push_alarm(self, now_ms: int) -> None:
        if not self.off:
            body = HEADER.pack(VERSION, Type.ALARM | REPLY, 0, self.epoch, 0) + self._status(now_ms)
            self.outbox.append((now_ms, frame(body)))

    def _result_bytes(self, id_: int, now_ms: int) -> bytes:
        return RESULT.pack(id_, *self.result(id_, now_ms))

    def _status(self, now_ms: int) -> bytes:
        if self._frozen is None:
            self.tick += 1
            self._last_status = self._status_bytes(now_ms)
            return self._last_status
        return self._frozen

    def _status_bytes(self, now_ms: int) -> bytes:
        delivery, step_nl = self.delivery, self._model.step_nl
        own = self._mechanism.clock.own(now_ms)
        counted = self._mechanism.motor.steps(own)
        run = delivery.run
        return STATUS.pack(
            self.generation,
            self.tick,
            own,
            (counted * step_nl + self._counter_nl) & _COUNTER_MASK,
            delivery.state,
            run.id if run else 0,
            run.index if run else 0,
            (counted - run.step_at) * step_nl if run else 0,
            delivery.content_after(counted),
            delivery.battery(now_ms),
            delivery.alarms,
        )
