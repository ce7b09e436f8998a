"""The page of the restart table, made from its data.

python -m tests.crash.restart_page     writes docs/safety/restart-table.md
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.crash.restart import ALONE, COMBINATIONS, HOLD, REFUSED, STOP, asked_for
from tests.driver_stacks import PUMPS

PAGE: Final = Path(__file__).parents[2] / "docs" / "safety" / "restart-table.md"
HEAD: Final = f"""# Restart table (D-18)

Made by `python -m tests.crash.restart_page` from `tests/crash/restart.py`; do not edit. A controller died, and another
one takes up its journal: what it does first, by what the journal says last, what the pump does, and whether it is known
how long the host was off (else the host booted anew). `tests/crash/test_restart_table.py` brings each about on the
simulated pumps, starts, compares, and walks the way out until the plan goes on: some in every run, all in
`./check --deep`.

| action | what the controller does | the way out |
|---|---|---|
| {STOP} | STOP is sent; nothing flows | read; `pump-ctrl resume --confirm NAME CODE` |
| {HOLD} | STOP is sent; the hold rate flows, within its bound | the same |
| {ALONE} | what runs is proven to be what was told, and goes on; then the hold | the same |
| {REFUSED} | nothing: the pump does not answer; what runs goes on to its end | check cable and power, start again |

After a start nothing new is given until a person has confirmed; where the outcome of a command is not known and the
pump cannot tell, `resolve ID --by NAME --reason TEXT` comes first. A pump that holds a command which the journal does
not know (`wrong-pump`) is taken up with a new journal only.

Under `stop` the action is {STOP} in every row, and {REFUSED} where the pump is silent. Under `hold`:
"""


def page() -> str:
    """The whole page."""
    held = [each for each in COMBINATIONS if each.kind.on_loss != "stop"]
    columns = [(pump, time) for pump in PUMPS for time in ("known", "unknown")]
    lines = [
        HEAD,
        "| the journal ends with | the pump | " + " | ".join(f"{p}, time {t}" for p, t in columns) + " |",
    ]
    lines.append("|---" * (2 + len(columns)) + "|")
    for journal, pump in dict.fromkeys((each.journal, each.pump) for each in held):
        row = {(e.kind.pump, e.time): e for e in held if (e.journal, e.pump) == (journal, pump)}
        cells = [asked_for(row[column]) for column in columns]
        lines.append(f"| {journal} | {pump} | " + " | ".join(cells) + " |")
    lines += ["", f"In all {len(COMBINATIONS)} combinations."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
