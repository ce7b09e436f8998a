"""A plan tried out: thirty days on a simulated pump, in a process of its own.

Layer      web; starts ``pump-ctrl simulate`` and reads what it prints, so that the page stays alive whatever it does.
Hazard     a page that stands still while something is worked out; a result of another plan.
Invariant  one at a time; a result is kept under the hashes of the plan, the plan in force and the formulary that it
           is of, and is shown for no others; a process that does not end is ended.
Tests      tests/unit/web/test_trial.py
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pump_ctrl.clinic import Reviewed
from pump_ctrl.errors import NotAllowed
from pump_ctrl.therapy.plan_write import plan_text

DAYS: Final = 30
LONGEST_S: Final = 120.0  # of a wall clock; the longest worked plan takes 4 s
KEPT: Final = 8  # results, each of some 30 kB
PROGRAM: Final = (sys.executable, "-m", "pump_ctrl.cli.main")
_LONGEST_WORDS: Final = 2_000  # characters of what a process said that failed


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: the document of ``pump-ctrl simulate --json`` and its drawing, or why there is none."""

    result: Mapping[str, Any] | None
    drawing: str
    failed: str


class Trials:
    """Simulations for the page. The last results stay in memory and are gone with the process.

    Args:
        program: the command line program with its first words.
        longest_s: when a simulation is ended that does not end, seconds.
    """

    def __init__(self, program: Sequence[str] = PROGRAM, longest_s: float = LONGEST_S) -> None:
        self._program, self._longest_s = program, longest_s
        self._kept: OrderedDict[tuple[str, ...], Trial] = OrderedDict()
        self._busy = False

    def last(self, given: Reviewed) -> Trial | None:
        """What came of exactly this plan, if it was tried out."""
        return self._kept.get(_key(given))

    async def run(self, given: Reviewed, formulary: Path | None) -> Trial:
        """Try a plan out, and keep what comes of it. ``formulary`` is a file instead of the package's.

        Raises:
            NotAllowed: another simulation runs.
        """
        if self._busy:
            raise NotAllowed(
                "Not simulated: another simulation runs, and one runs at a time.",
                code="simulation-runs",
                do_now="Wait a few seconds, and press the button again.",
            )
        self._busy = True
        try:
            with tempfile.TemporaryDirectory(prefix="pump-ctrl-") as room:
                trial = await self._run(Path(room), given, formulary)
        finally:
            self._busy = False
        self._kept[_key(given)] = trial
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return trial

    async def _run(self, room: Path, given: Reviewed, formulary: Path | None) -> Trial:
        process = await asyncio.create_subprocess_exec(
            *self._program, "simulate", *_words(room, given, formulary), cwd=room,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            out, said = await asyncio.wait_for(process.communicate(), self._longest_s)
        except TimeoutError:
            return Trial(None, "", f"The simulation took longer than {self._longest_s:g} s, and was ended.")
        finally:  # also when nobody waits for it any more
            if process.returncode is None:
                process.kill()
                await process.wait()
        return _result(room, out) or Trial(None, "", _why(room, said, process.returncode))


def _key(given: Reviewed) -> tuple[str, ...]:
    previous = given.previous.sha256 if given.previous is not None else ""
    return given.plan.sha256, previous, given.formulary.sha256, given.profile.sha256


def _words(room: Path, given: Reviewed, formulary: Path | None) -> list[str]:
    (room / "plan.toml").write_text(plan_text(given.plan), encoding="utf-8")
    words = [str(room / "plan.toml"), "--for", f"{DAYS} d", "--json", "--plot", str(room / "plot.svg")]
    if given.previous is not None:
        (room / "previous.toml").write_text(plan_text(given.previous), encoding="utf-8")
        words += ["--previous", str(room / "previous.toml")]
    if formulary is not None:
        words += ["--formulary", str(formulary.resolve())]
    return words


def _result(room: Path, out: bytes) -> Trial | None:
    drawing = room / "plot.svg"
    if not out or not drawing.exists():
        return None
    try:
        return Trial(json.loads(out), drawing.read_text(encoding="utf-8"), "")
    except ValueError:
        return None


def _why(room: Path, said: bytes, code: int | None) -> str:
    """What a process said that has no result, without the names of files that nobody has seen."""
    words = said.decode("utf-8", "replace").replace(f"{room}/", "").strip()[-_LONGEST_WORDS:]
    if not words or "Traceback" in words:
        return f"The simulation ended without a result (exit code {code}). The plan was not tried out."
    return words
