"""What others have published of defects in pumps, models and programs of this field, by the key that the corpus gives.

X: defects of published requirement lists and models. T: what users of open pump software have reported. P: software
defects of pumps on the market, from recalls and safety notices.

python -m tests.planted.published     writes the table into docs/safety/planted-bugs.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.planted.corpus import ROOT, corpus

PAGE: Final = ROOT / "docs" / "safety" / "planted-bugs.md"
HEAD: Final = "## Published defects, each planted here\n"
PUBLISHED: Final[Mapping[str, str]] = {
    "X1": "Open PCA R5.2.0(5): a maximum dose that looks back only; basal runs on over it",
    "X2": "Open PCA table 4: at the maximum dose it goes on with a flow that keeps a vein open",
    "X3": "Open PCA EC7, R6.4.0: two tolerance times for one condition",
    "X4": "GPCA REQ 12: a start sets what was infused to zero",
    "X5": "GPCA REQ 53: a limit that is missing is not checked",
    "X6": "GPCA REQ 66: cancelling one notice clears all inhibitions",
    "X7": "GPCA REQ 64: a lesser notice under a worse one takes no action",
    "X8": "GPCA REQ 38, 39: a bolus ends only if both inhibitions are set",
    "X9": "GPCA REQ 25: which side of a limit of time is still allowed",
    "X10": "GPCA REQ 58: a notice that its table does not have",
    "X11": "Open PCA R6.5.0(13), GPCA REQ 5: STOP silences the alarms",
    "X12": "Open PCA R7.2.0(1): a STOP finishes the stroke, which nobody counts",
    "X13": "a public model of the GPCA alarms: a property that is true whatever the level",
    "X14": "Open PCA table 4: empty and occlusion are discomfort",
    "T1": "a bolus delivered after a failed message (LoopKit/Loop #1434, ps2/rileylink_ios #757)",
    "T2": "dosing again after a crash of the dose store (LoopKit/Loop #1796, #1834)",
    "T3": "recovery of a command without an answer; uncertain for ever (LoopKit/Loop #2275, #944)",
    "T4": "the program forgets that it just gave a bolus (nightscout/AndroidAPS #830, #2755)",
    "T5": "the battery dies in a bolus: all given, part recorded (nightscout/AndroidAPS #1361)",
    "T6": "volumes below zero, or counted twice (LoopKit/Loop #2322, #845, nightscout/Trio #627, #904)",
    "T7": "a bolus that the pump cut is booked whole; its own amount is not read (LoopKit/Loop #1321)",
    "T8": "a cap over everything on board (LoopKit/Loop #1831)",
    "T9": "a value that is clamped without a word (nightscout/AndroidAPS #4698)",
    "T10": "a local and a remote dose at once (nightscout/AndroidAPS #1205)",
    "T11": "rounded up to twice the cap; one pump's table for all (openaps/oref0 #177, nightscout/Trio #1429)",
    "T12": "a division by whole minutes spoils the sum; wrong units (nightscout/Trio #1065, jxx123/simglucose #71)",
    "T13": "summer time, and a clock that is off (nightscout/AndroidAPS #1538, LoopKit/Loop #489)",
    "P1": "an error, and a stop, without any fault (FDA, examples of reported infusion pump problems)",
    "P2": "a key that bounces: 10 becomes 100 (FDA, examples)",
    "P3": "no alarm for an occlusion, or a false one (FDA, examples)",
    "P4": "no warning at wrong data, a unit that is not shown (FDA, examples)",
    "P5": "bolus interrupted, primed, resumed: a wrong dose (Medfusion, Class I, 2020)",
    "P6": "false alarms that stop a therapy (Medfusion, Class I, 2022)",
    "P7": "a battery that is told as empty and is not (Medfusion, Class I, 2022)",
    "P8": "the clock fails (Medfusion, Class I, 2022)",
    "P9": "the infusion goes on after the system failed (Medfusion, Class I, 2022)",
    "P10": "what was delivered is cleared (Medfusion, Class I, 2022)",
    "P11": "what is shown of a bolus is not what was (Medfusion, Class I, 2022)",
    "P12": "a setting of the network breaks what is known of the pump (Medfusion, Class I, 2022)",
    "P13": "the alarm at the end ranked low; a start that was delayed is not looked at anew (Alaris, Class I, 2020)",
    "P14": "a concentration of one's own is taken as it is typed (Alaris, Class I, 2020)",
    "P15": "a prime into the cerebrospinal fluid, by a wrong volume (SynchroMed, 2013, 2016)",
    "P16": "a wrong date of what is due (8870 programmer, 2012)",
    "P17": "a motor that stands still and nobody is told (SynchroMed, 2000s, 2019)",
    "P18": "the battery dies in a bolus (SynchroMed, 2009 to 2017)",
    "P19": "a failed bolus that was delivered is given again (LoopKit/Loop #1434, as a pump shows it)",
    "P20": "the rest of an interrupted bolus is taken off twice (LoopKit/OmniBLE #144)",
    "P21": "a delivered bolus is missing from the history (LoopKit/Loop #876, #1886, #1941)",
    "P22": "after an error the next request is taken at once; both are delivered (nightscout/AndroidAPS #3342)",
    "P23": "a counter of one byte that wraps to zero (Therac-25)",
}


def planted() -> dict[str, tuple[str, ...]]:
    """By key the defects of the corpus that do the same here."""
    return {key: tuple(bug.id for bug in corpus() if key in bug.against) for key in PUBLISHED}


def table() -> str:
    """The end of the page."""
    rows = [f"| {key} | {what} | {', '.join(planted()[key])} |" for key, what in PUBLISHED.items()]
    return "\n".join([HEAD, "| key | published | planted |", "|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text.partition(HEAD)[0] + table(), encoding="utf-8")
