"""Whatever is done to a file, its reader gives a value or one of our errors, soon, and writes nothing.

The mutations are drawn from a seed, so that a failure comes again; the message names the number of the input.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import PumpCtrlError
from pump_ctrl.journal import MemoryJournal, read_journal, verify
from pump_ctrl.therapy.approval import approve, load_approval, write_approval
from pump_ctrl.therapy.formulary import FORMULARY_FILE, load_formulary
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.therapy.profiles import DATA, load_catheters, load_profile, load_timing

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
PLAN: Final = load_plan(EXAMPLES / "f-refill-before.toml")
WHY: Final = {"start-soft": "the pump before gave as much"}
PIECES: Final = (
    b"",
    b'"',
    b"'''",
    b"[",
    b"]",
    b"{",
    b"}",
    b"=",
    b".",
    b",",
    b"\n",
    b"\r\n",
    b"#",
    b"-",
    b"1",
    b"nan",
    b"inf",
    b"1e999999999",
    b"\\",
    b"\x00",
    b"\xff",
    b"\xc3\xa9",
    b"\xed\xa0\x80",
    b"true",
    b"null",
    b"9" * 5_000,
    b"0 ",
    b" ug",
    b" mL",
    b"/day",
    b"%",
)
VALUES: Final[tuple[Any, ...]] = (None, True, 0, -1, 10**40, "", "x", "\u202e", [], [[]], {}, {"x": 1})


class Reader(NamedTuple):
    """A valid file and what reads it; ``mutate`` turns its bytes into others."""

    file: str
    content: bytes
    read: Callable[[Path], object]
    mutate: Callable[[bytes, Random], bytes]


def torn(content: bytes, draw: Random) -> bytes:
    """One to three pieces replaced, doubled or cut off."""
    for _ in range(draw.randint(1, 3)):
        at, length = draw.randrange(len(content) + 1), draw.choice((0, 0, 1, 2, 8, 40))
        other = draw.randrange(len(content) + 1)
        piece = draw.choice(
            (draw.choice(PIECES), bytes([draw.randrange(256)]), content[other : other + length])
        )
        content = content[:at] + piece + content[at + length :]
    return content[: draw.randrange(len(content) + 1)] if draw.random() < 0.05 else content


def moved(content: bytes, draw: Random) -> bytes:
    """Lines taken out, doubled or exchanged: each still well formed by itself."""
    lines = content.splitlines(keepends=True)
    for _ in range(draw.randint(1, 3)):
        one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
        lines[one : one + 1] = draw.choice(([], [lines[one]] * 2, [lines[other]]))
        if not lines:
            return b""
    return b"".join(lines)


def either(content: bytes, draw: Random) -> bytes:
    """One of the two."""
    return draw.choice((torn, torn, moved))(content, draw)


def places(value: object) -> Iterator[tuple[Any, Any]]:
    """Every key or index of a JSON value with what holds it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield value, key
        yield from places(item)


def signed_again(content: bytes, draw: Random) -> bytes:
    """An approval whose checksum fits and whose content may be anything: what is behind the checksum."""
    values = json.loads(content)
    for _ in range(draw.randint(1, 2)):
        around, key = draw.choice(list(places(values)))
        if draw.random() < 0.3:
            del around[key]
        else:
            around[key] = draw.choice(VALUES)
    values.pop("checksum", None)
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return json.dumps({**values, "checksum": sha256(text.encode()).hexdigest()}).encode()


def approval(folder: Path) -> bytes:
    """An approval of PLAN."""
    formulary, pump = load_formulary(), load_profile(PLAN.pump)
    signed = approve(PLAN, formulary, pump, None, "Ada", "Grace", WHY, 1_795_158_000_000)
    write_approval(folder / "made.json", signed)
    content = (folder / "made.json").read_bytes()
    (folder / "made.json").unlink()
    return content


def journal(folder: Path) -> bytes:
    """A journal of five records, with its head file left in the folder."""
    kept = MemoryJournal(VirtualClock(utc_ms=1_795_158_000_000), {"plan": PLAN.sha256})
    for number in range(4):
        kept.append("note", {"number": number, "text": "a b"})
    kept.save(folder / "run.jsonl")
    return (folder / "run.jsonl").read_bytes()


def head_of(path: Path) -> object:
    """Read the journal whose head file this is."""
    return list(read_journal(path.with_name("run.jsonl")).records())


def readers(folder: Path) -> Iterator[Reader]:
    """Every reader of a file that somebody else may have written."""
    for name in ("c-patient-bolus.toml", "f-taper.toml"):
        yield Reader(name, (EXAMPLES / name).read_bytes(), load_plan, either)
    yield Reader("formulary.toml", FORMULARY_FILE.read_bytes(), load_formulary, either)
    for name in ("implant-40.toml", "ne-1000-bd-3ml.toml"):
        yield Reader(name, (DATA / "pumps" / name).read_bytes(), load_profile, either)
    yield Reader("catheters.toml", (DATA / "catheters.toml").read_bytes(), load_catheters.__wrapped__, either)
    yield Reader("timing.toml", (DATA / "timing.toml").read_bytes(), load_timing.__wrapped__, either)
    signed = approval(folder)
    yield Reader("plan.approval.json", signed, lambda path: load_approval(path, PLAN), torn)
    yield Reader("again.approval.json", signed, lambda path: load_approval(path, PLAN), signed_again)
    lines = journal(folder)
    yield Reader("run.jsonl", lines, lambda path: list(read_journal(path).records()), either)
    yield Reader("run.jsonl", lines, verify, either)
    yield Reader("run.jsonl.head", (folder / "run.jsonl.head").read_bytes(), head_of, torn)


def contents(folder: Path) -> dict[str, bytes]:
    """Every name in the folder with what it holds."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fuzz(folder: Path, seed: int, rounds: int) -> tuple[int, int]:
    """Give each reader ``rounds`` mutated files; how many there were, and how many of them were refused."""
    count = refused = 0
    for reader in readers(folder):
        draw, path = Random(f"{seed} {reader.file}"), folder / reader.file
        for number in range(rounds):
            path.write_bytes(reader.mutate(reader.content, draw))
            before = contents(folder)
            try:
                reader.read(path)
            except PumpCtrlError as error:
                refused += 1
                words = str(error)
            except BaseException as error:
                raise AssertionError(f"{reader.file}, input {number} of seed {seed}: {error!r}") from error
            else:
                words = "a value"
            assert words, f"{reader.file}, input {number} of seed {seed}: refused without a word"
            assert contents(folder) == before, f"{reader.file}, input {number} of seed {seed}"
            count += 1
        path.write_bytes(reader.content)
    return count, refused


def test_no_mutated_file_ends_in_anything_but_a_value_or_one_of_our_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count, refused = fuzz(tmp_path, seed=0, rounds=60)
    with capsys.disabled():
        print(f"\nfuzz: {count} files, {refused} refused")  # noqa: T201 - how much was tried is part of the result
    assert count >= 600
    assert refused > count // 2


@pytest.mark.deep
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seed", range(1, 11))
def test_the_same_for_longer(seed: int, tmp_path: Path) -> None:
    assert fuzz(tmp_path, seed, rounds=400)[0] >= 4_000
