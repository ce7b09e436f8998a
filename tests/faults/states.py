"""Which fault can happen in which state of the controller, and in which state it is ten minutes later, on each pump.

One letter for a state; the columns are the states in which the fault happens, in the order of ``COLUMNS``:

    w WAITING  a READY  r RUNNING  b BOLUS  i PRIMING  u UNCERTAIN  p PAUSED  s STOPPED  f FAULT  h waiting, and holding

``-`` stands where it cannot happen; ``why`` says so. Nobody looks in these ten minutes. In every turn of the loop the
truth is within the ledger, the books add up and no more has left than the plan asks for (and ``parts`` allows the
fault); then a person looks, and it has to go on: ``pair_stand`` asks for all that in each cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COLUMNS: Final = "warbiupsfh"
NAMES: Final = {
    "w": "WAITING", "a": "READY", "r": "RUNNING", "b": "BOLUS", "i": "PRIMING", "u": "UNCERTAIN", "p": "PAUSED",
    "s": "STOPPED", "f": "FAULT", "h": "holding", "d": "dead",
}  # fmt: skip
PUMPS: Final = ("implant-40", "ne-1000-bd-10ml", "pump-11-elite-bd-10ml")
EVERY: Final = "a fault of this kind can happen in any state"
SENDS: Final = "nothing that adds drug is sent in the other states"
TURNS: Final = "where the motor stands there is nothing to befall"
DOSES: Final = "there has to be a dose to cut"


@dataclass(frozen=True)
class Cells:
    """A fault, its events (of ``parts``), and what comes of it: for each pump one letter a column."""

    id: str
    texts: tuple[str, ...]
    implant: str
    new_era: str
    harvard: str
    why: str = EVERY

    def on(self, pump: str) -> str:
        """The letters of a pump."""
        return dict(zip(PUMPS, (self.implant, self.new_era, self.harvard), strict=True))[pump]


CELLS: Final[tuple[Cells, ...]] = (
    Cells("F-01", ("lose-reply:type=commit,count=1",), "-rr-------", "-rr-------", "-rr-------", SENDS),
    Cells("F-01 F-17", ("lose-reply:type=any,count=40",), "warbiupsfh", "wffffffffh", "wffffffffh"),
    Cells("F-02", ("lose-request:type=commit,count=1",), "-rr-------", "-rr-------", "-rr-------", SENDS),
    Cells("F-02", ("lose-request:type=any,count=5",), "wrrbibpsfh", "wrrbibpsfh", "wffffbfffh"),
    Cells(
        "F-03 F-04",
        ("duplicate-request:by=1s,type=commit,count=1",),
        "-rr-------",
        "-rr-------",
        "-rr-------",
        SENDS,
    ),
    Cells("F-05", ("replay-reply:back=3,type=any,count=5",), "wrrbibpsfh", "wrrbibpsfh", "----------"),
    Cells("F-06", ("duplicate-request:by=30ms,type=any,count=40",), "wrrbibpsfh", "warbibpsfh", "wfrbibpsfh"),
    Cells("F-07", ("duplicate-reply:type=any,count=40",), "wrrbibpsfh", "wrrbibpsfh", "wrrbibpsfh"),
    Cells("F-08", ("delay-request:by=900ms,type=any,count=5",), "wrrbibpsfh", "wrrbibpsfh", "wffffbfffh"),
    Cells("F-08", ("delay-reply:by=3s,type=any,count=5",), "wrrbibpsfh", "wrrbibpsfh", "wffffbfffh"),
    Cells("F-09", ("reorder:type=any,count=1", "stop"), "wfffffffsw", "wssssssssw", "wssssssssw"),
    Cells(
        "F-10 F-12",
        ("corrupt-request:byte=5,mask=4,type=any,count=5",),
        "wrrbibpsfh",
        "wrfffbfffh",
        "wffffbfffh",
    ),
    Cells(
        "F-11", ("corrupt-reply:byte=3,mask=16,type=any,count=5",), "wrrbibpsfh", "wrrbibpsfh", "wffffbfffh"
    ),
    Cells("F-13", ("truncate-request:keep=5,type=any,count=5",), "wrrbibpsfh", "wrrbibpsfh", "wffffffffh"),
    Cells("F-13", ("truncate-reply:keep=3,type=any,count=5",), "wrrbibpsfh", "wrrbibpsfh", "wffffbfffh"),
    Cells("F-14", ("garbage:hex=7e01ff02413e11,times=400",), "wrrbibpsfh", "wrrbibpsfh", "wrrbibpsfh"),
    Cells("F-15", ("status-stuck:for=15min",), "wfrbibpsfh", "warfffpsfh", "wuffffpsfh"),
    Cells("F-16", ("replay-reply:back=40,type=status,count=2",), "wrrbibpsfh", "wrfbibpsfh", "----------"),
    Cells("F-18", ("silence:for=10min",), "warbiupsfh", "wffffffffh", "wffffffffh"),
    Cells("F-21", ("power-loss",), "wrrrrrpsfh", "wrrrrrpsfh", "wrrrrrpsfh"),
    Cells("F-21 F-68", ("power-loss:for=10min",), "waaaaupsfw", "wffffffffh", "wffffffffh"),
    Cells("F-22", ("resume-after-reset",), "--rrrr---h", "--rrru---h", "--rbib---h", TURNS),
    Cells("F-23", ("power-loss:then_nl_per_h=90000",), "wrrrrrpsfh", "wrrrrupsfw", "wfffffpsfw"),
    Cells("F-24", ("counter-reset:value_nl=0",), "wrrbibpsfh", "wrrbibpsfh", "wrrbibpsfh"),
    Cells("F-26", ("counter-stuck:for=30min",), "--rbib---h", "--rbib---h", "--rbib---h", TURNS),
    Cells("F-27", ("stall",), "--ffff---w", "--ffff---w", "--ffff---w", TURNS),
    Cells("F-27 F-28", ("stall:silent=1,for=40min",), "--rbib---h", "--rfff---h", "--ffff---h", TURNS),
    Cells("F-29", ("runaway:factor=10,for=5min",), "--rbif---h", "--ffff---w", "--ffff---w", TURNS),
    Cells("F-29", ("over-infusion:gain_ppm=1145000",), "--rbib---h", "--rbib---h", "--rbib---h", TURNS),
    Cells("F-30", ("stop-ignored:reply=honest", "stop"), "--ffff---h", "--ffff---h", "--ffff---h", TURNS),
    Cells("F-30", ("stop-ignored:reply=silent,count=3", "stop"), "wfffffffsw", "wfffffffsw", "wfffffffsw"),
    Cells("F-31", ("free-flow:nl_per_h=200000,for=5min",), "wrrbibpsfh", "wrrbibpsfh", "wrrbibpsfh"),
    Cells("F-33 F-34", ("occlusion:for=20min",), "--rbib---h", "--rbib---h", "--rbib---h", TURNS),
    Cells("F-35", ("empty:left_nl=2000",), "--rbib---h", "--rfff---h", "--rfff---h", TURNS),
    Cells("F-42", ("wall -1h",), "wrrbibpsfh", "wrrbibpsfh", "wrrbibpsfh"),
    Cells("F-43", ("wall 24h",), "wrrbibpsfh", "wrrbibpsfh", "wrrbibpsfh"),
    Cells("F-44", ("freeze 40min",), "wrrrrrpsfh", "wrfffrpsfh", "wrrrrrpsfh"),
    Cells("F-46", ("reboot 10min",), "wwwwwwwwwh", "wwwwwwwwwh", "wwwwwwwwwh"),
    Cells("F-47", ("clock-drift:ppm=20000",), "wrrbibpsfh", "wrrbfbpsfh", "wrffffpsfw"),
    Cells("F-48 F-60", ("restart 70s",), "wwwwwwwwwh", "wwwwwwwwwh", "wwwwwwwwwh"),
    Cells("F-51", ("disk full",), "wfrbifpsfh", "wffbifpsfh", "wfffifpsfh"),
    Cells("F-56 F-57", ("press press press press",), "wrrbibpsfh", "wrrbibpsfh", "wrrbibpsfh"),
    Cells("F-63", ("lose-reply:type=stop,count=1", "stop"), "wfffffffsw", "wssssssssw", "wssssssssw"),
    Cells("F-64", ("stop",), "wssssssssw", "wssssssssw", "wssssssssw"),
    Cells("F-65", ("stop resume",), "---rr-----", "---rr-----", "---rr-----", DOSES),
    Cells("F-68", ("battery-dead",), "wffffffffw", "----------", "----------"),
)

# Faults that are none of a simulated pump, of its wire or of what stands beside it: they are done to the host, to its
# files or to the guard, or are what people and callers do; each with where it happens in the tests.
NOT_OF_THE_SIMULATOR: Final = {
    "F-04": "the driver declares it: tests/contract/test_driver_contract.py; the copy itself is duplicate-request",
    "F-19": "another pump on the line: tests/unit/test_harvard_connect.py",
    "F-20": "two processes on one port: tests/wire/test_link_pty.py",
    "F-32": "a pump is never told to draw, and one that says it does is stopped: tests/unit/test_new_era_driver.py",
    "F-36": "a person's refill against what should be left: tests/unit/test_refill.py",
    "F-37": "a label that is wrong: tests/unit/test_refill.py; software cannot see it, docs/safety/hazards.md",
    "F-38": "a value in the wrong unit: tests/unit/test_units.py",
    "F-39": "a value that is no number: tests/safety/test_rule_malformed.py",
    "F-40": "a volume between two pump steps: tests/unit/test_totals.py",
    "F-41": "a million small doses: tests/unit/test_totals.py",
    "F-42": "the host's wall clock: states below",
    "F-43": "the host's wall clock: states below",
    "F-44": "the host stands still: states below",
    "F-45": "civil time, which no pump knows: tests/unit/test_schedule.py",
    "F-46": "the host boots anew: states below",
    "F-48": "the process dies: states below, tests/faults/test_kill_every_exchange.py",
    "F-49": "a file: tests/unit/test_journal_damage.py",
    "F-50": "a file: tests/unit/test_journal_damage.py",
    "F-51": "a disk: states below, tests/unit/test_journal_disk.py",
    "F-52": "a disk: tests/unit/test_journal_disk.py",
    "F-53": "a file: tests/properties/test_journal_chain.py",
    "F-54": "a file: tests/unit/test_journal_damage.py",
    "F-55": "a file: tests/safety/test_rule_limits.py",
    "F-56": "a person's finger: states below",
    "F-57": "a person's finger: states below",
    "F-58": "a person acknowledges: tests/safety/test_alarms.py",
    "F-59": "two alarms: tests/safety/test_alarms.py",
    "F-60": "the process hangs: states below (it dies, or stands still)",
    "F-61": "a caller behind the guard's back: tests/safety/test_guard.py",
    "F-62": "two callers: tests/safety/test_rule_duplicate.py",
    "F-64": "a person stops at that very moment: states below",
    "F-65": "a person stops and resumes: states below",
    "F-66": "a person loads a plan: tests/unit/test_load.py",
    "F-67": "an alarm between approval and dispatch: tests/safety/test_guard.py",
    "F-69": "all of them for 30 days: tests/properties/test_thirty_days.py",
    "F-70": "a window's edge: tests/properties/test_history_oracle.py",
}
