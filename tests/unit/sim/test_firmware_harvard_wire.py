"""The transcripts of the protocol document, replayed against the simulated Harvard pumps in every way bytes come."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.sim.harvard_host import Bench

WIRE = Path(__file__).parents[2] / "wire" / "harvard.toml"
SESSIONS: list[dict[str, Any]] = tomllib.loads(WIRE.read_text(encoding="utf-8"))["session"]
JUNK = b"\x00\xff~!\x7f\x11 junk\r"
Way = Callable[[Bench, bytes], bytes]


def whole(bench: Bench, data: bytes) -> bytes:
    return bench.say(data)


def byte_by_byte(bench: Bench, data: bytes) -> bytes:
    return b"".join(bench.say(data[i : i + 1]) for i in range(len(data)))


def cut_in_two(bench: Bench, data: bytes) -> bytes:
    return bench.say(data[: len(data) // 2]) + bench.say(data[len(data) // 2 :])


@pytest.mark.parametrize("way", [whole, byte_by_byte, cut_in_two], ids=lambda way: way.__name__)
@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session["name"])
def test_the_pump_answers_as_the_document_says(session: dict[str, Any], way: Way) -> None:
    bench = Bench(session["family"])
    for exchange in session["exchanges"]:
        bench.by(exchange.get("after_ms", 0))
        pushed = b"".join(data for _, data in bench.pushed())
        assert pushed == exchange.get("pushed", "").encode("ascii"), exchange
        assert way(bench, exchange["host"].encode("ascii")) == exchange["pump"].encode("ascii"), exchange


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session["name"])
def test_lines_of_junk_between_the_commands_are_errors_and_change_nothing(session: dict[str, Any]) -> None:
    bench = Bench(session["family"])
    for exchange in session["exchanges"]:
        bench.by(exchange.get("after_ms", 0))
        error = bench.say(JUNK)
        assert b"Command error:" in error
        assert b"   Unknown command\r\n" in error
        assert bench.say(exchange["host"].encode("ascii")) == exchange["pump"].encode("ascii"), exchange


def test_a_command_that_follows_another_without_a_pause_is_answered_after_it() -> None:
    session = next(s for s in SESSIONS if s["name"] == "the session recorded from a Legato 100")
    bench = Bench(session["family"])
    host = "".join(exchange["host"] for exchange in session["exchanges"])
    pump = "".join(exchange["pump"] for exchange in session["exchanges"])
    assert bench.say(host.encode("ascii")) == pump.encode("ascii")


def test_every_session_names_its_place_in_the_document() -> None:
    assert all("line" in session["source"] for session in SESSIONS)
    assert len({session["name"] for session in SESSIONS}) == len(SESSIONS)
