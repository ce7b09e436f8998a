"""Terms of the reference protocol: what a proposal must be, how it is refused, and what an epoch and a name are.

Layer      sim.firmware. Pure functions and values; written from docs/reference-protocol.md alone.
Tests      tests/unit/sim/test_firmware_reference.py
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sim.firmware.delivery import Steps
from sim.firmware.reference_frames import IDENTITY, PROPOSAL, STEP, Nak
from sim.models import Model
from sim.motor import HOUR_MS

_HIGHEST_KIND: Final = 2  # 0 basal, 1 bolus, 2 prime


class RefusedError(Exception):
    """A request that is answered NAK."""

    def __init__(self, code: Nak) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(frozen=True, slots=True)
class Proposal:
    """A step list that the pump holds and does not run."""

    id: int
    not_after: int
    step_list: bytes
    crc: int
    steps: Steps


def proposal_size(payload: bytes) -> int:
    """Bytes that a PROPOSE must have, by the count in it."""
    counted = payload[PROPOSAL.size - 1] if len(payload) >= PROPOSAL.size else 0
    return PROPOSAL.size + counted * STEP.size


def checked_steps(model: Model, id_: int, step_list: bytes) -> Steps:
    """The steps as (pump steps, duration ms).

    Raises:
        RefusedError: `range`.
    """
    if not id_ or not 1 <= step_list[0] <= model.max_steps:
        raise RefusedError(Nak.RANGE)
    steps, lease = [], 0
    for index, (kind, volume, duration) in enumerate(STEP.iter_unpack(step_list[1:])):
        count, rest = divmod(volume, model.step_nl)
        if kind > _HIGHEST_KIND or (kind and index) or rest or not duration:
            raise RefusedError(Nak.RANGE)
        if volume * HOUR_MS > model.max_nl_per_h * duration:
            raise RefusedError(Nak.RANGE)
        steps.append((count, duration))
        lease += duration
    if lease > model.max_lease_ms:
        raise RefusedError(Nak.RANGE)
    return tuple(steps)


def identity(model: Model, serial: str) -> bytes:
    """The pump as HELLO tells it."""
    texts = (model.name.encode("ascii"), model.firmware.encode("ascii"), serial.encode("ascii"))
    numbers = (model.max_steps, model.step_nl, model.max_nl_per_h, model.max_lease_ms)
    return IDENTITY.pack(*texts, *numbers, model.ttl_ms, model.outcomes)


def drawn_epoch(lot: str, last: int) -> int:
    """A number that differs from the last one and from 0, drawn by a text."""
    for n in range(1_000):
        number = int.from_bytes(sha256(f"{lot}/{n}".encode()).digest()[:4], "big")
        if number not in {0, last}:
            return number
    raise AssertionError("a thousand hashes in a row were 0 or the last epoch")
