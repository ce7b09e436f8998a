"""Files that somebody else may have written: each is read whole or refused with one of our errors, and left alone."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import InvalidInput
from pump_ctrl.journal import MemoryJournal, read_journal, verify
from pump_ctrl.journal.anchor import Anchor
from pump_ctrl.journal.life import LifeFile, Sign, life_path, read_life
from pump_ctrl.safety.limits import parse_limits
from pump_ctrl.therapy.approval import approval_path, approve, load_approval, write_approval
from pump_ctrl.therapy.devices import load_balance, load_relay
from pump_ctrl.therapy.formulary import FORMULARY_FILE, load_formulary
from pump_ctrl.therapy.limits import compile_limits, limits_bytes
from pump_ctrl.therapy.plan import DosingPlan, load_plan, plan_from
from pump_ctrl.therapy.profiles import DATA, load_catheters, load_profile, load_timing
from pump_ctrl.therapy.review import blocked, review
from tests.fuzz.engine import Reader
from tests.fuzz.mutations import garbled

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
WHY: Final = {"start-soft": "the pump before gave as much"}
NOW_MS: Final = 1_795_158_000_000
VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1, 10**40, "", "x", "0", "\u202e", "\ud800", [], [[]], {}, {"x": 1}, 1 << 62, "1 mL", [1, 2]
)  # fmt: skip


@cache
def plan() -> DosingPlan:
    return load_plan(EXAMPLES / "f-refill-before.toml")


def seeds(pattern: str, folder: Path = EXAMPLES) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob(pattern))]


# --- JSON whose content changes while its form stays good


def places(value: object) -> Iterator[tuple[Any, Any]]:
    """Every key or index of a JSON value with what holds it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield value, key
        yield from places(item)


def other_values(values: Any, draw: Random) -> None:  # noqa: ANN401 - JSON
    """Put one to three other values into a JSON value."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        found = list(places(values))
        if not found:
            return
        around, key = draw.choice(found)
        if draw.random() < 0.3:
            del around[key]
        else:
            around[key] = deepcopy(draw.choice(VALUES))


def changed_json(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    values = json.loads(content)
    other_values(values, draw)
    return json.dumps(values).encode()


def signed_again(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    """Other values under a checksum that fits: what is behind the checksum."""
    values = json.loads(content)
    values.pop("checksum")
    other_values(values, draw)
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return json.dumps({**values, "checksum": sha256(text.encode()).hexdigest()}).encode()


# --- real files


@cache
def limits() -> bytes:
    return limits_bytes(compile_limits(plan(), load_formulary(), load_profile(plan().pump)))


def approval(folder: Path) -> bytes:
    signed = approve(plan(), load_formulary(), load_profile(plan().pump), None, "Ada", "Grace", WHY, NOW_MS)
    return _written(folder / "made.json", lambda path: write_approval(path, signed))


def _written(path: Path, write: Callable[[Path], object]) -> bytes:
    write(path)
    content = path.read_bytes()
    path.unlink()
    return content


def journal(folder: Path) -> tuple[bytes, bytes]:
    """A journal of five records, and its head file."""
    kept = MemoryJournal(VirtualClock(utc_ms=NOW_MS), {"plan": plan().sha256})
    for number in range(4):
        kept.append("note", {"number": number, "text": "a b"})
    path = folder / "made.jsonl"
    kept.save(path)
    head = _written(Anchor.path_for(path), lambda _: None)
    return _written(path, lambda _: None), head


def sign_of_life(folder: Path) -> bytes:
    path = folder / "made.jsonl"

    def write(_: Path) -> None:
        life = LifeFile(path)
        life.write(Sign("0f1e2d3c-boot", 123_456_789, Anchor(7, "ab" * 32)))
        life.close()

    return _written(life_path(path), write)


# --- readers


class Folder:
    """Where inputs are written as files. Nothing but the input itself may have changed afterwards."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._before: Mapping[str, bytes] = self._contents()

    def _contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.path.iterdir()}

    def put(self, name: str, content: bytes) -> None:
        """A file that lies there from now on."""
        (self.path / name).write_bytes(content)
        self._before = self._contents()

    def reads(self, name: str, read: Callable[[Path], object]) -> Callable[[bytes], str]:
        def reader(content: bytes) -> str:
            path = self.path / name
            old = self._before.get(name)
            path.write_bytes(content)
            try:
                found = read(path)
            finally:
                now = self._contents()
                path.unlink() if old is None else path.write_bytes(old)
            assert now == {**self._before, name: content}, "files were changed"
            return "none" if found is None else "a value"

        return reader


def plan_of_json(content: bytes) -> str:
    """The values of a plan as a web form or a program hands them over."""
    try:
        values = json.loads(content)
    except ValueError as error:
        raise InvalidInput(f"no JSON: {error}") from None
    if not isinstance(values, dict):
        raise InvalidInput("no table")
    made = plan_from(values)
    assert plan_from(json.loads(made.canonical_json())) == made, "it is not what it says"
    return "a value"


def reviewed(path: Path) -> object:
    """A plan that can be read can be reviewed too, whatever it says, and its text is its own."""
    found = load_plan(path)
    findings = review(found, load_formulary(), load_profile(found.pump))
    if not blocked(findings):
        compile_limits(found, load_formulary(), load_profile(found.pump))
    return findings


def head_of(path: Path) -> object:
    return list(read_journal(path.with_name("run.jsonl")).records())


def _toml(content: bytes) -> bytes:
    return json.dumps(tomllib.loads(content.decode())).encode()


def readers(room: Path) -> Iterator[Reader]:
    folder = Folder(room)
    plans = seeds("*.toml")
    lines, head = journal(room)
    folder.put("run.jsonl", lines)
    folder.put("run.jsonl.head", head)
    signed = approval(room)
    read = folder.reads
    yield Reader("plan", plans, read("plan.toml", load_plan))
    yield Reader("plan, reviewed", plans, read("plan.toml", reviewed), rounds=120)
    yield Reader("plan, JSON values", [_toml(one) for one in plans], plan_of_json, changed_json, rounds=200)
    yield Reader(
        "formulary", [FORMULARY_FILE.read_bytes()], read("formulary.toml", load_formulary), rounds=40
    )
    yield Reader("pump profile", seeds("*.toml", DATA / "pumps"), read("implant-40.toml", load_profile))
    yield Reader(
        "catheters",
        [(DATA / "catheters.toml").read_bytes()],
        read("catheters.toml", load_catheters.__wrapped__),
    )
    yield Reader(
        "timing", [(DATA / "timing.toml").read_bytes()], read("timing.toml", load_timing.__wrapped__)
    )
    yield Reader(
        "balance data",
        seeds("*.toml", DATA / "balances"),
        read("mt-sics.toml", lambda path: load_balance(str(path))),
    )
    yield Reader(
        "relay data",
        seeds("*.toml", DATA / "relays"),
        read("lcus-1.toml", lambda path: load_relay(str(path))),
    )
    yield Reader("limits", [limits()], lambda content: "a value" if parse_limits(content) else "none")
    yield Reader(
        "limits, sum right",
        [limits()],
        lambda content: "a value" if parse_limits(content) else "none",
        signed_again,
    )
    approved = read(approval_path("plan.toml").name, lambda path: load_approval(path, plan()))
    yield Reader("approval", [signed], approved, most_kib=8_192)
    yield Reader("approval, sum right", [signed], approved, signed_again, most_kib=8_192)
    yield Reader(
        "journal", [lines], read("run.jsonl", lambda path: list(read_journal(path).records())), garbled
    )
    yield Reader("journal, verified", [lines], read("run.jsonl", verify))
    yield Reader("journal head", [head], read("run.jsonl.head", head_of))
    yield Reader(
        "sign of life",
        [sign_of_life(room)],
        read(life_path("run.jsonl").name, lambda path: read_life(path.with_name("run.jsonl"))),
    )
