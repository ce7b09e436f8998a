"""Every claim of the fuzzer can fail: readers with a planted mistake, and products with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pump_ctrl.console.server import ConsoleServer
from pump_ctrl.drivers import new_era_codec, reference_codec
from pump_ctrl.drivers.base import Acked, Given, NotGiven, PumpState, PumpStatus, Refused
from pump_ctrl.drivers.new_era import NewEraDriver
from pump_ctrl.drivers.reference import ReferenceDriver
from pump_ctrl.drivers.reference_exchange import Conversation, Silence
from pump_ctrl.errors import InvalidInput
from sim.firmware import new_era_frames
from sim.firmware.new_era_frames import Packet
from sim.firmware.relay import RelayFirmware
from sim.wire.control import Control
from tests.fuzz import engine
from tests.fuzz.engine import Finding, Reader, Tally, run
from tests.fuzz.files import Folder
from tests.fuzz.table import SOURCES

STATUS = PumpStatus(1, 1, 1, PumpState.RUNNING, 0)


@pytest.fixture
def room() -> Iterator[Path]:
    with TemporaryDirectory(prefix="fz") as name:
        yield Path(name)


def found(reader: Reader, rounds: int = 300) -> str:
    with pytest.raises(Finding) as error:
        run(reader, 0, range(rounds))
    return str(error.value)


def planted(read: Callable[[bytes], str], **more: object) -> Reader:
    return Reader("planted", [b"a real input 1"], read, **more)  # type: ignore[arg-type]


# --- readers with a mistake


def test_an_error_that_is_not_ours_is_found_with_its_input() -> None:
    def read(content: bytes) -> str:
        return {97: "a"}[content[0]] if content else "none"

    text = found(planted(read))
    assert "ended in KeyError" in text
    assert "of seed 0" in text
    assert "\nb'" in text


def test_a_reader_that_hangs_is_found_even_if_it_swallows_every_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "PATIENCE_S", 0.05)

    def read(content: bytes) -> str:
        while len(content) != 14:
            try:
                content = content[:1]
            except Exception:  # noqa: BLE001 - that is the mistake
                continue
        return "read"

    assert "processor time" in found(planted(read))


def test_a_reader_that_keeps_too_much_is_found() -> None:
    assert "KiB, allowed are 100" in found(planted(lambda _: str(len(bytes(300_000))), most_kib=100))


def test_a_reader_without_any_bound_is_found_before_it_has_eaten_the_machine() -> None:
    def read(content: bytes) -> str:
        kept = [bytes(1 << 26) for _ in range(1_000 if len(content) != 14 else 1)]
        return str(len(kept))

    assert "MemoryError" in found(planted(read))


def test_a_refusal_without_a_word_is_found() -> None:
    def read(content: bytes) -> str:
        if len(content) < 10:
            raise InvalidInput(())
        return "read"

    assert "without a word" in found(planted(read))


def test_a_file_reader_that_writes_is_found(tmp_path: Path) -> None:
    read = Folder(tmp_path).reads("x.toml", lambda path: path.with_name("y").write_bytes(b"1"))
    assert "files were changed" in found(planted(read))


def test_the_same_input_comes_again() -> None:
    reader = planted(lambda _: "read")
    assert [engine.make(reader, 3, number) for number in range(50)] == [
        engine.make(reader, 3, number) for number in range(50)
    ]
    assert engine.make(reader, 3, 7) != engine.make(reader, 4, 7)


def test_what_is_tried_is_counted() -> None:
    def read(content: bytes) -> str:
        if len(content) % 2:
            raise InvalidInput("odd")
        return "even"

    tally = run(planted(read), 0, range(100))
    assert tally.tried == 100
    assert tally.said["even"] + tally.refused["InvalidInput"] == 100
    assert isinstance(tally, Tally)


# --- products with a mistake


def reader(room: Path, source: str, name: str) -> Reader:
    return next(one for one in SOURCES[source](room) if one.name == name)


def believes_anything(_self: object, *_: object, **__: object) -> Acked:
    return Acked(STATUS)


def test_a_driver_that_believes_a_start_nobody_answered_is_found(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reader(room, "replies", "reference driver")
    monkeypatch.setattr(ReferenceDriver, "deliver", believes_anything)
    assert "nothing was started" in found(row)


def test_a_driver_that_takes_silence_for_a_refusal_is_found(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reader(room, "bad lines", "reference, bad replies")
    ask = Conversation.ask

    def refused(self: Conversation, kind: reference_codec.Type, *args: object, **more: object) -> object:
        told = ask(self, kind, *args, **more)  # type: ignore[arg-type]
        lost = kind is reference_codec.Type.COMMIT and isinstance(told, Silence)
        return reference_codec.Nak("late", reference_codec.Told(0, STATUS)) if lost else told

    monkeypatch.setattr(Conversation, "ask", refused)
    assert "refused (late), and" in found(row, 1_000)


def test_a_codec_that_does_not_look_at_the_check_sum_is_found(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reader(room, "replies", "new-era codec")
    monkeypatch.setattr(new_era_codec, "crc_hqx", lambda text, _: 0xAAA6)
    assert "ended in AssertionError" in found(row, 1_000)


def test_a_new_era_driver_that_refuses_after_run_is_found(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reader(room, "replies", "new-era Basic driver")
    run_it = NewEraDriver._run

    def wrong(self: NewEraDriver, *args: object) -> object:
        told = run_it(self, *args)  # type: ignore[arg-type]
        return told if isinstance(told, Acked) else Refused("no-answer")

    monkeypatch.setattr(NewEraDriver, "_run", wrong)
    assert "refused after it was started" in found(row, 2_000)


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        (NotGiven("lost", STATUS), "not given, it says"),
        (Given(0, 10, False, STATUS), "at most 10 nL, it says"),
        (Given(0, 4_000, True, STATUS), "and no more, it says"),
        (Given(19_000, 20_000, False, STATUS), "at least 19000 nL, it says"),
    ],
)
def test_evidence_that_is_not_true_is_found(
    evidence: object, says: str, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reader(room, "bad lines", "reference, bad replies")
    monkeypatch.setattr(ReferenceDriver, "evidence", lambda self, permit_id: evidence)
    assert says in found(row, 5)


def test_a_stop_that_is_confirmed_and_was_not_sent_is_found(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reader(room, "bad lines", "harvard, bad replies")
    monkeypatch.setattr("pump_ctrl.drivers.harvard.HarvardDriver.stop", believes_anything)
    assert "after a confirmed stop" in found(row, 5)


def test_a_pump_that_gives_drug_on_damaged_bytes_is_found(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reader(room, "requests", "new-era Safe pump")
    monkeypatch.setattr(new_era_frames, "Packet", lambda text, safe, good: Packet(text, safe, True))
    assert "damaged bytes have given drug" in found(row, 600)


def test_a_board_that_hears_no_more_is_found(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = reader(room, "requests", "relay board")
    handle = RelayFirmware.handle

    def deaf(self: RelayFirmware, data: bytes, now_ms: int) -> bytes:
        return handle(self, data, now_ms) if data[:1] == b"\xa0" and len(self._heard) < 2 else b""

    monkeypatch.setattr(RelayFirmware, "handle", deaf)
    assert "ended in AssertionError" in found(row)


def test_a_back_door_that_falls_over_is_found(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = reader(room, "requests", "back door, reference")
    monkeypatch.setattr(Control, "_answer", lambda self, line: line.decode("ascii"))
    assert "ended in " in found(row)


def test_a_console_that_forgets_a_stop_is_found(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = reader(room, "console", "console server")
    monkeypatch.setattr(ConsoleServer, "take", lambda self: self._heard.popleft() if self._heard else None)
    assert "a STOP waits" in found(row)
