"""The crash matrix as data: what can happen to process, disk, journal, host and pump, and what has to come of it.

Rows are kinds of damage, columns what was going on (``doings``); each cell happens under both policies on every pump
family. Whatever the cell: no dose twice, none forgotten, nothing flows under ``stop`` before a person has confirmed,
the controller waits, what is typed leads out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.crash.points import SEND, SYNCS, TORN
from tests.crash.rows import (
    Happen,
    Point,
    bad_disk,
    both_rebooted,
    change_number,
    cut_last,
    cut_to_head,
    edit_byte,
    foreign,
    foreign_head,
    head,
    other_pump,
    pump_rebooted,
    rebooted,
    restored,
    second_writer,
    then,
    written_by_another,
)
from tests.driver_stacks import PUMPS
from tests.whole_stack import HOUR

Points = Callable[[list[str], int], list[Point]]
WRITES: Final = ("write", "pwrite")
# Of the many sends of a syringe pump's deliver: one in so many; tests/faults/test_kill_every_exchange.py has them all.
EVERY: Final = {"implant-40": 1, "ne-1000-bd-10ml": 8, "pump-11-elite-bd-10ml": 4}


# At which points of a window; ``every`` as above.


def each_call(seen: list[str], every: int) -> list[Point]:
    """Before the first call, and after each."""
    sends = [at for at, name in enumerate(seen) if name == SEND]
    kept = {*sends[::every], *sends[-1:]}
    return [Point(0, "before")] + [Point(at) for at, name in enumerate(seen) if name != SEND or at in kept]


def each_write_torn(seen: list[str], every: int) -> list[Point]:
    """In each write at each class of byte; where one stands for several pumps, at one class after the other."""
    writes = [at for at, name in enumerate(seen) if name in WRITES]
    classes = list(TORN)
    if every == 1:
        return [Point(at, how) for at in writes for how in classes]
    return [Point(at, classes[number % len(classes)]) for number, at in enumerate(writes)]


def each(names: tuple[str, ...]) -> Points:
    def points(seen: list[str], every: int) -> list[Point]:
        count = sum(name in names for name in seen)
        return [Point(number) for number in range(0, count, min(every, 3))]

    return points


def middle(seen: list[str], every: int) -> list[Point]:
    """When half of what is sent has been sent."""
    del every
    sends = [at for at, name in enumerate(seen) if name == SEND] or [0]
    return [Point(sends[len(sends) // 2])]


def ends(seen: list[str], every: int) -> list[Point]:
    """After the first record, in the middle of what is sent, and after all."""
    return [Point(at) for at in sorted({seen.index("write"), middle(seen, every)[0].at, len(seen) - 1})]


def settled(seen: list[str], every: int) -> list[Point]:
    """After all of the window."""
    del every
    return [Point(len(seen) - 1)]


def once(seen: list[str], every: int) -> list[Point]:
    """Not at a point of the window, but during it."""
    del seen, every
    return [Point(0)]


@dataclass(frozen=True)
class Row:
    """One kind of damage.

    ``start``: what the next start comes to, or, by what the window wrote, ``also``; ``must``: one of these alarms has
    to be raised by a controller that lives on; ``typed``: what a person types, and nothing else, until the plan goes
    on (``TYPES`` for some columns); ``lost``: records are lost that no file shows, so that the books may be short of
    them; ``short``: by pump, by how much the books alone may be off, nL; ``ahead_nl``: an hour of basal, where the
    plan was put back by one; ``least``: so many points, by pump.
    """

    name: str
    faults: str
    what: str
    points: Points
    happen: Happen
    start: str = "WAITING"
    also: str = ""
    must: frozenset[str] = frozenset()
    typed: frozenset[str] = frozenset({"resume --confirm", "ack"})
    least: dict[str, int] = field(default_factory=dict)
    lost: bool = False
    short: dict[str, int] = field(default_factory=dict)
    ahead_nl: int = 0


ANEW: Final = frozenset({"run NEW JOURNAL", "ack"})
DAMAGED: Final = "exit 5: is damaged or foreign"
CUT_OFF: Final = "exit 5: its end was cut off, or an older copy was put back"
# Where the counter is lost the books go by time: up to the end of what was told, although the pump has stood still. A
# wall clock that is wrong and confirmed misleads the books alike.
SINCE_TOLD_NL: Final = 13_000
A_PRIME_NL: Final = 200_000
NOT_TOLD: Final = {"implant-40": 3_000, "ne-1000-bd-10ml": A_PRIME_NL, "pump-11-elite-bd-10ml": A_PRIME_NL}


ROWS: Final = (
    Row(
        "killed",
        "F-48",
        "the process is killed, before the first call and after each: write, sync, rename, send",
        each_call,
        then(),
        least={"implant-40": 650, "ne-1000-bd-10ml": 780, "pump-11-elite-bd-10ml": 780},
    ),
    Row(
        "killed in a write",
        "F-49",
        "cut at the first byte, in the middle, at the last before the end of line, at the end of line",
        each_write_torn,
        then(),
        least={"implant-40": 1_000, "ne-1000-bd-10ml": 250, "pump-11-elite-bd-10ml": 250},
    ),
    Row(
        "disk full",
        "F-51",
        "one write is refused, and all that follow; the process lives on, is told to stop, and ends",
        each(WRITES),
        bad_disk(WRITES, full=True),
        must=frozenset({"journal"}),
        least={"implant-40": 200, "ne-1000-bd-10ml": 70, "pump-11-elite-bd-10ml": 70},
    ),
    Row(
        "sync fails once",
        "F-52",
        "one fdatasync or fsync fails, and all that follow succeed; nothing is trusted any more",
        each(SYNCS),
        bad_disk(SYNCS, full=False),
        must=frozenset({"journal"}),
        typed=frozenset({"resume --confirm", "ack", "resume"}),
        least={"implant-40": 200, "ne-1000-bd-10ml": 70, "pump-11-elite-bd-10ml": 70},
    ),
    Row(
        "a byte edited",
        "F-50",
        "one byte in the middle of the file is another",
        middle,
        then(edit_byte),
        start=DAMAGED,
        typed=ANEW,
    ),
    Row(
        "a number edited",
        "F-50",
        "a dose of the first command is a tenth, and the line is good JSON",
        middle,
        then(change_number),
        start=DAMAGED,
        typed=ANEW,
    ),
    Row(
        "cut off before the head",
        "F-53",
        "the record that the head file names, and all after it, are gone",
        middle,
        then(cut_to_head),
        start=CUT_OFF,
        typed=ANEW,
    ),
    Row(
        "an older copy under a newer head",
        "F-53",
        "the file of before the window is put back, ten minutes later; head or sign of life shows"
        " it if one was written in between",
        middle,
        restored(),
        start=CUT_OFF,
        also="WAITING",
        typed=frozenset({"resume --confirm", "ack"}) | ANEW,
        lost=True,
    ),
    Row(
        "an older copy with its head",
        "F-53",
        "file and head file of before the window are put back, ten minutes later; the sign of life shows it if one was"
        " given in between",
        settled,
        restored(".head"),
        start=CUT_OFF,
        also="WAITING",
        typed=frozenset({"resume --confirm", "ack"}) | ANEW,
        lost=True,
    ),
    Row(
        "an older copy of all that lay there",
        "F-53",
        "file, head file and signs of life of before the window are put back, ten minutes later",
        settled,
        restored(".head", ".alive", ".stopped"),
        lost=True,
    ),
    Row(
        "the last record cut off",
        "F-53",
        "behind the record that the head file names, ten minutes later",
        settled,
        then(cut_last, lost=True),
        also=CUT_OFF,
        typed=frozenset({"resume --confirm", "ack"}) | ANEW,
        lost=True,
    ),
    Row(
        "head file gone",
        "F-53",
        "it was removed",
        middle,
        then(lambda bench: head(bench).unlink()),
        start="exit 5: its head file is missing",
        typed=ANEW,
    ),
    Row(
        "head file of another journal",
        "F-54",
        "it names a record that this journal has not",
        middle,
        then(foreign_head),
        start="exit 5: the two do not belong together",
        typed=ANEW,
    ),
    Row(
        "journal gone",
        "F-53",
        "it was removed, and its head file lies there",
        middle,
        then(lambda bench: bench.journal_file.unlink()),
        start="exit 5: lies there",
        typed=ANEW,
    ),
    Row(
        "journal of another plan",
        "F-54",
        "one that goes on a plan which nobody here has",
        middle,
        then(foreign("other", "SIM-0001")),
        start="exit 3: another plan is in force",
        typed=ANEW,
    ),
    Row(
        "journal of another pump",
        "F-54",
        "of the same plan on another pump; told by `wrong-pump`, or by the words where a pump has no serial number",
        middle,
        other_pump,
        typed=ANEW,
    ),
    Row(
        "two writers",
        "F-20",
        "a second controller is started while the first lives; nothing is sent, the first goes on",
        once,
        second_writer,
        start="exit 5: another controller is writing it",
        typed=frozenset({"resume --confirm", "ack", "resume"}),
    ),
    Row(
        "written to by another",
        "F-50",
        "a line is appended while the controller lives; it notices at its next record",
        once,
        written_by_another,
        start=DAMAGED,
        must=frozenset({"journal"}),
        typed=ANEW,
    ),
    Row(
        "host reboot",
        "F-46",
        "the boot clock begins at 0 under another boot id, ten minutes later",
        ends,
        then(rebooted(0)),
    ),
    Row(
        "host reboot, clock 1 h back",
        "F-42 F-46",
        "and the wall clock is an hour behind",
        ends,
        then(rebooted(-HOUR)),
        typed=frozenset({"resume --confirm", "resume --confirm --off", "ack", "resume"}),
        short=dict.fromkeys(PUMPS, A_PRIME_NL),
        ahead_nl=SINCE_TOLD_NL,
    ),
    Row(
        "host reboot, clock 1 h on",
        "F-43 F-46",
        "and the wall clock is an hour ahead",
        ends,
        then(rebooted(HOUR)),
    ),
    Row(
        "pump reboot",
        "F-21",
        "its memory is lost, its counter back to 0",
        ends,
        then(pump_rebooted),
        typed=frozenset({"resume --confirm", "ack", "resolve ID", "resume"}),
        short=NOT_TOLD,
    ),
    Row(
        "host and pump reboot",
        "F-21 F-46",
        "both",
        ends,
        then(both_rebooted),
        typed=frozenset({"resume --confirm", "ack", "resolve ID", "resume"}),
        short=NOT_TOLD,
    ),
)

# What a column adds to what a person types, whatever the row.
TYPES: Final[dict[str, frozenset[str]]] = {
    "bridge": frozenset({"run PLAN IN FORCE"}),
    "load": frozenset({"run PLAN IN FORCE"}),
    "alarm": frozenset({"resolve refill-discrepancy", "resume"}),
    "stop": frozenset({"resume"}),
    "pause, resume": frozenset({"resume"}),
}
# Typed when the pump's counter shows what the journal does not know.
VOUCHED: Final = frozenset({"resolve disagreement", "resolve over-delivery", "resume"})
