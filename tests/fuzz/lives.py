"""A journal whose chain is right and whose records say anything: what a controller makes of it when it starts.

The chain vouches for the bytes, not for the program that wrote them. A start refuses such a journal with one of our
errors, and has sent nothing by then, or takes it up, meets the pump, tells what it knows, and goes on for an hour.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from functools import partial
from hashlib import sha256
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from pump_ctrl.cli.main import main
from pump_ctrl.errors import JournalError
from pump_ctrl.journal.anchor import Anchor
from pump_ctrl.live.order import Order
from pump_ctrl.live.session import Live
from pump_ctrl.runner import Runner
from pump_ctrl.safety.reconcile import Reconciliation
from tests.driver_stacks import KINDS
from tests.fuzz.engine import Reader
from tests.fuzz.files import other_values
from tests.unit.live_life import House, house
from tests.whole_stack import HOUR, formulary

NAME: Final = "a.journal"


def sealed_again(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    """Other values in one record, or a record less, more or elsewhere; then the chain made right."""
    records: list[dict[str, Any]] = [json.loads(line) for line in content.splitlines()]
    at = draw.randrange(len(records))
    chance = draw.random()
    if chance < 0.1:
        del records[at]
    elif chance < 0.2:
        records.insert(draw.randrange(len(records)), dict(records[at]))
    elif chance < 0.3:
        records[at]["kind"] = draw.choice(records)["kind"]
    elif chance < 0.4:
        key = draw.choice(("boot_ms", "utc_ms", "boot_id"))
        records[at][key] = "x" if key == "boot_id" else draw.choice((0, -1, 1 << 62, 10**30))
    else:
        other_values(records[at]["data"], draw)
    return chained(records)


def chained(records: Sequence[dict[str, Any]]) -> bytes:
    """The lines of these records, numbered and sealed by the form that docs and journal name."""
    lines, head = [], "0" * 64
    for seq, record in enumerate(records):
        body = {**record, "seq": seq, "prev": head}
        del body["hash"]
        text = json.dumps(body, separators=(",", ":")).encode()
        head = sha256(text).hexdigest()
        lines.append(text[:-1] + b',"hash":"' + head.encode() + b'"}\n')
    return b"".join(lines)


def lived(room: Path) -> bytes:
    """The journal of a controller that ran for an hour, with a bolus, a pause and a STOP."""
    with pytest.MonkeyPatch.context() as patch, house(KINDS[1], room, patch) as home:
        with home.running(NAME) as life:
            home.go(life, HOUR)
            life.desk._answer("pause", {"id": "k1", "do": "pause"})
            life.desk._answer("resume", {"id": "k2", "do": "resume"})
            home.go(life, HOUR)
            life.desk._answer("stop", {"id": "k3", "do": "stop"})
        content = (room / NAME).read_bytes()
    _clear(room)
    return content


def _clear(room: Path) -> None:
    for path in room.glob(f"{NAME}*"):
        path.unlink()


def put(room: Path, content: bytes) -> Path:
    """Write it with the head file that goes with it."""
    _clear(room)
    path = room / NAME
    path.write_bytes(content)
    lines = content.splitlines()
    if lines:
        Anchor(len(lines) - 1, json.loads(lines[-1])["hash"]).write(path)
    return path


def started(room: Path, content: bytes) -> str:
    """A start on this journal: as long as it is not taken up nothing is sent; then it waits for a person."""
    with ExitStack() as opened:
        patch = opened.enter_context(pytest.MonkeyPatch.context())
        home: House = opened.enter_context(house(KINDS[1], room, patch))
        sent: list[bytes] = []
        patch.setattr(home.wire, "tap", lambda at_ms, what, data: sent.append(data))
        meet = Runner.meet

        def met(runner: Runner) -> Reconciliation:
            assert not sent, "something was sent"
            return meet(runner)

        patch.setattr(Runner, "meet", met)
        put(room, content)
        order = Order(home.file, "/dev/pump", room / NAME, formulary())
        try:
            life = opened.enter_context(Live(order, opener=home.open))
            life.start()
        except JournalError:
            assert not sent, "something was sent"
            raise
        assert life.runner.guard.reconciliation().words
        assert life.status()
        home.go(life, HOUR)
        return life.runner.controller.state.name


def shown(room: Path, content: bytes) -> str:
    """The same journal, printed."""
    path = str(put(room, content))
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        exits = [main(["journal", how, path]) for how in ("show", "verify", "export")]
    assert set(exits) <= {0, 5}, exits
    return f"exits {exits}"


def readers(room: Path) -> Iterator[Reader]:
    seeds = [lived(room)]
    yield Reader(
        "journal, chain right", seeds, partial(started, room), sealed_again, rounds=25, most_kib=16_384
    )
    yield Reader("journal, shown", seeds, partial(shown, room), sealed_again, rounds=25, most_kib=16_384)
