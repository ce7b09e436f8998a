"""The commands of the how-to pages, typed in the order in which a page gives them, on a simulated pump."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from pump_ctrl.cli.main import cli
from tests.system.kit import ROOT, House, Process, house, wait_for

PAGES: Final = ROOT / "docs" / "how-to"
BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MONTH: Final = "(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_HEX: Final = "(?:(?<=code )|(?<=NAME )|(?<=Limits: ))[0-9a-f]+"
CHANGES: Final = re.compile(rf"{_HEX}|[+-]?[0-9][0-9.]*|\b(?:[A-Z][a-z]+day|{_MONTH})\b")


def typed(page: str) -> Iterator[tuple[str, str]]:
    """Every command of the page, and what it is said to answer."""
    for block in BLOCK.findall((PAGES / page).read_text(encoding="utf-8")):
        first, *rest = re.split(r"^\$ ", block, flags=re.MULTILINE)
        if first:
            yield "", first
        for part in rest:
            command, _, answer = part.partition("\n")
            yield command, answer


def shape(text: str) -> str:
    """The text without figures, dates and line ends, which differ from run to run."""
    return CHANGES.sub("#", " ".join(text.split())).replace("# to # mL", "# mL")


def wait_shown(process: Process, lines: str) -> None:
    """Wait until it has said all of them."""

    def shown() -> bool:
        return all(shape(line) in shape(process.said) for line in lines.splitlines())

    try:
        wait_for(shown)
    except AssertionError:
        raise AssertionError(f"{lines}\nis not what was said:\n{process.said}") from None


def do(here: House, command: str, answer: str) -> None:
    """Type it, and see that it is answered as the page says; who stays is left running."""
    program, *words = shlex.split(command)
    if program == "pump-sim" or words[0] == "run":
        module = "sim.cli" if program == "pump-sim" else "pump_ctrl.cli.main"
        wait_shown(here.start(f"{len(here.children)}", "-m", module, *words), answer)
    else:
        said = CliRunner().invoke(cli, words).output
        assert shape(said) == shape(answer), f"{command}\n{said}"


@pytest.fixture
def here(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A folder with the examples, in which everything is typed."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    with house(tmp_path, runtime) as made:
        yield made


def begun_now(command: str) -> None:
    """The first command of all: the example's plan, with its start set to now."""
    assert command.startswith("sed ")
    subprocess.run(["bash", "-c", command], check=True, timeout=20)


def test_the_page_on_running_a_plan_can_be_typed_as_it_is_written(here: House) -> None:
    (sed, _), *rest = typed("run-a-plan.md")
    begun_now(sed)
    for command, answer in rest:
        if command:
            do(here, command, answer)
        else:  # what the end of the controller says
            here.children[-1].end()
            wait_shown(here.children[-1], answer)
    verbs = [command.split()[1] for command, _ in rest if command]
    assert verbs == [
        "plan",
        "run",
        *("bolus", "bolus", "stop", "bolus"),
        *("refill", "refill", "resolve", "resume"),
    ]


@pytest.mark.deep
def test_the_page_on_connecting_can_be_typed_on_the_pump_that_it_serves(here: House) -> None:
    for command, answer in typed("connect-a-pump.md"):
        do(
            here,
            re.sub("/tmp/pump|/dev/ttyUSB0", str(here.device), command),
            answer.replace("/tmp/pump", str(here.device)),
        )


@pytest.mark.deep
def test_the_page_on_recovering_can_be_typed_as_it_is_written(here: House) -> None:
    (sed, _), approve, *_ = typed("run-a-plan.md")
    begun_now(sed)
    do(here, *approve)
    for command, answer in typed("recover-after-a-crash.md"):
        if " run " in command and len(here.children) > 1:
            here.children[-1].end(signal.SIGKILL)
        do(here, *(text.replace("/tmp/pump", str(here.device)) for text in (command, answer)))
    assert len(here.children) == 4
