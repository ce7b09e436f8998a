"""``pump-ctrl run``: carry out a signed plan on a pump in real time.

Layer      cli. Prints and sets exit codes; what it prints is what the controller recorded.
Hazard     a person at three in the morning who does not understand what the pump has done or what to type.
Tests      tests/system/test_run.py, tests/unit/test_cli_run.py
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from pump_ctrl.cli.files import FORMULARY, open_profile
from pump_ctrl.cli.lazy import NOTICE, PUMP_STATE, Command
from pump_ctrl.cli.options import PLAN_FILE
from pump_ctrl.cli.printer import Printer
from pump_ctrl.cli.run_text import Lines, Times, found_lines, parting_lines, start_lines, summary_lines
from pump_ctrl.errors import PumpCtrlError
from pump_ctrl.journal import Record
from pump_ctrl.live.order import Order
from pump_ctrl.live.session import Live
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.units import Duration

_RUNS_ON = (
    "What the pump was told last goes on to its own end; pump-ctrl run with the same journal takes it up."
)
_SECOND_THOUGHT_MS = 5_000  # after Ctrl-C left the pump running, another one within this time stops it


@click.command("run", cls=Command, short_help="Carry out a signed plan on a pump, in real time.")
@click.argument("plan_file", metavar="PLAN", type=PLAN_FILE)
@click.option(
    "--port", required=True, metavar="URL", help="Device, pyserial URL, or sim: for a simulated pump."
)
@click.option("--journal", "journal", required=True, type=click.Path(path_type=Path), metavar="FILE",
              help="Where everything is recorded; a new file, or that of this pump so far.")  # fmt: skip
@click.option("--pump", metavar="NAME|FILE", help="Profile of the pump, if it is not one of the package.")
@click.option("--previous", multiple=True, type=PLAN_FILE, metavar="PLAN", help="An earlier plan's file; may be "
              "repeated.")  # fmt: skip
@FORMULARY
@click.option(
    "--address", type=click.IntRange(0, 99), default=0, help="The pump's number on its line (syringe pumps)."
)
@click.option("--baud", type=click.IntRange(300, 921_600), help="Speed of a serial line in bit/s, if it is not the "
              "factory's (New Era 19200, Harvard 115200).")  # fmt: skip
@click.option("--confirm", metavar="NAME", help="New journal: who confirms what was given before.")
@click.option("--given", metavar="none|DOSE", help="New journal: what was given in the last 24 h.")
@click.option("--for", "length", metavar="TIME", help="End after this time, as by Ctrl-C.")
@click.pass_context
def run(
    ctx: click.Context,
    plan_file: Path,
    port: str,
    journal: Path,
    pump: str | None,
    previous: tuple[Path, ...],
    formulary: Path | None,
    address: int,
    baud: int | None,
    confirm: str | None,
    given: str | None,
    length: str | None,
) -> None:
    """Carry out PLAN on the pump at URL until Ctrl-C.

    PLAN needs its approval (pump-ctrl plan approve). In another terminal: pump-ctrl status, bolus, pause, resume,
    stop, and the others. A journal that was used before waits for a person to confirm what was given.

    Ctrl-C ends: it stops the pump, or leaves the bounded hold where the plan says so, and says which.
    """
    _check_first(journal, confirm, given)
    for_ms = None if length is None else Duration.parse(length).ms
    profile = open_profile(pump) if pump else None
    order = Order(plan_file, port, journal, load_formulary(formulary), profile, previous, address, baud)
    printer = Printer(sys.stdout)
    printer.say([NOTICE])
    with Live(order, notice=lambda text: printer.say([text])) as live:
        ctx.meta[PUMP_STATE] = _RUNS_ON
        _Evening(live, printer).go(confirm, given, for_ms)
    printer.flush()


def _check_first(journal: Path, confirm: str | None, given: str | None) -> None:
    if (confirm is None) is not (given is None):
        raise click.UsageError("--confirm NAME and --given none|DOSE belong together.")
    if not journal.exists() and confirm is None:
        raise click.UsageError(
            f"{journal} is a new journal: say what was given in the last 24 h, with your name: "
            "--confirm NAME --given none (or --given '340 ug')."
        )


class _Evening:
    """One run from its first line to its last."""

    def __init__(self, live: Live, printer: Printer) -> None:
        self._live, self._printer = live, printer
        self._lines = Lines(Times(live.plan.utc_offset_ms))

    def go(self, confirm: str | None, given: str | None, for_ms: int | None) -> None:
        """Start, go on, end."""
        live, say = self._live, self._printer.say
        say(start_lines(live.plan, live.profile, live.order.port, live.speed, live.clock.utc_ms()))
        live.start()
        self._confirm(confirm, given)
        live.run(for_ms, self._said)
        parting = live.leave()
        if parting.how in ("hold", "left", "unsettled") and live.signals.last == "SIGINT":
            say(
                [
                    "",
                    *parting_lines(parting, live.plan),
                    "Press Ctrl-C once more within 5 s to stop the pump instead.",
                ]
            )
            parting = live.second_thought(_SECOND_THOUGHT_MS) or parting
        live.pass_on(self._said)
        say(["", *parting_lines(parting, live.plan), *summary_lines(live.status(), live.plan)])
        say([f"Go on with: {self._again()}"])

    def _confirm(self, confirm: str | None, given: str | None) -> None:
        live, say = self._live, self._printer.say
        new = not live.runner.guard.confirmed
        if new and (confirm is None or given is None):
            raise click.UsageError(
                "Nobody has confirmed this journal yet: add --confirm NAME --given none (or --given DOSE)."
            )
        if not new and confirm is not None:
            raise click.UsageError(
                "--confirm and --given are for a new journal. Start without them, read what is found, then: "
                "pump-ctrl resume --confirm NAME CODE"
            )
        if new and confirm is not None and given is not None:
            live.confirm_first(confirm, given)
        live.pass_on(self._said)
        say(["", *found_lines(live.status(), live.plan, live.order.journal)])

    def _said(self, records: list[Record]) -> None:
        self._printer.say(line for record in records for line in self._lines.of(record))

    def _again(self) -> str:
        order = self._live.order
        words = ["pump-ctrl", "run", str(order.plan), "--port", order.port, "--journal", str(order.journal)]
        return shlex.join(words)


def ended_badly(error: PumpCtrlError) -> str:
    """The last words of a run that an error ended."""
    return f"{error} {_RUNS_ON}"
