"""``pump-ctrl syringe``: tell a syringe pump its syringe.

Layer      cli.
Exit       3 where the pump runs or takes none, 4 where it does not answer.
Tests      tests/unit/test_live_syringe.py
"""

from __future__ import annotations

import click

from pump_ctrl.cli.files import open_profile
from pump_ctrl.cli.lazy import PUMP_STATE, Command
from pump_ctrl.cli.options import AS_JSON
from pump_ctrl.cli.text import say, say_json
from pump_ctrl.clock import SystemClock
from pump_ctrl.drivers.registry import usual_baud
from pump_ctrl.live.order import open_port
from pump_ctrl.live.syringe import mm, syringe_of, tell


@click.command("syringe", cls=Command, short_help="Tell a syringe pump which syringe is in it.")
@click.option("--port", required=True, metavar="URL", help="Device or pyserial URL of the pump.")
@click.option(
    "--pump", required=True, metavar="NAME|FILE", help="The profile with the syringe that is in it."
)
@click.option("--address", type=click.IntRange(0, 99), default=0, help="The pump's number on its line.")
@click.option("--baud", type=click.IntRange(300, 921_600), help="Speed of the line in bit/s, if it is not the "
              "factory's.")  # fmt: skip
@AS_JSON
@click.pass_context
def syringe(ctx: click.Context, port: str, pump: str, address: int, baud: int | None, as_json: bool) -> None:
    """Set the diameter in a pump that stands still to that of the profile's syringe, and read it back.

    For a person who has looked which syringe is in the pump. A pump that runs, or that a controller holds, is not told
    anything. The pump's own counter begins anew.
    """
    profile = open_profile(pump)
    title, diameter = syringe_of(profile).title, mm(syringe_of(profile).diameter_um)
    link = open_port(port, SystemClock(), baud or usual_baud(profile.protocol))
    ctx.meta[PUMP_STATE] = "The pump gives nothing; look at the diameter that it shows."
    try:
        told = tell(profile, link, address)
    finally:
        link.close()
    if as_json:
        found = {
            "pump": {"model": told.pump.model, "firmware": told.pump.firmware},
            "changed": bool(told.before),
        }
        say_json({"schema": "pump-ctrl/syringe/1", **found, "profile": profile.name, "diameter": diameter})
    elif told.before:
        say(
            [
                told.before,
                f"{told.pump.model} is now set to {title}, {diameter}; it reads so. Nothing was given.",
            ]
        )
    else:
        say([f"{told.pump.model} was set to {title}, {diameter}, already. Nothing was changed."])
