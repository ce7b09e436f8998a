"""The tests that another project is told to paste run as they stand, in a project that has nothing of ours."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "how-to" / "test-your-client.md"
PYTHON: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXTS: Final = tuple(PYTHON.findall(PAGE.read_text(encoding="utf-8")))


def run(project: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run a test file in a project of its own, with this package on its path as if it were installed."""
    (project / "test_client.py").write_text(text, encoding="utf-8")
    (project / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "pump_ctrl.pytest_plugin",
        "-p",
        "no:cacheprovider",
        ".",
    ]
    return subprocess.run(
        command,
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )


def test_the_page_has_an_example_that_is_short() -> None:
    body = [line for line in TEXTS[0].splitlines() if line and not line.startswith("import")]
    assert len(body) <= 15


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_an_example_of_the_page_passes_as_it_stands(number: int, tmp_path: Path) -> None:
    done = run(tmp_path, TEXTS[number])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_an_example_fails_where_the_pump_does_not_stall(tmp_path: Path) -> None:
    done = run(tmp_path, TEXTS[0].replace("stall@30s", "stall@90s"))
    assert done.returncode == 1
    assert "1 failed" in done.stdout
