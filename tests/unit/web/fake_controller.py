"""Something at a console's socket that answers as it is told to: a controller, a stranger, or nobody."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from pump_ctrl.console import ConsoleServer, socket_path

STATUS: Final[Mapping[str, Any]] = {
    "schema": "pump-ctrl/status/1",
    "journal": "/bench/j.jsonl",
    "state": "RUNNING",
    "plan": {"id": "BENCH-1", "title": "Basal <b>", "sha256": "0" * 64},
    "utc_offset_ms": 3_600_000,
    "plan_utc_ms": 1_795_176_000_000,
    "plan_s": 60,
    "rate_nl_per_h": 8_000,
    "planned_rate_nl_per_h": 9_000,
    "volume_nl": {
        "planned": 7_000_000,
        "commanded": 6_000_000,
        "missed": 1_000_000,
        "ledger_low": 5_500_000,
        "ledger_high": 6_500_000,
    },
    "reservoir_nl": {"low": 10_000_000, "high": 12_000_000, "alarm": 2_000_000, "filled": 40_000_000},
    "run": None,
    "next": {
        "bolus": {"at_utc_ms": 1_795_183_200_000, "volume_nl": 20_000},
        "rate_change_utc_ms": None,
        "hold_ends_utc_ms": None,
        "looks_in_s": 5,
        "load_waits": False,
    },
    "alarms": [],
    "pump": {
        "state": "running",
        "age_s": 7,
        "delivered_nl": 6_000_000,
        "reservoir_nl": None,
        "battery_percent": 90,
        "alarms": [],
    },
    "busy_s": None,
    "witness": None,
    "unsettled": None,
    "reconciliation": None,
}
ALARM: Final[Mapping[str, Any]] = {
    "code": "reservoir-low",
    "priority": "medium",
    "condition": "little is left",
    "detail": "1.9 mL",
    "since_utc_ms": 1_795_175_000_000,
    "age_s": 1_000,
    "holds": True,
    "acknowledged": False,
    "do": "Refill it.",
}
Reply = Callable[[Mapping[str, Any]], Mapping[str, Any] | bytes | None]


class Controller:
    """A console at the journal's socket. ``reply`` says what it answers; None: nothing, bytes: just these."""

    def __init__(self, journal: Path, reply: Reply | None = None) -> None:
        self.status: dict[str, Any] = dict(STATUS)
        self.asked: list[Mapping[str, Any]] = []
        self.most_lines = 0
        self._reply = reply or (lambda _: {"exit": 0, "text": "Done."})
        self.path = socket_path(journal)
        self._console = ConsoleServer(self.path)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    @property
    def key(self) -> str:
        return self.path.stem

    def requests(self, *verbs: str) -> list[Mapping[str, Any]]:
        """What it was asked but for its status."""
        return [one for one in self.asked if one["do"] != "status" and (not verbs or one["do"] in verbs)]

    def _go(self) -> None:
        while not self._ended.is_set():
            readers = self._console.readers()
            self.most_lines = max(self.most_lines, len(readers) - 1)
            select.select(readers, self._console.writers(), [], 0.005)
            self._console.poll()
            while (heard := self._console.take()) is not None:
                self.asked.append(heard.request)
                status = {"exit": 0, "text": "", "status": self.status}
                found = status if heard.verb == "status" else self._reply(heard.request)
                if isinstance(found, bytes):
                    heard.client.sock.sendall(found)
                elif found is not None:
                    self._console.answer(heard, dict(found))

    def close(self) -> None:
        """It ends as it should: its socket goes."""
        self._ended.set()
        self._thread.join(2)
        self._console.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stranger:
    """Something else that listens there: it lets nobody in, says ``words`` to everybody, or nothing."""

    def __init__(
        self, journal: Path, words: object = None, *, backlog: int = 16, lets_in: bool = True
    ) -> None:
        self.path = socket_path(journal)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.bind(str(self.path))
        self._sock.listen(backlog)
        self._words = words if isinstance(words, bytes) else json.dumps(words).encode() + b"\n"
        self._quiet, self.let_in = words is None, list[socket.socket]()
        self._thread = threading.Thread(target=self._go, daemon=True)
        if lets_in:
            self._thread.start()

    @property
    def key(self) -> str:
        return self.path.stem

    def _go(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._sock.accept()
                self.let_in.append(sock)
                if not self._quiet:
                    sock.sendall(self._words)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        if self._thread.ident is not None:
            self._thread.join(2)
        for sock in self.let_in:
            sock.close()
