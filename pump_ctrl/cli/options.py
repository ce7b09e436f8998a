"""Options that commands share and that need nothing else of ours.

Layer      cli.
Tests      tests/unit/test_cli.py
"""

from __future__ import annotations

from pathlib import Path

import click

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
PLAN_FILE = click.Path(path_type=Path)  # the reader of plans says what is wrong with a path, exit 3
