"""Every test of real processes has its own runtime directory: short, as the name of a socket has to be."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def runtime() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pc") as name:
        yield Path(name)
