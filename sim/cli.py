"""`pump-sim`: what the simulated pump can do, from the command line.

Layer      sim, top. Prints and sets exit codes; decides nothing.
Tests      tests/unit/sim/test_cli.py
"""

from collections.abc import Iterable

import click

from sim.fault_registry import FAULTS, WHICH, Kind, Param

NOTICE = "Bench and research software: not a medical device, not for use on people."


@click.group(help=f"Simulated pumps for bench and test.\n\n{NOTICE}")
def main() -> None:
    """Entry point of `pump-sim`."""


@main.command("faults")
def show_faults() -> None:
    """List every fault that can be injected, what it does and its parameters.

    A fault is written NAME@TIME:key=value,key=value with times in ms, s, min, h or d, as in
    `stall@3h` or `lose-reply@2d:type=commit,count=2`.
    """
    click.echo("Of messages on the wire, which one is hit:")
    click.echo("\n".join(_rows(WHICH)))
    for kind in FAULTS.values():
        click.echo("\n" + _describe(kind))


def _describe(kind: Kind) -> str:
    own = [param for param in kind.params if param not in WHICH]
    which = ", ".join(param.name for param in kind.params if param in WHICH)
    head = f"{kind.name} ({'pump' if kind.where == 'pump' else 'wire'}; {kind.covers})"
    return "\n".join((head, f"    {kind.does}", *([f"  {which}: as above"] if which else []), *_rows(own)))


def _rows(params: Iterable[Param]) -> list[str]:
    rows = []
    for param in params:
        choices = f" [{'|'.join(param.choices)}]" if param.choices else ""
        rows.append(f"  {param.name}={param.write(param.default)}  {param.does}{choices}")
    return rows


if __name__ == "__main__":
    main()
