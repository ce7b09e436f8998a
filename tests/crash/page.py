"""The page of the crash matrix, made from its table.

python -m tests.crash.page     writes docs/safety/crash-matrix.md
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.crash.doings import DOINGS
from tests.crash.table import ROWS, TYPES, VOUCHED, Row
from tests.driver_stacks import PUMPS

PAGE: Final = Path(__file__).parents[2] / "docs" / "safety" / "crash-matrix.md"
HEAD: Final = """# Crash matrix

Made by `python -m tests.crash.page` from `tests/crash/table.py`; do not edit. A row is what happens to process, disk,
journal, host or pump, a column what was going on; each cell happens under both policies (`stop`, `hold`) on each pump
family, at the points that the row names. The controller is the one that `pump-ctrl run` makes: real journal, head
file and sign of life on a disk, requests through the desk, exit codes of the start; the pump is simulated, and counts
the truth. `tests/crash/test_crash_matrix.py` tries one cell of each row in every run, every point of every cell in
`./check --deep`, and prints how many there were.

In every cell, but for the ledger and the books in the rows marked with *, and what is said at the end:

- no dose is given twice, none is forgotten (150 nL between books and pump, in a prime 5 µL: what flows in an exchange),
  and the ledger is never below what truly left the pump;
- after the start the controller waits for a person; under `stop` nothing flows until then, under `hold` at most what
  was proven to run, or the hold;
- a journal that is refused is left as it is, byte for byte, and nothing is sent to the pump;
- with a disk that fails the pump is stopped, and STOP is carried out and confirmed all the same;
- what is typed, by what the controller tells, leads out: the plan goes on.

"""
TAIL: Final = """
Whatever the row, these columns add to what is typed:

{types}

## What no file can show

In the rows marked with * the newest records are gone and neither head file nor sign of life knows of them. On an
implant the counter shows a dose that the journal does not know: `over-delivery`, nothing is given until a person has
looked.
A Harvard pump shows a command that the journal does not know: `wrong-pump`, it gets nothing but STOP. A New Era pump
can show neither; there the words to be confirmed say that it does not hold what this journal told it last, and only
the person can know. On both syringe pumps the ledger may then be short of what left before the counter was cleared.
A backup of a journal is for reading, not for putting back.

After a reboot of the pump while no controller lived the books go by time. On an implant that is 3 µL beside the truth
(10 min of basal), on a New Era pump up to a bolus or prime that was cut and is called given. A Harvard pump does not
tell that it lost its power: what it gave since it was told last, up to 13 µL, is called missed. Where a person
confirms a wall clock that is an hour behind, the plan goes back by an hour: its basal is given once more, no bolus
is, and the books may be off by a bolus or prime. The ledger has it all. Set the host's clock before you confirm, or
say how long it was off.

A record that is edited together with all hashes after it, and the head file, is not noticed: the chain finds accidents
and mistakes, not forgers.
"""


def page() -> str:
    """The whole page."""
    lines = [HEAD + "Columns: " + ", ".join(f"*{doing}*" for doing in DOINGS) + ".", ""]
    lines += [
        "| row | fault | what happens | the next start | has to be raised | what is typed | points at least |"
    ]
    lines += ["|---" * 7 + "|"]
    lines += [_line(row) for row in ROWS]
    types = "\n".join(f"- *{name}*: {_words(typed)}" for name, typed in TYPES.items())
    return "\n".join(lines) + "\n" + TAIL.format(types=types)


def _line(row: Row) -> str:
    star = "*" if row.lost else ""
    typed = row.typed | (VOUCHED if row.lost else frozenset())
    cells = [
        row.name + star,
        row.faults,
        row.what,
        " or ".join(filter(None, (row.start, row.also))),
        _words(row.must),
        _words(typed),
    ]
    return "| " + " | ".join([*cells, str(sum(row.least.get(pump, 24) for pump in PUMPS))]) + " |"


def _words(words: frozenset[str]) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
