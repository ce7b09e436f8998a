"""``pump-ctrl run``: carry out a signed plan on a pump in real time.

Layer      cli. Prints and sets exit codes; what it prints is what the controller recorded.
Hazard     a person at three in the morning who does not understand what the pump has done or what to type.
Tests      tests/system/test_run.py, tests/unit/test_cli_run.py, tests/unit/test_cli_restart.py
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from pump_ctrl.cli.files import FORMULARY, OWN_PUMP, own_pump_of
from pump_ctrl.cli.lazy import NOTICE, PUMP_STATE, Command
from pump_ctrl.cli.options import PLAN_FILE
from pump_ctrl.cli.printer import Printer
from pump_ctrl.cli.run_text import Lines, Times, changed_lines, found_lines, parting_lines, summary_lines
from pump_ctrl.cli.second_text import risk_lines
from pump_ctrl.cli.start_text import start_lines
from pump_ctrl.journal import Record
from pump_ctrl.live.order import Order
from pump_ctrl.live.session import Live
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.units import Duration

_RUNS_ON = (
    "What the pump was told last goes on to its own end; pump-ctrl run with the same journal takes it up."
)
_ONCE = frozenset({"confirm", "given", "length"})  # options that a journal takes once, or a run
_SECOND_THOUGHT_MS = 5_000  # after Ctrl-C left the pump running, another one within this time stops it


@click.command("run", cls=Command, short_help="Carry out a signed plan on a pump, in real time.")
@click.argument("plan_file", metavar="PLAN", type=PLAN_FILE)
@click.option(
    "--port", required=True, metavar="URL", help="Device, pyserial URL, or sim: for a simulated pump."
)
@click.option("--journal", "journal", required=True, type=click.Path(path_type=Path), metavar="FILE",
              help="Where everything is recorded; a new file, or that of this pump so far.")  # fmt: skip
@OWN_PUMP
@click.option("--previous", multiple=True, type=PLAN_FILE, metavar="PLAN", help="An earlier plan's file; may be "
              "repeated.")  # fmt: skip
@FORMULARY
@click.option(
    "--address", type=click.IntRange(0, 99), default=0, help="The pump's number on its line (syringe pumps)."
)
@click.option("--baud", type=click.IntRange(300, 921_600), help="Speed of a serial line in bit/s, if it is not the "
              "factory's (New Era 19200, Harvard 115200).")  # fmt: skip
@click.option(
    "--balance", metavar="URL", help="Port of a balance under the line's end, or sim: beside --port sim:"
)
@click.option(
    "--balance-type", metavar="NAME|FILE", default="mt-sics", show_default=True, help="Which balance."
)
@click.option("--power-cut", metavar="URL", help="Port of a relay that takes the pump's power away, or sim:")
@click.option("--power-cut-type", metavar="NAME|FILE", default="lcus-1", show_default=True,
              help="Which relay: lcus-1, lcus-1-no, or a file.")  # fmt: skip
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
    balance: str | None,
    balance_type: str,
    power_cut: str | None,
    power_cut_type: str,
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
    profile = own_pump_of(plan_file, load_plan(plan_file), pump)
    order = Order(
        plan=plan_file,
        port=port,
        journal=journal,
        formulary=load_formulary(formulary),
        profile=profile,
        previous=previous,
        address=address,
        baud=baud,
        balance=balance,
        balance_type=balance_type,
        power_cut=power_cut,
        power_cut_type=power_cut_type,
    )
    printer = Printer(sys.stdout)
    printer.say([NOTICE])
    with Live(order, notice=lambda text: printer.say([text])) as live:
        ctx.meta[PUMP_STATE] = _RUNS_ON
        _Evening(live, printer).go(confirm, given, for_ms)
        printer.say([f"Go on with: {again(ctx, live.plan_file)}"])
    printer.flush()


def again(ctx: click.Context, plan_file: Path) -> str:
    """The command that takes this run up: all that was typed, but for what belongs to one start only."""
    words = ["pump-ctrl", "run", str(plan_file)]
    for option in ctx.command.params:
        name = option.name or ""
        typed = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if not isinstance(option, click.Option) or not typed or name in _ONCE:
            continue
        values = ctx.params[name] if option.multiple else [ctx.params[name]]
        words += [word for value in values for word in (option.opts[0], str(value))]
    return shlex.join(words)


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
        self._code: str | None = None  # of the words that were printed last for a person to confirm

    def go(self, confirm: str | None, given: str | None, for_ms: int | None) -> None:
        """Start, go on, end."""
        live, say = self._live, self._printer.say
        prescription, now = live.signed.prescription, live.clock.utc_ms()
        say(start_lines(live.plan, live.profile, prescription, live.order.port, now))
        if live.speed > 1:
            say([f"A trial on a simulated pump: time runs {live.speed} times as fast."])
        say(risk_lines(live.status()["witness"]))
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
        say(["", *parting_lines(parting, live.plan)])
        if live.trial is not None:
            say(["It was a trial: the simulated pump is taken away with this process."])
        say(summary_lines(live.status(), live.plan))

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
        self._code = self._found()
        say(["", *found_lines(live.status(), live.plan, live.order.journal)])

    def _found(self) -> str | None:
        """The code of what a person has to confirm; None where nobody has to."""
        return self._live.runner.guard.reconciliation().code if self._live.waiting else None

    def _said(self, records: list[Record]) -> None:
        self._printer.say(line for record in records for line in self._lines.of(record))
        code = None if self._code is None else self._found()
        if code not in (None, self._code):
            self._printer.say(changed_lines(self._live.status(), self._live.order.journal))
        self._code = code
