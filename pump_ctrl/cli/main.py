"""``pump-ctrl``: the table of commands and the entry point.

Layer      cli. Prints and sets exit codes; decides nothing.
Exit       0 done, 1 the output cannot be written, 2 usage, 3 refused or invalid input, 4 pump or link failure,
           5 journal or safety fault.
Tests      tests/unit/test_cli.py
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import click

from pump_ctrl import __version__
from pump_ctrl.cli.lazy import NO_OUTPUT, NOTICE, LazyGroup, of_output, without_output

TABLE: Final = {
    "plan": ("pump_ctrl.cli.plan:plan", "Check, show, compare and sign dosing plans."),
    "simulate": ("pump_ctrl.cli.simulate:simulate", "Run a plan on a simulated pump, days in seconds."),
    "run": ("pump_ctrl.cli.run:run", "Carry out a signed plan on a pump, in real time."),
    "status": ("pump_ctrl.cli.ask:status", "Say how a running controller and its pump are."),
    "bolus": ("pump_ctrl.cli.ask:bolus", "Ask for a patient bolus, as the patient's key does."),
    "prime": ("pump_ctrl.cli.ask:prime", "Ask for the plan's prime."),
    "pause": ("pump_ctrl.cli.ask:pause", "Stop the pump until resume."),
    "resume": ("pump_ctrl.cli.ask:resume", "Go on after a pause, a stop or a restart."),
    "stop": ("pump_ctrl.cli.ask:stop", "Stop the pump now."),
    "ack": ("pump_ctrl.cli.ask:ack", "Say that the alarms were seen."),
    "refill": ("pump_ctrl.cli.ask:refill", "Say what was found in the reservoir, and that it was filled."),
    "resolve": ("pump_ctrl.cli.ask:resolve", "Vouch for what the pump cannot tell."),
    "load": ("pump_ctrl.cli.ask:load", "Put another signed plan in force."),
    "watch": ("pump_ctrl.cli.ask:watch", "Read along what a running controller records."),
    "ports": ("pump_ctrl.cli.ports:ports", "List the serial ports that are plugged in."),
    "syringe": (
        "pump_ctrl.cli.syringe:syringe",
        "Tell a syringe pump that stands still which syringe is in it.",
    ),
    "formulary": ("pump_ctrl.cli.library:formulary", "Show the drug library: limits and their sources."),
    "pumps": ("pump_ctrl.cli.library:pumps", "List the pump profiles: ranges, steps and their sources."),
    "web": ("pump_ctrl.cli.web:web", "Serve the clinician's page."),
    "user": ("pump_ctrl.cli.web:user", "Make, list and disable the page's accounts."),
    "journal": ("pump_ctrl.cli.journal:journal", "Read, verify and export a journal."),
}


@click.group(
    cls=LazyGroup,
    table=TABLE,
    epilog="Exit status: 0 done, 1 the output cannot be written, 2 usage, 3 refused or invalid input, "
    "4 pump or link failure, 5 journal or safety fault.",
)
@click.version_option(__version__, prog_name="pump-ctrl", message=f"%(prog)s %(version)s. {NOTICE}")
def cli() -> None:
    """A dosing controller for intrathecal infusion pumps, with a simulated pump to try it on."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on ``arguments`` (``sys.argv`` when None) and return the exit status."""
    try:
        cli.main(args=None if arguments is None else list(arguments), prog_name="pump-ctrl")
    except OSError as error:  # the first page of help is written before any command is invoked
        if not of_output(error):
            raise
        click.echo(without_output(error), err=True)
        return NO_OUTPUT
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
