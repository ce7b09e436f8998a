"""`pump-sim`: what the simulated pump can do, from the command line.

Layer      sim, top. Prints and sets exit codes; decides nothing.
Tests      tests/unit/sim/test_cli.py
"""

import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import fill as wrap
from typing import Any, Final

import click

from sim.fault_registry import FAULTS, WHICH, Kind, Param
from sim.syringes import syringe_names
from sim.wire.control import Control, tell
from sim.wire.order import Order
from sim.wire.serve import names, numbered
from sim.wire.station import Line, Pump, Station

NOTICE = "Bench and research software: not a medical device, not for use on people."
WIDTH: Final = 80  # columns
_PARAM_COLUMN: Final = 18  # where the text of a parameter begins
_WHERE: Final = {
    "request": "wire, from host to pump",
    "reply": "wire, from pump to host",
    "wire": "wire, both ways",
    "pump": "pump",
    "balance": "balance beside the pump",
    "switch": "switch of the pump's power",
}
_UNITS: Final = {  # by the end of a parameter's name
    "nl_per_h": "nL/h",
    "ug_per_h": "ug/h",
    "_ug": "ug",
    "_nl": "nL",
    "ppm": "ppm",
    "percent": "%",
}
_HEAD: Final = (
    "A fault is written NAME@TIME:key=value,key=value, as in stall@3h or "
    "lose-reply@2d:type=commit,count=2. Each parameter stands here with its default and its unit. A time is a "
    "whole number and ms, s, min, h or d, or 0.",
    "F-nn is a number in the fault list of the project's safety documentation.",
)


@click.group(help=f"Simulated pumps for bench and test.\n\n{NOTICE}")
def main() -> None:
    """Entry point of `pump-sim`."""


@main.command("faults", short_help="List the faults that can be injected.")
def show_faults() -> None:
    """List the faults that can be injected: where, what, and with which parameters.

    A fault is written NAME@TIME:key=value,key=value with times in ms, s, min, h or d, as in
    stall@3h or lose-reply@2d:type=commit,count=2.

    F-nn is a number in the fault list of the project's safety documentation.
    """
    for text in _HEAD:
        click.echo(_indented(text, "") + "\n")
    click.echo("Of the messages on the wire, which are hit (type, nth and count below):")
    click.echo("\n".join(_rows(WHICH)))
    for kind in FAULTS.values():
        click.echo("\n" + _describe(kind))


def _describe(kind: Kind) -> str:
    own = [param for param in kind.params if param not in WHICH]
    which = ", ".join(param.name for param in kind.params if param in WHICH)
    return "\n".join(
        (
            f"{kind.name} ({_WHERE[kind.where]}; {kind.covers})",
            _indented(kind.does, "    "),
            *([f"  {which}: which messages, see above"] if which else []),
            *_rows(own),
        )
    )


def _rows(params: Iterable[Param]) -> list[str]:
    """A parameter, its default, its unit in brackets, and what it does."""
    rows = []
    for param in params:
        name = f"  {param.name}={param.write(param.default)}"
        text = f"[{_unit(param)}] {param.does}"
        begin = name.ljust(_PARAM_COLUMN) if len(name) < _PARAM_COLUMN else f"{name}\n{'':{_PARAM_COLUMN}}"
        rows.append(begin + _indented(text, " " * _PARAM_COLUMN).lstrip())
    return rows


def _unit(param: Param) -> str:
    if param.choices:
        return " | ".join(param.choices)
    if param.time or param.hex:
        return "time" if param.time else "hex"
    return next((unit for end, unit in _UNITS.items() if param.name.endswith(end)), "number")


def _indented(text: str, indent: str) -> str:
    return wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


_FILE: Final = click.Path(path_type=Path)
_NO = click.IntRange(0, 99)


@main.command("serve", short_help="Let simulated pumps live on serial devices or TCP ports.")
@click.option(
    "--model",
    "models",
    required=True,
    multiple=True,
    metavar="NAME",
    help=f"{', '.join(names())}. Repeat it for several pumps.",
)
@click.option(
    "--link", "links", multiple=True, type=_FILE, metavar="PATH", help="A pseudo-terminal, linked here."
)
@click.option(
    "--tcp", "tcps", multiple=True, metavar="HOST:PORT", help="A TCP port; port 0 takes a free one."
)
@click.option("--bus", is_flag=True, help="All pumps on one line, told apart by their addresses.")
@click.option("--address", "addresses", multiple=True, type=_NO, help="A syringe pump's number on its line.")
@click.option(
    "--syringe", "syringes", multiple=True, metavar="NAME", help=f"In it: {', '.join(syringe_names())}."
)
@click.option("--serial", "serials", multiple=True, metavar="TEXT", help="The pump's serial number.")
@click.option(
    "--fill", "fills", multiple=True, metavar="ML", help="Volume in it, mL; full unless it is given."
)
@click.option("--quirk", "quirks", multiple=True, metavar="NAME=VALUE", help="What documents leave open.")
@click.option("--seed", type=click.IntRange(min=0), help="Repeat what is drawn by lot; else drawn anew.")
@click.option("--speed", default="1", metavar="X", help="Seconds of the pump in a second.")
@click.option(
    "--baud", type=click.IntRange(50, 4_000_000), help="Let bytes take their time, as on a serial line."
)
@click.option(
    "--truth", "truths", multiple=True, type=_FILE, metavar="FILE", help="What truly leaves it: JSON lines."
)
@click.option("--control", type=_FILE, metavar="SOCKET", help="Where faults are injected.")
@click.option(
    "--fault", "faults", multiple=True, metavar="FAULT", help="[N/]NAME@TIME:key=value,...; N: which pump."
)
@click.option(
    "--balance", "balances", multiple=True, metavar="PATH|HOST:PORT", help="A balance that its line ends on."
)
@click.option(
    "--balance-quirk",
    "balance_quirks",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the balances are like; a wrong name lists what there is.",
)
@click.option(
    "--power-switch",
    "power_switches",
    multiple=True,
    metavar="PATH|HOST:PORT",
    help="A relay board that switches its mains.",
)
@click.option(
    "--power-switch-quirk",
    "power_switch_quirks",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the relay boards answer.",
)
@click.option("--tied", is_flag=True, help="End when standard input does.")
def serve(control: Path | None, tied: bool, **options: Any) -> None:  # noqa: ANN401 - they are Order's
    """Serve simulated pumps in real time until told to end (Ctrl-C).

    Prints `ready DEVICE-OR-URL` for each port when any client of the pump's protocol can open it, then `ready balance
    DEVICE-OR-URL` and `ready power-switch DEVICE-OR-URL` for what stands beside. A pump stays when a client goes; it
    ends with this process. Options that are given several times belong to the pumps in their order.
    """
    try:
        order = Order(**options)
        pumps, pace = order.pumps(), order.pace
        lines = order.lines(pumps)
        door = None if control is None else _door(control, pumps, lines)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        click.echo(f"Not served: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
        raise SystemExit(4) from None
    station = Station(lines, control=door, speed=pace, until=0 if tied else None)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: station.end())
    for line in lines:
        if line.port.name:
            click.echo(" ".join(filter(None, ("ready", line.called, line.port.name))))
    station.run()


def _door(path: Path, pumps: Sequence[Pump], lines: Sequence[Line]) -> Control:
    def inject(text: str) -> None:
        at, fault = numbered(text, len(pumps))
        pumps[at].inject(fault)

    try:
        return Control(path, inject)
    except OSError:
        for line in lines:
            line.port.close()
        raise


@main.command("inject", short_help="Make something go wrong in a pump that is served.")
@click.option(
    "--control", required=True, type=click.Path(path_type=Path), metavar="SOCKET", help="As given to serve."
)
@click.argument("fault", metavar="FAULT")
def inject(control: Path, fault: str) -> None:
    """Make FAULT happen now, or at its time, in the pump that is served with that control socket.

    Where several are served: N/FAULT, N being the number of the pump in the order of the models.
    """
    try:
        answer = tell(control, fault)
    except OSError as error:
        click.echo(f"Nobody answers at {control}: {error.strerror or error}.", err=True)
        raise SystemExit(4) from None
    click.echo(answer, err=answer != "ok")
    if answer != "ok":
        raise SystemExit(3)


if __name__ == "__main__":
    main()
