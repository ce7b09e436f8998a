"""``pump-ctrl ports``: what is plugged in.

Layer      cli.
Tests      tests/unit/test_cli_run.py
"""

from __future__ import annotations

import click

from pump_ctrl.cli.lazy import Command
from pump_ctrl.cli.options import AS_JSON
from pump_ctrl.cli.text import say, say_json, table


@click.command("ports", cls=Command)
@AS_JSON
def ports(as_json: bool) -> None:
    """List the serial ports that are plugged in: device, what it is, serial number."""
    from serial.tools import list_ports  # noqa: PLC0415 - pyserial only where it is used

    found = sorted(list_ports.comports(), key=lambda port: port.device)
    rows = [(port.device, port.description or "-", port.serial_number or "-") for port in found]
    if as_json:
        keys = ("device", "description", "serial_number")
        say_json(
            {"schema": "pump-ctrl/ports/1", "ports": [dict(zip(keys, row, strict=True)) for row in rows]}
        )
    elif rows:
        say(table(("device", "description", "serial number"), rows, left=3))
    else:
        say(["No serial port is plugged in. A simulated pump needs none: pump-ctrl run PLAN --port sim: ..."])
