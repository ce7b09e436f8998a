"""What the tests of the reference driver share: permits, links that break, replies that count as none."""

from __future__ import annotations

from collections.abc import Callable

from pump_ctrl.drivers.base import Permit, Step, StepKind, Unknown
from pump_ctrl.drivers.reference import ReferenceDriver
from pump_ctrl.errors import LinkError
from tests.unit.reference_page import COMMIT, NAK, Answer, Request, ScriptedLink, frame, silent

OWNER = 0xA1A2A3A4
STEPS = (Step(StepKind.BOLUS, 4_400, 1_200_000), Step(StepKind.BASAL, 100, 3_600_000))
LIST = bytes.fromhex("02 01 00001130 00124f80 00 00000064 0036ee80")
NAMES = {
    1: "version", 2: "malformed", 3: "stale_epoch", 4: "stale_generation", 5: "late",
    6: "busy", 7: "range", 8: "used", 9: "conflict", 10: "failed", 11: "code-11",
}  # fmt: skip


def permit(number: int = 9, steps: tuple[Step, ...] = STEPS, expires_ms: int = 10_000_000) -> Permit:
    return Permit(number, steps, expires_ms)


def types(link: ScriptedLink) -> list[int]:
    return [request.type for request in link.sent]


def answering(make: Callable[[Request], bytes]) -> Answer:
    return lambda request: [(20, make(request))]


def broken(_: Request) -> list[tuple[int, bytes]]:
    raise LinkError("The cable is out.")


def gone(_: Request) -> list[tuple[int, bytes]]:
    raise OSError("unplugged")


def ignored(link: ScriptedLink) -> dict[str, Answer]:
    """Answers that must count as silence, for any request."""

    def payload(request: Request) -> bytes:
        return link.payload(request)

    epoch = link.epoch
    return {
        "silence": silent,
        "another seq": answering(
            lambda r: frame(r.type | 0x80, r.owner, epoch, (r.seq + 1) & 0xFFFFFFFF, payload(r))
        ),
        "another owner": answering(lambda r: frame(r.type | 0x80, r.owner ^ 1, epoch, r.seq, payload(r))),
        "another version": answering(
            lambda r: frame(r.type | 0x80, r.owner, epoch, r.seq, payload(r), version=2)
        ),
        "another type": answering(lambda r: frame((r.type ^ 7) | 0x80, r.owner, epoch, r.seq, payload(r))),
        "its own request": answering(lambda r: frame(r.type, r.owner, epoch, r.seq, r.payload)),
        "a byte too few": answering(lambda r: r.reply(epoch, payload(r)[:-1])),
        "a byte too many": answering(lambda r: r.reply(epoch, payload(r) + b"\0")),
        "a cut frame": answering(lambda r: r.reply(epoch, payload(r))[:-1]),
        "a flipped bit": answering(lambda r: r.reply(epoch, payload(r)[:-1] + b"\xff")[:-1] + b"\0"),
        "garbage": answering(lambda r: b"\x7e\x00\x20garbage\x7e\x00\x0e" * 9),
        "too late": lambda r: [(501, r.reply(epoch, payload(r)))],
        "a refusal cut short": answering(lambda r: r.reply(epoch, b"\x05", kind=NAK)),
    }


IGNORED = tuple(ignored(ScriptedLink()))


def lose_a_commit(driver: ReferenceDriver, link: ScriptedLink, number: int = 9) -> int:
    """Let one deliver be Unknown, of which the pump never hears; returns its not_after."""
    link.on[COMMIT] = silent
    assert isinstance(driver.deliver(permit(number)), Unknown)
    del link.on[COMMIT]
    return int.from_bytes(link.sent[-1].payload[16:24], "big")
