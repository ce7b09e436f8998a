"""The command line of a real run, as far as no process is needed: usage, sentences, the printer, ports."""

from __future__ import annotations

import io
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from serial.tools import list_ports

from pump_ctrl.cli.main import cli
from pump_ctrl.cli.printer import MOST, Printer
from pump_ctrl.cli.run_text import STATES, Lines, Times, parting_lines
from pump_ctrl.console import ConsoleServer, socket_path
from pump_ctrl.controller.machine import State
from pump_ctrl.live.order import Parting
from tests.unit.live_kit import plan_with_boluses
from tests.unit.test_console import serving

EXAMPLE = "examples/c-patient-bolus.toml"
ASKING = ("status", "bolus", "prime", "pause", "resume", "stop", "ack", "watch")


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pc") as name:
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        yield Path(name)


def said(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, words)
    assert "Traceback" not in result.output
    return result.exit_code, result.output


# --- run ----------------------------------------------------------------------------------------------------


def test_a_new_journal_needs_a_name_and_what_was_given(tmp_path: Path) -> None:
    code, text = said("run", EXAMPLE, "--port", "sim:", "--journal", str(tmp_path / "j.jsonl"))
    assert code == 2
    assert "--confirm NAME --given none" in text


@pytest.mark.parametrize("half", [("--confirm", "Ann"), ("--given", "none")])
def test_name_and_dose_belong_together(tmp_path: Path, half: tuple[str, str]) -> None:
    code, text = said("run", EXAMPLE, "--port", "sim:", "--journal", str(tmp_path / "j.jsonl"), *half)
    assert code == 2
    assert "belong together" in text


def test_a_plan_that_nobody_approved_is_not_run_and_nothing_is_made(tmp_path: Path) -> None:
    journal = tmp_path / "j.jsonl"
    words = (
        "run",
        EXAMPLE,
        "--port",
        "sim:",
        "--journal",
        str(journal),
        "--confirm",
        "Ann",
        "--given",
        "none",
    )
    code, text = said(*words)
    assert code == 3
    assert "not approved" in text
    assert f"pump-ctrl plan approve {EXAMPLE} --signer NAME" in text
    assert not journal.exists()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("nothing.toml",), 3, "nothing.toml"),
        ((EXAMPLE, "--pump", "implant-99"), 3, "implant-99"),
        ((EXAMPLE, "--pump", "implant-20"), 3, "A plan is signed and run for its own pump"),
        ((EXAMPLE, "--for", "10"), 3, "10"),
        ((EXAMPLE, "--formulary", "nothing.toml"), 3, "nothing.toml"),
    ],
)
def test_bad_input_is_told_in_words(tmp_path: Path, words: tuple[str, ...], code: int, sentence: str) -> None:
    more = ("--port", "sim:", "--journal", str(tmp_path / "j.jsonl"), "--confirm", "Ann", "--given", "none")
    found, text = said("run", *words, *more)
    assert found == code
    assert sentence in text


def test_a_journal_that_is_none_is_left_as_it_is(tmp_path: Path) -> None:
    journal = tmp_path / "j.jsonl"
    journal.write_text("this is no journal\n")
    code, text = said("run", EXAMPLE, "--port", "sim:", "--journal", str(journal))
    assert code == 5
    assert "start a new journal under another name and say what was given" in text
    assert journal.read_text() == "this is no journal\n"


# --- who asks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ASKING)
def test_without_a_controller_a_sentence_says_what_to_do(verb: str, tmp_path: Path) -> None:
    for more in ((), ("--journal", str(tmp_path / "j.jsonl"))):
        code, text = said(verb, *more)
        assert code == 4
        assert "pump-ctrl run PLAN --port URL --journal FILE" in text


def test_who_wants_to_stop_and_finds_nobody_is_sent_to_the_pump(tmp_path: Path) -> None:
    _, text = said("stop", "--journal", str(tmp_path / "j.jsonl"))
    assert "Stop the pump by hand or take its power away." in text
    assert "by hand" not in said("pause", "--journal", str(tmp_path / "j.jsonl"))[1]


@pytest.mark.parametrize(
    ("verb", "told", "not_told"),
    [
        ("stop", "Stop the pump by hand or take its power away.", "--id"),
        ("pause", "Ask again with the same --id", "by hand"),
    ],
)
def test_a_controller_that_says_nothing_is_told_as_such_and_a_stop_waits_for_it_least(
    verb: str, told: str, not_told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IT-02, S-08: it was frozen (kill -STOP); its socket still takes what is asked."""
    frozen = ConsoleServer(socket_path(tmp_path / "j.jsonl"))
    waits: list[float] = []
    settimeout = socket.socket.settimeout

    def soon(sock: socket.socket, value: float | None) -> None:
        waits.append(value or 0.0)
        settimeout(sock, 0.01)

    monkeypatch.setattr(socket.socket, "settimeout", soon)
    code, text = said(verb, "--journal", str(tmp_path / "j.jsonl"))
    monkeypatch.undo()
    frozen.close()
    assert code == 4
    assert told in text
    assert not_told not in text
    assert (max(waits) <= 8.0) is (verb == "stop")


@pytest.mark.parametrize(
    "words",
    [
        ("refill", "--by", "Ann"),
        ("refill", "--volume", "40 mL"),
        ("resolve", "12", "--by", "Ann"),
        ("resolve", "--by", "Ann", "--reason", "x"),
        ("load",),
        ("resume", "--confirm", "Ann"),
        ("bolus", "--dose", "1 ug"),
    ],
)
def test_what_is_missing_or_there_is_not_is_a_usage_error(words: tuple[str, ...]) -> None:
    assert said(*words)[0] == 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"exit": 3, "code": "lockout", "text": "Refused."}, "lockout"),
        ({"exit": 3, "text": "Refused."}, ""),  # a controller that was started before it had codes
    ],
)
def test_who_asks_for_json_gets_the_code_of_the_refusal(
    answer: dict[str, Any], code: str, tmp_path: Path
) -> None:
    """S-35."""
    server = ConsoleServer(socket_path(tmp_path / "j.jsonl"))
    thread = serving(server, answer)
    status, text = said("bolus", "--json", "--id", "b1", "--journal", str(tmp_path / "j.jsonl"))
    thread.join()
    server.close()
    assert status == 3
    assert json.loads(text) == {
        "schema": "pump-ctrl/answer/1",
        "id": "b1",
        "exit": 3,
        "code": code,
        "text": "Refused.",
    }


def test_with_two_controllers_one_has_to_be_named(tmp_path: Path) -> None:
    servers = [ConsoleServer(socket_path(tmp_path / name)) for name in ("a", "b")]
    code, text = said("status")
    for server in servers:
        server.close()
    assert code == 3
    assert "2 controllers are running. Name one with --journal FILE." in text


# --- ports --------------------------------------------------------------------------------------------------


class FakePort:
    device, description, serial_number = "/dev/ttyUSB0", "FT232R USB UART", "A50285BI"


def test_ports_lists_what_is_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: [FakePort])
    code, text = said("ports")
    assert code == 0
    assert text.splitlines()[1].split("  ")[0] == "/dev/ttyUSB0"
    assert "A50285BI" in text
    assert json.loads(said("ports", "--json")[1])["ports"] == [
        {"device": "/dev/ttyUSB0", "description": "FT232R USB UART", "serial_number": "A50285BI"}
    ]


def test_no_port_is_a_sentence_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", list)
    code, text = said("ports")
    assert code == 0
    assert "No serial port is plugged in" in text


# --- sentences ----------------------------------------------------------------------------------------------

NOON = 1_795_000_000_000  # 18 November 2026, 11:06:40 UTC
LINES = Lines(Times(3_600_000))


def line(record: str, **data: Any) -> str:  # noqa: ANN401
    return "".join(LINES.of_parts(record, NOON, data))


def test_every_state_has_its_sentence() -> None:
    assert set(STATES) == {state.value for state in State}


def test_times_are_the_plans_own_clock_with_the_month_as_a_word() -> None:
    assert line("state", state="BOLUS").startswith("18 Nov 12:06:40  BOLUS: a bolus runs")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("delivered", "The patient bolus is given: 0.020 mL"),
        ("interrupted", "INTERRUPTED: 0.020 mL of 0.030 mL given; the rest is not made up"),
        ("refused", "REFUSED: too soon (lockout)"),
        ("missed", "MISSED: too soon (lockout)"),
        ("unknown", "NOT KNOWN how much of the patient bolus was given"),
    ],
)
def test_what_became_of_a_bolus(outcome: str, words: str) -> None:
    data = {"kind": "patient", "outcome": outcome, "delivered_nl": 20_000, "volume_nl": 30_000}
    assert words in line("bolus", **data, reason="too soon", rule="lockout")


def test_a_lost_reply_is_told_as_not_known() -> None:
    assert "NOT KNOWN whether the pump took it" in line("outcome", what="unknown", detail="silence", id=26)
    assert "(command 1a)" in line("outcome", what="unknown", detail="silence", id=26)
    assert line("outcome", what="acked", id=26) == ""


def test_a_gap_smaller_than_a_pump_step_gives_no_line() -> None:
    assert line("missed", from_ms=0, to_ms=90, nl="1/3", why="run came late") == ""
    assert "0.001 mL" in line("missed", from_ms=0, to_ms=90_000, nl="1000", why="paused by a person")


def test_an_alarm_says_what_to_do() -> None:
    assert "Replace the pump" in line("alarm", what="raised", code="failed", detail="", by="")


def test_records_that_are_nobodys_concern_give_no_line() -> None:
    assert [line(kind) for kind in ("plan_time", "counter", "granted", "asked", "idle")] == [""] * 5


@pytest.mark.parametrize("how", ["stopped", "hold", "left", "unsettled", "stop-unknown"])
def test_every_end_says_what_the_pump_does_and_until_when(how: Any) -> None:  # noqa: ANN401
    text = " ".join(parting_lines(Parting(how, None if how == "stopped" else NOON), plan_with_boluses()))
    assert text.startswith("The controller ends.")
    assert how == "stopped" or "Wednesday 18 November 2026 12:06" in text


# --- the printer --------------------------------------------------------------------------------------------


def test_a_terminal_that_takes_nothing_holds_up_nobody_and_loses_the_oldest_lines() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    while True:
        try:
            os.write(write, b"x" * 4_096)
        except BlockingIOError:
            break
    os.set_blocking(write, True)
    with os.fdopen(write, "w") as stream:
        printer = Printer(stream)
        printer.say(f"line {n}" for n in range(MOST + 500))
        os.set_blocking(read, False)
        while True:
            try:
                os.read(read, 1 << 16)
            except BlockingIOError:
                break
        printer.flush(0.1)
        text = os.read(read, 1 << 20).decode()
    os.close(read)
    assert "lines were left out; the journal has them" in text
    assert "line 0\n" not in text
    assert text.endswith(f"line {MOST + 499}\n")


def test_a_terminal_that_has_gone_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        Printer(stream).say(["one", "two"])


def test_a_stream_in_memory_takes_all() -> None:
    stream = io.StringIO()
    Printer(stream).say(["one", "two"])
    assert stream.getvalue() == "one\ntwo\n"
