"""The protocols as far as a fuzzer has to know them: their frames, reckoned here, and which request starts a dose."""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final
from zlib import crc32

from pump_ctrl.drivers.base import Acked, Link, Permit, PumpDriver, Step, StepKind
from pump_ctrl.drivers.registry import driver_factory
from tests.contract.bench import HARVARD, HOUR, NEW_ERA, NEW_ERA_HOLD, PORTION, REFERENCE, Bench, Declared

OWNER: Final = 0xA1A2A3A4
END: Final = b"\n--\n"  # between the replies of a transcript


# --- frames


def reference_frames(data: bytes) -> Iterator[tuple[int, int]]:
    """Where whole frames with a right check sum stand: SOF, length, body, CRC-32."""
    for found in re.finditer(rb"\x7e", data):
        at = found.start()
        size = int.from_bytes(data[at + 1 : at + 3], "big")
        end = at + 3 + size
        if 14 <= size <= 512 and data[end : end + 4] == crc32(data[at + 1 : end]).to_bytes(4, "big"):
            yield at, end + 4


def reference_mended(data: bytes) -> bytes:
    """One frame whose length and check sum are made right, whatever is in it."""
    body = data[3:-4][:512].ljust(14, b"\0")
    covered = len(body).to_bytes(2, "big") + body
    return b"\x7e" + covered + crc32(covered).to_bytes(4, "big")


def safe_frames(data: bytes) -> Iterator[tuple[int, int]]:
    """Where whole Safe frames of New Era stand: STX, length, text, CRC-16, ETX."""
    for found in re.finditer(rb"\x02", data):
        at = found.start()
        end = at + data[at + 1] + 1 if at + 1 < len(data) else 0
        inner = data[at + 2 : end - 3]
        whole = at + 5 <= end <= len(data) and data[end - 1] == 3
        if whole and crc_hqx(inner, 0).to_bytes(2, "big") == data[end - 3 : end - 1]:
            yield at, end


def safe_mended(data: bytes) -> bytes:
    """One Safe frame whose length and check sum are made right."""
    text = data[2:-3][:200]
    return bytes((2, len(text) + 4)) + text + crc_hqx(text, 0).to_bytes(2, "big") + b"\x03"


def no_frames(_: bytes) -> Iterator[tuple[int, int]]:
    """A protocol whose frames have no check."""
    return iter(())


# --- protocols


@dataclass(frozen=True)
class Protocol:
    """One protocol, or mode of it.

    Attributes:
        name: for the table.
        pumps: simulated pumps that speak it.
        starts: whether a request could start a dose.
        frames: where checked frames stand; ``mended`` makes one right.
    """

    name: str
    pumps: tuple[Declared, ...]
    starts: Callable[[bytes], bool]
    frames: Callable[[bytes], Iterator[tuple[int, int]]] = no_frames
    mended: Callable[[bytes], bytes] | None = None

    @property
    def checked(self) -> bool:
        """Whether a check protects its frames."""
        return self.mended is not None

    def genuine(self, data: bytes) -> list[bytes]:
        """The checked frames in these bytes."""
        return [data[at:end] for at, end in self.frames(data)]


def _text_of(request: bytes) -> bytes:
    return request[2:-3] if request[:1] == b"\x02" else request.rstrip(b"\r")


HARVARDS: Final = ("harvard-11-elite", "pico-plus-elite", "phd-ultra", "phd-ultra-a", "legato")
PROTOCOLS: Final = (
    Protocol("reference", (REFERENCE,), lambda r: r[4:5] == b"\x04", reference_frames, reference_mended),
    Protocol("new-era Safe", (NEW_ERA,), lambda r: _text_of(r).endswith(b"RUN"), safe_frames, safe_mended),
    Protocol("new-era Basic", (NEW_ERA_HOLD,), lambda r: _text_of(r).endswith(b"RUN")),
    Protocol(
        "harvard",
        tuple(replace(HARVARD, model=model) for model in HARVARDS),
        lambda r: r.endswith(b"irun\r"),
    ),
)


def driver_on(link: Link, declared: Declared) -> PumpDriver:
    """The driver, told of everything but the pump's model."""
    settings = replace(declared.settings, model=None)
    return driver_factory(declared.protocol)(link, OWNER, settings=settings)


def permit(number: int) -> Permit:
    """The same small dose each time, under ids that count up."""
    return Permit((0xABC << 32) + number, (Step(StepKind.BASAL, PORTION, HOUR),), 10**12)


# --- what a driver says on a healthy line


class Recorder:
    """A link that writes down what came in reply to each thing that was said."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.simulated = link.simulated
        self.requests: list[bytes] = []
        self.replies: list[bytes] = []
        self.now_ms = link.now_ms

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        self.requests.append(data)
        self.replies.append(b"")
        self._link.write(data, deadline_ms=deadline_ms)

    def read(self, *, deadline_ms: int) -> bytes:
        data = self._link.read(deadline_ms=deadline_ms)
        if self.replies:
            self.replies[-1] += data
        return data

    def close(self) -> None:
        self._link.close()


def session(driver: PumpDriver) -> Iterator[tuple[str, Callable[[], object]]]:
    """What a controller asks of a pump, in a usual order."""
    one, two = permit(1), permit(2)
    yield "identify", driver.identify
    yield "identify", driver.identify
    yield "deliver", lambda: driver.deliver(one)
    yield "status", driver.read_status
    yield "evidence", lambda: driver.evidence(one.id)
    yield "notices", driver.notices
    yield "stop", driver.stop
    yield "evidence", lambda: driver.evidence(one.id)
    yield "deliver", lambda: driver.deliver(two)
    yield "evidence", lambda: driver.evidence(two.id)
    yield "stop", driver.stop


@cache
def transcript(declared: Declared) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Requests and replies of a healthy session, recorded from a simulated pump."""
    bench = Bench(declared)
    recorder = Recorder(bench.link)
    said = [(name, call()) for name, call in session(driver_on(recorder, declared))]
    outcomes = [found for name, found in said if name == "deliver"]
    assert all(isinstance(found, Acked) for found in outcomes), said
    return tuple(recorder.requests), tuple(recorder.replies)
