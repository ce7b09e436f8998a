"""Driver of the reference protocol: two-phase updates, results by id, epochs and generations.

Layer      drivers; imports ``base``, its codec and exchange, and the kernel. Made by ``registry`` only.
Hazard     a dose given twice or forgotten when a frame is lost, late, doubled or changed (F-01 to F-18).
Invariant  one COMMIT for a ``deliver`` and no retry; ``Refused`` only where the page proves that nothing
           began and nothing can begin any more; all else, once a COMMIT has left, is ``Unknown``.
Source     docs/reference-protocol.md; what may be concluded from silence is its section 6.
Tests      tests/unit/test_reference_driver.py, test_reference_evidence.py, tests/contract/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar
from zlib import crc32

from pump_ctrl.drivers import reference_codec as codec
from pump_ctrl.drivers.base import (
    Acked,
    Capabilities,
    Evidence,
    Given,
    Identity,
    Link,
    NotGiven,
    Nothing,
    Outcome,
    Permit,
    PumpState,
    PumpStatus,
    Refused,
    Step,
    StepKind,
    Unknown,
)
from pump_ctrl.drivers.reference_codec import Nak, ReadBack, Result, Told, Type, What
from pump_ctrl.drivers.reference_exchange import Conversation, Silence
from pump_ctrl.errors import LinkError

FRESH_MS: Final = 1_000  # an older status is asked anew before a proposal, which counts from its tick
START_WITHIN_MS: Final = 5_000  # so long after it was made a COMMIT that the pump has not seen becomes void
REMEMBERED: Final = 16  # own commands whose end of validity is remembered one by one

# A COMMIT refused so can never be accepted any more, not even as a copy that is still on its way.
_DEAD: Final = frozenset({"stale_epoch", "stale_generation", "late", "used", "failed"})
# A PROPOSE refused so tells that the pump knows the id: an earlier ``deliver`` of it may have begun.
_KNOWN_ID: Final = frozenset({"used", "conflict"})
_BASAL_ONLY: Final = {StepKind.BASAL}
_ANY_EPOCH: Final = frozenset({Type.HELLO, Type.STOP})  # sent under epoch 0
_WITH_STATUS: Final = (codec.Hello, Result, Nak)
_CARRIED_OUT: Final = frozenset({What.RUNNING, What.DONE, What.REPLACED, What.STOPPED, What.RESET})

_Reply = TypeVar("_Reply")


class _Seen(NamedTuple):
    """What the pump told last in reply, and the link's clock when it was read."""

    told: Told
    at_ms: int


class _Validity(NamedTuple):
    """Up to when a COMMIT that the pump has not seen could still start.

    Not in another epoch, not under a later generation, not after ``not_after`` (pump's tick_ms).
    ``proposals`` is how many this driver had made up to then.
    """

    epoch: int
    generation: int
    not_after: int
    proposals: int

    def or_later(self, newer: _Validity) -> _Validity:
        """Return one that has ended only where both have; ``newer`` was sent later."""
        same_epoch = self.epoch == newer.epoch  # if not, the older one ended with its epoch
        return _Validity(
            newer.epoch,
            max(self.generation, newer.generation) if same_epoch else newer.generation,
            max(self.not_after, newer.not_after) if same_epoch else newer.not_after,
            min(self.proposals, newer.proposals),
        )


class _Offer(NamedTuple):
    """A permit as it goes over the wire."""

    id: int
    steps: bytes
    crc: int
    validity: _Validity
    expires_ms: int

    @property
    def proposal(self) -> bytes:
        """Payload of PROPOSE."""
        return codec.encode_proposal(self.id, self.validity.generation, self.validity.not_after, self.steps)

    @property
    def commit(self) -> bytes:
        """Payload of COMMIT."""
        return codec.encode_commit(self.id, self.crc, self.validity.generation, self.validity.not_after)


class ReferenceDriver:
    """A pump that speaks the reference protocol, behind ``link``.

    ``Refused`` codes: those of the page (``range`` is often found before sending), and ``not-identified``,
    ``expired``, ``no-status``, ``no-proposal``, ``read-back`` and
    ``stop-requested``. After a power-up of the pump every
    ``deliver`` is ``stale_epoch`` until ``identify``; after a STOP that was not seen yet one is
    ``stale_generation``; ``busy`` lasts until the owner has been silent for 60 s and ``identify`` is called
    again.

    Args:
        link: the byte pipe; its clock is the only one looked at.
        owner: drawn once per session, 1 to 2**32 - 1; tells this host from others.
        start_within_ms: how long after its proposal was made a COMMIT may still take effect at the pump.
        stop_requested: whether somebody asked to stop; looked at between the exchanges of a ``deliver`` (D-01).

    Raises:
        ValueError: ``owner`` or ``start_within_ms`` is out of range.
    """

    def __init__(
        self,
        link: Link,
        owner: int,
        *,
        start_within_ms: int = START_WITHIN_MS,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        if not (_is_count(owner, 1, codec.U32_MAX) and _is_count(start_within_ms, 1, codec.U32_MAX)):
            raise ValueError(f"owner {owner} and start_within_ms {start_within_ms} must be 1 to 2**32 - 1")
        self._link = link
        self._talk = Conversation(link, owner)
        self._start_within_ms = start_within_ms
        self._stop_requested = stop_requested
        self._pump: codec.Hello | None = None  # the first one that answered; its ranges hold from then on
        self._capabilities: Capabilities | None = None
        self._epoch = 0  # that of the last identify; 0: the pump is not identified
        self._seen: _Seen | None = None
        self._proposals = 0
        self._sent: dict[int, _Validity] = {}
        self._elsewhere: _Validity | None = None  # for commands that are not in _sent

    @property
    def link_noise(self) -> int:
        """Frames that were not for us or made no sense, and runs of bytes that were no frame."""
        return self._talk.noise

    @property
    def capabilities(self) -> Capabilities:
        """What the pump declared in HELLO.

        Raises:
            LinkError: no ``identify`` has succeeded yet.
        """
        if self._capabilities is None:
            raise LinkError("The pump has not been identified yet.", do_now="Call identify first.")
        return self._capabilities

    def identify(self) -> Identity | Unknown:
        """Say HELLO: take the pump's epoch and, the first time, its ranges.

        If another pump answers later (another name, serial or range), its identity is returned, but
        ``deliver`` stays ``not-identified`` until the first one is back.
        """
        reply = self._ask(Type.HELLO, codec.decode_hello)
        if not isinstance(reply, codec.Hello):
            return Unknown(_complaint("HELLO", reply))
        if self._pump is None:
            self._pump = reply
            self._capabilities = _capabilities(reply.ranges, simulated=self._link.simulated)
            latest = reply.told.status.tick_ms + reply.ranges.ttl_ms  # no COMMIT may be valid for longer
            self._elsewhere = _Validity(reply.identity.epoch, reply.told.generation, latest, proposals=0)
        self._epoch = reply.identity.epoch if reply.is_same_pump(self._pump) else 0
        return reply.identity

    def deliver(self, permit: Permit) -> Outcome:
        """Propose the steps, compare the read-back, commit: two exchanges, three if the last status is old.

        Until the COMMIT leaves every failure is ``Refused``, silence too: without a COMMIT nothing can start.
        """
        left_before = permit.id in self._sent
        outcome = self._deliver(permit)
        if left_before and isinstance(outcome, Refused):
            return Unknown(f"{outcome.code}, but a COMMIT of this id left before; ask for evidence")
        return outcome

    def stop(self) -> Outcome:
        """Send STOP. ``Unknown`` also when the pump answers it but says that it goes on running."""
        reply = self._ask(Type.STOP, codec.decode_status)
        if isinstance(reply, Silence):
            return Unknown(_complaint("STOP", reply))
        if isinstance(reply, Nak):
            return Refused(reply.code, reply.told.status)
        if reply.status.state is PumpState.RUNNING:
            return Unknown("the pump answered STOP, but says that it is running")
        return Acked(reply.status)

    def read_status(self) -> PumpStatus | Unknown:
        """Ask for a status; a pump that refuses even that tells one with its refusal."""
        reply = self._ask(Type.STATUS, codec.decode_status)
        if isinstance(reply, Silence):
            return Unknown(_complaint("STATUS", reply))
        return reply.told.status if isinstance(reply, Nak) else reply.status

    def evidence(self, permit_id: int) -> Evidence:
        """Ask OUTCOME and conclude what section 6 of the page allows, no more.

        For an id of an earlier session the caller knows that the pump was not given more ids after it than
        it keeps results (the unsettled permit of a journal is its last one). Ids of this session are counted.
        """
        if not _is_count(permit_id, 1, codec.U64_MAX):
            return Nothing(f"{permit_id} is no id of this protocol")
        reply = self._ask(Type.OUTCOME, codec.decode_result, codec.encode_id(permit_id))
        if not isinstance(reply, Result):
            return Nothing(_complaint("OUTCOME", reply))
        if reply.id != permit_id:
            return Nothing(f"asked for {permit_id}, the pump answered for {reply.id}")
        if reply.what in _CARRIED_OUT:
            return Given(reply.given_nl, reply.given_nl, reply.what is not What.RUNNING, reply.told.status)
        return self._absent(reply)

    def notices(self) -> tuple[PumpStatus, ...]:
        """Alarms pushed since the last call, oldest first; the newest 16 are kept."""
        return self._talk.pushed()

    def close(self) -> None:
        """Let go of the link; sends nothing."""
        self._link.close()

    def _ask(
        self, kind: Type, decode: Callable[[bytes, int], _Reply], payload: bytes = b""
    ) -> _Reply | Nak | Silence:
        """One exchange; epoch, generation and tick of its reply are remembered."""
        epoch = 0 if kind in _ANY_EPOCH else self._epoch
        reply = self._talk.ask(kind, decode, epoch=epoch, payload=payload)
        told = reply.told if isinstance(reply, _WITH_STATUS) else reply
        if isinstance(told, Told):
            self._seen = _Seen(told, self._talk.read_ms)
        return reply

    def _deliver(self, permit: Permit) -> Outcome:
        if self._pump is None or self._seen is None or not self._epoch:
            return Refused("not-identified")
        if not _can_be_sent(permit, self._pump.ranges):
            return Refused("range")
        seen = self._fresh(self._seen)
        if isinstance(seen, Refused):
            return seen
        now_ms = self._link.now_ms()
        if now_ms >= permit.expires_ms:
            return Refused("expired")
        offer = self._offer(permit, seen, now_ms)
        return self._stopped() or self._propose(offer) or self._stopped() or self._commit(offer)

    def _stopped(self) -> Refused | None:
        """Between two exchanges: without the COMMIT nothing starts."""
        return Refused("stop-requested") if self._stop_requested() else None

    def _fresh(self, known: _Seen) -> _Seen | Refused:
        """See to a young status, of the epoch and generation that this host knows of."""
        young = 0 <= self._link.now_ms() - known.at_ms <= FRESH_MS
        if not young and isinstance(self._ask(Type.STATUS, codec.decode_status), Silence):
            return Refused("no-status")
        seen = self._seen or known
        if seen.told.status.epoch != self._epoch:
            return Refused("stale_epoch", seen.told.status)
        if seen.told.generation != known.told.generation:
            return Refused("stale_generation", seen.told.status)
        return seen

    def _offer(self, permit: Permit, seen: _Seen, now_ms: int) -> _Offer:
        """Fix the bytes to send, and the pump's tick at which they become void at the latest."""
        tick_ms = seen.told.status.tick_ms + now_ms - seen.at_ms  # what the pump's clock shows by now
        not_after = tick_ms + min(self._start_within_ms, permit.expires_ms - now_ms)
        steps = codec.encode_steps(permit.steps)
        validity = _Validity(self._epoch, seen.told.generation, not_after, self._proposals + 1)
        return _Offer(permit.id, steps, crc32(steps), validity, permit.expires_ms)

    def _propose(self, offer: _Offer) -> Outcome | None:
        """Send PROPOSE; None when the pump holds exactly these steps.

        No reply is a refusal: by section 6 of the page nothing has started, and without a COMMIT nothing
        will.
        """
        self._proposals += 1
        reply = self._ask(Type.PROPOSE, codec.decode_read_back, offer.proposal)
        if isinstance(reply, Silence):
            return Refused("no-proposal")
        if isinstance(reply, ReadBack):
            return None if reply == ReadBack(offer.id, offer.crc) else Refused("read-back")
        if reply.code in _KNOWN_ID:
            return Unknown(f"PROPOSE was refused ({reply.code}): the pump knows this id; ask for evidence")
        return Refused(reply.code, reply.told.status)

    def _commit(self, offer: _Offer) -> Outcome:
        """Send COMMIT, once. From here on only the pump's own word makes anything certain."""
        if self._link.now_ms() >= offer.expires_ms:
            return Refused("expired")
        self._remember(offer)
        reply = self._ask(Type.COMMIT, codec.decode_result, offer.commit)
        if isinstance(reply, Silence):
            return Unknown(_complaint("COMMIT", reply))
        if isinstance(reply, Result):
            if reply.id == offer.id and reply.what in _CARRIED_OUT:
                return Acked(reply.told.status)
            return Unknown(f"COMMIT of {offer.id} was answered: {reply.what.name.lower()} of {reply.id}")
        if reply.code in _DEAD:
            return Refused(reply.code, reply.told.status)
        return Unknown(_complaint("COMMIT", reply))

    def _remember(self, offer: _Offer) -> None:
        """Keep until when the COMMIT that is about to leave could start."""
        earlier = self._sent.get(offer.id)
        self._sent[offer.id] = earlier.or_later(offer.validity) if earlier else offer.validity
        if len(self._sent) > REMEMBERED:
            oldest = self._sent.pop(next(iter(self._sent)))
            self._elsewhere = self._elsewhere.or_later(oldest) if self._elsewhere else oldest

    def _absent(self, reply: Result) -> Evidence:
        """Judge an id that the pump says it has not carried out."""
        told, what = reply.told, reply.what.name.lower()
        validity = self._sent.get(reply.id, self._elsewhere)
        if validity is None or self._pump is None or reply.what is What.PROPOSED:
            return Nothing(f"{what}: a COMMIT that is still on its way could start it")
        if reply.what is What.UNKNOWN and self._proposals - validity.proposals >= self._pump.ranges.outcomes:
            return Nothing(f"{what}: the pump may have forgotten it")
        if told.status.epoch != validity.epoch:
            return NotGiven(f"{what}, and the pump has powered up since", told.status)
        if told.generation > validity.generation:
            return NotGiven(f"{what}, and a STOP has come since", told.status)
        if told.status.tick_ms > validity.not_after:
            return NotGiven(f"{what}, and its last moment to start has passed", told.status)
        return Nothing(f"{what}: its last moment to start has not passed yet")


def _capabilities(ranges: codec.Ranges, *, simulated: bool) -> Capabilities:
    return Capabilities(
        protocol="reference",
        max_steps=ranges.max_steps,
        step_nl=ranges.step_nl,
        counter_unit_nl=ranges.step_nl,
        max_nl_per_h=ranges.max_nl_per_h,
        max_lease_ms=ranges.max_lease_ms,
        ttl_ms=ranges.ttl_ms,
        dedup=True,
        keeps_outcomes=True,
        buffered=False,  # bytes that wait on the way are void by not_after, epoch or generation
        tells_time=True,
        simulated=simulated,
        keeps_counter=True,
    )


def _is_count(value: object, low: int, high: int) -> bool:
    """Whether ``value`` is an integer of the range; a bool is none."""
    return type(value) is int and low <= value <= high


def _can_be_sent(permit: Permit, ranges: codec.Ranges) -> bool:
    """Whether a frame can hold the permit and the pump has declared that it takes such ones."""
    return (
        _is_count(permit.id, 1, codec.U64_MAX)
        and 1 <= len(permit.steps) <= ranges.max_steps
        and not [step for step in permit.steps if not _fits(step, ranges.step_nl)]
        and {step.kind for step in permit.steps[1:]} <= _BASAL_ONLY
        and permit.duration_ms <= ranges.max_lease_ms
    )


def _fits(step: Step, step_nl: int) -> bool:
    volume_nl, duration_ms = step.volume_nl, step.duration_ms
    return (
        step.kind in codec.KIND_CODES
        and type(volume_nl) is type(duration_ms) is int
        and 0 <= volume_nl <= codec.U32_MAX
        and 1 <= duration_ms <= codec.U32_MAX
        and volume_nl % step_nl == 0
    )


def _complaint(request: str, reply: Nak | Silence) -> str:
    if isinstance(reply, Nak):
        return f"{request} was refused: {reply.code}"
    return f"{request}: {reply.detail}"
