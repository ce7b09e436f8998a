"""The rows of the matrix: what happens to the process, its disk, its journal, its host or its pump; and what follows.

Each row says at which points it happens in the window of a column, does it there, and lets a person take it up.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller.machine import State
from pump_ctrl.errors import PumpCtrlError
from pump_ctrl.journal import FileJournal, read_journal
from pump_ctrl.journal.life import forget
from pump_ctrl.therapy.plan import load_plan
from tests.crash.bench import Bench, signed
from tests.crash.doings import Doing
from tests.crash.points import SEND, BadDisk, Cut, counting
from tests.spies import Killed
from tests.whole_stack import MINUTE, formulary

GO_ON: Final = 40 * MINUTE  # the plan goes on so long in the end: the slot is in it
AT_WORK: Final = (State.READY, State.RUNNING, State.BOLUS, State.PRIMING)
IN_FORCE: Final = re.compile(r"another plan is in force: (\S+\.toml)\.")
# What a refused start says, by the words that tell it from the others.
SAYS: Final = (
    "another plan is in force",
    "another controller is writing it",
    "is damaged or foreign",
    "its end was cut off, or an older copy was put back",
    "its head file is missing",
    "the two do not belong together",
    "cannot be",
    "may not be on disk",
    "lies there",
)


@dataclass
class Came:
    """What came of one point.

    ``start``: what the start comes to; ``flows``: whether anything flows before a person has confirmed. nL: ``over``
    is given beyond the books, ``beyond`` the plan, ``below`` is what the ledger is short of the truth.
    """

    start: str = ""
    flows: bool = False
    alarms: frozenset[str] = frozenset()
    typed: frozenset[str] = frozenset()
    over: int = 0
    beyond: int = 0
    below: int = 0
    lost: bool = False  # records of this journal are lost
    lived: bool = False  # the process did not die in the window


def told(exit_code: int, text: str) -> str:
    """A refusal, by its exit status and its words."""
    if not exit_code:
        return ""
    assert "Traceback" not in text
    words = next((phrase for phrase in SAYS if phrase in text), text)
    return f"exit {exit_code}: {words}"


# How it is taken up.


def rise(bench: Bench, came: Came) -> Came:
    """A person starts it again, reads, types what is told, and the plan goes on."""
    refusal = _started(bench)
    if refusal:
        came.start = refusal
        bench.begin_anew()
    else:
        assert bench.controller.state is State.WAITING, "a restart does not wait for a person (S-25)"
        came.start = "WAITING" if bench.guard.confirmed else "new"
    came.alarms |= {alarm.row.code for alarm in bench.guard.alarms} - {"waiting"}
    before = bench.counted_nl
    bench.wait(2 * MINUTE)
    came.flows |= bench.counted_nl > before + 1 and not refusal
    came.below = max(came.below, bench.below_truth_nl)
    return go_on(bench, came)


def go_on(bench: Bench, came: Came) -> Came:
    """From a controller that has been started to the end."""
    bench.tend()
    came.below = max(came.below, bench.below_truth_nl)
    bench.wait(GO_ON)
    bench.tend()
    bench.check_books(whole=not came.lost)
    assert bench.controller.state in AT_WORK, f"no way out of {bench.controller.state}: {bench.typed}"
    planned, commanded = bench.sums()
    came.typed = frozenset(bench.typed)
    came.over, came.beyond = bench.counted_nl - commanded, bench.counted_nl - planned
    came.below = max(came.below, bench.below_truth_nl)
    return came


def _started(bench: Bench) -> str:
    """Start; with the plan that the journal names, if it says so. What is said of a refusal that stays."""
    before = files(bench)
    with counting() as sent:
        answer = bench.start_again()
        found = IN_FORCE.search(answer.text)
        if found and Path(found[1]).exists():
            bench.typed.append("run PLAN IN FORCE")
            bench.previous, bench.file = (bench.file,), Path(found[1])
            answer = bench.start_again()
    if answer.exit:
        assert files(bench) == before, "a journal that is refused is left as it is"
        assert SEND not in sent, "something is sent to the pump, and the journal is refused"
    return told(answer.exit, answer.text)


def files(bench: Bench) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(bench.room.glob("*.journal*"))}


# What happens.


@dataclass(frozen=True)
class Point:
    """Where in a window: the number of the call, and how it is cut, or which way it fails."""

    at: int
    how: str = "after"


Happen = Callable[[Bench, Doing, Point], Came]


def killed(bench: Bench, doing: Doing, point: Point) -> None:
    """The process dies at that point."""
    doing.before(bench)
    cut = Cut(point.at, point.how)
    with cut.armed(), suppress(Killed):
        doing.do(bench)
    assert cut.died, "there is no such point"
    bench.die()


def then(change: Callable[[Bench], object] = lambda bench: None, *, lost: bool = False) -> Happen:
    """The process is killed, something more happens, and a person takes it up. ``lost``: records are, unseen."""

    def happen(bench: Bench, doing: Doing, point: Point) -> Came:
        killed(bench, doing, point)
        change(bench)
        return rise(bench, Came(lost=lost))

    return happen


def bad_disk(names: tuple[str, ...], *, full: bool) -> Happen:
    """A call fails and the process lives on: it says so, the pump is stopped, STOP works; then the disk is mended."""

    def happen(bench: Bench, doing: Doing, point: Point) -> Came:
        doing.before(bench)
        came, disk = Came(), BadDisk(names, point.at, full)
        with disk.armed():
            with suppress(PumpCtrlError):
                doing.do(bench)
            if bench.life is not None:
                _live_on(bench, came)
        assert disk.failed
        return rise(bench, came)

    return happen


def _live_on(bench: Bench, came: Came) -> None:
    came.lived = True
    bench.wait(MINUTE)
    came.alarms = frozenset(alarm.row.code for alarm in bench.guard.alarms)
    assert "journal" in came.alarms
    before = bench.counted_nl
    bench.wait(5 * MINUTE)
    assert bench.counted_nl <= before + 1, "something flows, and nothing can be written"
    came.below = bench.below_truth_nl
    answer = bench.ask("stop")
    assert (answer.exit, answer.text) == (0, "Stopped. The pump confirmed it."), "STOP needs the disk (S-08)"
    bench.end()


# Journals that are not what was written.


def lines(bench: Bench) -> list[bytes]:
    return bench.journal_file.read_bytes().splitlines(keepends=True)


def put(bench: Bench, content: list[bytes]) -> None:
    bench.journal_file.write_bytes(b"".join(content))


def head(bench: Bench) -> Path:
    return bench.room / f"{bench.name}.head"


def edit_byte(bench: Bench) -> None:
    """One byte in the middle of the file is another."""
    content = bytearray(bench.journal_file.read_bytes())
    content[len(content) // 2] ^= 1
    bench.journal_file.write_bytes(content)


def change_number(bench: Bench) -> None:
    """The first dose that was permitted is ten times as small, in a line that is good JSON."""
    content = lines(bench)
    at = next(number for number, line in enumerate(content) if b'"kind":"intent"' in line)
    content[at] = re.sub(rb'(\["(?:basal|bolus|prime)",\d+)\d,', rb"\1,", content[at], count=1)
    assert json.loads(content[at])["kind"] == "intent"
    put(bench, content)


def cut_to_head(bench: Bench) -> None:
    """All records from the one on that the head file names are gone."""
    put(bench, lines(bench)[: json.loads(head(bench).read_text())["seq"]])


def cut_last(bench: Bench) -> None:
    """The last record is gone."""
    bench.wait(10 * MINUTE)
    put(bench, lines(bench)[:-1])


def foreign_head(bench: Bench) -> None:
    content = json.loads(head(bench).read_text())
    head(bench).write_text(json.dumps({**content, "hash": "ab" * 32}, separators=(",", ":")) + "\n")


def written_by_another(bench: Bench, doing: Doing, point: Point) -> Came:
    """Somebody appends a line; the controller notices at its next record."""
    del point
    doing.before(bench)
    with bench.journal_file.open("ab") as file:
        file.write(b'{"seq":0,"kind":"stop"}\n')
    came = Came()
    with suppress(PumpCtrlError):
        doing.do(bench)
    if bench.life is not None:
        _live_on(bench, came)
    return rise(bench, came)


def second_writer(bench: Bench, doing: Doing, point: Point) -> Came:
    """Another controller is started on the same journal while the first lives."""
    del point
    doing.before(bench)
    alone = bench.life is None  # the window is a start: it has begun
    if alone:
        bench.start()
    first = bench.life
    with counting() as sent:
        refusal = bench.start_again(beside=True)
    assert SEND not in sent, "a second controller spoke to the pump (S-33)"
    assert bench.life is first
    if not alone:
        doing.do(bench)
    came = go_on(bench, Came()) if bench.life is not None else rise(bench, Came())
    came.start = told(refusal.exit, refusal.text)
    return came


def foreign(flavour: str, serial: str) -> Callable[[Bench], None]:
    """The journal of another plan, or of another pump of the same kind, lies in the place of the own one."""

    def put_there(bench: Bench) -> None:
        plan = load_plan(signed(bench.kind, flavour, None, bench.papers))
        about = {
            **read_about(bench.journal_file),
            "plan_file": "",
            "plan": {"id": plan.id, "sha256": plan.sha256},
        }
        clock = VirtualClock(utc_ms=plan.start_utc_ms, boot_ms=bench.clock.boot_ms() - 20 * MINUTE)
        other = bench.room / "donor"
        journal = FileJournal.create(other, clock, about)
        stack = SimulatedStack(
            plan, bench.profile, formulary(), clock=clock, journal=journal, setup={"serial": serial}
        )
        stack.begin()
        stack.run_to(10 * MINUTE)
        journal.close()
        forget(bench.journal_file)  # else the signs show that another journal lies there
        other.replace(bench.journal_file)
        other.with_name("donor.head").replace(head(bench))

    return put_there


def read_about(path: Path) -> dict[str, Any]:
    reader = read_journal(path)
    next(reader.records())
    return reader.about


def other_pump(bench: Bench, doing: Doing, point: Point) -> Came:
    """It is told, or has to be asked for by its words; nothing flows; the person ends and begins anew."""
    killed(bench, doing, point)
    foreign(bench.flavour, "SIM-0002")(bench)
    bench.start()
    came = Came(start="WAITING", alarms=frozenset(alarm.row.code for alarm in bench.guard.alarms))
    words = bench.guard.reconciliation().words
    assert "wrong-pump" in came.alarms or "no serial number" in words, (
        "nobody is told that it is another pump"
    )
    before = bench.counted_nl
    bench.wait(2 * MINUTE)
    came.flows = bench.counted_nl > before + 1
    bench.end()
    bench.begin_anew()
    return go_on(bench, came)


COPY: Final = "copy"


def keep_copy(bench: Bench) -> None:
    """A backup of what lies there now."""
    (bench.room / COPY).mkdir()
    for path in bench.room.glob(f"{bench.name}*"):
        shutil.copy(path, bench.room / COPY / path.name)


def put_back(beside: Iterable[str]) -> Callable[[Bench], None]:
    def restore(bench: Bench) -> None:
        bench.wait(10 * MINUTE)  # a bolus has come to its end meanwhile
        for suffix in ("", *beside):
            if (kept := bench.room / COPY / f"{bench.name}{suffix}").exists():
                shutil.copy(kept, bench.journal_file.with_name(kept.name))

    return restore


def rebooted(wall_ms: int) -> Callable[[Bench], None]:
    """The host boots anew, ten minutes later; its wall clock is wrong by so much."""

    def reboot(bench: Bench) -> None:
        bench.wait(10 * MINUTE)
        bench.clock.reboot()
        bench.clock.jump_wall(wall_ms)
        bench.misled = wall_ms != 0

    return reboot


def pump_rebooted(bench: Bench) -> None:
    """The pump loses its power for a moment: its memory is lost, its counter back to 0."""
    bench.fault("power-loss")
    bench.wait(5_000)


def both_rebooted(bench: Bench) -> None:
    pump_rebooted(bench)
    rebooted(0)(bench)


def restored(*beside: str) -> Happen:
    """A copy from before the window is put back, with nothing or more of what lay beside it."""

    def happen(bench: Bench, doing: Doing, point: Point) -> Came:
        def before(bench: Bench) -> None:
            doing.before(bench)
            keep_copy(bench)

        change = put_back(beside)
        return then(change, lost=True)(bench, Doing(doing.name, before, doing.do), point)

    return happen
