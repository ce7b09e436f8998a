"""The page on faults, made from what the table's rows came to: fault x pump -> outcome, over-delivery, ledger.

python -m tests.faults.page     writes docs/faults.md
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from tests.driver_stacks import KINDS, Kind
from tests.faults.responses import GRAIN_NL, RESPONSES
from tests.faults.stand import Came, Stand, on_a_pty
from tests.faults.states import CELLS, COLUMNS, NAMES, PUMPS, Cells
from tests.faults.table import BELOW, ELSEWHERE, ROWS, Row

PAGE: Final = Path(__file__).parents[2] / "docs" / "faults.md"
# A hold makes a difference only where the pump has a wire time-out, which is off then.
SHOWN: Final = tuple(kind for kind in KINDS if kind.on_loss == "stop" or kind.pump.startswith("ne-1000"))
HEAD: Final = """# Faults and what comes of them

Made by `python -m tests.faults.page` from `tests/faults/table.py`; do not edit. Each row happens, in virtual time, to
the whole stack on every simulated pump: controller, guard, journal, driver, wire, firmware, syringe. The plan gives
12.5 uL/h, from 70 min on 20 uL/h, and a bolus of 60 uL over 20 min at 30 min; the patient may ask for 10 uL. From
80 min on all that was broken is as new, and a person looks at what is left: settles, confirms, acknowledges, resumes.

Every cell comes to the very same when all bytes go over a pseudo-terminal, through pyserial and the product's own
link: a dozen of them in every run of the tests, all of them in `./check --deep`.

After every turn of the loop the books add up to less than one pump step, and the truth (what the motor stepped) is
above the ledger's lower bound and below its upper one with all that what runs may still give. A cell says, as it
stands in `tests/faults/responses.py`,

- what became of the bolus, all alarms that were raised (without `waiting` and `refused`), and the state at 80 min,
  before anybody has looked;
- the **ledger** at that moment: by how much the least and the most that the guard takes for given by then differ from
  the truth, uL. A minus in the second place is a ledger below the truth;
- **tip**: what a window of 1, 4 or 24 h at the catheter tip holds beyond what the guard counts in any, uL.

And as it was measured:

- **over**: the most by which the pump was ahead both of the plan and of the books, nL, of the bound in brackets;
- **unseen**: what left the pump and no counter shows, nL, where it is more than the motor's own step (100 nL);
- **held**: what was counted and had not left at its worst, nL, likewise: blocked, empty, or not pumped.
"""
IN_STATES: Final = """
## In each state of the controller

Made from `tests/faults/states.py`. A fault happens in the state of the column, and a cell is the state ten minutes
later, with nobody there: W WAITING, A READY, R RUNNING, B BOLUS, I PRIMING, U UNCERTAIN, P PAUSED, S STOPPED, F FAULT,
H waiting while the bounded hold runs; a dot where it cannot happen there. Three letters: {pumps}.

In every cell the truth is within the ledger at every turn, no more has left than the plan asked for and
`tests/faults/parts.py` allows the fault, no window at the tip passes what was signed, no bolus is given twice or
forgotten, and a person finds a way out with the documented commands.
"""


@cache
def came(row: Row, kind: Kind) -> Came:
    """What came of a row on a pump, in process."""
    return Stand(kind).go(row)


def came_over_a_pty(row: Row, kind: Kind) -> Came:
    """The same with all bytes over a pseudo-terminal."""
    with on_a_pty():
        return Stand(kind).go(row)


def cell(row: Row, kind: Kind) -> str:
    """One field of the table."""
    if not row.applies(kind):
        return "it cannot have it"
    found = came(row, kind)
    unseen = f"; unseen {found.unseen}" if found.unseen > GRAIN_NL else ""
    held = f"; held {found.held}" if found.held > GRAIN_NL else ""
    state = "" if found.state == "RUNNING" else f"; {found.state} in the end"
    said = RESPONSES[row.what][SHOWN.index(kind)]
    return f"{said}; over {found.over} [{row.most_nl(kind)}]{unseen}{held}{state}"


def of_states() -> str:
    """The table of faults and states."""
    lines = [IN_STATES.format(pumps=", ".join(PUMPS))]
    lines.append("| fault | what happens | " + " | ".join(NAMES[column] for column in COLUMNS) + " |")
    lines.append("|---" * (2 + len(COLUMNS)) + "|")
    for row in CELLS:
        lines.append(f"| {row.id} | {', then '.join(f'`{text}`' for text in row.texts)} | {_letters(row)} |")
    possible = sum(letter != "-" for row in CELLS for pump in PUMPS for letter in row.on(pump))
    return "\n".join([*lines, "", f"In all {possible} cells that can be."]) + "\n"


def _letters(row: Cells) -> str:
    columns = zip(*(row.on(pump) for pump in PUMPS), strict=True)
    return " | ".join("".join(column).upper().replace("-", ".") for column in columns)


def page() -> str:
    """The whole page."""
    names = [str(kind) for kind in SHOWN]
    lines = [HEAD, "| fault | what happens | safe response | " + " | ".join(names) + " |"]
    lines.append("|---" * (3 + len(names)) + "|")
    for row in ROWS:
        cells = [cell(row, kind) for kind in SHOWN]
        lines.append(f"| {row.id} | {row.what} | {row.safe} | " + " | ".join(cells) + " |")
    every = [came(row, kind) for row in ROWS for kind in SHOWN if row.applies(kind)]
    outside, most = sum(c.above > 0 or c.below > 0 for c in every), max(c.over for c in every)
    short = sum(c.ledger[1] < -GRAIN_NL or c.forgotten > GRAIN_NL for c in every)
    lines += [
        "",
        f"In all {len(every)} cells: the truth outside of the whole ledger {outside} times, beyond what is",
    ]
    lines += [
        f"counted by now, or in a window at the tip, {short} times; worst over-delivery {most} nL. Where, and why:",
        "",
    ]
    lines += [f"- {what}: {why}." for what, why in BELOW.items()]
    lines += ["", "## Shown elsewhere", ""]
    lines.append("What is none of a running pump, or needs more than one, has tests of its own:")
    lines.append("")
    lines += [f"- {fault}: {_named(tests)}" for fault, tests in ELSEWHERE.items()]
    return "\n".join(lines) + "\n" + of_states()


def _named(tests: tuple[str, ...]) -> str:
    return "; ".join(
        f"{test.partition('::test_')[2].replace('_', ' ')} (`{test.partition('::')[0]}`)" for test in tests
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
