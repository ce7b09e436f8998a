"""The way of docs/tutorial-clinician.md, walked in a real browser; its pictures are taken on the way.

``PUMP_CTRL_PICTURES=1`` puts them into docs/images.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page

from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.entry.draft import fields_of
from tests.web.kit import ROOT, log_in, sign, write_plan

PICTURES: Final = ("web-infusion", "web-finish", "web-signed", "web-pump")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return ROOT / "docs" / "images" if os.environ.get("PUMP_CTRL_PICTURES") else tmp_path


def take(page: Page, pictures: Path, name: str) -> None:
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=pictures / f"{name}.png")
    assert (pictures / f"{name}.png").stat().st_size < 250_000


@contextmanager
def controller(plan: Path, room: Path, runtime: Path) -> Iterator[None]:
    """A real controller on a simulated pump, in a process of its own."""
    command = [sys.executable, "-m", "pump_ctrl.cli.main", "run", str(plan), "--port", "sim:", "--journal",
               str(room / "run.jsonl"), "--confirm", "Ann", "--given", "none"]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(runtime)}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


def from_now() -> dict[str, str]:
    """Worked plan A, typed with a start at this minute: a real controller is to carry it out."""
    now = datetime.now(UTC)
    plan = fields_of(load_plan(ROOT / "examples" / "a-flex-night-bolus.toml"))
    start = {"day": str(now.day), "month": f"{now:%m}", "year": str(now.year), "time": f"{now:%H:%M}"}
    return {**plan, "utc_offset": "+00:00", **{f"start~{part}": text for part, text in start.items()}}


def test_the_way_of_the_tutorial_can_be_walked(
    page: Page, at: str, place: Path, runtime: Path, pictures: Path, tmp_path: Path
) -> None:
    log_in(page, at, "ann")
    finish = write_plan(page, at, from_now())
    page.goto(finish.replace("/finish", "/infusion"))
    take(page, pictures, "web-infusion")
    page.goto(finish)
    take(page, pictures, "web-finish")
    signed = sign(page, at, finish)
    take(page, pictures, "web-signed")
    [kept] = (place / "plans").glob(f"*-{signed.rpartition('/')[2][:12]}.toml")
    with controller(kept, tmp_path, runtime):
        page.goto(f"{at}/pumps")
        link = page.locator("main table a").first
        for _ in range(60):
            if link.count():
                break
            page.wait_for_timeout(500)
            page.reload()
        link.click()
        page.wait_for_selector("text=No alarm", timeout=30_000)
        take(page, pictures, "web-pump")


def test_every_picture_of_the_tutorial_is_one_that_is_taken_here() -> None:
    text = (ROOT / "docs" / "tutorial-clinician.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"\(images/(web-[a-z]+)\.png\)", text)) == PICTURES
