"""The page on the alarms, made from the table and its advice.

python -m tests.docs.alarms_page     writes docs/alarms.md
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pump_ctrl.controller.presses import OFTEN, OFTEN_MS, PAUSE_MS, STUCK_MS
from pump_ctrl.live.advice import ADVICE
from pump_ctrl.live.reminders import EVERY_MS
from pump_ctrl.safety.alarms import ALL, COUNTED, TABLE, AlarmRow
from pump_ctrl.safety.watchdog import BY_EPOCH, PUMP_ALARMS

RULED: Final = {"limits": "nothing new, by its rule", "unsettled": "nothing new but a hold, by its rule"}
PAGE: Final = Path(__file__).parents[2] / "docs" / "alarms.md"
HEAD: Final = """# Alarms

Made by `python -m tests.docs.alarms_page` from the table in `pump_ctrl/safety/alarms.py`; do not edit.

An alarm is active from the moment its condition holds until the condition has gone **and** somebody has acknowledged
it (`pump-ctrl ack`). To acknowledge opens nothing while the condition lasts. What may be given is what *every* active
alarm lets through; STOP always goes. The priority is that of harm and onset, after IEC 60601-1-8. `pump-ctrl status`
shows each with the time since when it is active, its detail and what to do; `run` and `watch` print it when it comes,
and again as long as nobody has acknowledged it.

| alarm | priority | what it is | what is still given | do |
|---|---|---|---|---|
"""
FOOT: Final = """
**Said again** while nobody has acknowledged it: {again}. These figures are from memory and our own (unverified).

**`recurring`** counts these, each by itself: {counted}.
No press of a key raises any of them.

**`reservoir-low`** has two sources, and holds as long as either does: the pump's own word, where it has one, and the
ledger on every pump: what was filled, less the most that may have left, is no more than the plan's `alarm` volume.
That is looked at with every answer to a command and every counter that is written down: each 15 min, or at each poll
where polls are further apart. A refill ends it.

**`requests`**: {often} requests within {often_min} min were refused, or one because the plan's number of 24 h is used
up; told once in {often_min} min at most. **`stuck-key`**: requests for over {stuck} s, none later than {pause} s after
the one before; as long as that goes on they are refused. The figures but the {stuck} s are our own (unverified).
Neither forbids anything else.

## Words of the pumps

| the pump says | alarm |
|---|---|
"""


def page() -> str:
    """The whole page."""
    foot = FOOT.format(
        again=", ".join(f"{priority.value} every {ms // 60_000} min" for priority, ms in EVERY_MS.items()),
        counted=", ".join(f"`{code}`" for code in sorted(COUNTED)),
        often=OFTEN,
        often_min=OFTEN_MS // 60_000,
        stuck=STUCK_MS // 1_000,
        pause=PAUSE_MS // 1_000,
    )
    words = [f"| {word} | `{code}` |" for word, code in sorted(PUMP_ALARMS.items())]
    words += [f"| {word} | `pump-reset`, when its counter begins a new epoch |" for word in sorted(BY_EPOCH)]
    words.append("| anything else | `pump-alarm`, with the word; nothing is given |")
    return HEAD + "\n".join(map(_row, TABLE)) + "\n" + foot + "\n".join(words) + "\n"


def _row(row: AlarmRow) -> str:
    cells = (f"`{row.code}`", row.priority.value, row.condition, given(row), ADVICE[row.code])
    return f"| {' | '.join(cells)} |"


def given(row: AlarmRow) -> str:
    """What its permissions mean, in words."""
    if row.permits == ALL:
        return RULED.get(row.code, "everything")
    return ", ".join(sorted(purpose.value for purpose in row.permits)) or "nothing"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
