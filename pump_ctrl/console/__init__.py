"""The console: a local socket by which others ask a running controller, read its status and stop it.

Layer      beside the controller and the journal; imports the kernel only. One of the runner's inputs.
Hazard     F-56, F-57, F-62: a request carried out twice or by a stranger, a client that holds up the loop.
Invariant  no call waits for a client; lines, clients and bytes that wait are bounded; what is no request is
           answered with an error; only the same user is heard.
Tests      tests/unit/test_console.py, tests/system/test_run.py

One JSON object a line, both ways. A request is ``{"id": "...", "do": "status", ...}``; its answer carries the same
``id``, ``exit`` (the exit status of the command line) and ``text``. After ``watch`` come lines with ``record``.
"""

from __future__ import annotations

from pump_ctrl.console.client import Connection, running
from pump_ctrl.console.place import socket_path
from pump_ctrl.console.server import ConsoleServer, Heard

__all__ = ["Connection", "ConsoleServer", "Heard", "running", "socket_path"]
